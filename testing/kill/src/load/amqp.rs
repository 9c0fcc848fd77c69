//! The same by AMQP: publishers with confirms, consumers that acknowledge one by one, or in transactions.

use super::{Fuse, Job, SENT_MAX};
use crate::history::{Ack, Delivery, Id, Publication};
use crate::plan::{Consumers, Random, Trigger};
use anyhow::{Context as _, Result, bail, ensure};
use client::amqp::{AmqpClient, Answer, Confirms, Declare, Delivered, Publish, method};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// The only channel of each client.
const CHANNEL: u16 = 1;

/// The name of a queue.
fn name(queue: u16) -> String {
    match queue {
        0 => "shared".to_owned(),
        queue => format!("own.{queue}"),
    }
}

/// Connects, opens the channel and declares queues.
fn begin(address: SocketAddr, queues: &[u16]) -> Result<AmqpClient> {
    let mut client = AmqpClient::connect(address)?;
    client.requests().channel_open(CHANNEL);
    for queue in queues {
        client.requests().declare(
            CHANNEL,
            &Declare {
                queue: &name(*queue),
                durable: true,
                ..Declare::default()
            },
        );
    }
    Ok(client)
}

pub(super) fn publish(
    address: SocketAddr,
    mut job: Job,
    mut random: Random,
    fuse: &Fuse<'_>,
) -> Result<Vec<(Id, Publication)>> {
    let mut sent = Vec::new();
    // The broker may be killed before all have connected.
    let Ok(mut client) = begin(address, &job.next.map(|(queue, _)| queue)) else {
        return Ok(sent);
    };
    client.requests().confirm_select(CHANNEL);
    let mut confirms = Confirms::default();
    let mut is_sending = true;
    loop {
        for _ in 0..random.magnitude(1, 64) {
            confirms.publish(sent.len());
            sent.push(push(&mut client, &mut job, &mut random));
        }
        if client.writer.flush().is_err() || sent.len() >= SENT_MAX {
            // What was confirmed before the end can still be read.
            is_sending = false;
        }
        while !is_sending || confirms.len() > job.window {
            let Some((_, answer)) = client.reader.receive()? else {
                return Ok(sent);
            };
            for index in confirmed(&mut confirms, &answer)? {
                let (_, publication) = &mut sent[index];
                publication.is_confirmed = true;
                fuse.count(Trigger::Confirmed);
            }
        }
    }
}

/// What an answer confirms.
pub(crate) fn confirmed<T>(confirms: &mut Confirms<T>, answer: &Answer) -> Result<Vec<T>> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "a publisher is told nothing else"
    )]
    match answer {
        Answer::Ack { tag, multiple } => confirms.take(*tag, *multiple),
        Answer::Done(method::CHANNEL_OPEN_OK | method::CONFIRM_SELECT_OK)
        | Answer::Declared { .. }
        | Answer::Blocked(_)
        | Answer::Unblocked => Ok(Vec::new()),
        other => bail!("no ack but {other:?}"),
    }
}

/// Adds one message to what is to be sent.
fn push(client: &mut AmqpClient, job: &mut Job, random: &mut Random) -> (Id, Publication) {
    let id = job.next_id(random);
    let is_persistent = random.chance(85);
    client.requests().publish(
        CHANNEL,
        &Publish {
            key: &name(id.queue),
            persistent: is_persistent,
            headers: &[("id", &id.to_string())],
            body: &id.body(),
            ..Publish::default()
        },
    );
    let publication = Publication {
        is_persistent,
        is_confirmed: false,
    };
    (id, publication)
}

/// A consumer at work.
struct Consumer {
    client: AmqpClient,
    seen: Vec<Delivery>,
    /// Whether what it acknowledges takes effect with a commit.
    is_transactional: bool,
    /// What is acknowledged and not committed, by its place in `seen`.
    gathered: Vec<usize>,
    /// The same of each commit that is not answered.
    commits: VecDeque<Vec<usize>>,
}

