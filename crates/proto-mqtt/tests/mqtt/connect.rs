//! CONNECT: what it may say in each version, and what is answered to one that says something else.

use crate::wire::{bytes, decode, packet};
use proto_mqtt::{
    Answer, Codec, ConnackReason, Connect, DecodeError, Limits, Packet, Qos, Version,
};

fn read(input: &[u8]) -> Result<Connect<'_>, DecodeError> {
    let codec = Codec::of_server(Limits::default());
    let packet = decode(&codec, input)?;
    let Packet::Connect(connect) = packet else {
        panic!("{packet:?}");
    };
    Ok(connect)
}

/// Asserts that a CONNECT with this behind its fixed header is refused, with this text and this
/// answer.
fn refused(body: &str, part: &str, answer: Answer) {
    let input = packet(0x10, body);
    let error = read(&input).unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("CONNECT: ") && text.contains(part),
        "{text}"
    );
    assert_eq!(error.answer(), answer, "{text}");
}

fn malformed() -> Answer {
    Answer::Connack(Version::V5, ConnackReason::MalformedPacket)
}

const V31: &str = ":'MQIsdp' 03";
const V311: &str = ":'MQTT' 04";
const V5: &str = ":'MQTT' 05";

/// [MQTT-3.1.3-1], [MQTT-3.1.3-3], [MQTT-3.1.3-11], [MQTT-3.1.3-12]
#[test]
fn fields_come_in_their_order() {
    for (protocol, version, properties) in [
        (V31, Version::V31, ""),
        (V311, Version::V311, ""),
        (V5, Version::V5, "00"),
    ] {
        let input = packet(
            0x10,
            &format!(
                "{protocol} F6 001E {properties} :'id' {properties} :'w/t' :'gone' :'me' :'pw'"
            ),
        );
        let connect = read(&input).unwrap();
        assert_eq!(connect.version, version);
        assert!(connect.clean_start);
        assert_eq!(connect.keep_alive, 30);
        assert_eq!(connect.client_id.as_str(), "id");
        let will = connect.will.unwrap();
        assert_eq!((will.qos, will.retain), (Qos::ExactlyOnce, true));
        assert_eq!(will.topic.as_str(), "w/t");
        assert_eq!(will.payload.as_bytes(), b"gone");
        assert_eq!(connect.user_name.unwrap().as_str(), "me");
        assert_eq!(connect.password.unwrap().as_bytes(), b"pw");
        assert!(
            !format!("{connect:?}").contains("pw"),
            "a password is shown"
        );
        assert_eq!(
            crate::wire::encode(&Packet::Connect(connect), version),
            input
        );
    }
}

/// [MQTT-3.1.2-1], [MQTT-3.1.2-2], 3.1.1 [MQTT-3.1.2-2]
#[test]
fn other_protocols_and_versions_are_told_so() {
    let unsupported = |version| Answer::Connack(version, ConnackReason::UnsupportedProtocolVersion);
    for (body, version) in [
        (":'MQTT' 06 02 0000", Version::V5),
        // The highest bit is how Mosquitto says that it is a bridge; told so in 3.1.1's form, it
        // tries without.
        (":'MQTT' 84 02 0000 :'a'", Version::V311),
        (":'MQTT' 03 02 0000 :'a'", Version::V311),
        (":'MQIsdp' 04 02 0000 :'a'", Version::V311),
        (":'MQIsdp' 83 02 0000 :'a'", Version::V311),
    ] {
        refused(body, "is not spoken here", unsupported(version));
    }
    for body in [":'mqtt' 04", ":'MQTTX' 05", "0000 04", ":'HTTP' 04"] {
        refused(body, "the protocol is called", Answer::Nothing);
    }
    let error = read(&packet(0x10, ":'MQTT' 06")).unwrap_err();
    assert_eq!(error.reason().code(), 0x84);
    let code = ConnackReason::UnsupportedProtocolVersion.return_code();
    assert_eq!(code, Some(1));
}

/// [MQTT-3.1.2-3], [MQTT-3.1.2-11], [MQTT-3.1.2-12], [MQTT-3.1.2-13], 3.1.1 [MQTT-3.1.2-22]
#[test]
fn flags_go_together() {
    let rows = [
        ("03", "reserved bit"),
        ("1E", "will of QoS 3"),
        ("0A", "will that is not there"),
        ("12", "will that is not there"),
        ("22", "will that is not there"),
    ];
    for (flags, part) in rows {
        let body = format!("{V311} {flags} 0000 :'a' :'t' :'p'");
        refused(&body, part, Answer::Nothing);
        let body = format!("{V5} {flags} 0000 00 :'a' 00 :'t' :'p'");
        refused(&body, part, malformed());
    }
    let body = format!("{V311} 42 0000 :'a' :'pw'");
    refused(&body, "password without", Answer::Nothing);
    let body = format!("{V31} 42 0000 :'a' :'pw'");
    refused(&body, "password without", Answer::Nothing);
    // In 5.0 a password may come alone.
    let input = packet(0x10, &format!("{V5} 42 0000 00 :'a' :'pw'"));
    let connect = read(&input).unwrap();
    assert!(connect.user_name.is_none() && connect.password.is_some());
}

