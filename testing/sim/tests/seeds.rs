//! The simulation is deterministic, and sees something.

use sim::history::{Effect, Event, Fate, History};
use sim::run::{Crash, Plan, Report, Size, Speech, Tally, run};
use sim::scene::Place;
use sim::store::Kind;
use std::collections::BTreeMap;

fn reports(count: u64, crash: Crash) -> Vec<Report> {
    let plans = (1..=count).map(|seed| Plan {
        seed,
        size: Size::Large,
        speech: Speech::Stomp,
        store: Kind::Journal,
        crash,
    });
    plans
        .map(|plan| run(plan).unwrap_or_else(|broken| panic!("{plan:?}: {broken}")))
        .collect()
}

/// Fails unless there are more of something than that, over all runs.
fn check(reports: &[Report], what: &str, more_than: usize, count: impl Fn(&Report) -> usize) {
    let count: usize = reports.iter().map(count).sum();
    assert!(count > more_than, "{count} {what}");
}

/// How many messages a client has had in its hands at once, at most.
fn most_in_hands(history: &History) -> usize {
    let mut in_hands = BTreeMap::<_, usize>::new();
    let mut most = 0;
    for event in &history.events {
        match event {
            Event::Got(_, client) => {
                let count = in_hands.entry(*client).or_default();
                *count += 1;
                most = most.max(*count);
            }
            Event::Settled(_, client) | Event::Returned(_, client) => {
                let count = in_hands.entry(*client).or_default();
                *count = count.saturating_sub(1);
            }
            Event::Left(client) => drop(in_hands.remove(client)),
            Event::GotForGood(..) => {}
            Event::Restart => in_hands.clear(),
            Event::CommitSent(_) | Event::CommitDone(_) | Event::CommitRefused(_) => {}
        }
    }
    most
}

/// The whole of what the clients did and saw, and of what went wrong.
#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 1..=20 {
        let plan = Plan {
            seed,
            size: Size::Large,
            speech: Speech::Stomp,
            store: [Kind::Journal, Kind::Apart][usize::from(seed % 2 == 0)],
            crash: Crash::Random,
        };
        assert_eq!(run(plan), run(plan), "seed {seed}");
    }
}

#[test]
fn everything_goes_wrong() {
    let reports = reports(150, Crash::Random);
    let count = |what: &str, more_than: u32, count: fn(&Tally) -> u32| {
        let count: u32 = reports.iter().map(|report| count(&report.tally)).sum();
        assert!(count > more_than, "{count} {what}");
    };
    count("crashes", 200, |tally| tally.crashes);
    count("stops", 30, |tally| tally.stops);
    count("kills", 20, |tally| tally.killed);
    count("failed writes and syncs", 5, |tally| tally.failed);
    count("full disks", 15, |tally| tally.filled);
    count("rotten bits", 3, |tally| tally.rotten);
    count("damaged shards", 0, |tally| tally.shards);
    count("jumps of the clock", 40, |tally| tally.jumps);
}

#[test]
fn workloads_do_what_they_say() {
    let reports = reports(200, Crash::Never);
    check(&reports, "confirmed", 1000, |report| {
        let sent = report.history.sent.values();
        sent.filter(|sent| sent.is_confirmed).count()
    });
    check(&reports, "settled", 1000, |report| {
        report.history.settled.len()
    });
    check(&reports, "returned", 300, |report| {
        let seen = report.history.seen.iter();
        seen.filter(|seen| seen.redelivered).count()
    });
    check(&reports, "dead letters", 300, |report| {
        let seen = report.history.seen.iter();
        seen.filter(|seen| matches!(seen.place, Place::Dead(_)))
            .count()
    });
    check(&reports, "fanned out", 300, |report| {
        let sent = report.history.sent.values();
        sent.filter(|sent| sent.is_confirmed && sent.to.len() > 1)
            .count()
    });
    check(&reports, "browsed", 200, |report| {
        report.history.browsed.len()
    });
    check(&reports, "given to who selects", 100, |report| {
        let history = &report.history;
        let seen = history.seen.iter();
        seen.filter(|seen| history.clients[&seen.client].selects)
            .count()
    });
    check(&reports, "refused by full queues", 20, |report| {
        report.history.full as usize
    });
    check(&reports, "delayed", 100, |report| {
        let sent = report.history.sent.values();
        sent.filter(|sent| sent.delay_ms.is_some()).count()
    });
    check(
        &reports,
        "dead letters of what was hoarded",
        200,
        |report| {
            let history = &report.history;
            let seen = history.seen.iter();
            let dead = seen.filter(|seen| matches!(seen.place, Place::Dead(_)));
            if most_in_hands(history) > 20 {
                dead.count()
            } else {
                0
            }
        },
    );
    check(&reports, "settled in transactions", 150, |report| {
        let transactions = report.history.transactions.values();
        transactions
            .filter(|it| matches!(it.fate, Fate::Confirmed(_)))
            .map(|it| it.acked.len() + it.rejected.len())
            .sum()
    });
}

#[test]
fn transactions_end_in_every_way() {
    let reports = reports(60, Crash::Random);
    let count = |is_it: fn(Fate, Effect) -> bool| {
        move |report: &Report| {
            let history = &report.history;
            let arrivals = history.arrivals();
            let transactions = history.transactions.values();
            transactions
                .filter(|it| is_it(it.fate, history.effect(it, &arrivals)))
                .count()
        }
    };
    check(
        &reports,
        "confirmed",
        500,
        count(|fate, _| matches!(fate, Fate::Confirmed(_))),
    );
    check(
        &reports,
        "aborted",
        100,
        count(|fate, _| fate == Fate::Aborted),
    );
    check(
        &reports,
        "left open",
        50,
        count(|fate, _| fate == Fate::Open),
    );
    check(
        &reports,
        "asked for and taken",
        50,
        count(|fate, effect| matches!((fate, effect), (Fate::Asked(_), Effect::Taken(_)))),
    );
    check(
        &reports,
        "asked for and lost",
        10,
        count(|fate, effect| matches!((fate, effect), (Fate::Asked(_), Effect::None))),
    );
}

#[test]
fn small_workloads_survive_a_crash_at_every_step() {
    let sizes = [
        (Size::Small, Kind::Journal),
        (Size::Transactions, Kind::Journal),
        (Size::Transactions, Kind::Apart),
    ];
    for (size, store) in sizes {
        let whole = Plan {
            seed: 7,
            size,
            speech: Speech::Stomp,
            store,
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
}
