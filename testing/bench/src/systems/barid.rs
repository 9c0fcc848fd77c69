//! Barid: told to take a free port, it writes the one it took into `listeners.json`.

use std::{
    io::ErrorKind,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{START_LIMIT, Started};
use crate::{measure::wait_for, process::Owned, wire::Protocol};

/// Folder of the data below the one that is Barid's own.
const DATA: &str = "data";

/// A free port on loopback.
const FREE: &str = "127.0.0.1:0";

/// The file in it that says where the broker listens.
const LISTENERS: &str = "listeners.json";

/// Starts `barid serve` with its data in `dir`.
pub(super) fn start(binary: &Path, protocol: Protocol, dir: &Path) -> Result<Started> {
    let mut process = spawn(binary, protocol, dir, &[])?;
    let address = wait_for("listeners.json", START_LIMIT, || {
        crate::check_interrupted()?;
        process.check_alive()?;
        address(protocol, dir)
    })?;
    Ok(Started {
        processes: vec![process],
        worker: None,
        address,
        control: None,
    })
}

/// What the program says of itself; nothing if it does not.
pub(super) fn version(binary: &Path) -> String {
    let output = Command::new(binary).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_default()
}

/// Starts `barid serve` on what data there is in `dir`, with `environment` beside that of this process. It is
/// ready once [`address`] gives one.
///
/// # Errors
/// If the program is not there or cannot be started.
pub(crate) fn spawn(
    binary: &Path,
    protocol: Protocol,
    dir: &Path,
    environment: &[(&str, &str)],
) -> Result<Owned> {
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
    command.arg("serve").arg("--data-dir").arg(&data_dir);
    for (flag, of) in [
        ("--stomp", Some(Protocol::Stomp)),
        ("--mqtt", Some(Protocol::Mqtt)),
        ("--amqp", Some(Protocol::Amqp)),
        ("--ws", None),
    ] {
        command.args([flag, if of == Some(protocol) { FREE } else { "off" }]);
    }
    command.envs(environment.iter().copied());
    Owned::spawn("barid", dir, &mut command)
}

/// Where the broker that was started in `dir` listens, once it does.
///
/// # Errors
/// If it has written something strange.
pub(crate) fn address(protocol: Protocol, dir: &Path) -> Result<Option<SocketAddr>> {
    let text = std::fs::read_to_string(data_dir(dir).join(LISTENERS)).ok();
    let address = text.map(|text| listener(&text, protocol));
    address.transpose()
}

/// The folder of the data of a broker that was started in `dir`.
pub(crate) fn data_dir(dir: &Path) -> PathBuf {
    dir.join(DATA)
}

/// The first listener of a protocol in a `listeners.json`.
fn listener(text: &str, protocol: Protocol) -> Result<SocketAddr> {
    let listeners: serde_json::Value = serde_json::from_str(text).context("listeners.json")?;
    let name = match protocol {
        Protocol::Stomp => "stomp",
        Protocol::Mqtt => "mqtt",
        Protocol::Amqp => "amqp",
    };
    let address = listeners[name][0]
        .as_str()
        .with_context(|| format!("listeners.json has no {name} listener"))?;
    address
        .parse()
        .with_context(|| format!("{address} in listeners.json is no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_found_in_its_file() {
        let text = "{\"stomp\":[\"127.0.0.1:4711\"],\"mqtt\":[\"127.0.0.1:4712\"]}";
        assert_eq!(listener(text, Protocol::Stomp).unwrap().port(), 4711);
        assert_eq!(listener(text, Protocol::Mqtt).unwrap().port(), 4712);
        assert!(listener("{\"stomp\":[]}", Protocol::Stomp).is_err());
        assert!(listener("{\"stomp\":[\"127.0.0.1:1\"]}", Protocol::Mqtt).is_err());
        assert!(listener("not json", Protocol::Stomp).is_err());
    }
}
