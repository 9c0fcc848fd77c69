//! What a session allocates for a message.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use broker_api::{Command, Delivery, Event, Out, Reply, Session};
use bytes::BytesMut;
use model::{CommandId, ConnectionId, Instant, Message, Sequence, SubscriptionId};
use proto_mqtt::{Mqtt, SessionLimits};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the allocations of each thread.
struct Meter;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn note() {
    COUNT.with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: it hands every call on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

/// Messages of one batch.
const BATCH: u16 = 100;

struct Driven {
    session: Mqtt,
    out: Out,
    input: BytesMut,
    messages: Vec<Message>,
    confirms: Vec<CommandId>,
    settle_count: usize,
}

impl Driven {
    /// A client of 5.0 that has subscribed to everything with this quality of service.
    fn new(qos: u8) -> Self {
        let now = Instant::default();
        let mut driven = Self {
            session: Mqtt::new(now, ConnectionId(1), SessionLimits::default(), 0),
            out: Out::new(),
            input: BytesMut::with_capacity(64 * 1024),
            messages: Vec::with_capacity(1000),
            confirms: Vec::with_capacity(1000),
            settle_count: 0,
        };
        driven.feed(b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x01c");
        driven.event(Event::Done(CommandId(1), Ok(Reply::Nothing)));
        // A session that was kept has ended.
        driven.event(Event::Done(CommandId(2), Ok(Reply::Nothing)));
        driven.feed(&[b"\x82\x07\x00\x01\x00\x00\x01#", &[qos][..]].concat());
        driven.event(Event::Done(CommandId(3), Ok(Reply::Nothing)));
        driven
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        let now = Instant::default();
        self.session
            .handle_input(now, &mut self.input, &mut self.out);
        self.collect();
    }

    fn event(&mut self, event: Event) {
        self.session
            .handle_event(Instant::default(), event, &mut self.out);
        self.collect();
    }

    fn collect(&mut self) {
        self.out.wire.advance(self.out.wire.len());
        for submission in self.out.commands.drain(..) {
            match submission.command {
                Command::Publish(message, _) => {
                    self.messages.push(message);
                    self.confirms.push(submission.id);
                }
                Command::Settle(_) => self.settle_count += 1,
                Command::Connect(_)
                | Command::Authenticate(_)
                | Command::PutUser(_)
                | Command::DeleteUser(_)
                | Command::DeclareQueue(_)
                | Command::DeleteQueue(_)
                | Command::PurgeQueue(_)
                | Command::DeclareExchange(_)
                | Command::DeleteExchange(_)
                | Command::Bind(_)
                | Command::Unbind(_)
                | Command::Keep(_)
                | Command::LetGo(_)
                | Command::List(_)
                | Command::Commit(_)
                | Command::Note(_)
                | Command::Recall(_)
                | Command::Bequeath(_)
                | Command::Subscribe(_)
                | Command::Get(_)
                | Command::Cancel(_)
                | Command::StepAside(_)
                | Command::ShowRetained(_)
                | Command::QueueRetained(_)
                | Command::Grant(..) => {}
            }
        }
    }
}

/// A batch of PUBLISH packets with properties.
fn publishes(qos: u8) -> Vec<u8> {
    let publish = |number: u16| {
        let id = number.to_be_bytes();
        let id = if qos == 0 { &[] } else { &id[..] };
        let tail = b"\x07\x26\x00\x01n\x00\x01vpayload";
        let len = 2 + 12 + id.len() + tail.len();
        let len = u8::try_from(len).unwrap();
        [
            &[0x30 | qos << 1, len, 0, 12],
            &b"plant/7/temp"[..],
            id,
            tail,
        ]
        .concat()
    };
    (1..=BATCH).flat_map(publish).collect()
}

/// What publishing batches allocates.
#[test]
fn a_publish_is_one_allocation() {
    for qos in [0, 1] {
        let mut driven = Driven::new(0);
        let input = publishes(qos);
        let mut rounds = (0..20).map(|_| {
            let before = COUNT.get();
            driven.feed(&input);
            assert_eq!(driven.messages.len(), usize::from(BATCH));
            driven.messages.clear();
            let confirms = std::mem::take(&mut driven.confirms);
            for id in confirms.iter().filter(|_| qos > 0) {
                driven.event(Event::Confirmed(*id));
            }
            driven.confirms = confirms;
            driven.confirms.clear();
            COUNT.get() - before
        });
        // Buffers grow at first.
        let last = rounds.by_ref().last();
        assert!(last <= Some(usize::from(BATCH)), "{last:?} with QoS {qos}");
    }
}

/// What delivering a batch allocates: nothing, but a list for the settlements.
#[test]
fn deliveries_are_no_allocation() {
    for qos in [0, 1, 2] {
        let mut publisher = Driven::new(0);
        publisher.feed(&publishes(qos));
        let message = publisher.messages.pop().unwrap();
        let mut driven = Driven::new(qos);
        let mut sequence = 0;
        let answers: Vec<u8> = (1..=BATCH)
            .flat_map(|id| {
                let [high, low] = id.to_be_bytes();
                match qos {
                    0 => Vec::new(),
                    1 => vec![0x40, 2, high, low],
                    _ => vec![0x50, 2, high, low, 0x70, 2, high, low],
                }
            })
            .collect();
        let mut last = 0;
        for _ in 0..20 {
            let before = COUNT.get();
            driven.settle_count = 0;
            for _ in 0..BATCH {
                sequence += u64::from(qos > 0);
                driven.event(Event::Delivery(Delivery {
                    subscription: SubscriptionId(1),
                    sequence: Sequence(sequence),
                    redelivered: false,
                    delivery_count: 0,
                    acquired_count: 0,
                    expires_at: None,
                    message: message.clone(),
                }));
            }
            driven.feed(&answers);
            last = COUNT.get() - before;
        }
        // The list of one batch of settlements grows a few times.
        let bound = if qos == 0 { 0 } else { 8 };
        assert!(last <= bound, "{last} with QoS {qos}");
        assert_eq!(driven.settle_count, usize::from(qos > 0));
    }
}
