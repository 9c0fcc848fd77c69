//! AMQP 0-9-1, as far as a load generator needs it: one channel, and contents whose body is in one frame.

use std::ops::Range;

use anyhow::{Context as _, Result, bail, ensure};

use super::{Acks, FRAME_BYTES_MAX, Frame, Receipt, Receipted, Safety, Scanned, Target, Template};

/// Deliveries a consumer that acknowledges may hold.
const PREFETCH_COUNT: u16 = 1000;

/// What a frame's payload may have, and with it the largest body: what RabbitMQ offers, less what is around it.
pub(crate) const BODY_BYTES_MAX: usize = FRAME_MAX as usize - FRAME_OVERHEAD_BYTES;

/// The size of a frame that is agreed on.
const FRAME_MAX: u32 = 131_072;

/// Type, channel and size before a payload, and the octet behind it.
const FRAME_OVERHEAD_BYTES: usize = HEAD_BYTES + 1;
const HEAD_BYTES: usize = 7;
const FRAME_END: u8 = 0xce;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// The channel that everything is on but the connection's own.
const CHANNEL: u16 = 1;

/// A class and a method of it.
type Id = (u16, u16);

const CONNECTION_START_OK: Id = (10, 11);
const CONNECTION_TUNE_OK: Id = (10, 31);
const CONNECTION_OPEN: Id = (10, 40);
const CONNECTION_CLOSE: Id = (10, 50);
const CONNECTION_CLOSE_OK: Id = (10, 51);
const CHANNEL_OPEN: Id = (20, 10);
const CHANNEL_OPEN_OK: Id = (20, 11);
const CHANNEL_CLOSE: Id = (20, 40);
const QUEUE_DECLARE: Id = (50, 10);
const QUEUE_BIND: Id = (50, 20);
const BASIC_QOS: Id = (60, 10);
const BASIC_CONSUME: Id = (60, 20);
const BASIC_CONSUME_OK: Id = (60, 21);
const BASIC_CANCEL: Id = (60, 30);
const BASIC_PUBLISH: Id = (60, 40);
const BASIC_RETURN: Id = (60, 50);
const BASIC_DELIVER: Id = (60, 60);
const BASIC_ACK: Id = (60, 80);
const BASIC_NACK: Id = (60, 120);
const CONFIRM_SELECT: Id = (85, 10);

/// The class that contents are of.
const BASIC: u16 = 60;

/// The flag of the property `delivery-mode`.
const DELIVERY_MODE: u16 = 0x1000;

/// The exchange that each message goes through which several queues get.
const FAN_OUT: &str = "amq.fanout";

/// What a queue is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// As the broker makes one by default.
    Default,
    /// A quorum queue of RabbitMQ.
    Quorum,
}

/// Says good-bye; the broker answers.
pub(super) const CLOSE: &[u8] = &[
    METHOD, 0, 0, 0, 0, 0, 11, 0, 10, 0, 50, 0, 200, 0, 0, 0, 0, 0, FRAME_END,
];

/// Whether a frame is the answer to that.
pub(super) fn is_close_ok(frame: &[u8]) -> bool {
    frame.first() == Some(&METHOD)
        && frame.get(HEAD_BYTES..).and_then(id_of) == Some(CONNECTION_CLOSE_OK)
}

/// Logs in and opens the channel, without waiting for what the broker says in between: the size of a frame is what
/// RabbitMQ offers by default, and no heartbeats are asked for.
pub(super) fn connect() -> Vec<u8> {
    let mut bytes = b"AMQP\x00\x00\x09\x01".to_vec();
    let mut start_ok = 0_u32.to_be_bytes().to_vec();
    put_short(&mut start_ok, "PLAIN");
    put_long(&mut start_ok, b"\0guest\0guest");
    put_short(&mut start_ok, "en_US");
    put_method(&mut bytes, 0, CONNECTION_START_OK, &start_ok);
    let mut tune_ok = CHANNEL.to_be_bytes().to_vec();
    tune_ok.extend_from_slice(&FRAME_MAX.to_be_bytes());
    tune_ok.extend_from_slice(&0_u16.to_be_bytes());
    put_method(&mut bytes, 0, CONNECTION_TUNE_OK, &tune_ok);
    put_method(&mut bytes, 0, CONNECTION_OPEN, b"\x01/\x00\x00");
    put_method(&mut bytes, CHANNEL, CHANNEL_OPEN, b"\x00");
    bytes
}

