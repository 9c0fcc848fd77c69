//! The broker under simulation: its parts, stepped one at a time, and its wires.

use crate::store::{Opened, Rounds, Store};
use broker::{Broker, Executor, Recovery, RecoveryError, Settings, Step};
use broker_api::{Attachment, Event, HeadReader, Out, Peer, Session};
use bytes::BytesMut;
use log_store::OpenError;
use model::{ConnectionId, Dialect, Instant, ShardId};
use proto_amqp091::{Amqp091, AmqpHeads};
use proto_mqtt::{Mqtt, MqttHeads, SessionLimits};
use proto_stomp::{Limits, Stomp, StompHeads};
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Whether somebody has called a waker. A part of the world is stepped only then (or when its
/// deadline has passed), as the shell does it: a wake-up that is missed is a run that is stuck.
struct Woken(AtomicBool);

impl Woken {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.set();
    }
}

/// One wire between a client and the broker.
pub struct Wire {
    /// Which it is, over all lives of the broker.
    pub number: u32,
    /// On its way to the broker.
    to_broker: BytesMut,
    /// On its way to the client, taken by the transport.
    pub to_client: Vec<u8>,
    /// Whether the broker has ended the connection.
    pub is_closed: bool,
    woken: Arc<Woken>,
    session: Box<dyn Session>,
    attachment: broker::Connection,
    input: BytesMut,
    out: Out,
    /// Events were handed over and the transport has not taken what became of them.
    is_unsent: bool,
}

/// Limits that a run chooses, small enough to matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes on their way to one connection.
    pub outbox_bytes: usize,
    /// Bytes in all queues beyond which publishes wait.
    pub queued_bytes: usize,
    /// So many small pages become one.
    pub merged_pages_min: usize,
    /// PUBLISH packets that a client of MQTT may have to answer at a time.
    pub send_max: NonZeroU16,
}

/// A broker that is told to stop has so many rounds.
const STOP_ROUNDS_MAX: usize = 20_000;

/// Why a broker does not start.
#[derive(Debug)]
pub enum StartError {
    /// The store does not open.
    Store(OpenError),
    /// What it holds makes no broker.
    Broker(RecoveryError),
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        Self::Store(error)
    }
}

impl From<RecoveryError> for StartError {
    fn from(error: RecoveryError) -> Self {
        Self::Broker(error)
    }
}

/// The broker in one life, from start to crash.
pub struct World {
    broker: Broker,
    executors: Vec<(Executor, Arc<Woken>)>,
    rounds: Rounds,
    /// Shards that are out of service because their logs are damaged.
    pub damaged: Vec<ShardId>,
    /// The time, which only passes when the run says so.
    pub now: Instant,
    send_max: NonZeroU16,
    last_connection: u64,
}

impl World {
    /// Starts the broker on what the store has kept.
    ///
    /// # Errors
    /// When it does not start: on a store that only crashed, it must.
    pub fn start(store: &Store, now: Instant, limits: Bounds) -> Result<Self, StartError> {
        let mut recovery = Recovery::default();
        let Opened {
            logs,
            rounds,
            damaged,
        } = store.open(&mut recovery)?;
        let settings = Settings {
            executors: 2,
            outbox_bytes: limits.outbox_bytes,
            queued_bytes: limits.queued_bytes,
            merged_pages_min: limits.merged_pages_min,
            parked_bytes: 1000,
            heads,
            ..Settings::default()
        };
        let (broker, executors, _) = Broker::open(settings, now, logs, recovery)?;
        let executors = executors
            .into_iter()
            .map(|executor| (executor, Woken::new()))
            .collect();
        Ok(Self {
            broker,
            executors,
            rounds,
            damaged,
            now,
            send_max: limits.send_max,
            last_connection: 0,
        })
    }

