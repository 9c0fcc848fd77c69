//! What each protocol says by which word, as data.

use model::Property;

/// The protocols that messages come by and go to, a column of the table each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// STOMP 1.0, 1.1 and 1.2.
    Stomp,
    /// MQTT 3.1 and 3.1.1.
    Mqtt3,
    /// MQTT 5.0.
    Mqtt5,
    /// AMQP 0-9-1.
    Amqp091,
}

impl Column {
    /// All of them, in the order of [`Row::cells`].
    pub const ALL: [Self; 4] = [Self::Stomp, Self::Mqtt3, Self::Mqtt5, Self::Amqp091];

    /// What the protocol is called.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Stomp => "STOMP",
            Self::Mqtt3 => "MQTT 3.1, 3.1.1",
            Self::Mqtt5 => "MQTT 5.0",
            Self::Amqp091 => "AMQP 0-9-1",
        }
    }
}

/// What values a property has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Some text.
    Text,
    /// Any bytes.
    Bytes,
    /// A whole number within these bounds.
    Integer(i128, i128),
    /// The text `true`; what is not true is not said.
    Truth,
    /// One of these words.
    Word(&'static [&'static str]),
    /// An address.
    Address,
}

/// How a protocol says a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell {
    /// By a header that it has for this.
    Header(&'static str),
    /// By something else that it has for this.
    Native(&'static str),
    /// As [`Native`](Self::Native), and by a carrier if that cannot say it.
    NativeOr(&'static str, &'static str),
    /// It has nothing for this: by a header of this name.
    Carrier(&'static str),
    /// It has nothing for this, nor headers.
    Nothing,
}

impl Cell {
    /// The header that says it.
    #[must_use]
    pub const fn header(self) -> Option<&'static str> {
        match self {
            Self::Header(name) | Self::Carrier(name) | Self::NativeOr(_, name) => Some(name),
            Self::Native(_) | Self::Nothing => None,
        }
    }
}

/// A property and how each protocol says it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The property.
    pub property: Property,
    /// What values it has.
    pub kind: Kind,
    /// By column.
    pub cells: [Cell; 4],
    /// What else is to be known, for the page of the documentation.
    pub note: &'static str,
}

impl Row {
    /// How a protocol says it.
    #[must_use]
    pub const fn cell(&self, column: Column) -> Cell {
        self.cells[column as usize]
    }

    /// The row of a property.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a test holds that it never does")]
    pub fn of(property: Property) -> &'static Self {
        let row = TABLE.iter().find(|row| row.property == property);
        row.expect("a test holds that every property has a row")
    }

    /// The row of the property that a header of this name says, in a protocol.
    #[must_use]
    pub fn named(column: Column, name: &[u8]) -> Option<&'static Self> {
        TABLE.iter().find(|row| {
            let header = row.cell(column).header();
            header.is_some_and(|header| header.as_bytes() == name)
        })
    }
}

const INT64: Kind = Kind::Integer(i64::MIN as i128, i64::MAX as i128);

