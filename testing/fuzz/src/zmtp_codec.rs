//! Any bytes, cut anywhere, through ZMTP's frames, and what is in them.

use crate::input::{Input, pieces};
use bytes::BytesMut;
use zmtp::{
    Command, Decoded, Frame, FrameHead, FrameKind, Framing, Metadata, MetadataBuf, decode,
    put_frame, udp, zws,
};

/// What was read of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    frames: Vec<(FrameKind, Vec<u8>)>,
    error: Option<String>,
    /// Bytes that wait for more.
    left: usize,
}

/// Reads the stream whole and cut into pieces: both give the same, no more is held than the limit allows, and a frame, a
/// command, a list of properties is the same when it is written again.
///
/// Bytes: 1, whose two lowest bits are the framing, and bit 2 asks for a small limit; 1, the seed of the cuts; the stream.
///
/// # Panics
/// When one of these promises is broken.
pub fn zmtp_codec(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    let seed = input.u8();
    let stream = input.rest();
    let framing = match options & 3 {
        0 => Framing::V1,
        1 => Framing::V2,
        _ => Framing::V3,
    };
    let limit = if options & 4 == 0 { 65_536 } else { 100 };
    let whole = read(framing, limit, &[stream]);
    let cut = read(framing, limit, &pieces(seed, stream));
    assert_eq!(whole, cut, "the cuts make a difference");
    for (kind, body) in &whole.frames {
        if *kind == FrameKind::Command {
            command_again(body);
        }
    }
    metadata_again(stream);
    datagram_again(stream);
}

fn read(framing: Framing, limit: usize, pieces: &[&[u8]]) -> Read {
    let mut held = Vec::new();
    let mut read = Read::default();
    for piece in pieces {
        held.extend_from_slice(piece);
        let mut at = 0;
        loop {
            match decode(framing, &held[at..], limit) {
                Ok(Decoded::Frame(kind, body)) => {
                    let end = at + body.end;
                    let body = held[at..][body].to_vec();
                    assert!(body.len() <= limit);
                    frame_again(framing, kind, &body);
                    read.frames.push((kind, body));
                    at = end;
                }
                Ok(Decoded::Incomplete { missing_bytes }) => {
                    let most = limit + zmtp::HEAD_BYTES_MAX;
                    assert!(missing_bytes > 0 && held.len() - at + missing_bytes <= most);
                    break;
                }
                Err(error) => {
                    read.error = Some(error.to_string());
                    return read;
                }
            }
        }
        held.drain(..at);
    }
    read.left = held.len();
    read
}

fn frame_again(framing: Framing, kind: FrameKind, body: &[u8]) {
    let mut written = BytesMut::new();
    match kind {
        FrameKind::Last => put_frame(&mut written, framing, Frame::last(body)),
        FrameKind::More => put_frame(&mut written, framing, Frame::more(body)),
        FrameKind::Command => {
            written.extend_from_slice(FrameHead::command(body.len()).as_bytes());
            written.extend_from_slice(body);
        }
    }
    let len = written.len();
    let again = decode(framing, &written, body.len());
    assert_eq!(again, Ok(Decoded::Frame(kind, len - body.len()..len)));
    if kind != FrameKind::Command {
        let mut message = BytesMut::new();
        let more = kind == FrameKind::More;
        zws::put_frame(&mut message, Frame { more, body });
        assert_eq!(zws::read(&message), Some((kind, body)));
    }
}

fn command_again(body: &[u8]) {
    if let Ok(command) = Command::read(body) {
        let mut message = BytesMut::new();
        zws::put_command(&mut message, &command);
        let (kind, body) = zws::read(&message).expect("it was just written");
        assert_eq!(kind, FrameKind::Command);
        assert_eq!(Command::read(body), Ok(command));
    }
}

fn metadata_again(bytes: &[u8]) {
    if let Ok(metadata) = Metadata::read(bytes) {
        let mut again = MetadataBuf::default();
        for (name, value) in metadata.iter() {
            let name = std::str::from_utf8(name).expect("names are ASCII");
            again.push(name, value).expect("it was read");
        }
        assert_eq!(again.as_bytes(), bytes);
    }
}

fn datagram_again(bytes: &[u8]) {
    if let Some((group, body)) = udp::read(bytes) {
        let mut again = BytesMut::new();
        udp::put(&mut again, group, body).expect("it was read");
        assert_eq!(again[..], *bytes);
    }
}
