//! Frames, one rule at a time.

use crate::wire::{codec, error, frame, header, method, only_frame};
use bytes::BytesMut;
use proto_amqp091::{
    Codec, Decoded, Payload, Properties, PropertyList, ShortStr, Side, put_body_frames,
    put_content_header, put_heartbeat,
};

fn decoded_text(bytes: &[u8]) -> String {
    only_frame(&codec(Side::Client), bytes).unwrap()
}

#[test]
fn there_are_four_types() {
    for kind in (0..=255).filter(|it| ![1, 2, 3, 8].contains(it)) {
        let expected = (501, format!("there is no frame of type {kind}"));
        assert_eq!(error(&codec(Side::Client), &[kind]), expected);
    }
    assert_eq!(
        decoded_text(&frame(3, 5, b"abc")),
        "Frame { channel: 5, payload: Body([97, 98, 99]) }"
    );
}

#[test]
fn the_size_is_compared_with_the_limit_before_anything_is_waited_for() {
    let codec = Codec::new(Side::Client, 4_096);
    let head = |len: u32| [&[3, 0, 1][..], &len.to_be_bytes()].concat();
    let missing = |bytes: &[u8]| match codec.decode(bytes).unwrap() {
        Decoded::Incomplete { missing_bytes } => missing_bytes,
        Decoded::Frame(..) => panic!("no whole frame"),
    };
    assert_eq!(missing(&head(4_096)), 4_097);
    let expected = "a frame's payload of 4097 bytes is over the limit of 4096";
    assert_eq!(error(&codec, &head(4_097)), (501, expected.into()));
    assert_eq!(error(&codec, &head(u32::MAX)).0, 501);
    let mut codec = codec;
    codec.set_frame_bytes_max(5_000);
    assert_eq!(codec.payload_bytes_max(), 5_000);
    assert!(codec.decode(&head(4_097)).is_ok());
}

#[test]
fn it_is_known_how_many_bytes_are_missing() {
    let codec = codec(Side::Client);
    let whole = method(1, 20, 10, b"\0");
    let mut there = 0;
    loop {
        match codec.decode(&whole[..there]).unwrap() {
            Decoded::Frame(_, len) => break assert_eq!(len, whole.len()),
            Decoded::Incomplete { missing_bytes } => {
                assert!(missing_bytes > 0);
                there += missing_bytes;
            }
        }
    }
    assert_eq!(there, whole.len());
}

#[test]
fn each_ends_with_its_octet() {
    let mut bytes = frame(8, 0, &[]);
    bytes[7] = 0xcd;
    let expected = "a frame ends with 0xcd instead of 0xce";
    assert_eq!(error(&codec(Side::Client), &bytes), (501, expected.into()));
}

#[test]
fn heartbeats_are_empty_and_on_channel_0() {
    assert_eq!(
        decoded_text(&frame(8, 0, &[])),
        "Frame { channel: 0, payload: Heartbeat }"
    );
    let mut written = BytesMut::new();
    put_heartbeat(&mut written);
    assert_eq!(&written[..], [8, 0, 0, 0, 0, 0, 0, 0xce]);
    let expected =
        "a heartbeat has 1 bytes of payload on channel 2, but must be empty and on channel 0";
    let found = error(&codec(Side::Client), &frame(8, 2, &[0]));
    assert_eq!(found, (501, expected.into()));
}

#[test]
fn content_headers_are_of_basic_and_without_weight() {
    let check = |payload: &[u8], expected: (u16, &str)| {
        let (code, text) = error(&codec(Side::Client), &frame(2, 1, payload));
        assert_eq!((code, text.as_str()), expected);
    };
    let start = |class: u8, weight: u8| [0, class, 0, weight, 0, 0, 0, 0, 0, 0, 0, 0];
    let with = |class, weight, rest: &[u8]| [&start(class, weight), rest].concat();
    let text = "a content header is of class 50, but only 60 has contents";
    check(&with(50, 0, &[0, 0]), (505, text));
    let text = "a content header has the weight 1, but must have 0";
    check(&with(60, 1, &[0, 0]), (502, text));
    let text = "the property flags 0b0000000000000001 have bits that mean nothing";
    check(&with(60, 0, &[0, 1, 0, 0]), (502, text));
    let text = "the field 'property-flags' needs 2 bytes, 1 are left";
    check(&with(60, 0, &[0]), (501, text));
    let text = "the field 'content-type' needs 5 bytes, 1 are left";
    check(&with(60, 0, b"\x80\0\x05t"), (501, text));
    let text = "3 bytes stand behind its last field";
    check(&with(60, 0, b"\0\0abc"), (501, text));
    let text = "the table 'headers' has a value of the unknown type 0x3f at byte 2";
    check(&with(60, 0, b"\x20\0\0\0\0\x04\x01a?\0"), (502, text));
}

#[test]
fn properties_are_kept_as_they_came_and_read_one_by_one() {
    let list = PropertyList {
        content_type: Some(ShortStr::new(b"t").unwrap()),
        delivery_mode: Some(2),
        priority: Some(9),
        timestamp: Some(u64::MAX),
        cluster_id: Some(ShortStr::new(b"\xff").unwrap()),
        ..PropertyList::default()
    };
    let mut raw = BytesMut::new();
    list.put(&mut raw);
    assert_eq!(
        &raw[..],
        b"\x98\x44\x01t\x02\x09\xff\xff\xff\xff\xff\xff\xff\xff\x01\xff"
    );
    let properties = Properties::new(&raw).unwrap();
    assert_eq!(properties.fields(), list);
    let mut written = BytesMut::new();
    put_content_header(&mut written, 3, 1 << 20, properties);
    assert_eq!(&written[..], header(3, 1 << 20, &raw));
    assert_eq!(Properties::NONE.fields(), PropertyList::default());
    assert!(Properties::new(b"\0\0\0").is_err());
}

#[test]
fn bodies_are_split_to_the_limit() {
    let body: Vec<u8> = (0..=255).cycle().take(10_000).collect();
    let check = |len: usize, expected: &[usize]| {
        let mut written = BytesMut::new();
        put_body_frames(&mut written, 9, 4_096, &body[..len]);
        let codec = Codec::new(Side::Server, 4_096);
        let (mut at, mut pieces) = (0, Vec::new());
        while let Ok(Decoded::Frame(frame, frame_len)) = codec.decode(&written[at..]) {
            assert!(frame.channel == 9 && frame_len <= 4_096);
            let Payload::Body(piece) = frame.payload else {
                panic!("{frame:?}");
            };
            pieces.push(piece.to_vec());
            at += frame_len;
        }
        assert_eq!(at, written.len());
        assert_eq!(pieces.concat(), &body[..len]);
        let lens: Vec<usize> = pieces.iter().map(Vec::len).collect();
        assert_eq!(lens, expected);
    };
    check(0, &[]);
    check(1, &[1]);
    check(4_088, &[4_088]);
    check(4_089, &[4_088, 1]);
    check(10_000, &[4_088, 4_088, 1_824]);
}
