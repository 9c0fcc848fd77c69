//! The third suite: what a deep backlog costs. One broker on one data folder, through all steps: an empty queue as the
//! yardstick, the fill, both ways at depth, restarts, acknowledgments without order, and the drain, in which every
//! message is checked.

mod body;
mod broker;
mod disk;
mod first;
mod ledger;
mod meter;
mod publisher;
mod reactor;
mod report;
mod sieve;
mod site;
mod steps;
mod summary;
mod traffic;

use std::{fmt, path::PathBuf};

use anyhow::{Context as _, Result, anyhow, ensure};
use clap::{Args, ValueEnum};

use crate::{DataDir, default_barid, measure::Machine};
use steps::{Run, Step};

/// Queues of a run, at most.
const QUEUES_MAX: u32 = 100_000;

/// The options of `bench backlog`.
#[derive(Debug, Args)]
pub(crate) struct BacklogOptions {
    /// Barid's binary.
    #[arg(long, value_name = "PATH", default_value_os_t = default_barid())]
    barid: PathBuf,
    /// Messages of the backlog.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    messages: u64,
    /// Bytes of each body.
    #[arg(long, value_name = "BYTES", default_value_t = 1024)]
    body: usize,
    /// Queues that hold them.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    queues: u32,
    /// How messages are spread over the queues.
    #[arg(long, value_name = "HOW", default_value_t = Spread::RoundRobin)]
    spread: Spread,
    /// One message in so many asks for a receipt; 1,000 receipts are outstanding.
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    receipt_every: u64,
    /// Deliveries of the random acknowledgments [default: a tenth of the messages].
    #[arg(long, value_name = "COUNT")]
    drain: Option<u64>,
    /// Length of the steps that publish and consume at a time.
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    seconds: f64,
    /// The broker's bound on the memory of queues, as its `queue.memory_bytes_max` takes it.
    #[arg(long, value_name = "BYTES")]
    memory: Option<String>,
    /// Steps to do, by comma, in the order of the suite [default: all].
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    steps: Vec<Step>,
    /// Folder below which the broker keeps its data while this runs.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// File for the report, besides standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// How messages are spread over the queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spread {
    /// To each queue in turn.
    RoundRobin,
    /// All of one queue, then all of the next.
    Blocks,
}

impl fmt::Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::RoundRobin => "round-robin",
            Self::Blocks => "blocks",
        })
    }
}

impl Spread {
    /// The queue of message `number` of `messages`.
    fn queue_of(self, number: u64, messages: u64, queues: u32) -> u32 {
        let queue = match self {
            Self::RoundRobin => number % u64::from(queues),
            Self::Blocks => {
                let at = u128::from(number.min(messages - 1)) * u128::from(queues);
                u64::try_from(at / u128::from(messages)).unwrap_or(0)
            }
        };
        u32::try_from(queue).unwrap_or(0)
    }
}

/// Runs the steps, and prints the table of those that came to their end.
///
/// # Errors
/// If an option is out of bounds, the broker does not start, a message is lost or comes where it must not, or a
/// signal asks to end.
pub(crate) fn backlog(options: &BacklogOptions) -> Result<()> {
    check_options(options)?;
    crate::watch_for_signals()?;
    let dir = DataDir::create(&options.dir)?;
    let machine = Machine::describe(&dir.path)?;
    let (rows, outcome) = Run::start(options, &dir.path)?.all_steps();
    let failure = outcome.as_ref().err().map(|error| format!("{error:#}"));
    let text = report::render(&machine, options, &rows, failure.as_deref());
    crate::print(&text)?;
    if let Some(out) = &options.out {
        std::fs::write(out, &text).with_context(|| format!("writing {}", out.display()))?;
    }
    outcome
}

fn check_options(options: &BacklogOptions) -> Result<()> {
    let bodies = body::BODY_BYTES_MIN..=1 << 20;
    ensure!(
        bodies.contains(&options.body),
        "--body {}: {} to {}",
        options.body,
        bodies.start(),
        bodies.end()
    );
    ensure!(
        (1..=QUEUES_MAX).contains(&options.queues),
        "--queues {}: 1 to {QUEUES_MAX}",
        options.queues
    );
    ensure!(
        (u64::from(options.queues)..=1_000_000_000).contains(&options.messages),
        "--messages {}: at least one for each of the {} queues, and at most 10^9",
        options.messages,
        options.queues
    );
    ensure!(
        (1..=1000).contains(&options.receipt_every),
        "--receipt-every {}: 1 to 1000",
        options.receipt_every
    );
    ensure!(
        (0.1..=3600.0).contains(&options.seconds),
        "--seconds {}: 0.1 to 3600",
        options.seconds
    );
    let needs_fill = |step: &Step| !matches!(step, Step::Empty | Step::Fill);
    let steps = &options.steps;
    ensure!(
        steps.contains(&Step::Fill) || !steps.iter().any(needs_fill),
        "the steps after fill need it: --steps fill,..."
    );
    (!options.memory.as_deref().is_some_and(str::is_empty))
        .then_some(())
        .ok_or_else(|| anyhow!("--memory is empty"))
}

#[expect(clippy::cast_precision_loss, reason = "a run is over in hours")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_queue_gets_its_share_either_way() {
        for (messages, queues) in [(1, 1), (10, 3), (1000, 7), (100_000, 1000)] {
            for spread in [Spread::RoundRobin, Spread::Blocks] {
                let mut counts = vec![0; queues as usize];
                for number in 0..messages {
                    counts[spread.queue_of(number, messages, queues) as usize] += 1;
                }
                let share = messages / u64::from(queues);
                let is_fair = |count: &u64| (share..=share + 1).contains(count);
                assert!(counts.iter().all(is_fair), "{spread} {counts:?}");
            }
        }
    }

    #[test]
    fn blocks_never_go_back() {
        let queues = (0..1000).map(|number| Spread::Blocks.queue_of(number, 1000, 7));
        assert!(queues.is_sorted());
    }
}
