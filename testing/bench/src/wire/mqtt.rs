//! MQTT 3.1.1, as far as a load generator needs it.

use std::ops::Range;

use anyhow::{Context as _, Result, bail, ensure};

use super::{FRAME_BYTES_MAX, Frame, Receipt, Safety, Scanned, Session, Template};

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const PUBACK: u8 = 0x40;
const PUBREC: u8 = 0x50;
const PUBREL: u8 = 0x60;
const PUBCOMP: u8 = 0x70;
const SUBSCRIBE: u8 = 0x80;
const SUBACK: u8 = 0x90;
const UNSUBACK: u8 = 0xb0;
const PINGRESP: u8 = 0xd0;

/// The flags that the packets have which need some.
const FLAGS: u8 = 0x02;

/// Set in a PUBLISH that may have come before.
const DUP: u8 = 0x08;

/// Says good-bye; the broker closes.
pub(super) const DISCONNECT: &[u8] = &[0xe0, 0];

/// Packet identifiers: 1 to this.
const PACKET_IDS: u64 = 65_535;

/// Opens a connection that is not to be kept alive by pings. Only a session that ends with it may be without a
/// client identifier.
pub(crate) fn connect(client: &str, session: Session) -> Vec<u8> {
    let clean = match session {
        Session::Clean => 0x02,
        Session::Kept => 0,
    };
    let mut rest = vec![0, 4, b'M', b'Q', b'T', b'T', 4, clean, 0, 0];
    put_text(&mut rest, client);
    packet(CONNECT, &rest)
}

/// Subscribes to one filter. The last byte is the quality of service.
pub(crate) fn subscribe(filter: &str, number: usize, safety: Safety) -> Vec<u8> {
    let mut rest = packet_id(number as u64).to_vec();
    put_text(&mut rest, filter);
    rest.push(quality(safety));
    packet(SUBSCRIBE | FLAGS, &rest)
}

/// Renders a PUBLISH, with a blank packet identifier where it has one.
pub(super) fn template(topic: &str, body: &[u8], safety: Safety) -> Template {
    let mut rest = Vec::new();
    put_text(&mut rest, topic);
    let receipt_at = rest.len();
    if safety != Safety::Transient {
        rest.extend_from_slice(&[0, 1]);
    }
    rest.extend_from_slice(body);
    let bytes = packet(PUBLISH | quality(safety) << 1, &rest);
    let head = bytes.len() - rest.len();
    Template {
        body_at: bytes.len() - body.len(),
        receipt: (safety != Safety::Transient).then_some(Receipt::PacketId(head + receipt_at)),
        bytes,
    }
}

/// Appends the answer to a delivery: PUBACK, or PUBREC if it is to come exactly once.
#[inline]
pub(super) fn append_ack(output: &mut Vec<u8>, delivery: &[u8], ack: Range<usize>) {
    let answer = if delivery[0] & 0x06 == 0x02 {
        PUBACK
    } else {
        PUBREC
    };
    output.extend_from_slice(&[answer, 2]);
    output.extend_from_slice(&delivery[ack]);
}

/// The packet identifier of a sequence. The next with the same one is 65,535 further on.
#[inline]
pub(super) fn packet_id(sequence: u64) -> [u8; 2] {
    ((sequence % PACKET_IDS) as u16 + 1).to_be_bytes()
}

/// The last of the first `sent` sequences that had this packet identifier.
#[inline]
pub(super) fn sequence_of(id: [u8; 2], sent: u64) -> Option<u64> {
    let place = u64::from(u16::from_be_bytes(id)).checked_sub(1)?;
    let last = sent.checked_sub(1)?;
    let back = (last % PACKET_IDS + PACKET_IDS - place) % PACKET_IDS;
    last.checked_sub(back)
}

fn quality(safety: Safety) -> u8 {
    match safety {
        Safety::Transient => 0,
        Safety::Confirmed => 1,
        Safety::Once => 2,
    }
}

