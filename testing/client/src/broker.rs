//! The real binary as a child process.

use crate::connection::Client;
use crate::request::Options;
use crate::transport::WAIT_MAX;
use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

/// Pause between two looks at something that cannot be waited for otherwise.
const POLL: Duration = Duration::from_millis(5);

/// A broker that runs until it is dropped.
///
/// What it says goes to a file beside its data folder, named after it with `.log` appended.
#[derive(Debug)]
pub struct Broker {
    binary: PathBuf,
    data_dir: PathBuf,
    args: Vec<String>,
    child: Child,
    address: SocketAddr,
}

impl Broker {
    /// Starts a broker with its data in this folder, which may be missing.
    ///
    /// # Errors
    /// When there is no binary, or it does not come up; the text has what it said.
    pub fn start(data_dir: &Path) -> Result<Self> {
        Self::start_with(data_dir, &[])
    }

    /// As [`Self::start`], with more arguments.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(data_dir: &Path, args: &[&str]) -> Result<Self> {
        let binary = binary()?;
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let child = spawn(&binary, data_dir, &args, &Listeners::default())?;
        let unbound = SocketAddr::from(([127, 0, 0, 1], 0));
        let data_dir = data_dir.to_owned();
        let mut broker = Self {
            binary,
            data_dir,
            args,
            child,
            address: unbound,
        };
        broker.address = broker.wait_until_ready()?;
        Ok(broker)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it speaks STOMP. Another one after [`Self::restart`].
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it speaks another protocol: `mqtt`, or `ws` for WebSocket. Another one after
    /// [`Self::restart`].
    ///
    /// # Errors
    /// When it does not say so.
    pub fn listener(&self, name: &str) -> Result<SocketAddr> {
        let text = fs::read(listeners_path(&self.data_dir)).context("listeners.json")?;
        let listeners: serde_json::Value = serde_json::from_slice(&text)?;
        let address = listeners[name][0].as_str();
        let address = address.with_context(|| format!("no listener {name} in {listeners}"))?;
        Ok(address.parse()?)
    }

    /// The folder with its data.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Connects to it with STOMP 1.2.
    ///
    /// # Errors
    /// When it cannot be reached or refuses.
    pub fn connect(&self) -> Result<Client> {
        Client::connect_as(self.address, &Options::default())
    }

