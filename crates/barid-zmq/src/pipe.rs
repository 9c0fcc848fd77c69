//! The way between two parties: a socket and a connection, or two sockets.
//!
//! A pipe is a queue, a credit and two bells. It has one writer and one reader; each end belongs to a socket
//! (used under its lock) or to a connection's task. Whoever changes what the other end waits for gets
//! a [`Ring`], to be rung when no lock is held.
//!
//! - Order: what one end writes the other reads in that order, even after the writer is gone.
//! - A writer is told once when there is room again, a reader once when something is there again.

mod bell;
pub(crate) mod credit;
#[cfg(test)]
mod credit_tests;
mod queue;

use crate::gate::{Gate, Signal};
use crate::message::Message;
use crate::peers::PeerId;
pub(crate) use bell::{Bell, Carry};
use bytes::Bytes;
use credit::{Earned, Hwm, Spent, credit};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Waker;
use std::time::Duration;

/// What each frame costs of a byte limit beside its bytes, and a message without any: empty ones are not free.
const FRAME_BYTES: u64 = 64;

/// What goes through a pipe beside messages.
#[derive(Clone, Debug)]
pub(crate) enum Notice {
    /// The peer wants what begins so.
    Subscribe(Bytes),
    Cancel(Bytes),
    /// The peer wants this group.
    Join(Bytes),
    Leave(Bytes),
    /// The peer is there, and this is its name (often empty).
    Opened(Bytes),
}

impl Notice {
    /// As [`Item::cost`].
    fn cost(&self) -> Option<u64> {
        match self {
            Self::Subscribe(bytes)
            | Self::Cancel(bytes)
            | Self::Join(bytes)
            | Self::Leave(bytes) => Some(FRAME_BYTES + bytes.len() as u64),
            Self::Opened(_) => None,
        }
    }
}

enum Item {
    Message(Message),
    /// The newest message stands in the place beside the queue.
    Newest,
    Notice(Notice),
}

impl Item {
    #[inline]
    fn fetch(&self) {
        match self {
            Self::Message(message) => message.fetch(),
            Self::Newest | Self::Notice(_) => {}
        }
    }

    /// What it takes of the credit; none if it takes nothing, not even a place.
    #[inline]
    fn cost(&self) -> Option<u64> {
        match self {
            Self::Message(message) => Some(cost(message)),
            Self::Newest => None,
            Self::Notice(notice) => notice.cost(),
        }
    }
}

#[inline]
pub(crate) fn cost(message: &Message) -> u64 {
    FRAME_BYTES * message.len().max(1) as u64 + message.byte_count() as u64
}

struct Link {
    to_writer: Bell,
    to_reader: Bell,
    writer_gone: AtomicBool,
    reader_gone: AtomicBool,
    /// How long the reader may go on after the writer is gone, in milliseconds.
    linger_ms: AtomicU64,
    /// The place of the newest message, if older ones are not wanted.
    newest: Option<Mutex<Option<Message>>>,
    /// What the sockets at the writer's and the reader's end let wait, as far as they have said so: the limit is both together.
    shares: Mutex<[Option<Hwm>; 2]>,
}

impl Link {
    /// Changes the share of the socket at one end, and with it the limit, by `set`: in one step, or of two sockets that do so
    /// at a time one would not be counted. True if `set` says so.
    fn set_limit(&self, end: End, share: Hwm, set: impl FnOnce(Hwm) -> bool) -> bool {
        let mut shares = self.shares.lock();
        let [own, other] = match end {
            End::Writer => [0, 1],
            End::Reader => [1, 0],
        };
        shares[own] = Some(share);
        set(shares[other].map_or(share, |other| share.with(other)))
    }

    fn ring_both(self: &Arc<Self>, rings: &mut Rings) {
        for end in [End::Writer, End::Reader] {
            let link = Arc::clone(self);
            rings.push(Ring { link, end });
        }
    }

    #[cold]
    fn take_newest(&self, place: &mut Message) -> Popped {
        let newest = self.newest.as_ref().and_then(|newest| newest.lock().take());
        newest.map_or(Popped::Empty, |message| {
            *place = message;
            Popped::Message
        })
    }
}

/// A bell to be rung once no lock is held.
#[must_use]
pub(crate) struct Ring {
    link: Arc<Link>,
    end: End,
}

#[derive(Clone, Copy)]
enum End {
    Writer,
    Reader,
}

impl Ring {
    pub(crate) fn ring(self) {
        match self.end {
            End::Writer => self.link.to_writer.ring(Signal::Writable),
            End::Reader => self.link.to_reader.ring(Signal::Readable),
        }
    }
}

/// Bells that an operation has to ring.
pub(crate) type Rings = SmallVec<[Ring; 2]>;

