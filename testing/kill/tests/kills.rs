//! Twenty kills of the real binary.

use anyhow::{Result, ensure};
use kill::Summary;

const KILLS: usize = 20;

#[test]
fn twenty_kills_break_no_promise() -> Result<()> {
    let mut sum = Summary::default();
    let mut seed = 0;
    while sum.kills < KILLS {
        println!("seed {seed}");
        sum.add(&kill::round(seed)?);
        seed += 1;
    }
    ensure!(sum.paged_kills > 0, "nothing went to pages: {sum:?}");
    Ok(())
}