/// [MQTT-3.1.2-9], [MQTT-3.1.2-16] to [MQTT-3.1.2-19], [MQTT-3.1.4-1]
#[test]
fn what_the_flags_tell_is_there_and_nothing_else() {
    for (flags, fields, part) in [
        ("06", "", "will topic"),
        ("06", ":'t'", "will payload"),
        ("82", "", "user name"),
        ("C2", ":'me'", "password"),
        ("C2", ":'me' 0003 70", "password needs 3 bytes, 1 are left"),
        ("02", ":'t'", "3 bytes stand behind its last field"),
        ("82", ":'me' :'pw'", "4 bytes stand behind its last field"),
    ] {
        let body = format!("{V311} {flags} 0000 :'a' {fields}");
        refused(&body, part, Answer::Nothing);
        let will_properties = if flags == "06" { "00" } else { "" };
        let body = format!("{V5} {flags} 0000 00 :'a' {will_properties} {fields}");
        refused(&body, part, malformed());
    }
    for (cut, part) in [
        (":'MQTT' 05", "connect flags"),
        (":'MQTT' 05 02", "keep alive"),
        (":'MQTT' 05 02 00", "keep alive"),
        (":'MQTT' 05 02 0000", "property length"),
        (":'MQTT' 05 02 0000 00", "client identifier"),
        (":'MQTT' 05 06 0000 00 :'a'", "property length"),
    ] {
        refused(cut, part, malformed());
    }
    // Before the level is there, it is no MQTT yet.
    refused(":'MQTT'", "protocol level", Answer::Nothing);
    refused("0004 4D", "protocol name", Answer::Nothing);
}

/// 3.1.1 [MQTT-3.1.3-7], [MQTT-3.1.3-8]; MQTT 3.1 §3.1
#[test]
fn a_client_identifier_may_be_empty_where_the_server_makes_one_up() {
    let rejected = |version| Answer::Connack(version, ConnackReason::ClientIdentifierNotValid);
    assert_eq!(
        ConnackReason::ClientIdentifierNotValid.return_code(),
        Some(2)
    );
    for flags in ["00", "02"] {
        let body = format!("{V31} {flags} 0000 0000");
        refused(&body, "identifier is empty", rejected(Version::V31));
        read(&packet(0x10, &format!("{V5} {flags} 0000 00 0000"))).unwrap();
    }
    let body = format!("{V311} 00 0000 0000");
    refused(&body, "identifier is empty", rejected(Version::V311));
    read(&packet(0x10, &format!("{V311} 02 0000 0000"))).unwrap();
}

/// [MQTT-3.1.3-4]: any text, of any length that a string may have. [MQTT-3.1.3-5]
#[test]
fn texts_of_connect_are_utf_8() {
    for (fields, part) in [
        ("0001 FF", "client identifier '\u{fffd}' is not UTF-8"),
        ("0002 6100", "client identifier holds U+0000 at byte 1"),
        (":'a' 00 0001 FF :'p' :'u'", "will topic"),
        (":'a' 00 :'t' :'p' 0003 EDBFBF", "user name"),
    ] {
        let body = format!("{V5} 86 0000 00 {fields}");
        refused(&body, part, malformed());
    }
    // [MQTT-3.1.2-9], [MQTT-4.7.3-1]: a will goes to a topic name.
    let invalid = Answer::Connack(Version::V5, ConnackReason::TopicNameInvalid);
    for (topic, part) in [(":'a/#'", "wildcard"), ("0000", "is empty")] {
        let body = format!("{V5} 06 0000 00 :'a' 00 {topic} :'p'");
        refused(&body, part, invalid);
    }
    let long = "x".repeat(1_000);
    let mut input = bytes("10 F4 07 :'MQTT' 04 02 0000 03E8");
    input.extend_from_slice(long.as_bytes());
    assert_eq!(read(&input).unwrap().client_id.as_str(), long);
}

/// MQTT 3.1 §3.1: what it reserves is disregarded, and the length takes precedence over the flags.
#[test]
fn a_connect_of_3_1_is_read_generously() {
    let connect =
        |flags: &str, fields: &str| packet(0x10, &format!("{V31} {flags} 0000 :'a' {fields}"));
    read(&connect("03", "")).unwrap();
    read(&connect("3A", "")).unwrap();
    let input = connect("C2", "");
    let read_of = read(&input).unwrap();
    assert!(read_of.user_name.is_none() && read_of.password.is_none());
    let input = connect("C2", ":'me'");
    let read_of = read(&input).unwrap();
    assert!(read_of.user_name.is_some() && read_of.password.is_none());
    let body = format!("{V31} 1E 0000 :'a' :'t' :'p'");
    refused(&body, "will of QoS 3", Answer::Nothing);
}
