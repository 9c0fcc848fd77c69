//! The suite that measures Barid beside its peers: its options, and what becomes of its report.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{
    DataDir,
    campaign::Campaign,
    cell::{self, Cell},
    default_barid,
    measure::Machine,
    print, report, stamp,
    systems::System,
    watch_for_signals,
};

/// The options of `bench stomp`.
#[derive(Debug, Args)]
pub(crate) struct PeerOptions {
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

/// Measures what is asked for, and prints the report, also of a run that is cut short.
///
/// # Errors
/// If an option is out of bounds, a system cannot be started, or a signal asks to end.
pub(crate) fn stomp(options: &PeerOptions) -> Result<()> {
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

fn check_options(options: &PeerOptions) -> Result<()> {
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
