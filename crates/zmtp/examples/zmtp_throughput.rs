//! Prints what reading and writing a frame costs, in nanoseconds each.
//!
//! `cargo run --release -p zmtp --example zmtp_throughput`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use bytes::{Buf as _, BytesMut};
use std::hint::black_box;
use zmtp::curve::{ClientRandom, SecretKey, ServerRandom};
use zmtp::{
    Authentication, Connection, CurveClient, CurveServer, Decoded, Error, Event, Frame, Framing,
    Mechanism, Settings, SocketType, Step, decode, put_frame,
};

const FRAMES_PER_INPUT: usize = 100;
const INPUTS_PER_ROUND: usize = 50;
const ROUNDS: usize = 400;

fn main() -> Result<(), Error> {
    println!("nanoseconds per frame");
    for len in [16, 100, 1_000] {
        let body = vec![b'x'; len];
        measure_codec(&body);
        let null = Mechanism::Null(Authentication::NotAsked);
        let again = Mechanism::Null(Authentication::NotAsked);
        measure_connection("NULL", null, again, &body)?;
        let secret = SecretKey::new([9; 32]);
        let client = Mechanism::CurveClient(Box::new(CurveClient {
            server_key: secret.public_key(),
            secret_key: SecretKey::new([7; 32]),
            random: ClientRandom::new(&[3; 48]),
        }));
        let server = Mechanism::CurveServer(Box::new(CurveServer {
            secret_key: secret,
            random: ServerRandom::new(&[5; 96]),
            authentication: Authentication::NotAsked,
        }));
        measure_connection("CURVE", client, server, &body)?;
    }
    Ok(())
}

fn measure_codec(body: &[u8]) {
    let mut input = BytesMut::with_capacity(FRAMES_PER_INPUT * (body.len() + 16));
    let encoding = measure(|| {
        input.clear();
        for _ in 0..FRAMES_PER_INPUT {
            put_frame(&mut input, Framing::V3, Frame::last(black_box(body)));
        }
    });
    let decoding = measure(|| {
        let mut at = 0;
        while let Ok(Decoded::Frame(kind, body)) = decode(Framing::V3, &input[at..], 1 << 20) {
            black_box((kind, &input[at..][body.clone()]));
            at += body.end;
        }
        assert_eq!(at, input.len());
    });
    let len = body.len();
    println!("{len:>5} B, frames alone: decode {decoding:.1}, encode {encoding:.1}");
}

fn measure_connection(
    name: &str,
    client: Mechanism,
    server: Mechanism,
    body: &[u8],
) -> Result<(), Error> {
    let (mut to_pull, mut to_push) = (BytesMut::new(), BytesMut::new());
    let settings = |socket_type, mechanism| Settings {
        mechanism,
        ..Settings::new(socket_type)
    };
    let client = settings(SocketType::Push, client);
    let mut push = Connection::new(client, 0, &mut to_pull);
    let server = settings(SocketType::Pull, server);
    let mut pull = Connection::new(server, 0, &mut to_push);
    while !(push.is_open() && pull.is_open()) {
        take(&mut pull, &mut to_pull, &mut to_push)?;
        take(&mut push, &mut to_push, &mut to_pull)?;
    }
    // Boxes open once: what is read must be written anew, and what that takes is subtracted.
    let encoding = measure(|| fill(&mut push, &mut to_pull, body));
    let both = measure(|| {
        fill(&mut push, &mut to_pull, body);
        drain(&mut pull, &mut to_pull, &mut to_push);
    });
    let (len, decoding) = (body.len(), both - encoding);
    println!("{len:>5} B, connection, {name}: read {decoding:.1}, write {encoding:.1}");
    Ok(())
}

fn fill(push: &mut Connection, wire: &mut BytesMut, body: &[u8]) {
    wire.clear();
    for _ in 0..FRAMES_PER_INPUT {
        let put = push.put_frame(wire, Frame::last(black_box(body)));
        assert!(put.is_ok());
    }
}

fn drain(pull: &mut Connection, wire: &mut BytesMut, out: &mut BytesMut) {
    let (mut at, mut count) = (0, 0);
    while let Ok(Step::Event(event, taken)) = pull.handle_input(&mut wire[at..], out) {
        count += usize::from(matches!(black_box(event), Event::Frame(_)));
        at += taken;
    }
    assert_eq!(count, FRAMES_PER_INPUT);
}

fn take(end: &mut Connection, input: &mut BytesMut, out: &mut BytesMut) -> Result<(), Error> {
    while let Step::Event(_, taken) = end.handle_input(input, out)? {
        input.advance(taken);
    }
    Ok(())
}

/// Nanoseconds per frame; the best of many short rounds, since others share the machine.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = std::time::Instant::now();
        (0..INPUTS_PER_ROUND).for_each(|_| work());
        let frames = (INPUTS_PER_ROUND * FRAMES_PER_INPUT) as f64;
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / frames);
    }
    best
}
