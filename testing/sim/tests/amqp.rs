//! Clients of AMQP and of STOMP at the same queues keep and get what is promised.

use sim::history::{Fate, History};
use sim::run::{Crash, Plan, Report, Size, Speech, run};
use sim::store::Kind;

fn plan(seed: u64) -> Plan {
    Plan {
        seed,
        size: Size::Large,
        speech: Speech::Mixed,
        store: [Kind::Journal, Kind::Apart][usize::from(seed.is_multiple_of(2))],
        crash: Crash::Random,
    }
}

/// Fails unless there are more of something than that, over all runs.
fn check(reports: &[Report], what: &str, more_than: usize, count: impl Fn(&History) -> usize) {
    let count: usize = reports.iter().map(|it| count(&it.history)).sum();
    assert!(count > more_than, "{count} {what}");
}

#[test]
fn what_several_protocols_do_together_breaks_nothing() {
    let reports: Vec<_> = (1..=100)
        .map(plan)
        .map(|plan| run(plan).unwrap_or_else(|broken| panic!("{plan:?}: {broken}")))
        .collect();
    let crashes: u32 = reports.iter().map(|report| report.tally.crashes).sum();
    assert!(crashes > 100, "{crashes} crashes");
    let speaks_amqp = |history: &History, client| history.clients[&client].is_amqp;
    check(&reports, "messages by AMQP", 2000, |history| {
        let sent = history.sent.values();
        sent.filter(|it| speaks_amqp(history, it.client)).count()
    });
    check(&reports, "confirmed", 1000, |history| {
        let sent = history.sent.values();
        sent.filter(|it| it.is_confirmed && speaks_amqp(history, it.client))
            .count()
    });
    check(
        &reports,
        "from one protocol to the other",
        1000,
        |history| {
            let seen = history.seen.iter();
            seen.filter(|seen| {
                let from = history.sent[&seen.message].client;
                speaks_amqp(history, from) != speaks_amqp(history, seen.client)
            })
            .count()
        },
    );
    check(&reports, "settled with a confirm", 500, |history| {
        history.settled.len()
    });
    check(&reports, "refused by full queues", 5, |history| {
        history.full as usize
    });
    check(&reports, "got without a consumer", 300, |history| {
        history.gets as usize
    });
    check(&reports, "direct answers", 100, |history| {
        history.answers as usize
    });
    check(&reports, "committed", 300, |history| {
        let transactions = history.transactions.values();
        transactions
            .filter(|it| matches!(it.fate, Fate::Confirmed(_)))
            .count()
    });
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for seed in 1..=10 {
        assert_eq!(run(plan(seed)), run(plan(seed)), "seed {seed}");
    }
}

#[test]
fn small_transactions_survive_a_crash_at_every_step() {
    let whole = Plan {
        size: Size::Transactions,
        crash: Crash::Never,
        ..plan(7)
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
