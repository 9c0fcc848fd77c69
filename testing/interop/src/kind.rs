//! The clients: where each comes from, and how its cases are run.

use crate::install::installed;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    /// aio-pika, from Python's package index.
    AioPika,
    /// Celery with kombu and py-amqp, from Python's package index.
    Celery,
    /// lapin, from crates.io.
    Lapin,
    /// `amqp-publish` and its siblings of rabbitmq-c, from Debian.
    AmqpTools,
    /// `RabbitMQ`'s client for Java, from Debian.
    Java,
    /// pika, stomp.py, paho-mqtt and pyzmq together, for what goes from each protocol to each.
    Crossing,
    /// pyzmq with its libzmq, from Python's package index.
    Pyzmq,
    /// pyzmq's own tests, with its source.
    PyzmqTests,
    /// libzmq with its header, from Debian, and a compiler.
    Libzmq,
    /// libzmq from the source of Debian's package, with the draft types and WebSocket, which pyzmq's has not.
    LibzmqDrafts,
}

/// Where a client comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Source {
    /// Python's package index: the requirements.
    Pip(&'static str),
    /// The same, and the source of one of them unpacked: the requirements, and which.
    Unpacked(&'static str, &'static str),
    /// npm: the package with its dependencies.
    Npm(&'static str),
    /// crates.io: the lock file and the program with the cases.
    Cargo([&'static str; 2]),
    /// Debian: the packages, and a command that succeeds if they are there.
    Debian(&'static [&'static str], &'static [&'static str]),
    /// Debian, and a program with the cases that is compiled.
    Java(&'static str),
    /// A script that fetches and builds a library, and what it is built with.
    Library([&'static str; 2]),
}

/// Debian's own Perl: another one in the path does not see Debian's modules.
const PERL: &str = "/usr/bin/perl";

/// Where Debian has the classes of `RabbitMQ`'s client and of what it logs by.
pub(crate) const JARS: &str =
    "/usr/share/java/amqp-client.jar:/usr/share/java/slf4j-api.jar:/usr/share/java/slf4j-nop.jar";

impl ClientKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::StompPy,
        Self::Stompit,
        Self::Stompjs,
        Self::NetStomp,
        Self::PahoMqtt,
        Self::Mqttjs,
        Self::Mosquitto,
        Self::Pika,
        Self::Amqplib,
        Self::AioPika,
        Self::Celery,
        Self::Lapin,
        Self::AmqpTools,
        Self::Java,
        Self::Crossing,
        Self::Pyzmq,
        Self::PyzmqTests,
        Self::Libzmq,
        Self::LibzmqDrafts,
    ];

    /// The name that commands know it by, and its folder's.
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
            Self::AioPika => "aio_pika",
            Self::Celery => "celery",
            Self::Lapin => "lapin",
            Self::AmqpTools => "amqp_tools",
            Self::Java => "java",
            Self::Crossing => "crossing",
            Self::Pyzmq => "pyzmq",
            Self::PyzmqTests => "pyzmq_tests",
            Self::Libzmq => "libzmq",
            Self::LibzmqDrafts => "libzmq_drafts",
        }
    }

    /// The listener that it connects to, as `listeners.json` names it; nothing if that is the test's own.
    #[must_use]
    pub const fn listener(self) -> Option<&'static str> {
        match self {
            Self::StompPy | Self::Stompit | Self::NetStomp => Some("stomp"),
            Self::Stompjs => Some("ws"),
            Self::PahoMqtt | Self::Mqttjs | Self::Mosquitto => Some("mqtt"),
            Self::Pika
            | Self::Amqplib
            | Self::AioPika
            | Self::Celery
            | Self::Lapin
            | Self::AmqpTools
            | Self::Java
            | Self::Crossing => Some("amqp"),
            Self::Pyzmq | Self::PyzmqTests | Self::Libzmq | Self::LibzmqDrafts => None,
        }
    }

    pub(crate) const fn source(self) -> Source {
        match self {
            Self::StompPy => Source::Pip(include_str!("../stomp_py/requirements.txt")),
            Self::Stompit => Source::Npm(include_str!("../stompit/package.json")),
            Self::Stompjs => Source::Npm(include_str!("../stompjs/package.json")),
            Self::NetStomp => {
                Source::Debian(&["libnet-stomp-perl"], &[PERL, "-MNet::Stomp", "-e", "1"])
            }
            Self::PahoMqtt => Source::Pip(include_str!("../paho_mqtt/requirements.txt")),
            Self::Mqttjs => Source::Npm(include_str!("../mqttjs/package.json")),
            // They have no option that does nothing; to show its help is its first failure.
            Self::Mosquitto => Source::Debian(
                &["mosquitto-clients", "python3"],
                &[
                    "sh",
                    "-c",
                    "command -v mosquitto_sub && command -v mosquitto_pub && python3 -V",
                ],
            ),
            Self::Pika => Source::Pip(include_str!("../pika/requirements.txt")),
            Self::Amqplib => Source::Npm(include_str!("../amqplib/package.json")),
            Self::AioPika => Source::Pip(include_str!("../aio_pika/requirements.txt")),
            Self::Celery => Source::Pip(include_str!("../celery/requirements.txt")),
            Self::Lapin => Source::Cargo([
                include_str!("../lapin/Cargo.lock"),
                include_str!("../lapin/src/main.rs"),
            ]),
            Self::AmqpTools => Source::Debian(
                &["amqp-tools", "python3"],
                &[
                    "sh",
                    "-c",
                    "command -v amqp-publish && command -v amqp-consume && python3 -V",
                ],
            ),
            Self::Java => Source::Java(include_str!("../java/Cases.java")),
            Self::Crossing => Source::Pip(include_str!("../crossing/requirements.txt")),
            Self::Pyzmq => Source::Pip(include_str!("../pyzmq/requirements.txt")),
            Self::PyzmqTests => {
                Source::Unpacked(include_str!("../pyzmq_tests/requirements.txt"), "pyzmq")
            }
            Self::Libzmq => Source::Debian(
                &["libzmq3-dev", "gcc", "libc6-dev"],
                &[
                    "sh",
                    "-c",
                    "echo '#include <zmq.h>' | cc -fsyntax-only -x c -",
                ],
            ),
            Self::LibzmqDrafts => Source::Library([
                include_str!("../libzmq_drafts/build.sh"),
                include_str!("../libzmq_drafts/platform.hpp"),
            ]),
        }
    }

    /// Where its cases are.
    #[must_use]
    pub fn folder(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join(self.name())
    }

    /// Its cases, ready for the arguments.
    ///
    /// # Errors
    /// When the client is not installed.
    pub fn command(self) -> Result<Command> {
        let home = installed(self)?;
        let folder = self.folder();
        let mut command = match self.source() {
            Source::Pip(_) | Source::Unpacked(..) => {
                let mut python = Command::new(home.join("bin/python"));
                python.arg("-B").arg(folder.join("cases.py"));
                python
            }
            Source::Npm(_) => {
                let mut node = Command::new("node");
                node.env("NODE_PATH", home.join("node_modules"));
                node.arg(folder.join("cases.js"));
                node
            }
            Source::Debian(..) if self == Self::NetStomp => {
                let mut perl = Command::new(PERL);
                perl.arg(folder.join("cases.pl"));
                perl
            }
            Source::Debian(..) => {
                let mut python = Command::new("python3");
                python.arg("-B").arg(folder.join("cases.py"));
                python
            }
            Source::Cargo(_) => Command::new(home.join("debug/lapin-cases")),
            Source::Library(_) => {
                let mut python = Command::new("python3");
                python.env("LIBZMQ", home.join("libzmq.so"));
                python.arg("-B").arg(folder.join("sockets.py"));
                python
            }
            Source::Java(_) => {
                let mut java = Command::new("java");
                let classes = home.display();
                // It compiles little for how little it runs, and each has a core of its own at most.
                java.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
                java.args(["-cp", &format!("{classes}:{JARS}"), "Cases"]);
                java
            }
        };
        command.stdin(Stdio::null());
        Ok(command)
    }
}
