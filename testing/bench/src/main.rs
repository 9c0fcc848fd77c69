//! `bench`: measures Barid beside its peers, in one run and in turn, on one machine.
//!
//! The flow: `peers` reads the options, `campaign` runs each cell on each system round by round,
//! `run` does one load, `report`, `durable_report`, `mqtt_report` and `amqp_report` make Markdown of the samples. `systems`
//! starts and stops the brokers, `wire` speaks their protocols. Read `cell`, `load` and `run` first. `scale`,
//! `backlog` and `zmq` are further suites with loads of their own.

use std::{
    fmt,
    io::Write as _,
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};

mod aims;
mod amqp_report;
mod backlog;
mod campaign;
mod cell;
mod cell_result;
mod connection;
mod deliveries;
mod disk_sync;
mod durable_report;
mod install;
mod load;
mod measure;
mod mqtt_report;
mod outstanding;
mod pacing;
mod peers;
mod process;
mod publisher;
mod ratios;
mod report;
mod run;
mod scale;
mod stamp;
mod systems;
mod tally;
mod wire;
mod zmq;

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
    Stomp(peers::PeerOptions),
    /// Persistent messages, a receipt for each, beside RabbitMQ (both kinds of queues) and ActiveMQ, and beside what the
    /// disk does by itself.
    Durable(peers::PeerOptions),
    /// QoS 0, 1 and 2 over MQTT, beside Mosquitto, RabbitMQ and (QoS 0 only) NATS.
    Mqtt(peers::PeerOptions),
    /// Transient messages, persistent ones with confirms, and fan-out over AMQP 0-9-1, beside RabbitMQ.
    Amqp(peers::PeerOptions),
    /// Ten thousand connections and a hundred thousand subscriptions over MQTT, beside Mosquitto.
    MqttScale(scale::ScaleOptions),
    /// What a message costs with one and with ten thousand queues, subscriptions and connections.
    Scale(scale::ScaleOptions),
    /// What it costs to have many messages wait in queues.
    Backlog(backlog::BacklogOptions),
    /// The library for programs without a broker, beside libzmq.
    Zmq(zmq::ZmqOptions),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().suite {
        Suite::Stomp(options) => peers::stomp(&options),
        Suite::Durable(options) => peers::durable(&options),
        Suite::Mqtt(options) => peers::mqtt(&options),
        Suite::Amqp(options) => peers::amqp(&options),
        Suite::MqttScale(options) => scale::mqtt_scale(&options),
        Suite::Scale(options) => scale::scale(&options),
        Suite::Backlog(options) => backlog::backlog(&options),
        Suite::Zmq(options) => zmq::zmq(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(format_args!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
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
