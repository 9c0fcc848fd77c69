//! Methods with contents.

use crate::wire::{FRAME_BYTES_MAX, codec, frame, header, method, publish};
use bytes::BytesMut;
use proto_amqp091::{Assembler, Codec, Content, Decoded, Progress, Side, put_body_frames};

/// What each frame leads to, in words.
fn take_all(assembler: &mut Assembler, codec: &Codec, input: &[u8]) -> Vec<String> {
    let (mut at, mut texts) = (0, Vec::new());
    while let Ok(Decoded::Frame(frame, len)) = codec.decode(&input[at..]) {
        at += len;
        match assembler.take(frame.payload) {
            Ok(Progress::More) => texts.push("more".to_owned()),
            Ok(Progress::Method(method)) => texts.push(method.id().to_string()),
            Ok(Progress::Content(content)) => texts.push(format!(
                "{:?} {:?} {:?}",
                content.method,
                content.properties,
                String::from_utf8_lossy(content.body)
            )),
            Ok(Progress::TooLarge { len, limit }) => texts.push(format!("{len} over {limit}")),
            Err(error) => {
                texts.push(format!("{} {error}", error.reply_code().number()));
                return texts;
            }
        }
    }
    assert_eq!(at, input.len());
    texts
}

fn check(frames: &[Vec<u8>], expected: &[&str]) {
    let mut assembler = Assembler::new(100);
    let found = take_all(&mut assembler, &codec(Side::Client), &frames.concat());
    let start = |(found, expected): (&String, &&str)| {
        assert!(found.ends_with(expected), "{found} instead of {expected}");
    };
    assert_eq!(found.len(), expected.len(), "{found:?}");
    found.iter().zip(expected).for_each(start);
}

const NONE: &[u8] = &[0, 0];

#[test]
fn a_content_is_whole_with_its_last_byte() {
    check(
        &[publish(1, "k"), header(1, 5, NONE), frame(3, 1, b"hello")],
        &["more", "more", "\"hello\""],
    );
    check(
        &[
            publish(1, "k"),
            header(1, 5, b"\x10\0\x02"),
            frame(3, 1, b"he"),
            frame(3, 1, b""),
            frame(3, 1, b"llo"),
            publish(1, "l"),
            header(1, 0, NONE),
            method(1, 90, 20, &[]),
        ],
        &[
            "more",
            "more",
            "more",
            "more",
            "\"hello\"",
            "more",
            "\"\"",
            "tx.commit",
        ],
    );
}

#[test]
fn frames_come_in_their_order() {
    let ack = method(1, 60, 80, &[0; 9]);
    let no_method = "505 expected method frame, got content header frame instead";
    check(&[header(1, 5, NONE)], &[no_method]);
    let no_method = "505 expected method frame, got content body frame instead";
    check(&[frame(3, 1, b"a")], &[no_method]);
    let no_header = "505 expected content header for class 60, got method frame instead";
    check(&[publish(1, "k"), ack.clone()], &["more", no_header]);
    let no_header = "505 expected content header for class 60, got content body frame instead";
    check(&[publish(1, "k"), frame(3, 1, b"")], &["more", no_header]);
    let no_body = "505 expected content body, got method frame instead, with 3 bytes to come";
    check(
        &[publish(1, "k"), header(1, 5, NONE), frame(3, 1, b"ab"), ack],
        &["more", "more", "more", no_body],
    );
    let too_long = "505 a content body of 4 bytes came where 3 bytes were to come";
    check(
        &[publish(1, "k"), header(1, 3, NONE), frame(3, 1, b"abcd")],
        &["more", "more", too_long],
    );
}

#[test]
fn a_body_over_the_limit_is_told_with_its_header() {
    check(
        &[publish(1, "k"), header(1, 101, NONE)],
        &["more", "101 over 100"],
    );
    check(&[publish(1, "k"), header(1, 100, NONE)], &["more", "more"]);
    let len = u64::MAX;
    check(
        &[publish(1, "k"), header(1, len, NONE)],
        &["more", "18446744073709551615 over 100"],
    );
}

