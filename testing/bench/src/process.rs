//! Child processes: started with a log file of their own, signaled and ended by their ids, with
//! all that they started themselves. Nothing else is ever signaled.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::measure::wait_for;

/// A process this one started, and all below it. Ended when dropped.
#[derive(Debug)]
pub(crate) struct Owned {
    child: Child,
    name: &'static str,
    log: PathBuf,
}

impl Owned {
    /// Starts `command` with both outputs going to `NAME.log` in `dir`.
    ///
    /// # Errors
    /// If the log cannot be made or the program cannot be started.
    pub(crate) fn spawn(name: &'static str, dir: &Path, command: &mut Command) -> Result<Self> {
        Self::start(name, dir, command.stdin(Stdio::null()))
    }

    /// The same, with a standard input that is empty and does not end before [`Self::release`].
    ///
    /// # Errors
    /// As of [`Self::spawn`].
    pub(crate) fn spawn_held(
        name: &'static str,
        dir: &Path,
        command: &mut Command,
    ) -> Result<Self> {
        Self::start(name, dir, command.stdin(Stdio::piped()))
    }

    fn start(name: &'static str, dir: &Path, command: &mut Command) -> Result<Self> {
        let log = dir.join(format!("{name}.log"));
        let output = File::create(&log).context("creating a log file")?;
        command.stderr(output.try_clone()?).stdout(output);
        let child = command
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { child, name, log })
    }

    /// Ends the standard input of a process that is held by it.
    pub(crate) fn release(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Id of the process itself.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Id of the process in this tree whose program has that name.
    pub(crate) fn pid_of(&self, program: &str) -> Option<u32> {
        self.tree().into_iter().find(|pid| {
            let name = fs::read_to_string(format!("/proc/{pid}/comm"));
            name.is_ok_and(|name| name.trim() == program)
        })
    }

    /// Fails, with the end of its log, if the process is over.
    pub(crate) fn check_alive(&mut self) -> Result<()> {
        let Some(status) = self.child.try_wait()? else {
            return Ok(());
        };
        let log = self.said();
        let tail = log.lines().rev().take(12).collect::<Vec<_>>();
        let tail = tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        bail!("{} ended ({status}); it said:\n{tail}", self.name)
    }

    /// What the process has written so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// All that the process has written, once it has ended by itself and well.
    ///
    /// # Errors
    /// If it says that it has failed; with the end of its log.
    pub(crate) fn poll_end(&mut self) -> Result<Option<String>> {
        match self.child.try_wait()? {
            Some(status) if status.success() => Ok(Some(self.said())),
            Some(_) => self.check_alive().map(|()| None),
            None => Ok(None),
        }
    }

    /// Stops the whole tree from running until [`Self::resume`].
    pub(crate) fn pause(&self) {
        self.signal_all(Signal::STOP);
    }

    /// Lets the whole tree run on.
    pub(crate) fn resume(&self) {
        self.signal_all(Signal::CONT);
    }

    /// Asks the process to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    /// If it has not after `limit`, or it says that it has failed.
    pub(crate) fn terminate(mut self, limit: Duration) -> Result<()> {
        signal(self.child.id(), Signal::TERM);
        let status = wait_for("the end of a process", limit, || {
            crate::check_interrupted()?;
            Ok(self.child.try_wait()?)
        })?;
        ensure!(status.success(), "{} ended with {status}", self.name);
        Ok(())
    }

    /// Ends the whole tree at once (SIGKILL), and waits until the process is gone.
    pub(crate) fn kill(mut self) {
        self.end();
    }

    /// Ends the whole tree at once.
    fn end(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // What is stopped starts nothing new, so no child escapes between listing and ending.
        self.pause();
        self.signal_all(Signal::KILL);
        drop(self.child.wait());
    }

    fn signal_all(&self, what: Signal) {
        for pid in self.tree() {
            signal(pid, what);
        }
    }

    /// The process and all below it, parents first.
    fn tree(&self) -> Vec<u32> {
        let parents = parents();
        let mut tree = vec![self.child.id()];
        let mut at = 0;
        while at < tree.len() {
            let parent = tree[at];
            tree.extend(
                parents
                    .iter()
                    .filter(|(_, of)| *of == parent)
                    .map(|(pid, _)| *pid),
            );
            at += 1;
        }
        tree
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.end();
    }
}

/// Every process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent = stat
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()?;
        Some((pid, parent))
    })
    .collect()
}

/// Signals one process. One that is gone already is as good as signaled.
fn signal(pid: u32, what: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, what).ok();
    }
}
