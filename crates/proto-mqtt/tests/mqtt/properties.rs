//! Properties: which may stand where, how often, from whom, with which values.

use crate::wire::{codec, decode, packet, refused, taken};
use proto_mqtt::{Codec, Limits, Packet, Place, Property, PropertyKind, Side, Version};

const V5: Version = Version::V5;

/// The shortest value of each kind.
fn value(kind: PropertyKind) -> &'static str {
    use PropertyKind as Kind;
    match kind {
        Kind::PayloadFormatIndicator
        | Kind::RequestProblemInformation
        | Kind::RequestResponseInformation
        | Kind::MaximumQos
        | Kind::RetainAvailable
        | Kind::WildcardSubscriptionAvailable
        | Kind::SubscriptionIdentifierAvailable
        | Kind::SharedSubscriptionAvailable
        | Kind::SubscriptionIdentifier => "01",
        Kind::ServerKeepAlive
        | Kind::ReceiveMaximum
        | Kind::TopicAliasMaximum
        | Kind::TopicAlias => "0001",
        Kind::MessageExpiryInterval
        | Kind::SessionExpiryInterval
        | Kind::WillDelayInterval
        | Kind::MaximumPacketSize => "00000001",
        Kind::ContentType
        | Kind::ResponseTopic
        | Kind::CorrelationData
        | Kind::AssignedClientIdentifier
        | Kind::AuthenticationMethod
        | Kind::AuthenticationData
        | Kind::ResponseInformation
        | Kind::ServerReference
        | Kind::ReasonString => ":'v'",
        Kind::UserProperty => ":'n' :'v'",
    }
}

fn spelled(kind: PropertyKind) -> String {
    // It goes with its method only.
    let is_data = kind == PropertyKind::AuthenticationData;
    let method = if is_data { "15 :'m' " } else { "" };
    format!("{method}{:02x} {}", kind as u8, value(kind))
}

/// A packet with these properties there, and the sides that may send it.
fn with_properties(place: Place, properties: &str) -> (Vec<u8>, &'static [Side]) {
    let both = &[Side::Client, Side::Server];
    let client = &both[..1];
    let server = &both[1..];
    let len = crate::wire::bytes(properties).len();
    let properties = format!("{len:02x} {properties}");
    let (first, body, sides) = match place {
        Place::Connect => (
            0x10,
            format!(":'MQTT' 05 02 0000 {properties} :'a'"),
            client,
        ),
        Place::Will => (
            0x10,
            format!(":'MQTT' 05 06 0000 00 :'a' {properties} :'t' :'p'"),
            client,
        ),
        Place::Connack => (0x20, format!("00 00 {properties}"), server),
        Place::Publish => (0x30, format!(":'t' {properties}"), &both[..]),
        Place::Puback => (0x40, format!("0001 00 {properties}"), &both[..]),
        Place::Pubrec => (0x50, format!("0001 00 {properties}"), &both[..]),
        Place::Pubrel => (0x62, format!("0001 00 {properties}"), &both[..]),
        Place::Pubcomp => (0x70, format!("0001 00 {properties}"), &both[..]),
        Place::Subscribe => (0x82, format!("0001 {properties} :'t' 00"), client),
        Place::Suback => (0x90, format!("0001 {properties} 00"), server),
        Place::Unsubscribe => (0xA2, format!("0001 {properties} :'t'"), client),
        Place::Unsuback => (0xB0, format!("0001 {properties} 00"), server),
        Place::Disconnect => (0xE0, format!("00 {properties}"), &both[..]),
        Place::Auth => (0xF0, format!("18 {properties}"), &both[..]),
    };
    (packet(first, &body), sides)
}

const PLACES: [Place; 14] = [
    Place::Connect,
    Place::Will,
    Place::Connack,
    Place::Publish,
    Place::Puback,
    Place::Pubrec,
    Place::Pubrel,
    Place::Pubcomp,
    Place::Subscribe,
    Place::Suback,
    Place::Unsubscribe,
    Place::Unsuback,
    Place::Disconnect,
    Place::Auth,
];

