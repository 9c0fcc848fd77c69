//! Statements of the specifications on packets, one test each. Numbers without a version are 5.0's.

use crate::wire::{codec, decode, packet, refused, taken};
use proto_mqtt::{
    Answer, Codec, ConnackReason, DisconnectReason, Limits, Packet, PacketKind, PublishQos, Side,
    Version,
};

const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
const STRICT: [Version; 2] = [Version::V311, Version::V5];

/// [MQTT-2.1.3-1], [MQTT-3.6.1-1], [MQTT-3.8.1-1], [MQTT-3.10.1-1], [MQTT-3.14.1-1],
/// [MQTT-3.15.1-1]
#[test]
fn flags_are_what_they_must_be() {
    for version in STRICT {
        for kind in PacketKind::ALL {
            let Some(expected) = kind.flags() else {
                continue;
            };
            for flags in (0..16).filter(|flags| *flags != expected) {
                for side in [Side::Client, Side::Server] {
                    let is_allowed = kind.is_in(version) && kind.may_come_from(side, version);
                    if is_allowed && kind != PacketKind::Connect {
                        let first = (kind as u8) << 4 | flags;
                        // The first byte is enough.
                        refused(side, version, &[first], MALFORMED, "but must be");
                    }
                }
            }
        }
    }
    let first = Codec::of_server(Limits::default()).decode(&[0x12]);
    assert_eq!(first.unwrap_err().reason().code(), MALFORMED);
}

/// MQTT 3.1 §2.1: SUBSCRIBE, UNSUBSCRIBE and PUBREL have DUP there; other flags are not used.
#[test]
fn flags_of_3_1_may_say_that_a_packet_was_sent_before() {
    let subscribe = packet(0x8A, "0001 :'a' 00");
    let unsubscribe = packet(0xAA, "0001 :'a'");
    let pubrel = packet(0x6A, "0001");
    for input in [&subscribe, &unsubscribe, &pubrel] {
        decode(&codec(Side::Client, Version::V31), input).unwrap();
        refused(Side::Client, Version::V311, input, MALFORMED, "must be");
    }
    refused(Side::Client, Version::V31, &[0x80], MALFORMED, "must be");
    decode(&codec(Side::Client, Version::V31), &[0xC3, 0x00]).unwrap();
    // DUP means nothing with QoS 0.
    let publish = packet(0x38, ":'a'");
    let codec = codec(Side::Client, Version::V31);
    let Packet::Publish(read) = decode(&codec, &publish).unwrap() else {
        panic!("it is a PUBLISH");
    };
    assert!(!read.dup && read.qos == PublishQos::AtMostOnce);
}

/// §2.1.2: type 0 is forbidden, and AUTH is 5.0's.
#[test]
fn there_are_no_other_packets() {
    for version in Version::ALL {
        for side in [Side::Client, Side::Server] {
            refused(side, version, &[0x00], MALFORMED, "no packet of type 0");
            if version != Version::V5 {
                refused(side, version, &[0xF0], MALFORMED, "no packet of type 15");
            }
        }
    }
}

/// §2.1.2: who sends what.
#[test]
fn packets_come_from_the_side_that_may_send_them() {
    let from_clients = [0x82, 0xA2, 0xC0];
    let from_servers = [0x20, 0x90, 0xB0, 0xD0];
    for version in Version::ALL {
        for first in from_clients {
            let text = "a server does not send it";
            refused(Side::Server, version, &[first], PROTOCOL_ERROR, text);
        }
        for first in from_servers {
            let text = "a client does not send it";
            refused(Side::Client, version, &[first], PROTOCOL_ERROR, text);
        }
    }
    // A server's DISCONNECT is 5.0's.
    for version in [Version::V31, Version::V311] {
        let text = "a server does not send it";
        refused(Side::Server, version, &[0xE0], PROTOCOL_ERROR, text);
    }
    taken(Side::Server, Version::V5, &[0xE0, 0x01, 0x8B]);
}

