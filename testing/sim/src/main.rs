//! `sim [seed] [--count n]`: runs the broker from seeds and says which of them break it.

use anyhow::bail;
use clap::Parser;
use sim::run::{Crash, Plan, Size, Speech, Tally, run};
use sim::store::Kind;

/// Runs the whole broker in one thread, on a disk that crashes, from seeds.
#[derive(Parser)]
struct Arguments {
    /// The first seed.
    #[arg(default_value_t = 1)]
    seed: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 1)]
    count: u64,
    /// Crash two small workloads at every step and in every disk operation, for each seed.
    #[arg(long)]
    every: bool,
    /// Sessions of MQTT instead.
    #[arg(long, conflicts_with = "every")]
    mqtt: bool,
    /// Most clients speak AMQP, the others STOMP.
    #[arg(long, conflicts_with = "mqtt")]
    amqp: bool,
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to its user"
)]
fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.mqtt {
        return run_mqtt(&arguments);
    }
    let speech = [Speech::Stomp, Speech::Mixed][usize::from(arguments.amqp)];
    let mut runs = 0_u64;
    let mut tally = Tally::default();
    let mut failed = 0_u64;
    let mut check = |plan: Plan| {
        runs += 1;
        match std::panic::catch_unwind(|| run(plan)) {
            Ok(Ok(report)) => {
                tally = tally.plus(report.tally);
                return Some(report);
            }
            Ok(Err(broken)) => eprintln!("{plan:?}: {broken}"),
            Err(_) => eprintln!("{plan:?}: panicked"),
        }
        failed += 1;
        None
    };
    for seed in arguments.seed..arguments.seed + arguments.count {
        if !arguments.every {
            check(Plan {
                seed,
                size: Size::Large,
                speech,
                store: [Kind::Journal, Kind::Apart][usize::from(seed % 2 == 0)],
                crash: Crash::Random,
            });
            continue;
        }
        let sizes = [
            (Size::Small, Kind::Journal),
            (Size::Transactions, Kind::Journal),
            (Size::Transactions, Kind::Apart),
        ];
        for (size, store) in sizes {
            let whole = Plan {
                seed,
                size,
                speech,
                store,
                crash: Crash::Never,
            };
            let Some(report) = check(whole) else { continue };
            for step in 1..=report.steps {
                check(Plan {
                    crash: Crash::BeforeStep(step),
                    ..whole
                });
            }
            for operation in 1..=report.operations {
                check(Plan {
                    crash: Crash::InOperation(operation),
                    ..whole
                });
            }
        }
    }
    println!(
        "{runs} runs with {} crashes from seed {}: {tally:?}",
        tally.crashes, arguments.seed
    );
    println!("{} passed, {failed} failed", runs - failed);
    if failed > 0 {
        bail!("{failed} of {runs} runs broke an invariant");
    }
    Ok(())
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program talks to its user"
)]
fn run_mqtt(arguments: &Arguments) -> anyhow::Result<()> {
    let (mut crashes, mut sent, mut got, mut failed) = (0, 0, 0, 0_u64);
    for seed in arguments.seed..arguments.seed + arguments.count {
        let store = [Kind::Journal, Kind::Apart][usize::from(seed % 2 == 0)];
        match std::panic::catch_unwind(|| sim::mqtt::run(seed, store)) {
            Ok(Ok(report)) => {
                crashes += report.crashes;
                sent += report.sent;
                got += report.got;
            }
            Ok(Err(broken)) => {
                eprintln!("seed {seed}, {store:?}: {broken}");
                failed += 1;
            }
            Err(_) => {
                eprintln!("seed {seed}, {store:?}: panicked");
                failed += 1;
            }
        }
    }
    let (seed, count) = (arguments.seed, arguments.count);
    println!("{crashes} crashes, {sent} messages sent, {got} received, from seed {seed}");
    println!("{} passed, {failed} failed", count - failed);
    if failed > 0 {
        bail!("{failed} of {count} runs broke a promise");
    }
    Ok(())
}
