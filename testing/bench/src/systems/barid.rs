//! Barid: told to take a free port, it writes the one it took into `listeners.json`.

use std::{net::SocketAddr, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{START_LIMIT, Started};
use crate::{measure::wait_for, process::Owned};

/// Starts `barid serve` with its data in `dir`.
pub(super) fn start(binary: &Path, dir: &Path) -> Result<Started> {
    ensure!(
        binary.exists(),
        "{} is missing: build it with `cargo build --release`, or name another with --barid",
        binary.display()
    );
    let data_dir = dir.join("data");
    let mut command = Command::new(binary);
    command.arg("serve").arg("--data-dir").arg(&data_dir).args([
        "--stomp",
        "127.0.0.1:0",
        "--ws",
        "off",
    ]);
    let mut process = Owned::spawn("barid", dir, &mut command)?;
    let listeners = data_dir.join("listeners.json");
    let text = wait_for("listeners.json", START_LIMIT, || {
        crate::check_interrupted()?;
        process.check_alive()?;
        Ok(std::fs::read_to_string(&listeners).ok())
    })?;
    Ok(Started {
        processes: vec![process],
        worker: None,
        address: stomp_address(&text)?,
    })
}

/// The first STOMP listener of a `listeners.json`.
fn stomp_address(text: &str) -> Result<SocketAddr> {
    let listeners: serde_json::Value = serde_json::from_str(text).context("listeners.json")?;
    let address = listeners["stomp"][0]
        .as_str()
        .context("listeners.json has no stomp listener")?;
    address
        .parse()
        .with_context(|| format!("{address} in listeners.json is no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_found_in_its_file() {
        let address = stomp_address("{\"stomp\":[\"127.0.0.1:4711\"],\"mqtt\":[]}").unwrap();
        assert_eq!(address.port(), 4711);
        assert!(stomp_address("{\"stomp\":[]}").is_err());
        assert!(stomp_address("not json").is_err());
    }
}
