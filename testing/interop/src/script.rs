//! The other side of a dialogue of ZeroMQ, as a program.

use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

/// One side of a dialogue, which has to end well. It ends with this one at the latest.
#[derive(Debug)]
pub struct Script(Child);

impl Script {
    /// Starts it.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Result<Self> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let child = command.spawn();
        Ok(Self(child.with_context(|| {
            format!("starting {}", command.get_program().display())
        })?))
    }

    /// Whether it is still at it.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.0.try_wait()?.is_none())
    }

    /// The line that it prints, once: where it has bound.
    ///
    /// # Errors
    /// When it has been asked for before, or does not come.
    pub fn line(&mut self) -> Result<String> {
        let stdout = self.0.stdout.take().context("a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Waits until it has found all as it should be.
    ///
    /// # Errors
    /// When it has not; the text has what it said.
    pub fn end(self) -> Result<()> {
        self.end_behind(Ok(()))
    }

    /// The same behind this side's part; if that has failed, the other side is not waited for.
    ///
    /// # Errors
    /// As [`Self::end`], or as the result.
    pub fn end_behind<T>(mut self, result: Result<T>) -> Result<T> {
        if result.is_err() {
            // Whether it had ended does not matter.
            let _is_killed = self.0.kill();
        }
        drop(self.0.stdin.take());
        let mut said = Vec::new();
        let mut stderr = self.0.stderr.take().context("a pipe")?;
        stderr.read_to_end(&mut said)?;
        let said = String::from_utf8_lossy(&said);
        let status = self.0.wait()?;
        let result = result.with_context(|| said.clone().into_owned())?;
        ensure!(status.success(), "{status}: {said}");
        Ok(result)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It has ended if all went well.
        let _is_killed = self.0.kill();
        let _is_waited_for = self.0.wait();
    }
}
