//! Prints what reading and writing a publish, a delivery and an ack costs, in nanoseconds each.
//!
//! `cargo run --release -p proto-amqp091 --example amqp091_throughput`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use bytes::BytesMut;
use model::{Dialect, Envelope, Message, Parts, Persistence};
use proto_amqp091::{
    Assembler, Codec, Content, Decoded, FieldValue, Method, Progress, Properties, PropertyList,
    ShortStr, Side, TableBuf, basic, put_body_frames, put_content_header, put_method,
};
use std::hint::black_box;

const CONTENTS_PER_INPUT: usize = 100;
const INPUTS_PER_ROUND: usize = 50;
const ROUNDS: usize = 400;
const FRAME_BYTES_MAX: usize = 131_072;

fn main() {
    println!("routing key 'plant.7.line.3.temperature'; nanoseconds per message");
    let mut with_headers = BytesMut::new();
    put_properties(&mut with_headers);
    let with_headers = Properties::new(&with_headers).expect("they were just written");
    for body_len in [16, 100, 1_000] {
        let body = vec![b'x'; body_len];
        for (what, properties) in [
            ("no properties", Properties::NONE),
            (
                "content type, delivery mode, 2 headers, message id",
                with_headers,
            ),
        ] {
            measure_content(what, properties, &body);
        }
    }
    measure_acks();
    for body_len in [256 << 10, 1 << 20, 16 << 20] {
        measure_large(&vec![b'x'; body_len]);
    }
}

fn short(text: &'static str) -> ShortStr<'static> {
    ShortStr::cut(text)
}

fn put_properties(buffer: &mut BytesMut) {
    let mut headers = TableBuf::new();
    headers.push(short("unit"), &FieldValue::LongString(b"celsius"));
    headers.push(short("sensor"), &FieldValue::SignedInt(17));
    let list = PropertyList {
        content_type: Some(short("application/json")),
        headers: Some(headers.as_table().expect("it is one")),
        delivery_mode: Some(2),
        message_id: Some(short("4711")),
        ..PropertyList::default()
    };
    list.put(buffer);
}

fn measure_content(what: &str, properties: Properties<'_>, body: &[u8]) {
    let publish = Method::BasicPublish(basic::Publish {
        exchange: short("amq.topic"),
        routing_key: short("plant.7.line.3.temperature"),
        mandatory: false,
        immediate: false,
    });
    let mut input = BytesMut::new();
    let put_all = |method: &Method<'_>, buffer: &mut BytesMut| {
        for _ in 0..CONTENTS_PER_INPUT {
            put_method(buffer, 1, black_box(method));
            put_content_header(buffer, 1, body.len(), properties);
            put_body_frames(buffer, 1, FRAME_BYTES_MAX, body);
        }
    };
    put_all(&publish, &mut input);
    let at_once = measure_decode(&input);
    let by_frames = measure_assembler(&input);
    let deliver = Method::BasicDeliver(basic::Deliver {
        consumer_tag: short("ctag-1"),
        delivery_tag: 4_711,
        redelivered: false,
        exchange: short("amq.topic"),
        routing_key: short("plant.7.line.3.temperature"),
    });
    let mut buffer = BytesMut::with_capacity(2 * input.len());
    let encoding = measure(|| {
        buffer.clear();
        put_all(&deliver, &mut buffer);
    });
    println!(
        "{:>5} B, {what}: publish {at_once:.1}, frame by frame {by_frames:.1}; deliver {encoding:.1}",
        body.len()
    );
}

/// As a session reads what lies there whole.
fn measure_decode(input: &[u8]) -> f64 {
    let codec = Codec::new(Side::Client, FRAME_BYTES_MAX);
    measure(|| {
        let (mut at, mut count) = (0, 0);
        while let Some((channel, content, len)) =
            Content::whole_publish(&codec, &input[at..], FRAME_BYTES_MAX)
        {
            black_box((channel, &content, content.properties.fields()));
            at += len;
            count += 1;
        }
        assert_eq!((at, count), (input.len(), CONTENTS_PER_INPUT));
    })
}

/// What comes in many frames: what joining it costs, and what making a message of it does.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure_large(body: &[u8]) {
    let codec = Codec::new(Side::Client, FRAME_BYTES_MAX);
    let mut input = BytesMut::new();
    let publish = Method::BasicPublish(basic::Publish {
        exchange: short(""),
        routing_key: short("q"),
        mandatory: false,
        immediate: false,
    });
    put_method(&mut input, 1, &publish);
    put_content_header(&mut input, 1, body.len(), Properties::NONE);
    put_body_frames(&mut input, 1, FRAME_BYTES_MAX, body);
    let rounds = (1 << 30) / body.len();
    let [joined, made] = [false, true].map(|makes_message| {
        let start = std::time::Instant::now();
        for _ in 0..rounds {
            let mut assembler = Assembler::new(body.len());
            let mut at = 0;
            while let Ok(Decoded::Frame(frame, len)) = codec.decode(&input[at..]) {
                at += len;
                if let Ok(Progress::Content(content)) = assembler.take(frame.payload)
                    && makes_message
                {
                    black_box(Message::new(&Parts {
                        envelope: Envelope::new(Dialect::Amqp091, Persistence::Transient),
                        exchange: b"",
                        key: b"q",
                        annotations: &[],
                        head: &[content.properties.as_bytes()],
                        body: content.body,
                    }));
                }
            }
            black_box(&assembler);
        }
        start.elapsed().as_secs_f64() * 1e6 / rounds as f64
    });
    println!(
        "{} KiB in many frames: joined {joined:.1} microseconds, with its message {made:.1}",
        body.len() >> 10
    );
}

/// As a session reads what comes in pieces.
fn measure_assembler(input: &[u8]) -> f64 {
    let codec = Codec::new(Side::Client, FRAME_BYTES_MAX);
    let mut assembler = Assembler::new(FRAME_BYTES_MAX);
    measure(|| {
        let (mut at, mut count) = (0, 0);
        while let Ok(Decoded::Frame(frame, len)) = codec.decode(&input[at..]) {
            at += len;
            if let Ok(Progress::Content(content)) = assembler.take(frame.payload) {
                black_box((&content, content.properties.fields()));
                count += 1;
            }
        }
        assert_eq!((at, count), (input.len(), CONTENTS_PER_INPUT));
    })
}

fn measure_acks() {
    let ack = Method::BasicAck(basic::Ack {
        delivery_tag: 4_711,
        multiple: false,
    });
    let mut input = BytesMut::new();
    for _ in 0..CONTENTS_PER_INPUT {
        put_method(&mut input, 1, &ack);
    }
    let codec = Codec::new(Side::Client, FRAME_BYTES_MAX);
    let decoding = measure(|| {
        let mut at = 0;
        while let Ok(Decoded::Frame(frame, len)) = codec.decode(&input[at..]) {
            black_box(&frame);
            at += len;
        }
        assert_eq!(at, input.len());
    });
    let mut buffer = BytesMut::with_capacity(2 * input.len());
    let encoding = measure(|| {
        buffer.clear();
        for _ in 0..CONTENTS_PER_INPUT {
            put_method(&mut buffer, 1, black_box(&ack));
        }
    });
    println!("ack: decode {decoding:.1}, encode {encoding:.1}");
}

/// Nanoseconds per message; the best of many short rounds, since others share the machine.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = std::time::Instant::now();
        (0..INPUTS_PER_ROUND).for_each(|_| work());
        let contents = (INPUTS_PER_ROUND * CONTENTS_PER_INPUT) as f64;
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / contents);
    }
    best
}