/// A whole packet. None of ours is longer than four bytes of length can say.
#[expect(clippy::cast_possible_truncation, reason = "seven bits at a time")]
fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = rest.len();
    while left > 0x7f {
        bytes.push(0x80 | (left & 0x7f) as u8);
        left >>= 7;
    }
    bytes.push((left & 0x7f) as u8);
    bytes.extend_from_slice(rest);
    bytes
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let len = u16::try_from(text.len()).expect("names of the generator are short");
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}

/// Finds the first whole packet.
#[inline]
pub(super) fn scan(input: &[u8]) -> Result<Option<Scanned>> {
    let Some((at, len)) = extent(input)? else {
        return Ok(None);
    };
    if input.len() < len {
        return Ok(None);
    }
    let rest = at..len;
    let frame = match input[0] & 0xf0 {
        PUBLISH => message(input, rest)?,
        PUBACK | PUBCOMP => Frame::Receipt {
            id: two(&rest).context("an answer names no packet")?,
        },
        PUBREC => half(PUBREL | FLAGS, input, &rest)?,
        PUBREL => half(PUBCOMP, input, &rest)?,
        CONNACK => match input[rest] {
            [_, 0] => Frame::Connected { server: 0..0 },
            [_, code] => Frame::Refused { code },
            _ => bail!("a CONNACK of {len} bytes"),
        },
        SUBACK => {
            ensure!(
                rest.len() == 3,
                "a SUBACK of {len} bytes answers one filter"
            );
            Frame::Granted {
                quality: input[len - 1],
            }
        }
        UNSUBACK | PINGRESP => Frame::Other,
        other => bail!("a broker sends no packet of type {other:#04x}"),
    };
    Ok(Some(Scanned { len, frame }))
}

/// Where what follows the fixed header begins, and where it ends; nothing while the header is not all there.
#[inline]
fn extent(input: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut rest_bytes = 0_usize;
    for (place, byte) in input.iter().skip(1).take(4).enumerate() {
        rest_bytes |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let len = 2 + place + rest_bytes;
            ensure!(
                len <= FRAME_BYTES_MAX,
                "a packet of {len} bytes is over {FRAME_BYTES_MAX}"
            );
            return Ok(Some((2 + place, len)));
        }
    }
    ensure!(input.len() < 5, "a length of a packet has over four bytes");
    Ok(None)
}

/// Topic, packet identifier if there is one, body.
#[inline]
fn message(input: &[u8], rest: Range<usize>) -> Result<Frame> {
    let length = two(&rest).context("a PUBLISH has no topic")?;
    let topic_bytes = usize::from(input[length.start]) << 8 | usize::from(input[length.start + 1]);
    let at = length.end + topic_bytes;
    let (ack, body_at) = match input[0] & 0x06 {
        0 => (0..0, at),
        _ => (at..at + 2, at + 2),
    };
    ensure!(body_at <= rest.end, "a PUBLISH ends within its head");
    Ok(Frame::Message {
        body: body_at..rest.end,
        ack,
        is_redelivered: input[0] & DUP != 0,
    })
}

/// The answer that goes on with an exchange.
#[inline]
fn half(answer: u8, input: &[u8], rest: &Range<usize>) -> Result<Frame> {
    let id = two(rest).context("an answer names no packet")?;
    Ok(Frame::Half {
        answer: [answer, 2, input[id.start], input[id.start + 1]],
    })
}

