//! Kills of the real binary while clients commit.

use anyhow::{Result, ensure};
use kill::Protocol;
use kill::transactions::{Moved, round};

fn check(moved: Moved) -> Result<()> {
    ensure!(
        moved.answered > 0 && moved.effective >= moved.answered,
        "{moved:?}"
    );
    Ok(())
}

#[test]
fn kills_leave_transactions_whole() -> Result<()> {
    check(round(12, Protocol::Stomp)?)
}

#[test]
fn kills_leave_transactions_of_amqp_whole() -> Result<()> {
    check(round(12, Protocol::Amqp)?)
}
