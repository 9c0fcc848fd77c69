//! One run: set-up, warm-up, a measured window, and the wait for the rest.
//!
//! As in the first suite one thread drives all connections. Every delivery is counted, and the sum of
//! the sequences must be what was sent: nothing may be lost or come twice.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::{
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    fd::OwnedFd,
};

use super::{
    load::Publishers,
    setup,
    shape::{Pace, Shape},
};
use crate::{
    connection::{Connection, Written},
    load::{due_count, due_ns},
    measure::{Clock, CpuTime, nap, resident_bytes},
    stamp::Stamp,
    systems::Running,
    wire::{Frame, Safety},
};

/// Read at once from one connection.
const SCRATCH_BYTES: usize = 256 * 1024;

/// Time under load before the window, and at least a message for every destination.
const WARM_UP_NS: u64 = 700_000_000;

/// The warm-up is over at last.
const WARM_UP_NS_MAX: u64 = 20_000_000_000;

/// After the window nothing came for so long.
const QUIET_NS: u64 = 3_000_000_000;

/// Longest wait of one pass.
const WAIT_NS_MAX: u64 = 5_000_000;

/// A pass that moved less at full speed is followed by a nap, as in the first suite.
const COALESCE_BYTES: usize = 32 * 1024;
const COALESCE: Duration = Duration::from_micros(300);

/// What one run gave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Deliveries per second within the window.
    pub(super) delivered_per_second: f64,
    /// CPU time of the broker per delivery, in microseconds.
    pub(super) broker_cpu_us: f64,
    /// Share of one core that the broker used.
    pub(super) broker_cores: f64,
    /// Share of one core that the generator used.
    pub(super) generator_cores: f64,
    /// Resident memory of the broker, in bytes: before the first connection, when all stood, and at the
    /// end of the window.
    pub(super) resident_bytes: [u64; 3],
    /// How long it took to open all.
    pub(super) setup_seconds: f64,
    /// Deliveries that did not come.
    pub(super) missing: u64,
    /// Whether what came is what was sent.
    pub(super) is_whole: bool,
}

/// Readings at one end of the window.
struct Reading {
    at: u64,
    delivered: u64,
    broker: CpuTime,
    generator: CpuTime,
}

struct Run {
    shape: Shape,
    pid: u32,
    clock: Clock,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    publishers: Publishers,
    scratch: Vec<u8>,
    ready: Vec<epoll::Event>,
    started_at: u64,
    delivered: u64,
    sequence_sum: u64,
    confirmed: u64,
    is_stopped: bool,
}

/// Does one run of `shape` on a broker that has done nothing yet.
///
/// # Errors
/// If the broker refuses, closes or dies; not if it loses messages.
pub(super) fn measure(shape: &Shape, broker: &Running, window: Duration) -> Result<Sample> {
    let before = resident_bytes(broker.pid)?;
    let clock = Clock::start();
    let connections = setup::open(*shape, broker.address)?;
    let setup_seconds = seconds(clock.now_ns());
    let mut run = Run::new(*shape, broker.pid, connections)?;
    let standing = resident_bytes(broker.pid)?;
    crate::progress(format_args!("    all stand"));
    run.started_at = run.clock.now_ns();
    run.warm_up()?;
    let first = run.read_meters()?;
    run.run_until(first.at + u64::try_from(window.as_nanos())?)?;
    let last = run.read_meters()?;
    let after = resident_bytes(broker.pid)?;
    run.drain()?;
    let resident = [before, standing, after];
    Ok(run.sample(&first, &last, resident, setup_seconds))
}

