//! What is written is read again.

use crate::packets::{any_connect_packet, any_packet_of, any_rules};
use crate::wire::{codec, decode, encode};
use proptest::prelude::{Strategy as _, proptest};
use proto_mqtt::{Codec, EncodeError, Limits, Packet, PacketKind, Side, Version};
use std::cell::RefCell;
use std::collections::BTreeSet;

proptest! {
    #[test]
    fn a_connect_is_read_as_it_was_written(owned in any_connect_packet()) {
        let packet = owned.packet();
        let bytes = encode(&packet, owned.version);
        let codec = Codec::of_server(Limits::default());
        assert_eq!(decode(&codec, &bytes).unwrap(), packet);
    }

    #[test]
    fn any_packet_is_read_as_it_was_written(
        owned in any_rules().prop_flat_map(|(version, from)| any_packet_of(version, from)),
    ) {
        let packet = owned.packet();
        let bytes = encode(&packet, owned.version);
        let codec = codec(owned.from, owned.version);
        let read = decode(&codec, &bytes).unwrap();
        assert_eq!(read, packet);
        assert_eq!(encode(&read, owned.version), bytes);
    }
}

/// The strategies above are worth what they reach.
#[test]
fn every_packet_of_every_version_is_among_them() {
    let seen = RefCell::new(BTreeSet::new());
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for version in Version::ALL {
        for from in [Side::Client, Side::Server] {
            for _ in 0..500 {
                let tree = any_packet_of(version, from);
                let tree = proptest::strategy::Strategy::new_tree(&tree, &mut runner).unwrap();
                let owned = proptest::strategy::ValueTree::current(&tree);
                let key = (version, owned.packet().kind(), from == Side::Client);
                seen.borrow_mut().insert(key);
            }
        }
    }
    for version in Version::ALL {
        for kind in PacketKind::ALL {
            for side in [Side::Client, Side::Server] {
                let is_expected = kind != PacketKind::Connect && kind.may_come_from(side, version);
                let key = (version, kind, side == Side::Client);
                assert_eq!(seen.borrow().contains(&key), is_expected, "{key:?}");
            }
        }
    }
}

/// What a version cannot say is left out, and what it cannot do without is an error.
#[test]
fn older_versions_are_told_what_they_know() {
    use crate::wire::bytes;
    let mut properties = proto_mqtt::PropertyList::new();
    properties.push(proto_mqtt::Property::ReceiveMaximum(
        std::num::NonZeroU16::MIN,
    ));
    let connack = |reason| {
        Packet::Connack(proto_mqtt::Connack {
            session_present: false,
            reason,
            properties: properties.as_properties(),
        })
    };
    let banned = connack(proto_mqtt::ConnackReason::Banned);
    assert_eq!(encode(&banned, Version::V311), bytes("20 02 00 05"));
    assert_eq!(
        encode(&banned, Version::V5),
        bytes("20 06 00 8A 03 21 0001")
    );
    let too_large = connack(proto_mqtt::ConnackReason::PacketTooLarge);
    let mut buffer = bytes::BytesMut::new();
    let error = too_large.put(Version::V31, &mut buffer).unwrap_err();
    let expected = EncodeError::NoReturnCode(proto_mqtt::ConnackReason::PacketTooLarge);
    assert_eq!(error, expected);
    let auth = Packet::Auth(proto_mqtt::Auth {
        reason: proto_mqtt::AuthReason::Success,
        properties: proto_mqtt::Properties::NONE,
    });
    let error = auth.put(Version::V311, &mut buffer).unwrap_err();
    assert_eq!(error.to_string(), "MQTT 3.1.1 has no AUTH packet");
    assert!(buffer.is_empty());
    let suback = Packet::Suback(proto_mqtt::Suback {
        packet_id: proto_mqtt::PacketId::new(1).unwrap(),
        properties: proto_mqtt::Properties::NONE,
        reasons: proto_mqtt::Reasons::new(&[0x02, 0x87]).unwrap(),
    });
    assert_eq!(encode(&suback, Version::V311), bytes("90 04 0001 02 80"));
    assert_eq!(encode(&suback, Version::V5), bytes("90 05 0001 00 02 87"));
}
