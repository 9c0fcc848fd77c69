//! The NATS client protocol, as far as a load generator needs it.
//!
//! A PING behind a SUB plays the part of a receipt: its PONG says that the subscription stands.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use memchr::{memchr, memrchr};

use super::{FRAME_BYTES_MAX, Frame, Scanned, Template};

/// Longest line the server sends: its INFO.
const LINE_BYTES_MAX: usize = 32 * 1024;

/// Opens a session in which the server does not answer each line with "+OK".
pub(super) fn connect() -> Vec<u8> {
    b"CONNECT {\"verbose\":false,\"pedantic\":false,\"lang\":\"rust\",\"version\":\"1\"}\r\n"
        .to_vec()
}

/// Subscribes, and asks for a sign that it is done.
pub(super) fn subscribe(subject: &str) -> Vec<u8> {
    format!("SUB {subject} 1\r\nPING\r\n").into_bytes()
}

/// Renders a PUB frame.
pub(super) fn template(subject: &str, body: &[u8]) -> Template {
    let mut bytes = format!("PUB {subject} {}\r\n", body.len()).into_bytes();
    let body_at = bytes.len();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"\r\n");
    Template {
        bytes,
        body_at,
        receipt: None,
    }
}

/// Finds the first whole frame.
#[inline]
pub(super) fn scan(input: &[u8]) -> Result<Option<Scanned>> {
    let Some(end) = memchr(b'\n', input) else {
        ensure!(
            input.len() < LINE_BYTES_MAX,
            "a line is over {LINE_BYTES_MAX} bytes"
        );
        return Ok(None);
    };
    let line = input[..end].trim_ascii_end();
    let len = end + 1;
    let frame = match line.first() {
        Some(b'M') if line.starts_with(b"MSG ") => return message(input, line, len),
        Some(b'P') if line == b"PONG" => Frame::Receipt { id: 0..0 },
        Some(b'I') if line.starts_with(b"INFO ") => Frame::Connected {
            server: version(line),
        },
        Some(b'-') => Frame::Error {
            text: 0..line.len(),
        },
        _ => Frame::Other,
    };
    Ok(Some(Scanned { len, frame }))
}

/// `MSG subject sid [reply-to] size`, then the body and a line end.
#[inline]
fn message(input: &[u8], line: &[u8], body_at: usize) -> Result<Option<Scanned>> {
    let size_at = memrchr(b' ', line).context("a MSG line has no size")? + 1;
    let mut size = 0_usize;
    for digit in &line[size_at..] {
        ensure!(digit.is_ascii_digit(), "the size of a MSG is no number");
        size = size * 10 + usize::from(digit - b'0');
        ensure!(
            size <= FRAME_BYTES_MAX,
            "a MSG is over {FRAME_BYTES_MAX} bytes"
        );
    }
    let body = body_at..body_at + size;
    let len = body.end + 2;
    let Some(end) = input.get(body.end..len) else {
        return Ok(None);
    };
    ensure!(
        end == b"\r\n",
        "a MSG of {size} bytes does not end with its line"
    );
    Ok(Some(Scanned {
        len,
        frame: Frame::Message {
            body,
            ack: 0..0,
            is_redelivered: false,
        },
    }))
}

/// Where the INFO line holds the version, or nowhere.
fn version(line: &[u8]) -> Range<usize> {
    let key = b"\"version\":\"";
    let Some(at) = memchr::memmem::find(line, key).map(|at| at + key.len()) else {
        return 0..0;
    };
    at..memchr(b'"', &line[at..]).map_or(at, |length| at + length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Wire, tests::check_any_split};

    #[test]
    fn any_split_of_the_input_gives_the_same_frames() {
        let capture = b"INFO {\"server_id\":\"X\",\"version\":\"2.9.10\",\"port\":1}\r\nPONG\r\n\
            MSG bench.1 1 5\r\na\r\nbc\r\nMSG bench.1 1 reply 0\r\n\r\nPING\r\n+OK\r\n\
            -ERR 'Slow Consumer'\r\n";
        let frames = [
            "connected \"2.9.10\"",
            "receipt \"\"",
            "message \"a\\r\\nbc\" ack \"\"",
            "message \"\" ack \"\"",
            "other",
            "other",
            "error \"-ERR \\'Slow Consumer\\'\"",
        ];
        check_any_split(Wire::Nats, capture, &frames);
    }

    #[test]
    fn a_frame_that_cannot_be_is_refused() {
        for input in [
            &b"MSG s 1 x\r\n"[..],
            b"MSG s 1 2\r\nabcd\r\n",
            b"MSG s 1 99999999999\r\n",
        ] {
            assert!(
                scan(input).is_err(),
                "{:?}",
                input.escape_ascii().to_string()
            );
        }
    }
}
