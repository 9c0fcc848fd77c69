//! Kills of the real binary while a client of MQTT publishes with QoS 1 and 2 to another, both with sessions that outlive
//! their connection: nothing that was published is lost, and what was published with QoS 2 comes once.
//!
//! Each client keeps what the protocol has it keep, and goes on with it when the broker is back.

use crate::plan::Random;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use client::{Broker, MqttClient};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// PUBLISH packets that are unfinished at a time.
const WINDOW: usize = 100;

const TOPIC: &[u8] = b"flow";

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Messages published with QoS 1.
    pub at_least_once: usize,
    /// Messages published with QoS 2.
    pub exactly_once: usize,
    /// Deliveries with QoS 1 beyond the first.
    pub repeated: usize,
}

/// Lets messages flow through so many kills, and checks what has come.
///
/// # Errors
/// When a message is lost, or one with QoS 2 comes twice, or a session is, or when the broker does not come up.
pub fn round(seed: u64, kills: u32) -> Result<Flow> {
    let folder = tempfile::Builder::new().prefix("barid-kill-").tempdir()?;
    let mut random = Random::new(seed);
    let mut broker = Broker::start(&folder.path().join("data"))?;
    let (mut publisher, mut subscriber) = (Publisher::default(), Subscriber::default());
    subscriber.begin(broker.listener("mqtt")?)?;
    for _ in 0..kills {
        let until = random.magnitude(1, 6000);
        let address = broker.listener("mqtt")?;
        let (events, heard) = channel();
        let (publisher, subscriber) = (&mut publisher, &mut subscriber);
        thread::scope(|scope| {
            let to_publisher = events.clone();
            let publishing = scope.spawn(move || publisher.live(address, &to_publisher));
            let reading = scope.spawn(move || subscriber.live(address, &events));
            wait(&heard, until);
            broker.kill()?;
            let ended = publishing.join();
            ended
                .map_err(|_| anyhow!("the publisher panicked"))?
                .context("publisher")?;
            let ended = reading.join();
            ended
                .map_err(|_| anyhow!("the subscriber panicked"))?
                .context("subscriber")
        })?;
        broker.restart().context("starting again after a kill")?;
    }
    let address = broker.listener("mqtt")?;
    publisher.finish(address).context("publisher, at the end")?;
    subscriber
        .finish(address)
        .context("subscriber, at the end")?;
    check(&publisher, &subscriber)
}

/// Waits for so many events, or until there are none any more.
fn wait(heard: &Receiver<()>, until: u64) {
    for _ in 0..until {
        if heard.recv().is_err() {
            return;
        }
    }
}

fn check(publisher: &Publisher, subscriber: &Subscriber) -> Result<Flow> {
    let mut flow = Flow::default();
    for number in 0..publisher.next {
        let count = subscriber.times.get(&number).copied().unwrap_or_default();
        if is_exactly_once(number) {
            flow.exactly_once += 1;
            ensure!(count == 1, "{number}, with QoS 2, has come {count} times");
        } else {
            flow.at_least_once += 1;
            ensure!(count > 0, "{number}, with QoS 1, is lost");
            flow.repeated += count - 1;
        }
    }
    Ok(flow)
}

const fn is_exactly_once(number: u32) -> bool {
    number % 2 == 1
}

/// Connects with a session that is kept; whether it was there.
fn connect(address: SocketAddr, client_id: u8) -> Result<Option<(MqttClient, bool)>> {
    let mut client = MqttClient::open(address)?;
    client.write(b"\x10\x0d\x00\x04MQTT\x04\x00\x00\x00\x00\x01");
    client.write(&[client_id]);
    if client.flush().is_err() {
        return Ok(None);
    }
    match client.receive()?.as_deref() {
        None => Ok(None),
        Some([0x20, 2, present, 0]) => Ok(Some((client, *present == 1))),
        Some(other) => bail!("not accepted: {other:02x?}"),
    }
}

/// A packet that has only an identifier.
fn put_ack(client: &mut MqttClient, kind: u8, id: u16) {
    let [high, low] = id.to_be_bytes();
    client.write(&[kind, 2, high, low]);
}

/// A PUBLISH that is not finished.
#[derive(Clone, Copy, Debug)]
enum Unfinished {
    Published(u32),
    /// PUBREC has come.
    Released,
}

/// What the publisher keeps.
#[derive(Debug, Default)]
struct Publisher {
    next: u32,
    unfinished: BTreeMap<u16, Unfinished>,
    has_session: bool,
}

impl Publisher {
    /// Publishes until the connection ends.
    fn live(&mut self, address: SocketAddr, events: &Sender<()>) -> Result<()> {
        let Some(mut client) = self.begin(address)? else {
            return Ok(());
        };
        loop {
            while self.unfinished.len() < WINDOW {
                let number = self.next;
                self.next += 1;
                self.publish(&mut client, number)?;
            }
            if !self.exchange(&mut client)? {
                return Ok(());
            }
            // Nobody listens any more once the broker has been killed.
            let _heard = events.send(());
        }
    }

    /// Finishes what there is, then publishes a last message.
    fn finish(&mut self, address: SocketAddr) -> Result<()> {
        let mut client = self.begin(address)?.context("the connection ended")?;
        while !self.unfinished.is_empty() {
            ensure!(self.exchange(&mut client)?, "the connection ended");
        }
        self.publish(&mut client, u32::MAX)?;
        while !self.unfinished.is_empty() {
            ensure!(self.exchange(&mut client)?, "the connection ended");
        }
        Ok(())
    }

