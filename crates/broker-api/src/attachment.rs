//! What the driver of a connection holds of the broker.

use crate::{Event, Refusal, Submission};
use model::Instant;
use std::net::IpAddr;
use std::task::{Context, Poll};

/// The other end of a transport, as the listener saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
}

/// The broker's side of one connection: commands in, events out.
///
/// A driver owns it together with the connection's [`Session`](crate::Session) and calls it from one
/// task. No method blocks.
pub trait Attachment: Send {
    /// Carries out commands, in order, and leaves the list empty but not its memory. Always admits
    /// them: a driver asks
    /// [`poll_admission`](Self::poll_admission) before it reads what could make more.
    fn submit(&mut self, now: Instant, submissions: &mut Vec<Submission>);

    /// Whether the driver may read more from its peer. Pending while the connection's publishes wait
    /// for room, or too many answers for [`poll_events`](Self::poll_events): then reading stops, and the
    /// waker is called when it may go on. Must be asked again when [`deadline`](Self::deadline) has passed.
    fn poll_admission(&mut self, now: Instant, cx: &mut Context<'_>) -> Poll<()>;

    /// Hands events to `handle` until about `bytes_max` bytes of messages have been handed over or
    /// there are none. Ready if at least one was; pending, with the waker kept, if none.
    fn poll_events(
        &mut self,
        now: Instant,
        cx: &mut Context<'_>,
        bytes_max: usize,
        handle: &mut dyn FnMut(Event),
    ) -> Poll<()>;

    /// Ready when the broker wants the connection ended, whatever waits to be sent on it: the driver
    /// tells the session and sends what it can within its linger. Pending, with the waker kept, else.
    /// To be asked while [`poll_events`](Self::poll_events) is not.
    fn poll_disconnect(&mut self, cx: &mut Context<'_>) -> Poll<Refusal>;

    /// All that was made of the events handed over so far has been taken by the transport: presettled
    /// deliveries count as accepted, and their bytes no longer count against the budget. May come when
    /// there was nothing to take; never comes after [`close`](Self::close).
    fn handle_sent(&mut self, now: Instant);

    /// When the attachment wants to be polled again even if nobody wakes it.
    fn deadline(&self) -> Option<Instant>;

    /// The transport ended: subscriptions end, what they hold is released.
    fn close(&mut self, now: Instant);
}
