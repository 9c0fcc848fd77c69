use super::*;
use crate::frame::{PacketId, Text};
use crate::violation::Problem;
use crate::{Codec, Decoded, Limits};

const ID: PacketId = PacketId::new(0x0A0B).unwrap();

fn head(version: Version, qos: PublishQos) -> PublishHead<'static> {
    PublishHead {
        version,
        dup: true,
        qos,
        retain: true,
        topic: b"a/b",
        properties: HeadProperties::default(),
        payload_len: 2,
    }
}

fn written(head: &PublishHead<'_>) -> Vec<u8> {
    let mut buffer = BytesMut::from(&b"before"[..]);
    let topic = head.put(&mut buffer).unwrap();
    assert_eq!(&buffer[topic], head.topic);
    assert_eq!(buffer.len() - 6 + head.payload_len, head.packet_len());
    buffer.split_off(6).to_vec()
}

#[test]
fn heads_are_what_the_version_has() {
    let check = |version, qos, expected: &[u8]| {
        assert_eq!(
            written(&head(version, qos)),
            expected,
            "{version:?} {qos:?}"
        );
    };
    let at_least_once = PublishQos::AtLeastOnce(ID);
    let exactly_once = PublishQos::ExactlyOnce(ID);
    check(Version::V311, PublishQos::AtMostOnce, b"\x31\x07\0\x03a/b");
    check(Version::V311, at_least_once, b"\x3B\x09\0\x03a/b\x0A\x0B");
    check(Version::V31, exactly_once, b"\x3D\x09\0\x03a/b\x0A\x0B");
    check(Version::V5, PublishQos::AtMostOnce, b"\x31\x08\0\x03a/b\0");
    check(Version::V5, exactly_once, b"\x3D\x0A\0\x03a/b\x0A\x0B\0");
}

#[test]
fn a_head_has_the_properties_of_its_hop_and_those_passed_on() {
    let ids = [1, 300].map(|id| SubscriptionIdentifier::new(id).unwrap());
    let mut head = head(Version::V5, PublishQos::AtMostOnce);
    head.properties = HeadProperties {
        topic_alias: NonZeroU16::new(5),
        message_expiry: Some(60),
        subscription_ids: &ids,
        forwarded: b"\x26\0\x01n\0\x01v",
    };
    let mut bytes = written(&head);
    let properties: &[u8] = b"\x14\x23\0\x05\x02\0\0\0\x3C\x0B\x01\x0B\xAC\x02\x26\0\x01n\0\x01v";
    assert_eq!(bytes[2..], [b"\0\x03a/b", properties].concat());
    bytes.extend_from_slice(b"hi");
    let codec = Codec::of_client(Limits::default(), Version::V5);
    let decoded = codec.decode(&bytes).unwrap();
    let Decoded::Packet(crate::Packet::Publish(publish), _) = decoded else {
        panic!("{decoded:?}");
    };
    assert_eq!(publish.payload, b"hi");
    assert_eq!(publish.properties.message_expiry_interval(), Some(60));
    let found: Vec<_> = publish.properties.subscription_identifiers().collect();
    assert_eq!(found, ids);
    assert_eq!(publish.properties.user_properties().count(), 1);
    // 3.1.1 has none of it.
    head.version = Version::V311;
    assert_eq!(written(&head), b"\x31\x07\0\x03a/b");
}

#[test]
fn what_the_protocol_cannot_say_is_not_begun() {
    let mut buffer = BytesMut::new();
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let mut head = head(Version::V311, PublishQos::AtMostOnce);
    head.topic = long.as_bytes();
    let error = head.put(&mut buffer).unwrap_err();
    let limit = TEXT_BYTES_MAX;
    assert_eq!(error, EncodeError::TopicTooLong { len: 65_536, limit });
    head.topic = b"a";
    head.payload_len = 268_435_452;
    assert_eq!(head.packet_len(), 268_435_460);
    head.put(&mut buffer).unwrap();
    buffer.clear();
    head.payload_len += 1;
    let error = head.put(&mut buffer).unwrap_err();
    let kind = PacketKind::Publish;
    let len = 268_435_456;
    assert_eq!(error, EncodeError::PacketTooLong { kind, len });
    assert!(buffer.is_empty());
}

#[test]
fn flags_are_known_with_the_first_byte() {
    for version in Version::ALL {
        let problem = |flags| flags_problem(flags, version);
        for flags in 0..16 {
            let is_of_qos_3 = flags & QOS == QOS;
            let found = problem(flags);
            let is_refused = matches!(found, Some(Problem::PublishQos { .. }));
            assert_eq!(is_refused, is_of_qos_3, "{flags:#b}");
        }
        let dup_alone = problem(DUP);
        assert_eq!(dup_alone.is_some(), version != Version::V31);
    }
}

#[test]
fn a_payload_is_shown_readably() {
    let publish = Publish {
        dup: false,
        qos: PublishQos::AtMostOnce,
        retain: false,
        topic: Some(TopicName::new(Text::new("t").unwrap()).unwrap()),
        properties: Properties::NONE,
        payload: b"a\xff",
    };
    assert!(format!("{publish:?}").contains(r#"payload: "a\xff""#));
}
