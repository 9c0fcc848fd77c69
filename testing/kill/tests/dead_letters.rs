//! Kills of the real binary while messages are rejected and expire.

use anyhow::{Result, ensure};

#[test]
fn dead_letters_arrive_once() -> Result<()> {
    let chain = kill::dead_letters::round(5, 8)?;
    println!("{chain:?}");
    ensure!(
        chain.confirmed > 100 && chain.arrived >= chain.confirmed,
        "{chain:?}"
    );
    Ok(())
}
