//! The second suite: what a message costs when there are many queues, subscriptions or connections
//! instead of one. Each dimension has one shape of load at 1 and at more; what counts is the ratio
//! of the broker's CPU time per message.
//!
//! Every run has a broker of its own, so that memory is that run's and no port is used up.

mod load;
mod names;
mod report;
mod run;
mod setup;
mod shape;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{
    DataDir, check_interrupted, default_barid,
    measure::Machine,
    progress,
    systems::{Running, System},
    wire::{Protocol, Wire},
};
use shape::Shape;

/// Bytes of each body.
const BODY_BYTES: usize = 100;

/// Descriptors that a process of this suite needs: 10,000 connections and what it has beside them.
const DESCRIPTORS_MIN: u64 = 11_000;

/// The options of `bench scale` and `bench mqtt-scale`.
#[derive(Debug, Args)]
pub(crate) struct ScaleOptions {
    /// Barid's binary.
    #[arg(long, value_name = "PATH", default_value_os_t = default_barid())]
    barid: PathBuf,
    /// The systems to measure, by comma, which have to speak the protocol [default: barid, and of mqtt-scale mosquitto].
    #[arg(long, value_name = "SYSTEMS", value_delimiter = ',')]
    system: Vec<System>,
    /// Shapes to measure: parts of their names, by comma [default: all].
    #[arg(long, value_name = "FILTER", default_value = "")]
    cells: String,
    /// Length of each measured window.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    seconds: f64,
    /// Folder below which the broker keeps its data while this runs.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// File for the report, besides standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the names of the shapes and end.
    #[arg(long)]
    list: bool,
}

/// Runs `bench scale`.
///
/// # Errors
/// As of [`measure`].
pub(crate) fn scale(options: &ScaleOptions) -> Result<()> {
    measure(Protocol::Stomp, &[System::Barid], options)
}

/// Runs `bench mqtt-scale`.
///
/// # Errors
/// As of [`measure`].
pub(crate) fn mqtt_scale(options: &ScaleOptions) -> Result<()> {
    let systems = [System::Barid, System::Mosquitto];
    measure(Protocol::Mqtt, &systems, options)
}

/// Measures what matches, and prints the table.
///
/// # Errors
/// If nothing matches, a system does not start, or a signal asks to end. A shape that fails is a row
/// that says so.
fn measure(protocol: Protocol, systems: &[System], options: &ScaleOptions) -> Result<()> {
    let shapes = Shape::matching(protocol, &options.cells);
    ensure!(
        !shapes.is_empty(),
        "no shape matches {:?}; see --list",
        options.cells
    );
    let systems = if options.system.is_empty() {
        systems
    } else {
        &options.system
    };
    for system in systems {
        ensure!(
            speaks(*system, protocol),
            "this suite speaks {protocol}, and declares no queues: not with {system}"
        );
    }
    ensure!(
        (0.1..=3600.0).contains(&options.seconds),
        "--seconds {}: 0.1 to 3600",
        options.seconds
    );
    if options.list {
        let names = shapes
            .iter()
            .map(Shape::name)
            .collect::<Vec<_>>()
            .join("\n");
        return crate::print(&format!("{names}\n"));
    }
    crate::watch_for_signals()?;
    rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1))?;
    raise_descriptors()?;
    let dir = DataDir::create(&options.dir)?;
    let machine = Machine::describe(&dir.path)?;
    let rows = rows(&shapes, systems, options, &dir)?;
    let text = report::render(&machine, &rows);
    crate::print(&text)?;
    if let Some(out) = &options.out {
        std::fs::write(out, &text).with_context(|| format!("writing {}", out.display()))?;
    }
    Ok(())
}

/// Each shape on each system in turn.
fn rows(
    shapes: &[Shape],
    systems: &[System],
    options: &ScaleOptions,
    dir: &DataDir,
) -> Result<Vec<report::Row>> {
    let window = Duration::from_secs_f64(options.seconds);
    let mut rows = Vec::new();
    let total = shapes.len() * systems.len();
    for shape in shapes {
        for system in systems {
            check_interrupted()?;
            let (number, name) = (rows.len() + 1, shape.name());
            progress(format_args!("[{number}/{total}] {name} on {system}"));
            let broker = Running::start(*system, shape.protocol, &dir.path, &options.barid)?;
            let outcome = run::measure(shape, &broker, window);
            let version = broker.version.clone();
            drop(broker);
            if outcome.is_err() {
                check_interrupted()?;
            }
            let row = report::Row::new(shape, *system, version, outcome);
            progress(format_args!("    {row}"));
            rows.push(row);
        }
    }
    Ok(rows)
}

/// Whether a system can be measured by this suite.
fn speaks(system: System, protocol: Protocol) -> bool {
    match (system, protocol) {
        (System::Mosquitto, Protocol::Stomp) | (System::Activemq, Protocol::Mqtt) => false,
        (_, Protocol::Stomp) => system.wire(protocol) == Wire::Stomp,
        (_, Protocol::Mqtt) => system.wire(protocol) == Wire::Mqtt,
        (_, Protocol::Amqp) => false,
    }
}

/// Takes as many descriptors as there may be; the broker, a child, has as many.
fn raise_descriptors() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    ensure!(
        maximum.is_none_or(|maximum| maximum >= DESCRIPTORS_MIN),
        "10,000 connections need {DESCRIPTORS_MIN} descriptors, and the hard limit is {maximum:?}"
    );
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, raised).context("raising the number of descriptors")
}
