//! A message of another protocol into header lines.

use super::destination::{TOPIC_EXCHANGE, percent_encode};
use bytes::{BufMut, BytesMut};
use model::Message;

/// Appends the header lines of a message that came by another protocol.
pub(crate) fn put_foreign(buffer: &mut BytesMut, message: &Message) {
    let mut destination = Vec::new();
    spell_address(message.exchange(), message.key(), &mut destination);
    buffer.put_slice(b"destination:");
    buffer.put_slice(&destination);
    buffer.put_u8(b'\n');
}

/// Spells where a message was published to as a SEND would have; no version escapes it.
fn spell_address(exchange: &[u8], key: &[u8], into: &mut Vec<u8>) {
    match exchange {
        b"" => into.extend_from_slice(b"/queue/"),
        TOPIC_EXCHANGE => into.extend_from_slice(b"/topic/"),
        other => {
            into.extend_from_slice(b"/exchange/");
            percent_encode(other, b"/", into);
            into.push(b'/');
        }
    }
    percent_encode(key, &[], into);
}
