//! Runs programs in the root of the project.

use anyhow::{Context as _, Result, bail, ensure};
use std::borrow::BorrowMut;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder of the project.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}

/// This cargo with arguments.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(args);
    command
}

/// Runs a command to its end.
pub(crate) fn in_root(mut command: impl BorrowMut<Command>) -> Result<()> {
    let command = command.borrow_mut();
    let status = command
        .current_dir(root())
        .status()
        .with_context(|| format!("starting {}", shown(command)))?;
    ensure!(status.success(), "{} failed: {status}", shown(command));
    Ok(())
}

/// Runs a command to its end; shows what it prints, and passes each line on.
pub(crate) fn each_line(mut command: Command, mut take: impl FnMut(&str)) -> Result<()> {
    let mut child = command
        .current_dir(root())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", shown(&command)))?;
    let Some(output) = child.stdout.take() else {
        bail!("no output to read")
    };
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        take(&line);
    }
    let status = child.wait()?;
    ensure!(status.success(), "{} failed: {status}", shown(&command));
    Ok(())
}

/// What a command prints.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let output = command
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", shown(&command)))?;
    ensure!(
        output.status.success(),
        "{} failed: {}",
        shown(&command),
        output.status
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A command as people would type it.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words = [program].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}