/// The same for who publishes: with confirms, if they are wanted.
pub(super) fn connect_publisher(safety: Safety) -> Vec<u8> {
    let mut bytes = connect();
    if safety != Safety::Transient {
        put_method(&mut bytes, CHANNEL, CONFIRM_SELECT, b"\x00");
    }
    bytes
}

/// Declares a queue and consumes it; the answer that counts is that to the consume.
///
/// What many get is in an exclusive queue for each, whose name the broker makes, bound to `amq.fanout`. Other queues are
/// durable, if what is in them is to be safe, or end with their consumer.
pub(super) fn subscribe(
    target: Target,
    name: &str,
    kind: Kind,
    safety: Safety,
    acks: Acks,
) -> Vec<u8> {
    let (durable, exclusive, auto_delete) = (0x02, 0x04, 0x08);
    let (queue, flags) = match (target, safety) {
        (Target::Topic, _) => ("", exclusive),
        (Target::Queue | Target::Queues, Safety::Transient) => (name, auto_delete),
        (Target::Queue | Target::Queues, Safety::Confirmed | Safety::Once) => (name, durable),
    };
    let mut arguments = Vec::new();
    if kind == Kind::Quorum {
        put_short(&mut arguments, "x-queue-type");
        arguments.push(b'S');
        put_long(&mut arguments, b"quorum");
    }
    let mut bytes = Vec::new();
    let mut declare = vec![0, 0];
    put_short(&mut declare, queue);
    declare.push(flags);
    put_long(&mut declare, &arguments);
    put_method(&mut bytes, CHANNEL, QUEUE_DECLARE, &declare);
    if target == Target::Topic {
        let mut bind = vec![0, 0];
        put_short(&mut bind, queue);
        put_short(&mut bind, FAN_OUT);
        put_short(&mut bind, "");
        bind.push(0);
        put_long(&mut bind, &[]);
        put_method(&mut bytes, CHANNEL, QUEUE_BIND, &bind);
    }
    let no_ack = match acks {
        Acks::Never => 0x02,
        Acks::Each | Acks::Together => {
            let mut qos = 0_u32.to_be_bytes().to_vec();
            qos.extend_from_slice(&PREFETCH_COUNT.to_be_bytes());
            qos.push(0);
            put_method(&mut bytes, CHANNEL, BASIC_QOS, &qos);
            0
        }
    };
    let mut consume = vec![0, 0];
    put_short(&mut consume, queue);
    put_short(&mut consume, "c");
    consume.push(no_ack);
    put_long(&mut consume, &[]);
    put_method(&mut bytes, CHANNEL, BASIC_CONSUME, &consume);
    bytes
}

/// Where a message goes to: exchange, then key.
pub(super) fn destination(target: Target, name: &str) -> String {
    match target {
        Target::Queue | Target::Queues => format!("/{name}"),
        Target::Topic => format!("{FAN_OUT}/{name}"),
    }
}

/// Renders a `basic.publish` with its content. What confirms it is known by how many there were before it.
pub(super) fn template(destination: &str, body: &[u8], safety: Safety) -> Template {
    let (exchange, key) = destination.split_once('/').unwrap_or(("", destination));
    let mut publish = vec![0, 0];
    put_short(&mut publish, exchange);
    put_short(&mut publish, key);
    publish.push(0);
    let mut bytes = Vec::new();
    put_method(&mut bytes, CHANNEL, BASIC_PUBLISH, &publish);
    let mut header = Vec::new();
    header.extend_from_slice(&BASIC.to_be_bytes());
    header.extend_from_slice(&0_u16.to_be_bytes());
    header.extend_from_slice(&(body.len() as u64).to_be_bytes());
    header.extend_from_slice(&DELIVERY_MODE.to_be_bytes());
    header.push(if safety == Safety::Transient { 1 } else { 2 });
    put_frame(&mut bytes, HEADER, CHANNEL, &header);
    let body_at = bytes.len() + HEAD_BYTES;
    put_frame(&mut bytes, BODY, CHANNEL, body);
    Template {
        bytes,
        body_at,
        receipt: (safety != Safety::Transient).then_some(Receipt::Count),
    }
}

/// Appends `basic.ack` for the delivery with a tag, or for all up to it.
#[inline]
pub(crate) fn append_ack(output: &mut Vec<u8>, tag: [u8; 8], acks: Acks) {
    let mut frame = *b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x50........\x00\xce";
    frame[11..19].copy_from_slice(&tag);
    frame[19] = u8::from(acks == Acks::Together);
    output.extend_from_slice(&frame);
}

