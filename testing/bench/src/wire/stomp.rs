//! STOMP 1.2, as far as a load generator needs it.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use memchr::memchr;

use super::{FRAME_BYTES_MAX, Frame, Receipt, Safety, Scanned, Template};
use crate::stamp::DIGITS;

/// Deliveries a consumer that acknowledges may hold.
const PREFETCH_COUNT: u32 = 1000;

/// Opens a session without heart-beats.
pub(super) fn connect() -> Vec<u8> {
    b"CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:0,0\n\n\0"
        .to_vec()
}

/// Subscribes under a number with a receipt. Each broker is told the prefetch in its own words.
pub(crate) fn subscribe(destination: &str, number: usize, safety: Safety) -> Vec<u8> {
    let ack = match safety {
        Safety::Transient => "ack:auto\n",
        Safety::Confirmed | Safety::Once => {
            return subscribe_acknowledging(destination, number, PREFETCH_COUNT);
        }
    };
    request(destination, number, ack)
}

/// Subscribes as [`subscribe`] does, to a queue of RabbitMQ that is made a quorum queue if it is not there.
pub(super) fn subscribe_quorum(destination: &str, safety: Safety) -> Vec<u8> {
    let mut request = subscribe(destination, 1, safety);
    let at = b"SUBSCRIBE\n".len();
    request.splice(at..at, *b"x-queue-type:quorum\n");
    request
}

/// Subscribes as [`subscribe`] does, to acknowledge each delivery, of which at most `prefetch` may be open.
pub(crate) fn subscribe_acknowledging(destination: &str, number: usize, prefetch: u32) -> Vec<u8> {
    let ack = format!(
        "ack:client-individual\nprefetch-count:{prefetch}\nactivemq.prefetchSize:{prefetch}\n"
    );
    request(destination, number, &ack)
}

fn request(destination: &str, number: usize, ack: &str) -> Vec<u8> {
    format!("SUBSCRIBE\nid:{number}\ndestination:{destination}\n{ack}receipt:ready\n\n\0")
        .into_bytes()
}

/// Renders a SEND frame with a blank receipt id where one is asked for.
pub(super) fn template(destination: &str, body: &[u8], safety: Safety) -> Template {
    let mut bytes = format!("SEND\ndestination:{destination}\n").into_bytes();
    let mut receipt = None;
    match safety {
        Safety::Transient => {}
        Safety::Confirmed | Safety::Once => {
            bytes.extend_from_slice(b"persistent:true\nreceipt:");
            receipt = Some(Receipt::Digits(bytes.len()));
            bytes.extend_from_slice(&[b'0'; DIGITS]);
            bytes.push(b'\n');
        }
    }
    bytes.extend_from_slice(format!("content-length:{}\n\n", body.len()).as_bytes());
    let body_at = bytes.len();
    bytes.extend_from_slice(body);
    bytes.push(0);
    Template {
        bytes,
        body_at,
        receipt,
    }
}

/// Appends the ACK for a delivery, its id as the MESSAGE frame gave it, escapes and all.
#[inline]
pub(crate) fn append_ack(output: &mut Vec<u8>, ack: &[u8]) {
    output.extend_from_slice(b"ACK\nid:");
    output.extend_from_slice(ack);
    output.extend_from_slice(b"\n\n\0");
}

/// Headers that decide anything here.
#[derive(Default)]
struct Head {
    content_length: Option<usize>,
    ack: Range<usize>,
    receipt_id: Range<usize>,
    redelivered: Range<usize>,
    server: Range<usize>,
    message: Range<usize>,
}

/// Finds the first whole frame, skipping the line ends that may stand between frames.
#[inline]
pub(super) fn scan(input: &[u8]) -> Result<Option<Scanned>> {
    let start = input
        .iter()
        .take_while(|byte| matches!(byte, b'\n' | b'\r'))
        .count();
    let Some(whole) = scan_frame(input, start)? else {
        ensure!(
            input.len() - start < FRAME_BYTES_MAX,
            "a frame is over {FRAME_BYTES_MAX} bytes"
        );
        return Ok(None);
    };
    Ok(Some(whole))
}

/// Reads the frame whose command begins at `start`.
#[inline]
fn scan_frame(input: &[u8], start: usize) -> Result<Option<Scanned>> {
    let Some((command, mut at)) = line(input, start) else {
        return Ok(None);
    };
    let mut head = Head::default();
    loop {
        let Some((header, next)) = line(input, at) else {
            return Ok(None);
        };
        if header.is_empty() {
            at = next;
            break;
        }
        read_header(input, header, &mut head)?;
        at = next;
    }
    let Some(body) = body(input, at, head.content_length)? else {
        return Ok(None);
    };
    let len = body.end + 1;
    let frame = match &input[command] {
        b"MESSAGE" => Frame::Message {
            body,
            ack: head.ack,
            is_redelivered: &input[head.redelivered] == b"true",
        },
        b"RECEIPT" => Frame::Receipt {
            id: head.receipt_id,
        },
        b"CONNECTED" => Frame::Connected {
            server: head.server,
        },
        b"ERROR" if head.message.is_empty() => Frame::Error { text: body },
        b"ERROR" => Frame::Error { text: head.message },
        _ => Frame::Other,
    };
    Ok(Some(Scanned { len, frame }))
}

/// The line that begins at `at`, without its end, and where the next one begins.
#[inline]
fn line(input: &[u8], at: usize) -> Option<(Range<usize>, usize)> {
    let end = at + memchr(b'\n', input.get(at..)?)?;
    let text_end = if end > at && input[end - 1] == b'\r' {
        end - 1
    } else {
        end
    };
    Some((at..text_end, end + 1))
}

