//! A socket's peers, each under a number that is never used for another one.

use crate::attachment::Presence;
use crate::net::Seat;
use crate::pipe::{Receiver, Sender};
use crate::properties::Known;
use bytes::Bytes;
use std::sync::Arc;

/// Which peer of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PeerId {
    slot: u32,
    /// How often the slot was given away.
    generation: u32,
}

impl PeerId {
    /// The place of the peer, used again when it is gone.
    pub(crate) const fn slot(self) -> usize {
        self.slot as usize
    }

    pub(crate) const fn pack(self) -> u64 {
        (self.generation as u64) << 32 | self.slot as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "the two halves of a word")]
    pub(crate) const fn unpack(word: u64) -> Option<Self> {
        if word == u64::MAX {
            return None;
        }
        Some(Self {
            slot: word as u32,
            generation: (word >> 32) as u32,
        })
    }
}

/// The two pipes to and from a peer, and who it is.
pub(crate) struct Peer {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// Its name, once it has told; empty if it has none.
    pub(crate) name: Option<Bytes>,
    /// The name that the user gave it when it was connected to.
    pub(crate) given_name: Option<Bytes>,
    /// What it called itself when it came, if that was known.
    pub(crate) told_name: Option<Bytes>,
    /// It cannot say what it wants: it gets all groups.
    pub(crate) wants_all: bool,
    /// Which endpoint of the socket it belongs to.
    pub(crate) endpoint: u64,
    pub(crate) known: Known,
    /// Count the peer as connected, and this side for it, if no connection does.
    pub(crate) _presence: [Option<Presence>; 2],
    /// It is gone, and what it has left is not all taken.
    pub(crate) is_departed: bool,
    /// Its place, given up with it.
    pub(crate) _seat: Option<Arc<Seat>>,
}

struct Slot {
    generation: u32,
    peer: Option<Peer>,
}

#[derive(Default)]
pub(crate) struct Peers {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

impl Peers {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "peers are far fewer than 2^32"
    )]
    pub(crate) fn insert(&mut self, peer: Peer) -> PeerId {
        if let Some(slot) = self.free.pop() {
            let place = &mut self.slots[slot as usize];
            place.peer = Some(peer);
            return PeerId {
                slot,
                generation: place.generation,
            };
        }
        self.slots.push(Slot {
            generation: 0,
            peer: Some(peer),
        });
        PeerId {
            slot: self.slots.len() as u32 - 1,
            generation: 0,
        }
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        let slot = self.slots.get_mut(id.slot())?;
        if slot.generation != id.generation {
            return None;
        }
        slot.peer.as_mut()
    }

    pub(crate) fn remove(&mut self, id: PeerId) -> Option<Peer> {
        let slot = self.slots.get_mut(id.slot())?;
        if slot.generation != id.generation {
            return None;
        }
        let peer = slot.peer.take()?;
        // A slot that was given away too often stays empty, so that its numbers stay one peer's. The
        // last number is not one: it stands for none.
        slot.generation += 1;
        if slot.generation < u32::MAX {
            self.free.push(id.slot);
        }
        Some(peer)
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "peers are far fewer than 2^32"
    )]
    pub(crate) fn ids(&self) -> impl Iterator<Item = PeerId> + '_ {
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, slot)| slot.peer.is_some())
            .map(|(index, slot)| PeerId {
                slot: index as u32,
                generation: slot.generation,
            })
    }
}
