//! The suites that measure Barid beside its peers: their options, and what becomes of their reports.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{
    DataDir, amqp_report,
    campaign::Campaign,
    cell::{Cell, Shape},
    default_barid,
    disk_sync::SyncProbe,
    durable_report,
    measure::Machine,
    mqtt_report, print, report,
    systems::System,
    watch_for_signals,
};

/// A suite: what it measures unless less is asked for.
struct Comparison {
    systems: &'static [System],
    shapes: fn() -> Vec<Shape>,
    /// What each system is broken in by, if it can do it.
    break_in: Shape,
    /// Whether the disk is measured beside the systems.
    is_disk_read: bool,
    render: fn(&Machine, &Campaign) -> String,
}

const STOMP: Comparison = Comparison {
    systems: &[
        System::Barid,
        System::Rabbitmq,
        System::Activemq,
        System::Nats,
    ],
    shapes: || Shape::STOMP.to_vec(),
    break_in: Shape::TransientQueue,
    is_disk_read: false,
    render: report::render,
};

const DURABLE: Comparison = Comparison {
    systems: &[
        System::Barid,
        System::RabbitmqQuorum,
        System::Rabbitmq,
        System::Activemq,
    ],
    shapes: || Shape::DURABLE.to_vec(),
    break_in: Shape::Receipts(1000),
    is_disk_read: true,
    render: durable_report::render,
};

const MQTT: Comparison = Comparison {
    systems: &[
        System::Barid,
        System::Mosquitto,
        System::Rabbitmq,
        System::Nats,
    ],
    shapes: Shape::mqtt,
    break_in: Shape::MQTT_FIRST,
    is_disk_read: false,
    render: mqtt_report::render,
};

const AMQP: Comparison = Comparison {
    systems: &[System::Barid, System::Rabbitmq, System::RabbitmqQuorum],
    shapes: Shape::amqp,
    break_in: Shape::AMQP_FIRST,
    is_disk_read: false,
    render: amqp_report::render,
};

/// The options of `bench stomp`, `bench durable`, `bench mqtt` and `bench amqp`.
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
    /// Body sizes in bytes, by comma, of all cells [default: 100,1024; of mqtt 16,100,1024 from one to one, else 100; of
    /// amqp 16 to 16384 where they matter, else 100].
    #[arg(long, value_name = "BYTES", value_delimiter = ',')]
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

/// Runs `bench stomp`.
///
/// # Errors
/// As of [`measure`].
pub(crate) fn stomp(options: &PeerOptions) -> Result<()> {
    measure(&STOMP, options)
}

/// Runs `bench durable`.
///
/// # Errors
/// As of [`measure`], and where nothing is durable.
pub(crate) fn durable(options: &PeerOptions) -> Result<()> {
    measure(&DURABLE, options)
}

/// Runs `bench mqtt`.
///
/// # Errors
/// As of [`measure`].
pub(crate) fn mqtt(options: &PeerOptions) -> Result<()> {
    measure(&MQTT, options)
}

/// Runs `bench amqp`.
///
/// # Errors
/// As of [`measure`].
pub(crate) fn amqp(options: &PeerOptions) -> Result<()> {
    measure(&AMQP, options)
}

/// Measures what is asked for, and prints the report, also of a run that is cut short.
///
/// # Errors
/// If an option is out of bounds, a system cannot be started, or a signal asks to end.
fn measure(suite: &Comparison, options: &PeerOptions) -> Result<()> {
    check_options(options)?;
    let cells = Cell::matching(&(suite.shapes)(), &options.payload, &options.cells);
    ensure!(
        !cells.is_empty(),
        "no cell matches {:?}; see --list",
        options.cells
    );
    for cell in &cells {
        let (smallest, largest) = cell.shape.body_bounds();
        let size = cell.body_bytes;
        ensure!(
            (smallest..=largest).contains(&size),
            "--payload {size}: {smallest} to {largest}"
        );
    }
    if options.list {
        let names = cells.iter().map(Cell::name).collect::<Vec<_>>().join("\n");
        return print(&format!("{names}\n"));
    }
    watch_for_signals()?;
    // So that a fixed rate is kept to the microsecond; the default slack is 50.
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;

    let systems = if options.only.is_empty() {
        suite.systems.to_vec()
    } else {
        options.only.clone()
    };
    let suited = |system: &System| cells.iter().any(|cell| cell.suits(*system));
    let systems = systems.into_iter().filter(suited).collect::<Vec<_>>();
    ensure!(
        !systems.is_empty(),
        "none of the systems can do any of the cells that are chosen"
    );
    let dir = DataDir::create(&options.dir)?;
    let (seconds, rounds) = if options.quick {
        (1.0, 1)
    } else {
        (options.seconds, options.rounds)
    };
    let machine = Machine::describe(&dir.path)?;
    let probe = if suite.is_disk_read {
        ensure!(
            !machine.is_in_memory(),
            "{} lies in memory, where nothing is ever synced: name a folder on a disk with --dir",
            options.dir.display()
        );
        Some(SyncProbe::create(&dir.path)?)
    } else {
        None
    };
    let mut campaign = Campaign {
        systems,
        cells,
        rounds,
        warm_up: Duration::from_secs_f64(options.warm_up),
        window: Duration::from_secs_f64(seconds),
        break_in: suite.break_in,
        probe,
        barid: options.barid.clone(),
        dir: dir.path.clone(),
        results: Vec::new(),
    };
    let outcome = campaign.run();
    let text = (suite.render)(&machine, &campaign);
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