impl Run {
    fn new(shape: Shape, pid: u32, connections: Vec<Connection>) -> Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).context("creating an epoll")?;
        for (index, connection) in (0..).zip(&connections) {
            let data = EventData::new_u64(index);
            epoll::add(&epoll, &connection.stream, data, EventFlags::IN)?;
        }
        let empty = epoll::Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        };
        Ok(Self {
            shape,
            pid,
            clock: Clock::start(),
            epoll,
            publishers: Publishers::new(shape, shape.receivers()..connections.len())?,
            connections,
            scratch: vec![0; SCRATCH_BYTES + 8192],
            ready: vec![empty; 1024],
            started_at: 0,
            delivered: 0,
            sequence_sum: 0,
            confirmed: 0,
            is_stopped: false,
        })
    }

    /// Until every destination has had a message: then all queues are declared and all caches filled.
    fn warm_up(&mut self) -> Result<()> {
        let count = match self.shape.pace() {
            Pace::None => 0,
            Pace::InFlight(_) | Pace::Rate(_) => {
                let a_turn = self.shape.destinations().max(self.shape.publishers());
                a_turn as u64 * self.shape.deliveries_per_message()
            }
        };
        let mut end = self.started_at + WARM_UP_NS;
        while end < self.started_at + WARM_UP_NS_MAX {
            self.run_until(end)?;
            if self.delivered >= count {
                return Ok(());
            }
            end += WARM_UP_NS;
        }
        anyhow::bail!("{} of the first {count} deliveries came", self.delivered)
    }

    fn run_until(&mut self, end: u64) -> Result<()> {
        while self.clock.now_ns() < end {
            crate::check_interrupted()?;
            let mut moved = self.receive(end)?;
            let count = self.allowance();
            if count > 0 {
                moved += self.publish(count)?;
            }
            if matches!(self.shape.pace(), Pace::InFlight(_)) && moved < COALESCE_BYTES {
                nap(COALESCE);
            }
        }
        Ok(())
    }

    /// Sends no more, and receives what is on its way, as long as anything comes.
    fn drain(&mut self) -> Result<()> {
        self.is_stopped = true;
        let mut last_moved = self.clock.now_ns();
        loop {
            let now = self.clock.now_ns();
            let is_done = self.in_flight() == 0 && self.publishers.blocked.is_empty();
            if is_done || now - last_moved > QUIET_NS {
                return Ok(());
            }
            crate::check_interrupted()?;
            if self.receive(now + WAIT_NS_MAX)? > 0 {
                last_moved = self.clock.now_ns();
            }
        }
    }

    /// Messages that have not come everywhere, or not been confirmed.
    fn in_flight(&self) -> u64 {
        let arrived = self.delivered / self.shape.deliveries_per_message();
        let arrived = match self.shape.safety() {
            Safety::Transient => arrived,
            Safety::Confirmed | Safety::Once => arrived.min(self.confirmed),
        };
        self.publishers.sent - arrived.min(self.publishers.sent)
    }

    /// How many messages may be sent now.
    fn allowance(&self) -> u64 {
        if self.is_stopped {
            return 0;
        }
        match self.shape.pace() {
            Pace::None => 0,
            Pace::InFlight(most) => most.saturating_sub(self.in_flight()),
            Pace::Rate(per_second) => {
                let due = due_count(self.clock.now_ns() - self.started_at, per_second);
                let unsent = due.saturating_sub(self.publishers.sent);
                unsent.min(per_second.saturating_sub(self.in_flight()))
            }
        }
    }

    fn publish(&mut self, count: u64) -> Result<usize> {
        let bytes = self.publishers.publish(&mut self.connections, count)?;
        for index in &self.publishers.blocked {
            watch(&self.epoll, &self.connections, *index, Written::Blocked)?;
        }
        Ok(bytes)
    }

    /// Waits for sockets, at most until `end`, and serves them. Gives the bytes read.
    fn receive(&mut self, end: u64) -> Result<usize> {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::try_from(self.timeout_ns(end))?,
        };
        let count = match epoll::wait(&self.epoll, &mut self.ready[..], Some(&timeout)) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error).context("waiting for sockets"),
        };
        let mut moved = 0;
        for at in 0..count {
            let data = self.ready[at].data;
            moved += self.serve(usize::try_from(data.u64())?)?;
        }
        Ok(moved)
    }

    fn timeout_ns(&self, end: u64) -> u64 {
        if self.allowance() > 0 && self.publishers.blocked.is_empty() {
            return 0;
        }
        let now = self.clock.now_ns();
        let wait = end.saturating_sub(now).clamp(1, WAIT_NS_MAX);
        match self.shape.pace() {
            Pace::None | Pace::InFlight(_) => wait,
            Pace::Rate(per_second) => {
                let due = self.started_at + due_ns(self.publishers.sent, per_second);
                due.saturating_sub(now).clamp(1, wait)
            }
        }
    }

    /// Reads what one connection has, and writes what it could not.
    fn serve(&mut self, index: usize) -> Result<usize> {
        let connection = &mut self.connections[index];
        let wire = connection.wire();
        let (delivered, sum) = (&mut self.delivered, &mut self.sequence_sum);
        let confirmed = &mut self.confirmed;
        let mut strange = 0_u64;
        let each = |input: &[u8], frame, output: &mut Vec<u8>| match frame {
            Frame::Message { body, ack, .. } => {
                *delivered += 1;
                match Stamp::decode(&input[body]) {
                    Some(stamp) => *sum = sum.wrapping_add(stamp.sequence),
                    None => strange += 1,
                }
                if !ack.is_empty() {
                    wire.append_ack(output, input, ack);
                }
            }
            Frame::Receipt { .. } => *confirmed += 1,
            Frame::Connected { .. }
            | Frame::Half { .. }
            | Frame::Granted { .. }
            | Frame::Refused { .. }
            | Frame::Error { .. }
            | Frame::Other => {}
        };
        let (moved, _) = connection.read_frames(&mut self.scratch, each)?;
        ensure!(strange == 0, "{strange} deliveries are none of this run");
        let was_blocked = self.publishers.blocked.binary_search(&index);
        let written = connection.flush()?;
        match (written, was_blocked) {
            (Written::Blocked, Err(at)) => {
                self.publishers.blocked.insert(at, index);
                watch(&self.epoll, &self.connections, index, written)?;
            }
            (Written::All, Ok(at)) => {
                self.publishers.blocked.remove(at);
                watch(&self.epoll, &self.connections, index, written)?;
            }
            (Written::Blocked, Ok(_)) | (Written::All, Err(_)) => {}
        }
        Ok(moved)
    }

    fn read_meters(&self) -> Result<Reading> {
        Ok(Reading {
            at: self.clock.now_ns(),
            delivered: self.delivered,
            broker: CpuTime::of(self.pid)?,
            generator: CpuTime::of(std::process::id())?,
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and times of one run are below 2^52"
    )]
    fn sample(
        &self,
        first: &Reading,
        last: &Reading,
        resident_bytes: [u64; 3],
        setup_seconds: f64,
    ) -> Sample {
        let window_ns = (last.at - first.at) as f64;
        let deliveries = (last.delivered - first.delivered) as f64;
        let broker_ns = last.broker.since(&first.broker) as f64;
        let expected = self.publishers.sent * self.shape.deliveries_per_message();
        let is_confirmed =
            self.shape.safety() == Safety::Transient || self.confirmed == self.publishers.sent;
        Sample {
            delivered_per_second: deliveries * 1e9 / window_ns,
            broker_cpu_us: broker_ns / 1e3 / deliveries.max(1.0),
            broker_cores: broker_ns / window_ns,
            generator_cores: last.generator.since(&first.generator) as f64 / window_ns,
            resident_bytes,
            setup_seconds,
            missing: expected.saturating_sub(self.delivered),
            is_whole: expected == self.delivered
                && self.sequence_sum == self.publishers.sequence_sum
                && is_confirmed,
        }
    }
}

/// Has the epoll report room in a socket exactly while that is waited for.
fn watch(
    epoll: &OwnedFd,
    connections: &[Connection],
    index: usize,
    written: Written,
) -> Result<()> {
    let interest = match written {
        Written::All => EventFlags::IN,
        Written::Blocked => EventFlags::IN | EventFlags::OUT,
    };
    let data = EventData::new_u64(index as u64);
    epoll::modify(epoll, &connections[index].stream, data, interest)?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a run is over in minutes")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}