/// [MQTT-3.1.0-1], [MQTT-3.1.0-2]
#[test]
fn a_connection_begins_with_connect_and_has_only_one() {
    let codec = Codec::of_server(Limits::default());
    for kind in PacketKind::ALL {
        let flags = kind.flags().unwrap_or(0);
        let input = [(kind as u8) << 4 | flags];
        let decoded = codec.decode(&input);
        if kind == PacketKind::Connect {
            decoded.unwrap();
        } else {
            let error = decoded.unwrap_err();
            assert!(error.to_string().contains("begins with CONNECT"), "{error}");
            assert_eq!(error.answer(), Answer::Nothing);
        }
    }
    for version in Version::ALL {
        refused(
            Side::Client,
            version,
            &[0x10],
            PROTOCOL_ERROR,
            "opened before",
        );
    }
    let mut codec = Codec::of_server(Limits::default());
    codec.set_version(Version::V5);
    let error = codec.decode(&[0x10]).unwrap_err();
    let answer = Answer::Disconnect(DisconnectReason::ProtocolError);
    assert_eq!(error.answer(), answer);
}

/// §1.5.5, 3.1.1 §2.2.3
#[test]
fn the_remaining_length_has_at_most_four_bytes() {
    for version in Version::ALL {
        let input = [0x30, 0x80, 0x80, 0x80, 0x80];
        refused(
            Side::Client,
            version,
            &input,
            MALFORMED,
            "more than 4 bytes",
        );
    }
}

/// [MQTT-1.5.5-1]
#[test]
fn variable_byte_integers_have_their_shortest_spelling() {
    let ping = [0xC0, 0x80, 0x00];
    refused(Side::Client, Version::V5, &ping, MALFORMED, "shortest");
    // 3.1.1 §2.2.3 does not ask for it.
    for version in [Version::V31, Version::V311] {
        decode(&codec(Side::Client, version), &ping).unwrap();
    }
    let properties = packet(0x30, ":'a' 8000");
    refused(
        Side::Client,
        Version::V5,
        &properties,
        MALFORMED,
        "shortest",
    );
    let identifier = packet(0x82, "0001 03 0B8100 :'a' 00");
    refused(
        Side::Client,
        Version::V5,
        &identifier,
        MALFORMED,
        "shortest",
    );
    let connect = crate::wire::bytes("10 9100 :'MQTT' 05 02 0000 00 :'abcd'");
    let error = Codec::of_server(Limits::default())
        .decode(&connect)
        .unwrap_err();
    assert!(error.to_string().contains("shortest"), "{error}");
    assert_eq!(
        error.answer(),
        Answer::Connack(Version::V5, ConnackReason::MalformedPacket)
    );
}

/// [MQTT-3.3.1-4], [MQTT-3.3.1-2]
#[test]
fn publish_has_a_qos_and_dup_only_where_that_means_something() {
    for version in Version::ALL {
        for flags in [0x06, 0x07, 0x0E, 0x0F] {
            refused(Side::Client, version, &[0x30 | flags], MALFORMED, "QoS 3");
        }
    }
    for version in STRICT {
        for first in [0x38, 0x39] {
            refused(Side::Client, version, &[first], MALFORMED, "DUP with QoS 0");
        }
    }
}

/// [MQTT-2.2.1-2], [MQTT-2.2.1-3], [MQTT-2.2.1-4]
#[test]
fn packet_identifiers_are_not_zero_and_there_with_qos_only() {
    for version in [Version::V31, Version::V311] {
        taken(Side::Client, version, &packet(0x30, ":'a' '12'"));
        taken(Side::Client, version, &packet(0x32, ":'a' 3132"));
        for input in [
            packet(0x32, ":'a' 0000"),
            packet(0x34, ":'a' 0000"),
            packet(0x82, "0000 :'a' 00"),
            packet(0xA2, "0000 :'a'"),
            packet(0x40, "0000"),
            packet(0x50, "0000"),
            packet(0x62, "0000"),
            packet(0x70, "0000"),
        ] {
            let text = "identifier is 0";
            refused(Side::Client, version, &input, PROTOCOL_ERROR, text);
        }
    }
    for input in [
        packet(0x32, ":'a' 0000 00"),
        packet(0x82, "0000 00 :'a' 00"),
        packet(0x40, "0000"),
    ] {
        let text = "identifier is 0";
        refused(Side::Client, Version::V5, &input, PROTOCOL_ERROR, text);
    }
    for input in [packet(0x90, "0000 00 00"), packet(0xB0, "0000 00 00")] {
        let text = "identifier is 0";
        refused(Side::Server, Version::V5, &input, PROTOCOL_ERROR, text);
    }
}

