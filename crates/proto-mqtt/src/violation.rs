//! What a peer sent that no packet can be: one value per cause, with what is to be answered.

mod answer;
mod field;

pub use answer::Answer;
pub use broker_api::Excerpt;
pub use field::Field;

use crate::frame::{AuthReason, PacketKind, Place, PropertyKind, TEXT_BYTES_MAX, VARIABLE_INT_MAX};
use crate::version::ProtocolName;
use crate::{Side, Version};

/// Why the input cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{problem}", Prefix(*.packet))]
pub struct DecodeError {
    /// The packet's, if it has one.
    pub packet: Option<PacketKind>,
    /// The connection's, as far as it is known; a CONNECT tells its own before all else.
    pub version: Option<Version>,
    /// What is wrong.
    pub problem: Problem,
}

/// The name of a packet before what is wrong with it.
struct Prefix(Option<PacketKind>);

impl std::fmt::Display for Prefix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(kind) => write!(f, "{kind}: "),
            None => Ok(()),
        }
    }
}

/// What is wrong with a packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The number of its kind is none of the version's.
    #[error("there is no packet of type {0}")]
    UnknownPacket(u8),
    /// It is for the other side to send.
    #[error("a {from} does not send it")]
    WrongSide {
        /// Who sent it.
        from: Side,
    },
    /// It came before CONNECT.
    #[error("a connection begins with CONNECT")]
    NotConnected,
    /// It is a second CONNECT.
    #[error("the connection has been opened before")]
    AlreadyConnected,
    /// The flags in the first byte are not what they must be.
    #[error("its flags are {flags:#06b}, but must be {expected:#06b}")]
    Flags {
        /// As they were sent.
        flags: u8,
        /// As they must be.
        expected: u8,
    },
    /// Both bits of the quality of service are set.
    #[error("its flags {flags:#06b} ask for QoS 3, the highest is 2")]
    PublishQos {
        /// As they were sent.
        flags: u8,
    },
    /// DUP is set with QoS 0.
    #[error("its flags {flags:#06b} have DUP with QoS 0")]
    DupWithoutQos {
        /// As they were sent.
        flags: u8,
    },
    /// The packet is over the limit.
    #[error("its length of {len} bytes is over the limit of {limit}")]
    PacketTooLarge {
        /// Of the whole packet, in bytes.
        len: usize,
        /// In bytes.
        limit: usize,
    },
    /// The remaining length is not what the packet always has.
    #[error("its remaining length is {len}, but must be {expected}")]
    WrongLength {
        /// As it was sent.
        len: usize,
        /// As it must be.
        expected: usize,
    },
    /// A variable byte integer has more than four bytes.
    #[error("{0} has more than 4 bytes, it cannot be over {VARIABLE_INT_MAX}")]
    IntTooLong(Field),
    /// A variable byte integer has more bytes than it needs.
    #[error("{field} spells {number} in {len} bytes, which is not the shortest spelling")]
    IntNotShortest {
        /// What it is.
        field: Field,
        /// What it says.
        number: u32,
        /// The bytes that it has.
        len: usize,
    },
    /// The packet, or its properties, end within a field.
    #[error("{field} needs {needed} bytes, {left} are left")]
    Truncated {
        /// Which.
        field: Field,
        /// In bytes.
        needed: usize,
        /// In bytes.
        left: usize,
    },
    /// Something stands behind the last field.
    #[error("{count} bytes stand behind its last field")]
    Trailing {
        /// In bytes.
        count: usize,
    },
    /// A string is not UTF-8.
    #[error("{field} '{text}' is not UTF-8")]
    NotUtf8 {
        /// Which.
        field: Field,
        /// Its beginning.
        text: Excerpt,
    },
    /// A string holds the character U+0000.
    #[error("{field} holds U+0000 at byte {at}")]
    Nul {
        /// Which.
        field: Field,
        /// Where the first one is.
        at: usize,
    },
    /// A packet identifier is 0.
    #[error("the packet identifier is 0")]
    ZeroPacketId,
    /// A topic name or filter has no character.
    #[error("{0} is empty, it has 1 to {TEXT_BYTES_MAX} bytes")]
    EmptyTopic(Field),
    /// A topic name holds a wildcard.
    #[error("{field} '{topic}' holds a wildcard at byte {at}")]
    Wildcard {
        /// Which.
        field: Field,
        /// Its beginning.
        topic: Excerpt,
        /// Where the first one is.
        at: usize,
    },
    /// A PUBLISH has neither a topic name nor a Topic Alias.
    #[error("it has neither a topic name nor a Topic Alias")]
    NeitherTopicNorAlias,
    /// A topic filter is none.
    #[error("the topic filter '{filter}' {problem}")]
    Filter {
        /// Its beginning.
        filter: Excerpt,
        /// What is wrong with it.
        problem: FilterError,
    },
    /// A SUBSCRIBE or UNSUBSCRIBE has no filter.
    #[error("it has no topic filter")]
    NoFilters,
    /// A SUBSCRIBE or UNSUBSCRIBE has too many filters.
    #[error("it has more than {limit} topic filters")]
    TooManyFilters {
        /// The highest number.
        limit: usize,
    },
    /// A reserved bit of subscription options is set.
    #[error("the subscription options {options:#010b} have a reserved bit")]
    ReservedOptions {
        /// As they were sent.
        options: u8,
    },
    /// Subscription options ask for QoS 3.
    #[error("the subscription options {options:#010b} ask for QoS 3, the highest is 2")]
    SubscriptionQos {
        /// As they were sent.
        options: u8,
    },
    /// Subscription options ask for a retain handling of 3.
    #[error("the subscription options {options:#010b} have retain handling 3, the highest is 2")]
    RetainHandling {
        /// As they were sent.
        options: u8,
    },
    /// A shared subscription is to leave out what its own session publishes.
    #[error("No Local is set for a shared subscription")]
    NoLocalOnShared,
    /// A SUBACK or UNSUBACK has no reason code.
    #[error("it has no reason code")]
    NoReasons,
    /// A reason code, or return code, is none of the packet's.
    #[error("the reason code {code:#04x} is none of its own")]
    ReasonCode {
        /// As it was sent.
        code: u8,
    },
    /// An AUTH has a reason code that is for the other side.
    #[error("the reason code '{reason}' does not come from a {from}")]
    AuthFromWrongSide {
        /// As it was sent.
        reason: AuthReason,
        /// Who sent it.
        from: Side,
    },
    /// A reserved flag of a CONNACK is set.
    #[error("its acknowledge flags are {flags:#010b}, of which only the last is defined")]
    ConnackFlags {
        /// As they were sent.
        flags: u8,
    },
    /// A CONNACK has an error and a session.
    #[error("it has a session, but the reason code is {code:#04x}")]
    SessionPresentWithError {
        /// As it was sent.
        code: u8,
    },
    /// A property's identifier is none.
    #[error("there is no property {0:#04x}")]
    UnknownProperty(u8),
    /// A property stands where it may not.
    #[error("the property '{}' cannot stand in {place:?}", property.name())]
    PropertyInWrongPlace {
        /// Which.
        property: PropertyKind,
        /// Where.
        place: Place,
    },
    /// A property is for the other side to send.
    #[error("the property '{}' does not come from a {from}", property.name())]
    PropertyFromWrongSide {
        /// Which.
        property: PropertyKind,
        /// Who sent it.
        from: Side,
    },
    /// A property is there more than once.
    #[error("the property '{}' is there twice", .0.name())]
    PropertyTwice(PropertyKind),
    /// A property is not there.
    #[error("the property '{}' is missing", .0.name())]
    PropertyMissing(PropertyKind),
    /// A property's value is out of its range.
    #[error("the property '{}' cannot be {value}", property.name())]
    PropertyValue {
        /// Which.
        property: PropertyKind,
        /// As it was sent.
        value: u32,
    },
    /// The properties are over the limit.
    #[error("its properties of {len} bytes are over the limit of {limit}")]
    TooManyPropertyBytes {
        /// In bytes.
        len: usize,
        /// In bytes.
        limit: usize,
    },
    /// What only a CONNECT can have wrong.
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

