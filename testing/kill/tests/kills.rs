//! Twenty kills of the real binary.

use anyhow::Result;

const KILLS: usize = 20;

#[test]
fn twenty_kills_break_no_promise() -> Result<()> {
    let mut kills = 0;
    let mut seed = 0;
    while kills < KILLS {
        println!("seed {seed}");
        kills += kill::round(seed)?.kills;
        seed += 1;
    }
    Ok(())
}
