//! The properties of one packet: checked once, kept as they came, read when somebody asks.

use crate::frame::property::{PayloadFormat, Place, Property, PropertyKind};
use crate::frame::{Binary, Qos, SubscriptionIdentifier, Text, TopicName, variable_int};
use crate::read::Reader;
use crate::violation::{Field, Problem};
use crate::{Limits, Side};
use bytes::{BufMut as _, BytesMut};
use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

/// Properties that belong to one hop, not to the message: who passes a PUBLISH on leaves them out,
/// or writes its own. The expiry belongs to both, and changes on the way. [MQTT-3.3.2-6],
/// [MQTT-3.3.2-7], [MQTT-3.3.4-6]
const OF_ONE_HOP: u64 = PropertyKind::TopicAlias.bit()
    | PropertyKind::MessageExpiryInterval.bit()
    | PropertyKind::SubscriptionIdentifier.bit();

/// The properties of one packet, borrowed. In 3.1 and 3.1.1 there are none.
///
/// Invariants, of those that were read from a packet: each may stand there, is within its range, is
/// there once if it may not be there more often, and comes from the side that may send it.
#[derive(Clone, Copy)]
pub struct Properties<'a> {
    /// One behind the other, without the length before them.
    bytes: &'a [u8],
    /// The kinds that there may be; a kind whose bit is not set is not there.
    kinds: u64,
}

impl<'a> Properties<'a> {
    /// None.
    pub const NONE: Self = Self {
        bytes: &[],
        kinds: 0,
    };

    /// Properties that were kept: bytes which [`as_bytes`](Self::as_bytes) or
    /// [`forwarded`](Self::forwarded) gave. Of other bytes those behind the first that are no
    /// property are not seen.
    #[must_use]
    pub const fn kept(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            kinds: u64::MAX,
        }
    }

    /// Reads the length at the front, and checks the properties that it announces.
    #[inline]
    pub(crate) fn read(
        reader: &mut Reader<'a>,
        place: Place,
        from: Side,
        limits: &Limits,
    ) -> Result<Self, Problem> {
        let len = reader.variable_int(Field::PropertyLength)? as usize;
        if len == 0 {
            return Ok(Self::NONE);
        }
        if len > limits.property_bytes_max {
            return Err(Problem::TooManyPropertyBytes {
                len,
                limit: limits.property_bytes_max,
            });
        }
        let bytes = reader.bytes(Field::Properties, len)?;
        Self::check(bytes, place, from)
    }

    fn check(bytes: &'a [u8], place: Place, from: Side) -> Result<Self, Problem> {
        let mut reader = Reader::new(bytes);
        let mut kinds = 0;
        while !reader.is_empty() {
            let id = reader.u8(Field::PropertyIdentifier)?;
            let kind = PropertyKind::from_id(id).ok_or(Problem::UnknownProperty(id))?;
            // MQTT 5.0 §2.2.2.2
            if !kind.may_stand_in(place) {
                return Err(Problem::PropertyInWrongPlace {
                    property: kind,
                    place,
                });
            }
            if !kind.may_come_from(from, place) {
                return Err(Problem::PropertyFromWrongSide {
                    property: kind,
                    from,
                });
            }
            if kinds & kind.bit() != 0 && !kind.may_repeat_in(place) {
                return Err(Problem::PropertyTwice(kind));
            }
            kinds |= kind.bit();
            Property::read_value(kind, &mut reader)?;
        }
        // MQTT 5.0 §3.1.2.11.10
        let data_alone = PropertyKind::AuthenticationData.bit();
        let with_method = data_alone | PropertyKind::AuthenticationMethod.bit();
        if kinds & with_method == data_alone {
            return Err(Problem::PropertyMissing(PropertyKind::AuthenticationMethod));
        }
        Ok(Self { bytes, kinds })
    }

    /// The properties one behind the other, as they stand in the packet, without the length before
    /// them.
    #[must_use]
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The properties in their order.
    #[must_use]
    pub const fn iter(&self) -> PropertyIter<'a> {
        PropertyIter {
            reader: Reader::new(self.bytes),
        }
    }

    /// The first property of a kind.
    #[must_use]
    pub fn get(&self, kind: PropertyKind) -> Option<Property<'a>> {
        if self.kinds & kind.bit() == 0 {
            return None;
        }
        self.iter().find(|property| property.kind() == kind)
    }

    /// The user properties in their order, each a name and a value. [MQTT-3.3.2-18]
    pub fn user_properties(&self) -> impl Iterator<Item = (Text<'a>, Text<'a>)> + use<'a> {
        let has_any = self.kinds & PropertyKind::UserProperty.bit() != 0;
        let properties = if has_any { *self } else { Self::NONE };
        properties.iter().filter_map(|property| {
            let Property::UserProperty(name, value) = property else {
                return None;
            };
            Some((name, value))
        })
    }

    /// The subscription identifiers: one in a SUBSCRIBE, any number in a PUBLISH of a server.
    pub fn subscription_identifiers(
        &self,
    ) -> impl Iterator<Item = SubscriptionIdentifier> + use<'a> {
        let has_any = self.kinds & PropertyKind::SubscriptionIdentifier.bit() != 0;
        let properties = if has_any { *self } else { Self::NONE };
        properties.iter().filter_map(|property| {
            let Property::SubscriptionIdentifier(id) = property else {
                return None;
            };
            Some(id)
        })
    }

    /// The properties that whoever passes a PUBLISH on sends unaltered, in their order, as pieces
    /// of [`as_bytes`](Self::as_bytes): all but Topic Alias, Message Expiry Interval and
    /// Subscription Identifier. [MQTT-3.3.2-4], [MQTT-3.3.2-15], [MQTT-3.3.2-16], [MQTT-3.3.2-17],
    /// [MQTT-3.3.2-20]
    #[must_use]
    pub const fn forwarded(&self) -> Forwarded<'a> {
        Forwarded {
            reader: Reader::new(self.bytes),
            is_whole: self.kinds & OF_ONE_HOP == 0,
        }
    }

    /// The bytes that length and properties take in a packet.
    pub(crate) const fn packed_len(&self) -> usize {
        packed_len(self.bytes.len())
    }

    /// Appends length and properties.
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        put_len(buffer, self.bytes.len());
        buffer.put_slice(self.bytes);
    }
}

