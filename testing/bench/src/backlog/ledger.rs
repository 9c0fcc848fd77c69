//! What was sent and what came back: the proof that nothing is lost, mixed up, or delivered twice.

use std::fmt;

use super::body::Identity;

/// All messages of a run.
pub(super) struct Ledger {
    queues: Vec<Queue>,
    /// Messages sent.
    sent: u64,
    /// Messages that are settled: they are not to come again.
    settled: u64,
    /// Deliveries of settled messages, each marked as redelivered: of acknowledgments that a broker was killed
    /// before it kept.
    again: u64,
}

/// The messages of one queue.
#[derive(Default)]
struct Queue {
    sent: u64,
    /// A bit per sequence, set once that is settled.
    settled: Vec<u64>,
    /// Bits set.
    settled_count: u64,
    /// No sequence below is without its bit.
    settled_below: u64,
    /// One more than the last sequence that came to the present consumer and was not marked as redelivered.
    next: u64,
}

/// What is wrong with a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The body is none that was sent.
    Strange,
    /// It was settled before, and is not marked as redelivered.
    Twice(Identity),
    /// A later message of its queue, or it itself, came before to the same consumer, and it is not marked as
    /// redelivered.
    Misplaced(Identity),
}

impl std::error::Error for Fault {}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, what) = match self {
            Self::Strange => return out.write_str("a body came that nobody has sent"),
            Self::Twice(message) => (message, "came again after it was settled"),
            Self::Misplaced(message) => (message, "came after a later one"),
        };
        let Identity { queue, sequence } = message;
        write!(
            out,
            "message {sequence} of queue {queue} {what}, not marked as redelivered"
        )
    }
}

impl Ledger {
    /// A ledger of so many queues, all empty.
    pub(super) fn new(queues: usize) -> Self {
        Self {
            queues: std::iter::repeat_with(Queue::default)
                .take(queues)
                .collect(),
            sent: 0,
            settled: 0,
            again: 0,
        }
    }

    /// The next message of `queue`, which counts as sent from here on.
    #[inline]
    pub(super) fn send(&mut self, queue: u32) -> Identity {
        let own = &mut self.queues[queue as usize];
        let sequence = own.sent;
        own.sent += 1;
        if sequence.is_multiple_of(64) {
            own.settled.push(0);
        }
        self.sent += 1;
        Identity { queue, sequence }
    }

    /// Has every queue begin again with whatever is first in it: there are other consumers.
    pub(super) fn begin_pass(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.next = 0);
    }

    /// Checks a delivery to the only consumer of its queue. It is not settled by that.
    ///
    /// # Errors
    /// If it should not have come, or not now.
    #[inline]
    pub(super) fn receive(&mut self, body: &[u8], is_redelivered: bool) -> Result<Identity, Fault> {
        let identity = self.receive_shared(body, is_redelivered)?;
        let next = &mut self.queues[identity.queue as usize].next;
        check_order(identity, is_redelivered, next)?;
        Ok(identity)
    }

    /// As [`Self::receive`], where a queue has several consumers, so that the order in which they are read
    /// is not that of the queue.
    ///
    /// # Errors
    /// If it should not have come.
    #[inline]
    pub(super) fn receive_shared(
        &mut self,
        body: &[u8],
        is_redelivered: bool,
    ) -> Result<Identity, Fault> {
        let identity = Identity::read(body).ok_or(Fault::Strange)?;
        let queue = self.queues.get_mut(identity.queue as usize);
        let queue = queue
            .filter(|queue| identity.sequence < queue.sent)
            .ok_or(Fault::Strange)?;
        if is_redelivered {
            self.again += u64::from(queue.is_settled(identity.sequence));
            return Ok(identity);
        }
        if queue.is_settled(identity.sequence) {
            return Err(Fault::Twice(identity));
        }
        Ok(identity)
    }

    /// Takes note that a message is settled. Once more changes nothing.
    #[inline]
    pub(super) fn settle(&mut self, identity: Identity) {
        let queue = &mut self.queues[identity.queue as usize];
        let (word, bit) = place(identity.sequence);
        let is_first = u64::from(!queue.is_settled(identity.sequence));
        self.settled += is_first;
        queue.settled_count += is_first;
        queue.settled[word] |= bit;
    }

    /// Messages sent and not settled.
    pub(super) fn waiting(&self) -> u64 {
        self.sent - self.settled
    }

    /// Those of one queue that were sent and are not settled.
    pub(super) fn waiting_in(&self, queue: u32) -> u64 {
        let queue = &self.queues[queue as usize];
        queue.sent - queue.settled_count
    }

    /// Messages settled.
    pub(super) fn settled(&self) -> u64 {
        self.settled
    }

    /// Deliveries of settled messages, each marked as redelivered.
    pub(super) fn again(&self) -> u64 {
        self.again
    }

    /// The first message of a queue that is not settled.
    pub(super) fn first_waiting(&mut self, queue: u32) -> Option<Identity> {
        let own = &mut self.queues[queue as usize];
        while own.settled_below < own.sent && own.is_settled(own.settled_below) {
            own.settled_below += 1;
        }
        let sequence = own.settled_below;
        (sequence < own.sent).then_some(Identity { queue, sequence })
    }

    /// Whether a message is settled.
    pub(super) fn is_settled(&self, identity: Identity) -> bool {
        self.queues[identity.queue as usize].is_settled(identity.sequence)
    }

    /// Messages that are not settled, the first of them in words; for the report of a loss.
    pub(super) fn describe_waiting(&mut self) -> String {
        let queues = 0..u32::try_from(self.queues.len()).unwrap_or(u32::MAX);
        let first = queues.filter_map(|queue| self.first_waiting(queue)).next();
        let waiting = self.waiting();
        first.map_or("none".to_owned(), |Identity { queue, sequence }| {
            format!("{waiting}, the first of them message {sequence} of queue {queue}")
        })
    }
}