    fn begin(&mut self, address: SocketAddr) -> Result<Option<MqttClient>> {
        let Some((mut client, is_present)) = connect(address, b'p')? else {
            return Ok(None);
        };
        ensure!(is_present || !self.has_session, "the session is lost");
        self.has_session = true;
        // [MQTT-4.4.0-1]
        for (id, unfinished) in &self.unfinished {
            match unfinished {
                Unfinished::Published(number) => put_publish(&mut client, *id, *number, true)?,
                Unfinished::Released => put_ack(&mut client, 0x62, *id),
            }
        }
        Ok(Some(client))
    }

    fn publish(&mut self, client: &mut MqttClient, number: u32) -> Result<()> {
        let free = (1..).find(|id| !self.unfinished.contains_key(id));
        let id = free.context("an identifier is free")?;
        self.unfinished.insert(id, Unfinished::Published(number));
        put_publish(client, id, number, false)
    }

    /// Sends what there is and takes an answer. Returns whether the connection goes on.
    fn exchange(&mut self, client: &mut MqttClient) -> Result<bool> {
        if client.flush().is_err() {
            return Ok(false);
        }
        let Some(packet) = client.receive()? else {
            return Ok(false);
        };
        let [kind, 2, high, low] = packet[..] else {
            bail!("no answer but {packet:02x?}");
        };
        let id = u16::from_be_bytes([high, low]);
        let unfinished = self.unfinished.get(&id).copied();
        match (kind, unfinished) {
            (0x40, Some(Unfinished::Published(_))) | (0x70, Some(Unfinished::Released)) => {
                self.unfinished.remove(&id);
            }
            (0x50, Some(_)) => {
                self.unfinished.insert(id, Unfinished::Released);
                put_ack(client, 0x62, id);
            }
            _ => bail!("{packet:02x?} answers {unfinished:?}"),
        }
        Ok(true)
    }
}

fn put_publish(client: &mut MqttClient, id: u16, number: u32, is_again: bool) -> Result<()> {
    let payload = number.to_string();
    let qos = if is_exactly_once(number) { 0x04 } else { 0x02 };
    let len = u8::try_from(2 + TOPIC.len() + 2 + payload.len())?;
    client.write(&[0x30 | qos | u8::from(is_again) << 3, len, 0, 4]);
    client.write(TOPIC);
    client.write(&id.to_be_bytes());
    client.write(payload.as_bytes());
    Ok(())
}

/// What the subscriber keeps.
#[derive(Debug, Default)]
struct Subscriber {
    times: BTreeMap<u32, usize>,
    /// PUBLISH packets with QoS 2 that have not been released.
    received: BTreeSet<u16>,
}

impl Subscriber {
    /// Subscribes.
    fn begin(&mut self, address: SocketAddr) -> Result<()> {
        let begun = connect(address, b's')?;
        let (mut client, _) = begun.context("the connection ended")?;
        client.write(b"\x82\x09\x00\x01\x00\x04flow\x02");
        client.flush()?;
        let answer = client.receive()?.context("the connection ended")?;
        ensure!(
            answer == b"\x90\x03\x00\x01\x02",
            "no SUBACK: {answer:02x?}"
        );
        Ok(())
    }

    /// Reads until the connection ends.
    fn live(&mut self, address: SocketAddr, events: &Sender<()>) -> Result<()> {
        let Some(mut client) = Self::go_on(address)? else {
            return Ok(());
        };
        while let Some(packet) = client.receive()? {
            self.take(&mut client, &packet)?;
            if client.flush().is_err() {
                return Ok(());
            }
            // Nobody listens any more once the broker has been killed.
            let _heard = events.send(());
        }
        Ok(())
    }

    /// Reads until the last message has come.
    fn finish(&mut self, address: SocketAddr) -> Result<()> {
        let mut client = Self::go_on(address)?.context("the connection ended")?;
        while !self.times.contains_key(&u32::MAX) || !self.received.is_empty() {
            let packet = client.receive()?.context("the connection ended")?;
            self.take(&mut client, &packet)?;
            client.flush()?;
        }
        Ok(())
    }

    fn go_on(address: SocketAddr) -> Result<Option<MqttClient>> {
        let Some((client, is_present)) = connect(address, b's')? else {
            return Ok(None);
        };
        ensure!(is_present, "the session is lost");
        Ok(Some(client))
    }

    fn take(&mut self, client: &mut MqttClient, packet: &[u8]) -> Result<()> {
        match packet {
            [first, _, 0, 4, rest @ ..] if first & 0xf0 == 0x30 => {
                let rest = rest.strip_prefix(TOPIC).context("the topic")?;
                let (id, payload) = rest.split_first_chunk().context("an identifier")?;
                let id = u16::from_be_bytes(*id);
                let number = std::str::from_utf8(payload)?.parse()?;
                let is_exactly_once = first & 0x06 == 0x04;
                // [MQTT-4.3.3-10]
                if !is_exactly_once || self.received.insert(id) {
                    *self.times.entry(number).or_default() += 1;
                }
                put_ack(client, if is_exactly_once { 0x50 } else { 0x40 }, id);
            }
            [0x62, 2, high, low] => {
                let id = u16::from_be_bytes([*high, *low]);
                self.received.remove(&id);
                put_ack(client, 0x70, id);
            }
            other => bail!("{other:02x?} to a subscriber"),
        }
        Ok(())
    }
}
