//! `bench`: measures Barid beside its peers, in one run and in turn, on one machine.
//!
//! The flow: `main` reads the options, `campaign` runs each cell on each system round by round,
//! `run` does one load, `report` makes Markdown of the samples. `systems` starts and stops the
//! brokers, `wire` speaks their protocols. Read `cell`, `load` and `run` first. `scale` and
//! `backlog` are further suites with loads of their own.

use std::{
    fmt,
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};

use crate::{campaign::Campaign, cell::Cell, measure::Machine, systems::System};

mod backlog;
mod campaign;
mod cell;
mod connection;
mod install;
mod load;
mod measure;
mod process;
mod publisher;
mod report;
mod run;
mod scale;
mod stamp;
mod systems;
mod tally;
mod wire;

/// Set by a signal that asks this process to end.
static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Measures Barid beside its peers.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, Subcommand)]
enum Suite {
    /// Queues and topics over STOMP, beside RabbitMQ, ActiveMQ and (topics only) NATS.
    Stomp(StompOptions),
    /// What a message costs with one and with ten thousand queues, subscriptions and connections.
    Scale(scale::ScaleOptions),
    /// What it costs to have many messages wait in queues.
    Backlog(backlog::BacklogOptions),
}

#[derive(Debug, Args)]
struct StompOptions {
    /// Barid's binary.
    #[arg(long, value_name = "PATH", default_value_os_t = default_barid())]
    barid: PathBuf,
    /// Systems to measure, by comma [default: all].
    #[arg(long, value_name = "SYSTEMS", value_delimiter = ',')]
    only: Vec<System>,
    /// Cells to measure: parts of their names, by comma [default: all].
    #[arg(long, value_name = "FILTER", default_value = "")]
    cells: String,
    /// Body sizes in bytes, by comma.
    #[arg(long, value_name = "BYTES", value_delimiter = ',', default_values_t = cell::BODY_BYTES)]
    payload: Vec<usize>,
    /// Length of each measured window.
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    seconds: f64,
    /// Time under load before each window.
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    warm_up: f64,
    /// Rounds of each cell on each system; medians are reported.
    #[arg(long, value_name = "COUNT", default_value_t = 3)]
    rounds: usize,
    /// One round of one second: to see that it runs, not to quote.
    #[arg(long, conflicts_with_all = ["seconds", "rounds"])]
    quick: bool,
    /// Folder below which the brokers keep their data while this runs.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// File for the report, besides standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the names of the cells and end.
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().suite {
        Suite::Stomp(options) => stomp(&options),
        Suite::Scale(options) => scale::scale(&options),
        Suite::Backlog(options) => backlog::backlog(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn stomp(options: &StompOptions) -> Result<()> {
    check_options(options)?;
    let cells = Cell::matching(&options.payload, &options.cells);
    ensure!(
        !cells.is_empty(),
        "no cell matches {:?}; see --list",
        options.cells
    );
    if options.list {
        let names = cells.iter().map(Cell::name).collect::<Vec<_>>().join("\n");
        return print(&format!("{names}\n"));
    }
    watch_for_signals()?;
    // So that a fixed rate is kept to the microsecond; the default slack is 50.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;

    let systems = if options.only.is_empty() {
        System::ALL.to_vec()
    } else {
        options.only.clone()
    };
    let suited = |system: &System| cells.iter().any(|cell| cell.suits(*system));
    let systems = systems.into_iter().filter(suited).collect::<Vec<_>>();
    ensure!(
        !systems.is_empty(),
        "nats has topics only, and no cell with a topic is chosen"
    );
    let dir = DataDir::create(&options.dir)?;
    let (seconds, rounds) = if options.quick {
        (1.0, 1)
    } else {
        (options.seconds, options.rounds)
    };
    let machine = Machine::describe(&dir.path)?;
    let mut campaign = Campaign {
        systems,
        cells,
        rounds,
        warm_up: Duration::from_secs_f64(options.warm_up),
        window: Duration::from_secs_f64(seconds),
        barid: options.barid.clone(),
        dir: dir.path.clone(),
        results: Vec::new(),
    };
    let outcome = campaign.run();
    let text = report::render(&machine, &campaign);
    if campaign
        .results
        .iter()
        .any(|result| !result.samples.is_empty())
    {
        print(&text)?;
        if let Some(out) = &options.out {
            std::fs::write(out, &text).with_context(|| format!("writing {}", out.display()))?;
        }
    }
    outcome
}

fn check_options(options: &StompOptions) -> Result<()> {
    let smallest = stamp::STAMP_BYTES;
    for size in &options.payload {
        ensure!(
            (smallest..=1 << 20).contains(size),
            "--payload {size}: {smallest} to 1048576"
        );
    }
    for (name, seconds) in [
        ("--seconds", options.seconds),
        ("--warm-up", options.warm_up),
    ] {
        ensure!(
            (0.0..=3600.0).contains(&seconds),
            "{name} {seconds}: 0 to 3600"
        );
    }
    ensure!(options.seconds > 0.0, "--seconds 0: a window has a length");
    ensure!(
        (1..=1000).contains(&options.rounds),
        "--rounds {}: 1 to 1000",
        options.rounds
    );
    Ok(())
}

/// `release/barid` in the folder of build profiles that this program lies in.
fn default_barid() -> PathBuf {
    let program = std::env::current_exe().ok();
    let target = program
        .as_deref()
        .and_then(|program| program.parent()?.parent());
    target
        .unwrap_or(std::path::Path::new("target"))
        .join("release/barid")
}

/// A folder of this process alone, removed when dropped.
struct DataDir {
    path: PathBuf,
}

impl DataDir {
    fn create(parent: &std::path::Path) -> Result<Self> {
        let path = parent.join(format!("barid-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).with_context(|| format!("creating {}", path.display()))?;
        let path = path.canonicalize().context("resolving the data folder")?;
        Ok(Self { path })
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            progress(format_args!(
                "could not remove {}: {error}",
                self.path.display()
            ));
        }
    }
}

/// Says on standard error what goes on. Where nobody listens, nothing is lost.
fn progress(text: fmt::Arguments<'_>) {
    drop(writeln!(std::io::stderr(), "{text}"));
}

fn print(text: &str) -> Result<()> {
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("writing to standard output")
}

/// Has a signal that asks to end noticed between two passes, so that all brokers are stopped.
fn watch_for_signals() -> Result<()> {
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
        signal_hook::consts::SIGHUP,
    ] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("watching for signals")?;
    }
    Ok(())
}

/// Fails once a signal has asked this process to end.
fn check_interrupted() -> Result<()> {
    if is_interrupted() {
        bail!("interrupted");
    }
    Ok(())
}

fn is_interrupted() -> bool {
    INTERRUPTED
        .get()
        .is_some_and(|flag| flag.load(Ordering::Relaxed))
}
