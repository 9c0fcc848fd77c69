//! Barid: told to take a free port, it writes the one it took into `listeners.json`.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{START_LIMIT, Started};
use crate::{measure::wait_for, process::Owned};

/// Folder of the data below the one that is Barid's own.
const DATA: &str = "data";

/// The file in it that says where the broker listens.
const LISTENERS: &str = "listeners.json";

/// Starts `barid serve` with its data in `dir`.
pub(super) fn start(binary: &Path, dir: &Path) -> Result<Started> {
    let mut process = spawn(binary, dir, &[])?;
    let address = wait_for("listeners.json", START_LIMIT, || {
        crate::check_interrupted()?;
        process.check_alive()?;
        address(dir)
    })?;
    Ok(Started {
        processes: vec![process],
        worker: None,
        address,
        control: None,
    })
}

/// Starts `barid serve` on what data there is in `dir`, with `environment` beside that of this process. It is
/// ready once [`address`] gives one.
///
/// # Errors
/// If the program is not there or cannot be started.
pub(crate) fn spawn(binary: &Path, dir: &Path, environment: &[(&str, &str)]) -> Result<Owned> {
    ensure!(
        binary.exists(),
        "{} is missing: build it with `cargo build --release`, or name another with --barid",
        binary.display()
    );
    let data_dir = data_dir(dir);
    // A broker that was killed has left its own.
    match std::fs::remove_file(data_dir.join(LISTENERS)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).context("removing the listeners.json of the broker before");
        }
        Ok(()) | Err(_) => {}
    }
    let mut command = Command::new(binary);
    command.arg("serve").arg("--data-dir").arg(&data_dir).args([
        "--stomp",
        "127.0.0.1:0",
        "--mqtt",
        "off",
        "--ws",
        "off",
    ]);
    command.envs(environment.iter().copied());
    Owned::spawn("barid", dir, &mut command)
}

/// Where the broker that was started in `dir` listens, once it does.
///
/// # Errors
/// If it has written something strange.
pub(crate) fn address(dir: &Path) -> Result<Option<SocketAddr>> {
    let text = std::fs::read_to_string(data_dir(dir).join(LISTENERS)).ok();
    text.as_deref().map(stomp_address).transpose()
}

/// The folder of the data of a broker that was started in `dir`.
pub(crate) fn data_dir(dir: &Path) -> PathBuf {
    dir.join(DATA)
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
