//! What one peer's packets may cost.

use crate::frame::{PacketKind, VARIABLE_INT_MAX};

/// The longest packet that the protocol can say: the first byte, four bytes of length, and what
/// these announce.
const PACKET_BYTES_CEILING: usize = 5 + VARIABLE_INT_MAX as usize;

/// What the packets of one MQTT connection may cost. Lengths are of whole packets, the fixed header
/// included, as MQTT 5.0 counts its Maximum Packet Size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a PUBLISH: a message is held in memory as a whole.
    pub packet_bytes_max: usize,
    /// Bytes of any other packet: nothing in these is worth more, so a peer does not hold more for
    /// one.
    pub control_bytes_max: usize,
    /// Bytes of a CONNECT: it comes from somebody who has not shown yet who that is.
    pub connect_bytes_max: usize,
    /// Bytes of the properties of one packet, or of a will: those of a PUBLISH are kept with its
    /// message.
    pub property_bytes_max: usize,
    /// Topic filters of one SUBSCRIBE or UNSUBSCRIBE: a few bytes on the wire become a subscription
    /// each.
    pub filters_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            packet_bytes_max: 16 * 1024 * 1024,
            control_bytes_max: 1024 * 1024,
            connect_bytes_max: 256 * 1024,
            property_bytes_max: 64 * 1024,
            filters_max: 10_000,
        }
    }
}

impl Limits {
    /// The same with what the protocol can say as the upper bound.
    pub(crate) fn clamped(mut self) -> Self {
        self.packet_bytes_max = self.packet_bytes_max.min(PACKET_BYTES_CEILING);
        self.control_bytes_max = self.control_bytes_max.min(self.packet_bytes_max);
        self.connect_bytes_max = self.connect_bytes_max.min(self.packet_bytes_max);
        self
    }

    /// The bytes that a packet of this kind may have.
    #[inline]
    pub(crate) fn bytes_max(&self, kind: PacketKind) -> usize {
        if kind == PacketKind::Publish {
            self.packet_bytes_max
        } else if kind == PacketKind::Connect {
            self.connect_bytes_max
        } else {
            self.control_bytes_max
        }
    }
}
