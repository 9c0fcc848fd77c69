//! WebSocket, datagrams, and the frames of ZAP.

use bytes::{Bytes, BytesMut};
use zmtp::curve::PublicKey;
use zmtp::zap::{ZapError, ZapRequest, request_frames};
use zmtp::{
    Command, CommandError, Credentials, Frame, FrameKind, MechanismName, StatusCode, Verdict, udp,
    zws,
};

#[test]
fn a_frame_is_a_binary_message() {
    let mut out = BytesMut::new();
    zws::put_frame(&mut out, Frame::more(b"part"));
    assert_eq!(out.split()[..], *b"\x01part");
    zws::put_frame(&mut out, Frame::last(b""));
    assert_eq!(out.split()[..], *b"\0");
    zws::put_command(&mut out, &Command::Subscribe(b"topic"));
    assert_eq!(out[..], *b"\x02\x09SUBSCRIBEtopic");
    let (kind, body) = zws::read(&out).unwrap();
    assert_eq!(kind, FrameKind::Command);
    assert_eq!(Command::read(body), Ok(Command::Subscribe(b"topic")));
    for kind in [FrameKind::Last, FrameKind::More, FrameKind::Command] {
        let message = [zws::octet(kind), b'x'];
        assert_eq!(zws::read(&message), Some((kind, &b"x"[..])));
    }
    assert_eq!(zws::read(b""), None);
    assert_eq!(zws::read(b"\x03x"), None);
}

#[test]
fn a_datagram_is_a_group_and_a_body() {
    let mut out = BytesMut::new();
    udp::put(&mut out, b"news", b"body").unwrap();
    assert_eq!(out[..], *b"\x04newsbody");
    assert_eq!(udp::read(&out), Some((&b"news"[..], &b"body"[..])));
    assert_eq!(udp::read(b"\0"), Some((&b""[..], &b""[..])));
    assert_eq!(udp::read(b"\x05news"), None);
    assert_eq!(udp::read(b""), None);
    out.clear();
    let long = [b'g'; 256];
    let refused = udp::put(&mut out, &long, b"");
    assert_eq!((refused, out.len()), (Err(CommandError::Group), 0));
    udp::put(&mut out, &long[1..], b"x").unwrap();
    assert_eq!(udp::read(&out), Some((&long[1..], &b"x"[..])));
}

const REQUEST: ZapRequest<'_> = ZapRequest {
    request_id: b"1",
    domain: b"global",
    address: b"127.0.0.1",
    identity: b"me",
};

#[test]
fn a_zap_request_is_frames() {
    let head: [&[u8]; 5] = [b"1.0", b"1", b"global", b"127.0.0.1", b"me"];
    let (username, password) = (&b"admin"[..], &b"secret"[..]);
    let rows: [(Credentials<'_>, Vec<&[u8]>); 3] = [
        (Credentials::Null, vec![b"NULL"]),
        (
            Credentials::Plain { username, password },
            vec![b"PLAIN", b"admin", b"secret"],
        ),
        (
            Credentials::Curve(PublicKey([7; 32])),
            vec![b"CURVE", &[7; 32]],
        ),
    ];
    for (credentials, tail) in rows {
        let expected = [&head[..], &tail].concat();
        assert_eq!(request_frames(&REQUEST, &credentials), expected);
        assert_eq!(credentials.mechanism().as_bytes(), tail[0]);
    }
    assert_eq!(MechanismName::CURVE.to_string(), "CURVE");
}

#[test]
fn a_zap_reply_is_a_verdict() {
    let read = |frames: &[&[u8]]| Verdict::read(frames, b"1");
    let metadata = b"\x05Hello\0\0\0\x05World";
    let success = read(&[b"1.0", b"1", b"200", b"OK", b"somebody", metadata]);
    let expected = Verdict::Success {
        user_id: Bytes::from("somebody"),
        metadata: Bytes::from(&metadata[..]),
    };
    assert_eq!(success, Ok(expected));
    for (digits, code) in [
        (b"300", StatusCode::TemporaryError),
        (b"400", StatusCode::AuthenticationFailure),
        (b"500", StatusCode::InternalError),
    ] {
        let failure = read(&[b"1.0", b"1", digits, b"text", b"", b""]);
        assert_eq!(failure, Ok(Verdict::Failure(code)));
    }
    let long = [b'x'; 256];
    let rows: [(&[&[u8]], ZapError); 6] = [
        (&[b"1.0", b"1", b"200", b"", b""], ZapError::Frames(5)),
        (&[b"1.1", b"1", b"200", b"", b"", b""], ZapError::Version),
        (&[b"1.0", b"2", b"200", b"", b"", b""], ZapError::RequestId),
        (&[b"1.0", b"1", b"201", b"", b"", b""], ZapError::StatusCode),
        (
            &[b"1.0", b"1", b"200", b"", &long, b""],
            ZapError::UserId(256),
        ),
        (
            &[b"1.0", b"1", b"200", b"", b"", b"\x01"],
            ZapError::Metadata,
        ),
    ];
    for (frames, error) in rows {
        assert_eq!(read(frames), Err(error));
    }
}
