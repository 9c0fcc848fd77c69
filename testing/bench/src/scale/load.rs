//! The messages of a run: rendered with their destination and stamp, sent by the publishers in turn.

use std::ops::Range;

use anyhow::{Result, ensure};

use super::{
    BODY_BYTES,
    names::{NINES, Topic, places, topic},
    setup::wire,
    shape::Shape,
};
use crate::{
    connection::{Connection, Written},
    stamp::{self, DIGITS, blank_body, encode_digits},
    wire::Template,
};

/// Rendered before a write, at most.
const TURN_BYTES: usize = 256 * 1024;

/// All that publish.
pub(super) struct Publishers {
    shape: Shape,
    frame: Template,
    /// Where the digits of the destination stand, and those of what its name leaves open.
    number_at: Vec<usize>,
    open_at: Vec<usize>,
    /// Where the publishers are among the connections.
    range: Range<usize>,
    /// Whose turn it is.
    turn: usize,
    /// Messages rendered; the next sequence.
    pub(super) sent: u64,
    /// The sum of the sequences of all deliveries that are to come of them.
    pub(super) sequence_sum: u64,
    /// Connections whose sockets have not taken all, in ascending order.
    pub(super) blocked: Vec<usize>,
}

impl Publishers {
    /// Those in `range`, before their first message.
    ///
    /// # Errors
    /// If the frame has no place for what changes.
    pub(super) fn new(shape: Shape, range: Range<usize>) -> Result<Self> {
        let body = blank_body(BODY_BYTES);
        let render = |destination, open| {
            let topic = topic(shape, &Topic { destination, open });
            wire(shape).template(&topic, &body, shape.safety())
        };
        let frame = render(0, 0);
        let number_at = places(&frame.bytes, &render(NINES, 0).bytes);
        let open_at = places(&frame.bytes, &render(0, NINES).bytes);
        ensure!(!number_at.is_empty(), "the frame names no destination");
        Ok(Self {
            shape,
            frame,
            number_at,
            open_at,
            turn: range.start,
            range,
            sent: 0,
            sequence_sum: 0,
            blocked: Vec::new(),
        })
    }

    /// Sends at most `count` messages, fewer if a socket does not take them. Gives the bytes rendered.
    ///
    /// # Errors
    /// If a connection ends.
    pub(super) fn publish(&mut self, connections: &mut [Connection], count: u64) -> Result<usize> {
        if !self.blocked.is_empty() {
            return Ok(0);
        }
        let frame_bytes = self.frame.bytes.len();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let count = count.min(TURN_BYTES / frame_bytes);
        let first = self.turn;
        for _ in 0..count {
            let bytes = connections[self.turn].output();
            let at = bytes.len();
            bytes.extend_from_slice(&self.frame.bytes);
            self.patch(at, connections[self.turn].output());
            self.sequence_sum += self.sent * self.shape.deliveries_per_message();
            self.sent += 1;
            self.turn += 1;
            if self.turn == self.range.end {
                self.turn = self.range.start;
            }
        }
        let used = count.min(self.range.len());
        let around = (first..self.range.end).chain(self.range.start..first);
        for index in around.take(used) {
            if connections[index].flush()? == Written::Blocked {
                self.blocked.push(index);
            }
        }
        self.blocked.sort_unstable();
        Ok(count * frame_bytes)
    }

    /// Writes what makes a frame this message's.
    fn patch(&self, at: usize, bytes: &mut [u8]) {
        let frame = &mut bytes[at..];
        put_number(frame, &self.number_at, self.shape.destination_of(self.sent));
        put_number(frame, &self.open_at, self.sent);
        let sequence = encode_digits(self.sent);
        frame[self.frame.body_at + stamp::SEQUENCE_AT..][..DIGITS].copy_from_slice(&sequence);
        self.frame.patch_receipt(frame, self.sent);
    }
}

/// Writes the last decimal digits of a number, as many as there are places.
fn put_number(frame: &mut [u8], places: &[usize], mut number: u64) {
    for place in places.iter().rev() {
        frame[*place] = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}
