use super::*;
use crate::frame::Place;
use crate::violation::Excerpt;

fn answer(packet: PacketKind, version: Option<Version>, problem: Problem) -> Answer {
    let error = DecodeError {
        packet: Some(packet),
        version,
        problem,
    };
    error.answer()
}

/// [MQTT-4.13.1-1], [MQTT-3.14.0-1]; 3.1.1 [MQTT-3.1.4-1], [MQTT-4.8.0-1]
#[test]
fn only_5_0_is_told_what_is_wrong() {
    let rows = [
        (
            Problem::Trailing { count: 1 },
            ConnackReason::MalformedPacket,
            DisconnectReason::MalformedPacket,
        ),
        (
            Problem::PropertyTwice(PropertyKind::ReceiveMaximum),
            ConnackReason::ProtocolError,
            DisconnectReason::ProtocolError,
        ),
        (
            Problem::PropertyInWrongPlace {
                property: PropertyKind::TopicAlias,
                place: Place::Connect,
            },
            ConnackReason::MalformedPacket,
            DisconnectReason::MalformedPacket,
        ),
        (
            Problem::PacketTooLarge { len: 2, limit: 1 },
            ConnackReason::PacketTooLarge,
            DisconnectReason::PacketTooLarge,
        ),
        (
            Problem::TooManyPropertyBytes { len: 2, limit: 1 },
            ConnackReason::QuotaExceeded,
            DisconnectReason::QuotaExceeded,
        ),
        (
            Problem::Wildcard {
                field: Field::WillTopic,
                topic: Excerpt::of(b"#"),
                at: 0,
            },
            ConnackReason::TopicNameInvalid,
            DisconnectReason::TopicNameInvalid,
        ),
    ];
    for (problem, connack, disconnect) in rows {
        let of_connect = |version| answer(PacketKind::Connect, version, problem.clone());
        let of_publish = |version| answer(PacketKind::Publish, version, problem.clone());
        let v5 = Some(Version::V5);
        assert_eq!(of_connect(v5), Answer::Connack(Version::V5, connack));
        assert_eq!(of_publish(v5), Answer::Disconnect(disconnect));
        for version in [None, Some(Version::V31), Some(Version::V311)] {
            assert_eq!(of_connect(version), Answer::Nothing);
            assert_eq!(of_publish(version), Answer::Nothing);
        }
    }
}

#[test]
fn an_excerpt_is_short_and_readable() {
    assert_eq!(Excerpt::of(b"a\0b\xff").to_string(), "ab\u{fffd}");
    let long = Excerpt::of(&[b'x'; 1_000]).to_string();
    assert_eq!(long.len(), 131);
    assert!(long.ends_with("x..."));
}
