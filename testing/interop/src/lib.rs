//! Real clients of other makers, run as scripts against the real binary.
//!
//! A script gets `CASE VERSION HOST PORT`, and all listeners as JSON in the variable `LISTENERS`, tries one feature and ends with success or with a text on
//! standard error that says what was wrong. [`install`] puts the clients at pinned versions beside
//! the builds; a client that is missing fails its tests, it never skips them.

mod install;

pub use install::{ClientKind, install, install_strace, pyzmq_script};

use anyhow::{Context as _, Result, ensure};
use client::Broker;
use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

/// A broker of its own for one test, on an empty folder that goes with it.
#[derive(Debug)]
pub struct Stage {
    /// The broker; it ends before its folder goes.
    pub broker: Broker,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Starts the broker.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let broker = Broker::start(&folder.path().join("data"))?;
        Ok(Self {
            broker,
            _folder: folder,
        })
    }

    /// Starts the broker with a file of settings.
    ///
    /// # Errors
    /// When it does not come up.
    pub fn with_settings(settings: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("barid.toml");
        fs::write(&file, settings)?;
        let file = file.to_str().context("a temporary path is text")?;
        let broker = Broker::start_with(&folder.path().join("data"), &["--config", file])?;
        Ok(Self {
            broker,
            _folder: folder,
        })
    }

    /// Runs an administrative command of the program against the broker; returns what it printed.
    ///
    /// # Errors
    /// When it fails; the text has what it said.
    pub fn admin(&self, args: &[&str]) -> Result<String> {
        self.admin_with(args, "")
    }

    /// The same with this on its standard input.
    ///
    /// # Errors
    /// As [`Self::admin`].
    pub fn admin_with(&self, args: &[&str], input: &str) -> Result<String> {
        let mut child = Command::new(client::binary()?)
            .args(args)
            .arg("--data-dir")
            .arg(self.broker.data_dir())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("a pipe")?;
        // A command that needs none does not read it.
        let _is_read = stdin.write_all(input.as_bytes());
        drop(stdin);
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "barid {args:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Where the broker listens, as JSON.
    fn listeners(&self) -> Result<String> {
        let path = self.broker.data_dir().join("listeners.json");
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// Where it listens for a client.
    fn address(kind: ClientKind, text: &str) -> Result<SocketAddr> {
        let listeners: serde_json::Value = serde_json::from_str(text)?;
        let listener = kind.listener();
        let listener = listener.with_context(|| format!("{kind:?} speaks with no broker"))?;
        let address = listeners[listener][0].as_str();
        let address = address.with_context(|| format!("no listener {listener} in {text}"))?;
        Ok(address.parse()?)
    }

    /// Runs one case of a client's script with one version of its protocol.
    ///
    /// # Errors
    /// When the client is not installed or its script fails; the text has what it said.
    pub fn run(&self, kind: ClientKind, case: &str, version: &str) -> Result<()> {
        let mut command: Command = kind.command()?;
        let listeners = self.listeners()?;
        let address = Self::address(kind, &listeners)?;
        command.env("LISTENERS", listeners);
        command.args([
            case,
            version,
            &address.ip().to_string(),
            &address.port().to_string(),
        ]);
        let output = command
            .output()
            .with_context(|| format!("starting {kind:?}"))?;
        ensure!(
            output.status.success(),
            "{kind:?}, case {case}, version {version}: {}\n{}{}\nthe broker said:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
            self.broker.said(),
        );
        Ok(())
    }
}
