//! Waits for a socket, which all its operations are made of.

use crate::cell::Cell;
use crate::core::{Core, Nothing, Refusal};
use crate::error::{ReceiveError, SendError, SendRefusal};
use crate::gate::Interest;
use crate::message::Message;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A wait for a socket. Dropping it ends the wait, with nothing done.
pub(crate) struct Wait<'a, F> {
    cell: &'a Cell,
    interest: Interest,
    key: Option<u64>,
    attempt: F,
}

impl<'a, R, F: FnMut(&mut Core) -> Option<R>> Wait<'a, F> {
    pub(crate) const fn new(cell: &'a Cell, interest: Interest, attempt: F) -> Self {
        Self {
            cell,
            interest,
            key: None,
            attempt,
        }
    }
}

impl<F> Unpin for Wait<'_, F> {}

impl<R, F: FnMut(&mut Core) -> Option<R>> Future for Wait<'_, F> {
    type Output = R;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        this.cell
            .poll(this.interest, &mut this.key, cx.waker(), &mut this.attempt)
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.cell.hub.gate.forget(self.interest, key);
        }
    }
}

/// Sends a message that is handed over in its place: it is taken out when it is sent.
#[inline]
fn attempt_send(core: &mut Core, place: &mut Option<Message>) -> Option<Result<(), SendError>> {
    let message = place.take()?;
    if core.is_closed() {
        let reason = SendRefusal::Closed;
        return Some(Err(SendError { reason, message }));
    }
    let (refusal, message) = match core.send(message) {
        Ok(()) => return Some(Ok(())),
        Err(refused) => refused,
    };
    let reason = SendRefusal::from(refusal);
    if reason == SendRefusal::Full {
        *place = Some(message);
        return None;
    }
    Some(Err(SendError { reason, message }))
}

impl From<Refusal> for SendRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Full => Self::Full,
            Refusal::Unroutable => Self::Unroutable,
            Refusal::OutOfTurn => Self::OutOfTurn,
            Refusal::Frames => Self::ManyFrames,
            Refusal::Malformed => Self::LongGroup,
        }
    }
}

#[inline]
pub(crate) fn attempt_receive(core: &mut Core) -> Option<Result<Message, ReceiveError>> {
    match core.receive() {
        Ok(message) => Some(Ok(message)),
        Err(_) if core.is_closed() => Some(Err(ReceiveError::Closed)),
        Err(Nothing::OutOfTurn) => Some(Err(ReceiveError::OutOfTurn)),
        Err(Nothing::Yet) => None,
    }
}

/// The waits that the types of sockets are made of.
impl Cell {
    pub(crate) fn sending(
        &self,
        message: Message,
    ) -> impl Future<Output = Result<(), SendError>> + Unpin + '_ {
        let mut place = Some(message);
        Wait::new(self, Interest::Send, move |core| {
            attempt_send(core, &mut place)
        })
    }

    /// As [`Self::sending`]; a message that is not sent stays in its place.
    pub(crate) fn sending_from<'a>(
        &'a self,
        place: &'a mut Option<Message>,
    ) -> impl Future<Output = Result<(), SendError>> + Unpin + 'a {
        Wait::new(self, Interest::Send, move |core| attempt_send(core, place))
    }

    #[inline]
    pub(crate) fn try_sending(&self, message: Message) -> Result<(), SendError> {
        let mut place = Some(message);
        let result = self.with(|core| attempt_send(core, &mut place));
        result.unwrap_or_else(|| {
            let reason = SendRefusal::Full;
            let message = place.unwrap_or_default();
            Err(SendError { reason, message })
        })
    }

    pub(crate) fn receiving(
        &self,
    ) -> impl Future<Output = Result<Message, ReceiveError>> + Unpin + '_ {
        Wait::new(self, Interest::Receive, attempt_receive)
    }

    #[inline]
    pub(crate) fn try_receiving(&self) -> Result<Message, ReceiveError> {
        self.with(attempt_receive)
            .unwrap_or(Err(ReceiveError::Empty))
    }

    pub(crate) fn changing<R>(
        &self,
        attempt: impl FnMut(&mut Core) -> Option<R>,
    ) -> impl Future<Output = R> + Unpin {
        Wait::new(self, Interest::Change, attempt)
    }
}
