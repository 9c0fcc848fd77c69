//! Bytes on their way to a peer.

use bytes::{Buf, BytesMut};
use model::Message;
use std::collections::VecDeque;
use std::io::IoSlice;

/// A body of at least this many bytes is chained by reference; a smaller one is copied, which is
/// cheaper than a slice of its own in the vectored write.
const CHAIN_BYTES_MIN: usize = 8 * 1024;

/// Bytes on their way to a peer: one reusable buffer, with large bodies chained into it by
/// reference, to be written vectored.
#[derive(Debug, Default)]
pub struct Wire {
    bytes: BytesMut,
    /// Bodies that go between two bytes of `bytes`, in order.
    chained: VecDeque<Chained>,
    /// Bytes taken from the front of `bytes` since the chain was last empty; `Chained::at` counts
    /// from the same start.
    advanced: usize,
    chained_bytes: usize,
}

#[derive(Debug)]
struct Chained {
    /// The place in `bytes` before which the body goes.
    at: usize,
    message: Message,
    sent: usize,
}

impl Wire {
    /// An empty wire, without a buffer.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The buffer's end, to be encoded into directly.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// Appends the body of a message: a small one is copied, a large one is shared.
    pub fn put_body(&mut self, message: &Message) {
        let body = message.body();
        if body.len() < CHAIN_BYTES_MIN {
            self.put(body);
            return;
        }
        self.chained_bytes += body.len();
        let at = self.advanced + self.bytes.len();
        self.chained.push_back(Chained {
            at,
            message: message.clone(),
            sent: 0,
        });
    }

    /// The number of bytes not yet taken by [`advance`](Self::advance).
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() + self.chained_bytes
    }

    /// Whether there is nothing to send.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Fills `slices` with the next bytes to send and returns how many slices it filled.
    pub fn io_slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        let mut at = 0;
        let mut push = |slice: &'a [u8]| {
            if slice.is_empty() {
                return true;
            }
            let Some(place) = slices.get_mut(filled) else {
                return false;
            };
            *place = IoSlice::new(slice);
            filled += 1;
            true
        };
        for chained in &self.chained {
            let until = chained.at - self.advanced;
            if !push(&self.bytes[at..until]) || !push(&chained.message.body()[chained.sent..]) {
                return filled;
            }
            at = until;
        }
        push(&self.bytes[at..]);
        filled
    }

    /// Takes the first `count` bytes away: they have been sent.
    pub fn advance(&mut self, mut count: usize) {
        while count > 0 {
            let plain = self
                .chained
                .front()
                .map_or(self.bytes.len(), |c| c.at - self.advanced);
            let step = plain.min(count);
            self.bytes.advance(step);
            self.advanced += step;
            count -= step;
            if count == 0 {
                break;
            }
            let Some(chained) = self.chained.front_mut() else {
                break;
            };
            let step = (chained.message.body().len() - chained.sent).min(count);
            chained.sent += step;
            self.chained_bytes -= step;
            count -= step;
            if chained.sent == chained.message.body().len() {
                self.chained.pop_front();
            }
        }
        if self.chained.is_empty() {
            self.advanced = 0;
        }
    }

    /// All bytes in one piece, leaving nothing: for tests and small answers.
    pub fn take(&mut self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.len());
        while !self.is_empty() {
            let mut slices = [IoSlice::new(&[]); 16];
            let filled = self.io_slices(&mut slices);
            let before = all.len();
            slices[..filled]
                .iter()
                .for_each(|slice| all.extend_from_slice(slice));
            let count = all.len() - before;
            self.advance(count);
        }
        all
    }
}
