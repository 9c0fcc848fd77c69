//! The server's own frames: CONNECTED, RECEIPT, ERROR. MESSAGE is in `translate`.

use crate::Version;
use crate::escape::{Part, put_escaped};
use crate::version::SUPPORTED;
use bytes::{BufMut, BytesMut};
use model::ConnectionId;

/// The `server` header: name and version.
const SERVER: &str = concat!("Barid/", env!("CARGO_PKG_VERSION"));

/// Appends a number in decimal.
pub(crate) fn put_number(buffer: &mut BytesMut, number: u64) {
    buffer.put_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// What CONNECTED says of heart-beats, in milliseconds: what we send, what we want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    pub(crate) send_ms: u64,
    pub(crate) receive_ms: u64,
}

pub(crate) fn put_connected(
    buffer: &mut BytesMut,
    version: Version,
    connection: ConnectionId,
    offer: Offer,
) {
    buffer.put_slice(b"CONNECTED\nversion:");
    buffer.put_slice(version.text().as_bytes());
    buffer.put_slice(b"\nsession:");
    put_number(buffer, connection.0);
    buffer.put_slice(b"\nserver:");
    buffer.put_slice(SERVER.as_bytes());
    buffer.put_slice(b"\nheart-beat:");
    put_number(buffer, offer.send_ms);
    buffer.put_u8(b',');
    put_number(buffer, offer.receive_ms);
    buffer.put_slice(b"\n\n\0");
}

/// `receipt` is spelled as the client spelled it: its version reads it again.
pub(crate) fn put_receipt(buffer: &mut BytesMut, receipt: &[u8]) {
    buffer.put_slice(b"RECEIPT\nreceipt-id:");
    buffer.put_slice(receipt);
    buffer.put_slice(b"\n\n\0");
}

/// What an ERROR frame says.
pub(crate) struct ErrorFrame<'a> {
    /// The short text.
    pub(crate) summary: &'a str,
    /// The long text.
    pub(crate) detail: &'a str,
    /// The receipt that the frame in error asked for, as it was spelled.
    pub(crate) receipt: Option<&'a [u8]>,
    /// The client's name of the subscription that has ended.
    pub(crate) subscription: Option<&'a [u8]>,
    /// The version agreed on; before that, none.
    pub(crate) version: Option<Version>,
}

pub(crate) fn put_error(buffer: &mut BytesMut, error: &ErrorFrame<'_>) {
    buffer.put_slice(b"ERROR\n");
    if let Some(receipt) = error.receipt {
        buffer.put_slice(b"receipt-id:");
        buffer.put_slice(receipt);
        buffer.put_u8(b'\n');
    }
    let spelling = error.version.unwrap_or(Version::V10);
    if let Some(subscription) = error.subscription {
        buffer.put_slice(b"subscription:");
        put_escaped(spelling, Part::Value, subscription, buffer);
        buffer.put_u8(b'\n');
    }
    // Before a version is agreed on, the client may need to know which there are.
    if error.version.is_none() {
        buffer.put_slice(b"version:");
        buffer.put_slice(SUPPORTED.as_bytes());
        buffer.put_u8(b'\n');
    }
    buffer.put_slice(b"message:");
    put_escaped(spelling, Part::Value, error.summary.as_bytes(), buffer);
    buffer.put_slice(b"\ncontent-type:text/plain\ncontent-length:");
    put_number(buffer, error.detail.len() as u64 + 1);
    buffer.put_slice(b"\n\n");
    buffer.put_slice(error.detail.as_bytes());
    buffer.put_slice(b"\n\0");
}
