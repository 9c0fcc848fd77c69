//! One run: publishers, their subscribers, a warm-up, a measured window, and the wait for the rest.
//!
//! One thread drives all connections. Each pass
//! 1. waits for sockets, or not at all while there is something to publish,
//! 2. reads from those that have something, and tallies it,
//! 3. publishes what the pace allows.
//!
//! What is in flight, by the slowest subscriber, is bounded, so that no broker has a reason to
//! drop anything. What goes missing all the same spoils the run.

use std::{ops::Range, time::Duration};

use anyhow::{Context as _, Result};
use rustix::{
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    fd::OwnedFd,
};

use crate::{
    connection::{Connection, Written},
    load::{Load, Pace, Sample, due_ns},
    measure::{Clock, Latencies, nap, resident_bytes},
    pacing::{Pacing, Progress},
    publisher::Publisher,
    tally::Tally,
    wire::{Acks, Frame, Safety, Target, amqp},
};

mod meters;
mod parties;

/// Read at once from one connection.
const SCRATCH_BYTES: usize = 256 * 1024;

/// A pass at full speed that moved less than this is followed by a [`COALESCE`] nap, so that a
/// broker which trickles does not lose its cores to the generator's wake-ups.
const COALESCE_BYTES: usize = 32 * 1024;
const COALESCE: Duration = Duration::from_micros(300);

/// Deliveries that one acknowledgment stands for at most, where one may stand for many.
const ACKED_TOGETHER: usize = 100;

/// At full speed one latency in this many is recorded.
const SAMPLE_EVERY: u64 = 16;

/// Batches published and buffers read in a row before the other side has its turn.
const TURNS: usize = 4;

/// Longest wait of one pass: how late the end of a phase may be noticed.
const WAIT_NS_MAX: u64 = 5_000_000;

/// At a fixed rate with at least this much time from message to message, the generator looks
/// at its sockets without waiting for a while before and after each send. Otherwise the time the
/// kernel takes to wake it, twice per message, would be the greater part of a short latency.
const WATCH_INTERVAL_NS_MIN: u64 = 500_000;
const WATCH_BEFORE_NS: u64 = 150_000;
const WATCH_AFTER_NS: u64 = 200_000;

/// After the window, a run is over when nothing came for this long.
const QUIET_NS: u64 = 3_000_000_000;

/// After the window, a run is over at last.
const DRAIN_NS: u64 = 60_000_000_000;

/// Set in a publisher's mark among the ready sockets; the rest, and all of a subscriber's, is its index.
const PUBLISHER: u64 = 1 << 63;

/// A connection that receives.
struct Subscriber {
    connection: Connection,
    /// What it has of each publisher.
    tallies: Vec<Tally>,
    /// Whether it waits for its socket to take more acknowledgments.
    blocked: bool,
}

/// A connection that sends.
struct Sender {
    publisher: Publisher,
    /// Whether the epoll is to report room in its socket.
    watched_for_room: bool,
}

/// A run under way.
struct Run<'a> {
    load: &'a Load,
    pacing: Pacing,
    clock: Clock,
    epoll: OwnedFd,
    publishers: Vec<Sender>,
    subscribers: Vec<Subscriber>,
    scratch: Vec<u8>,
    /// Messages with a send time in here have their latency recorded.
    window: Range<u64>,
    /// When the first message was due.
    started_at: u64,
    delivered: u64,
    /// Set once nothing more is published.
    stopped: bool,
    rate_held: bool,
    latency: Latencies,
    confirm: Latencies,
    lateness: Latencies,
}

impl Load {
    /// Does one run.
    ///
    /// # Errors
    /// If the broker refuses, closes or dies; not if it loses messages.
    pub(crate) fn run(&self) -> Result<Sample> {
        let subscribers = self.open_subscribers()?;
        let (publishers, server) = self.open_publishers()?;
        let mut run = Run::new(self, publishers, subscribers)?;
        let sample = run.measure()?;
        for sender in run.publishers {
            sender.publisher.connection.close();
        }
        for subscriber in run.subscribers {
            subscriber.connection.close();
        }
        self.forget_sessions()?;
        Ok(Sample { server, ..sample })
    }
}