/// The end that is written to.
pub(crate) struct Sender {
    queue: queue::Writer<Item>,
    credit: Spent,
    link: Arc<Link>,
}

/// The end that is read from.
pub(crate) struct Receiver {
    queue: queue::Reader<Item>,
    credit: Earned,
    link: Arc<Link>,
}

/// What a look into a pipe finds.
#[derive(Debug)]
pub(crate) enum Popped {
    /// A message, which was put in the place for it.
    Message,
    Notice(Notice),
    Empty,
    /// Nothing is left and nothing will come.
    Closed,
}

/// What a pipe keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// All, up to a limit.
    All(Hwm),
    /// The newest message only.
    Newest,
}

pub(crate) fn pipe(keep: Keep, to_writer: Bell, to_reader: Bell) -> (Sender, Receiver) {
    let (hwm, newest) = match keep {
        Keep::All(hwm) => (hwm, None),
        // Subscriptions are kept in the queue, where they are all that counts.
        Keep::Newest => (Hwm::DEFAULT, Some(Mutex::new(None))),
    };
    let link = Arc::new(Link {
        to_writer,
        to_reader,
        writer_gone: AtomicBool::new(false),
        reader_gone: AtomicBool::new(false),
        linger_ms: AtomicU64::new(u64::MAX),
        newest,
        shares: Mutex::new([None; 2]),
    });
    let (writer, reader) = queue::queue();
    let (spent, earned) = credit(hwm);
    let sender = Sender {
        queue: writer,
        credit: spent,
        link: Arc::clone(&link),
    };
    let receiver = Receiver {
        queue: reader,
        credit: earned,
        link,
    };
    (sender, receiver)
}

impl Sender {
    /// Whether one more message may be pushed.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        self.credit.has_room()
    }

    /// How much the reader has not said that it has taken: items and bytes.
    pub(crate) fn ahead(&mut self) -> (u64, u64) {
        self.credit.ahead()
    }

    /// Puts a message in. Its reader sees it after the next [`Self::publish`].
    #[inline]
    pub(crate) fn push(&mut self, message: Message) {
        if self.link.newest.is_some() {
            return self.replace(message);
        }
        self.credit.spend(cost(&message));
        self.queue.write(Item::Message(message));
    }

    /// As [`Self::push`], of a message that is made in its place, and costs so much.
    #[inline]
    pub(crate) fn push_with(&mut self, cost: u64, make: impl FnOnce() -> Message) {
        if self.link.newest.is_some() {
            return self.replace(make());
        }
        self.credit.spend(cost);
        self.queue.write_with(|| Item::Message(make()));
    }

    /// Puts a message in the place of the one that waits, if there is one.
    #[cold]
    fn replace(&mut self, message: Message) {
        if let Some(newest) = &self.link.newest
            && newest.lock().replace(message).is_none()
        {
            self.queue.write(Item::Newest);
        }
    }

    /// Puts a notice in, as [`Self::push`] does a message.
    pub(crate) fn push_notice(&mut self, notice: Notice) {
        if let Some(cost) = notice.cost() {
            self.credit.spend(cost);
        }
        self.queue.write(Item::Notice(notice));
    }

    #[inline]
    pub(crate) fn publish(&mut self, rings: &mut Rings) {
        if self.queue.publish() {
            rings.push(self.ring_reader());
        }
    }

    /// Asks for a ring when there is room. False if there is some already.
    #[must_use]
    pub(crate) fn wait(&mut self) -> bool {
        !self.is_closed() && self.credit.wait()
    }

    /// Whether nobody reads any more.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.link.reader_gone.load(Ordering::SeqCst)
    }

    /// Says how long the reader may go on when this end is dropped.
    pub(crate) fn set_linger(&self, linger: Option<Duration>) {
        let linger_ms = linger.map_or(u64::MAX, |linger| {
            u64::try_from(linger.as_millis()).unwrap_or(u64::MAX)
        });
        self.link.linger_ms.store(linger_ms, Ordering::Release);
    }

    pub(crate) fn set_peer(&self, peer: PeerId) {
        self.link.to_writer.set_peer(peer);
    }

    /// Says how much the socket at this end lets wait from here on.
    pub(crate) fn set_hwm(&mut self, hwm: Hwm, rings: &mut Rings) {
        let (link, credit) = (&self.link, &mut self.credit);
        let set = |limit| credit.set_limit(limit);
        if link.newest.is_none() && link.set_limit(End::Writer, hwm, set) {
            link.ring_both(rings);
        }
    }

    /// Says whose end this is, if that was not known.
    pub(crate) fn set_gate(&self, gate: &Arc<Gate>) {
        self.link.to_writer.set_gate(gate);
    }

    pub(crate) fn register(&mut self, waker: &Waker) {
        self.link.to_writer.register(waker);
        self.refresh();
    }

    /// Sees whether another limit was set meanwhile. Whoever is woken does.
    pub(crate) fn refresh(&mut self) {
        self.credit.refresh();
    }

    /// Says how much the sockets at both ends let wait, if that is what the pipe was made with.
    pub(crate) fn share(&self, writer: Hwm, reader: Hwm) {
        *self.link.shares.lock() = [Some(writer), Some(reader)];
    }

    fn ring_reader(&self) -> Ring {
        Ring {
            link: Arc::clone(&self.link),
            end: End::Reader,
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // In one order with the number that an end is given: one of both is seen by who comes second.
        self.link.writer_gone.store(true, Ordering::SeqCst);
        // A reader that has looked before, and sleeps, is rung for; one that looks later sees it. A connection may
        // have to watch the time from here on, awake or not.
        self.ring_reader().ring();
    }
}

