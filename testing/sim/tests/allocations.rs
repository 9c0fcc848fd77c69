//! What a message allocates on each of its ways through the broker: the sessions, the connections, the executors
//! and the journal, on a disk in memory, stepped by hand in one thread.
//!
//! A way is run with many messages in one piece of input, as a busy publisher sends, and with one, as a publisher
//! sends that waits for each. What is counted is everything between the bytes of the SEND and the last byte of the
//! last MESSAGE, RECEIPT or ACK, but what the test itself and the disk in memory allocate.

#![expect(unsafe_code, reason = "an allocator that counts")]

use broker::{Broker, Executor, Recovery, Settings, Step};
use broker_api::{Attachment as _, Out, Peer, Session as _};
use bytes::BytesMut;
use log_store::{Journal, Local, MemoryDisk, Options, ShardLog};
use model::{ConnectionId, Instant};
use proto_stomp::{Limits, Stomp};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Waker};

/// Counts what the thread that runs a test allocates while it asks for it.
struct Counting;

thread_local! {
    static IS_COUNTING: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

fn note(bytes: usize) {
    if IS_COUNTING.get() {
        COUNT.set(COUNT.get() + 1);
        BYTES.set(BYTES.get() + bytes as u64);
    }
}

// SAFETY: all is handed on to the system's allocator; the counters are plain cells that need no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Runs what is counted. What runs within must not run this again.
fn counted<T>(run: impl FnOnce() -> T) -> T {
    IS_COUNTING.set(true);
    let result = run();
    IS_COUNTING.set(false);
    result
}

/// The broker with its store.
struct World {
    broker: Broker,
    executors: Vec<Executor>,
    journal: Journal<MemoryDisk>,
    now: Instant,
    last_connection: u64,
}

/// One connection, driven as `net` drives it, without a socket.
struct Link {
    session: Stomp,
    attachment: broker::Connection,
    input: BytesMut,
    out: Out,
    /// What the client does about each delivery.
    acks: Acks,
    /// What the client sends next.
    replies: Vec<u8>,
    messages: u64,
    receipts: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Acks {
    /// Nothing: `ack:auto`.
    None,
    /// An ACK for each.
    Each,
}

impl World {
    fn new() -> Self {
        let mut recovery = Recovery::default();
        let options = Options {
            shards: 4,
            segment_bytes: 64 << 20,
            ..Options::default()
        };
        let mut replay = |record: log_store::Replayed<'_>| recovery.replay(record);
        let local = Local::open(MemoryDisk::new(), options, &mut replay).expect("it opens");
        let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
        let logs = local.logs.into_iter().map(boxed).collect();
        let settings = Settings {
            executors: 2,
            heads: |_| &proto_stomp::StompHeads,
            ..Settings::default()
        };
        let (broker, executors, _) =
            Broker::open(settings, Instant::default(), logs, recovery).expect("it opens");
        Self {
            broker,
            executors,
            journal: local.journal,
            now: Instant::default(),
            last_connection: 0,
        }
    }

    fn connect(&mut self, acks: Acks) -> Link {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let mut link = Link {
            session: Stomp::new(self.now, id, Limits::default()),
            attachment: self.broker.attach(id, peer),
            input: BytesMut::new(),
            out: Out::new(),
            acks,
            replies: Vec::with_capacity(1 << 20),
            messages: 0,
            receipts: 0,
        };
        link.send(self.now, b"CONNECT\naccept-version:1.2\nhost:/\n\n\0");
        self.settle(std::slice::from_mut(&mut link));
        link
    }

    /// Steps everything until nothing moves. Only what belongs to the broker is counted.
    fn settle(&mut self, links: &mut [Link]) {
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            let mut is_busy = false;
            for link in links.iter_mut() {
                is_busy |= link.drive(self.now, &mut cx);
            }
            for executor in &mut self.executors {
                let step = counted(|| executor.step(self.now, &cx)).expect("the store works");
                is_busy |= step == Step::Worked;
            }
            is_busy |= self.journal.round().expect("the disk works").records > 0;
            if is_busy {
                continue;
            }
            // What rides along is logged after a while.
            let due = self.executors.iter().filter_map(Executor::deadline).min();
            match due {
                Some(due) if due > self.now => self.now = due,
                Some(_) | None => return,
            }
        }
    }
}

impl Link {
    /// The client sends frames; the session reads them.
    fn send(&mut self, now: Instant, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.read(now);
    }

    fn read(&mut self, now: Instant) {
        counted(|| {
            self.session
                .handle_input(now, &mut self.input, &mut self.out);
            self.attachment.submit(now, &mut self.out.commands);
        });
    }

    fn drive(&mut self, now: Instant, cx: &mut Context<'_>) -> bool {
        let (session, out) = (&mut self.session, &mut self.out);
        let polled = counted(|| {
            let admitted = self.attachment.poll_admission(now, cx);
            assert!(admitted.is_ready(), "nothing here is held");
            let mut handle = |event| session.handle_event(now, event, out);
            let polled = self.attachment.poll_events(now, cx, 256 << 10, &mut handle);
            self.attachment.submit(now, &mut out.commands);
            polled
        });
        let is_written = !self.out.wire.is_empty();
        self.take();
        if polled.is_ready() {
            counted(|| self.attachment.handle_sent(now));
        }
        let is_reply = !self.replies.is_empty();
        self.input.extend_from_slice(&self.replies);
        self.replies.clear();
        let before = self.input.len();
        if before > 0 && !self.out.is_held() {
            self.read(now);
        }
        polled.is_ready() || is_written || is_reply || self.input.len() < before
    }

    /// The client reads what was written, and answers.
    fn take(&mut self) {
        let bytes: &mut BytesMut = self.out.wire.buffer();
        for frame in bytes[..].split(|byte| *byte == 0) {
            let frame = frame.trim_ascii_start();
            assert!(!frame.starts_with(b"ERROR"), "{}", frame.escape_ascii());
            self.receipts += u64::from(frame.starts_with(b"RECEIPT"));
            if !frame.starts_with(b"MESSAGE") {
                continue;
            }
            self.messages += 1;
            if self.acks == Acks::Each {
                let mut lines = frame.split(|byte| *byte == b'\n');
                let ack = lines.find_map(|line| line.strip_prefix(b"ack:"));
                self.replies.extend_from_slice(b"ACK\nid:");
                self.replies
                    .extend_from_slice(ack.expect("it asks for one"));
                self.replies.extend_from_slice(b"\n\n\0");
            }
        }
        bytes.clear();
    }
}

/// One way, as a client uses it.
struct Way {
    name: &'static str,
    destination: &'static str,
    send_headers: &'static str,
    subscribe_headers: &'static str,
    acks: Acks,
    subscribers: usize,
    receipts: bool,
    /// The most allocations for a message and all its deliveries: in a crowd, and alone.
    most: [f64; 2],
}

const WAYS: [Way; 6] = [
    Way {
        name: "queue, transient, ack:auto",
        destination: "/queue/a",
        send_headers: "",
        subscribe_headers: "",
        acks: Acks::None,
        subscribers: 1,
        receipts: false,
        most: [1.1, 3.0],
    },
    Way {
        name: "queue, transient, ACK each",
        destination: "/queue/b",
        send_headers: "",
        subscribe_headers: "ack:client-individual\n",
        acks: Acks::Each,
        subscribers: 1,
        receipts: false,
        most: [1.1, 3.0],
    },
    Way {
        name: "queue, persistent, RECEIPT, ACK each",
        destination: "/queue/c",
        send_headers: "persistent:true\nreceipt:0123456789\n",
        subscribe_headers: "ack:client-individual\n",
        acks: Acks::Each,
        subscribers: 1,
        receipts: true,
        most: [1.15, 4.0],
    },
    Way {
        name: "topic, 1 subscriber",
        destination: "/topic/d",
        send_headers: "",
        subscribe_headers: "",
        acks: Acks::None,
        subscribers: 1,
        receipts: false,
        most: [1.02, 1.02],
    },
    Way {
        name: "topic, 100 subscribers",
        destination: "/topic/e",
        send_headers: "",
        subscribe_headers: "",
        acks: Acks::None,
        subscribers: 100,
        receipts: false,
        most: [1.02, 1.02],
    },
    Way {
        name: "topic, ack:client-individual",
        destination: "/topic/f",
        send_headers: "",
        subscribe_headers: "ack:client-individual\n",
        acks: Acks::Each,
        subscribers: 1,
        receipts: false,
        most: [1.06, 2.0],
    },
];

/// Body of each message.
const BODY: &str = "0123456789012345678901234567890123456789012345678901234567890123";

/// Deliveries before counting begins, and counted ones; more where one round has more.
const DELIVERIES: usize = 10_000;
/// Rounds at least.
const ROUNDS_MIN: usize = 4;

/// Buffers grow now and then: so many allocations per message are borne for it.
const SLACK: f64 = 0.02;

/// Allocations per message, and their bytes, with that many messages in each piece of input.
#[expect(clippy::cast_precision_loss, reason = "the counts are small")]
fn measure(way: &Way, together: usize) -> (f64, f64) {
    let mut world = World::new();
    let mut links = vec![world.connect(Acks::None)];
    let Way {
        destination,
        send_headers,
        subscribe_headers,
        ..
    } = way;
    for _ in 0..way.subscribers {
        let mut link = world.connect(way.acks);
        let request =
            format!("SUBSCRIBE\nid:1\ndestination:{destination}\n{subscribe_headers}\n\0");
        link.send(world.now, request.as_bytes());
        links.push(link);
        world.settle(&mut links);
    }
    let frame = format!(
        "SEND\ndestination:{destination}\n{send_headers}content-length:{}\n\n{BODY}\0",
        BODY.len()
    );
    let input = frame.repeat(together);
    let rounds = (DELIVERIES / way.subscribers / together).max(ROUNDS_MIN);
    let mut run = || {
        for _ in 0..rounds {
            links[0].send(world.now, input.as_bytes());
            world.settle(&mut links);
        }
    };
    run();
    COUNT.set(0);
    BYTES.set(0);
    run();
    let (count, bytes) = (COUNT.get(), BYTES.get());
    let messages = rounds * together;
    let sent = 2 * messages as u64;
    assert!(
        links[1..].iter().all(|link| link.messages == sent),
        "all is delivered"
    );
    assert_eq!(links[0].receipts, if way.receipts { sent } else { 0 });
    (
        count as f64 / messages as f64,
        bytes as f64 / messages as f64,
    )
}

#[expect(
    clippy::print_stdout,
    reason = "the table is for whoever runs this with --nocapture"
)]
fn print_table(table: &str) {
    println!("{table}");
}

#[test]
fn a_message_is_allocated_once() {
    let mut table = String::new();
    let mut excess = Vec::new();
    for way in &WAYS {
        for (together, most) in [200, 1].into_iter().zip(way.most) {
            let (count, bytes) = measure(way, together);
            writeln!(
                table,
                "{:40} {together:4} together: {count:6.3} allocations, {bytes:7.1} bytes",
                way.name
            )
            .expect("a string takes all");
            if count > most + SLACK {
                excess.push(format!(
                    "{}, {together} together: {count} > {most}",
                    way.name
                ));
            }
        }
    }
    print_table(&table);
    assert!(excess.is_empty(), "{excess:#?}\n{table}");
}
