//! The systems that are measured: how each is started, where it listens, and how it is stopped.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    disk_sync::FlushCounter,
    install,
    measure::wait_for,
    process::Owned,
    wire::{Protocol, Wire},
};

mod activemq;
pub(crate) mod barid;
mod mosquitto;
mod nats;
mod rabbitmq;

/// Time a system has to come up.
const START_LIMIT: Duration = Duration::from_secs(90);

/// One of the systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub(crate) enum System {
    /// This project's broker, over STOMP, MQTT or AMQP.
    Barid,
    /// RabbitMQ with its STOMP plugin, classic queues, or its MQTT plugin, or without one.
    Rabbitmq,
    /// The same with quorum queues. Persistent messages only.
    RabbitmqQuorum,
    /// ActiveMQ with its STOMP connector and `KahaDB`.
    Activemq,
    /// nats-server, over its own protocol. Topics only.
    Nats,
    /// Mosquitto, over MQTT.
    Mosquitto,
}

impl System {
    /// The protocol it is measured by in a suite of `protocol`.
    pub(crate) fn wire(self, protocol: Protocol) -> Wire {
        match (self, protocol) {
            (Self::Nats, _) => Wire::Nats,
            (Self::RabbitmqQuorum, Protocol::Amqp) => Wire::AmqpQuorum,
            (_, Protocol::Amqp) => Wire::Amqp,
            (Self::RabbitmqQuorum, Protocol::Stomp) => Wire::StompQuorum,
            (Self::Barid | Self::Rabbitmq | Self::Activemq | Self::Mosquitto, Protocol::Stomp) => {
                Wire::Stomp
            }
            (
                Self::Barid
                | Self::Rabbitmq
                | Self::RabbitmqQuorum
                | Self::Activemq
                | Self::Mosquitto,
                Protocol::Mqtt,
            ) => Wire::Mqtt,
        }
    }

    /// The package that it comes in, where it comes in one.
    fn package(self) -> Option<&'static str> {
        match self {
            Self::Barid => None,
            Self::Rabbitmq | Self::RabbitmqQuorum => Some("rabbitmq-server"),
            Self::Activemq => Some("activemq"),
            Self::Nats => Some("nats-server"),
            Self::Mosquitto => Some("mosquitto"),
        }
    }
}

impl fmt::Display for System {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Barid => "Barid",
            Self::Rabbitmq => "RabbitMQ",
            Self::RabbitmqQuorum => "RabbitMQ quorum",
            Self::Activemq => "ActiveMQ",
            Self::Nats => "NATS",
            Self::Mosquitto => "Mosquitto",
        })
    }
}

/// What a system's own file hands over once it has started its processes.
struct Started {
    /// Its processes; those that others depend on come first.
    processes: Vec<Owned>,
    /// Program name of the process that does the work, where that is not the last one itself.
    worker: Option<&'static str>,
    /// Where clients connect.
    address: SocketAddr,
    /// How it is asked for its queues, where it can have several kinds.
    control: Option<rabbitmq::Control>,
}

/// A system that is up. Ended, with its processes, when dropped.
pub(crate) struct Running {
    processes: Vec<Owned>,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    /// The process whose CPU time and memory count.
    pub(crate) pid: u32,
    /// Counts the flushes of the disk with its data.
    pub(crate) flushes: Option<FlushCounter>,
    /// What it is, for a protocol that has no words for that; empty if unknown.
    pub(crate) version: String,
    control: Option<rabbitmq::Control>,
}

impl Running {
    /// Starts `system` with nothing but an empty folder of its own below `dir`, and waits until
    /// it takes connections of `protocol`. `barid` is the path of Barid's binary.
    ///
    /// # Errors
    /// If it cannot be installed or does not come up, or does not speak the protocol.
    pub(crate) fn start(
        system: System,
        protocol: Protocol,
        dir: &Path,
        barid: &Path,
    ) -> Result<Self> {
        let own_dir = dir.join(system.to_string().to_lowercase().replace(' ', "-"));
        if own_dir.exists() {
            std::fs::remove_dir_all(&own_dir).context("removing what the last start left")?;
        }
        std::fs::create_dir_all(&own_dir).context("creating a data folder")?;
        let started = match system {
            System::Barid => barid::start(barid, protocol, &own_dir)?,
            System::Rabbitmq | System::RabbitmqQuorum => rabbitmq::start(protocol, &own_dir)?,
            System::Activemq => activemq::start(&own_dir)?,
            System::Nats => nats::start(&own_dir)?,
            System::Mosquitto => mosquitto::start(&own_dir)?,
        };
        let flushes = FlushCounter::of(&own_dir);
        let version = match system.package() {
            None => barid::version(barid),
            Some(package) => install::version(package),
        };
        Self::when_ready(started, flushes, version).with_context(|| format!("waiting for {system}"))
    }

    fn when_ready(
        started: Started,
        flushes: Option<FlushCounter>,
        version: String,
    ) -> Result<Self> {
        let Started {
            mut processes,
            worker,
            address,
            control,
        } = started;
        wait_for("the listener", START_LIMIT, || {
            crate::check_interrupted()?;
            for process in &mut processes {
                process.check_alive()?;
            }
            Ok(TcpStream::connect(address).ok())
        })?;
        let broker = processes.last().context("a system has no process")?;
        let pid = worker.map_or(Some(broker.pid()), |program| broker.pid_of(program));
        let pid = pid.context("the broker's process is not found")?;
        Ok(Self {
            processes,
            address,
            pid,
            flushes,
            version,
            control,
        })
    }

    /// Fails unless it has queues that are durable and of the kind that `system` stands for, by its own account and not by
    /// what was asked of it.
    ///
    /// # Errors
    /// If it has none or others, or does not tell. Not asked where nothing that the suite does needs such.
    pub(crate) fn check_queues(&self, system: System, protocol: Protocol) -> Result<()> {
        let kind = match (system, protocol) {
            (System::Rabbitmq, Protocol::Stomp | Protocol::Amqp) => rabbitmq::Kind::Classic,
            (System::RabbitmqQuorum, Protocol::Stomp | Protocol::Amqp) => rabbitmq::Kind::Quorum,
            (_, Protocol::Mqtt)
            | (System::Barid | System::Activemq | System::Nats | System::Mosquitto, _) => {
                return Ok(());
            }
        };
        let control = self.control.as_ref();
        control.map_or(Ok(()), |control| control.check_queues(kind))
    }

    /// Takes the cores from it while another system is measured.
    pub(crate) fn pause(&self) {
        self.processes.iter().for_each(Owned::pause);
    }

    /// Lets it run.
    pub(crate) fn resume(&self) {
        self.processes.iter().for_each(Owned::resume);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The broker before what it depends on.
        while let Some(process) = self.processes.pop() {
            drop(process);
        }
    }
}

/// A port on loopback that was free a moment ago.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("finding a free port")?;
    Ok(listener.local_addr()?)
}

/// Writes a configuration file and gives its path.
fn write_config(dir: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = dir.join(name);
    std::fs::write(&path, text).with_context(|| format!("writing {name}"))?;
    Ok(path)
}
