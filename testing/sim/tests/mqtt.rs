//! Sessions of MQTT keep what they promise, whatever breaks.

use sim::mqtt::run;
use sim::store::Kind;

#[test]
fn sessions_keep_their_promises_over_cuts_and_crashes() {
    let (mut crashes, mut stops, mut got) = (0, 0, 0);
    for seed in 1..=120 {
        let store = [Kind::Journal, Kind::Apart][usize::from(seed % 2 == 0)];
        let report = run(seed, store);
        let report = report.unwrap_or_else(|broken| panic!("seed {seed}, {store:?}: {broken}"));
        crashes += report.crashes;
        stops += report.stops;
        got += report.got;
    }
    assert!(
        crashes > 120 && stops > 10 && got > 10_000,
        "{crashes} {stops} {got}"
    );
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in 1..=10 {
        assert_eq!(run(seed, Kind::Journal), run(seed, Kind::Journal), "{seed}");
    }
}
