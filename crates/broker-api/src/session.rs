//! One client conversation as a pure state machine.

use crate::{Event, Out};
use bytes::BytesMut;
use model::Instant;

/// One transport's protocol as a pure state machine: bytes and events in, bytes and commands out.
///
/// The methods are of three kinds. *Input*: `handle_*`. *Output*: what they put into `out`. *Getter*:
/// [`deadline`](Self::deadline). A driver repeats: call one `handle_*`, take all of `out`, look at
/// `deadline` again.
///
/// Invariants that every implementation keeps:
/// - **Any split of the input gives the same output.** What is incomplete stays in `input`.
/// - **`handle_*` cannot fail.** When the peer breaks the protocol, the session writes the
///   protocol's own closing frame and then asks `out` to close.
/// - **Memory is bounded** by the session's limits, whatever the peer sends: a length is checked
///   against its limit before anything is allocated or waited for.
/// - After [`Out::barrier`] the session reads no further input until it has handled the answer and
///   called [`Out::release_barrier`]; the driver then offers the same leftover again.
/// - No clock, no random, no task, no socket.
pub trait Session: Send {
    /// Parses what is whole in `input` and removes it; leaves the rest.
    fn handle_input(&mut self, now: Instant, input: &mut BytesMut, out: &mut Out);

    /// Takes an answer or a delivery of the broker.
    fn handle_event(&mut self, now: Instant, event: Event, out: &mut Out);

    /// Called when [`deadline`](Self::deadline) has passed.
    fn handle_deadline(&mut self, now: Instant, out: &mut Out);

    /// Until now, the driver has not been reading, for reasons of the broker's: the peer's silence
    /// says nothing of the peer. Called before `handle_deadline` while that lasts.
    fn handle_paused(&mut self, _now: Instant) {}

    /// The transport ended, or the broker is about to end it; the last call there is. What is written
    /// to `out` may still be sent; commands are still carried out. Not called when the session itself
    /// asked to close: then it has already said what there is to say.
    fn handle_close(&mut self, now: Instant, out: &mut Out);

    /// When `handle_deadline` wants to be called, if at all.
    fn deadline(&self) -> Option<Instant>;

    /// What the session keeps, in bytes, for answers that its peer waits for: a driver stops reading
    /// when this grows large.
    fn unanswered_bytes(&self) -> usize {
        0
    }

    /// What the session keeps of a message that is not whole, in bytes: what it has taken out of the input and has not
    /// made a command of. A driver counts it as if it were in the input still.
    fn gathered_bytes(&self) -> usize {
        0
    }

    /// How many bytes the session expects to complete what is in the input, beyond what is there:
    /// a hint for reading large frames in large pieces. 0 if it cannot tell.
    fn missing_bytes(&self) -> usize {
        0
    }
}
