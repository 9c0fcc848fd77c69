//! Real clients of other makers, run as scripts against the real binary.
//!
//! A script gets `CASE VERSION HOST PORT`, and all listeners as JSON in the variable `LISTENERS`, tries one feature and ends with success or with a text on
//! standard error that says what was wrong. One that says `restart` on a line has the broker killed and started again in its place, and is told
//! `restarted`. [`install`] puts the clients at pinned versions beside
//! the builds; a client that is missing fails its tests, it never skips them.

mod install;
mod kind;
mod script;

pub use install::{install, install_strace, installed, pyzmq_script};
pub use kind::ClientKind;
pub use script::Script;

use anyhow::{Context as _, Result, ensure};
use client::Broker;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::net::SocketAddr;
use std::process::{Command, ExitStatus, Stdio};

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
        let output = self
            .command(kind, case, version)?
            .output()
            .with_context(|| format!("starting {kind:?}"))?;
        let said = [output.stdout, output.stderr].concat();
        self.check(kind, case, version, output.status, &said)
    }

    /// As [`Self::run`], for a case that has the broker killed and started again.
    ///
    /// # Errors
    /// As [`Self::run`]; and when it says anything else.
    pub fn run_with_restarts(&mut self, kind: ClientKind, case: &str, version: &str) -> Result<()> {
        let mut errors = tempfile::tempfile()?;
        let mut command = self.command(kind, case, version)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(errors.try_clone()?).spawn()?;
        let mut input = child.stdin.take().context("a pipe")?;
        let lines = BufReader::new(child.stdout.take().context("a pipe")?).lines();
        let mut restarts = 0;
        let serve = || -> Result<()> {
            for line in lines {
                let line = line?;
                ensure!(line == "restart", "the case {case} said {line:?}");
                self.broker.kill()?;
                self.broker.restart_in_place()?;
                input.write_all(b"restarted\n")?;
                restarts += 1;
            }
            Ok(())
        };
        let served = serve();
        if served.is_err() {
            // It may wait for an answer that will not come.
            child.kill()?;
        }
        let status = child.wait()?;
        errors.rewind()?;
        let mut said = Vec::new();
        errors.read_to_end(&mut said)?;
        served?;
        self.check(kind, case, version, status, &said)?;
        ensure!(restarts > 0, "the case {case} did not ask for a restart");
        Ok(())
    }

    fn command(&self, kind: ClientKind, case: &str, version: &str) -> Result<Command> {
        let mut command = kind.command()?;
        let listeners = self.listeners()?;
        let address = Self::address(kind, &listeners)?;
        command.env("LISTENERS", listeners);
        command.args([case, version]);
        command.args([address.ip().to_string(), address.port().to_string()]);
        Ok(command)
    }

    fn check(
        &self,
        kind: ClientKind,
        case: &str,
        version: &str,
        status: ExitStatus,
        said: &[u8],
    ) -> Result<()> {
        ensure!(
            status.success(),
            "{kind:?}, case {case}, version {version}: {status}\n{}\nthe broker said:\n{}",
            String::from_utf8_lossy(said),
            self.broker.said(),
        );
        Ok(())
    }
}

/// Runs one case of a client's script against a broker of its own, with one version of its protocol after the other.
///
/// # Errors
/// As [`Stage::new`] and [`Stage::run`].
pub fn check(kind: ClientKind, case: &str, versions: &[&str]) -> Result<()> {
    let stage = Stage::new()?;
    for version in versions {
        stage.run(kind, case, version)?;
    }
    Ok(())
}

/// A module of tests, one for each case of a client's script: `cases! { module, kind, versions, case, case, }`.
#[macro_export]
macro_rules! cases {
    ($module:ident, $kind:expr, $versions:expr, $($case:ident,)*) => {
        mod $module {
            use super::*;
            $(
                #[test]
                fn $case() -> anyhow::Result<()> {
                    $crate::check($kind, stringify!($case), $versions)
                }
            )*
        }
    };
}
