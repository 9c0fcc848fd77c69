//! Publishers that send faster than anybody reads: the broker's memory stays bounded, who understands it is told when it
//! is held back, and whoever reads goes on.

mod blocked;

pub use blocked::{full_disk, full_memory};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use client::Broker;
use client::amqp::{AmqpClient, Answer, Confirms, Declare, Publish, method};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

const MIB: u64 = 1 << 20;

/// Memory for queued messages.
const LIMIT_BYTES: u64 = 32 * MIB;

/// What the journal may be behind, as messages that wait and as what is being written, and what may wait in its mailbox,
/// for each executor; there is one per core.
const EXECUTOR_BYTES_MAX: u64 = (2 * 16 + 4) * MIB;

/// What may be parked of a connection, and what is read of it at a time.
const CONNECTION_BYTES_MAX: u64 = 2 * MIB;

/// What stays in memory of a message in a page.
const PAGED_BYTES_MAX: u64 = 80;

/// What the allocator does not give back, and pages on their way to the disk.
const SLACK_BYTES: u64 = 64 * MIB;

/// What each publisher of a flood sends.
const FLOOD_BYTES: u64 = 128 * MIB;

/// Publishes of one connection that are unconfirmed at a time.
const WINDOW: usize = 1000;

/// Sizes of the messages, and whether they are confirmed; each is a publisher.
const PUBLISHERS: [(usize, bool); 4] = [
    (1 << 10, true),
    (1 << 10, false),
    (64 << 10, true),
    (64 << 10, false),
];

/// What a flood came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flood {
    /// Bytes of bodies sent.
    pub sent_bytes: u64,
    /// The most resident memory that the broker had beyond what it had when idle, in bytes.
    pub grown_bytes: u64,
    /// What that may be.
    pub grown_bytes_max: u64,
}

fn start(data_dir: &Path, more: &[&str]) -> Result<Broker> {
    let limit = format!("--queue-memory-bytes-max={LIMIT_BYTES}");
    let args = [&[limit.as_str(), "--store-segment-bytes=8MiB"], more].concat();
    Broker::start_with(data_dir, &args)
}

/// The most memory that was ever resident, in bytes.
fn peak_bytes(broker: &Broker) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.pid()))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    let kib: u64 = kib.context("no VmHWM")?.parse()?;
    Ok(kib << 10)
}

/// What the broker may take beyond what it takes when idle.
fn grown_bytes_max(connections: u64, messages: u64) -> Result<u64> {
    let executors = thread::available_parallelism()?.get() as u64;
    Ok(LIMIT_BYTES
        + executors * EXECUTOR_BYTES_MAX
        + connections * CONNECTION_BYTES_MAX
        + messages * PAGED_BYTES_MAX
        + SLACK_BYTES)
}

/// Connects, opens channel 1, and declares a queue.
fn begin(address: SocketAddr, queue: &str, durable: bool) -> Result<AmqpClient> {
    let mut client = AmqpClient::connect(address)?;
    client.open_channel(1)?;
    declare(&mut client, queue, durable)?;
    Ok(client)
}

/// Declares a queue on channel 1. Returns how many messages are ready in it.
fn declare(client: &mut AmqpClient, queue: &str, durable: bool) -> Result<u32> {
    let declare = Declare {
        queue,
        durable,
        ..Declare::default()
    };
    client.requests().declare(1, &declare);
    let is_it = |answer: &Answer| matches!(answer, Answer::Declared { .. });
    let answer = client.answer(1, is_it)?;
    let Answer::Declared { messages, .. } = answer else {
        bail!("no queue but {answer:?}")
    };
    Ok(messages)
}

