//! All methods, by the table of the specification.

use crate::generate::{Class, Field, Kind, Method, parse};
use crate::wire::{codec, error, method, only_frame};
use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::{any, proptest};
use proto_amqp091::{Codec, Decoded, Payload, Side, put_method};
use std::path::Path;

/// Values for fields, by turns.
struct Values<'v> {
    seeds: &'v [u8],
    at: usize,
}

impl Values<'_> {
    fn next(&mut self) -> u8 {
        self.at += 1;
        self.seeds[self.at % self.seeds.len()]
    }

    /// What a field of this type is on the wire; nothing for a reserved one.
    fn put(&mut self, field: &Field, bytes: &mut Vec<u8>) {
        let seed = if field.is_reserved { 0 } else { self.next() };
        let len = usize::from(seed);
        match field.kind {
            Kind::Bit => unreachable!("bits are put together"),
            Kind::Octet => bytes.push(seed),
            Kind::Short => bytes.extend([seed, seed / 2]),
            Kind::Long => bytes.extend([seed, 1, 2, seed / 2].map(|it| it.min(seed))),
            Kind::Longlong => bytes.extend([seed, 1, 2, 3, 4, 5, 6, seed / 2]),
            Kind::Shortstr => {
                bytes.push(seed);
                bytes.extend(vec![b'a' + seed % 26; len]);
            }
            Kind::Longstr | Kind::Secret => {
                bytes.extend([0, 0, 0, seed]);
                bytes.extend(vec![seed; len]);
            }
            Kind::Table if seed < 128 => bytes.extend([0; 4]),
            Kind::Table => bytes.extend(b"\0\0\0\x0a\x01aI\0\0\0\x07\x01bV"),
        }
    }
}

/// A method's fields on the wire.
fn fields(it: &Method, values: &mut Values<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for group in it.groups() {
        if group[0].kind != Kind::Bit {
            values.put(&group[0], &mut bytes);
            continue;
        }
        let bit = |(at, field): (usize, &Field)| {
            u8::from(!field.is_reserved && values.next() & 1 != 0) << at
        };
        bytes.push(group.iter().enumerate().map(bit).sum());
    }
    bytes
}

fn table() -> Vec<Class> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    parse(&std::fs::read_to_string(root.join("methods.txt")).unwrap())
}

fn codec_for(it: &Method) -> Codec {
    codec(match it.sender.as_str() {
        "server" => Side::Server,
        _ => Side::Client,
    })
}

proptest! {
    #[test]
    fn each_is_written_as_it_was_read(seeds in vec(any::<u8>(), 1..16)) {
        for class in table() {
            for it in &class.methods {
                let mut values = Values { seeds: &seeds, at: 0 };
                let bytes = method(7, class.id, it.id, &fields(it, &mut values));
                let codec = codec_for(it);
                let decoded = codec.decode(&bytes).unwrap();
                let Decoded::Frame(frame, len) = decoded else { panic!("{decoded:?}") };
                assert_eq!((frame.channel, len), (7, bytes.len()));
                let Payload::Method(read) = frame.payload else { panic!("{frame:?}") };
                assert_eq!(read.id().to_string(), format!("{}.{}", class.name, it.name));
                assert_eq!(read.has_content(), it.has_content);
                let mut written = BytesMut::new();
                put_method(&mut written, 7, &read);
                assert_eq!(&written[..], &bytes[..], "{read:?}");
            }
        }
    }
}

#[test]
fn each_ends_with_its_last_field() {
    for class in table() {
        for it in &class.methods {
            let mut values = Values {
                seeds: &[1, 200, 3],
                at: 0,
            };
            let whole = fields(it, &mut values);
            let codec = codec_for(it);
            for len in 0..whole.len() {
                let (code, text) = error(&codec, &method(1, class.id, it.id, &whole[..len]));
                assert_eq!(code, 501, "{text}");
                let start = format!("{}.{}: the field '", class.name, it.name);
                assert!(text.starts_with(&start), "{text}");
            }
            let longer = [&whole[..], &[0, 0]].concat();
            let (code, text) = error(&codec, &method(1, class.id, it.id, &longer));
            let expected = format!(
                "{}.{}: 2 bytes stand behind its last field",
                class.name, it.name
            );
            assert_eq!((code, text), (501, expected));
        }
    }
}

#[test]
fn each_comes_from_the_side_that_sends_it() {
    for class in table() {
        for it in &class.methods {
            let mut values = Values { seeds: &[1], at: 0 };
            let bytes = method(1, class.id, it.id, &fields(it, &mut values));
            for (side, name) in [(Side::Client, "client"), (Side::Server, "server")] {
                let is_allowed = it.sender == "both" || it.sender == name;
                let result = codec(side).decode(&bytes);
                assert_eq!(result.is_ok(), is_allowed, "{}.{}", class.name, it.name);
                if !is_allowed {
                    let (code, text) = error(&codec(side), &bytes);
                    let expected = format!("{}.{}: a {name} does not send it", class.name, it.name);
                    assert_eq!((code, text), (503, expected));
                }
            }
        }
    }
}

#[test]
fn there_are_no_others() {
    let codec = codec(Side::Client);
    for (class_id, method_id) in [(60, 41), (61, 10), (10, 0), (0, 0)] {
        let (code, text) = error(&codec, &method(1, class_id, method_id, &[]));
        let expected = match (class_id, method_id) {
            (0, 0) => "there is no such method".to_owned(),
            _ => format!("method {class_id}.{method_id}: there is no such method"),
        };
        assert_eq!((code, text), (540, expected));
    }
}

#[test]
fn short_strings_of_methods_are_utf_8() {
    let codec = codec(Side::Client);
    let (code, text) = error(&codec, &method(1, 50, 30, b"\0\0\x03a\xffb\0"));
    let expected = "queue.purge: the field 'queue' is 'a\u{fffd}b', which is not UTF-8";
    assert_eq!((code, text.as_str()), (501, expected));
    let read = only_frame(&codec, &method(1, 50, 30, "\0\0\u{2}é\0".as_bytes())).unwrap();
    assert!(read.contains("queue: \"é\""), "{read}");
}

#[test]
fn secrets_are_not_shown() {
    let codec = codec(Side::Client);
    let start_ok = b"\0\0\0\0\x05PLAIN\0\0\0\x09\0guest\0pw\x05en_US";
    for bytes in [
        method(
            0,
            10,
            11,
            &[&start_ok[..10], b"\0\0\0\x09\0guest\0pw\x05en_US"].concat(),
        ),
        method(0, 10, 21, b"\0\0\0\x02pw"),
        method(0, 10, 70, b"\0\0\0\x02pw\x01r"),
    ] {
        let text = only_frame(&codec, &bytes).unwrap();
        assert!(text.contains("bytes, hidden"), "{text}");
        assert!(!text.contains("pw") && !text.contains("112"), "{text}");
    }
}
