//! Kills of the real binary while clients commit.

use anyhow::{Result, ensure};

#[test]
fn kills_leave_transactions_whole() -> Result<()> {
    let moved = kill::transactions::round(12)?;
    println!("{moved:?}");
    ensure!(
        moved.answered > 0 && moved.effective >= moved.answered,
        "{moved:?}"
    );
    Ok(())
}