impl Queue {
    #[inline]
    fn is_settled(&self, sequence: u64) -> bool {
        let (word, bit) = place(sequence);
        self.settled[word] & bit != 0
    }
}

/// Checks that a delivery to a consumer of its queue is not before `next`, unless it is marked as redelivered,
/// and moves that.
///
/// # Errors
/// If it is.
#[inline]
pub(super) fn check_order(
    identity: Identity,
    is_redelivered: bool,
    next: &mut u64,
) -> Result<(), Fault> {
    if is_redelivered {
        return Ok(());
    }
    if identity.sequence < *next {
        return Err(Fault::Misplaced(identity));
    }
    *next = identity.sequence + 1;
    Ok(())
}

/// The word of a sequence's bit, and the bit in it.
#[inline]
fn place(sequence: u64) -> (usize, u64) {
    ((sequence / 64) as usize, 1 << (sequence % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: bool = false;
    const AGAIN: bool = true;

    fn body(queue: u32, sequence: u64) -> [u8; 40] {
        let mut body = [0; 40];
        Identity { queue, sequence }.write(&mut body);
        body
    }

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(2);
        for (queue, count) in [(0, 100), (1, 3)] {
            for sequence in 0..count {
                assert_eq!(ledger.send(queue), Identity { queue, sequence });
            }
        }
        ledger
    }

    #[test]
    fn all_is_well_once_everything_came_in_order() {
        let mut ledger = ledger();
        for sequence in 0..100 {
            assert_eq!(ledger.first_waiting(0).unwrap().sequence, sequence);
            let identity = ledger.receive(&body(0, sequence), FIRST).unwrap();
            ledger.settle(identity);
        }
        assert_eq!(ledger.first_waiting(0), None);
        assert_eq!((ledger.waiting(), ledger.waiting_in(1)), (3, 3));
        assert_eq!(
            ledger.describe_waiting(),
            "3, the first of them message 0 of queue 1"
        );
        for sequence in 0..3 {
            let identity = ledger.receive(&body(1, sequence), FIRST).unwrap();
            ledger.settle(identity);
            ledger.settle(identity);
        }
        assert_eq!((ledger.waiting(), ledger.again()), (0, 0));
        assert_eq!(ledger.describe_waiting(), "none");
    }

    #[test]
    fn a_settled_message_may_only_come_again_marked() {
        let mut ledger = ledger();
        let one = ledger.receive(&body(0, 0), FIRST).unwrap();
        ledger.settle(one);
        ledger.begin_pass();
        assert_eq!(ledger.receive(&body(0, 0), FIRST), Err(Fault::Twice(one)));
        assert_eq!(ledger.receive(&body(0, 0), AGAIN), Ok(one));
        ledger.settle(one);
        assert_eq!((ledger.again(), ledger.waiting()), (1, 102));
    }

    #[test]
    fn order_is_per_queue_and_consumer_and_redelivery_is_exempt() {
        let mut ledger = ledger();
        ledger.receive(&body(0, 9), FIRST).unwrap();
        ledger.receive(&body(1, 2), FIRST).unwrap();
        let early = ledger.receive(&body(0, 8), AGAIN).unwrap();
        for (sequence, misplaced) in [
            (8, early),
            (
                9,
                Identity {
                    sequence: 9,
                    ..early
                },
            ),
        ] {
            let fault = ledger.receive(&body(0, sequence), FIRST);
            assert_eq!(fault, Err(Fault::Misplaced(misplaced)));
        }
        ledger.begin_pass();
        assert_eq!(ledger.receive(&body(0, 8), FIRST), Ok(early));
        assert_eq!(ledger.receive_shared(&body(0, 8), FIRST), Ok(early));
    }

    #[test]
    fn what_nobody_sent_is_strange() {
        let mut ledger = ledger();
        for body in [body(0, 100), body(1, 3), body(2, 0), [7; 40]] {
            assert_eq!(ledger.receive(&body, AGAIN), Err(Fault::Strange));
        }
    }
}
