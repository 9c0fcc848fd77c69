//! Sockets of ZeroMQ that break the rules.

use crate::stage::{Publisher, Stage};
use anyhow::{Context as _, Result, bail, ensure};
use barid_zmq::{Context, Rep};
use bytes::BytesMut;
use client::WAIT_MAX;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;
use zmtp::curve::{ClientRandom, PublicKey, SecretKey};
use zmtp::{Connection, CurveClient, Mechanism, Settings, SocketType};

/// What the broker may take of memory in these tests where they do not say more, in KiB: what it needs when idle, the
/// budgets that the tests set, and room for a debug build.
const MEMORY_KIB_MAX: u64 = 96 * 1024;

/// How long a transport must take nothing to count as one that does not.
const STUCK: Duration = Duration::from_millis(500);

/// The greeting of a peer with NULL.
fn greeting() -> Vec<u8> {
    let mut bytes = b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\x01NULL".to_vec();
    bytes.resize(64, 0);
    bytes
}

fn ready(socket_type: &str) -> Result<Vec<u8>> {
    let mut body = b"\x05READY\x0BSocket-Type\0\0\0".to_vec();
    body.push(u8::try_from(socket_type.len())?);
    body.extend_from_slice(socket_type.as_bytes());
    Ok([&[4, u8::try_from(body.len())?], &body[..]].concat())
}

fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![flags | 2];
    bytes.extend_from_slice(&(body.len() as u64).to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// One that speaks nothing but CURVE, to whoever has any key.
fn stage_with_curve(secret_key: &SecretKey) -> Result<Stage<Publisher>> {
    let folder = tempfile::tempdir()?;
    let keys = folder.path().join("keys");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).mode(0o600).open(&keys)?;
    writeln!(file, "secret {}", *secret_key.to_z85())?;
    let keys = keys.display().to_string();
    stage(&["--zmtp-curve-required", "true", "--zmtp-curve-file", &keys])
}

fn stage(more: &[&str]) -> Result<Stage<Publisher>> {
    let args = [
        "--zmtp",
        "127.0.0.1:0",
        "--connection-input-bytes-max",
        "16MiB",
        "--queue-memory-bytes-max",
        "16MiB",
    ];
    Stage::new("zmtp", MEMORY_KIB_MAX, &[&args, more].concat())
}

/// A transport on which nothing has been said.
fn connect(stage: &Stage<Publisher>) -> Result<TcpStream> {
    let stream = stage.connect()?;
    stream.set_write_timeout(Some(STUCK))?;
    Ok(stream)
}

/// A socket that has shaken hands.
fn open(stage: &Stage<Publisher>, socket_type: &str) -> Result<TcpStream> {
    let mut stream = connect(stage)?;
    stream.write_all(&[greeting(), ready(socket_type)?].concat())?;
    let mut theirs = [0; 66];
    stream.read_exact(&mut theirs)?;
    let mut command = vec![0; theirs[65].into()];
    stream.read_exact(&mut command)?;
    ensure!(command.starts_with(b"\x05READY"), "{command:02x?}");
    Ok(stream)
}

/// How a write ends to somebody who takes no more.
const ENDS: [ErrorKind; 4] = [
    ErrorKind::WouldBlock,
    ErrorKind::TimedOut,
    ErrorKind::ConnectionReset,
    ErrorKind::BrokenPipe,
];

/// Writes the same again and again, until the other side takes no more or so much is written. Says how much that is.
fn flood(stream: &mut TcpStream, piece: &[u8], bytes_max: usize) -> Result<usize> {
    let pieces = piece.repeat(1 + 65_536 / piece.len());
    let mut sent = 0;
    while sent < bytes_max {
        match stream.write(&pieces) {
            Ok(count) => sent += count,
            Err(error) if ENDS.contains(&error.kind()) => break,
            Err(error) => bail!(error),
        }
    }
    Ok(sent)
}

