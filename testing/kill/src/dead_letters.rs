//! Kills of the real binary while messages become dead letters twice: once rejected, once expired. In the end each is
//! where it was to go, once.
//!
//! ```text
//! publisher ──► in ──rejected──► waiting ──expired──► out
//! ```

use crate::load::amqp::confirmed;
use crate::plan::Random;
use anyhow::{Context as _, Result, anyhow, bail, ensure};
use client::Broker;
use client::amqp::{AmqpClient, Answer, Argument, Confirms, Declare, Publish};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// Publishes that are unconfirmed at a time.
const WINDOW: usize = 200;

/// Messages published in one life, at most: a kill must be reached before they end.
const SENT_MAX: usize = 20_000;

/// How long a message waits before it expires.
const TTL_MS: i64 = 20;

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Messages published.
    pub sent: usize,
    /// Messages confirmed.
    pub confirmed: usize,
    /// Messages that were at the end.
    pub arrived: usize,
}

/// Sends messages down the chain through so many kills, and checks what has arrived.
///
/// # Errors
/// When a confirmed message is lost, or one arrives twice, or the broker does not come up.
pub fn round(seed: u64, kills: u32) -> Result<Chain> {
    let folder = tempfile::Builder::new().prefix("barid-kill-").tempdir()?;
    let mut random = Random::new(seed);
    let mut broker = Broker::start(&folder.path().join("data"))?;
    declare(broker.listener("amqp")?)?;
    let (mut next, mut safe) = (0, BTreeSet::new());
    for _ in 0..kills {
        let until = random.magnitude(1, 3000);
        let address = broker.listener("amqp")?;
        // Only so many events may be ahead of who counts them.
        let (events, heard) = sync_channel(1024);
        thread::scope(|scope| {
            let first = next;
            let publishing = scope.spawn(move || publish(address, first));
            let rejecting = scope.spawn(move || reject(address, &events));
            wait(&heard, until);
            broker.kill()?;
            drop(heard);
            let published = publishing.join();
            let published = published.map_err(|_| anyhow!("the publisher panicked"))?;
            let (sent, confirmed) = published.context("publisher")?;
            next += sent;
            safe.extend(confirmed);
            let rejected = rejecting.join();
            rejected
                .map_err(|_| anyhow!("the consumer panicked"))?
                .context("consumer")
        })?;
        broker.restart().context("starting again after a kill")?;
    }
    let arrived = finish(broker.listener("amqp")?, &safe, next)?;
    Ok(Chain {
        sent: usize::try_from(next)?,
        confirmed: safe.len(),
        arrived,
    })
}

/// Waits for so many events, or until there are none any more.
fn wait(heard: &Receiver<()>, until: u64) {
    for _ in 0..until {
        if heard.recv().is_err() {
            return;
        }
    }
}

fn declare(address: SocketAddr) -> Result<()> {
    let mut client = AmqpClient::connect(address)?;
    client.open_channel(1)?;
    let leads_to = |key| {
        [
            ("x-dead-letter-exchange", Argument::Text("")),
            ("x-dead-letter-routing-key", Argument::Text(key)),
            ("x-message-ttl", Argument::Number(TTL_MS)),
        ]
    };
    let (rejected, expired) = (leads_to("waiting"), leads_to("out"));
    let queues = [
        ("out", &[][..]),
        ("waiting", &expired[..]),
        ("in", &rejected[..2]),
    ];
    for (queue, arguments) in queues {
        client.requests().declare(
            1,
            &Declare {
                queue,
                durable: true,
                arguments,
                ..Declare::default()
            },
        );
        client.answer(1, |answer| matches!(answer, Answer::Declared { .. }))?;
    }
    client.close()
}

fn put(client: &mut AmqpClient, body: &str) {
    let publish = Publish {
        key: "in",
        persistent: true,
        body: body.as_bytes(),
        ..Publish::default()
    };
    client.requests().publish(1, &publish);
}

/// Publishes numbers from `first` on, until the broker is gone. Returns how many, and which were confirmed.
fn publish(address: SocketAddr, first: u64) -> Result<(u64, Vec<u64>)> {
    let (mut sent, mut safe) = (0, Vec::new());
    let Ok(mut client) = AmqpClient::connect(address) else {
        return Ok((sent, safe));
    };
    client.requests().channel_open(1);
    client.requests().confirm_select(1);
    let mut confirms = Confirms::default();
    loop {
        while confirms.len() < WINDOW && safe.len() < SENT_MAX {
            put(&mut client, &(first + sent).to_string());
            confirms.publish(first + sent);
            sent += 1;
        }
        // What was confirmed before the end can still be read.
        drop(client.writer.flush());
        let Some((_, answer)) = client.reader.receive()? else {
            return Ok((sent, safe));
        };
        safe.extend(confirmed(&mut confirms, &answer)?);
    }
}

/// Rejects all that comes, until the broker is gone.
fn reject(address: SocketAddr, events: &SyncSender<()>) -> Result<()> {
    let Ok(mut client) = AmqpClient::connect(address) else {
        return Ok(());
    };
    begin_rejecting(&mut client);
    while client.writer.flush().is_ok() {
        let Some((_, answer)) = client.reader.receive()? else {
            return Ok(());
        };
        if let Answer::Delivered(delivered) = answer {
            client.requests().reject(1, delivered.tag, false);
            // Nobody listens any more once the broker has been killed.
            let _heard = events.send(());
        }
    }
    Ok(())
}

fn begin_rejecting(client: &mut AmqpClient) {
    let requests = client.requests();
    requests.channel_open(1);
    requests.qos(1, 100, false);
    requests.consume(1, "in", "in", false);
}

/// Lets all that is left come to its end, and reads it. Returns how many have arrived.
fn finish(address: SocketAddr, safe: &BTreeSet<u64>, next: u64) -> Result<usize> {
    let mut client = AmqpClient::connect(address)?;
    begin_rejecting(&mut client);
    client.requests().channel_open(2);
    client.requests().consume(2, "out", "out", true);
    let mut arrived = BTreeSet::new();
    let mut missing = safe.len();
    let mut is_marked = false;
    loop {
        client.writer.flush()?;
        let next_answer = client.reader.receive()?;
        let (channel, answer) = next_answer.context("the connection ended")?;
        let Answer::Delivered(delivered) = answer else {
            if let Answer::Closed { code, text } = answer {
                bail!("closed: {code} {text}");
            }
            continue;
        };
        if channel == 1 {
            client.requests().reject(1, delivered.tag, false);
            continue;
        }
        if delivered.body == b"last" {
            break;
        }
        let number: u64 = std::str::from_utf8(&delivered.body)?.parse()?;
        ensure!(number < next, "{number} was never published");
        ensure!(arrived.insert(number), "{number} arrived twice");
        missing -= usize::from(safe.contains(&number));
        if missing == 0 && !is_marked {
            // What was not confirmed may still come, or come again, ahead of this.
            put(&mut client, "last");
            is_marked = true;
        }
    }
    Ok(arrived.len())
}
