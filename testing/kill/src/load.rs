//! Publishers and consumers that work until the broker is killed.

pub(crate) mod amqp;

use crate::history::{Ack, Delivery, History, Id, Publication};
use crate::plan::{Consumers, Plan, Protocol, Random, Trigger};
use anyhow::{Context as _, Result, bail, ensure};
use client::{Broker, Client, Frame, Send, Subscribe, WAIT_MAX};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

/// Messages that one publisher sends in one life, at most.
const SENT_MAX: usize = 20_000;

/// Counts the event that the kill waits for, and says when it is there.
#[derive(Clone, Debug)]
struct Fuse<'a> {
    trigger: Trigger,
    events_left: &'a AtomicU64,
    burned: SyncSender<()>,
}

impl Fuse<'_> {
    fn count(&self, event: Trigger) {
        if event == self.trigger && self.events_left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let sent = self.burned.try_send(());
            debug_assert!(sent.is_ok(), "there is room for one, and it is sent once");
        }
    }
}

/// Runs the load of one life and kills the broker in the middle of it.
pub(crate) fn run(
    plan: &Plan,
    random: &mut Random,
    broker: &mut Broker,
    history: &mut History,
) -> Result<()> {
    let (trigger, count) = plan.draw_trigger(random, history.lives);
    let events_left = AtomicU64::new(count);
    let (burned, burns) = sync_channel(1);
    let fuse = Fuse {
        trigger,
        events_left: &events_left,
        burned,
    };
    let (stomp, amqp) = (broker.address(), broker.listener("amqp")?);
    thread::scope(|scope| {
        let mut consumers = Vec::new();
        for (queue, of) in (0..).zip(&plan.consumers) {
            for _ in 0..of.count {
                let (random, fuse) = (random.split(), fuse.clone());
                consumers.push(scope.spawn(move || match plan.protocol {
                    Protocol::Stomp => consume(stomp, queue, *of, random, &fuse),
                    Protocol::Amqp => amqp::consume(amqp, queue, *of, random, &fuse),
                }));
            }
        }
        let publishers: Vec<_> = (0..plan.publishers)
            .map(|publisher| {
                let (random, fuse) = (random.split(), fuse.clone());
                let next = [0, publisher + 1]
                    .map(|queue| (queue, history.last_number(queue, publisher) + 1));
                let job = Job {
                    publisher,
                    window: plan.window,
                    next,
                };
                scope.spawn(move || match plan.protocol_of_publisher(publisher) {
                    Protocol::Stomp => publish(stomp, job, random, &fuse),
                    Protocol::Amqp => amqp::publish(amqp, job, random, &fuse),
                })
            })
            .collect();
        drop(fuse);
        // A thread that fails drops its fuse; when all did, there is nothing to wait for.
        let burn = burns.recv_timeout(WAIT_MAX);
        let killed = broker.kill();
        let ended = collect(publishers, consumers, history);
        killed?;
        ended?;
        burn.with_context(|| format!("event {count} of {trigger:?} did not come"))
    })
}

type Worker<'scope, T> = thread::ScopedJoinHandle<'scope, Result<T>>;

/// Writes what all threads saw into the history.
fn collect(
    publishers: Vec<Worker<'_, Vec<(Id, Publication)>>>,
    consumers: Vec<Worker<'_, Vec<Delivery>>>,
    history: &mut History,
) -> Result<()> {
    for worker in publishers {
        let Ok(published) = worker.join() else {
            bail!("a publisher panicked")
        };
        history.publications.extend(published.context("publisher")?);
    }
    for worker in consumers {
        let Ok(deliveries) = worker.join() else {
            bail!("a consumer panicked")
        };
        let (life, subscription) = (history.lives, history.subscriptions);
        let deliveries = deliveries.context("consumer")?.into_iter();
        history
            .deliveries
            .extend(deliveries.map(|delivery| Delivery {
                life,
                subscription,
                ..delivery
            }));
        history.subscriptions += 1;
    }
    history.lives += 1;
    Ok(())
}

/// The name of a queue as clients spell it.
pub(crate) fn destination(queue: u16) -> String {
    match queue {
        0 => "/queue/shared".to_owned(),
        queue => format!("/queue/own.{queue}"),
    }
}

/// What one publisher does.
struct Job {
    publisher: u16,
    window: usize,
    /// Its queues and the next number for each.
    next: [(u16, u32); 2],
}

impl Job {
    /// Of the next message, which goes to one of its queues.
    fn next_id(&mut self, random: &mut Random) -> Id {
        let (queue, next) = &mut self.next[usize::from(random.chance(70))];
        let id = Id {
            queue: *queue,
            publisher: self.publisher,
            number: *next,
        };
        *next += 1;
        id
    }
}