    /// Ends it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// When it ended before.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!(
                "the broker ended before it was killed ({status}):\n{}",
                self.said()
            );
        }
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end with SIGTERM and waits until it has.
    ///
    /// # Errors
    /// When it cannot be asked or does not end.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        let pid = i32::try_from(self.child.id()).context("a process id")?;
        kill_process(Pid::from_raw(pid).context("a process id")?, Signal::TERM)?;
        poll(|| Ok(self.child.try_wait()?))?.context("the broker does not end on SIGTERM")
    }

    /// Starts it again on the same folder, after [`Self::kill`] or [`Self::terminate`].
    ///
    /// # Errors
    /// When it still runs or does not come up.
    pub fn restart(&mut self) -> Result<()> {
        self.restart_at(&Listeners::default())
    }

    /// As [`Self::restart`], and it listens where it did before: for clients that connect again by themselves.
    ///
    /// # Errors
    /// As [`Self::restart`]; or if somebody else has taken a port meanwhile.
    pub fn restart_in_place(&mut self) -> Result<()> {
        let mut listeners = Listeners::default();
        for (name, address) in &mut listeners.0 {
            *address = self.listener(name)?;
        }
        self.restart_at(&listeners)
    }

    fn restart_at(&mut self, listeners: &Listeners) -> Result<()> {
        ensure!(self.child.try_wait()?.is_some(), "the broker still runs");
        self.child = spawn(&self.binary, &self.data_dir, &self.args, listeners)?;
        self.address = self.wait_until_ready()?;
        Ok(())
    }

    /// What it wrote to its outputs since it was last started.
    #[must_use]
    pub fn said(&self) -> String {
        fs::read_to_string(log_path(&self.data_dir)).unwrap_or_default()
    }

    fn wait_until_ready(&mut self) -> Result<SocketAddr> {
        let ready = poll(|| {
            if let Some(status) = self.child.try_wait()? {
                bail!("the broker ended at start ({status}):\n{}", self.said());
            }
            let text = fs::read(listeners_path(&self.data_dir)).unwrap_or_default();
            // Nothing or half of it may be there yet.
            let listeners: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
            let address = listeners["stomp"][0].as_str().map(str::to_owned);
            Ok(address.or_else(|| banner_address(&self.said())))
        })?;
        let address = ready.with_context(|| {
            format!("the broker was not ready in {WAIT_MAX:?}:\n{}", self.said())
        })?;
        address
            .parse()
            .with_context(|| format!("the broker listens on {address}"))
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Both fail only if it is gone, which is what is wanted.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Where it is to listen, by the names of its flags; on a port that is free by default.
struct Listeners([(&'static str, SocketAddr); 4]);

impl Default for Listeners {
    fn default() -> Self {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        Self(["stomp", "ws", "mqtt", "amqp"].map(|name| (name, free)))
    }
}

fn spawn(binary: &Path, data_dir: &Path, args: &[String], listeners: &Listeners) -> Result<Child> {
    fs::create_dir_all(data_dir).with_context(|| format!("making {}", data_dir.display()))?;
    // The one of the run before would be taken for the new one.
    let stale = listeners_path(data_dir);
    if stale.exists() {
        fs::remove_file(&stale).with_context(|| format!("removing {}", stale.display()))?;
    }
    let log = File::create(log_path(data_dir)).context("making the broker's log")?;
    let mut command = Command::new(binary);
    command.arg("serve").arg("--data-dir").arg(data_dir);
    for (name, address) in &listeners.0 {
        command.args([format!("--{name}"), address.to_string()]);
    }
    command.args(args);
    // Settings of whoever runs the tests are not the tests' settings.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("BARID_") {
            command.env_remove(name);
        }
    }
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command
        .spawn()
        .with_context(|| format!("starting {}", binary.display()))
}

/// Where it says that it speaks STOMP once it is ready: on a full disk it cannot write `listeners.json`.
fn banner_address(said: &str) -> Option<String> {
    let (banner, _) = said.split_once("\nReady.")?;
    let mut addresses = banner
        .lines()
        .filter_map(|line| line.strip_prefix("  STOMP  "));
    Some(addresses.next()?.split(", ").next()?.to_owned())
}

fn listeners_path(data_dir: &Path) -> PathBuf {
    data_dir.join("listeners.json")
}

fn log_path(data_dir: &Path) -> PathBuf {
    let mut name = data_dir.as_os_str().to_owned();
    name.push(".log");
    PathBuf::from(name)
}

/// Looks until there is something, at most for [`WAIT_MAX`].
#[expect(
    clippy::disallowed_methods,
    reason = "another process gives no event to wait for"
)]
fn poll<T>(mut look: impl FnMut() -> Result<Option<T>>) -> Result<Option<T>> {
    for _ in 0..WAIT_MAX.as_millis() / POLL.as_millis() {
        if let Some(found) = look()? {
            return Ok(Some(found));
        }
        std::thread::sleep(POLL);
    }
    Ok(None)
}

/// The binary: named by `CARGO_BIN_EXE_barid`, or the one that was built with this program.
///
/// # Errors
/// When it is not built.
pub fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_barid") {
        return Ok(path.into());
    }
    let own = std::env::current_exe()?;
    let folders = own.ancestors().skip(1).take(2);
    let found = folders
        .map(|folder| folder.join("barid"))
        .find(|path| path.is_file());
    found.context("the binary `barid` is not built: run `cargo build -p barid` first")
}

/// The library that takes libzmq's place, beside the binary.
///
/// # Errors
/// When it is not built.
pub fn zmq_library() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folders = own.ancestors().skip(1).take(2);
    // What is beside the tests themselves may be from a build for something else.
    let found = folders
        .filter(|folder| !folder.ends_with("deps"))
        .map(|folder| folder.join("libbarid_zmq_c.so"))
        .find(|path| path.is_file());
    found.context("the library is not built: run `cargo build -p barid-zmq-c` first")
}

/// The folder that cargo builds into, for what tests keep beside the builds.
///
/// # Errors
/// When this program does not lie in such a folder.
pub fn target_dir() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let found = own
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let found = found.with_context(|| format!("{} is in no target folder", own.display()))?;
    Ok(found.to_owned())
}
