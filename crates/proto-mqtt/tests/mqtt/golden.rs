//! What real clients and a real server send, captured, against a text of what is read from it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p proto-mqtt golden` writes the texts anew.

use crate::wire::{decode, encode};
use proto_mqtt::{Codec, Decoded, Limits, Packet, Version};
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn paho_31() {
    check("paho_31", None);
}

#[test]
fn paho_311() {
    check("paho_311", None);
}

#[test]
fn paho_5() {
    check("paho_5", None);
}

#[test]
fn mqttjs_31() {
    check("mqttjs_31", None);
}

#[test]
fn mqttjs_311() {
    check("mqttjs_311", None);
}

#[test]
fn mqttjs_5() {
    check("mqttjs_5", None);
}

#[test]
fn mosquitto_pub_31() {
    check("mosquitto_pub_31", None);
}

#[test]
fn mosquitto_pub_311() {
    check("mosquitto_pub_311", None);
}

#[test]
fn mosquitto_pub_5() {
    check("mosquitto_pub_5", None);
}

#[test]
fn mosquitto_sub_31() {
    check("mosquitto_sub_31", None);
}

#[test]
fn mosquitto_sub_311() {
    check("mosquitto_sub_311", None);
}

#[test]
fn mosquitto_sub_5() {
    check("mosquitto_sub_5", None);
}

#[test]
fn mosquitto_server_31() {
    check("mosquitto_server_31", Some(Version::V31));
}

#[test]
fn mosquitto_server_311() {
    check("mosquitto_server_311", Some(Version::V311));
}

#[test]
fn mosquitto_server_5() {
    check("mosquitto_server_5", Some(Version::V5));
}

/// Reads what a client sent, or a server of that version.
fn check(name: &str, of_server: Option<Version>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let input = std::fs::read(folder.join(name).with_extension("bin")).unwrap();
    let codec = match of_server {
        Some(version) => Codec::of_client(Limits::default(), version),
        None => Codec::of_server(Limits::default()),
    };
    let text = packets(codec, &input);
    let expected = folder.join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&expected).unwrap());
}

/// The packets, as the codec reads them, whole from the first to the last byte.
fn packets(mut codec: Codec, input: &[u8]) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < input.len() {
        let Decoded::Packet(packet, len) = codec.decode(&input[at..]).unwrap() else {
            panic!("the capture ends within a packet");
        };
        writeln!(text, "{len} bytes: {packet:?}").unwrap();
        at += len;
        let of_start = codec;
        if let Packet::Connect(connect) = packet {
            codec.set_version(connect.version);
        }
        // Written by us it is the same packet, though some spell at length what can be left out.
        let written = encode(&packet, codec.version().unwrap());
        assert!(written.len() <= len);
        assert_eq!(decode(&of_start, &written).unwrap(), packet);
    }
    text
}