    /// What the messages in all queues take in memory, in bytes.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.broker.queued_bytes()
    }

    /// What messages on their way from one shard to another will take where they arrive: nothing is charged for them yet.
    #[must_use]
    pub fn forwarded_bytes(&self) -> usize {
        let executors = || self.executors.iter().map(|(executor, _)| executor);
        let all = executors().flat_map(Executor::on_their_way);
        let waiting = all.filter(|one| !executors().any(|executor| executor.has_received(one)));
        waiting.map(|one| one.cost_bytes).sum()
    }

    /// Ends in order, as the shell does it: everything that the queues hold is logged. All connections have
    /// ended.
    ///
    /// # Errors
    /// The store has failed, or the broker does not come to an end.
    pub fn stop(mut self) -> anyhow::Result<()> {
        for _ in 0..STOP_ROUNDS_MAX {
            let mut any = false;
            for part in 0..self.parts() {
                any |= self.step(part)?;
            }
            if any {
                continue;
            }
            if self
                .executors
                .iter()
                .all(|(executor, _)| executor.is_settled())
            {
                drop(self.executors);
                return self.rounds.close();
            }
            for (executor, _) in &mut self.executors {
                executor.flush()?;
            }
        }
        anyhow::bail!("the broker does not stop")
    }

    /// The number of parts that can be stepped.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.executors.len() + self.rounds.parts()
    }

    /// Steps one part. Returns whether it had something to do; the error ends the life.
    ///
    /// # Errors
    /// The store has failed, as it does on a disk that has crashed.
    pub fn step(&mut self, part: usize) -> anyhow::Result<bool> {
        if let Some((executor, woken)) = self.executors.get_mut(part) {
            let is_due = executor
                .deadline()
                .is_some_and(|deadline| deadline <= self.now);
            if !woken.take() && !is_due {
                return Ok(false);
            }
            let waker = Waker::from(Arc::clone(woken));
            let step = executor.step(self.now, &Context::from_waker(&waker))?;
            if step == Step::Worked {
                woken.set();
            }
            return Ok(step == Step::Worked);
        }
        self.rounds.step(part - self.executors.len())
    }

    /// Lets time pass.
    pub fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// A new connection of STOMP.
    pub fn connect(&mut self, number: u32) -> Wire {
        let session = |now, id| Stomp::new(now, id, Limits::default());
        self.connect_with(number, |now, id| Box::new(session(now, id)))
    }

    /// A new connection of MQTT.
    pub fn connect_mqtt(&mut self, number: u32) -> Wire {
        let limits = SessionLimits {
            send_max: self.send_max,
            ..SessionLimits::default()
        };
        let session = |now, id| Mqtt::new(now, id, limits, 1).with_heads(heads);
        self.connect_with(number, |now, id| Box::new(session(now, id)))
    }

    /// A new connection of AMQP 0-9-1.
    pub fn connect_amqp(&mut self, number: u32) -> Wire {
        let limits = proto_amqp091::Limits::default();
        let session = |now| Amqp091::new(now, limits).with_heads(heads);
        self.connect_with(number, |now, _| Box::new(session(now)))
    }

    fn connect_with(
        &mut self,
        number: u32,
        session: impl FnOnce(Instant, ConnectionId) -> Box<dyn Session>,
    ) -> Wire {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        Wire {
            number,
            to_broker: BytesMut::new(),
            to_client: Vec::new(),
            is_closed: false,
            woken: Woken::new(),
            session: session(self.now, id),
            attachment: self.broker.attach(id, peer),
            input: BytesMut::new(),
            out: Out::new(),
            is_unsent: false,
        }
    }

    /// Runs the driver of a wire once, if something has woken it: carries up to `bytes` each way.
    /// Returns whether anything moved.
    pub fn carry(&self, wire: &mut Wire, bytes: usize) -> bool {
        if wire.is_closed || !wire.woken.take() {
            return false;
        }
        let mut moved = wire.hand_over(self.now);
        moved |= wire.send(self.now, bytes);
        if wire.out.is_closing() {
            while wire.send(self.now, usize::MAX) {}
            wire.attachment.close(self.now);
            wire.is_closed = true;
            return true;
        }
        moved |= wire.read(self.now, bytes);
        if moved {
            wire.woken.set();
        }
        moved
    }

    /// The client's end is gone.
    pub fn disconnect(&self, wire: &mut Wire) {
        if !wire.is_closed {
            wire.session.handle_close(self.now, &mut wire.out);
            wire.attachment.submit(self.now, &mut wire.out.commands);
            wire.attachment.close(self.now);
            wire.is_closed = true;
        }
    }
}

impl Wire {
    /// The client sends bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.to_broker.extend_from_slice(bytes);
        self.woken.set();
    }

    /// What the client has sent, and has not come, never does.
    pub fn lose_sent(&mut self) {
        self.to_broker.clear();
    }

    /// Hands over events, if the transport has taken what became of the last ones.
    fn hand_over(&mut self, now: Instant) -> bool {
        if self.is_unsent || !self.out.wire.is_empty() || self.out.is_closing() {
            return false;
        }
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        let (session, out) = (&mut self.session, &mut self.out);
        let mut handle = |event: Event| {
            if !out.is_closing() {
                session.handle_event(now, event, out);
            }
        };
        let polled = self.attachment.poll_events(now, &mut cx, 2000, &mut handle);
        self.attachment.submit(now, &mut self.out.commands);
        self.is_unsent = polled.is_ready();
        polled.is_ready()
    }

    /// The transport takes up to `bytes`.
    fn send(&mut self, now: Instant, bytes: usize) -> bool {
        let mut taken = self.out.wire.take();
        let left = taken.split_off(bytes.min(taken.len()));
        self.out.wire.put(&left);
        self.to_client.extend_from_slice(&taken);
        let is_sent = left.is_empty() && std::mem::take(&mut self.is_unsent);
        if is_sent {
            self.attachment.handle_sent(now);
        }
        is_sent || !taken.is_empty()
    }

    /// Reads up to `bytes`, unless something stands against it.
    fn read(&mut self, now: Instant, bytes: usize) -> bool {
        let waker = Waker::from(Arc::clone(&self.woken));
        let mut cx = Context::from_waker(&waker);
        if self.attachment.poll_admission(now, &mut cx) == Poll::Pending || self.out.is_held() {
            return false;
        }
        let count = bytes.min(self.to_broker.len());
        let chunk = self.to_broker.split_to(count);
        self.input.extend_from_slice(&chunk);
        let before = self.input.len();
        if before > 0 {
            self.session
                .handle_input(now, &mut self.input, &mut self.out);
        }
        self.attachment.submit(now, &mut self.out.commands);
        count > 0 || self.input.len() < before
    }
}

/// Who reads the head of a message.
fn heads(dialect: Dialect) -> &'static dyn HeadReader {
    match dialect {
        Dialect::Stomp10 | Dialect::Stomp11 | Dialect::Stomp12 => &StompHeads,
        Dialect::Mqtt3 | Dialect::Mqtt5 => &MqttHeads,
        Dialect::Amqp091 => &AmqpHeads,
        // No client of the simulation speaks it.
        Dialect::Zmq => &MqttHeads,
    }
}
