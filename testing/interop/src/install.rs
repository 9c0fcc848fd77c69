//! Puts the clients at pinned versions beside the builds.

use anyhow::{Context as _, Result, bail, ensure};
use client::target_dir;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const REQUIREMENTS: &str = include_str!("../stomp_py/requirements.txt");
const STOMPIT_PACKAGE: &str = include_str!("../stompit/package.json");
const STOMPJS_PACKAGE: &str = include_str!("../stompjs/package.json");
const PAHO_REQUIREMENTS: &str = include_str!("../paho_mqtt/requirements.txt");
const MQTTJS_PACKAGE: &str = include_str!("../mqttjs/package.json");
const PIKA_REQUIREMENTS: &str = include_str!("../pika/requirements.txt");
const AMQPLIB_PACKAGE: &str = include_str!("../amqplib/package.json");
const PYZMQ_REQUIREMENTS: &str = include_str!("../pyzmq/requirements.txt");

/// A client of another maker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// stomp.py, from Python's package index.
    StompPy,
    /// stompit, from npm.
    Stompit,
    /// `@stomp/stompjs` over WebSocket, from npm.
    Stompjs,
    /// `Net::Stomp` for Perl, from Debian.
    NetStomp,
    /// paho-mqtt, from Python's package index; with stomp.py beside it, for what crosses.
    PahoMqtt,
    /// `mqtt` over TCP and WebSocket, from npm.
    Mqttjs,
    /// `mosquitto_pub` and `mosquitto_sub`, from Debian.
    Mosquitto,
    /// pika, from Python's package index; with stomp.py and paho-mqtt beside it, for what crosses.
    Pika,
    /// amqplib, from npm.
    Amqplib,
    /// pyzmq with its libzmq, from Python's package index.
    Pyzmq,
}

impl ClientKind {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::StompPy,
        Self::Stompit,
        Self::Stompjs,
        Self::NetStomp,
        Self::PahoMqtt,
        Self::Mqttjs,
        Self::Mosquitto,
        Self::Pika,
        Self::Amqplib,
        Self::Pyzmq,
    ];

    /// The name that commands know it by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::StompPy => "stomp_py",
            Self::Stompit => "stompit",
            Self::Stompjs => "stompjs",
            Self::NetStomp => "net_stomp",
            Self::PahoMqtt => "paho_mqtt",
            Self::Mqttjs => "mqttjs",
            Self::Mosquitto => "mosquitto",
            Self::Pika => "pika",
            Self::Amqplib => "amqplib",
            Self::Pyzmq => "pyzmq",
        }
    }

    /// The listener that it connects to, as `listeners.json` names it; nothing if that is the test's own.
    #[must_use]
    pub const fn listener(self) -> Option<&'static str> {
        match self {
            Self::StompPy | Self::Stompit | Self::NetStomp => Some("stomp"),
            Self::Stompjs => Some("ws"),
            Self::PahoMqtt | Self::Mqttjs | Self::Mosquitto => Some("mqtt"),
            Self::Pika | Self::Amqplib => Some("amqp"),
            Self::Pyzmq => None,
        }
    }

    /// Its script, ready for the arguments.
    ///
    /// # Errors
    /// When the client is not installed.
    pub fn command(self) -> Result<Command> {
        let home = home(self)?;
        ensure!(
            is_installed(self, &home),
            "the client {} is not installed: run `cargo xtask interop --install`",
            self.name()
        );
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(self.name());
        let mut command = match self {
            Self::StompPy | Self::PahoMqtt | Self::Pika | Self::Pyzmq => {
                Command::new(home.join("bin/python"))
            }
            Self::Mosquitto => Command::new("python3"),
            Self::Stompit | Self::Stompjs | Self::Mqttjs | Self::Amqplib => Command::new("node"),
            Self::NetStomp => Command::new(PERL),
        };
        command.stdin(Stdio::null());
        match self {
            Self::StompPy | Self::PahoMqtt | Self::Mosquitto | Self::Pika | Self::Pyzmq => {
                command.arg("-B").arg(folder.join("cases.py"))
            }
            Self::Stompit | Self::Stompjs | Self::Mqttjs | Self::Amqplib => command
                .env("NODE_PATH", home.join("node_modules"))
                .arg(folder.join("cases.js")),
            Self::NetStomp => command.arg(folder.join("cases.pl")),
        };
        Ok(command)
    }
}

/// Another script in the folder of pyzmq, ready for the arguments.
///
/// # Errors
/// When pyzmq is not installed.
pub fn pyzmq_script(name: &str) -> Result<Command> {
    let kind = ClientKind::Pyzmq;
    let home = home(kind)?;
    ensure!(
        is_installed(kind, &home),
        "the client pyzmq is not installed: run `cargo xtask interop --install`"
    );
    let mut command = Command::new(home.join("bin/python"));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(kind.name());
    command.arg("-B").arg(folder.join(name));
    Ok(command)
}

/// Debian's own Perl: another one in the path does not see Debian's modules.
const PERL: &str = "/usr/bin/perl";

