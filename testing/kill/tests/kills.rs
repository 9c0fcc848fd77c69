//! Twenty kills of the real binary, and twenty more.

use anyhow::{Result, ensure};
use kill::{Protocol, Summary};

const KILLS: usize = 20;

fn kill_twenty_times(protocol: Protocol) -> Result<()> {
    let mut sum = Summary::default();
    let mut seed = 0;
    while sum.kills < KILLS {
        sum.add(&kill::round(seed, protocol)?);
        seed += 1;
    }
    ensure!(sum.paged_kills > 0, "nothing went to pages: {sum:?}");
    Ok(())
}

#[test]
fn twenty_kills_break_no_promise() -> Result<()> {
    kill_twenty_times(Protocol::Stomp)
}

#[test]
fn twenty_kills_break_no_promise_of_amqp() -> Result<()> {
    kill_twenty_times(Protocol::Amqp)
}
