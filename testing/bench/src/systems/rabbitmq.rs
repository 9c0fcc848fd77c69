//! RabbitMQ with its STOMP plugin, as Debian packages it.
//!
//! It depends on a name service, epmd, which it would start on its own and leave behind. It is
//! given one that is already there, on a port of its own, and that ends with it.

use std::{net::TcpStream, path::Path, process::Command, time::Duration};

use anyhow::Result;

use super::{Started, free_address, write_config};
use crate::{install::ensure_installed, measure::wait_for, process::Owned};

const SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// Starts epmd, then RabbitMQ with all its files in `dir`.
pub(super) fn start(dir: &Path) -> Result<Started> {
    ensure_installed(Path::new(SCRIPT), "rabbitmq-server")?;
    let (address, epmd, distribution) = (free_address()?, free_address()?, free_address()?);
    let config = write_config(
        dir,
        "rabbitmq.conf",
        &format!(
            "listeners.tcp = none\nstomp.listeners.tcp.1 = {address}\n\
             cluster_name = bench\nlog.file.level = warning\n"
        ),
    )?;
    let plugins = write_config(dir, "enabled_plugins", "[rabbitmq_stomp].\n")?;

    let epmd_port = epmd.port().to_string();
    let mut epmd_command = Command::new("epmd");
    epmd_command.args(["-port", &epmd_port, "-address", "127.0.0.1"]);
    let mut names = Owned::spawn("epmd", dir, &mut epmd_command)?;
    wait_for("epmd", Duration::from_secs(10), || {
        names.check_alive()?;
        Ok(TcpStream::connect(epmd).ok())
    })?;

    let mut command = Command::new(SCRIPT);
    command
        .env("HOME", dir)
        .env("RABBITMQ_NODENAME", "bench@localhost")
        .env("RABBITMQ_CONFIG_FILE", &config)
        .env("RABBITMQ_MNESIA_BASE", dir.join("mnesia"))
        .env("RABBITMQ_LOG_BASE", dir.join("log"))
        .env("RABBITMQ_ENABLED_PLUGINS_FILE", &plugins)
        .env("RABBITMQ_CONF_ENV_FILE", dir.join("no-such-file"))
        .env("RABBITMQ_DIST_PORT", distribution.port().to_string())
        .env("ERL_EPMD_PORT", &epmd_port)
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        // Without a shell in between that would have to hand signals on.
        .env("RUNNING_UNDER_SYSTEMD", "true")
        .current_dir(dir);
    let server = Owned::spawn("rabbitmq", dir, &mut command)?;
    Ok(Started {
        processes: vec![names, server],
        worker: Some("beam.smp"),
        address,
    })
}
