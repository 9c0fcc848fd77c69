//! Messages that can be told from each other, into queues and out of them.

use anyhow::{Context as _, Result, ensure};
use client::{Broker, Client, Frame, Send, Subscribe};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Numbers of messages, which several threads look at.
#[derive(Default)]
pub(crate) struct Numbers(Mutex<BTreeSet<u32>>);

impl Numbers {
    pub(crate) fn add(&self, number: u32) {
        self.lock().insert(number);
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn all(&self) -> BTreeSet<u32> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<u32>> {
        // Whoever panicked has failed the test.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Messages of one publisher that wait for their receipts, at most.
const WINDOW: usize = 64;

/// What the body of a message begins with; nothing else in a store looks like it.
pub(crate) fn mark(queue: &str, number: u32) -> String {
    format!("<{queue}#{number:06}>")
}

/// The body of a message: its mark, and more up to `bytes`.
pub(crate) fn body(queue: &str, number: u32, bytes: usize) -> Vec<u8> {
    let mut body = mark(queue, number).into_bytes();
    body.resize(bytes.max(body.len()), b'.');
    body
}

/// Adds a persistent message to what is to be sent, with its number as the id of its receipt.
pub(crate) fn push(client: &mut Client, queue: &str, number: u32, bytes: usize) {
    client.writer.send(&Send {
        destination: &format!("/queue/{queue}"),
        body: &body(queue, number, bytes),
        persistent: true,
        receipt: Some(&number.to_string()),
        headers: &[],
    });
}

/// The number of a receipt.
pub(crate) fn confirmed(frame: &Frame) -> Result<u32> {
    ensure!(frame.command == "RECEIPT", "no receipt but {frame:?}");
    Ok(frame.require("receipt-id")?.parse()?)
}

/// Publishes these numbers, and returns when all are confirmed.
pub(crate) fn publish(
    broker: &Broker,
    queue: &str,
    numbers: Range<u32>,
    bytes: usize,
) -> Result<()> {
    let mut client = broker.connect()?;
    let mut unconfirmed = 0;
    for number in numbers {
        push(&mut client, queue, number, bytes);
        unconfirmed += 1;
        if unconfirmed == WINDOW {
            client.writer.flush()?;
            confirmed(&client.receive()?)?;
            unconfirmed -= 1;
        }
    }
    client.writer.flush()?;
    for _ in 0..unconfirmed {
        confirmed(&client.receive()?)?;
    }
    client.disconnect()
}

/// The number of a MESSAGE, whose body must be the one it was sent with.
pub(crate) fn number_of(queue: &str, frame: &Frame) -> Result<u32> {
    ensure!(frame.command == "MESSAGE", "no MESSAGE but {frame:?}");
    let text = frame.text();
    let digits = text
        .split_once('#')
        .and_then(|(_, rest)| rest.split_once('>'));
    let number = digits.context("no number")?.0.parse()?;
    ensure!(
        frame.body == body(queue, number, frame.body.len()),
        "{number} of {queue} came with another body"
    );
    Ok(number)
}

/// Takes a queue empty.
///
/// A last message is put behind all others; when it comes, everything before it has come.
pub(crate) fn drain(broker: &Broker, queue: &str) -> Result<Vec<u32>> {
    let destination = &format!("/queue/{queue}");
    let mut client = broker.connect()?;
    client.send(&Send {
        destination,
        persistent: true,
        receipt: Some("last"),
        headers: &[("last", "true")],
        ..Send::default()
    })?;
    client.subscribe(&Subscribe {
        id: "all",
        destination,
        ack: "auto",
        ..Subscribe::default()
    })?;
    let mut numbers = Vec::new();
    loop {
        let frame = client.receive()?;
        if frame.header("last").is_some() {
            client.disconnect()?;
            return Ok(numbers);
        }
        numbers.push(number_of(queue, &frame)?);
    }
}

/// Takes a queue empty; it must have had exactly these, in order, each once.
pub(crate) fn drain_all(broker: &Broker, queue: &str, expected: Range<u32>) -> Result<()> {
    let found = drain(broker, queue)?;
    let wanted: Vec<_> = expected.collect();
    if found != wanted {
        let found: BTreeSet<_> = found.into_iter().collect();
        let wanted: BTreeSet<_> = wanted.into_iter().collect();
        let missing: Vec<_> = wanted.difference(&found).collect();
        let extra: Vec<_> = found.difference(&wanted).collect();
        anyhow::bail!("{queue}: {missing:?} are missing, {extra:?} were not expected");
    }
    Ok(())
}

/// Takes so many messages from a queue and acknowledges each; returns when the acknowledgements are confirmed.
pub(crate) fn consume(broker: &Broker, queue: &str, count: u32) -> Result<Vec<u32>> {
    let mut client = broker.connect()?;
    client.subscribe(&Subscribe {
        id: "some",
        destination: &format!("/queue/{queue}"),
        ack: "client-individual",
        prefetch_count: Some(count.clamp(1, 100)),
        ..Subscribe::default()
    })?;
    let mut numbers = Vec::new();
    for _ in 0..count {
        let message = client.message()?;
        numbers.push(number_of(queue, &message)?);
        client.writer.settle("ACK", &message, None)?;
        client.writer.flush()?;
    }
    // What comes meanwhile stays unsettled, and goes back.
    client.disconnect()?;
    Ok(numbers)
}

/// Publishes one message and subscribes; both must be refused with an ERROR that names the queue.
pub(crate) fn is_refused(broker: &Broker, queue: &str) -> Result<()> {
    let destination = &format!("/queue/{queue}");
    let mut publisher = broker.connect()?;
    publisher.writer.send(&Send {
        destination,
        body: b"x",
        persistent: true,
        receipt: Some("r"),
        headers: &[],
    });
    publisher.writer.flush()?;
    let mut subscriber = broker.connect()?;
    let subscribe = Subscribe {
        id: "1",
        destination,
        ..Subscribe::default()
    };
    subscriber.writer.subscribe(&subscribe, Some("s"));
    subscriber.writer.flush()?;
    for client in [&mut publisher, &mut subscriber] {
        let frame = client.receive()?;
        let text = format!("{:?} {}", frame.headers, frame.text());
        ensure!(
            frame.command == "ERROR" && text.contains(queue) && text.contains("damaged"),
            "no ERROR about {queue}: {frame:?}"
        );
    }
    Ok(())
}