/// MQTT 5.0 table 2-4, as it is printed: identifier and packets.
const TABLE: &[(u8, &[Place])] = &[
    (1, &[Place::Publish, Place::Will]),
    (2, &[Place::Publish, Place::Will]),
    (3, &[Place::Publish, Place::Will]),
    (8, &[Place::Publish, Place::Will]),
    (9, &[Place::Publish, Place::Will]),
    (11, &[Place::Publish, Place::Subscribe]),
    (17, &[Place::Connect, Place::Connack, Place::Disconnect]),
    (18, &[Place::Connack]),
    (19, &[Place::Connack]),
    (21, &[Place::Connect, Place::Connack, Place::Auth]),
    (22, &[Place::Connect, Place::Connack, Place::Auth]),
    (23, &[Place::Connect]),
    (24, &[Place::Will]),
    (25, &[Place::Connect]),
    (26, &[Place::Connack]),
    (28, &[Place::Connack, Place::Disconnect]),
    (
        31,
        &[
            Place::Connack,
            Place::Puback,
            Place::Pubrec,
            Place::Pubrel,
            Place::Pubcomp,
            Place::Suback,
            Place::Unsuback,
            Place::Disconnect,
            Place::Auth,
        ],
    ),
    (33, &[Place::Connect, Place::Connack]),
    (34, &[Place::Connect, Place::Connack]),
    (35, &[Place::Publish]),
    (36, &[Place::Connack]),
    (37, &[Place::Connack]),
    (38, &PLACES),
    (39, &[Place::Connect, Place::Connack]),
    (40, &[Place::Connack]),
    (41, &[Place::Connack]),
    (42, &[Place::Connack]),
];

/// Reads the packet as the first of a connection, or behind it.
fn read(side: Side, place: Place, input: &[u8]) -> Result<(), (u8, String)> {
    let codec = if matches!(place, Place::Connect | Place::Will) {
        Codec::of_server(Limits::default())
    } else {
        codec(side, V5)
    };
    match decode(&codec, input) {
        Ok(_) => Ok(()),
        Err(error) => Err((error.reason().code(), error.to_string())),
    }
}

/// §2.2.2.2
#[test]
fn each_stands_where_the_table_says() {
    assert_eq!(TABLE.len(), PropertyKind::ALL.len());
    for ((id, places), kind) in TABLE.iter().zip(PropertyKind::ALL) {
        assert_eq!(*id, kind.id());
        for place in PLACES {
            // AUTH has a method in any case.
            let mut properties = spelled(*kind);
            if place == Place::Auth && !properties.contains("15 ") {
                properties = format!("15 :'m' {properties}");
            }
            let (input, sides) = with_properties(place, &properties);
            for side in sides {
                let read = read(*side, place, &input);
                let is_from_there = kind.may_come_from(*side, place);
                match read {
                    Ok(()) => assert!(
                        places.contains(&place) && is_from_there,
                        "{kind:?} {place:?}"
                    ),
                    Err((0x81, text)) => {
                        assert!(!places.contains(&place), "{kind:?} {place:?}: {text}");
                        assert!(text.contains("cannot stand in"), "{text}");
                    }
                    Err((reason, text)) => {
                        assert_eq!(reason, 0x82);
                        assert!(
                            !is_from_there && text.contains("does not come from"),
                            "{text}"
                        );
                    }
                }
            }
        }
    }
}

/// [MQTT-3.3.4-6], [MQTT-3.14.2-2], §3.14.2.2.5
#[test]
fn some_come_from_one_side_only() {
    for (id, kind) in [
        (Place::Publish, PropertyKind::SubscriptionIdentifier),
        (Place::Disconnect, PropertyKind::ServerReference),
    ] {
        let (input, _) = with_properties(id, &spelled(kind));
        refused(
            Side::Client,
            V5,
            &input,
            0x82,
            "does not come from a client",
        );
        taken(Side::Server, V5, &input);
    }
    let expiry = spelled(PropertyKind::SessionExpiryInterval);
    let (input, _) = with_properties(Place::Disconnect, &expiry);
    refused(
        Side::Server,
        V5,
        &input,
        0x82,
        "does not come from a server",
    );
    taken(Side::Client, V5, &input);
}

/// §2.2.2.2 and the section of each property
#[test]
fn only_user_properties_and_subscription_identifiers_repeat() {
    for (id, places) in TABLE {
        let kind = PropertyKind::from_id(*id).unwrap();
        for place in *places {
            let properties = format!("{0} {0}", spelled(kind));
            let (input, sides) = with_properties(*place, &properties);
            let side = sides
                .iter()
                .find(|side| kind.may_come_from(**side, *place))
                .unwrap();
            let repeats = kind == PropertyKind::UserProperty
                || (kind, *place) == (PropertyKind::SubscriptionIdentifier, Place::Publish);
            match read(*side, *place, &input) {
                Ok(()) => assert!(repeats, "{kind:?} {place:?}"),
                Err((reason, text)) => {
                    let is_method = *place == Place::Auth && repeats;
                    assert!(!repeats || is_method, "{kind:?} {place:?}: {text}");
                    let part = if is_method {
                        "is missing"
                    } else {
                        "is there twice"
                    };
                    assert!(text.contains(part), "{text}");
                    assert_eq!(reason, 0x82, "{text}");
                }
            }
        }
    }
}

