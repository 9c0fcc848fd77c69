//! Any bytes, cut anywhere, through AMQP's codec.

use crate::input::{Input, pieces};
use bytes::BytesMut;
use proto_amqp091::{
    Assembler, Codec, Content, Decoded, Frame, Payload, Progress, Side, put_body_frames,
    put_content_header, put_heartbeat, put_method,
};
use std::collections::BTreeMap;

/// Small, so that short inputs reach it.
const BODY_BYTES_MAX: usize = 300;

/// What was read of a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Read {
    /// Methods and contents, as text.
    texts: Vec<String>,
    error: Option<String>,
    /// Bytes that wait for more.
    left: usize,
}

/// How contents are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contents {
    /// At once if they lie there whole.
    AtOnce,
    ByFrames,
}

/// Reads the stream whole and cut into pieces, contents at once and frame by frame: all of that gives the
/// same, no more is held than the limits allow, and what was read is the same when it is written again.
///
/// Bytes: 1, whose bit 0 makes it the stream of a server, and bit 1 asks for a small limit; 1, the seed of the
/// cuts; the stream, without a protocol header.
///
/// # Panics
/// When one of these promises is broken.
pub fn amqp_codec(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    let seed = input.u8();
    let stream = input.rest();
    let side = if options & 1 == 0 {
        Side::Client
    } else {
        Side::Server
    };
    let limit = if options & 2 == 0 { 131_072 } else { 200 };
    let codec = Codec::new(side, limit);
    let whole = read(codec, Contents::AtOnce, &[stream]);
    let cut = read(codec, Contents::AtOnce, &pieces(seed, stream));
    assert_eq!(whole, cut, "the cuts make a difference");
    let by_frames = read(codec, Contents::ByFrames, &[stream]);
    assert_eq!(whole, by_frames, "the way makes a difference");
}

fn read(codec: Codec, contents: Contents, pieces: &[&[u8]]) -> Read {
    let mut held = Vec::new();
    let mut read = Read::default();
    let mut assemblers = BTreeMap::<u16, Assembler>::new();
    for piece in pieces {
        held.extend_from_slice(piece);
        let mut at = 0;
        let missing = loop {
            let publish = Content::whole_publish(&codec, &held[at..], BODY_BYTES_MAX);
            if let (Some((channel, content, len)), Contents::AtOnce) = (publish, contents)
                && assemblers.get(&channel).is_none_or(Assembler::is_idle)
            {
                read.texts.push(format!("{content:?}"));
                at += len;
                continue;
            }
            match codec.decode(&held[at..]) {
                Ok(Decoded::Frame(frame, len)) => {
                    write_again(&codec, &frame, &held[at..at + len]);
                    at += len;
                    let of_channel = assemblers.entry(frame.channel);
                    let assembler = of_channel.or_insert_with(|| Assembler::new(BODY_BYTES_MAX));
                    match take(assembler, frame) {
                        Ok(text) => read.texts.extend(text),
                        Err(error) => {
                            read.error = Some(error);
                            return read;
                        }
                    }
                    assert!(assembler.held_bytes() <= BODY_BYTES_MAX);
                }
                Ok(Decoded::Incomplete { missing_bytes }) => break missing_bytes,
                Err(error) => {
                    read.error = Some(format!("{} {error}", error.reply_code().number()));
                    return read;
                }
            }
        };
        held.drain(..at);
        let most = codec.payload_bytes_max() + 8;
        assert!(missing > 0 && held.len() + missing <= most, "{missing}");
    }
    read.left = held.len();
    read
}

/// What a frame leads to.
fn take(assembler: &mut Assembler, frame: Frame<'_>) -> Result<Option<String>, String> {
    match assembler.take(frame.payload) {
        Ok(Progress::More) => Ok(None),
        Ok(Progress::Content(content)) => Ok(Some(format!("{content:?}"))),
        Ok(progress) => Ok(Some(format!("{progress:?}"))),
        Err(error) => Err(format!("{} {error}", error.reply_code().number())),
    }
}

/// What is written from a frame that was read is as long, and is read as the same frame.
fn write_again(codec: &Codec, frame: &Frame<'_>, bytes: &[u8]) {
    let mut written = BytesMut::new();
    match frame.payload {
        Payload::Method(method) => put_method(&mut written, frame.channel, &method),
        Payload::Header(header) => {
            let Ok(body_len) = usize::try_from(header.body_len) else {
                return;
            };
            let mut fields = BytesMut::new();
            header.properties.fields().put(&mut fields);
            assert_eq!(&fields[..], header.properties.as_bytes());
            put_content_header(&mut written, frame.channel, body_len, header.properties);
        }
        Payload::Body([]) => return,
        Payload::Body(body) => put_body_frames(&mut written, frame.channel, bytes.len(), body),
        Payload::Heartbeat => put_heartbeat(&mut written),
    }
    // What is reserved is not kept.
    assert!(written.len() <= bytes.len());
    match codec.decode(&written) {
        Ok(Decoded::Frame(again, _)) => assert_eq!(again, *frame),
        other => panic!("{frame:?} becomes {other:?}"),
    }
}
