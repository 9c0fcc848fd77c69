//! Frames of all versions.

use bytes::BytesMut;
use proptest::prelude::*;
use zmtp::{Decoded, Frame, FrameError, FrameHead, FrameKind, Framing, decode, put_frame};

const FRAMINGS: [Framing; 3] = [Framing::V1, Framing::V2, Framing::V3];

#[test]
fn heads_are_as_short_as_they_can_be() {
    let head = |framing, more, len| FrameHead::message(framing, more, len).as_bytes().to_vec();
    for framing in [Framing::V2, Framing::V3] {
        assert_eq!(head(framing, false, 0), [0, 0]);
        assert_eq!(head(framing, true, 255), [1, 255]);
        assert_eq!(head(framing, false, 256), [2, 0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(head(framing, true, 65_536), [3, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
    assert_eq!(head(Framing::V1, false, 0), [1, 0]);
    assert_eq!(head(Framing::V1, true, 253), [254, 1]);
    let long = [255, 0, 0, 0, 0, 0, 0, 0, 255, 0];
    assert_eq!(head(Framing::V1, false, 254), long);
    assert_eq!(FrameHead::command(255).as_bytes(), [4, 255]);
    assert_eq!(
        FrameHead::command(256).as_bytes(),
        [6, 0, 0, 0, 0, 0, 0, 1, 0]
    );
}

#[test]
fn flags_are_those_of_the_grammar() {
    let found = |framing, flags: u8| decode(framing, &[flags, 0, 0, 0, 0, 0, 0, 0, 0], 9);
    for flags in 0..=255 {
        let is_known = matches!(flags, 0..=4 | 6);
        assert_eq!(found(Framing::V3, flags).is_ok(), is_known, "{flags}");
        let refused = Err(FrameError::Flags(flags));
        let is_known = flags <= 3;
        assert_eq!(found(Framing::V2, flags).is_ok(), is_known, "{flags}");
        assert_eq!(found(Framing::V2, flags) == refused, !is_known, "{flags}");
    }
    let command = Decoded::Frame(FrameKind::Command, 2..2);
    assert_eq!(found(Framing::V3, 4), Ok(command));
}

#[test]
fn flags_of_1_0_are_more_or_not() {
    let body = |flags| decode(Framing::V1, &[2, flags, b'x'], 9);
    assert_eq!(body(0), Ok(Decoded::Frame(FrameKind::Last, 2..3)));
    assert_eq!(body(1), Ok(Decoded::Frame(FrameKind::More, 2..3)));
    assert_eq!(body(0x7E), Ok(Decoded::Frame(FrameKind::Last, 2..3)));
    let none = decode(Framing::V1, &[0], 9);
    assert_eq!(none, Err(FrameError::NoFlags));
}

#[test]
fn the_limit_is_looked_at_before_the_body_comes() {
    for (framing, head) in [
        (Framing::V3, &[0, 101][..]),
        (Framing::V3, &[2, 0, 0, 0, 0, 0, 0, 0, 101]),
        (Framing::V2, &[1, 101]),
        (Framing::V1, &[102]),
        (Framing::V1, &[255, 0, 0, 0, 0, 0, 0, 0, 102]),
    ] {
        let (len, limit) = (101, 100);
        let error = FrameError::TooLarge { len, limit };
        assert_eq!(decode(framing, head, limit), Err(error));
        let incomplete = matches!(
            decode(framing, head, 101),
            Ok(Decoded::Incomplete { missing_bytes }) if missing_bytes <= 102
        );
        assert!(incomplete, "{head:?}");
    }
    // Nor is there an overflow without a limit.
    let head = [2, 255, 255, 255, 255, 255, 255, 255, 255];
    assert!(decode(Framing::V3, &head, usize::MAX).is_err());
}

#[test]
fn it_is_known_how_much_is_missing() {
    for framing in FRAMINGS {
        for len in [0, 1, 253, 254, 255, 256, 70_000] {
            let body = vec![b'x'; len];
            let mut bytes = BytesMut::new();
            put_frame(&mut bytes, framing, Frame::last(&body));
            let mut at = 0;
            let mut reads = 0;
            while at < bytes.len() {
                match decode(framing, &bytes[..at], 70_000).unwrap() {
                    Decoded::Incomplete { missing_bytes } => at += missing_bytes,
                    Decoded::Frame(..) => panic!("{at} of {} are enough", bytes.len()),
                }
                reads += 1;
            }
            assert_eq!(at, bytes.len());
            assert!(reads <= 3);
        }
    }
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        (250_usize..260).prop_map(|len| vec![b'x'; len]),
        (0_usize..70_000).prop_map(|len| vec![b'y'; len]),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(body in body(), more: bool, framing in 0_usize..3, rest in body()) {
        let framing = FRAMINGS[framing];
        let mut bytes = BytesMut::new();
        put_frame(&mut bytes, framing, Frame { more, body: &body });
        let len = bytes.len();
        bytes.extend_from_slice(&rest);
        let kind = if more { FrameKind::More } else { FrameKind::Last };
        let decoded = decode(framing, &bytes, body.len()).unwrap();
        prop_assert_eq!(&decoded, &Decoded::Frame(kind, len - body.len()..len));
        prop_assert_eq!(&bytes[len - body.len()..len], &body[..]);
    }

    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..40), framing in 0_usize..3, limit: usize) {
        match decode(FRAMINGS[framing], &bytes, limit) {
            Ok(Decoded::Frame(_, body)) => {
                prop_assert!(body.end <= bytes.len() && body.len() <= limit);
            }
            Ok(Decoded::Incomplete { missing_bytes }) => {
                prop_assert!(missing_bytes > 0);
                prop_assert!(missing_bytes <= limit.saturating_add(10));
            }
            Err(_) => {}
        }
    }
}