impl Receiver {
    /// The next item; a message takes the place of what was in `place`.
    #[inline]
    pub(crate) fn pop(&mut self, place: &mut Message, rings: &mut Rings) -> Popped {
        let (popped, cost) = match self.take(place) {
            Some(taken) => taken,
            None => {
                self.refresh(rings);
                match self.take_last(place) {
                    Ok(taken) => taken,
                    Err(end) => return end,
                }
            }
        };
        if cost.is_some_and(|cost| self.credit.earn(cost)) {
            rings.push(self.ring_writer());
        }
        popped
    }

    /// Sees whether another limit was set meanwhile, which may give room back. Whoever is woken does.
    pub(crate) fn refresh(&mut self, rings: &mut Rings) {
        if self.credit.refresh() {
            rings.push(self.ring_writer());
        }
    }

    fn ring_writer(&self) -> Ring {
        Ring {
            link: Arc::clone(&self.link),
            end: End::Writer,
        }
    }

    #[inline]
    fn take(&mut self, place: &mut Message) -> Option<(Popped, Option<u64>)> {
        self.queue.take(Item::fetch, |item| {
            let cost = item.cost();
            let popped = match item {
                Item::Message(message) => {
                    *place = std::mem::take(message);
                    Popped::Message
                }
                Item::Newest => self.link.take_newest(place),
                Item::Notice(notice) => Popped::Notice(notice.clone()),
            };
            (popped, cost)
        })
    }

    #[cold]
    fn take_last(&mut self, place: &mut Message) -> Result<(Popped, Option<u64>), Popped> {
        if !self.is_closed() {
            return Err(Popped::Empty);
        }
        // What was written before the writer went is seen now at the latest.
        self.take(place).ok_or(Popped::Closed)
    }

    /// Asks for a ring when something comes. False if something is there already.
    #[must_use]
    pub(crate) fn sleep(&mut self) -> bool {
        self.queue.sleep() && !self.is_closed()
    }

    /// Whether nobody writes any more; what was written may still be here.
    pub(crate) fn is_closed(&self) -> bool {
        self.link.writer_gone.load(Ordering::SeqCst)
    }

    /// Whether nothing is there to pop.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How long to go on after the writer is gone; none is for ever.
    pub(crate) fn linger(&self) -> Option<Duration> {
        let linger_ms = self.link.linger_ms.load(Ordering::Acquire);
        (linger_ms != u64::MAX).then(|| Duration::from_millis(linger_ms))
    }

    pub(crate) fn set_peer(&self, peer: PeerId) {
        self.link.to_reader.set_peer(peer);
    }

    /// As [`Sender::set_hwm`].
    pub(crate) fn set_hwm(&mut self, hwm: Hwm, rings: &mut Rings) {
        let (link, credit) = (&self.link, &mut self.credit);
        let set = |limit| credit.set_limit(limit);
        if link.newest.is_none() && link.set_limit(End::Reader, hwm, set) {
            link.ring_both(rings);
        }
    }

    /// Says whose end this is, if that was not known.
    pub(crate) fn set_gate(&self, gate: &Arc<Gate>) {
        self.link.to_reader.set_gate(gate);
    }

    pub(crate) fn register(&self, waker: &Waker) {
        self.link.to_reader.register(waker);
    }

    /// Says who, on the thread that writes, may read what was written.
    pub(crate) fn set_carrier(&self, carrier: Weak<dyn Carry>) {
        self.link.to_reader.set_carrier(carrier);
    }

    /// Reads no more: the writer finds the pipe closed.
    pub(crate) fn close(&self) {
        self.link.reader_gone.store(true, Ordering::SeqCst);
        self.link.to_writer.ring(Signal::Writable);
    }

