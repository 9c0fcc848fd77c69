//! Packet identifiers of PUBLISH packets with QoS 2 that have not been released.

use crate::frame::PacketId;

/// A bit for each packet identifier.
const WORDS: usize = 1 << (16 - 6);

/// Packet identifiers of PUBLISH packets with QoS 2 whose PUBREL has not come. Takes memory once there was
/// one.
#[derive(Debug, Default)]
pub(super) struct Received {
    bits: Option<Box<[u64; WORDS]>>,
}

impl Received {
    /// Whether it is among them.
    pub(super) fn has(&self, id: PacketId) -> bool {
        let (word, bit) = place(id);
        self.bits.as_ref().is_some_and(|bits| bits[word] & bit != 0)
    }

    pub(super) fn insert(&mut self, id: PacketId) {
        let (word, bit) = place(id);
        self.bits.get_or_insert_with(|| Box::new([0; WORDS]))[word] |= bit;
    }

    /// Takes it out; whether it was among them.
    pub(super) fn remove(&mut self, id: PacketId) -> bool {
        let (word, bit) = place(id);
        let Some(bits) = &mut self.bits else {
            return false;
        };
        let was_there = bits[word] & bit != 0;
        bits[word] &= !bit;
        was_there
    }
}

const fn place(id: PacketId) -> (usize, u64) {
    let number = id.get();
    ((number >> 6) as usize, 1 << (number & 63))
}
