//! Kills of the real binary while a client of MQTT publishes with QoS 1, and a durable queue that is bound to
//! the exchange of topics is to keep what was answered.

use crate::plan::Random;
use anyhow::{Context as _, Result, bail, ensure};
use client::{Broker, MqttClient, Send, Subscribe, binary};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// PUBLISH packets that are unanswered at a time.
const WINDOW: u32 = 200;

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Published {
    /// Messages sent.
    pub sent: usize,
    /// Messages answered by PUBACK.
    pub answered: usize,
    /// Messages that were in the queue at the end.
    pub kept: usize,
}

/// Publishes through so many kills, then takes the queue empty and checks it.
///
/// # Errors
/// When a message that was answered is gone, when one is there twice or out of order, or when the broker
/// does not come up.
pub fn round(seed: u64, kills: u32) -> Result<Published> {
    let folder = tempfile::Builder::new().prefix("barid-kill-").tempdir()?;
    let mut random = Random::new(seed);
    let mut broker = Broker::start(&folder.path().join("data"))?;
    admin(broker.data_dir(), &["queue", "declare", "kept"])?;
    let binding = ["binding", "declare", "amq.topic", "kept"];
    admin(
        broker.data_dir(),
        &[&binding[..], &["--key", "plant.#"]].concat(),
    )?;
    let (mut next, mut answered) = (0, BTreeSet::new());
    for _ in 0..kills {
        let until = random.magnitude(1, 4000);
        publish(&mut broker, &mut next, &mut answered, until).context("publisher")?;
        broker.restart().context("starting again after a kill")?;
    }
    let kept = drain(&broker)?;
    ensure!(
        kept.is_sorted_by(|one, two| one < two),
        "what was kept is out of order, or there twice: {kept:?}"
    );
    let found: BTreeSet<_> = kept.iter().copied().collect();
    let lost: Vec<_> = answered.difference(&found).collect();
    ensure!(lost.is_empty(), "answered, and lost: {lost:?}");
    Ok(Published {
        sent: next as usize,
        answered: answered.len(),
        kept: kept.len(),
    })
}

/// Publishes numbers until so many are answered, and kills the broker then; what was answered before that
/// is heard.
fn publish(
    broker: &mut Broker,
    next: &mut u32,
    answered: &mut BTreeSet<u32>,
    mut until: u64,
) -> Result<()> {
    let mut client = MqttClient::connect(broker.listener("mqtt")?)?;
    let first = *next;
    let mut heard = first;
    let mut is_killed = false;
    loop {
        while !is_killed && *next - heard < WINDOW {
            let packet_id = u16::try_from((*next - first) % 60_000 + 1)?;
            client.publish(packet_id, "plant/7/temp", next.to_string().as_bytes())?;
            *next += 1;
        }
        if !is_killed {
            client.flush()?;
        }
        let Some(packet_id) = client.receive_puback()? else {
            ensure!(is_killed, "the connection ended before the kill");
            return Ok(());
        };
        // [MQTT-4.6.0-2]: in the order of what was published.
        let expected = u16::try_from((heard - first) % 60_000 + 1)?;
        ensure!(packet_id == expected, "PUBACK {packet_id}, not {expected}");
        answered.insert(heard);
        heard += 1;
        until = until.saturating_sub(1);
        if until == 0 && !is_killed {
            broker.kill()?;
            is_killed = true;
        }
    }
}

/// The numbers in the queue, in their order.
fn drain(broker: &Broker) -> Result<Vec<u32>> {
    let mut client = broker.connect()?;
    client.send(&Send {
        destination: "/amq/queue/kept",
        body: b"last",
        receipt: Some("last"),
        ..Send::default()
    })?;
    client.subscribe(&Subscribe {
        id: "1",
        destination: "/amq/queue/kept",
        ..Subscribe::default()
    })?;
    let mut kept = Vec::new();
    loop {
        let frame = client.receive()?;
        if frame.body == b"last" {
            client.disconnect()?;
            return Ok(kept);
        }
        kept.push(std::str::from_utf8(&frame.body)?.parse()?);
    }
}

fn admin(data_dir: &Path, args: &[&str]) -> Result<()> {
    let mut command = Command::new(binary()?);
    let output = command
        .args(args)
        .arg("--data-dir")
        .arg(data_dir)
        .output()?;
    if !output.status.success() {
        bail!(
            "barid {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
