//! A socket's peers with what every type does with them.

use crate::gate::{Gate, Signal};
use crate::message::Message;
use crate::options::{OnFull, Options};
use crate::peers::{Peer, PeerId, Peers};
use crate::pipe::{Notice, Popped, Ring, Rings, cost};
use crate::routing::Rotation;
use std::sync::Arc;
use std::time::Duration;

/// What a socket has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages that were not sent to a peer: it had no room, or there was no such peer.
    pub dropped_sends: u64,
    /// Messages from peers that nobody is to have: replies that nobody waits for, topics that nobody has
    /// subscribed to, frames without an envelope.
    pub dropped_receives: u64,
    /// Peers that were disconnected because they had more subscriptions, or groups, than a peer may.
    pub cut_subscribers: u64,
    /// Peers that were disconnected before they had shaken hands, because newer ones had come.
    pub cut_handshakes: u64,
    /// How often a peer had to wait before it was let in: as many were there as may be, or those that were gone had
    /// left too much.
    pub accept_pauses: u64,
}

/// The next thing from a peer whose turn it is.
pub(super) enum Next {
    /// A message, which was put in the place for it.
    Message(PeerId),
    Notice(PeerId, Notice),
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
    /// Whoever has more to be looked at than could be at once.
    again: Vec<PeerId>,
    /// Who is to be let go for what it wants.
    cut: Option<PeerId>,
    /// Peers that are gone, and have left something.
    departed: usize,
    pub(super) counters: Counters,
}

/// What is to be done when the socket's lock is released.
#[must_use]
pub(crate) struct Afterwards {
    rings: Rings,
    gone: Vec<Peer>,
    again: Vec<PeerId>,
}

impl Afterwards {
    pub(crate) fn run(self, gate: &Gate) {
        self.rings.into_iter().for_each(Ring::ring);
        drop(self.gone);
        for peer in self.again {
            gate.push(Signal::Readable(peer));
        }
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
            again: Vec::new(),
            cut: None,
            departed: 0,
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

    /// Lets as much wait for a peer, and of it, as the options say now.
    pub(super) fn limit(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id) {
            let options = &self.options;
            peer.sender.set_hwm(options.send_hwm, &mut self.rings);
            peer.receiver.set_hwm(options.receive_hwm, &mut self.rings);
        }
    }

    /// Gives back what there is room for by another limit, though the user receives nothing.
    pub(super) fn refresh(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.receiver.refresh(&mut self.rings);
        }
    }

    pub(super) fn remove(&mut self, id: PeerId) {
        let peer = self.peers.remove(id);
        self.departed -= usize::from(peer.as_ref().is_some_and(|peer| peer.is_departed));
        self.gone.extend(peer);
    }

    #[inline]
    pub(super) fn afterwards(&mut self) -> Option<Afterwards> {
        if self.rings.is_empty() && self.gone.is_empty() && self.again.is_empty() {
            return None;
        }
        Some(Afterwards {
            rings: std::mem::take(&mut self.rings),
            gone: std::mem::take(&mut self.gone),
            again: std::mem::take(&mut self.again),
        })
    }

    /// Lets a peer signal that it has written, though it did not.
    pub(super) fn look_again(&mut self, id: PeerId) {
        self.again.push(id);
    }

    /// Lets a peer go that wants too much; nothing that waits for it is sent.
    pub(super) fn cut(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.sender.set_linger(Some(Duration::ZERO));
        }
        self.counters.cut_subscribers += 1;
        self.cut = Some(id);
    }

    /// Whether that is to be done now.
    pub(super) fn is_cut(&mut self, id: PeerId) -> bool {
        self.cut.take_if(|cut| *cut == id).is_some()
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

    /// Takes note of a peer that is gone and has left something.
    pub(super) fn note_departed(&mut self, id: PeerId) {
        if let Some(peer) = self.peers.get_mut(id)
            && peer.receiver.is_closed()
            && !peer.is_departed
        {
            peer.is_departed = true;
            self.departed += 1;
        }
    }

    /// Whether the last that a peer has left has just been taken.
    #[inline]
    pub(super) fn is_done_with(&mut self, id: PeerId) -> bool {
        self.departed > 0 && self.is_spent(id)
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
        let cost = cost(&message);
        self.make_or_drop(id, cost, || message)
    }

    /// As [`Self::send_or_drop`], of a message that is made only if there is room, and costs so much.
    #[inline]
    pub(super) fn make_or_drop(
        &mut self,
        id: PeerId,
        cost: u64,
        make: impl FnOnce() -> Message,
    ) -> bool {
        let peer = self
            .peers
            .get_mut(id)
            .filter(|peer| !peer.sender.is_closed());
        if let Some(peer) = peer
            && peer.sender.has_room()
        {
            peer.sender.push_with(cost, make);
            peer.sender.publish(&mut self.rings);
            return true;
        }
        self.counters.dropped_sends += 1;
        false
    }

    #[inline]
    pub(super) fn pop(&mut self, id: PeerId, place: &mut Message) -> Popped {
        match self.peers.get_mut(id) {
            Some(peer) => peer.receiver.pop(place, &mut self.rings),
            None => Popped::Empty,
        }
    }

    /// Waits for a signal of a peer; false if something is there already.
    pub(super) fn sleep(&mut self, id: PeerId) -> bool {
        self.peers
            .get_mut(id)
            .is_none_or(|peer| peer.receiver.sleep())
    }

    /// The next item of the peers that have some, in turn; a message takes the place of what was in `place`.
    #[inline]
    pub(super) fn next(&mut self, place: &mut Message) -> Next {
        while let Some(id) = self.fair.turn() {
            match self.pop(id, place) {
                Popped::Message => {
                    self.fair.advance();
                    return Next::Message(id);
                }
                Popped::Notice(notice) => {
                    self.fair.advance();
                    return Next::Notice(id, notice);
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
    pub(super) fn write(&mut self, id: PeerId, message: Message) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.sender.push(message);
            peer.sender.publish(&mut self.rings);
        }
    }

    /// As [`Self::write`].
    pub(super) fn write_notice(&mut self, id: PeerId, notice: Notice) {
        if let Some(peer) = self.peers.get_mut(id) {
            peer.sender.push_notice(notice);
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

    /// The peer whose turn it is to be sent to, of those that have room; then it is the next one's.
    #[inline]
    pub(super) fn take_turn(&mut self) -> Option<PeerId> {
        while let Some(id) = self.balance.turn() {
            if self.has_room(id) {
                self.balance.advance();
                return Some(id);
            }
            self.balance.pause(id);
        }
        None
    }
}