/// What is wrong with a CONNECT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// It is no MQTT.
    #[error("the protocol is called '{0}', but must be MQTT or, in 3.1, MQIsdp")]
    ProtocolName(Excerpt),
    /// It is a version that is not spoken here.
    #[error(
        "{protocol} at level {level} is not spoken here, but MQIsdp at level 3 and MQTT at 4 and 5"
    )]
    ProtocolLevel {
        /// The name.
        protocol: ProtocolName,
        /// The level.
        level: u8,
    },
    /// The reserved bit is set.
    #[error("the connect flags {flags:#010b} have the reserved bit")]
    ReservedFlag {
        /// As they were sent.
        flags: u8,
    },
    /// A will's quality of service is 3.
    #[error("the connect flags {flags:#010b} ask for a will of QoS 3, the highest is 2")]
    WillQos {
        /// As they were sent.
        flags: u8,
    },
    /// A will's flags are set, but not that there is one.
    #[error("the connect flags {flags:#010b} tell of a will that is not there")]
    WillFlagsWithoutWill {
        /// As they were sent.
        flags: u8,
    },
    /// Before 5.0 a password needs a user name.
    #[error("the connect flags {flags:#010b} have a password without a user name")]
    PasswordWithoutUserName {
        /// As they were sent.
        flags: u8,
    },
    /// The client identifier is empty, and may not be.
    #[error("the client identifier is empty, which MQTT {} does not allow here", version.text())]
    NoClientId {
        /// The connection's.
        version: Version,
    },
}

/// What is wrong with a topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A `#` is followed by something.
    #[error("has a # that is not its last character")]
    NotLast,
    /// A `#` stands behind something in its level.
    #[error("has a # that does not fill its level")]
    HashInLevel,
    /// A `+` stands beside something in its level.
    #[error("has a + that does not fill its level")]
    PlusInLevel,
    /// Nothing stands between `$share/` and the next slash.
    #[error("has an empty share name")]
    EmptyShareName,
    /// A share name holds a wildcard.
    #[error("has a wildcard in its share name")]
    WildcardInShareName,
    /// There is no filter behind the share name.
    #[error("has no filter behind its share name")]
    NoFilterBehindShare,
}
