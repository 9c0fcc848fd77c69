//! Kills of the real binary while a client of MQTT publishes.

use anyhow::{Result, ensure};

#[test]
fn what_was_answered_by_puback_stays_in_a_bound_queue() -> Result<()> {
    let published = kill::bound::round(7, 6)?;
    println!("{published:?}");
    ensure!(
        published.answered > 0 && published.kept >= published.answered,
        "{published:?}"
    );
    Ok(())
}