fn publish(
    address: SocketAddr,
    mut job: Job,
    mut random: Random,
    fuse: &Fuse<'_>,
) -> Result<Vec<(Id, Publication)>> {
    let mut sent = Vec::new();
    // The broker may be killed before all have connected.
    let Ok(mut client) = Client::connect(address) else {
        return Ok(sent);
    };
    let mut unconfirmed = 0;
    let mut is_sending = true;
    loop {
        for _ in 0..random.magnitude(1, 64) {
            unconfirmed += usize::from(push(&mut client, &mut job, &mut random, &mut sent));
        }
        if client.writer.flush().is_err() || sent.len() >= SENT_MAX {
            // What was confirmed before the end can still be read.
            is_sending = false;
        }
        while !is_sending || unconfirmed > job.window {
            let Some(frame) = client.reader.receive()? else {
                return Ok(sent);
            };
            ensure!(frame.command == "RECEIPT", "no receipt but {frame:?}");
            let index: usize = frame.require("receipt-id")?.parse()?;
            let (id, publication) = sent.get_mut(index).context("a receipt nobody asked for")?;
            ensure!(!publication.is_confirmed, "{id} was confirmed twice");
            publication.is_confirmed = true;
            unconfirmed -= 1;
            fuse.count(Trigger::Confirmed);
        }
    }
}

/// Adds one message to what is to be sent; says whether it asks for a receipt.
fn push(
    client: &mut Client,
    job: &mut Job,
    random: &mut Random,
    sent: &mut Vec<(Id, Publication)>,
) -> bool {
    let id = job.next_id(random);
    let is_persistent = random.chance(85);
    let receipt = (is_persistent || random.chance(20)).then(|| sent.len().to_string());
    client.writer.send(&Send {
        destination: &destination(id.queue),
        body: &id.body(),
        persistent: is_persistent,
        receipt: receipt.as_deref(),
        headers: &[("id", &id.to_string())],
    });
    sent.push((
        id,
        Publication {
            is_persistent,
            is_confirmed: false,
        },
    ));
    receipt.is_some()
}

fn consume(
    address: SocketAddr,
    queue: u16,
    of: Consumers,
    mut random: Random,
    fuse: &Fuse<'_>,
) -> Result<Vec<Delivery>> {
    let mut seen = Vec::new();
    let Ok(mut client) = Client::connect(address) else {
        return Ok(seen);
    };
    let subscribe = Subscribe {
        id: "1",
        destination: &destination(queue),
        ack: "client-individual",
        prefetch_count: Some(of.prefetch_count),
        ..Subscribe::default()
    };
    client.writer.subscribe(&subscribe, None);
    let mut acks_left = of.acks_max;
    loop {
        // Acknowledgements go out when there is nothing left to read without waiting.
        let buffered = client.reader.buffered()?;
        let frame = if buffered.is_some() {
            buffered
        } else {
            // Once the broker is gone, what it sent before can still be read.
            drop(client.writer.flush());
            client.reader.receive()?
        };
        let Some(frame) = frame else { return Ok(seen) };
        if frame.command == "RECEIPT" {
            let index: usize = frame.require("receipt-id")?.parse()?;
            let delivery: &mut Delivery = seen.get_mut(index).context("an unknown receipt")?;
            ensure!(
                delivery.ack == Ack::Sent,
                "the ack of {} has two receipts",
                delivery.id
            );
            delivery.ack = Ack::Confirmed;
            fuse.count(Trigger::Acknowledged);
            continue;
        }
        let mut delivery = read_delivery(&frame)?;
        fuse.count(Trigger::Delivered);
        if acks_left > 0 && random.chance(of.acks_percent) {
            acks_left -= 1;
            let receipt = random.chance(25).then(|| seen.len().to_string());
            client.writer.settle("ACK", &frame, receipt.as_deref())?;
            delivery.ack = Ack::Sent;
        }
        seen.push(delivery);
    }
}

/// Checks a MESSAGE against what its id says it must be.
pub(crate) fn read_delivery(frame: &Frame) -> Result<Delivery> {
    ensure!(frame.command == "MESSAGE", "no MESSAGE but {frame:?}");
    let id = Id::parse(frame.require("id")?)?;
    ensure!(
        frame.body == id.body(),
        "the body of {id} is not the one it was sent with"
    );
    let place = frame.require("destination")?;
    ensure!(place == destination(id.queue), "{id} came from {place}");
    Ok(Delivery {
        id,
        redelivered: frame.header("redelivered") == Some("true"),
        life: 0,
        subscription: 0,
        ack: Ack::None,
    })
}
