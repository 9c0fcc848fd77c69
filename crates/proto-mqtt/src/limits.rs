//! What one peer's packets may cost.

use crate::frame::{PacketKind, VARIABLE_INT_MAX};
use std::num::NonZeroU16;
use std::time::Duration;

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

/// What one MQTT connection may cost beyond its packets, and the times it keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// What its packets may cost.
    pub packets: Limits,
    /// Subscriptions at a time: each costs memory here and in the broker.
    pub subscriptions_max: usize,
    /// Bytes of all filters of a connection together: a filter may have 64 KiB, and is kept here and in
    /// the broker.
    pub filter_bytes_max: usize,
    /// Levels of one filter: each is an entry in the broker's routes.
    pub filter_levels_max: usize,
    /// Levels of all filters of a connection together, for the same reason.
    pub filter_levels_all_max: usize,
    /// From the start of the connection until CONNECT must have come: a silent or foreign peer does not
    /// hold a connection.
    pub connect_timeout: Duration,
    /// PUBLISH packets with QoS 1 and 2 of the client that may be unanswered. Told in CONNACK in 5.0,
    /// where a client that sends more has broken the protocol; in 3.x nobody is told, and none is
    /// enforced.
    pub receive_max: NonZeroU16,
    /// PUBLISH packets with QoS 1 and 2 to the client that may be unanswered, if the client does not want
    /// less.
    pub send_max: NonZeroU16,
    /// Topic aliases that the client may set; each may hold a topic of 64 KiB.
    pub topic_alias_max: u16,
    /// Topic aliases that a client is given, if it does not want fewer; each holds a topic of 1 KiB at most.
    pub topic_alias_send_max: u16,
    /// Whether a payload that says that it is UTF-8 must be.
    pub validate_payload_utf8: bool,
    /// The longest keep alive in seconds, 0 for any. A 5.0 client that asks for a longer one, or for
    /// none, is told this one instead; one of 3.x cannot be told and has its own.
    pub keep_alive_seconds_max: u16,
    /// For how long a session is kept at most once its connection has ended, in seconds; `u32::MAX` for ever. A 5.0 client
    /// that asks for more is told; one of 3.x, which cannot ask for less than for ever, is not.
    pub session_expiry_seconds_max: u32,
    /// Messages that wait for the client of a session that outlives its connection, or for those that share a subscription; the
    /// oldest are dropped. At least 1.
    pub session_messages_max: u64,
}

impl Default for SessionLimits {
    fn default() -> Self {
        let window = NonZeroU16::new(1024).unwrap_or(NonZeroU16::MAX);
        Self {
            packets: Limits::default(),
            subscriptions_max: 10_000,
            filter_bytes_max: 4 * 1024 * 1024,
            filter_levels_max: 200,
            filter_levels_all_max: 100_000,
            connect_timeout: Duration::from_secs(10),
            receive_max: window,
            send_max: window,
            topic_alias_max: 16,
            topic_alias_send_max: 32,
            validate_payload_utf8: false,
            keep_alive_seconds_max: 0,
            session_expiry_seconds_max: u32::MAX,
            session_messages_max: 100_000,
        }
    }
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
