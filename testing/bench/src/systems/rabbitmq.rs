//! RabbitMQ with its STOMP or MQTT plugin or, for AMQP, with none, as Debian packages it.
//!
//! It depends on a name service, epmd, which it would start on its own and leave behind. It is
//! given one that is already there, on a port of its own, and that ends with it.

use std::{
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{Started, free_address, write_config};
use crate::{install::ensure_installed, measure::wait_for, process::Owned, wire::Protocol};

const SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

const CONTROL_SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmqctl";

/// A kind of queues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Classic,
    Quorum,
}

/// What it takes to ask a server for its queues.
pub(super) struct Control {
    /// Home of the server, where the cookie is that lets others in.
    dir: PathBuf,
    epmd_port: String,
}

/// Starts epmd, then RabbitMQ with all its files in `dir`.
pub(super) fn start(protocol: Protocol, dir: &Path) -> Result<Started> {
    ensure_installed(Path::new(SCRIPT), "rabbitmq-server")?;
    let (address, epmd, distribution) = (free_address()?, free_address()?, free_address()?);
    let config = write_config(
        dir,
        "rabbitmq.conf",
        &format!(
            "{}\ncluster_name = bench\nlog.file.level = warning\n",
            match protocol {
                Protocol::Stomp =>
                    format!("listeners.tcp = none\nstomp.listeners.tcp.1 = {address}"),
                // Its default is 10 deliveries to a client that acknowledges, of which the others have no bound or
                // a higher one.
                Protocol::Mqtt => format!(
                    "listeners.tcp = none\nmqtt.listeners.tcp.1 = {address}\nmqtt.prefetch = 1000\n\
                     mqtt.allow_anonymous = true"
                ),
                Protocol::Amqp => format!("listeners.tcp.1 = {address}"),
            }
        ),
    )?;
    let plugin = match protocol {
        Protocol::Stomp => "[rabbitmq_stomp].\n",
        Protocol::Mqtt => "[rabbitmq_mqtt].\n",
        Protocol::Amqp => "[].\n",
    };
    let plugins = write_config(dir, "enabled_plugins", plugin)?;

    let epmd_port = epmd.port().to_string();
    let mut epmd_command = Command::new("epmd");
    epmd_command.args(["-port", &epmd_port, "-address", "127.0.0.1"]);
    let mut names = Owned::spawn("epmd", dir, &mut epmd_command)?;
    wait_for("epmd", Duration::from_secs(10), || {
        names.check_alive()?;
        Ok(TcpStream::connect(epmd).ok())
    })?;

    let control = Control {
        dir: dir.to_owned(),
        epmd_port,
    };
    let mut command = control.command(SCRIPT);
    command
        .env("RABBITMQ_CONFIG_FILE", &config)
        .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", dir.join("log"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins)
        .env("RABBITMQ_DIST_PORT", distribution.port().to_string())
        // Without a shell in between that would have to hand signals on.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .current_dir(dir);
    let server = Owned::spawn("rabbitmq", dir, &mut command)?;
    Ok(Started {
        processes: vec![names, server],
        worker: Some("beam.smp"),
        address,
        control: Some(control),
    })
}

impl Control {
    /// Fails unless the server has queues, and all of them are durable and of that kind.
    ///
    /// # Errors
    /// Or if it does not answer.
    pub(super) fn check_queues(&self, kind: Kind) -> Result<()> {
        let output = self
            .command(CONTROL_SCRIPT)
            .args(["--silent", "list_queues", "type", "durable"])
            .stdin(Stdio::null())
            .output()
            .context("starting rabbitmqctl")?;
        ensure!(
            output.status.success(),
            "rabbitmqctl failed: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        check_listing(&String::from_utf8_lossy(&output.stdout), kind)
    }

    /// A program of the server's package, told which server is meant.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("HOME", &self.dir)
            .env("RABBITMQ_NODENAME", "bench@localhost")
            .env("RABBITMQ_CONF_ENV_FILE", self.dir.join("no-such-file"))
            .env("ERL_EPMD_PORT", &self.epmd_port)
            .env("ERL_EPMD_ADDRESS", "127.0.0.1");
        command
    }
}

/// Looks through lines of type and durability.
fn check_listing(listing: &str, kind: Kind) -> Result<()> {
    let wanted = match kind {
        Kind::Classic => ["classic", "true"],
        Kind::Quorum => ["quorum", "true"],
    };
    ensure!(!listing.trim().is_empty(), "RabbitMQ has no queues");
    for line in listing.lines() {
        let told = line.split_whitespace().collect::<Vec<_>>();
        ensure!(
            told == wanted,
            "a queue of RabbitMQ is {line:?} (type, durable) instead of {wanted:?}"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_of_another_kind_or_that_is_not_durable_is_noticed() {
        for (listing, classic, quorum) in [
            ("classic\ttrue\n", true, false),
            ("quorum\ttrue\nquorum\ttrue\n", false, true),
            ("quorum\ttrue\nclassic\ttrue\n", false, false),
            ("classic\tfalse\n", false, false),
            ("\n", false, false),
        ] {
            let is_ok = |kind| check_listing(listing, kind).is_ok();
            assert_eq!(is_ok(Kind::Classic), classic, "{listing:?}");
            assert_eq!(is_ok(Kind::Quorum), quorum, "{listing:?}");
        }
    }
}
