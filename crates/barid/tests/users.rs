//! `barid user`, with and without a broker, and who is let in then.

use anyhow::{Context as _, Result, ensure};
use client::Broker;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

struct Stage {
    folder: TempDir,
}

impl Stage {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("barid-users-").tempdir()?;
        Ok(Self { folder })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.data().join("users.json")
    }

    /// `barid user`, with this on its standard input; returns whether it succeeded, and all it said.
    fn user(&self, args: &[&str], input: &str) -> Result<(bool, String)> {
        let mut command = Command::new(client::binary()?);
        command.arg("user").args(args);
        command.arg("--data-dir").arg(self.data());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BARID_") {
                command.env_remove(name);
            }
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // It may not read it.
        let _is_read = child
            .stdin
            .take()
            .context("a pipe")?
            .write_all(input.as_bytes());
        let output = child.wait_with_output()?;
        let text = [output.stdout, output.stderr].concat();
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        ))
    }

    fn succeeds(&self, args: &[&str], input: &str, part: &str) -> Result<()> {
        let (success, text) = self.user(args, input)?;
        ensure!(success && text.contains(part), "{args:?}: {text}");
        Ok(())
    }

    fn fails(&self, args: &[&str], input: &str, part: &str) -> Result<()> {
        let (success, text) = self.user(args, input)?;
        ensure!(!success && text.contains(part), "{args:?}: {text}");
        Ok(())
    }
}

/// The first answer to a STOMP login.
fn stomp_login(broker: &Broker, user: &str, password: &str) -> Result<String> {
    let mut stream = stomp_connect(broker, user, password)?;
    let mut answer = [0; 9];
    stream.read_exact(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn stomp_connect(broker: &Broker, user: &str, password: &str) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(broker.address())?;
    stream.set_read_timeout(Some(client::WAIT_MAX))?;
    let connect =
        format!("CONNECT\naccept-version:1.2\nhost:/\nlogin:{user}\npasscode:{password}\n\n\0");
    stream.write_all(connect.as_bytes())?;
    Ok(stream)
}

fn check_login(broker: &Broker, user: &str, password: &str, is_let_in: bool) -> Result<()> {
    let answer = stomp_login(broker, user, password)?;
    let is_connected = answer == "CONNECTED";
    ensure!(is_connected == is_let_in, "{user} {password}: {answer}");
    Ok(())
}

fn mode(path: &Path) -> Result<u32> {
    Ok(fs::metadata(path)?.permissions().mode() & 0o777)
}

#[test]
fn users_are_added_and_deleted_without_a_broker() -> Result<()> {
    let stage = Stage::new()?;
    stage.succeeds(&["list"], "", "NAME")?;
    ensure!(!stage.data().exists(), "looking makes nothing");
    stage.succeeds(&["add", "ada"], "pencil\n", "user ada added")?;
    ensure!(mode(&stage.file())? == 0o600);
    let text = fs::read_to_string(stage.file())?;
    ensure!(
        text.contains("SCRAM-SHA-256$4096:") && !text.contains("pencil"),
        "{text}"
    );
    stage.fails(&["add", "ada"], "crayon\n", "there is a user 'ada'")?;
    stage.succeeds(&["add", "bob", "--iterations", "5000"], "x", "added")?;
    stage.succeeds(&["list"], "", "bob         5000")?;
    stage.succeeds(&["list", "--json"], "", "\"iterations\": 4096")?;
    stage.succeeds(&["delete", "bob"], "", "user bob deleted")?;
    stage.fails(&["delete", "bob"], "", "there is no user 'bob'")?;
    // What is no password, or too easily guessed from what is kept of it.
    stage.fails(&["add", "eve"], "\n", "it is empty")?;
    stage.fails(&["add", "eve"], "", "it is empty")?;
    stage.fails(
        &["add", "eve", "--iterations", "4095"],
        "x\n",
        "4095 iterations",
    )?;
    stage.fails(
        &["add", "eve", "--iterations", "1000001"],
        "x\n",
        "1000001 iterations",
    )?;
    stage.fails(&["add", "e\u{7}"], "x\n", "prohibits")?;
    let broker = Broker::start(&stage.data())?;
    check_login(&broker, "ada", "pencil", true)?;
    check_login(&broker, "ada", "crayon", false)?;
    check_login(&broker, "eve", "x", false)?;
    check_login(&broker, "guest", "guest", true)
}

#[test]
fn users_are_added_and_deleted_while_a_broker_runs() -> Result<()> {
    let stage = Stage::new()?;
    let mut broker = Broker::start_with(&stage.data(), &["--auth-guest", "false"])?;
    check_login(&broker, "guest", "guest", false)?;
    check_login(&broker, "ada", "pencil", false)?;
    stage.succeeds(&["add", "ada"], "pencil\n", "user ada added")?;
    ensure!(mode(&stage.file())? == 0o600);
    check_login(&broker, "ada", "pencil", true)?;
    check_login(&broker, "ada", "pencil", true)?;
    check_login(&broker, "ada", "crayon", false)?;
    stage.fails(&["add", "ada"], "crayon\n", "there is a user 'ada'")?;
    stage.succeeds(&["add", "ada", "--replace"], "crayon\r\n", "this password")?;
    check_login(&broker, "ada", "pencil", false)?;
    check_login(&broker, "ada", "crayon", true)?;
    stage.succeeds(&["list"], "", "ada         4096")?;
    broker.kill()?;
    broker.restart()?;
    check_login(&broker, "ada", "crayon", true)?;
    let mut connected = stomp_connect(&broker, "ada", "crayon")?;
    stage.succeeds(&["delete", "ada"], "", "user ada deleted")?;
    check_login(&broker, "ada", "crayon", false)?;
    let mut said = String::new();
    connected.read_to_string(&mut said)?;
    ensure!(
        said.starts_with("CONNECTED") && said.contains("ERROR\nmessage:user deleted"),
        "{said}"
    );
    stage.succeeds(&["list"], "", "NAME")
}

#[test]
fn a_file_that_is_none_keeps_the_broker_from_starting() -> Result<()> {
    let stage = Stage::new()?;
    fs::create_dir_all(stage.data())?;
    fs::write(stage.file(), "{")?;
    let Err(error) = Broker::start(&stage.data()) else {
        anyhow::bail!("it has started")
    };
    let text = format!("{error:#}");
    ensure!(text.contains("users.json is no file of users"), "{text}");
    Ok(())
}

#[test]
fn a_copy_of_a_data_folder_has_its_users() -> Result<()> {
    let stage = Stage::new()?;
    stage.succeeds(&["add", "ada"], "pencil\n", "user ada added")?;
    let copy = stage.folder.path().join("copy");
    let _broker = Broker::start(&stage.data())?;
    let status = Command::new(client::binary()?)
        .args(["store", "backup"])
        .arg(&copy)
        .arg("--data-dir")
        .arg(stage.data())
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.success() && mode(&copy.join("users.json"))? == 0o600);
    let broker = Broker::start(&copy)?;
    check_login(&broker, "ada", "pencil", true)
}