pub(super) fn consume(
    address: SocketAddr,
    queue: u16,
    of: Consumers,
    mut random: Random,
    fuse: &Fuse<'_>,
) -> Result<Vec<Delivery>> {
    let Ok(client) = begin(address, &[queue]) else {
        return Ok(Vec::new());
    };
    let mut consumer = Consumer {
        client,
        seen: Vec::new(),
        is_transactional: random.chance(60),
        gathered: Vec::new(),
        commits: VecDeque::new(),
    };
    let requests = consumer.client.requests();
    if consumer.is_transactional {
        requests.tx_select(CHANNEL);
    }
    let prefetch_count = u16::try_from(of.prefetch_count)?;
    requests.qos(CHANNEL, prefetch_count, random.chance(30));
    requests.consume(CHANNEL, &name(queue), "c", false);
    let mut acks_left = of.acks_max;
    while let Some(answer) = consumer.next()? {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "a consumer is told nothing else"
        )]
        match answer {
            Answer::Delivered(delivered) => {
                fuse.count(Trigger::Delivered);
                let is_acked = acks_left > 0 && random.chance(of.acks_percent);
                acks_left -= u64::from(is_acked);
                consumer.take(&delivered, is_acked)?;
                if random.chance(25) {
                    consumer.commit();
                }
            }
            Answer::Done(method::COMMIT_OK) => {
                let committed = consumer.commits.pop_front();
                for index in committed.context("a commit that nobody asked for")? {
                    consumer.seen[index].ack = Ack::Confirmed;
                    fuse.count(Trigger::Acknowledged);
                }
            }
            Answer::Done(_) | Answer::Declared { .. } => {}
            other => bail!("a consumer is told {other:?}"),
        }
    }
    Ok(consumer.seen)
}

impl Consumer {
    /// What comes next. What is to be sent goes out when there is nothing left to read without waiting.
    fn next(&mut self) -> Result<Option<Answer>> {
        let mut next = self.client.reader.buffered()?;
        if next.is_none() {
            self.commit();
            // Once the broker is gone, what it sent before can still be read.
            drop(self.client.writer.flush());
            next = self.client.reader.receive()?;
        }
        Ok(next.map(|(_, answer)| answer))
    }

    fn take(&mut self, delivered: &Delivered, is_acked: bool) -> Result<()> {
        let mut delivery = read_delivery(delivered)?;
        let index = self.seen.len();
        // There is one consumer on the channel, which gets all it is to get.
        ensure!(
            delivered.tag == index as u64 + 1,
            "{} is delivery {index}, and has tag {}",
            delivery.id,
            delivered.tag
        );
        if is_acked {
            self.client.requests().ack(CHANNEL, delivered.tag, false);
            if self.is_transactional {
                self.gathered.push(index);
            } else {
                delivery.ack = Ack::Sent;
            }
        }
        self.seen.push(delivery);
        Ok(())
    }

    /// Asks for what was acknowledged to take effect; before that it has none.
    fn commit(&mut self) {
        if self.gathered.is_empty() {
            return;
        }
        self.client.requests().commit(CHANNEL);
        for index in &self.gathered {
            self.seen[*index].ack = Ack::Sent;
        }
        self.commits.push_back(std::mem::take(&mut self.gathered));
    }
}

/// Checks a delivery against what its id says it must be.
fn read_delivery(delivered: &Delivered) -> Result<Delivery> {
    let id = Id::parse(delivered.header("id").context("a header `id`")?)?;
    ensure!(
        delivered.body == id.body(),
        "the body of {id} is not the one it was sent with"
    );
    ensure!(
        delivered.key == name(id.queue),
        "{id} came by {}",
        delivered.key
    );
    Ok(Delivery {
        id,
        redelivered: delivered.redelivered,
        life: 0,
        subscription: 0,
        ack: Ack::None,
    })
}
