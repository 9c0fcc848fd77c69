//! DEALER, PUSH, PULL, CLIENT, SCATTER, GATHER: out in turn, in fairly.

use super::links::Links;
use super::{Refusal, Rules, refuse};
use crate::message::Message;
use crate::peers::PeerId;
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
    #[inline]
    fn take(&mut self, links: &mut Links, _peer: PeerId, _message: &mut Message) -> bool {
        if self.takes_at_once() {
            links.counters.dropped_receives += 1;
            return false;
        }
        true
    }

    /// What peers send to a type that does not receive is nothing that anybody waits for.
    fn takes_at_once(&self) -> bool {
        matches!(self.socket_type, SocketType::Push | SocketType::Scatter)
    }

    #[inline]
    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        if self.socket_type.is_thread_safe() && message.len() > 1 {
            return Err(Refusal::Frames);
        }
        let Some(peer) = links.take_turn() else {
            return refuse(links);
        };
        links.write(peer, std::mem::take(message));
        Ok(())
    }
}