    /// Counts the messages that nobody will take.
    pub(crate) fn discard(&mut self) -> u64 {
        let mut count = 0;
        let (mut place, mut rings) = (Message::new(), Rings::new());
        loop {
            match self.pop(&mut place, &mut rings) {
                Popped::Message => count += 1,
                Popped::Notice(_) => {}
                Popped::Empty | Popped::Closed => break,
            }
        }
        rings.into_iter().for_each(Ring::ring);
        count
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicU64);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn pop(receiver: &mut Receiver, rings: &mut Rings) -> String {
        let mut place = Message::new();
        match receiver.pop(&mut place, rings) {
            Popped::Message => String::from_utf8_lossy(place.first()).into_owned(),
            popped @ (Popped::Notice(_) | Popped::Empty | Popped::Closed) => {
                format!("{popped:?}")
            }
        }
    }

    #[test]
    fn an_item_takes_no_more_than_a_message() {
        assert_eq!(size_of::<Item>(), size_of::<Message>());
    }

    /// Does as much of the task's work as it was told.
    struct Carrier(AtomicBool);

    impl Carry for Carrier {
        fn carry_now(&self) -> bool {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[test]
    fn a_task_is_woken_only_for_what_nobody_has_done_for_it() {
        let (mut sender, mut receiver) =
            pipe(Keep::All(Hwm::UNLIMITED), Bell::task(), Bell::task());
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let carrier = Arc::new(Carrier(AtomicBool::new(true)));
        let this = Arc::downgrade(&carrier);
        receiver.set_carrier(this);
        let mut write = |receiver: &mut Receiver| {
            receiver.register(&waker);
            while pop(receiver, &mut Rings::new()) != "Empty" {}
            assert!(receiver.sleep());
            let mut rings = Rings::new();
            sender.push("a".into());
            sender.publish(&mut rings);
            rings.into_iter().for_each(Ring::ring);
            count.0.load(Ordering::Relaxed)
        };
        assert_eq!(write(&mut receiver), 0);
        carrier.0.store(false, Ordering::Relaxed);
        assert_eq!(write(&mut receiver), 1);
        drop(carrier);
        assert_eq!(write(&mut receiver), 2);
    }

    #[test]
    fn what_was_written_is_read_after_the_writer_is_gone() {
        let (mut sender, mut receiver) =
            pipe(Keep::All(Hwm::messages(2)), Bell::task(), Bell::task());
        let mut rings = Rings::new();
        assert_eq!(pop(&mut receiver, &mut rings), "Empty");
        assert!(receiver.sleep());
        sender.push("a".into());
        sender.publish(&mut rings);
        assert_eq!(rings.len(), 1);
        sender.push("b".into());
        sender.publish(&mut rings);
        assert_eq!(rings.len(), 1, "an awake reader is not rung for");
        assert!(!sender.has_room());
        sender.set_linger(Some(Duration::from_secs(1)));
        drop(sender);
        assert!(!receiver.sleep());
        assert_eq!(receiver.linger(), Some(Duration::from_secs(1)));
        assert_eq!(pop(&mut receiver, &mut rings), "a");
        assert_eq!(pop(&mut receiver, &mut rings), "b");
        assert_eq!(pop(&mut receiver, &mut rings), "Closed");
    }

    #[test]
    fn only_the_newest_is_kept_where_older_ones_are_not_wanted() {
        let (mut sender, mut receiver) = pipe(Keep::Newest, Bell::task(), Bell::task());
        let mut rings = Rings::new();
        for round in 0..3 {
            sender.push_notice(Notice::Subscribe(Bytes::from_static(b"s")));
            for newest in 0..5000 {
                assert!(sender.has_room());
                sender.push(format!("{round} {newest}").into());
                sender.publish(&mut rings);
            }
            assert_eq!(pop(&mut receiver, &mut rings), "Notice(Subscribe(b\"s\"))");
            assert_eq!(pop(&mut receiver, &mut rings), format!("{round} 4999"));
            assert_eq!(pop(&mut receiver, &mut rings), "Empty");
        }
    }

    #[test]
    fn two_shares_are_not_changed_at_a_time() {
        let (sender, _receiver) = pipe(Keep::All(Hwm::messages(2)), Bell::task(), Bell::task());
        sender.share(Hwm::messages(1), Hwm::messages(1));
        let link = &sender.link;
        let is_set = link.set_limit(End::Writer, Hwm::messages(4), |limit| {
            assert!(link.shares.try_lock().is_none());
            limit == Hwm::messages(5)
        });
        assert!(is_set);
        assert!(link.set_limit(End::Reader, Hwm::messages(2), |limit| limit
            == Hwm::messages(6)));
    }

    #[test]
    fn a_writer_whose_reader_is_gone_does_not_wait() {
        let (mut sender, receiver) = pipe(Keep::All(Hwm::messages(1)), Bell::task(), Bell::task());
        sender.push("a".into());
        assert!(sender.wait());
        drop(receiver);
        assert!(sender.is_closed());
        assert!(!sender.wait());
    }
}
