//! The sending side: one frame rendered many times over in a buffer, patched and written in bulk.

use anyhow::{Context as _, Result, ensure};

use crate::{
    connection::{Connection, Written, write_from},
    measure::Latencies,
    outstanding::Outstanding,
    stamp::{Form, Stamp},
    wire::{Frame, Receipted, Template},
};

/// Size of the buffer of rendered frames: what one write hands to the kernel.
const BATCH_BYTES: usize = 256 * 1024;

/// Most frames per batch, so that their send time is told apart often enough.
const BATCH_FRAMES_MAX: usize = 512;

/// A connection that publishes.
pub(crate) struct Publisher {
    /// Its connection.
    pub(crate) connection: Connection,
    number: u16,
    stamp: Form,
    /// As many copies of the frame as a batch holds.
    batch: Vec<u8>,
    frame: Template,
    /// Bytes of the batch that are rendered, and how many of them are written.
    rendered: usize,
    written: usize,
    /// Messages rendered so far; the next sequence.
    pub(crate) sent: u64,
    /// Receipts that came.
    pub(crate) confirmed: u64,
    /// The messages whose receipt is missing.
    outstanding: Outstanding,
}

impl Publisher {
    /// Publisher `number` of `frame`, whose bodies begin with a `stamp`.
    pub(crate) fn new(connection: Connection, number: u16, frame: Template, stamp: Form) -> Self {
        let frames = (BATCH_BYTES / frame.bytes.len()).clamp(1, BATCH_FRAMES_MAX);
        Self {
            connection,
            number,
            stamp,
            batch: frame.bytes.repeat(frames),
            frame,
            rendered: 0,
            written: 0,
            sent: 0,
            confirmed: 0,
            outstanding: Outstanding::default(),
        }
    }

    /// Whether the socket still holds back a part of what was rendered, or of answers.
    #[inline]
    pub(crate) fn is_blocked(&self) -> bool {
        self.written < self.rendered || self.connection.has_output()
    }

    /// Goes on with a write that was cut short, and sends answers behind it.
    ///
    /// # Errors
    /// If the connection ends.
    #[inline]
    pub(crate) fn flush(&mut self) -> Result<Written> {
        let batch = write_from(
            &self.connection.stream,
            &self.batch[..self.rendered],
            &mut self.written,
        )?;
        match batch {
            Written::All => self.connection.flush(),
            Written::Blocked => Ok(Written::Blocked),
        }
    }

    /// Renders and sends one batch of at most `count` messages, `sent_at` giving each sequence its
    /// send time. Gives the number rendered. May only be called while not blocked.
    ///
    /// # Errors
    /// If the connection ends.
    pub(crate) fn publish(
        &mut self,
        count: u64,
        mut sent_at: impl FnMut(u64) -> u64,
    ) -> Result<u64> {
        ensure!(
            !self.is_blocked(),
            "a batch is rendered over one that is not written"
        );
        let frame_bytes = self.frame.bytes.len();
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let frames = count.min(self.batch.len() / frame_bytes);
        self.rendered = frames * frame_bytes;
        self.written = 0;
        for frame in self.batch[..self.rendered].chunks_exact_mut(frame_bytes) {
            let time = sent_at(self.sent);
            let stamp = Stamp {
                publisher: self.number,
                sequence: self.sent,
                sent_at: time,
            };
            self.stamp.patch(&mut frame[self.frame.body_at..], stamp);
            if self.frame.receipt.is_some() {
                self.frame.patch_receipt(frame, self.sent);
                self.outstanding.push(time);
            }
            self.sent += 1;
        }
        self.flush()?;
        Ok(frames as u64)
    }

    /// Bytes of one frame.
    #[inline]
    pub(crate) fn frame_bytes(&self) -> usize {
        self.frame.bytes.len()
    }

    /// Reads receipts that have come by `now`, and records the latency of those sent in `window`.
    /// Gives the bytes read.
    ///
    /// # Errors
    /// If the connection ends, or a receipt is none that was asked for.
    pub(crate) fn read_receipts(
        &mut self,
        scratch: &mut [u8],
        now: u64,
        window: &std::ops::Range<u64>,
        latencies: &mut Latencies,
    ) -> Result<usize> {
        let Self {
            connection,
            confirmed,
            sent,
            outstanding,
            ..
        } = self;
        let wire = connection.wire();
        let mut strange = false;
        let (count, _) = connection.read_frames(scratch, |input, frame, _| {
            let Frame::Receipt { id } = frame else { return };
            let count = |time| {
                *confirmed += 1;
                if window.contains(&time) {
                    latencies.record(now.saturating_sub(time));
                }
            };
            let taken = match wire.receipted(&input[id], *sent) {
                None => None,
                Some(Receipted::One(sequence)) => outstanding.take(sequence).map(count),
                Some(Receipted::UpTo(last)) => outstanding.take_up_to(last, count),
            };
            strange |= taken.is_none();
        })?;
        (!strange)
            .then_some(count)
            .context("a receipt came for a message that had none to come")
    }
}