#[test]
fn strangers_are_cut() -> Result<()> {
    let mut stage = stage(&[])?;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"\x16\x03\x01\x02\x00\x01",
        &[0; 5000],
        &[0xff; 5000],
        // 1.0 and 2.0, a mechanism that there is not, CURVE without keys.
        b"\x01\0",
        b"\xFF\0\0\0\0\0\0\0\x01\x7F\x01\x05\0\0",
        &[b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\x01GSSAPI", &[0; 60][..]].concat(),
        &[b"\xFF\0\0\0\0\0\0\0\0\x7F\x03\x01CURVE", &[0; 60][..]].concat(),
    ] {
        let stream = connect(&stage)?;
        let answer = stage.answer(stream, bytes)?;
        ensure!(answer.len() <= 11, "{bytes:?} was answered {answer:?}");
    }
    Ok(())
}

#[test]
fn what_has_no_place_in_a_handshake_ends_it() -> Result<()> {
    let mut stage = stage(&[])?;
    for bytes in [
        // A message, PING, SUBSCRIBE, ERROR, no properties, a socket that there is not.
        frame(0, b"x"),
        frame(4, b"\x04PING\0\0"),
        frame(4, b"\x09SUBSCRIBEa"),
        frame(4, b"\x05ERROR\x03400"),
        frame(4, b"\x05READY"),
        frame(4, b"\x05READY\x0BSocket-Type\xFF\xFF\xFF\xFFx"),
        ready("NONE")?,
        ready("ROUTER")?,
    ] {
        let stream = connect(&stage)?;
        let answer = stage.answer(stream, &[greeting(), bytes.clone()].concat())?;
        ensure!(
            answer.len() <= 64,
            "{bytes:02x?} was answered {answer:02x?}"
        );
    }
    Ok(())
}

#[test]
fn a_huge_frame_is_refused_before_it_comes() -> Result<()> {
    let mut stage = stage(&[])?;
    for length in [17 << 20, (1 << 63) - 1, 1 << 63, u64::MAX] {
        for flags in [2, 3, 6] {
            let head = [&[flags], &length.to_be_bytes()[..]].concat();
            let stream = connect(&stage)?;
            stage.answer(stream, &[greeting(), head.clone()].concat())?;
            let stream = open(&stage, "PUSH")?;
            stage.answer(stream, &head)?;
        }
    }
    Ok(())
}

#[test]
fn half_conversations_hurt_nobody() -> Result<()> {
    let mut stage = stage(&[])?;
    let whole = [
        greeting(),
        ready("PUSH")?,
        frame(1, b"first"),
        frame(4, b"\x04PING\0\0x"),
        frame(0, b"second"),
    ]
    .concat();
    stage.leave_halfway(&whole)
}

/// A greeting with CURVE and a HELLO that this server opens, as anybody may record it.
fn hello(server_key: PublicKey) -> Result<Vec<u8>> {
    let mut settings = Settings::new(SocketType::Push);
    settings.mechanism = Mechanism::CurveClient(Box::new(CurveClient {
        server_key,
        secret_key: SecretKey::new([7; 32]),
        random: ClientRandom::new(&[3; 48]),
    }));
    let (mut out, mut theirs) = (BytesMut::new(), greeting());
    theirs[12..17].copy_from_slice(b"CURVE");
    let mut connection = Connection::new(settings, 0, &mut out);
    connection.handle_input(&mut theirs, &mut out)?;
    Ok(out.to_vec())
}

/// The octets of a greeting and a WELCOME.
const WELCOMED_BYTES: usize = 64 + 2 + 168;

#[test]
fn handshakes_that_never_end_cost_little_and_have_their_time() -> Result<()> {
    let secret_key = SecretKey::new([9; 32]);
    let mut stage = stage_with_curve(&secret_key)?;
    let hello = hello(secret_key.public_key())?;
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        let mut stream = connect(&stage)?;
        stream.write_all(&hello)?;
        streams.push(stream);
    }
    for stream in &mut streams {
        let mut welcomed = [0; WELCOMED_BYTES];
        stream.read_exact(&mut welcomed)?;
        ensure!(
            welcomed[66..].starts_with(b"\x07WELCOME"),
            "{welcomed:02x?}"
        );
    }
    stage.neighbor_goes_on()?;
    // One that goes on is let in meanwhile.
    let push = barid_zmq::Push::builder(&Context::new())
        .curve_client(secret_key.public_key(), SecretKey::new([7; 32]))
        .build();
    push.connect(format!("tcp://{}", stage.broker.listener("zmtp")?))?;
    push.blocking().send_timeout("in", WAIT_MAX)?;
    ensure!(push.blocking().wait_connected(1, WAIT_MAX)?);
    for stream in streams {
        let rest = stage.answer(stream, &[])?;
        ensure!(rest.is_empty(), "{rest:02x?}");
    }
    Ok(())
}

