//! The broker under simulation: its parts, stepped one at a time, and its wires.

use broker::{Broker, Executor, Recovery, Settings, Step};
use broker_api::{Attachment, Event, Out, Peer, Session};
use bytes::BytesMut;
use log_store::{Housekeeper, Journal, Local, MemoryDisk, Options, ShardLog};
use model::{ConnectionId, Instant};
use proto_stomp::{Limits, Stomp};
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Waker};
use std::time::Duration;

/// Few shards, so that some of them share an executor and the first is used for both.
const SHARDS: u16 = 4;
/// Small segments, so that runs see segments come and go.
const SEGMENT_BYTES: u64 = 16 << 10;

/// One wire between a client and the broker.
pub struct Wire {
    /// Which it is, over all lives of the broker.
    pub number: u32,
    /// On its way to the broker.
    pub to_broker: BytesMut,
    /// On its way to the client.
    pub to_client: Vec<u8>,
    /// Whether the broker has ended the connection.
    pub is_closed: bool,
    session: Stomp,
    attachment: broker::Connection,
    input: BytesMut,
    out: Out,
}

/// The broker in one life, from start to crash.
pub struct World {
    broker: Broker,
    executors: Vec<Executor>,
    journal: Journal<MemoryDisk>,
    housekeeper: Housekeeper<MemoryDisk>,
    /// The time, which only passes when the run says so.
    pub now: Instant,
    last_connection: u64,
}

impl World {
    /// Starts the broker on what the disk has kept.
    ///
    /// # Errors
    /// When it does not start: on a disk that only crashed, it must.
    pub fn start(disk: &MemoryDisk, now: Instant) -> anyhow::Result<Self> {
        let mut recovery = Recovery::default();
        let options = Options {
            shards: SHARDS,
            segment_bytes: SEGMENT_BYTES,
        };
        let local = Local::open(disk.clone(), options, &mut |record| recovery.replay(record))?;
        let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
        let logs = local.logs.into_iter().map(boxed).collect();
        let settings = Settings {
            executors: 2,
            outbox_bytes: 4096,
            ..Settings::default()
        };
        let (broker, executors, _) = Broker::open(settings, logs, recovery)?;
        let (journal, housekeeper) = (local.journal, local.housekeeper);
        Ok(Self {
            broker,
            executors,
            journal,
            housekeeper,
            now,
            last_connection: 0,
        })
    }

    /// The number of parts that can be stepped.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.executors.len() + 2
    }

    /// Steps one part. Returns whether it had something to do; the error ends the life.
    ///
    /// # Errors
    /// The store has failed, as it does on a disk that has crashed.
    pub fn step(&mut self, part: usize) -> anyhow::Result<bool> {
        let cx = Context::from_waker(Waker::noop());
        if let Some(executor) = self.executors.get_mut(part) {
            return Ok(executor.step(self.now, &cx)? == Step::Worked);
        }
        if part == self.executors.len() {
            return Ok(self.journal.round()?.records > 0);
        }
        Ok(self.housekeeper.step()? == log_store::Step::Worked)
    }

    /// The earliest moment at which a part wants to be stepped in any case.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.executors.iter().filter_map(Executor::deadline).min()
    }

    /// Lets time pass.
    pub fn pass(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// A new connection.
    pub fn connect(&mut self, number: u32) -> Wire {
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
            session: Stomp::new(self.now, id, Limits::default()),
            attachment: self.broker.attach(id, peer),
            input: BytesMut::new(),
            out: Out::new(),
        }
    }

    /// Carries up to `bytes` of input to the session and everything else as far as it goes, as a
    /// driver does. Returns whether anything moved.
    pub fn carry(&self, wire: &mut Wire, bytes: usize) -> bool {
        if wire.is_closed {
            return false;
        }
        let mut moved = wire.hand_over(self.now);
        let mut cx = Context::from_waker(Waker::noop());
        if wire.attachment.poll_admission(self.now, &mut cx).is_ready() && !wire.out.is_held() {
            let count = bytes.min(wire.to_broker.len());
            let chunk = wire.to_broker.split_to(count);
            wire.input.extend_from_slice(&chunk);
            if !wire.input.is_empty() {
                let before = wire.input.len();
                wire.session
                    .handle_input(self.now, &mut wire.input, &mut wire.out);
                moved |= count > 0 || wire.input.len() < before;
            }
            wire.attachment.submit(self.now, &mut wire.out.commands);
        }
        moved |= wire.hand_over(self.now);
        if wire.out.is_closing() {
            wire.session.handle_close(self.now, &mut wire.out);
            wire.attachment.submit(self.now, &mut wire.out.commands);
            wire.attachment.close(self.now);
            wire.is_closed = true;
            return true;
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
    /// Hands over events until there are none, and moves what the session makes of them.
    fn hand_over(&mut self, now: Instant) -> bool {
        let mut moved = false;
        loop {
            let mut cx = Context::from_waker(Waker::noop());
            let (session, out) = (&mut self.session, &mut self.out);
            let mut handle = |event: Event| session.handle_event(now, event, out);
            let polled = self
                .attachment
                .poll_events(now, &mut cx, 64 << 10, &mut handle);
            self.attachment.submit(now, &mut self.out.commands);
            let bytes = self.out.wire.take();
            moved |= polled.is_ready() || !bytes.is_empty();
            self.to_client.extend_from_slice(&bytes);
            if polled.is_pending() {
                return moved;
            }
            self.attachment.handle_sent(now);
        }
    }
}
