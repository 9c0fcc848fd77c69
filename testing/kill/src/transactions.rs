//! Kills between and within commits: a transaction over several queues takes effect as a whole or not at
//! all, and one that was answered is never lost.
//!
//! Each transaction moves one message: it takes it from the queue `in` (an ACK) and sends one to each of
//! the queues `out-0` to `out-3`, which live on different shards. So the messages are counted: what is in
//! `in` and what is in any `out` queue make up all, and all `out` queues hold the same.

use crate::plan::Protocol;
use anyhow::{Context as _, Result, bail, ensure};
use client::amqp::{AmqpClient, Answer, Declare, Publish, method};
use client::{Broker, Client, Frame, Send, Subscribe};
use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};

/// Messages that are moved.
const MESSAGES: u64 = 2000;
/// Queues that each transaction sends to.
const OUT_QUEUES: usize = 4;
/// Connections that move messages at once.
const MOVERS: usize = 6;
/// Messages that one of them holds.
const HELD: u32 = 16;

/// What was seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moved {
    /// Kills.
    pub kills: usize,
    /// Transactions whose commit was answered.
    pub answered: u64,
    /// Transactions that took effect.
    pub effective: u64,
}

/// Moves messages, kills the broker `kills` times while it does, and checks what is left.
///
/// # Errors
/// When a promise is broken, or the broker does not come up again.
pub fn round(kills: usize, protocol: Protocol) -> Result<Moved> {
    let folder = tempfile::tempdir()?;
    let mut broker = Broker::start(&folder.path().join("data"))?;
    fill(&broker)?;
    if protocol == Protocol::Amqp {
        // By AMQP nothing is declared by publishing to it.
        make_out_queues(&broker)?;
    }
    let mut answered = BTreeSet::new();
    for kill in 0..kills {
        // Later ones come later, so that recovery meets more history.
        let until = 20 + (13 * kill as u64) % 90;
        answered.extend(move_until_killed(&mut broker, protocol, until)?);
        broker.restart()?;
    }
    let left = drain(&broker, "/queue/in")?;
    let mut moved = BTreeSet::new();
    for queue in 0..OUT_QUEUES {
        let found = drain(&broker, &format!("/queue/out-{queue}"))?;
        let distinct: BTreeSet<_> = found.iter().copied().collect();
        ensure!(
            distinct.len() == found.len(),
            "out-{queue} has a message twice"
        );
        if queue == 0 {
            moved = distinct;
        } else {
            let differ: Vec<_> = moved.symmetric_difference(&distinct).collect();
            ensure!(
                differ.is_empty(),
                "half of a transaction: {differ:?} in out-{queue}"
            );
        }
    }
    let lost: Vec<_> = answered.difference(&moved).collect();
    ensure!(lost.is_empty(), "answered commits are lost: {lost:?}");
    let left: BTreeSet<_> = left.into_iter().collect();
    let both: Vec<_> = left.intersection(&moved).collect();
    ensure!(both.is_empty(), "the ACK of a commit is lost: {both:?}");
    let total = left.len() + moved.len();
    ensure!(
        total as u64 == MESSAGES,
        "{total} of {MESSAGES} messages are left"
    );
    Ok(Moved {
        kills,
        answered: answered.len() as u64,
        effective: moved.len() as u64,
    })
}

fn fill(broker: &Broker) -> Result<()> {
    let mut client = broker.connect()?;
    for number in 0..MESSAGES {
        let body = number.to_string();
        let is_last = number + 1 == MESSAGES;
        client.send(&Send {
            destination: "/queue/in",
            body: body.as_bytes(),
            persistent: true,
            receipt: is_last.then_some("filled"),
            headers: &[],
        })?;
    }
    client.disconnect()
}

/// Moves messages until `until` commits were answered, then kills the broker. Returns the messages whose
/// commits were answered.
fn move_until_killed(broker: &mut Broker, protocol: Protocol, until: u64) -> Result<Vec<u64>> {
    let amqp = broker.listener("amqp")?;
    let connect = |_| {
        Ok(match protocol {
            Protocol::Stomp => Mover::Stomp(broker.connect()?),
            Protocol::Amqp => Mover::Amqp(AmqpClient::connect(amqp)?),
        })
    };
    let clients: Result<Vec<_>> = (0..MOVERS).map(connect).collect();
    let clients = clients?;
    let count = &AtomicU64::new(0);
    std::thread::scope(|scope| {
        let move_all = |mover| {
            scope.spawn(move || match mover {
                Mover::Stomp(client) => Ok(move_by_stomp(client, count)),
                Mover::Amqp(client) => move_by_amqp(client, count),
            })
        };
        let movers: Vec<_> = clients.into_iter().map(move_all).collect();
        while count.load(Ordering::Relaxed) < until && !movers.iter().all(|it| it.is_finished()) {
            std::thread::yield_now();
        }
        broker.kill()?;
        let mut answered = Vec::new();
        for mover in movers {
            let ended = mover.join();
            answered.extend(ended.expect("a mover ends with its connection")?);
        }
        Ok(answered)
    })
}

