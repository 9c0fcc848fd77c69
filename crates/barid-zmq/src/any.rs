//! A socket whatever its type: what the C library sends and receives by.

use crate::cell::Cell;
use crate::error::{ReceiveError, SendRefusal};
use crate::gate::Interest;
use crate::message::Message;
use crate::properties::PeerProperties;
use crate::wait::attempt_receive;
use std::sync::Arc;

/// A handle to a socket that does not know its type. Whoever uses it does, and asks for nothing that the type has not.
///
/// Messages stay where they are: who sends and receives many has nothing to move.
#[derive(Clone)]
pub struct AnySocket(pub(crate) Arc<Cell>);

impl AnySocket {
    /// Sends a message if that is possible at once; one that is not sent stays in its place.
    ///
    /// # Errors
    /// [`SendRefusal`]
    #[inline]
    pub fn try_send_from(&self, message: &mut Message) -> Result<(), SendRefusal> {
        let result = self.0.try_sending_from(message);
        result.unwrap_or(Err(SendRefusal::Full))
    }

    /// Puts the next message in a place, if it is there, and what is known of its sender in another.
    ///
    /// # Errors
    /// [`ReceiveError`]
    #[inline]
    pub fn try_recv_into(
        &self,
        place: &mut Message,
        sender: &mut Option<Arc<PeerProperties>>,
    ) -> Result<(), ReceiveError> {
        let result = self.0.with(|core| {
            let result = attempt_receive(core, place);
            if matches!(result, Some(Ok(()))) {
                core.note_last_sender(sender);
            }
            result
        });
        result.unwrap_or(Err(ReceiveError::Empty))
    }

    /// Looks out for a moment for what may let a message be sent; false if there was nothing.
    #[must_use]
    pub fn look_out_for_room(&self) -> bool {
        self.0.look_out(Interest::Send)
    }

    /// As [`Self::look_out_for_room`], for a message.
    #[must_use]
    pub fn look_out_for_message(&self) -> bool {
        self.0.look_out(Interest::Receive)
    }
}

impl std::fmt::Debug for AnySocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnySocket").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Pull, Push};

    #[test]
    fn messages_stay_in_their_places() {
        let context = Context::new();
        let (push, pull) = (Push::new(&context), Pull::new(&context));
        let (out, into) = (push.any(), pull.any());
        let mut message = Message::from("one");
        assert_eq!(out.try_send_from(&mut message), Err(SendRefusal::Full));
        assert_eq!(message, Message::from("one"));
        pull.bind("inproc://any").unwrap();
        push.connect("inproc://any").unwrap();
        assert_eq!(out.try_send_from(&mut message), Ok(()));
        let (mut place, mut sender) = (Message::from("other"), None);
        assert_eq!(into.try_recv_into(&mut place, &mut sender), Ok(()));
        assert_eq!(place, Message::from("one"));
        assert!(sender.is_none(), "it is of this process");
        let nothing = into.try_recv_into(&mut place, &mut sender);
        assert_eq!(nothing, Err(ReceiveError::Empty));
    }
}
