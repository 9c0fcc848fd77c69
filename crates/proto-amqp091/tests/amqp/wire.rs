//! Bytes as a test writes them, and what is read of them.

use proto_amqp091::{Codec, DecodeError, Decoded, Frame, Side};

/// The limit that tests read with.
pub(crate) const FRAME_BYTES_MAX: usize = 131_072;

pub(crate) fn codec(from: Side) -> Codec {
    Codec::new(from, FRAME_BYTES_MAX)
}

/// A frame around a payload.
pub(crate) fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(channel.to_be_bytes());
    bytes.extend(u32::try_from(payload.len()).unwrap().to_be_bytes());
    bytes.extend(payload);
    bytes.push(0xce);
    bytes
}

/// The frame of a method with these fields.
pub(crate) fn method(channel: u16, class_id: u16, method_id: u16, fields: &[u8]) -> Vec<u8> {
    let ids = [class_id.to_be_bytes(), method_id.to_be_bytes()].concat();
    frame(1, channel, &[&ids, fields].concat())
}

/// The frame of a content's header.
pub(crate) fn header(channel: u16, body_len: u64, properties: &[u8]) -> Vec<u8> {
    let start = [0, 60, 0, 0];
    frame(
        2,
        channel,
        &[&start, &body_len.to_be_bytes()[..], properties].concat(),
    )
}

/// A `basic.publish` to the default exchange.
pub(crate) fn publish(channel: u16, key: &str) -> Vec<u8> {
    let mut fields = vec![0, 0, 0, u8::try_from(key.len()).unwrap()];
    fields.extend(key.as_bytes());
    fields.push(0);
    method(channel, 60, 40, &fields)
}

/// The only frame of some bytes.
pub(crate) fn only_frame(codec: &Codec, bytes: &[u8]) -> Result<String, DecodeError> {
    match codec.decode(bytes)? {
        Decoded::Frame(frame, len) => {
            assert_eq!(len, bytes.len());
            Ok(text(&frame))
        }
        Decoded::Incomplete { missing_bytes } => Ok(format!("{missing_bytes} missing")),
    }
}

pub(crate) fn text(frame: &Frame<'_>) -> String {
    format!("{frame:?}")
}

/// Code and text of the error that some bytes make.
pub(crate) fn error(codec: &Codec, bytes: &[u8]) -> (u16, String) {
    let error = codec.decode(bytes).unwrap_err();
    (error.reply_code().number(), error.to_string())
}
