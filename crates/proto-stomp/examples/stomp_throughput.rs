//! Prints what a SEND, a MESSAGE and an ACK cost a session, in nanoseconds each.
//!
//! `cargo run --release -p proto-stomp --example stomp_throughput`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use broker_api::{Command, Delivery, Event, Out, Reply, Session};
use bytes::BytesMut;
use model::{ConnectionId, Instant, Message, Sequence, SubscriptionId};
use proto_stomp::{Limits, Stomp};

const FRAMES_PER_INPUT: usize = 100;
const INPUTS: usize = 20_000;

fn main() {
    for persistent in [false, true] {
        let extra = if persistent {
            "persistent:true\nreceipt:m-12345\n"
        } else {
            ""
        };
        measure_send(&format!("SEND, 100 B, extra {extra:?}"), extra, 100);
    }
    measure_send("SEND, 1,000 B", "", 1_000);
    measure_message(100);
    measure_message(1_000);
    measure_ack();
}

/// A session that is connected and knows `/queue/test`, subscribed to in the mode given.
fn session(ack: &str) -> (Stomp, Out, BytesMut) {
    let mut session = Stomp::new(Instant::default(), ConnectionId(1), Limits::default());
    let mut out = Out::new();
    let mut input = BytesMut::from(
        format!(
            "CONNECT\naccept-version:1.2\nhost:/\n\n\0\
             SUBSCRIBE\nid:0\ndestination:/queue/test\nack:{ack}\nprefetch-count:1000\n\n\0"
        )
        .as_bytes(),
    );
    while !input.is_empty() || out.is_held() {
        session.handle_input(Instant::default(), &mut input, &mut out);
        for submission in std::mem::take(&mut out.commands) {
            session.handle_event(
                Instant::default(),
                Event::Done(submission.id, Ok(Reply::Nothing)),
                &mut out,
            );
        }
    }
    out.wire.take();
    (session, out, input)
}

fn frame(extra: &str, body_len: usize) -> Vec<u8> {
    let body = "x".repeat(body_len);
    format!(
        "SEND\ndestination:/queue/test\ncontent-type:text/plain\n{extra}content-length:{body_len}\n\n{body}\0\n"
    )
    .into_bytes()
}

fn measure_send(title: &str, extra: &str, body_len: usize) {
    let (mut session, mut out, mut input) = session("auto");
    let frames = frame(extra, body_len).repeat(FRAMES_PER_INPUT);
    let nanoseconds = measure(|| {
        input.extend_from_slice(&frames);
        session.handle_input(Instant::default(), &mut input, &mut out);
        assert_eq!(out.commands.len(), FRAMES_PER_INPUT);
        if !extra.is_empty() {
            for submission in &out.commands {
                session.handle_event(
                    Instant::default(),
                    Event::Confirmed(submission.id),
                    &mut Out::new(),
                );
            }
        }
        out.commands.clear();
    });
    println!("{title}: {nanoseconds:.1} ns");
}

fn message(body_len: usize) -> Message {
    let (mut session, mut out, mut input) = session("auto");
    input.extend_from_slice(&frame("", body_len));
    session.handle_input(Instant::default(), &mut input, &mut out);
    match out.commands.pop().map(|submission| submission.command) {
        Some(Command::Publish(message, _)) => message,
        _ => unreachable!("a SEND to a known queue publishes"),
    }
}

fn deliver(session: &mut Stomp, out: &mut Out, message: &Message, sequence: u64) {
    let delivery = Delivery {
        subscription: SubscriptionId(1),
        sequence: Sequence(sequence),
        redelivered: false,
        delivery_count: 0,
        acquired_count: 0,
        expires_at: None,
        message: message.clone(),
    };
    session.handle_event(Instant::default(), Event::Delivery(delivery), out);
}

fn measure_message(body_len: usize) {
    let (mut session, mut out, _) = session("auto");
    let message = message(body_len);
    let nanoseconds = measure(|| {
        for _ in 0..FRAMES_PER_INPUT {
            deliver(&mut session, &mut out, &message, 1);
        }
        out.wire.advance(out.wire.len());
    });
    println!("MESSAGE, {body_len} B: {nanoseconds:.1} ns");
}

fn measure_ack() {
    let (mut session, mut out, mut input) = session("client-individual");
    let message = message(100);
    let mut tag = 0;
    let nanoseconds = measure(|| {
        let first = tag + 1;
        for _ in 0..FRAMES_PER_INPUT {
            tag += 1;
            deliver(&mut session, &mut out, &message, tag);
        }
        out.wire.advance(out.wire.len());
        let mut digits = itoa::Buffer::new();
        for tag in first..=tag {
            input.extend_from_slice(b"ACK\nid:1-1-");
            input.extend_from_slice(digits.format(tag).as_bytes());
            input.extend_from_slice(b"\n\n\0\n");
        }
        session.handle_input(Instant::default(), &mut input, &mut out);
        assert_eq!(out.commands.len(), 2);
        out.commands.clear();
    });
    println!("MESSAGE and ACK, 100 B: {nanoseconds:.1} ns");
}

/// Nanoseconds per frame; the best of some rounds, since others share the machine.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        (0..INPUTS / 5).for_each(|_| work());
        let frames = (INPUTS / 5 * FRAMES_PER_INPUT) as f64;
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / frames);
    }
    best
}
