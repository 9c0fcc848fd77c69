//! PAIR and CHANNEL: one peer, and no second one beside it.

use super::links::Links;
use super::{Refusal, Rules, refuse};
use crate::message::Message;
use crate::peers::PeerId;
use zmtp::SocketType;

pub(super) struct Paired {
    socket_type: SocketType,
    /// Whom messages go to. A former peer may still be read from.
    peer: Option<PeerId>,
}

impl Paired {
    pub(super) const fn new(socket_type: SocketType) -> Self {
        Self {
            socket_type,
            peer: None,
        }
    }

    /// Whether a peer may be let in: there is none, or only what it has left.
    pub(super) fn has_room(&self, links: &mut Links) -> bool {
        let peer = self.peer.and_then(|peer| links.peers.get_mut(peer));
        peer.is_none_or(|peer| peer.sender.is_closed())
    }
}

impl Rules for Paired {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        if let Some(former) = self.peer.replace(peer) {
            links.balance.remove(former);
        }
        links.balance.add(peer);
        links.fair.add(peer);
    }

    fn take(&mut self, _links: &mut Links, _peer: PeerId, _message: &mut Message) -> bool {
        true
    }

    fn ended(&mut self, _links: &mut Links, peer: PeerId) {
        if self.peer == Some(peer) {
            self.peer = None;
        }
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
