//! What real clients and a real server send, captured, against a text of what is read from it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p proto-amqp091 golden` writes the texts anew.

use crate::wire::codec;
use bytes::BytesMut;
use proto_amqp091::{
    Assembler, Decoded, Method, PROTOCOL_HEADER, Payload, Progress, ProtocolHeader, Side,
    put_body_frames, put_content_header, put_heartbeat, put_method,
};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn pika() {
    check("pika", Side::Client);
}

#[test]
fn amqplib() {
    check("amqplib", Side::Client);
}

#[test]
fn amqp_publish() {
    check("amqp_publish", Side::Client);
}

#[test]
fn amqp_get() {
    check("amqp_get", Side::Client);
}

#[test]
fn rabbitmq_to_pika() {
    check("rabbitmq_to_pika", Side::Server);
}

#[test]
fn rabbitmq_to_amqplib() {
    check("rabbitmq_to_amqplib", Side::Server);
}

#[test]
fn rabbitmq_to_amqp_get() {
    check("rabbitmq_to_amqp_get", Side::Server);
}

fn check(name: &str, from: Side) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let input = std::fs::read(folder.join(name).with_extension("bin")).unwrap();
    let text = match from {
        Side::Client => {
            assert_eq!(ProtocolHeader::read(&input), ProtocolHeader::Known);
            frames(from, &input[PROTOCOL_HEADER.len()..])
        }
        Side::Server => frames(from, &input),
    };
    let expected = folder.join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&expected).unwrap());
}

/// The frames, as the codec reads them, whole from the first to the last byte. Written by us each has
/// the same bytes, but for what is reserved.
fn frames(from: Side, input: &[u8]) -> String {
    let codec = codec(from);
    let mut text = String::new();
    let mut assemblers = BTreeMap::new();
    let mut at = 0;
    while at < input.len() {
        let Decoded::Frame(frame, len) = codec.decode(&input[at..]).unwrap() else {
            panic!("the capture ends within a frame");
        };
        let mut written = BytesMut::new();
        write!(text, "{len} bytes, channel {}: ", frame.channel).unwrap();
        match frame.payload {
            Payload::Method(method) => {
                writeln!(text, "{method:?}").unwrap();
                put_method(&mut written, frame.channel, &method);
            }
            Payload::Header(header) => {
                writeln!(text, "{header:?}").unwrap();
                let body_len = usize::try_from(header.body_len).unwrap();
                put_content_header(&mut written, frame.channel, body_len, header.properties);
                let mut fields = BytesMut::new();
                header.properties.fields().put(&mut fields);
                assert_eq!(&fields[..], header.properties.as_bytes());
            }
            Payload::Body(piece) => {
                let start = String::from_utf8_lossy(&piece[..piece.len().min(20)]);
                writeln!(text, "body {start:?}").unwrap();
                put_body_frames(&mut written, frame.channel, len, piece);
            }
            Payload::Heartbeat => {
                writeln!(text, "heartbeat").unwrap();
                put_heartbeat(&mut written);
            }
        }
        // Clients set what is reserved in `connection.open`.
        if written[..] != input[at..at + len] {
            let Decoded::Frame(again, _) = codec.decode(&written).unwrap() else {
                panic!("what was written is no frame");
            };
            assert_eq!(again, frame);
            assert!(matches!(
                frame.payload,
                Payload::Method(Method::ConnectionOpen(_))
            ));
        }
        if frame.payload != Payload::Heartbeat {
            let of_channel = assemblers.entry(frame.channel);
            let assembler = of_channel.or_insert_with(|| Assembler::new(1 << 20));
            if let Progress::Content(content) = assembler.take(frame.payload).unwrap() {
                writeln!(text, "    a content of {} bytes", content.body.len()).unwrap();
            }
        }
        at += len;
    }
    text
}
