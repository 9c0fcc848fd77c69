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

/// Appends the frame of `basic.deliver` and that of the header of its content, as [`put_method`] and [`put_content_header`]
/// do: they are sent more often than all others, so they are put together of few pieces.
pub(crate) fn put_deliver(
    buffer: &mut BytesMut,
    channel: u16,
    deliver: &basic::Deliver<'_>,
    body_len: usize,
    properties: Properties<'_>,
) {
    let (class, method) = (basic::CLASS_ID, basic::Deliver::ID.method_id);
    let [c0, c1] = channel.to_be_bytes();
    let ([k0, k1], [m0, m1]) = (class.to_be_bytes(), method.to_be_bytes());
    let (tag, exchange) = (deliver.consumer_tag, deliver.exchange);
    let (key, properties) = (deliver.routing_key, properties.as_bytes());
    let texts_len = usize::from(tag.len()) + usize::from(exchange.len()) + usize::from(key.len());
    // Class, method, tag, redelivered, and a length for each of three texts; class, weight, length of the body.
    let (method_len, header_len) = (16 + texts_len, 12 + properties.len());
    buffer.reserve(method_len + header_len + 2 * FRAME_OVERHEAD_BYTES);

    let [l0, l1, l2, l3] = frame_len(method_len);
    let kind = FrameKind::Method as u8;
    buffer.extend_from_slice(&[kind, c0, c1, l0, l1, l2, l3, k0, k1, m0, m1, tag.len()]);
    buffer.extend_from_slice(tag.as_bytes());
    let mut middle = [0; 10];
    middle[..8].copy_from_slice(&deliver.delivery_tag.to_be_bytes());
    middle[8] = u8::from(deliver.redelivered);
    middle[9] = exchange.len();
    buffer.extend_from_slice(&middle);
    buffer.extend_from_slice(exchange.as_bytes());
    buffer.extend_from_slice(&[key.len()]);
    buffer.extend_from_slice(key.as_bytes());

    let [l0, l1, l2, l3] = frame_len(header_len);
    let kind = FrameKind::Header as u8;
    let mut header = [
        FRAME_END, kind, c0, c1, l0, l1, l2, l3, k0, k1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    header[12..].copy_from_slice(&(body_len as u64).to_be_bytes());
    buffer.extend_from_slice(&header);
    buffer.extend_from_slice(properties);
    buffer.extend_from_slice(&[FRAME_END]);
}

fn frame_len(len: usize) -> [u8; 4] {
    let len = u32::try_from(len).expect("frames are limited to far less");
    len.to_be_bytes()
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
    let mut head = [0; FRAME_HEAD_BYTES];
    head[0] = FrameKind::Body as u8;
    head[1..3].copy_from_slice(&channel.to_be_bytes());
    head[3..].copy_from_slice(&frame_len(len));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_its_method_and_the_header_of_its_content() {
        let long = "k".repeat(255);
        let texts = ["", "c", "amq.topic", &long].map(ShortStr::cut);
        let all_properties: [&[u8]; 2] = [&[0, 0], &[0x10, 0, 2]];
        for (nth, properties) in all_properties.into_iter().cycle().take(64).enumerate() {
            let [consumer_tag, exchange, routing_key] =
                [nth, nth / 4, nth / 16].map(|place| texts[place % texts.len()]);
            let deliver = basic::Deliver {
                consumer_tag,
                delivery_tag: 0x0102_0304_0506_0708 << (nth % 8),
                redelivered: nth % 3 == 0,
                exchange,
                routing_key,
            };
            let properties = Properties::checked(properties);
            let (mut at_once, mut one_by_one) = (BytesMut::new(), BytesMut::new());
            put_deliver(&mut at_once, 0x0102, &deliver, 1 << nth, properties);
            put_method(&mut one_by_one, 0x0102, &Method::BasicDeliver(deliver));
            put_content_header(&mut one_by_one, 0x0102, 1 << nth, properties);
            assert_eq!(at_once, one_by_one, "{deliver:?}");
        }
    }
}