/// The bytes that so many bytes of properties and the length before them take.
pub(crate) const fn packed_len(len: usize) -> usize {
    variable_int::len_of(saturated(len)) + len
}

/// Appends the length before so many bytes of properties.
pub(crate) fn put_len(buffer: &mut BytesMut, len: usize) {
    variable_int::put(buffer, saturated(len));
}

/// More than a packet may have is never written: see `encode`.
const fn saturated(len: usize) -> u32 {
    if len > variable_int::VARIABLE_INT_MAX as usize {
        return variable_int::VARIABLE_INT_MAX;
    }
    #[expect(clippy::cast_possible_truncation, reason = "it is below 2^28")]
    {
        len as u32
    }
}

/// Reads one property of a kind whose value is one thing.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $kind:ident -> $value:ty,)+) => {
        impl<'a> Properties<'a> {
            $(
                $(#[$doc])*
                #[must_use]
                pub fn $name(&self) -> Option<$value> {
                    let Property::$kind(value) = self.get(PropertyKind::$kind)? else {
                        return None;
                    };
                    Some(value)
                }
            )+
        }
    };
}

getters! {
    /// Message Expiry Interval, in seconds.
    message_expiry_interval: MessageExpiryInterval -> u32,
    /// Payload Format Indicator.
    payload_format_indicator: PayloadFormatIndicator -> PayloadFormat,
    /// Response Topic.
    response_topic: ResponseTopic -> TopicName<'a>,
    /// Correlation Data.
    correlation_data: CorrelationData -> Binary<'a>,
    /// Content Type.
    content_type: ContentType -> Text<'a>,
    /// Session Expiry Interval, in seconds; the largest number is for ever.
    session_expiry_interval: SessionExpiryInterval -> u32,
    /// Authentication Method.
    authentication_method: AuthenticationMethod -> Text<'a>,
    /// Authentication Data.
    authentication_data: AuthenticationData -> crate::frame::Secret<'a>,
    /// Request Problem Information; without it, it is asked for.
    request_problem_information: RequestProblemInformation -> bool,
    /// Request Response Information; without it, it is not asked for.
    request_response_information: RequestResponseInformation -> bool,
    /// Will Delay Interval, in seconds.
    will_delay_interval: WillDelayInterval -> u32,
    /// Receive Maximum; without it, it is 65,535.
    receive_maximum: ReceiveMaximum -> NonZeroU16,
    /// Topic Alias Maximum; without it, it is 0.
    topic_alias_maximum: TopicAliasMaximum -> u16,
    /// Topic Alias.
    topic_alias: TopicAlias -> NonZeroU16,
    /// Maximum QoS; without it, it is 2.
    maximum_qos: MaximumQos -> Qos,
    /// Maximum Packet Size, in bytes; without it there is no limit but the protocol's.
    maximum_packet_size: MaximumPacketSize -> NonZeroU32,
    /// Server Keep Alive, in seconds.
    server_keep_alive: ServerKeepAlive -> u16,
    /// Assigned Client Identifier.
    assigned_client_identifier: AssignedClientIdentifier -> Text<'a>,
    /// Reason String.
    reason_string: ReasonString -> Text<'a>,
}