/// Installs a client, unless it is there with the version that is asked for.
///
/// # Errors
/// When it cannot be installed; the text says what is missing.
pub fn install(kind: ClientKind) -> Result<()> {
    let home = home(kind)?;
    if is_installed(kind, &home) {
        return Ok(());
    }
    match kind {
        ClientKind::StompPy => install_from_pip(&home, REQUIREMENTS)?,
        ClientKind::PahoMqtt => install_from_pip(&home, PAHO_REQUIREMENTS)?,
        ClientKind::Pika => install_from_pip(&home, PIKA_REQUIREMENTS)?,
        ClientKind::Amqplib => install_from_npm(&home, AMQPLIB_PACKAGE)?,
        ClientKind::Pyzmq => install_from_pip(&home, PYZMQ_REQUIREMENTS)?,
        ClientKind::Mqttjs => install_from_npm(&home, MQTTJS_PACKAGE)?,
        ClientKind::Mosquitto => apt_install(&["mosquitto-clients", "python3"])?,
        ClientKind::Stompit => install_from_npm(&home, STOMPIT_PACKAGE)?,
        ClientKind::Stompjs => install_from_npm(&home, STOMPJS_PACKAGE)?,
        ClientKind::NetStomp => apt_install(&["libnet-stomp-perl"])?,
    }
    if let Some(stamp) = stamp(kind) {
        fs::write(home.join("installed"), stamp)?;
    }
    ensure!(
        is_installed(kind, &home),
        "{} is still missing after its installation",
        kind.name()
    );
    Ok(())
}

/// Installs `strace`, with which a test watches the broker's system calls, unless it is there.
///
/// # Errors
/// When it cannot be installed.
pub fn install_strace() -> Result<()> {
    if works("strace", &["--version"]) {
        return Ok(());
    }
    apt_install(&["strace"])
}

fn install_from_pip(home: &Path, wanted: &str) -> Result<()> {
    if !works("python3", &["-c", "import ensurepip, venv"]) {
        apt_install(&["python3", "python3-venv"])?;
    }
    clear(home)?;
    run(Command::new("python3").args(["-m", "venv"]).arg(home))?;
    let requirements = home.join("requirements.txt");
    fs::write(&requirements, wanted)?;
    let mut pip = Command::new(home.join("bin/python"));
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
    ]);
    run(pip.arg("--requirement").arg(requirements))
}

fn install_from_npm(home: &Path, package: &str) -> Result<()> {
    if !works("node", &["--version"]) || !works("npm", &["--version"]) {
        apt_install(&["nodejs", "npm"])?;
    }
    clear(home)?;
    fs::write(home.join("package.json"), package)?;
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--no-package-lock",
        "--ignore-scripts",
    ]);
    run(npm.current_dir(home))
}

/// Installs Debian packages, which only root can; anybody else is told which.
fn apt_install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    let update = run(apt().args(["update", "--quiet"]));
    let install = ["install", "--yes", "--no-install-recommends"];
    let install = || run(apt().args(install).args(packages));
    update
        .and_then(|()| install())
        .with_context(|| format!("install the Debian packages {}", packages.join(", ")))
}

fn works(program: &str, args: &[&str]) -> bool {
    let output = Command::new(program).args(args).output();
    output.is_ok_and(|output| output.status.success())
}

/// What is written beside an installation, so that another version is installed anew.
const fn stamp(kind: ClientKind) -> Option<&'static str> {
    match kind {
        ClientKind::StompPy => Some(REQUIREMENTS),
        ClientKind::Stompit => Some(STOMPIT_PACKAGE),
        ClientKind::Stompjs => Some(STOMPJS_PACKAGE),
        ClientKind::PahoMqtt => Some(PAHO_REQUIREMENTS),
        ClientKind::Pika => Some(PIKA_REQUIREMENTS),
        ClientKind::Amqplib => Some(AMQPLIB_PACKAGE),
        ClientKind::Pyzmq => Some(PYZMQ_REQUIREMENTS),
        ClientKind::Mqttjs => Some(MQTTJS_PACKAGE),
        ClientKind::NetStomp | ClientKind::Mosquitto => None,
    }
}

fn is_installed(kind: ClientKind, home: &Path) -> bool {
    match stamp(kind) {
        Some(stamp) => fs::read_to_string(home.join("installed")).is_ok_and(|found| found == stamp),
        None if kind == ClientKind::NetStomp => works(PERL, &["-MNet::Stomp", "-e", "1"]),
        // It has no option that does nothing; to show its help is its first failure.
        None => works(
            "sh",
            &[
                "-c",
                "command -v mosquitto_sub && command -v mosquitto_pub && python3 -V",
            ],
        ),
    }
}

fn home(kind: ClientKind) -> Result<PathBuf> {
    Ok(target_dir()?.join("interop").join(kind.name()))
}

fn clear(home: &Path) -> Result<()> {
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("removing {}", home.display()))?;
    }
    fs::create_dir_all(home).with_context(|| format!("making {}", home.display()))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed: {}",
            command.get_program().display(),
            said.trim()
        );
    }
    Ok(())
}
