//! nats-server, as Debian packages it.

use std::{path::Path, process::Command};

use anyhow::Result;

use super::{Started, free_address, write_config};
use crate::{install::ensure_installed, process::Owned};

const PROGRAM: &str = "/usr/sbin/nats-server";

/// Starts nats-server with its configuration in `dir`.
pub(super) fn start(dir: &Path) -> Result<Started> {
    ensure_installed(Path::new(PROGRAM), "nats-server")?;
    let address = free_address()?;
    let config = write_config(
        dir,
        "nats.conf",
        &format!("listen: \"{address}\"\nmax_pending: 64MB\nwrite_deadline: \"10s\"\n"),
    )?;
    let process = Owned::spawn(
        "nats-server",
        dir,
        Command::new(PROGRAM).arg("-c").arg(&config),
    )?;
    Ok(Started {
        processes: vec![process],
        worker: None,
        address,
        control: None,
    })
}