/// The messages that a confirm is for: its fields are the tag, and whether all up to it are meant.
#[inline]
pub(super) fn receipted(fields: &[u8]) -> Option<Receipted> {
    let (tag, rest) = fields.split_first_chunk()?;
    let sequence = u64::from_be_bytes(*tag).checked_sub(1)?;
    Some(match rest {
        [0] => Receipted::One(sequence),
        _ => Receipted::UpTo(sequence),
    })
}

fn put_short(bytes: &mut Vec<u8>, text: &str) {
    let len = u8::try_from(text.len()).expect("names of the generator are short");
    bytes.push(len);
    bytes.extend_from_slice(text.as_bytes());
}

fn put_long(bytes: &mut Vec<u8>, text: &[u8]) {
    let len = u32::try_from(text.len()).expect("tables of the generator are short");
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(text);
}

fn put_method(bytes: &mut Vec<u8>, channel: u16, (class, method): Id, fields: &[u8]) {
    let mut payload = class.to_be_bytes().to_vec();
    payload.extend_from_slice(&method.to_be_bytes());
    payload.extend_from_slice(fields);
    put_frame(bytes, METHOD, channel, &payload);
}

fn put_frame(bytes: &mut Vec<u8>, kind: u8, channel: u16, payload: &[u8]) {
    bytes.push(kind);
    bytes.extend_from_slice(&channel.to_be_bytes());
    put_long(bytes, payload);
    bytes.push(FRAME_END);
}

/// Finds the first whole frame, or the first whole delivery, which is three frames or two.
#[inline]
pub(super) fn scan(input: &[u8]) -> Result<Option<Scanned>> {
    let Some((kind, payload)) = frame(input, 0)? else {
        return Ok(None);
    };
    let len = payload.end + 1;
    let frame = match kind {
        METHOD => {
            let id = id_of(&input[payload.clone()]).context("a method without a number")?;
            if id == BASIC_DELIVER {
                return delivery(input, payload);
            }
            method(id, input, &payload)?
        }
        HEARTBEAT => Frame::Other,
        other => bail!("a frame of type {other} where a method is to come"),
    };
    Ok(Some(Scanned { len, frame }))
}

/// The type of the frame that begins at `at`, and where its payload stands; nothing while it is not all there.
#[inline]
fn frame(input: &[u8], at: usize) -> Result<Option<(u8, Range<usize>)>> {
    let Some(head) = input.get(at..).and_then(<[u8]>::first_chunk::<HEAD_BYTES>) else {
        return Ok(None);
    };
    let [kind, _, _, s0, s1, s2, s3] = *head;
    let size = u32::from_be_bytes([s0, s1, s2, s3]) as usize;
    ensure!(
        size <= FRAME_BYTES_MAX,
        "a frame of {size} bytes is over {FRAME_BYTES_MAX}"
    );
    let payload = at + HEAD_BYTES..at + HEAD_BYTES + size;
    match input.get(payload.end) {
        None => Ok(None),
        Some(&FRAME_END) => Ok(Some((kind, payload))),
        Some(other) => bail!("a frame ends with {other:#04x}"),
    }
}

#[inline]
fn id_of(payload: &[u8]) -> Option<Id> {
    let [c0, c1, m0, m1] = *payload.first_chunk()?;
    Some((u16::from_be_bytes([c0, c1]), u16::from_be_bytes([m0, m1])))
}

/// All methods but `basic.deliver`.
fn method(id: Id, input: &[u8], payload: &Range<usize>) -> Result<Frame> {
    let fields = payload.start + 4..payload.end;
    Ok(match id {
        BASIC_ACK => Frame::Receipt { id: fields },
        // What counts of a set-up is the last of its answers.
        CHANNEL_OPEN_OK => Frame::Connected { server: 0..0 },
        BASIC_CONSUME_OK | CONNECTION_CLOSE_OK => Frame::Receipt { id: 0..0 },
        CONNECTION_CLOSE | CHANNEL_CLOSE => {
            let text = fields.start + 2;
            let len = input.get(text).filter(|_| text < fields.end);
            let len = usize::from(*len.context("a close without a reason")?);
            ensure!(text + 1 + len <= fields.end, "a reason goes beyond its end");
            Frame::Error {
                text: text + 1..text + 1 + len,
            }
        }
        BASIC_NACK => bail!("a message was refused (basic.nack)"),
        BASIC_RETURN => bail!("a message came back (basic.return)"),
        BASIC_CANCEL => bail!("a consumer was ended (basic.cancel)"),
        _ => Frame::Other,
    })
}