#[test]
fn what_is_held_is_what_has_come() {
    let codec = codec(Side::Client);
    let mut assembler = Assembler::new(16 * 1024 * 1024);
    let mut take = |bytes: &[u8]| {
        let Decoded::Frame(frame, _) = codec.decode(bytes).unwrap() else {
            panic!("no frame");
        };
        assembler.take(frame.payload).unwrap();
        (
            assembler.held_bytes(),
            assembler.is_idle(),
            assembler.method_id().to_string(),
        )
    };
    let publishing = |held| (held, false, "basic.publish".to_owned());
    assert_eq!(take(&publish(1, "k")), publishing(6));
    // The flags of no properties.
    assert_eq!(take(&header(1, 10_000_000, NONE)), publishing(8));
    assert_eq!(take(&frame(3, 1, &[0; 1_000])), publishing(1_008));
    assert_eq!(take(&frame(3, 1, &[0; 500])), publishing(1_508));
}

/// 16 MiB in frames of 128 KiB: each byte is copied about twice, whatever the number of frames.
#[test]
fn a_large_body_is_joined_at_linear_cost() {
    let body: Vec<u8> = (0..=255).cycle().take(16 * 1024 * 1024).collect();
    let mut input = BytesMut::new();
    input.extend_from_slice(&publish(1, "k"));
    input.extend_from_slice(&header(1, body.len() as u64, NONE));
    put_body_frames(&mut input, 1, FRAME_BYTES_MAX, &body);
    let codec = codec(Side::Client);
    let mut assembler = Assembler::new(body.len());
    let before = crate::allocation::allocated();
    let mut at = 0;
    loop {
        let Ok(Decoded::Frame(frame, len)) = codec.decode(&input[at..]) else {
            panic!("the body does not end");
        };
        at += len;
        if let Progress::Content(content) = assembler.take(frame.payload).unwrap() {
            assert!(content.body == body);
            break;
        }
    }
    let bytes = crate::allocation::allocated() - before;
    assert!(
        bytes < 2 * body.len() + 64 * 1024,
        "{bytes} bytes were allocated"
    );
    assert_eq!(at, input.len());
}

#[test]
fn a_content_that_lies_there_whole_is_not_copied() {
    let codec = codec(Side::Client);
    let method = publish(1, "k");
    let check = |rest: &[Vec<u8>], expected: Option<(&[u8], usize)>| {
        let input = [&method[..], &rest.concat()].concat();
        let found = Content::whole_publish(&codec, &input, 100);
        let found = found.map(|(channel, content, len)| {
            assert_eq!(channel, 1);
            let properties = content.properties.as_bytes().as_ptr();
            assert!(input.as_ptr_range().contains(&properties));
            (content.body, len - method.len())
        });
        assert_eq!(found, expected);
    };
    let (head, body) = (header(1, 3, NONE), frame(3, 1, b"abc"));
    let len = head.len() + body.len();
    check(&[head.clone(), body.clone()], Some((b"abc", len)));
    check(
        &[head.clone(), body.clone(), method.clone()],
        Some((b"abc", len)),
    );
    check(&[header(1, 0, NONE)], Some((b"", header(1, 0, NONE).len())));
    check(std::slice::from_ref(&head), None);
    check(&[head.clone(), body[..5].to_vec()], None);
    check(&[head.clone(), frame(3, 1, b"ab"), frame(3, 1, b"c")], None);
    check(&[head, frame(3, 2, b"abc")], None);
    check(&[header(2, 3, NONE), body.clone()], None);
    check(&[header(1, 101, NONE), body.clone()], None);
    check(&[body], None);
    check(&[], None);
    let body = frame(3, 1, b"abc");
    let torn = [&body[..body.len() - 1], &[0]].concat();
    check(&[header(1, 3, NONE), torn], None);
    check(&[header(1, 3, &[0, 3]), body], None);
    let behind = header(1, 0, NONE);
    let ack = self::method(1, 60, 80, &[0; 9]);
    let others = [
        (codec, [&ack[..], &behind].concat()),
        (self::codec(Side::Server), [&method[..], &behind].concat()),
    ];
    for (codec, input) in others {
        assert_eq!(Content::whole_publish(&codec, &input, 100), None);
    }
}