/// Publishers flood two durable queues, one that nobody reads and one whose consumer takes one message at a time.
///
/// # Errors
/// When memory grows beyond what is allowed, or a confirmed message is not in its queue.
pub fn durable() -> Result<Flood> {
    let folder = tempfile::tempdir()?;
    let broker = start(&folder.path().join("data"), &[])?;
    let address = broker.listener("amqp")?;
    let idle = peak_bytes(&broker)?;
    let (mut sent, mut sent_bytes, mut confirmed) = (0, 0, 0);
    thread::scope(|scope| {
        let slow = scope.spawn(move || read_slowly(address));
        let publishers = PUBLISHERS.map(|(body_bytes, is_confirmed)| {
            scope.spawn(move || publish(address, body_bytes, is_confirmed))
        });
        for publisher in publishers {
            let published = publisher
                .join()
                .map_err(|_| anyhow!("a publisher panicked"))?;
            let (count, body_bytes, is_confirmed) = published.context("publisher")?;
            sent += count;
            sent_bytes += count * body_bytes;
            confirmed += if is_confirmed { count } else { 0 };
        }
        let mut client = begin(address, "slow", true)?;
        // The consumer ends when it is told to, by the end of its queue.
        client.requests().delete(1, "slow");
        client.answer(1, |answer| *answer == Answer::Done(method::DELETE_OK))?;
        let read = slow.join().map_err(|_| anyhow!("the consumer panicked"))?;
        ensure!(read.context("consumer")? > 0, "nothing was read");
        let ready = declare(&mut client, "unread", true)?;
        ensure!(
            u64::from(ready) == confirmed,
            "{ready} of {confirmed} confirmed messages are there"
        );
        client.close()
    })?;
    let connections = PUBLISHERS.len() as u64 + 2;
    let flood = Flood {
        sent_bytes,
        grown_bytes: peak_bytes(&broker)?.saturating_sub(idle),
        grown_bytes_max: grown_bytes_max(connections, sent)?,
    };
    ensure!(flood.grown_bytes <= flood.grown_bytes_max, "{flood:?}");
    Ok(flood)
}

/// Publishes until it is enough. Confirmed messages go where nobody reads. Returns how many, of how many bytes.
fn publish(address: SocketAddr, body_bytes: usize, is_confirmed: bool) -> Result<(u64, u64, bool)> {
    let queue = if is_confirmed { "unread" } else { "slow" };
    let mut client = begin(address, queue, true)?;
    let body = vec![b'x'; body_bytes];
    let publish = Publish {
        key: queue,
        persistent: true,
        body: &body,
        ..Publish::default()
    };
    if is_confirmed {
        client.requests().confirm_select(1);
    }
    let mut confirms = Confirms::default();
    let count = FLOOD_BYTES / body_bytes as u64;
    for number in 0..count {
        client.requests().publish(1, &publish);
        if client.requests().len() > 64 << 10 || number + 1 == count {
            client.writer.flush()?;
        }
        if is_confirmed {
            confirms.publish(());
            let left = if number + 1 == count { 0 } else { WINDOW };
            if confirms.len() > left {
                client.writer.flush()?;
            }
            while confirms.len() > left {
                let answer = client.reader.receive()?;
                let (_, answer) = answer.context("the connection ended")?;
                crate::load::amqp::confirmed(&mut confirms, &answer)?;
            }
        }
    }
    // Behind all that was published.
    declare(&mut client, queue, true)?;
    client.close()?;
    Ok((count, body_bytes as u64, is_confirmed))
}

/// Reads one message at a time until the queue ends. Returns how many.
fn read_slowly(address: SocketAddr) -> Result<u64> {
    let mut client = begin(address, "slow", true)?;
    client.requests().qos(1, 1, false);
    client.requests().consume(1, "slow", "slow", false);
    let mut count = 0;
    loop {
        client.writer.flush()?;
        let answer = client.reader.receive()?;
        let (_, answer) = answer.context("the connection ended")?;
        if let Answer::Ended(_) = answer {
            return Ok(count);
        }
        if let Answer::Delivered(delivered) = answer {
            count += 1;
            client.requests().ack(1, delivered.tag, false);
        }
    }
}
