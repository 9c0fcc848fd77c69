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

/// Tries to send a message; one that is not sent stays in its place.
#[inline]
fn attempt_send(core: &mut Core, message: &mut Message) -> Option<Result<(), SendRefusal>> {
    if core.is_closed() {
        return Some(Err(SendRefusal::Closed));
    }
    let refusal = match core.send(message) {
        Ok(()) => return Some(Ok(())),
        Err(refusal) => refusal,
    };
    let refusal = SendRefusal::from(refusal);
    (refusal != SendRefusal::Full).then_some(Err(refusal))
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

/// Tries to receive a message, which takes the place of what was in `place`.
#[inline]
pub(crate) fn attempt_receive(
    core: &mut Core,
    place: &mut Message,
) -> Option<Result<(), ReceiveError>> {
    match core.receive(place) {
        Ok(()) => Some(Ok(())),
        Err(_) if core.is_closed() => Some(Err(ReceiveError::Closed)),
        Err(Nothing::OutOfTurn) => Some(Err(ReceiveError::OutOfTurn)),
        Err(Nothing::Yet) => None,
    }
}

/// The waits that the types of sockets are made of.
impl Cell {
    pub(crate) fn sending(
        &self,
        mut message: Message,
    ) -> impl Future<Output = Result<(), SendError>> + Unpin + '_ {
        Wait::new(self, Interest::Send, move |core| {
            let result = attempt_send(core, &mut message)?;
            Some(result.map_err(|reason| {
                let message = std::mem::take(&mut message);
                SendError { reason, message }
            }))
        })
    }

    /// As [`Self::sending`]; a message that is not sent stays in its place.
    pub(crate) fn sending_from<'a>(
        &'a self,
        message: &'a mut Message,
    ) -> impl Future<Output = Result<(), SendRefusal>> + Unpin + 'a {
        Wait::new(self, Interest::Send, |core| attempt_send(core, message))
    }

    /// Tries once; none if there is no room. A message that is not sent stays in its place.
    #[inline]
    pub(crate) fn try_sending_from(
        &self,
        message: &mut Message,
    ) -> Option<Result<(), SendRefusal>> {
        self.with(|core| attempt_send(core, message))
    }

    pub(crate) fn try_sending(&self, mut message: Message) -> Result<(), SendError> {
        let result = self.try_sending_from(&mut message);
        let result = result.unwrap_or(Err(SendRefusal::Full));
        result.map_err(|reason| SendError { reason, message })
    }

    pub(crate) fn receiving(
        &self,
    ) -> impl Future<Output = Result<Message, ReceiveError>> + Unpin + '_ {
        Wait::new(self, Interest::Receive, |core| {
            let mut message = Message::new();
            let result = attempt_receive(core, &mut message)?;
            Some(result.map(|()| message))
        })
    }

    #[inline]
    pub(crate) fn try_receiving(&self) -> Result<Message, ReceiveError> {
        let mut message = Message::new();
        let result = self.with(|core| attempt_receive(core, &mut message));
        result.unwrap_or(Err(ReceiveError::Empty)).map(|()| message)
    }

    pub(crate) fn changing<R>(
        &self,
        attempt: impl FnMut(&mut Core) -> Option<R>,
    ) -> impl Future<Output = R> + Unpin {
        Wait::new(self, Interest::Change, attempt)
    }
}