impl PartialEq for Properties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Properties<'_> {}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Iterator of [`Properties::iter`].
#[derive(Clone)]
pub struct PropertyIter<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for PropertyIter<'a> {
    type Item = Property<'a>;

    fn next(&mut self) -> Option<Property<'a>> {
        if self.reader.is_empty() {
            return None;
        }
        // What was checked is read; of what was not, what is behind the first error is not seen.
        let property = Property::read(&mut self.reader).ok();
        if property.is_none() {
            self.reader = Reader::new(&[]);
        }
        property
    }
}

impl fmt::Debug for PropertyIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Iterator of [`Properties::forwarded`].
#[derive(Clone)]
pub struct Forwarded<'a> {
    reader: Reader<'a>,
    /// Whether there is nothing to leave out of what is left.
    is_whole: bool,
}

impl<'a> Iterator for Forwarded<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.is_whole {
            let piece = std::mem::replace(&mut self.reader, Reader::new(&[])).left();
            return (!piece.is_empty()).then_some(piece);
        }
        let mut start = self.reader.left();
        let mut kept = 0;
        while !self.reader.is_empty() {
            let Ok(property) = Property::read(&mut self.reader) else {
                self.reader = Reader::new(&[]);
                break;
            };
            if property.kind().bit() & OF_ONE_HOP == 0 {
                kept = start.len() - self.reader.left().len();
            } else if kept == 0 {
                start = self.reader.left();
            } else {
                break;
            }
        }
        (kept > 0).then(|| &start[..kept])
    }
}

impl fmt::Debug for Forwarded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// Properties to be sent, one appended to the other. What may stand where is for the caller to
/// know.
#[derive(Clone, Debug, Default)]
pub struct PropertyList {
    bytes: BytesMut,
    kinds: u64,
}

impl PropertyList {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a property. A Maximum QoS of 2 is said by leaving it out.
    pub fn push(&mut self, property: Property<'_>) {
        if property == Property::MaximumQos(Qos::ExactlyOnce) {
            return;
        }
        self.kinds |= property.kind().bit();
        property.put(&mut self.bytes);
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.kinds = 0;
    }

    /// To be put into a packet.
    #[must_use]
    pub fn as_properties(&self) -> Properties<'_> {
        Properties {
            bytes: &self.bytes,
            kinds: self.kinds,
        }
    }
}

#[cfg(test)]
mod tests;
