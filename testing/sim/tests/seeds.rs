//! The simulation is deterministic, and sees something.

use sim::run::{Crash, Plan, Size, run};

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 1..6 {
        let plan = Plan {
            seed,
            size: Size::Large,
            crash: Crash::Random,
        };
        assert_eq!(run(plan), run(plan), "seed {seed}");
    }
}

#[test]
fn a_workload_does_what_it_says() {
    let plan = Plan {
        seed: 1,
        size: Size::Large,
        crash: Crash::Never,
    };
    let report = run(plan).expect("it holds");
    let confirmed = report
        .history
        .sent
        .values()
        .filter(|sent| sent.is_confirmed)
        .count();
    assert!(confirmed > 10, "{confirmed} confirmed");
    assert!(
        report.history.settled.len() > 5,
        "{} settled",
        report.history.settled.len()
    );
    assert!(
        report.history.seen.iter().any(|seen| seen.redelivered),
        "nothing was returned"
    );
}

#[test]
fn a_small_workload_survives_a_crash_at_every_step() {
    let whole = Plan {
        seed: 7,
        size: Size::Small,
        crash: Crash::Never,
    };
    let report = run(whole).expect("it holds without a crash");
    for step in 1..=report.steps {
        let plan = Plan {
            crash: Crash::BeforeStep(step),
            ..whole
        };
        run(plan).unwrap_or_else(|broken| panic!("{plan:?}: {broken}"));
    }
    for operation in 1..=report.operations {
        let plan = Plan {
            crash: Crash::InOperation(operation),
            ..whole
        };
        run(plan).unwrap_or_else(|broken| panic!("{plan:?}: {broken}"));
    }
}
