//! Frames into bytes.

use crate::field_value::put_longstr;
use crate::frame::{FRAME_END, FRAME_OVERHEAD_BYTES, FrameKind};
use crate::{Method, Properties, ShortStr, basic};
use bytes::{BufMut, BytesMut};

/// Bytes of a frame before its payload.
const FRAME_HEAD_BYTES: usize = 7;

/// What a content has beside its properties and its body, if the body is in one frame: two frames, class,
/// weight and length.
pub const CONTENT_FRAMES_OVERHEAD_BYTES: usize = 2 * FRAME_OVERHEAD_BYTES + 12;

/// Appends a frame around what `payload` writes.
fn put_frame(
    buffer: &mut BytesMut,
    kind: FrameKind,
    channel: u16,
    payload: impl FnOnce(&mut BytesMut),
) {
    buffer.put_u8(kind as u8);
    buffer.put_u16(channel);
    buffer.put_u32(0);
    let from = buffer.len();
    payload(buffer);
    let len = u32::try_from(buffer.len() - from).expect("frames are limited to far less");
    buffer[from - 4..from].copy_from_slice(&len.to_be_bytes());
    buffer.put_u8(FRAME_END);
}

/// Appends the frame of a method.
pub fn put_method(buffer: &mut BytesMut, channel: u16, method: &Method<'_>) {
    put_frame(buffer, FrameKind::Method, channel, |buffer| {
        let id = method.id();
        buffer.put_u16(id.class_id);
        buffer.put_u16(id.method_id);
        method.put_fields(buffer);
    });
}

/// Appends the frame of a content's header.
pub fn put_content_header(
    buffer: &mut BytesMut,
    channel: u16,
    body_len: usize,
    properties: Properties<'_>,
) {
    put_frame(buffer, FrameKind::Header, channel, |buffer| {
        buffer.put_u16(basic::CLASS_ID);
        // The weight, which means nothing.
        buffer.put_u16(0);
        buffer.put_u64(body_len as u64);
        buffer.extend_from_slice(properties.as_bytes());
    });
}

/// Appends a body in as many frames as it takes, none of more than `frame_bytes_max` bytes.
///
/// # Panics
/// When that is no more than what a frame has beside its payload, which no peer can ask for.
pub fn put_body_frames(buffer: &mut BytesMut, channel: u16, frame_bytes_max: usize, body: &[u8]) {
    assert!(frame_bytes_max > FRAME_OVERHEAD_BYTES, "a frame has room");
    let chunks = body.chunks(frame_bytes_max - FRAME_OVERHEAD_BYTES);
    buffer.reserve(body.len() + chunks.len() * FRAME_OVERHEAD_BYTES);
    for chunk in chunks {
        put_body_head(buffer, channel, chunk.len());
        buffer.extend_from_slice(chunk);
        buffer.put_u8(FRAME_END);
    }
}

/// Appends what stands before a body's frame.
pub(crate) fn put_body_head(buffer: &mut BytesMut, channel: u16, len: usize) {
    let len = u32::try_from(len).expect("frames are limited to far less");
    let mut head = [0; FRAME_HEAD_BYTES];
    head[0] = FrameKind::Body as u8;
    head[1..3].copy_from_slice(&channel.to_be_bytes());
    head[3..].copy_from_slice(&len.to_be_bytes());
    buffer.extend_from_slice(&head);
}

/// Appends a heartbeat.
pub fn put_heartbeat(buffer: &mut BytesMut) {
    put_frame(buffer, FrameKind::Heartbeat, 0, |_| {});
}

/// The fields of methods, by the names of their types.
pub(crate) trait PutFields {
    /// Appends a short string.
    fn put_shortstr(&mut self, text: ShortStr<'_>);
    /// Appends a long string, or a table.
    fn put_longstr(&mut self, bytes: &[u8]);
    /// Appends up to eight bits in an octet, the first as the lowest.
    fn put_bits(&mut self, bits: &[bool]);
}

impl PutFields for BytesMut {
    #[inline]
    fn put_shortstr(&mut self, text: ShortStr<'_>) {
        self.put_u8(text.len());
        self.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn put_longstr(&mut self, bytes: &[u8]) {
        put_longstr(self, bytes);
    }

    #[inline]
    fn put_bits(&mut self, bits: &[bool]) {
        let octet = bits
            .iter()
            .rev()
            .fold(0, |octet, bit| octet << 1 | u8::from(*bit));
        self.put_u8(octet);
    }
}
