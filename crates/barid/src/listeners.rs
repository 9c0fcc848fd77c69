//! Where the broker listens, for people and for programs.

use anyhow::Context as _;
use net::{Endpoint, Listener};
use std::path::{Path, PathBuf};
use tracing::warn;

/// The file in the data folder that holds the bound addresses while the broker is ready.
const FILE: &str = "listeners.json";

/// The file that holds the bound addresses, by the name that the listener has in the settings:
/// `{"stomp":["127.0.0.1:61613"],"ws":["127.0.0.1:15675"]}`. It exists while the broker is ready.
pub(crate) struct ListenersFile(PathBuf);

impl ListenersFile {
    /// The file in the data folder; one that an earlier run has left is removed.
    pub(crate) fn prepare(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        if path.exists() {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(Self(path))
    }

    /// Writes it, so that a reader finds either nothing or the whole.
    pub(crate) fn write(&self, listeners: &Listeners) -> anyhow::Result<()> {
        let text = serde_json::json!({
            "stomp": addresses(&listeners.stomp),
            "ws": addresses(&listeners.ws),
        });
        let text = text.to_string();
        let part = self.0.with_extension("json.part");
        std::fs::write(&part, text)
            .and_then(|()| std::fs::rename(&part, &self.0))
            .with_context(|| format!("cannot write {}", self.0.display()))
    }
}

impl Drop for ListenersFile {
    fn drop(&mut self) {
        // It may not have been written yet.
        let _is_there = std::fs::remove_file(&self.0);
    }
}

/// All that the broker listens on.
pub(crate) struct Listeners {
    pub(crate) stomp: Vec<Listener>,
    /// STOMP over WebSocket.
    pub(crate) ws: Vec<Listener>,
    /// The admin interface.
    pub(crate) admin: Listener,
}

impl Listeners {
    /// Binds what the settings say, and the socket in the data folder, which must be ours.
    pub(crate) fn bind(listen: &config::Listen, data_dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            stomp: bind("listen.stomp", &listen.stomp)?,
            ws: bind("listen.ws", &listen.ws)?,
            admin: net::bind_unix(&management::socket_path(data_dir))
                .context("the admin interface")?,
        })
    }
}

/// Where these listen.
pub(crate) fn addresses(listeners: &[Listener]) -> Vec<String> {
    listeners.iter().map(|l| l.address().to_string()).collect()
}

fn bind(key: &'static str, addresses: &str) -> anyhow::Result<Vec<Listener>> {
    let endpoints = Endpoint::parse_list(addresses).context(key)?;
    let bound = net::bind(&endpoints).context(key)?;
    for warning in &bound.warnings {
        warn!("{warning}");
    }
    Ok(bound.listeners)
}
