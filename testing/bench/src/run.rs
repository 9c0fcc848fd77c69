//! One run: a publisher, its subscribers, a warm-up, a measured window, and the wait for the rest.
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
    disk_sync::FlushCounter,
    load::{Load, Pace, Sample, due_count, due_ns},
    measure::{Clock, CpuTime, Latencies, nap, resident_bytes},
    publisher::Publisher,
    stamp::{Stamp, blank_body},
    tally::{Loss, Tally},
    wire::{Frame, Safety, stomp},
};

/// Read at once from one connection.
const SCRATCH_BYTES: usize = 256 * 1024;

/// A pass at full speed that moved less than this is followed by a [`COALESCE`] nap, so that a
/// broker which trickles does not lose its cores to the generator's wake-ups.
const COALESCE_BYTES: usize = 32 * 1024;
const COALESCE: Duration = Duration::from_micros(300);

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

/// The publisher's mark among the ready sockets; a subscriber's is its index.
const PUBLISHER: u64 = u64::MAX;

/// A connection that receives.
struct Subscriber {
    connection: Connection,
    tally: Tally,
    /// Whether it waits for its socket to take more acknowledgments.
    blocked: bool,
}

/// Readings at one end of the window.
struct Reading {
    at: u64,
    delivered: u64,
    confirmed: u64,
    flushes: Option<u64>,
    broker: CpuTime,
    generator: CpuTime,
}

/// A run under way.
struct Run<'a> {
    load: &'a Load,
    clock: Clock,
    epoll: OwnedFd,
    publisher: Publisher,
    publisher_watched_for_room: bool,
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
        let destination = self.wire.destination(self.target, &self.name);
        let request = self.wire.subscribe(self.target, &self.name, self.safety);
        let mut subscribers = Vec::with_capacity(self.subscribers);
        for _ in 0..self.subscribers {
            let (mut connection, _) = Connection::open(self.address, self.wire)?;
            connection.subscribe(&request)?;
            subscribers.push(Subscriber {
                connection,
                tally: Tally::default(),
                blocked: false,
            });
        }
        let (connection, server) = Connection::open(self.address, self.wire)?;
        let body = blank_body(self.body_bytes);
        let template = self.wire.template(&destination, &body, self.safety);
        let unconfirmed_max = usize::try_from(self.in_flight_max())?;
        let publisher = Publisher::new(connection, template, unconfirmed_max);

        let mut run = Run::new(self, publisher, subscribers)?;
        let sample = run.measure()?;
        run.publisher.connection.close();
        run.subscribers
            .into_iter()
            .for_each(|subscriber| subscriber.connection.close());
        Ok(Sample { server, ..sample })
    }
}