/// [MQTT-1.5.4-1], [MQTT-1.5.4-2], [MQTT-3.3.2-1], [MQTT-3.3.2-2], [MQTT-4.7.3-1]
#[test]
fn publish_goes_to_a_topic_name() {
    for version in Version::ALL {
        let tail = if version == Version::V5 { "00" } else { "" };
        let check = |topic: &str, reason, part| {
            let input = packet(0x30, &format!("{topic} {tail}"));
            refused(Side::Client, version, &input, reason, part);
        };
        check("0001 FF", MALFORMED, "is not UTF-8");
        check("0003 EDA080", MALFORMED, "is not UTF-8");
        check("0003 610062", MALFORMED, "U+0000 at byte 1");
        check(":'a/+/b'", 0x90, "wildcard at byte 2");
        check(":'#'", 0x90, "wildcard");
        if version != Version::V5 {
            check("0000", 0x90, "is empty");
        }
        taken(
            Side::Client,
            version,
            &packet(0x31, &format!(":'$a/ b//' {tail} 'x'")),
        );
    }
}

/// §3.3.2.1, §3.3.2.3.4
#[test]
fn a_topic_alias_may_stand_for_the_topic_name() {
    taken(Side::Client, Version::V5, &packet(0x30, "0000 03 230001"));
    let neither = packet(0x30, "0000 00");
    let text = "neither a topic name nor";
    refused(Side::Client, Version::V5, &neither, PROTOCOL_ERROR, text);
    let zero = packet(0x30, ":'a' 03 230000");
    refused(Side::Client, Version::V5, &zero, 0x94, "cannot be 0");
}

/// Whatever ends within a field is malformed, and so is what has more than its fields.
#[test]
fn packets_end_with_their_last_field() {
    let refuse = |side, version, input: Vec<u8>, part| {
        refused(side, version, &input, MALFORMED, part);
    };
    for version in Version::ALL {
        refuse(Side::Client, version, packet(0x30, "00"), "topic name");
        refuse(Side::Client, version, packet(0x30, "0002 61"), "1 are left");
        refuse(Side::Client, version, packet(0x82, "00"), "identifier");
        refuse(Side::Client, version, packet(0xC0, "00"), "must be 0");
        refuse(Side::Server, version, packet(0xD0, "00"), "must be 0");
        if version == Version::V5 {
            refuse(Side::Client, version, packet(0x40, "00"), "identifier");
            refuse(Side::Client, version, packet(0x32, ":'a'"), "identifier");
            refuse(
                Side::Client,
                version,
                packet(0x30, ":'a'"),
                "property length",
            );
            refuse(
                Side::Client,
                version,
                packet(0x30, ":'a' 02 01"),
                "properties",
            );
            refuse(Side::Client, version, packet(0x30, ":'a' 01 01"), "Format");
            refuse(
                Side::Client,
                version,
                packet(0x40, "0001 00 00 00"),
                "1 bytes",
            );
            refuse(Side::Client, version, packet(0xE0, "00 00 00"), "1 bytes");
            refuse(
                Side::Server,
                version,
                packet(0x20, "00 00"),
                "property length",
            );
            refuse(
                Side::Server,
                version,
                packet(0x20, "00 00 00 00"),
                "1 bytes",
            );
            refuse(Side::Client, version, packet(0xF0, "18"), "property length");
        } else {
            for first in [0x40, 0x50, 0x62, 0x70] {
                refuse(Side::Client, version, packet(first, "00"), "must be 2");
                refuse(Side::Client, version, packet(first, "0001 00"), "must be 2");
            }
            refuse(Side::Client, version, packet(0xE0, "00"), "must be 0");
            refuse(Side::Server, version, packet(0x20, "00"), "must be 2");
            refuse(Side::Server, version, packet(0xB0, "0001 00"), "must be 2");
        }
    }
}