impl<'a> Run<'a> {
    fn new(load: &'a Load, publishers: Vec<Sender>, subscribers: Vec<Subscriber>) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("creating an epoll")?;
        let mut run = Self {
            load,
            pacing: Pacing::of(load),
            clock: Clock::start(),
            epoll,
            publishers,
            subscribers,
            scratch: vec![0; SCRATCH_BYTES + 2 * (load.body_bytes + 4096)],
            window: 0..0,
            started_at: 0,
            delivered: 0,
            stopped: false,
            rate_held: true,
            latency: Latencies::new(),
            confirm: Latencies::new(),
            lateness: Latencies::new(),
        };
        for (index, sender) in (0..).zip(&mut run.publishers) {
            let connection = &mut sender.publisher.connection;
            connection.go()?;
            let data = EventData::new_u64(PUBLISHER | index);
            epoll::add(&run.epoll, &connection.stream, data, EventFlags::IN)?;
        }
        for (index, subscriber) in (0..).zip(&mut run.subscribers) {
            let connection = &mut subscriber.connection;
            connection.go()?;
            let data = EventData::new_u64(index);
            epoll::add(&run.epoll, &connection.stream, data, EventFlags::IN)?;
        }
        Ok(run)
    }

    /// Warm-up, window, drain.
    fn measure(&mut self) -> Result<Sample> {
        self.started_at = self.clock.now_ns();
        let warm_up_end = self.started_at + ns(self.load.warm_up);
        let window_ns = ns(self.load.window);
        self.window = warm_up_end..warm_up_end + window_ns;
        self.run_until(warm_up_end)?;
        let first = self.read_meters()?;
        // Latencies are of the same messages that the meters count, however late the reading was.
        self.window = first.at..first.at + window_ns;
        self.run_until(self.window.end)?;
        let last = self.read_meters()?;
        let resident_bytes = resident_bytes(self.load.broker_pid)?;
        self.drain()?;
        Ok(self.sample(&first, &last, resident_bytes))
    }

    fn run_until(&mut self, end: u64) -> Result<()> {
        while self.clock.now_ns() < end && self.rate_held {
            crate::check_interrupted()?;
            let moved = self.receive()? + self.publish()?;
            if self.load.pace == Pace::Full && moved < COALESCE_BYTES {
                nap(COALESCE);
            }
        }
        Ok(())
    }

    /// Publishes no more, and receives what is on its way, as long as anything comes.
    fn drain(&mut self) -> Result<()> {
        self.stopped = true;
        let began = self.clock.now_ns();
        let mut last_moved = began;
        loop {
            let now = self.clock.now_ns();
            let done = !self.is_anything_open();
            if done || now - last_moved > QUIET_NS || now - began > DRAIN_NS {
                return Ok(());
            }
            crate::check_interrupted()?;
            if self.receive()? > 0 {
                last_moved = now;
            }
        }
    }

    /// How far a publisher is.
    fn progress(&self, index: usize) -> Progress {
        let Publisher {
            sent, confirmed, ..
        } = self.publishers[index].publisher;
        let arrived = self.receivers(index).iter();
        let arrived = arrived.map(|it| it.tallies[index].next());
        Progress {
            publisher: index as u64,
            sent,
            in_flight: sent - arrived.min().unwrap_or(sent),
            unconfirmed: match self.load.safety {
                Safety::Transient => 0,
                Safety::Confirmed | Safety::Once => sent.saturating_sub(confirmed),
            },
        }
    }

    /// Those that get what a publisher sends.
    fn receivers(&self, index: usize) -> &[Subscriber] {
        match self.load.target {
            Target::Queues => &self.subscribers[index..=index],
            Target::Queue | Target::Topic => &self.subscribers,
        }
    }

    /// Whether a message is on its way, or to be confirmed.
    fn is_anything_open(&self) -> bool {
        let mut all = (0..self.publishers.len()).map(|index| self.progress(index));
        all.any(|it| it.in_flight > 0 || it.unconfirmed > 0)
    }

