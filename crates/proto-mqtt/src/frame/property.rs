//! One property of MQTT 5.0: which there are, where each may stand, and what its value is.

use crate::Side;
use crate::frame::variable_int::{self, VARIABLE_INT_MAX};
use crate::frame::{Binary, Qos, Secret, Text, TopicName, text};
use crate::read::Reader;
use crate::violation::{Field, Problem};
use bytes::{BufMut as _, BytesMut};
use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

/// Where properties stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the packet of that name, and Will a part of CONNECT"
)]
pub enum Place {
    Connect,
    Will,
    Connack,
    Publish,
    Puback,
    Pubrec,
    Pubrel,
    Pubcomp,
    Subscribe,
    Suback,
    Unsubscribe,
    Unsuback,
    Disconnect,
    Auth,
}

impl Place {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The bits of some places.
const fn places(places: &[Place]) -> u16 {
    let (mut bits, mut index) = (0, 0);
    while index < places.len() {
        bits |= places[index].bit();
        index += 1;
    }
    bits
}

const ANY_PLACE: u16 = (1 << (Place::Auth as u16 + 1)) - 1;
const MESSAGE: u16 = places(&[Place::Publish, Place::Will]);
const OPENING: u16 = places(&[Place::Connect, Place::Connack]);
const ANSWERS: u16 = places(&[
    Place::Connack,
    Place::Puback,
    Place::Pubrec,
    Place::Pubrel,
    Place::Pubcomp,
    Place::Suback,
    Place::Unsuback,
    Place::Disconnect,
    Place::Auth,
]);

/// Defines the kinds of property: `Variant = identifier "the specification's name" where it may
/// stand`.
macro_rules! kinds {
    ($($variant:ident = $id:literal $text:literal $places:expr,)+) => {
        /// The kinds of property, each with its identifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum PropertyKind {
            $(
                #[doc = concat!($text, ".")]
                $variant = $id,
            )+
        }

        impl PropertyKind {
            /// All of them, by identifier.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The kind with this identifier.
            #[must_use]
            pub const fn from_id(id: u8) -> Option<Self> {
                match id {
                    $($id => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// As the specification calls it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            const fn places(self) -> u16 {
                match self {
                    $(Self::$variant => $places,)+
                }
            }
        }
    };
}

// MQTT 5.0 table 2-4. Identifiers are variable byte integers; all of them take one byte.
kinds! {
    PayloadFormatIndicator = 1 "Payload Format Indicator" MESSAGE,
    MessageExpiryInterval = 2 "Message Expiry Interval" MESSAGE,
    ContentType = 3 "Content Type" MESSAGE,
    ResponseTopic = 8 "Response Topic" MESSAGE,
    CorrelationData = 9 "Correlation Data" MESSAGE,
    SubscriptionIdentifier = 11 "Subscription Identifier" places(&[Place::Publish, Place::Subscribe]),
    SessionExpiryInterval = 17 "Session Expiry Interval" OPENING | Place::Disconnect.bit(),
    AssignedClientIdentifier = 18 "Assigned Client Identifier" Place::Connack.bit(),
    ServerKeepAlive = 19 "Server Keep Alive" Place::Connack.bit(),
    AuthenticationMethod = 21 "Authentication Method" OPENING | Place::Auth.bit(),
    AuthenticationData = 22 "Authentication Data" OPENING | Place::Auth.bit(),
    RequestProblemInformation = 23 "Request Problem Information" Place::Connect.bit(),
    WillDelayInterval = 24 "Will Delay Interval" Place::Will.bit(),
    RequestResponseInformation = 25 "Request Response Information" Place::Connect.bit(),
    ResponseInformation = 26 "Response Information" Place::Connack.bit(),
    ServerReference = 28 "Server Reference" places(&[Place::Connack, Place::Disconnect]),
    ReasonString = 31 "Reason String" ANSWERS,
    ReceiveMaximum = 33 "Receive Maximum" OPENING,
    TopicAliasMaximum = 34 "Topic Alias Maximum" OPENING,
    TopicAlias = 35 "Topic Alias" Place::Publish.bit(),
    MaximumQos = 36 "Maximum QoS" Place::Connack.bit(),
    RetainAvailable = 37 "Retain Available" Place::Connack.bit(),
    UserProperty = 38 "User Property" ANY_PLACE,
    MaximumPacketSize = 39 "Maximum Packet Size" OPENING,
    WildcardSubscriptionAvailable = 40 "Wildcard Subscription Available" Place::Connack.bit(),
    SubscriptionIdentifierAvailable = 41 "Subscription Identifier Available" Place::Connack.bit(),
    SharedSubscriptionAvailable = 42 "Shared Subscription Available" Place::Connack.bit(),
}

impl PropertyKind {
    /// The identifier on the wire.
    #[must_use]
    pub const fn id(self) -> u8 {
        self as u8
    }

    /// Its bit in a set of kinds.
    pub(crate) const fn bit(self) -> u64 {
        1 << self as u64
    }

    /// Whether it may stand there at all.
    #[must_use]
    pub const fn may_stand_in(self, place: Place) -> bool {
        self.places() & place.bit() != 0
    }

    /// Whether that side may send it there, where it may stand.
    #[must_use]
    pub const fn may_come_from(self, side: Side, place: Place) -> bool {
        match (self, place) {
            // [MQTT-3.3.4-6]
            (Self::SubscriptionIdentifier, Place::Publish)
            // MQTT 5.0 §3.14.2.2.5
            | (Self::ServerReference, Place::Disconnect) => matches!(side, Side::Server),
            // [MQTT-3.14.2-2]
            (Self::SessionExpiryInterval, Place::Disconnect) => matches!(side, Side::Client),
            _ => true,
        }
    }

    /// Whether it may stand there more than once.
    #[must_use]
    pub const fn may_repeat_in(self, place: Place) -> bool {
        matches!(
            (self, place),
            (Self::UserProperty, _) | (Self::SubscriptionIdentifier, Place::Publish)
        )
    }
}

/// What a subscription is called in what is delivered because of it: 1 to 268,435,455.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubscriptionIdentifier(NonZeroU32);

impl SubscriptionIdentifier {
    /// The identifier with this number, if there is one.
    #[must_use]
    pub const fn new(number: u32) -> Option<Self> {
        if number > VARIABLE_INT_MAX {
            return None;
        }
        match NonZeroU32::new(number) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Debug for SubscriptionIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayloadFormat {
    /// Any bytes.
    Bytes = 0,
    /// UTF-8.
    Text = 1,
}

/// One property with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the kind of that name")]
pub enum Property<'a> {
    PayloadFormatIndicator(PayloadFormat),
    /// In seconds.
    MessageExpiryInterval(u32),
    ContentType(Text<'a>),
    ResponseTopic(TopicName<'a>),
    CorrelationData(Binary<'a>),
    SubscriptionIdentifier(SubscriptionIdentifier),
    /// In seconds; the largest number is for ever.
    SessionExpiryInterval(u32),
    AssignedClientIdentifier(Text<'a>),
    /// In seconds.
    ServerKeepAlive(u16),
    AuthenticationMethod(Text<'a>),
    AuthenticationData(Secret<'a>),
    RequestProblemInformation(bool),
    /// In seconds.
    WillDelayInterval(u32),
    RequestResponseInformation(bool),
    ResponseInformation(Text<'a>),
    ServerReference(Text<'a>),
    ReasonString(Text<'a>),
    ReceiveMaximum(NonZeroU16),
    TopicAliasMaximum(u16),
    TopicAlias(NonZeroU16),
    /// QoS 0 or 1; QoS 2 is said by leaving it out.
    MaximumQos(Qos),
    RetainAvailable(bool),
    UserProperty(Text<'a>, Text<'a>),
    MaximumPacketSize(NonZeroU32),
    WildcardSubscriptionAvailable(bool),
    SubscriptionIdentifierAvailable(bool),
    SharedSubscriptionAvailable(bool),
}

impl<'a> Property<'a> {
    /// Reads the property at the front, identifier and value.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let id = reader.u8(Field::PropertyIdentifier)?;
        let kind = PropertyKind::from_id(id).ok_or(Problem::UnknownProperty(id))?;
        Self::read_value(kind, reader)
    }

    /// Reads the value of a property whose identifier has been read.
    #[inline]
    pub(crate) fn read_value(kind: PropertyKind, reader: &mut Reader<'a>) -> Result<Self, Problem> {
        use PropertyKind as Kind;
        let field = Field::Property(kind);
        let flag = |reader: &mut Reader<'a>| match reader.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(out_of_range(kind, value.into())),
        };
        Ok(match kind {
            Kind::PayloadFormatIndicator => Self::PayloadFormatIndicator(match flag(reader)? {
                false => PayloadFormat::Bytes,
                true => PayloadFormat::Text,
            }),
            Kind::MessageExpiryInterval => Self::MessageExpiryInterval(reader.u32(field)?),
            Kind::ContentType => Self::ContentType(reader.text(field)?),
            // [MQTT-3.3.2-13], [MQTT-3.3.2-14]
            Kind::ResponseTopic => Self::ResponseTopic(reader.topic_name(field)?),
            Kind::CorrelationData => Self::CorrelationData(reader.binary(field)?),
            Kind::SubscriptionIdentifier => {
                let number = reader.variable_int(field)?;
                let identifier = SubscriptionIdentifier::new(number);
                Self::SubscriptionIdentifier(identifier.ok_or_else(|| out_of_range(kind, 0))?)
            }
            Kind::SessionExpiryInterval => Self::SessionExpiryInterval(reader.u32(field)?),
            Kind::AssignedClientIdentifier => Self::AssignedClientIdentifier(reader.text(field)?),
            Kind::ServerKeepAlive => Self::ServerKeepAlive(reader.u16(field)?),
            Kind::AuthenticationMethod => Self::AuthenticationMethod(reader.text(field)?),
            Kind::AuthenticationData => Self::AuthenticationData(Secret(reader.binary(field)?)),
            Kind::RequestProblemInformation => Self::RequestProblemInformation(flag(reader)?),
            Kind::WillDelayInterval => Self::WillDelayInterval(reader.u32(field)?),
            Kind::RequestResponseInformation => Self::RequestResponseInformation(flag(reader)?),
            Kind::ResponseInformation => Self::ResponseInformation(reader.text(field)?),
            Kind::ServerReference => Self::ServerReference(reader.text(field)?),
            Kind::ReasonString => Self::ReasonString(reader.text(field)?),
            Kind::ReceiveMaximum => Self::ReceiveMaximum(non_zero(kind, reader)?),
            Kind::TopicAliasMaximum => Self::TopicAliasMaximum(reader.u16(field)?),
            Kind::TopicAlias => Self::TopicAlias(non_zero(kind, reader)?),
            Kind::MaximumQos => Self::MaximumQos(match flag(reader)? {
                false => Qos::AtMostOnce,
                true => Qos::AtLeastOnce,
            }),
            Kind::RetainAvailable => Self::RetainAvailable(flag(reader)?),
            Kind::UserProperty => Self::UserProperty(reader.text(field)?, reader.text(field)?),
            Kind::MaximumPacketSize => {
                let number = NonZeroU32::new(reader.u32(field)?);
                Self::MaximumPacketSize(number.ok_or_else(|| out_of_range(kind, 0))?)
            }
            Kind::WildcardSubscriptionAvailable => {
                Self::WildcardSubscriptionAvailable(flag(reader)?)
            }
            Kind::SubscriptionIdentifierAvailable => {
                Self::SubscriptionIdentifierAvailable(flag(reader)?)
            }
            Kind::SharedSubscriptionAvailable => Self::SharedSubscriptionAvailable(flag(reader)?),
        })
    }

    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> PropertyKind {
        use PropertyKind as Kind;
        match self {
            Self::PayloadFormatIndicator(_) => Kind::PayloadFormatIndicator,
            Self::MessageExpiryInterval(_) => Kind::MessageExpiryInterval,
            Self::ContentType(_) => Kind::ContentType,
            Self::ResponseTopic(_) => Kind::ResponseTopic,
            Self::CorrelationData(_) => Kind::CorrelationData,
            Self::SubscriptionIdentifier(_) => Kind::SubscriptionIdentifier,
            Self::SessionExpiryInterval(_) => Kind::SessionExpiryInterval,
            Self::AssignedClientIdentifier(_) => Kind::AssignedClientIdentifier,
            Self::ServerKeepAlive(_) => Kind::ServerKeepAlive,
            Self::AuthenticationMethod(_) => Kind::AuthenticationMethod,
            Self::AuthenticationData(_) => Kind::AuthenticationData,
            Self::RequestProblemInformation(_) => Kind::RequestProblemInformation,
            Self::WillDelayInterval(_) => Kind::WillDelayInterval,
            Self::RequestResponseInformation(_) => Kind::RequestResponseInformation,
            Self::ResponseInformation(_) => Kind::ResponseInformation,
            Self::ServerReference(_) => Kind::ServerReference,
            Self::ReasonString(_) => Kind::ReasonString,
            Self::ReceiveMaximum(_) => Kind::ReceiveMaximum,
            Self::TopicAliasMaximum(_) => Kind::TopicAliasMaximum,
            Self::TopicAlias(_) => Kind::TopicAlias,
            Self::MaximumQos(_) => Kind::MaximumQos,
            Self::RetainAvailable(_) => Kind::RetainAvailable,
            Self::UserProperty(..) => Kind::UserProperty,
            Self::MaximumPacketSize(_) => Kind::MaximumPacketSize,
            Self::WildcardSubscriptionAvailable(_) => Kind::WildcardSubscriptionAvailable,
            Self::SubscriptionIdentifierAvailable(_) => Kind::SubscriptionIdentifierAvailable,
            Self::SharedSubscriptionAvailable(_) => Kind::SharedSubscriptionAvailable,
        }
    }

    /// Appends identifier and value.
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u8(self.kind().id());
        match *self {
            Self::PayloadFormatIndicator(format) => buffer.put_u8(format as u8),
            Self::MaximumQos(qos) => buffer.put_u8(qos.bits()),
            Self::RequestProblemInformation(flag)
            | Self::RequestResponseInformation(flag)
            | Self::RetainAvailable(flag)
            | Self::WildcardSubscriptionAvailable(flag)
            | Self::SubscriptionIdentifierAvailable(flag)
            | Self::SharedSubscriptionAvailable(flag) => buffer.put_u8(flag.into()),
            Self::ServerKeepAlive(number) | Self::TopicAliasMaximum(number) => {
                buffer.put_u16(number);
            }
            Self::ReceiveMaximum(number) | Self::TopicAlias(number) => buffer.put_u16(number.get()),
            Self::MessageExpiryInterval(number)
            | Self::SessionExpiryInterval(number)
            | Self::WillDelayInterval(number) => buffer.put_u32(number),
            Self::MaximumPacketSize(number) => buffer.put_u32(number.get()),
            Self::SubscriptionIdentifier(id) => variable_int::put(buffer, id.get()),
            Self::ContentType(text)
            | Self::AssignedClientIdentifier(text)
            | Self::AuthenticationMethod(text)
            | Self::ResponseInformation(text)
            | Self::ServerReference(text)
            | Self::ReasonString(text) => text::put(buffer, text.as_bytes()),
            Self::ResponseTopic(name) => text::put(buffer, name.as_bytes()),
            Self::CorrelationData(data) => text::put(buffer, data.as_bytes()),
            Self::AuthenticationData(data) => text::put(buffer, data.as_bytes()),
            Self::UserProperty(name, value) => {
                text::put(buffer, name.as_bytes());
                text::put(buffer, value.as_bytes());
            }
        }
    }
}

fn non_zero(kind: PropertyKind, reader: &mut Reader<'_>) -> Result<NonZeroU16, Problem> {
    let number = NonZeroU16::new(reader.u16(Field::Property(kind))?);
    number.ok_or_else(|| out_of_range(kind, 0))
}

#[cold]
const fn out_of_range(property: PropertyKind, value: u32) -> Problem {
    Problem::PropertyValue { property, value }
}
