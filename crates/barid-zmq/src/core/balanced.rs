//! DEALER, PUSH, PULL, CLIENT, SCATTER, GATHER: out in turn, in fairly.

use super::links::Links;
use super::{Refusal, Rules, refuse};
use crate::message::Message;
use crate::peers::PeerId;
use crate::pipe::Item;
use zmtp::SocketType;

pub(super) struct Balanced {
    socket_type: SocketType,
}

impl Balanced {
    pub(super) const fn new(socket_type: SocketType) -> Self {
        Self { socket_type }
    }
}

impl Rules for Balanced {
    fn take(&mut self, links: &mut Links, _peer: PeerId, item: Item) -> Option<Message> {
        match item {
            Item::Message(message) if !self.takes_at_once() => Some(message),
            Item::Message(_) => {
                links.counters.dropped_receives += 1;
                None
            }
            Item::Newest
            | Item::Subscribe(_)
            | Item::Cancel(_)
            | Item::Join(_)
            | Item::Leave(_)
            | Item::Opened(_) => None,
        }
    }

    /// What peers send to a type that does not receive is nothing that anybody waits for.
    fn takes_at_once(&self) -> bool {
        matches!(self.socket_type, SocketType::Push | SocketType::Scatter)
    }

    #[inline]
    fn send(&mut self, links: &mut Links, message: Message) -> Result<(), (Refusal, Message)> {
        if self.socket_type.is_thread_safe() && message.len() > 1 {
            return Err((Refusal::Frames, message));
        }
        match links.send_in_turn(message) {
            Ok(_) => Ok(()),
            Err(message) => refuse(links, message),
        }
    }
}