/// Who moves messages.
enum Mover {
    Stomp(Client),
    Amqp(AmqpClient),
}

fn make_out_queues(broker: &Broker) -> Result<()> {
    let mut client = AmqpClient::connect(broker.listener("amqp")?)?;
    client.open_channel(1)?;
    for queue in 0..OUT_QUEUES {
        let name = format!("out-{queue}");
        let declare = Declare {
            queue: &name,
            durable: true,
            ..Declare::default()
        };
        client.requests().declare(1, &declare);
        client.answer(1, |answer| matches!(answer, Answer::Declared { .. }))?;
    }
    client.close()
}

/// Moves messages until the connection breaks. Commits are answered in their order.
fn move_by_amqp(mut client: AmqpClient, count: &AtomicU64) -> Result<Vec<u64>> {
    let mut answered = Vec::new();
    let mut committing = VecDeque::new();
    let requests = client.requests();
    requests.channel_open(1);
    requests.tx_select(1);
    requests.qos(1, u16::try_from(HELD)?, false);
    requests.consume(1, "in", "in", false);
    while client.writer.flush().is_ok() {
        let Some((_, answer)) = client.reader.receive()? else {
            break;
        };
        #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else is asked for")]
        match answer {
            Answer::Delivered(delivered) => {
                let number: u64 = String::from_utf8(delivered.body.clone())?.parse()?;
                for queue in 0..OUT_QUEUES {
                    let publish = Publish {
                        key: &format!("out-{queue}"),
                        persistent: true,
                        body: &delivered.body,
                        ..Publish::default()
                    };
                    client.requests().publish(1, &publish);
                }
                client.requests().ack(1, delivered.tag, false);
                client.requests().commit(1);
                committing.push_back(number);
            }
            Answer::Done(method::COMMIT_OK) => {
                answered.push(committing.pop_front().context("a commit too many")?);
                count.fetch_add(1, Ordering::Relaxed);
            }
            Answer::Done(_) => {}
            other => bail!("a mover is told {other:?}"),
        }
    }
    // What was answered before the end can still be read.
    while let Some((_, answer)) = client.reader.receive()? {
        if answer == Answer::Done(method::COMMIT_OK) {
            answered.push(committing.pop_front().context("a commit too many")?);
        }
    }
    Ok(answered)
}

/// Moves messages until the connection breaks.
fn move_by_stomp(mut client: Client, count: &AtomicU64) -> Vec<u64> {
    let mut answered = Vec::new();
    let subscribed = client.subscribe(&Subscribe {
        id: "in",
        destination: "/queue/in",
        ack: "client-individual",
        prefetch_count: Some(HELD),
        headers: &[],
    });
    if subscribed.is_err() {
        return answered;
    }
    while let Ok(frame) = client.receive() {
        let sent = match frame.command.as_str() {
            "MESSAGE" => send_transaction(&mut client, &frame),
            "RECEIPT" => {
                let receipt = frame.header("receipt-id");
                answered.extend(receipt.and_then(|id| id.parse::<u64>().ok()));
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            other => panic!("{other}: {frame:?}"),
        };
        if sent.is_err() {
            break;
        }
    }
    answered
}

/// Moves one message. The receipt of its COMMIT has its number.
fn send_transaction(client: &mut Client, message: &Frame) -> Result<()> {
    let number = String::from_utf8(message.body.clone())?;
    let transaction = [("transaction", number.as_str())];
    let ack = message.header("ack").unwrap_or_default();
    client.writer.push(&Frame::new("BEGIN", &transaction));
    for queue in 0..OUT_QUEUES {
        let destination = format!("/queue/out-{queue}");
        let headers = [
            ("destination", destination.as_str()),
            ("persistent", "true"),
            ("transaction", number.as_str()),
        ];
        let mut frame = Frame::new("SEND", &headers);
        frame.body.clone_from(&message.body);
        client.writer.push(&frame);
    }
    client
        .writer
        .push(&Frame::new("ACK", &[("id", ack), ("transaction", &number)]));
    let commit = [("transaction", number.as_str()), ("receipt", &number)];
    client.writer.push(&Frame::new("COMMIT", &commit));
    client.writer.flush()
}

/// Takes a queue empty. A last message is put behind all others; when it comes, everything before it has.
fn drain(broker: &Broker, destination: &str) -> Result<Vec<u64>> {
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
        ack: "client-individual",
        ..Subscribe::default()
    })?;
    let mut numbers = Vec::new();
    loop {
        let frame = client.receive()?;
        if frame.header("last").is_some() {
            client.disconnect()?;
            return Ok(numbers);
        }
        numbers.push(String::from_utf8(frame.body)?.parse()?);
    }
}