/// [MQTT-3.4.2-1], [MQTT-3.5.2-1], [MQTT-3.6.2-1], [MQTT-3.7.2-1], [MQTT-3.14.2-1], [MQTT-3.15.2-1]
#[test]
fn reason_codes_are_those_of_their_packet() {
    let v5 = Version::V5;
    for (first, known, unknown) in [
        (0x40, "0001 10", "0001 92"),
        (0x50, "0001 99", "0001 01"),
        (0x62, "0001 92", "0001 80"),
        (0x70, "0001 92", "0001 10"),
        (0xE0, "04", "01"),
        (0xE0, "98", "84"),
    ] {
        taken(Side::Client, v5, &packet(first, known));
        let input = packet(first, unknown);
        refused(Side::Client, v5, &input, PROTOCOL_ERROR, "the reason code");
    }
    for (first, known, unknown) in [
        (0x20, "00 84 00", "00 01 00"),
        (0x90, "0001 00 02 A2", "0001 00 02 03"),
        (0xB0, "0001 00 11 00", "0001 00 01"),
    ] {
        taken(Side::Server, v5, &packet(first, known));
        let input = packet(first, unknown);
        refused(Side::Server, v5, &input, PROTOCOL_ERROR, "the reason code");
    }
    // 3.1.1 [MQTT-3.9.3-2], table 3.1
    let suback = packet(0x90, "0001 00 01 02 80");
    let connack = packet(0x20, "00 05");
    for version in [Version::V31, Version::V311] {
        taken(Side::Server, version, &suback);
        taken(Side::Server, version, &connack);
        for input in [
            packet(0x90, "0001 03"),
            packet(0x90, "0001 87"),
            packet(0x20, "00 06"),
        ] {
            refused(
                Side::Server,
                version,
                &input,
                PROTOCOL_ERROR,
                "the reason code",
            );
        }
    }
}

/// §3.4.2.1, §3.14.2.1, §3.15.2.1: what says nothing is left out from the end on.
#[test]
fn reason_code_and_properties_may_be_left_out() {
    for (first, body) in [
        (0x40, "0001"),
        (0x40, "0001 87"),
        (0x40, "0001 00 03 1F0000"),
        (0xE0, ""),
        (0xE0, "04"),
        (0xE0, "00 05 11 00000001"),
        (0xF0, "18 04 15 :'a'"),
    ] {
        taken(Side::Client, Version::V5, &packet(first, body));
    }
    taken(Side::Server, Version::V5, &packet(0xF0, ""));
    // Longer forms of the same are read, too.
    for (first, body) in [(0x40, "0001 00"), (0x40, "0001 00 00"), (0xE0, "00 00")] {
        let codec = codec(Side::Client, Version::V5);
        decode(&codec, &packet(first, body)).unwrap();
    }
}

/// Table 3-14, §3.15.2.2.2
#[test]
fn auth_has_a_method_and_the_reason_of_its_side() {
    let v5 = Version::V5;
    let success = packet(0xF0, "00 04 15 :'a'");
    let again = packet(0xF0, "19 04 15 :'a'");
    taken(Side::Server, v5, &success);
    taken(Side::Client, v5, &again);
    refused(
        Side::Client,
        v5,
        &success,
        PROTOCOL_ERROR,
        "does not come from",
    );
    refused(
        Side::Client,
        v5,
        &[0xF0, 0x00],
        PROTOCOL_ERROR,
        "does not come from",
    );
    refused(
        Side::Server,
        v5,
        &again,
        PROTOCOL_ERROR,
        "does not come from",
    );
    let bare = packet(0xF0, "18 00");
    refused(
        Side::Client,
        v5,
        &bare,
        PROTOCOL_ERROR,
        "Method' is missing",
    );
}