/// Consumer tag, delivery tag, redelivered; then the header's frame, with the length of the body, and the body's.
#[inline]
fn delivery(input: &[u8], payload: Range<usize>) -> Result<Option<Scanned>> {
    let tag_len = input[payload.clone()].get(4).copied();
    let at = payload.start + 5 + usize::from(tag_len.unwrap_or(u8::MAX));
    ensure!(
        at + 9 <= payload.end,
        "a basic.deliver ends within its fields"
    );
    let Some((kind, header)) = frame(input, payload.end + 1)? else {
        return Ok(None);
    };
    let length = input[header.clone()].get(4..12).filter(|_| kind == HEADER);
    let length = length.and_then(|it| it.first_chunk());
    let length = u64::from_be_bytes(*length.context("a delivery has no content header")?);
    let mut scanned = Scanned {
        len: header.end + 1,
        frame: Frame::Message {
            body: header.end..header.end,
            ack: at..at + 8,
            is_redelivered: input[at + 8] != 0,
        },
    };
    if length == 0 {
        return Ok(Some(scanned));
    }
    let Some((kind, all)) = frame(input, header.end + 1)? else {
        return Ok(None);
    };
    ensure!(
        kind == BODY && all.len() as u64 == length,
        "a body of {length} bytes is not in one frame"
    );
    scanned.len = all.end + 1;
    if let Frame::Message { body, .. } = &mut scanned.frame {
        *body = all;
    }
    Ok(Some(scanned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Wire, tests::check_any_split};

    fn deliver(tag: u64, redelivered: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut fields = b"\x01c".to_vec();
        fields.extend_from_slice(&tag.to_be_bytes());
        fields.push(redelivered);
        fields.extend_from_slice(b"\x00\x01q");
        put_method(&mut bytes, CHANNEL, BASIC_DELIVER, &fields);
        let mut header = b"\x00\x3c\x00\x00".to_vec();
        header.extend_from_slice(&(body.len() as u64).to_be_bytes());
        header.extend_from_slice(b"\x10\x00\x02");
        put_frame(&mut bytes, HEADER, CHANNEL, &header);
        if !body.is_empty() {
            put_frame(&mut bytes, BODY, CHANNEL, body);
        }
        bytes
    }

    fn method_bytes(id: Id, fields: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        put_method(&mut bytes, CHANNEL, id, fields);
        bytes
    }

    #[test]
    fn any_split_of_the_input_gives_the_same_frames() {
        let mut ack = Vec::new();
        append_ack(&mut ack, 7_u64.to_be_bytes(), Acks::Together);
        let capture = [
            method_bytes((10, 10), b"\x00\x09"),
            method_bytes(CHANNEL_OPEN_OK, b"\x00\x00\x00\x00"),
            method_bytes(BASIC_CONSUME_OK, b"\x01c"),
            ack,
            b"\x08\x00\x00\x00\x00\x00\x00\xce".to_vec(),
            deliver(1, 0, b"hi"),
            deliver(2, 1, b""),
            deliver(3, 0, &[b'x'; 300]),
            method_bytes(CHANNEL_CLOSE, b"\x01\x94\x04gone\x00\x3c\x00\x14"),
            method_bytes(CONNECTION_CLOSE_OK, b""),
        ]
        .concat();
        let long = format!(
            "message \"{}\" ack \"{}\\x03\"",
            "x".repeat(300),
            "\\x00".repeat(7)
        );
        let zeros = "\\x00".repeat(7);
        let frames = [
            "other".to_owned(),
            "connected \"\"".to_owned(),
            "receipt \"\"".to_owned(),
            format!("receipt \"{zeros}\\x07\\x01\""),
            "other".to_owned(),
            format!("message \"hi\" ack \"{zeros}\\x01\""),
            format!("message \"\" ack \"{zeros}\\x02\" redelivered"),
            long,
            "error \"gone\"".to_owned(),
            "receipt \"\"".to_owned(),
        ];
        let frames = frames.each_ref().map(String::as_str);
        check_any_split(Wire::Amqp, &capture, &frames);
    }

    #[test]
    fn a_frame_that_cannot_be_is_refused() {
        let mut torn = deliver(1, 0, b"body");
        let end = torn.len() - 1;
        torn[end] = 0;
        let mut in_two = deliver(1, 0, b"body");
        let place = in_two.len() - b"body\xce".len() - 1;
        in_two[place] = 3;
        in_two.truncate(in_two.len() - 2);
        in_two.push(FRAME_END);
        for input in [
            b"AMQP\x00\x00\x09\x01".to_vec(),
            b"\x02\x00\x01\x00\x00\x00\x00\xce".to_vec(),
            b"\x01\x00\x01\x7f\x00\x00\x00".to_vec(),
            b"\x01\x00\x01\x00\x00\x00\x02\x00\x3c\xce".to_vec(),
            method_bytes(BASIC_DELIVER, b"\x09c"),
            method_bytes(CHANNEL_CLOSE, b"\x01\x94\x09gone"),
            method_bytes(BASIC_NACK, b"\x00\x00\x00\x00\x00\x00\x00\x01\x00"),
            torn,
            in_two,
        ] {
            assert!(scan(&input).is_err(), "{}", input.escape_ascii());
        }
    }

    #[test]
    fn a_template_is_a_whole_content_that_knows_its_place() {
        for (safety, mode) in [(Safety::Transient, 1), (Safety::Confirmed, 2)] {
            let template = template(&destination(Target::Queue, "q"), b"body", safety);
            let (_, publish) = frame(&template.bytes, 0).unwrap().unwrap();
            assert_eq!(
                &template.bytes[publish.clone()],
                b"\x00\x3c\x00\x28\x00\x00\x00\x01q\x00"
            );
            let (_, header) = frame(&template.bytes, publish.end + 1).unwrap().unwrap();
            assert_eq!(template.bytes[header.end - 1], mode);
            let (_, body) = frame(&template.bytes, header.end + 1).unwrap().unwrap();
            assert_eq!(body.start, template.body_at);
            assert_eq!(&template.bytes[body], b"body");
        }
        let fan_out = template(&destination(Target::Topic, "k"), b"body", Safety::Transient);
        assert!(memchr::memmem::find(&fan_out.bytes, b"\x0aamq.fanout\x01k\x00").is_some());
    }

    #[test]
    fn a_confirm_is_for_one_or_for_all_up_to_it() {
        let of = |tag: u64, multiple| {
            let mut fields = tag.to_be_bytes().to_vec();
            fields.push(multiple);
            receipted(&fields)
        };
        assert_eq!(of(1, 0), Some(Receipted::One(0)));
        assert_eq!(of(17, 1), Some(Receipted::UpTo(16)));
        assert_eq!(of(0, 1), None);
        assert_eq!(receipted(b""), None);
    }

    #[test]
    fn what_is_said_last_is_answered_with_what_is_known_as_that() {
        assert_eq!(CLOSE, {
            let mut bytes = Vec::new();
            put_method(
                &mut bytes,
                0,
                CONNECTION_CLOSE,
                b"\x00\xc8\x00\x00\x00\x00\x00",
            );
            bytes
        });
        assert!(is_close_ok(&method_bytes(CONNECTION_CLOSE_OK, b"")));
        assert!(!is_close_ok(&method_bytes(BASIC_ACK, b"")));
        assert!(!is_close_ok(b"\x01"));
    }

    #[test]
    fn a_queue_is_made_as_its_messages_need_it() {
        let declared = |target, kind, safety| {
            let bytes = subscribe(target, "q", kind, safety, Acks::Never);
            let (_, declare) = frame(&bytes, 0).unwrap().unwrap();
            bytes[declare][6..].to_vec()
        };
        let check = |target, kind, safety, expect: &[u8]| {
            let fields = declared(target, kind, safety);
            assert_eq!(
                fields.escape_ascii().to_string(),
                expect.escape_ascii().to_string()
            );
        };
        let plain = Kind::Default;
        check(
            Target::Queue,
            plain,
            Safety::Transient,
            b"\x01q\x08\0\0\0\0",
        );
        check(
            Target::Queues,
            plain,
            Safety::Confirmed,
            b"\x01q\x02\0\0\0\0",
        );
        check(Target::Topic, plain, Safety::Transient, b"\x00\x04\0\0\0\0");
        let quorum = b"\x01q\x02\0\0\0\x18\x0cx-queue-typeS\0\0\0\x06quorum";
        check(Target::Queue, Kind::Quorum, Safety::Confirmed, quorum);
    }
}