impl<'a> Run<'a> {
    fn new(load: &'a Load, publisher: Publisher, subscribers: Vec<Subscriber>) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("creating an epoll")?;
        let mut run = Self {
            load,
            clock: Clock::start(),
            epoll,
            publisher,
            publisher_watched_for_room: false,
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
        run.publisher.connection.go()?;
        let data = EventData::new_u64(PUBLISHER);
        epoll::add(
            &run.epoll,
            &run.publisher.connection.stream,
            data,
            EventFlags::IN,
        )?;
        for (index, subscriber) in (0..).zip(&mut run.subscribers) {
            subscriber.connection.go()?;
            let data = EventData::new_u64(index);
            epoll::add(
                &run.epoll,
                &subscriber.connection.stream,
                data,
                EventFlags::IN,
            )?;
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
            let done = self.in_flight() == 0 && self.unconfirmed() == 0;
            if done || now - last_moved > QUIET_NS || now - began > DRAIN_NS {
                return Ok(());
            }
            crate::check_interrupted()?;
            if self.receive()? > 0 {
                last_moved = now;
            }
        }
    }

    /// Sent, and not received by the slowest subscriber.
    fn in_flight(&self) -> u64 {
        let slowest = self
            .subscribers
            .iter()
            .map(|subscriber| subscriber.tally.next())
            .min();
        self.publisher.sent - slowest.unwrap_or(self.publisher.sent)
    }

    /// Sent, and no receipt seen.
    fn unconfirmed(&self) -> u64 {
        match self.load.safety {
            Safety::Transient => 0,
            Safety::Confirmed => self.publisher.sent.saturating_sub(self.publisher.confirmed),
        }
    }

    /// How many messages may be sent now.
    fn allowance(&mut self, now: u64) -> u64 {
        let free = self.load.in_flight_max().saturating_sub(self.in_flight());
        match self.load.pace {
            Pace::Full => free,
            Pace::Outstanding(count) => free.min(count.saturating_sub(self.unconfirmed())),
            Pace::Rate(per_second) => {
                let due = due_count(now - self.started_at, per_second);
                // What a full socket has not let out yet is late as well.
                let unsent = due.saturating_sub(self.publisher.sent);
                let unanswered = self.in_flight().max(self.unconfirmed());
                self.rate_held &= unsent + unanswered < self.load.in_flight_max();
                unsent.min(self.load.in_flight_max().saturating_sub(unanswered))
            }
        }
    }

    /// Sends what may be sent. Gives the bytes rendered.
    fn publish(&mut self) -> Result<usize> {
        let mut rendered = 0;
        for _ in 0..TURNS {
            let now = self.clock.now_ns();
            let count = self.allowance(now);
            if count == 0 || self.publisher.is_blocked() {
                break;
            }
            let (started_at, lateness) = (self.started_at, &mut self.lateness);
            let count = match self.load.pace {
                Pace::Full | Pace::Outstanding(_) => self.publisher.publish(count, |_| now)?,
                Pace::Rate(per_second) => self.publisher.publish(count, |sequence| {
                    let due = started_at + due_ns(sequence, per_second);
                    lateness.record(now.saturating_sub(due).max(1));
                    due
                })?,
            };
            rendered += usize::try_from(count)? * self.publisher.frame_bytes();
        }
        self.watch_for_room()?;
        Ok(rendered)
    }

    /// Has the epoll report room in the publisher's socket exactly while that is waited for.
    fn watch_for_room(&mut self) -> Result<()> {
        let blocked = self.publisher.is_blocked();
        if blocked != self.publisher_watched_for_room {
            let data = EventData::new_u64(PUBLISHER);
            epoll::modify(
                &self.epoll,
                &self.publisher.connection.stream,
                data,
                interest(blocked),
            )?;
            self.publisher_watched_for_room = blocked;
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
            moved += match data.u64() {
                PUBLISHER => self.serve_publisher()?,
                index => self.serve_subscriber(usize::try_from(index)?)?,
            };
        }
        Ok(moved)
    }

    /// How long there is nothing to do unless a socket says so.
    fn timeout_ns(&mut self) -> u64 {
        if self.stopped || self.publisher.is_blocked() {
            return WAIT_NS_MAX;
        }
        let now = self.clock.now_ns();
        if self.allowance(now) > 0 {
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
        let due = self.started_at + due_ns(self.publisher.sent, per_second);
        let left = due.saturating_sub(now);
        let interval = due_ns(1, per_second);
        if interval < WATCH_INTERVAL_NS_MIN {
            return left.clamp(1, WAIT_NS_MAX);
        }
        let just_sent = left + WATCH_AFTER_NS > interval;
        let waiting = self.in_flight() > 0 || self.unconfirmed() > 0;
        if just_sent && waiting {
            return 0;
        }
        left.saturating_sub(WATCH_BEFORE_NS).min(WAIT_NS_MAX)
    }

    fn serve_publisher(&mut self) -> Result<usize> {
        if self.publisher.is_blocked() && self.publisher.flush()? == Written::All {
            self.watch_for_room()?;
        }
        let now = self.clock.now_ns();
        let (scratch, confirm) = (&mut self.scratch, &mut self.confirm);
        self.publisher
            .read_receipts(scratch, now, &self.window, confirm)
    }

    fn serve_subscriber(&mut self, index: usize) -> Result<usize> {
        let subscriber = &mut self.subscribers[index];
        let sample_every = match self.load.pace {
            Pace::Full => SAMPLE_EVERY,
            Pace::Outstanding(_) | Pace::Rate(_) => 1,
        };
        let (window, latency) = (&self.window, &mut self.latency);
        let (tally, delivered) = (&mut subscriber.tally, &mut self.delivered);
        let mut strange = 0_u64;
        let mut moved = 0;
        for _ in 0..TURNS {
            let clock = self.clock;
            let mut now = None;
            let each = |input: &[u8], frame, output: &mut Vec<u8>| {
                let Frame::Message { body, ack, .. } = frame else {
                    return;
                };
                let Some(stamp) = Stamp::decode(&input[body]) else {
                    strange += 1;
                    return;
                };
                tally.take(stamp.sequence);
                *delivered += 1;
                if stamp.sequence.is_multiple_of(sample_every) && window.contains(&stamp.sent_at) {
                    let now = *now.get_or_insert_with(|| clock.now_ns());
                    latency.record(now.saturating_sub(stamp.sent_at).max(1));
                }
                if !ack.is_empty() {
                    stomp::append_ack(output, &input[ack]);
                }
            };
            let (count, more) = subscriber.connection.read_frames(&mut self.scratch, each)?;
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

    fn read_meters(&self) -> Result<Reading> {
        let broker = CpuTime::of(self.load.broker_pid)?;
        let generator = CpuTime::of(std::process::id())?;
        Ok(Reading {
            at: self.clock.now_ns(),
            delivered: self.delivered,
            confirmed: self.publisher.confirmed,
            flushes: self.load.flushes.as_ref().and_then(FlushCounter::read),
            broker,
            generator,
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and times of one run are below 2^52"
    )]
    fn sample(&self, first: &Reading, last: &Reading, resident_bytes: u64) -> Sample {
        let mut loss = Loss {
            unconfirmed: self.unconfirmed(),
            ..Loss::default()
        };
        for subscriber in &self.subscribers {
            subscriber.tally.add_to(&mut loss, self.publisher.sent);
        }
        let window_ns = (last.at - first.at) as f64;
        let deliveries = (last.delivered - first.delivered).max(1) as f64;
        let generator_ns = last.generator.since(&first.generator) as f64;
        let per_second = |count: u64| count as f64 * 1e9 / window_ns;
        let flushes = last.flushes.zip(first.flushes);
        Sample {
            delivered_per_second: per_second(last.delivered - first.delivered),
            confirmed_per_second: per_second(last.confirmed - first.confirmed),
            flushed_per_second: flushes.map(|(last, first)| per_second(last - first)),
            disk: None,
            broker_cpu_us: last.broker.since(&first.broker) as f64 / 1e3 / deliveries,
            generator_cpu_us: generator_ns / 1e3 / deliveries,
            generator_cores: generator_ns / window_ns,
            latency: self.latency.quantiles(),
            confirm: self.confirm.quantiles(),
            lateness: self.lateness.quantiles(),
            resident_bytes,
            loss,
            rate_held: self.rate_held,
            server: String::new(),
        }
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
