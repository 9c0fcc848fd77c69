//! Mosquitto, as Debian packages it, told to bound and to keep nothing. Unlike by default, its sockets send small
//! packets at once, as those of the others do.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::Result;

use super::{Started, free_address, write_config};
use crate::{install::ensure_installed, process::Owned};

const PROGRAM: &str = "/usr/sbin/mosquitto";

/// Starts Mosquitto with its configuration in `dir`.
pub(super) fn start(dir: &Path) -> Result<Started> {
    ensure_installed(Path::new(PROGRAM), "mosquitto")?;
    let address = free_address()?;
    let config = write_config(dir, "mosquitto.conf", &config(address))?;
    let mut command = Command::new(PROGRAM);
    command.arg("-c").arg(&config);
    let process = Owned::spawn("mosquitto", dir, &mut command)?;
    Ok(Started {
        processes: vec![process],
        worker: None,
        address,
        control: None,
    })
}

/// 0 is "no bound" here.
fn config(address: SocketAddr) -> String {
    format!(
        "listener {} {}\nallow_anonymous true\npersistence false\nmax_queued_messages 0\n\
         max_inflight_messages 0\nset_tcp_nodelay true\nlog_dest stderr\nlog_type error\n\
         log_type warning\n",
        address.port(),
        address.ip()
    )
}
