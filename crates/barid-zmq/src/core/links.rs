//! A socket's peers with what every type does with them.

use crate::message::Message;
use crate::options::{OnFull, Options};
use crate::peers::{Peer, PeerId, Peers};
use crate::pipe::{Item, Popped, Ring, Rings};
use crate::routing::Rotation;
use std::sync::Arc;

/// What a socket has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that were not sent to a peer: it had no room, or there was no such peer.
    pub dropped_sends: u64,
    /// Messages from peers that nobody is to have: replies that nobody waits for, topics that nobody has
    /// subscribed to, frames without an envelope.
    pub dropped_receives: u64,
}

/// The next thing from a peer whose turn it is.
pub(super) enum Next {
    Item(PeerId, Item),
    Ended(PeerId),
    Nothing,
}

pub(crate) struct Links {
    pub(super) peers: Peers,
    /// Those that are sent to in turn.
    pub(super) balance: Rotation,
    /// Those that are received from in turn.
    pub(super) fair: Rotation,
    pub(super) options: Arc<Options>,
    pub(super) on_full: OnFull,
    pub(super) rings: Rings,
    /// Peers that were let go; their ends of pipes ring bells when they are dropped.
    gone: Vec<Peer>,
    pub(super) counters: Counters,
}

/// What is to be done when the socket's lock is released.
#[must_use]
pub(crate) struct Afterwards {
    rings: Rings,
    gone: Vec<Peer>,
}

impl Afterwards {
    pub(crate) fn run(self) {
        self.rings.into_iter().for_each(Ring::ring);
        drop(self.gone);
    }
}

impl Links {
    pub(super) fn new(options: Arc<Options>, on_full: OnFull) -> Self {
        Self {
            peers: Peers::default(),
            balance: Rotation::default(),
            fair: Rotation::default(),
            options,
            on_full,
            rings: Rings::new(),
            gone: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Tells a peer's pipes which peer this is, so that they can signal.
    pub(super) fn number(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.sender.set_peer(id);
            peer.receiver.set_peer(id);
        }
    }

    pub(super) fn remove(&mut self, id: PeerId) {
        self.gone.extend(self.peers.remove(id));
    }

    #[inline]
    pub(super) fn afterwards(&mut self) -> Option<Afterwards> {
        if self.rings.is_empty() && self.gone.is_empty() {
            return None;
        }
        Some(Afterwards {
            rings: std::mem::take(&mut self.rings),
            gone: std::mem::take(&mut self.gone),
        })
    }

    /// Whether a peer will write no more.
    pub(super) fn is_silent(&mut self, id: PeerId) -> bool {
        self.peers
            .get_mut(id)
            .is_some_and(|peer| peer.receiver.is_closed())
    }

    /// Whether a peer will write no more, and all that it wrote is taken: it is forgotten, though the user does nothing.
    pub(super) fn is_spent(&mut self, id: PeerId) -> bool {
        let peer = self.peers.get_mut(id);
        peer.is_some_and(|peer| peer.receiver.is_closed() && peer.receiver.is_empty())
    }

    /// Whether a peer has gone, and will read no more.
    pub(super) fn is_deaf(&mut self, id: PeerId) -> bool {
        self.peers
            .get_mut(id)
            .is_none_or(|peer| peer.sender.is_closed())
    }

    /// Sends to a peer; false if it has no room, or is gone, and the message is dropped.
    #[inline]
    pub(super) fn send_or_drop(&mut self, id: PeerId, message: Message) -> bool {
        let peer = self
            .peers
            .get_mut(id)
            .filter(|peer| !peer.sender.is_closed());
        if let Some(peer) = peer
            && peer.sender.has_room()
        {
            peer.sender.push(Item::Message(message));
            peer.sender.publish(&mut self.rings);
            return true;
        }
        self.counters.dropped_sends += 1;
        false
    }

    #[inline]
    pub(super) fn pop(&mut self, id: PeerId) -> Popped {
        match self.peers.get_mut(id) {
            Some(peer) => peer.receiver.pop(&mut self.rings),
            None => Popped::Empty,
        }
    }

    /// Waits for a signal of a peer; false if something is there already.
    pub(super) fn sleep(&mut self, id: PeerId) -> bool {
        self.peers
            .get_mut(id)
            .is_none_or(|peer| peer.receiver.sleep())
    }

    /// The next item of the peers that have some, in turn.
    #[inline]
    pub(super) fn next(&mut self) -> Next {
        while let Some(id) = self.fair.turn() {
            match self.pop(id) {
                Popped::Item(item) => {
                    self.fair.advance();
                    return Next::Item(id, item);
                }
                Popped::Empty => {
                    if self.sleep(id) {
                        self.fair.pause(id);
                    }
                }
                Popped::Closed => return Next::Ended(id),
            }
        }
        Next::Nothing
    }

    /// Writes to a peer, whether it has room or not.
    #[inline]
    pub(super) fn write(&mut self, id: PeerId, item: Item) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.sender.push(item);
            peer.sender.publish(&mut self.rings);
        }
    }

    /// Whether a peer has room for a message. One that has none signals when it has.
    #[inline]
    pub(super) fn has_room(&mut self, id: PeerId) -> bool {
        let Some(peer) = self.peers.get_mut(id) else {
            return false;
        };
        if peer.sender.is_closed() {
            return false;
        }
        peer.sender.has_room() || !peer.sender.wait()
    }

    /// Whether one of those that are sent to in turn has room.
    pub(super) fn has_any_room(&mut self) -> bool {
        while let Some(peer) = self.balance.turn() {
            if self.has_room(peer) {
                return true;
            }
            self.balance.pause(peer);
        }
        false
    }

    /// Sends to the peer whose turn it is, of those that have room.
    #[inline]
    pub(super) fn send_in_turn(&mut self, message: Message) -> Result<PeerId, Message> {
        while let Some(id) = self.balance.turn() {
            if self.has_room(id) {
                self.write(id, Item::Message(message));
                self.balance.advance();
                return Ok(id);
            }
            self.balance.pause(id);
        }
        Err(message)
    }
}