#[test]
fn who_asks_and_does_not_read_is_not_read_from() -> Result<()> {
    let mut stage = stage(&[])?;
    let mut stream = open(&stage, "PUSH")?;
    let ping = b"\x04\x17\x04PING\0\x000123456789abcdef";
    let sent = flood(&mut stream, ping, 128 << 20)?;
    ensure!(sent < 128 << 20, "it is still read from");
    stage.neighbor_goes_on()
}

#[test]
fn messages_have_their_limits() -> Result<()> {
    let mut stage = stage(&[])?;
    // Too many frames, and too many bytes in a few.
    let stream = open(&stage, "PUSH")?;
    stage.answer(stream, &frame(1, b"").repeat(2_000))?;
    let stream = open(&stage, "DEALER")?;
    stage.answer(stream, &frame(1, &[b'x'; 1 << 20]).repeat(17))?;
    // An envelope of a request.
    let stream = open(&stage, "DEALER")?;
    let request = [frame(1, b"x").repeat(101), frame(1, b""), frame(0, b"q")].concat();
    stage.answer(stream, &request)?;
    Ok(())
}

#[test]
fn messages_that_never_end_have_a_limit_together() -> Result<()> {
    let mut stage = stage(&[])?;
    // The allocator keeps some of what grew and was moved; without a limit it would be 600 MiB.
    stage.memory_kib_max = 2 * MEMORY_KIB_MAX;
    let mut streams = Vec::new();
    for _ in 0..60 {
        let mut stream = open(&stage, "PUSH")?;
        flood(&mut stream, &frame(1, &[b'x'; 1 << 20]), 10 << 20)?;
        streams.push(stream);
        stage.neighbor_goes_on()?;
    }
    drop(streams);
    stage.neighbor_goes_on()
}

#[test]
fn subscriptions_have_their_limits() -> Result<()> {
    let mut stage = stage(&[])?;
    let many = (0..11_000).flat_map(|number: u32| {
        let topic = format!("\x01topic{number}.");
        frame(0, topic.as_bytes())
    });
    let stream = open(&stage, "SUB")?;
    stage.answer(stream, &many.collect::<Vec<_>>())?;
    let stream = open(&stage, "SUB")?;
    stage.answer(stream, &frame(0, &[1; 2_000]))?;
    // The same again and again, and what is not there.
    let mut stream = open(&stage, "SUB")?;
    let same = [frame(0, b"\x01a."), frame(0, b"\0a."), frame(0, b"\0b")].concat();
    flood(&mut stream, &same, 4 << 20)?;
    stage.neighbor_goes_on()
}

#[test]
fn a_subscriber_that_never_reads_holds_no_memory() -> Result<()> {
    let mut stage = stage(&[])?;
    let mut sleeper = open(&stage, "SUB")?;
    sleeper.write_all(&frame(0, b"\x01"))?;
    stage.neighbor.publish_much()?;
    stage.neighbor_goes_on()
}

/// Large answers to small requests, of which none is read.
#[test]
fn a_requester_that_never_reads_holds_no_memory() -> Result<()> {
    let mut stage = stage(&[])?;
    let rep = Rep::new(&Context::new());
    rep.connect(format!("tcp://{}", stage.broker.listener("zmtp")?))?;
    let mut dealer = open(&stage, "DEALER")?;
    let request = [frame(1, b""), frame(0, b"question")].concat();
    let answer = vec![b'x'; 100_000];
    for round in 0..20 {
        dealer.write_all(&request.repeat(100))?;
        for _ in 0..100 {
            rep.blocking().recv_timeout(WAIT_MAX)?;
            rep.blocking().send_timeout(answer.clone(), WAIT_MAX)?;
        }
        stage
            .neighbor_goes_on()
            .with_context(|| format!("behind {round} rounds"))?;
    }
    Ok(())
}