#[test]
fn unknown_ones_are_malformed() {
    let known: Vec<u8> = TABLE.iter().map(|(id, _)| *id).collect();
    for id in (0..=255_u8).filter(|id| !known.contains(id)) {
        let (input, _) = with_properties(Place::Publish, &format!("{id:02x} 00"));
        refused(Side::Client, V5, &input, 0x81, "there is no property");
    }
}

/// [MQTT-3.3.2-8] and the section of each property
#[test]
fn values_are_within_their_range() {
    let rows = [
        (
            Place::Publish,
            "01 02",
            0x82,
            "Payload Format Indicator' cannot be 2",
        ),
        (Place::Publish, "23 0000", 0x94, "Topic Alias' cannot be 0"),
        (
            Place::Publish,
            "08 :'a/#'",
            0x90,
            "Response Topic' 'a/#' holds a wildcard",
        ),
        (Place::Publish, "08 0000", 0x90, "Response Topic' is empty"),
        (
            Place::Publish,
            "03 0001 FF",
            0x81,
            "Content Type' '\u{fffd}' is not UTF-8",
        ),
        (
            Place::Publish,
            "26 :'n' 0001 00",
            0x81,
            "User Property' holds U+0000",
        ),
        (
            Place::Publish,
            "26 0001 00 :'v'",
            0x81,
            "User Property' holds U+0000",
        ),
        (
            Place::Publish,
            "26 :'n'",
            0x81,
            "User Property' needs 2 bytes, 0 are left",
        ),
        (Place::Publish, "02 0000", 0x81, "needs 4 bytes, 2 are left"),
        (
            Place::Connect,
            "21 0000",
            0x82,
            "Receive Maximum' cannot be 0",
        ),
        (
            Place::Connect,
            "27 00000000",
            0x82,
            "Maximum Packet Size' cannot be 0",
        ),
        (
            Place::Connect,
            "17 02",
            0x82,
            "Request Problem Information' cannot be 2",
        ),
        (
            Place::Connect,
            "19 FF",
            0x82,
            "Request Response Information' cannot be 255",
        ),
        (
            Place::Connect,
            "16 :'d'",
            0x82,
            "Authentication Method' is missing",
        ),
        (
            Place::Subscribe,
            "0B 00",
            0x82,
            "Subscription Identifier' cannot be 0",
        ),
        (Place::Subscribe, "0B FFFFFFFF7F", 0x81, "more than 4 bytes"),
        (Place::Connack, "24 02", 0x82, "Maximum QoS' cannot be 2"),
        (
            Place::Connack,
            "25 02",
            0x82,
            "Retain Available' cannot be 2",
        ),
        (
            Place::Connack,
            "28 02",
            0x82,
            "Wildcard Subscription Available' cannot be 2",
        ),
        (
            Place::Connack,
            "29 02",
            0x82,
            "Subscription Identifier Available' cannot be 2",
        ),
        (
            Place::Connack,
            "2A 02",
            0x82,
            "Shared Subscription Available' cannot be 2",
        ),
    ];
    for (place, properties, reason, part) in rows {
        let (input, sides) = with_properties(place, properties);
        let (found, text) = read(sides[0], place, &input).unwrap_err();
        assert!(text.contains(part), "{text}");
        assert_eq!(found, reason, "{text}");
    }
}

/// [MQTT-3.3.2-18], [MQTT-3.1.3-10]
#[test]
fn user_properties_keep_their_order() {
    let properties = "26 :'b' :'1' 01 01 26 :'a' :'2' 26 :'b' :'1'";
    let (input, _) = with_properties(Place::Publish, properties);
    let codec = codec(Side::Client, V5);
    let Packet::Publish(publish) = decode(&codec, &input).unwrap() else {
        panic!("it is a PUBLISH");
    };
    let found: Vec<_> = publish
        .properties
        .user_properties()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(found, [("b", "1"), ("a", "2"), ("b", "1")]);
    assert_eq!(publish.properties.iter().count(), 4);
    let format = publish.properties.get(PropertyKind::PayloadFormatIndicator);
    assert!(matches!(format, Some(Property::PayloadFormatIndicator(_))));
    assert_eq!(publish.properties.get(PropertyKind::ContentType), None);
}

#[test]
fn authentication_data_is_not_shown() {
    let (input, _) = with_properties(Place::Auth, "15 :'m' 16 :'hush'");
    let codec = codec(Side::Client, V5);
    let packet = decode(&codec, &input).unwrap();
    assert!(!format!("{packet:?}").contains("hush"));
}