/// The first two bytes.
#[inline]
fn two(rest: &Range<usize>) -> Option<Range<usize>> {
    (rest.len() >= 2).then_some(rest.start..rest.start + 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Wire, tests::check_any_split};

    #[test]
    fn any_split_of_the_input_gives_the_same_frames() {
        let mut capture = b"\x20\x02\x01\x00\x90\x03\x00\x01\x02\x40\x02\x12\x34\x50\x02\x00\x07\
            \x62\x02\x00\x08\x70\x02\xff\xff\xd0\x00\xb0\x02\x00\x01\x20\x02\x00\x05"
            .to_vec();
        capture.extend_from_slice(
            b"\x30\x07\x00\x03a/bhi\x3a\x07\x00\x01t\x00\x09\x00\x0a\x34\x05\x00\x01t\x01\x02",
        );
        capture.extend_from_slice(&packet(
            PUBLISH,
            &[&b"\x00\x01t"[..], &[b'x'; 200]].concat(),
        ));
        let long = format!("message \"{}\" ack \"\"", "x".repeat(200));
        let frames = [
            "connected \"\"",
            "granted 2",
            "receipt \"\\x124\"",
            "half [62, 2, 0, 7]",
            "half [70, 2, 0, 8]",
            "receipt \"\\xff\\xff\"",
            "other",
            "other",
            "refused 5",
            "message \"hi\" ack \"\"",
            "message \"\\0\\n\" ack \"\\x00\\t\" redelivered",
            "message \"\" ack \"\\x01\\x02\"",
            long.as_str(),
        ];
        check_any_split(Wire::Mqtt, &capture, &frames);
    }

    #[test]
    fn a_packet_that_cannot_be_is_refused() {
        for input in [
            &b"\x30\xff\xff\xff\x7f"[..],
            b"\x30\x80\x80\x80\x80\x01",
            b"\x30\x01\x00",
            b"\x30\x03\x00\x09t",
            b"\x32\x04\x00\x01t\x00",
            b"\x40\x01\x00",
            b"\x50\x00",
            b"\x20\x01\x00",
            b"\x90\x04\x00\x01\x00\x00",
            b"\xe0\x00",
        ] {
            assert!(
                scan(input).is_err(),
                "{:?}",
                input.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn a_template_knows_its_places() {
        let plain = template("a/b", b"body", Safety::Transient);
        assert_eq!(plain.bytes, b"\x30\x09\x00\x03a/bbody");
        assert_eq!(&plain.bytes[plain.body_at..], b"body");
        assert_eq!(plain.receipt, None);
        for (safety, first) in [(Safety::Confirmed, 0x32), (Safety::Once, 0x34)] {
            let mut template = template("a/b", &[b'x'; 300], safety);
            let mut frame = std::mem::take(&mut template.bytes);
            template.patch_receipt(&mut frame, 65_535 + 0x1233);
            assert_eq!(frame[0], first);
            assert_eq!(
                &frame[..10],
                [&[first, 0xb3, 0x02, 0, 3][..], b"a/b\x12\x34"].concat()
            );
            assert_eq!(&frame[template.body_at..], [b'x'; 300]);
        }
    }

    #[test]
    fn an_answer_finds_the_message_it_is_for() {
        for sent in [1, 2, 1000, 65_535, 65_536, 70_000, 1_000_000] {
            for sequence in sent.max(1001) - 1001..sent {
                assert_eq!(sequence_of(packet_id(sequence), sent), Some(sequence));
            }
        }
        assert_eq!(sequence_of([0, 0], 10), None);
        assert_eq!(sequence_of([0, 1], 0), None);
        assert_eq!(sequence_of([0, 11], 10), None, "it was not sent");
    }

    #[test]
    fn a_delivery_is_answered_as_its_quality_wants() {
        let answer = |delivery: &[u8]| {
            let Some(Scanned {
                frame: Frame::Message { ack, .. },
                ..
            }) = scan(delivery).unwrap()
            else {
                return Vec::new();
            };
            let mut output = Vec::new();
            if !ack.is_empty() {
                append_ack(&mut output, delivery, ack);
            }
            output
        };
        assert_eq!(answer(b"\x30\x03\x00\x01t"), b"");
        assert_eq!(answer(b"\x32\x05\x00\x01t\x01\x02"), b"\x40\x02\x01\x02");
        assert_eq!(answer(b"\x3c\x05\x00\x01t\x01\x02"), b"\x50\x02\x01\x02");
    }

    #[test]
    fn requests_are_those_of_the_text() {
        assert_eq!(
            connect("", Session::Clean),
            b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00"
        );
        assert_eq!(
            connect("me", Session::Kept),
            b"\x10\x0e\x00\x04MQTT\x04\x00\x00\x00\x00\x02me"
        );
        assert_eq!(
            subscribe("+/b", 0, Safety::Once),
            b"\x82\x08\x00\x01\x00\x03+/b\x02"
        );
    }
}
