//! Where the broker listens, for people and for programs.

use anyhow::Context as _;
use model::QueueName;
use net::{Endpoint, Listener};
use std::convert::Infallible;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// The file in the data folder that holds the bound addresses while the broker is ready.
const FILE: &str = "listeners.json";

/// The file that holds the bound addresses, by the name that the listener has in the settings:
/// `{"stomp":["127.0.0.1:61613"],"mqtt":["127.0.0.1:1883"],"amqp":["127.0.0.1:5672"],"zmtp":[],"ws":["127.0.0.1:15675"]}`. It exists while the broker is ready.
pub(crate) struct ListenersFile {
    path: PathBuf,
    /// What stands in it, or is to stand in it as soon as the disk has room.
    text: String,
    is_written: bool,
}

/// The queue of an address of ZMTP that names none.
const ZMTP_QUEUE: &str = "zmq";

/// How often it is tried to write the file on a disk that is full.
const TRIED_EVERY: Duration = Duration::from_secs(1);

impl ListenersFile {
    /// The file in the data folder; one that an earlier run has left is removed.
    pub(crate) fn prepare(data_dir: &Path) -> anyhow::Result<Self> {
        let path = data_dir.join(FILE);
        if path.exists() {
            std::fs::remove_file(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(Self {
            path,
            text: String::new(),
            is_written: false,
        })
    }

    /// Writes it, so that a reader finds either nothing or the whole. Where the disk is full this is left to
    /// [`Self::write_when_there_is_room`]: consumers may be what makes room.
    pub(crate) fn write(&mut self, listeners: &Listeners) -> anyhow::Result<()> {
        let text = serde_json::json!({
            "stomp": addresses(&listeners.stomp),
            "mqtt": addresses(&listeners.mqtt),
            "amqp": addresses(&listeners.amqp),
            "zmtp": listeners.zmtp.iter().flat_map(|(bound, _)| addresses(bound)).collect::<Vec<_>>(),
            "ws": addresses(&listeners.ws),
        });
        self.text = text.to_string();
        let failed = || format!("cannot write {}", self.path.display());
        match self.try_write() {
            Err(error) if error.kind() == ErrorKind::StorageFull => {
                warn!("{} as yet: {error}", failed());
                Ok(())
            }
            Err(error) => Err(error).with_context(failed),
            Ok(()) => {
                self.is_written = true;
                Ok(())
            }
        }
    }

    /// Tries again, if the file found no room, until it does; never returns.
    pub(crate) async fn write_when_there_is_room(&self) -> Infallible {
        let mut is_written = self.is_written;
        while !is_written {
            tokio::time::sleep(TRIED_EVERY).await;
            is_written = self.try_write().is_ok();
        }
        std::future::pending().await
    }

    fn try_write(&self) -> std::io::Result<()> {
        let part = self.path.with_extension("json.part");
        std::fs::write(&part, &self.text).and_then(|()| std::fs::rename(&part, &self.path))
    }
}

impl Drop for ListenersFile {
    fn drop(&mut self) {
        // It may not have been written yet.
        let _is_there = std::fs::remove_file(&self.path);
    }
}

/// All that the broker listens on.
pub(crate) struct Listeners {
    pub(crate) stomp: Vec<Listener>,
    pub(crate) mqtt: Vec<Listener>,
    pub(crate) amqp: Vec<Listener>,
    /// ZMTP, by the queue that is served there.
    pub(crate) zmtp: Vec<(Vec<Listener>, QueueName)>,
    /// STOMP and MQTT over WebSocket.
    pub(crate) ws: Vec<Listener>,
    /// The admin interface.
    pub(crate) admin: Listener,
}

impl Listeners {
    /// Binds what the settings say, and the socket in the data folder, which must be ours.
    pub(crate) fn bind(listen: &config::Listen, data_dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            stomp: bind("listen.stomp", &listen.stomp)?,
            mqtt: bind("listen.mqtt", &listen.mqtt)?,
            amqp: bind("listen.amqp", &listen.amqp)?,
            zmtp: bind_zmtp(&listen.zmtp)?,
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

/// Behind an address may stand the queue that is served there.
fn bind_zmtp(addresses: &str) -> anyhow::Result<Vec<(Vec<Listener>, QueueName)>> {
    const KEY: &str = "listen.zmtp";
    if addresses.trim() == "off" {
        return Ok(Vec::new());
    }
    let bound = addresses.split(',').map(|address| {
        let (address, queue) = address
            .trim()
            .split_once('/')
            .unwrap_or((address, ZMTP_QUEUE));
        let queue = QueueName::new(queue.as_bytes()).context(KEY)?;
        Ok((bind(KEY, address)?, queue))
    });
    bound.collect()
}

fn bind(key: &'static str, addresses: &str) -> anyhow::Result<Vec<Listener>> {
    let endpoints = Endpoint::parse_list(addresses).context(key)?;
    let bound = net::bind(&endpoints).context(key)?;
    for warning in &bound.warnings {
        warn!("{warning}");
    }
    Ok(bound.listeners)
}