/// Keeps the first of each header that matters [STOMP 1.2, Repeated Header Entries].
#[inline]
fn read_header(input: &[u8], header: Range<usize>, head: &mut Head) -> Result<()> {
    let text = &input[header.clone()];
    let value = |name: &[u8]| {
        let matches = text.len() > name.len() && text.starts_with(name) && text[name.len()] == b':';
        matches.then(|| header.start + name.len() + 1..header.end)
    };
    let keep = |place: &mut Range<usize>, name: &[u8]| {
        if let Some(value) = value(name).filter(|_| place.start == place.end) {
            *place = value;
        }
    };
    match text[0] {
        b'a' => keep(&mut head.ack, b"ack"),
        b'r' => {
            keep(&mut head.receipt_id, b"receipt-id");
            keep(&mut head.redelivered, b"redelivered");
        }
        b's' => keep(&mut head.server, b"server"),
        b'm' => keep(&mut head.message, b"message"),
        b'c' if head.content_length.is_none() => {
            if let Some(value) = value(b"content-length") {
                head.content_length = Some(number(&input[value])?);
            }
        }
        _ => {}
    }
    Ok(())
}

/// The range of the body that begins at `at`; `None` while it, or its NUL, is not all there.
#[inline]
fn body(input: &[u8], at: usize, content_length: Option<usize>) -> Result<Option<Range<usize>>> {
    let Some(length) = content_length else {
        return Ok(memchr(0, &input[at..]).map(|length| at..at + length));
    };
    match input.get(at + length) {
        None => Ok(None),
        Some(0) => Ok(Some(at..at + length)),
        Some(byte) => anyhow::bail!("a body of {length} bytes ends with {byte:#04x} and no NUL"),
    }
}

/// A decimal number no larger than a frame may be.
#[inline]
fn number(text: &[u8]) -> Result<usize> {
    let mut value = 0_usize;
    for digit in text.trim_ascii() {
        ensure!(digit.is_ascii_digit(), "content-length is no number");
        value = value * 10 + usize::from(digit - b'0');
        ensure!(
            value <= FRAME_BYTES_MAX,
            "content-length is over {FRAME_BYTES_MAX} bytes"
        );
    }
    text.first()
        .map(|_| value)
        .context("content-length is empty")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Acks, Target, Wire, tests::check_any_split};

    /// Frames as three brokers write them, back to back.
    const CAPTURE: &[u8] = b"CONNECTED\nserver:RabbitMQ/3.10.8\nversion:1.2\n\n\0\n\
        RECEIPT\nreceipt-id:ready\n\n\0\
        MESSAGE\nsubscription:1\ndestination:/queue/q\nack:T_1@@s@@1\nredelivered:false\n\
        content-length:5\n\na\0\n\nb\0\n\
        MESSAGE\nack:ID\\c1-2\nredelivered:true\nmessage-id:7\nexpires:0\n\nplain\0\n\
        MESSAGE\r\nack:9\r\nack:10\r\ncontent-length:2\r\n\r\nhi\0\r\n\
        ERROR\nmessage:access refused\ncontent-length:3\n\nwhy\0";

    #[test]
    fn any_split_of_the_input_gives_the_same_frames() {
        let frames = [
            "connected \"RabbitMQ/3.10.8\"",
            "receipt \"ready\"",
            "message \"a\\0\\n\\nb\" ack \"T_1@@s@@1\"",
            "message \"plain\" ack \"ID\\\\c1-2\" redelivered",
            "message \"hi\" ack \"9\"",
            "error \"access refused\"",
        ];
        check_any_split(Wire::Stomp, CAPTURE, &frames);
    }

    #[test]
    fn a_frame_that_cannot_be_is_refused() {
        for input in [
            &b"MESSAGE\ncontent-length:1\n\nabc\0"[..],
            b"MESSAGE\ncontent-length:x\n\n\0",
            b"MESSAGE\ncontent-length:\n\n\0",
            b"MESSAGE\ncontent-length:99999999999999999999\n\n\0",
        ] {
            assert!(
                scan(input).is_err(),
                "{:?}",
                input.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn a_quorum_queue_is_asked_for_where_it_is_declared_only() {
        let request =
            Wire::StompQuorum.subscribe(Target::Queue, "q", Safety::Confirmed, Acks::Each);
        let request = String::from_utf8(request).unwrap();
        assert!(
            request.starts_with("SUBSCRIBE\nx-queue-type:quorum\nid:1\ndestination:/queue/q\n")
        );
        let plain = Wire::Stomp.subscribe(Target::Queue, "q", Safety::Confirmed, Acks::Each);
        let plain = String::from_utf8(plain).unwrap();
        assert_eq!(request.replace("x-queue-type:quorum\n", ""), plain);
        let destination = Wire::StompQuorum.destination(Target::Queue, "q");
        assert_eq!(destination, "/amq/queue/q");
    }

    #[test]
    fn a_template_knows_its_places() {
        let template = template("/queue/q", b"body", Safety::Confirmed);
        let Some(Receipt::Digits(receipt_at)) = template.receipt else {
            panic!("the receipt is known by digits");
        };
        assert_eq!(&template.bytes[receipt_at - 8..receipt_at], b"receipt:");
        assert_eq!(&template.bytes[template.body_at..], b"body\0");
        let plain = super::template("/queue/q", b"body", Safety::Transient);
        assert_eq!(
            plain.bytes,
            b"SEND\ndestination:/queue/q\ncontent-length:4\n\nbody\0"
        );
    }
}