    /// How many messages a publisher may send now.
    fn allowance(&mut self, index: usize, now: u64) -> u64 {
        if self.publishers[index].publisher.is_blocked() {
            return 0;
        }
        let progress = self.progress(index);
        let allowance = self.pacing.allowance(&progress, now - self.started_at);
        self.rate_held &= allowance.rate_held;
        allowance.count
    }

    /// Sends what may be sent. Gives the bytes rendered.
    fn publish(&mut self) -> Result<usize> {
        let mut rendered = 0;
        for _ in 0..TURNS {
            let now = self.clock.now_ns();
            let before = rendered;
            for index in 0..self.publishers.len() {
                rendered += self.publish_from(index, now)?;
            }
            if rendered == before {
                break;
            }
        }
        Ok(rendered)
    }

    fn publish_from(&mut self, index: usize, now: u64) -> Result<usize> {
        let count = self.allowance(index, now);
        if count == 0 {
            return Ok(0);
        }
        let (started_at, lateness, pacing) = (self.started_at, &mut self.lateness, &self.pacing);
        let publisher = &mut self.publishers[index].publisher;
        let count = match self.load.pace {
            Pace::Full | Pace::Outstanding(_) => publisher.publish(count, |_| now)?,
            Pace::Rate(per_second) => publisher.publish(count, |sequence| {
                let due = started_at + pacing.due_ns(index as u64, sequence, per_second);
                lateness.record(now.saturating_sub(due).max(1));
                due
            })?,
        };
        let rendered = usize::try_from(count)? * publisher.frame_bytes();
        self.watch_for_room(index)?;
        Ok(rendered)
    }

    /// Has the epoll report room in a publisher's socket exactly while that is waited for.
    fn watch_for_room(&mut self, index: usize) -> Result<()> {
        let sender = &mut self.publishers[index];
        let blocked = sender.publisher.is_blocked();
        if blocked != sender.watched_for_room {
            let data = EventData::new_u64(PUBLISHER | index as u64);
            let stream = &sender.publisher.connection.stream;
            epoll::modify(&self.epoll, stream, data, interest(blocked))?;
            sender.watched_for_room = blocked;
        }
        Ok(())
    }

