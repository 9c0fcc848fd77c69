//! Policies in a configuration file: what they make of queues and exchanges of the real program, that others hold from the
//! next start on, and that a file which says nonsense is refused.

use anyhow::{Context as _, Result, ensure};
use client::{Broker, Client, Send, Subscribe};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

const SHORT: &str = r#"
[[policy]]
name = "short"
pattern = "^orders"
apply-to = "queues"
definition = { max-length = 5, dead-letter-exchange = "", dead-letter-routing-key = "too.many" }

[[policy]]
name = "nowhere"
pattern = "^in$"
apply-to = "exchanges"
definition = { alternate-exchange = "amq.fanout" }

[[operator-policy]]
name = "limits"
pattern = ""
definition = { max-length = 3 }
"#;

struct Stage {
    folder: TempDir,
}

impl Stage {
    fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("barid-policies-")
            .tempdir()?;
        Ok(Self { folder })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts a broker with these settings.
    fn start(&self, settings: &str) -> Result<Broker> {
        let file = self.folder.path().join("barid.toml");
        fs::write(&file, settings)?;
        let file = file.to_str().context("a temporary path is text")?;
        Broker::start_with(&self.data(), &["--config", file])
    }

    /// What the broker lists, as an operator asks for it.
    fn list(&self, what: &str) -> Result<Value> {
        let output = Command::new(client::binary()?)
            .args([what, "list", "--json", "--data-dir"])
            .arg(self.data())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{said}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The one of this name of what is listed.
    fn listed(&self, what: &str, name: &str) -> Result<Value> {
        let list = self.list(what)?;
        let list = list.as_array().context("a list")?;
        let listed = list.iter().find(|listed| listed["name"] == name);
        listed.cloned().with_context(|| format!("no {what} {name}"))
    }

    /// Runs a command of an operator's.
    fn told(&self, args: &[&str]) -> Result<()> {
        let output = Command::new(client::binary()?)
            .args(args)
            .arg("--data-dir")
            .arg(self.data())
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{args:?}: {said}");
        Ok(())
    }
}

fn send(
    client: &mut Client,
    destination: &str,
    bodies: std::ops::RangeInclusive<u32>,
) -> Result<()> {
    for number in bodies {
        client.send(&Send {
            destination,
            body: number.to_string().as_bytes(),
            persistent: true,
            receipt: Some("sent"),
            ..Send::default()
        })?;
    }
    Ok(())
}

/// What is in a queue, in its order; it stays there.
fn contents(broker: &Broker, queue: &str, count: usize) -> Result<Vec<String>> {
    let mut client = broker.connect()?;
    client.subscribe(&Subscribe {
        id: "1",
        destination: &format!("/queue/{queue}"),
        ack: "client-individual",
        ..Subscribe::default()
    })?;
    let mut bodies = Vec::new();
    for _ in 0..count {
        let message = client.message()?;
        bodies.push(String::from_utf8_lossy(&message.body).into_owned());
    }
    client.disconnect()?;
    Ok(bodies)
}

#[test]
fn a_file_says_what_holds_from_the_next_start_on() -> Result<()> {
    let stage = Stage::new()?;
    let mut broker = stage.start("")?;
    stage.told(&["queue", "declare", "too.many"])?;
    let mut client = broker.connect()?;
    send(&mut client, "/queue/orders.eu", 1..=6)?;
    let listed = stage.listed("queue", "orders.eu")?;
    ensure!(
        listed["ready_count"] == 6 && listed["policy"].is_null(),
        "{listed}"
    );
    client.disconnect()?;
    broker.terminate()?;

    let mut broker = stage.start(SHORT)?;
    // What is too much has gone where the policy says; it has no limit of its own but the operator's.
    let dead = contents(&broker, "too.many", 3)?;
    ensure!(dead == ["1", "2", "3"], "{dead:?}");
    let left = contents(&broker, "orders.eu", 3)?;
    ensure!(left == ["4", "5", "6"], "{left:?}");
    let listed = stage.listed("queue", "orders.eu")?;
    ensure!(
        listed["policy"] == "short" && listed["operator_policy"] == "limits",
        "{listed}"
    );
    let said = &listed["effective_policy_definition"];
    ensure!(
        said["max-length"] == 3 && said["dead-letter-routing-key"] == "too.many",
        "{said}"
    );
    ensure!(listed["definition"]["max_length"].is_null(), "{listed}");
    // A queue that is declared now is under it, too, and is the same when it is declared again.
    stage.told(&["queue", "declare", "orders.us"])?;
    stage.told(&["queue", "declare", "orders.us"])?;
    let mut client = broker.connect()?;
    send(&mut client, "/queue/orders.us", 1..=5)?;
    client.disconnect()?;
    let left = contents(&broker, "orders.us", 3)?;
    ensure!(left == ["3", "4", "5"], "{left:?}");
    broker.kill()?;

    let broker = stage.start("")?;
    let left = contents(&broker, "orders.eu", 3)?;
    ensure!(left == ["4", "5", "6"], "{left:?}");
    let mut client = broker.connect()?;
    send(&mut client, "/queue/orders.eu", 7..=9)?;
    client.disconnect()?;
    let all = contents(&broker, "orders.eu", 6)?;
    ensure!(all == ["4", "5", "6", "7", "8", "9"], "{all:?}");
    let listed = stage.listed("queue", "orders.eu")?;
    ensure!(listed["effective_policy_definition"].is_null(), "{listed}");
    Ok(())
}

#[test]
fn an_exchange_has_the_alternate_of_its_policy() -> Result<()> {
    let stage = Stage::new()?;
    // The broker that was without any made the exchange.
    let mut broker = stage.start("")?;
    stage.told(&["exchange", "declare", "in", "--type", "direct"])?;
    stage.told(&["queue", "declare", "lost"])?;
    stage.told(&["binding", "declare", "amq.fanout", "lost"])?;
    broker.terminate()?;
    let broker = stage.start(SHORT)?;
    let mut client = broker.connect()?;
    send(&mut client, "/exchange/in/nobody", 1..=1)?;
    client.disconnect()?;
    let lost = contents(&broker, "lost", 1)?;
    ensure!(lost == ["1"], "{lost:?}");
    let listed = stage.listed("exchange", "in")?;
    ensure!(listed["policy"] == "nowhere", "{listed}");
    ensure!(
        listed["definition"]["alternate_exchange"].is_null(),
        "{listed}"
    );
    stage.told(&["exchange", "declare", "in", "--type", "direct"])
}

#[test]
fn a_file_that_says_nonsense_is_refused() -> Result<()> {
    let stage = Stage::new()?;
    let check = |lines: &str, parts: &[&str]| -> Result<()> {
        let settings = format!("[[policy]]\nname = \"orders\"\n{lines}");
        let error = stage.start(&settings).err().context("it does not start")?;
        let said = format!("{error:#}");
        for part in parts.iter().chain(&["barid.toml", "(orders)"]) {
            ensure!(said.contains(part), "{part:?} is not in: {said}");
        }
        Ok(())
    };
    check(
        "pattern = \"(\"\ndefinition = { expires = 1 }",
        &["pattern = \"(\"", "a regular expression"],
    )?;
    check(
        "pattern = \"\"\ndefinition = { max-priority = 5 }",
        &["max-priority = 5", "message-ttl"],
    )?;
    check(
        "pattern = \"\"\ndefinition = { message-ttl = \"1m\" }",
        &["definition.message-ttl = \"1m\"", "milliseconds"],
    )?;
    check(
        "pattern = \"\"\napply-to = \"topics\"\ndefinition = { expires = 1 }",
        &["apply-to = \"topics\"", "classic_queues"],
    )
}