/// [MQTT-3.2.2-1], [MQTT-3.2.2-6]
#[test]
fn connack_has_a_session_only_without_an_error() {
    let (server, v5) = (Side::Server, Version::V5);
    taken(server, v5, &packet(0x20, "01 00 00"));
    taken(server, Version::V311, &packet(0x20, "01 00"));
    refused(
        server,
        v5,
        &packet(0x20, "02 00 00"),
        MALFORMED,
        "acknowledge",
    );
    refused(
        server,
        Version::V311,
        &packet(0x20, "81 00"),
        MALFORMED,
        "acknowledge",
    );
    refused(
        server,
        v5,
        &packet(0x20, "01 87 00"),
        PROTOCOL_ERROR,
        "0x87",
    );
    refused(
        server,
        Version::V311,
        &packet(0x20, "01 05"),
        PROTOCOL_ERROR,
        "0x05",
    );
    // The byte is reserved in 3.1, whatever it is.
    decode(&codec(server, Version::V31), &packet(0x20, "01 00")).unwrap();
}

/// §3.9.3, §3.11.3: there was a filter, and there is a reason for each.
#[test]
fn subacks_have_reasons() {
    let v5 = Version::V5;
    for input in [packet(0x90, "0001 00"), packet(0xB0, "0001 00")] {
        refused(Side::Server, v5, &input, PROTOCOL_ERROR, "no reason code");
    }
}

/// [MQTT-3.1.2-24], §3.2.2.3.6
#[test]
fn lengths_are_compared_with_their_limits_before_anything_is_waited_for() {
    let limits = Limits {
        packet_bytes_max: 1_000,
        control_bytes_max: 200,
        connect_bytes_max: 300,
        property_bytes_max: 20,
        filters_max: 2,
    };
    let mut codec = Codec::of_server(limits);
    let check = |codec: &Codec, input: &[u8], reason: u8, part: &str| {
        let error = codec.decode(input).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert_eq!(error.reason().code(), reason, "{error}");
        error.answer()
    };
    codec.decode(&[0x10, 0xA9, 0x02]).unwrap();
    let answer = check(
        &codec,
        &[0x10, 0xAA, 0x02],
        0x95,
        "301 bytes is over the limit of 300",
    );
    // Its version is not known, nor will be.
    assert_eq!(answer, Answer::Nothing);
    codec.set_version(Version::V5);
    codec.decode(&[0x30, 0xE5, 0x07]).unwrap();
    let answer = check(
        &codec,
        &[0x30, 0xE6, 0x07],
        0x95,
        "1001 bytes is over the limit of 1000",
    );
    assert_eq!(answer, Answer::Disconnect(DisconnectReason::PacketTooLarge));
    codec.decode(&[0x82, 0xC5, 0x01]).unwrap();
    check(
        &codec,
        &[0x82, 0xC6, 0x01],
        0x95,
        "201 bytes is over the limit of 200",
    );
    let properties = packet(0x30, ":'a' 15");
    check(
        &codec,
        &properties,
        0x97,
        "21 bytes are over the limit of 20",
    );
    let subscribe = packet(0x82, "0001 00 :'a' 00 :'b' 00 :'c' 00");
    check(&codec, &subscribe, 0x97, "more than 2 topic filters");
    let unsubscribe = packet(0xA2, "0001 00 :'a' :'b' :'c'");
    check(&codec, &unsubscribe, 0x97, "more than 2 topic filters");
}

#[test]
fn it_is_known_how_many_bytes_are_missing() {
    let codec = codec(Side::Client, Version::V311);
    let missing = |input: &[u8]| match codec.decode(input).unwrap() {
        proto_mqtt::Decoded::Incomplete { missing_bytes } => missing_bytes,
        proto_mqtt::Decoded::Packet(packet, _) => panic!("{packet:?}"),
    };
    assert_eq!(missing(&[]), 2);
    assert_eq!(missing(&[0x30]), 1);
    assert_eq!(missing(&[0x30, 0x80]), 1);
    assert_eq!(missing(&[0x30, 0x80, 0x80]), 1);
    assert_eq!(missing(&[0x30, 0x80, 0x80, 0x04]), 65_536);
    assert_eq!(missing(&[0x30, 0x80, 0x80, 0x04, 0x00, 0x01]), 65_534);
}

/// A codec keeps nothing of its input.
#[test]
fn the_same_input_gives_the_same_packet() {
    let codec = codec(Side::Client, Version::V5);
    let input = packet(0x32, ":'a' 0001 00 'x'");
    assert_eq!(decode(&codec, &input), decode(&codec, &input));
}