    /// Waits for sockets and serves them. Gives the bytes read.
    fn receive(&mut self) -> Result<usize> {
        let timeout_ns = self.timeout_ns();
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::try_from(timeout_ns)?,
        };
        let empty = EventData::new_u64(0);
        let mut ready = [epoll::Event {
            flags: EventFlags::empty(),
            data: empty,
        }; 128];
        let count = match epoll::wait(&self.epoll, &mut ready[..], Some(&timeout)) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error).context("waiting for sockets"),
        };
        let mut moved = 0;
        for event in &ready[..count] {
            let data = event.data;
            let index = usize::try_from(data.u64() & !PUBLISHER)?;
            moved += if data.u64() & PUBLISHER == 0 {
                self.serve_subscriber(index)?
            } else {
                self.serve_publisher(index)?
            };
        }
        Ok(moved)
    }

    /// How long there is nothing to do unless a socket says so.
    fn timeout_ns(&mut self) -> u64 {
        if self.stopped {
            return WAIT_NS_MAX;
        }
        let now = self.clock.now_ns();
        if (0..self.publishers.len()).any(|index| self.allowance(index, now) > 0) {
            return 0;
        }
        match self.load.pace {
            Pace::Full | Pace::Outstanding(_) => WAIT_NS_MAX,
            Pace::Rate(per_second) => self.pause_ns(now, per_second),
        }
    }

    /// How long a fixed rate leaves to wait: until the next message is due, or until shortly before
    /// if the generator is to be awake then.
    fn pause_ns(&self, now: u64, per_second: u64) -> u64 {
        let senders = (0..).zip(&self.publishers);
        let free = senders.filter(|(_, sender)| !sender.publisher.is_blocked());
        let due = free
            .map(|(index, sender)| self.pacing.due_ns(index, sender.publisher.sent, per_second));
        let Some(due) = due.min() else {
            return WAIT_NS_MAX;
        };
        let left = (self.started_at + due).saturating_sub(now);
        let interval = due_ns(1, per_second);
        if interval < WATCH_INTERVAL_NS_MIN {
            return left.clamp(1, WAIT_NS_MAX);
        }
        let just_sent = left + WATCH_AFTER_NS > interval;
        if just_sent && self.is_anything_open() {
            return 0;
        }
        left.saturating_sub(WATCH_BEFORE_NS).min(WAIT_NS_MAX)
    }

    fn serve_publisher(&mut self, index: usize) -> Result<usize> {
        let now = self.clock.now_ns();
        let (scratch, confirm) = (&mut self.scratch, &mut self.confirm);
        let publisher = &mut self.publishers[index].publisher;
        let count = publisher.read_receipts(scratch, now, &self.window, confirm)?;
        if publisher.is_blocked() {
            publisher.flush()?;
        }
        self.watch_for_room(index)?;
        Ok(count)
    }

    fn serve_subscriber(&mut self, index: usize) -> Result<usize> {
        let subscriber = &mut self.subscribers[index];
        let sample_every = match self.load.pace {
            Pace::Full => SAMPLE_EVERY,
            Pace::Outstanding(_) | Pace::Rate(_) => 1,
        };
        let (window, latency) = (&self.window, &mut self.latency);
        let (tallies, delivered) = (&mut subscriber.tallies, &mut self.delivered);
        let (wire, form, acks) = (self.load.wire, self.load.stamp, self.load.acks);
        let mut strange = 0_u64;
        let mut moved = 0;
        for _ in 0..TURNS {
            let clock = self.clock;
            let mut now = None;
            let (mut last, mut open) = (None, 0);
            let each = |input: &[u8], frame, output: &mut Vec<u8>| {
                let Frame::Message { body, ack, .. } = frame else {
                    return;
                };
                let stamp = form.decode(&input[body]);
                let tally = stamp.and_then(|it| tallies.get_mut(usize::from(it.publisher)));
                let (Some(stamp), Some(tally)) = (stamp, tally) else {
                    strange += 1;
                    return;
                };
                tally.take(stamp.sequence);
                *delivered += 1;
                if stamp.sequence.is_multiple_of(sample_every) && window.contains(&stamp.sent_at) {
                    let now = *now.get_or_insert_with(|| clock.now_ns());
                    latency.record(now.saturating_sub(stamp.sent_at).max(1));
                }
                match acks {
                    Acks::Never => {}
                    Acks::Each if ack.is_empty() => {}
                    Acks::Each => wire.append_ack(output, input, ack),
                    Acks::Together => {
                        last = input[ack].first_chunk().copied();
                        open += 1;
                        if open == ACKED_TOGETHER {
                            append_acks(output, &mut last);
                            open = 0;
                        }
                    }
                }
            };
            let (count, more) = subscriber.connection.read_frames(&mut self.scratch, each)?;
            append_acks(subscriber.connection.output(), &mut last);
            moved += count;
            if !more {
                break;
            }
        }
        anyhow::ensure!(strange == 0, "{strange} deliveries are none of this run");
        let blocked = subscriber.connection.flush()? == Written::Blocked;
        if blocked != subscriber.blocked {
            let data = EventData::new_u64(index as u64);
            let stream = &subscriber.connection.stream;
            epoll::modify(&self.epoll, stream, data, interest(blocked))?;
            subscriber.blocked = blocked;
        }
        Ok(moved)
    }
}

/// Acknowledges all up to the last delivery, if there is one that is not acknowledged.
fn append_acks(output: &mut Vec<u8>, last: &mut Option<[u8; 8]>) {
    if let Some(tag) = last.take() {
        amqp::append_ack(output, tag, Acks::Together);
    }
}

/// What to wait for on a socket.
fn interest(blocked: bool) -> EventFlags {
    if blocked {
        EventFlags::IN | EventFlags::OUT
    } else {
        EventFlags::IN
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
