//! The messages of a run: rendered with their destination and stamp, sent by the publishers in turn.

use std::ops::Range;

use anyhow::{Context as _, Result};

use super::{BODY_BYTES, setup::destination, shape::Shape};
use crate::{
    connection::{Connection, Written},
    stamp::{self, DIGITS, blank_body, encode_digits},
    wire::{Template, Wire},
};

/// Digits of a destination's number.
const NUMBER_DIGITS: usize = 5;

/// Rendered before a write, at most.
const TURN_BYTES: usize = 256 * 1024;

/// All that publish.
pub(super) struct Publishers {
    shape: Shape,
    frame: Template,
    /// Where the digits of the destination stand.
    number_at: usize,
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
        let destination = destination(shape.target(), 0);
        let body = blank_body(BODY_BYTES);
        let frame = Wire::Stomp.template(&destination, &body, shape.safety());
        let name = destination.as_bytes();
        let at = frame
            .bytes
            .windows(name.len())
            .position(|part| part == name);
        let number_at = at.context("the frame names its destination")? + name.len() - NUMBER_DIGITS;
        Ok(Self {
            shape,
            frame,
            number_at,
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
        let mut number = self.shape.destination_of(self.sent);
        for place in frame[self.number_at..][..NUMBER_DIGITS].iter_mut().rev() {
            *place = b"0123456789"[(number % 10) as usize];
            number /= 10;
        }
        let sequence = encode_digits(self.sent);
        frame[self.frame.body_at + stamp::SEQUENCE_AT..][..DIGITS].copy_from_slice(&sequence);
        if let Some(at) = self.frame.receipt_at {
            frame[at..][..DIGITS].copy_from_slice(&sequence);
        }
    }
}