/// Every property, and how each protocol says it.
pub const TABLE: &[Row] = &[
    Row {
        property: Property::Persistence,
        kind: Kind::Truth,
        cells: [
            Cell::Header("persistent"),
            Cell::Native("QoS 1 or 2"),
            Cell::Native("QoS 1 or 2"),
            Cell::Native("delivery-mode"),
        ],
        note: "A subscription of a lower QoS makes it transient for who passes it on.",
    },
    Row {
        property: Property::Assurance,
        kind: Kind::Integer(2, 2),
        cells: [
            Cell::Carrier("x-mqtt-publish-qos"),
            Cell::Native("QoS 2"),
            Cell::Native("QoS 2"),
            Cell::Carrier("x-mqtt-publish-qos"),
        ],
        note: "Exactly once. The lesser ones are what persistence says. Counts only in a persistent message.",
    },
    Row {
        property: Property::Retained,
        kind: Kind::Truth,
        cells: [
            Cell::Carrier("x-mqtt-retain"),
            Cell::Native("RETAIN"),
            Cell::Native("RETAIN"),
            Cell::Carrier("x-mqtt-retain"),
        ],
        note: "A message to a topic is kept as its last, whichever protocol says so. To a queue it only says so.",
    },
    Row {
        property: Property::Priority,
        kind: Kind::Integer(0, 255),
        cells: [
            Cell::Header("priority"),
            Cell::Nothing,
            Cell::Carrier("priority"),
            Cell::NativeOr("priority", "priority"),
        ],
        note: "",
    },
    Row {
        property: Property::Expiration,
        kind: Kind::Integer(0, u64::MAX as i128),
        cells: [
            Cell::Header("expiration"),
            Cell::Nothing,
            Cell::NativeOr("Message Expiry Interval", "expiration"),
            Cell::NativeOr("expiration", "expiration"),
        ],
        note: "In milliseconds. MQTT has seconds, rounded up; the carrier has the milliseconds, and counts only \
               while both say the same.",
    },
    Row {
        property: Property::ContentType,
        kind: Kind::Text,
        cells: [
            Cell::Header("content-type"),
            Cell::Nothing,
            Cell::NativeOr("Content Type", "content-type"),
            Cell::NativeOr("content-type", "content-type"),
        ],
        note: "",
    },
    Row {
        property: Property::ContentEncoding,
        kind: Kind::Text,
        cells: [
            Cell::Header("content-encoding"),
            Cell::Nothing,
            Cell::Carrier("content-encoding"),
            Cell::NativeOr("content-encoding", "content-encoding"),
        ],
        note: "",
    },
    Row {
        property: Property::PayloadFormat,
        kind: Kind::Word(&["text", "bytes"]),
        cells: [
            Cell::Carrier("x-payload-format"),
            Cell::Nothing,
            Cell::Native("Payload Format Indicator"),
            Cell::Carrier("x-payload-format"),
        ],
        note: "`text` is UTF-8.",
    },
    Row {
        property: Property::CorrelationId,
        kind: Kind::Bytes,
        cells: [
            Cell::Header("correlation-id"),
            Cell::Nothing,
            Cell::Native("Correlation Data"),
            Cell::NativeOr("correlation-id", "x-correlation-id"),
        ],
        note: "",
    },
    Row {
        property: Property::ReplyTo,
        kind: Kind::Address,
        cells: [
            Cell::NativeOr("reply-to", "x-reply-to"),
            Cell::Nothing,
            Cell::NativeOr("Response Topic", "reply-to"),
            Cell::NativeOr("reply-to", "x-reply-to"),
        ],
        note: "A topic is spelled as the protocol spells topics; a queue in STOMP is `/reply-queue/NAME`, where a SEND \
               makes nothing. In a carrier an address is `/queues/NAME` or \
               `/exchanges/EXCHANGE/KEY`, with `%XX` for all but letters, digits and `-._~`; there only if the \
               protocol cannot spell it otherwise.",
    },
    Row {
        property: Property::ReplyToSpelling,
        kind: Kind::Text,
        cells: [
            Cell::NativeOr("reply-to", "x-spelled-reply-to"),
            Cell::Nothing,
            Cell::Carrier("x-spelled-reply-to"),
            Cell::Carrier("x-spelled-reply-to"),
        ],
        note: "If the publisher's protocol has several spellings of one address, and its was not the usual one.",
    },
    Row {
        property: Property::Destination,
        kind: Kind::Text,
        cells: [
            Cell::NativeOr("destination", "x-spelled-destination"),
            Cell::Nothing,
            Cell::Carrier("x-spelled-destination"),
            Cell::Carrier("x-spelled-destination"),
        ],
        note: "As the publisher spelled it, if that was not the usual spelling. `destination` itself always leads \
               to where the message was published.",
    },
    Row {
        property: Property::MessageId,
        kind: Kind::Text,
        cells: [
            Cell::Header("amqp-message-id"),
            Cell::Nothing,
            Cell::Carrier("message-id"),
            Cell::NativeOr("message-id", "x-message-id"),
        ],
        note: "The publisher's. `message-id` of STOMP is the server's own.",
    },
    Row {
        property: Property::Timestamp,
        kind: INT64,
        cells: [
            Cell::Header("timestamp"),
            Cell::Nothing,
            Cell::Carrier("timestamp"),
            Cell::NativeOr("timestamp", "timestamp_in_ms"),
        ],
        note: "By the publisher, in milliseconds since 1970. AMQP has seconds; the carrier is there beside them if they do \
               not say all, and instead of them if they can say nothing.",
    },
    Row {
        property: Property::Type,
        kind: Kind::Text,
        cells: [
            Cell::Header("type"),
            Cell::Nothing,
            Cell::Carrier("type"),
            Cell::NativeOr("type", "type"),
        ],
        note: "`JMSType` is a header like others.",
    },
    Row {
        property: Property::UserId,
        kind: Kind::Text,
        cells: [
            Cell::Header("user-id"),
            Cell::Nothing,
            Cell::Carrier("user-id"),
            Cell::NativeOr("user-id", "user-id"),
        ],
        note: "By the publisher's word. Where readers take a user id for checked, as in AMQP, it does not become one: there it is \
               the carrier.",
    },
    Row {
        property: Property::AppId,
        kind: Kind::Text,
        cells: [
            Cell::Header("app-id"),
            Cell::Nothing,
            Cell::Carrier("app-id"),
            Cell::NativeOr("app-id", "app-id"),
        ],
        note: "",
    },
    Row {
        property: Property::GroupId,
        kind: Kind::Text,
        cells: [
            Cell::Header("JMSXGroupID"),
            Cell::Nothing,
            Cell::Carrier("group-id"),
            Cell::Carrier("JMSXGroupID"),
        ],
        note: "",
    },
    Row {
        property: Property::GroupSequence,
        kind: INT64,
        cells: [
            Cell::Header("JMSXGroupSeq"),
            Cell::Nothing,
            Cell::Carrier("group-sequence"),
            Cell::Carrier("JMSXGroupSeq"),
        ],
        note: "",
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_has_one_row() {
        // The match makes this test fail to compile when a property is added.
        let all = |property: Property| match property {
            Property::ContentType
            | Property::ContentEncoding
            | Property::CorrelationId
            | Property::MessageId
            | Property::ReplyTo
            | Property::Timestamp
            | Property::Type
            | Property::UserId
            | Property::AppId
            | Property::GroupId
            | Property::Destination
            | Property::Persistence
            | Property::Priority
            | Property::Expiration
            | Property::GroupSequence
            | Property::PayloadFormat
            | Property::Retained
            | Property::Assurance
            | Property::ReplyToSpelling => 19,
        };
        let mut properties: Vec<_> = TABLE.iter().map(|row| row.property).collect();
        properties.sort();
        properties.dedup();
        assert_eq!(properties.len(), TABLE.len());
        assert_eq!(properties.len(), all(Property::Type));
        for property in properties {
            assert_eq!(Row::of(property).property, property);
        }
    }

    #[test]
    fn a_header_says_one_property() {
        for column in Column::ALL {
            let headers = TABLE.iter().filter_map(|row| row.cell(column).header());
            let mut names: Vec<_> = headers.collect();
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count, "{column:?}");
            for name in names {
                let row = Row::named(column, name.as_bytes());
                assert_eq!(row.and_then(|row| row.cell(column).header()), Some(name));
            }
        }
        assert!(Row::named(Column::Mqtt3, b"priority").is_none());
    }
}
