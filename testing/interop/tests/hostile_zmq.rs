//! Sockets of ZeroMQ that break the rules: each is cut, the broker's memory stays bounded, and its neighbor does not
//! notice.

use anyhow::{Context as _, Result, bail, ensure};
use barid_zmq::{Context, Rep};
use bytes::BytesMut;
use client::{Broker, MqttClient};
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;
use zmtp::curve::{ClientRandom, PublicKey, SecretKey};
use zmtp::{Connection, CurveClient, Mechanism, Settings, SocketType};

/// What the broker may take of memory in these tests where they do not say more, in KiB: what it needs when idle, the
/// budgets that the tests set, and room for a debug build.
const MEMORY_KIB_MAX: u64 = 96 * 1024;

/// Never waited out when all is well.
const LONG: Duration = Duration::from_secs(60);
/// How long a transport must take nothing to count as one that does not.
const STUCK: Duration = Duration::from_millis(500);

/// A broker with small budgets, and a neighbor that publishes.
struct Stage {
    broker: Broker,
    neighbor: MqttClient,
    rounds: u16,
    /// What the broker may take of memory.
    memory_kib_max: u64,
    _folder: tempfile::TempDir,
}

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

impl Stage {
    fn new() -> Result<Self> {
        Self::start(tempfile::tempdir()?, &[])
    }

    /// One that speaks nothing but CURVE, to whoever has any key.
    fn with_curve(secret_key: &SecretKey) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let keys = folder.path().join("keys");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).mode(0o600).open(&keys)?;
        writeln!(file, "secret {}", *secret_key.to_z85())?;
        let keys = keys.display().to_string();
        let args = ["--zmtp-curve-required", "true", "--zmtp-curve-file", &keys];
        Self::start(folder, &args)
    }

    fn start(folder: tempfile::TempDir, more: &[&str]) -> Result<Self> {
        let args = [
            "--zmtp",
            "127.0.0.1:0",
            "--subscriber-budget-bytes",
            "1MiB",
            "--connection-input-bytes-max",
            "16MiB",
            "--queue-memory-bytes-max",
            "16MiB",
        ];
        let args = [&args, more].concat();
        let broker = Broker::start_with(&folder.path().join("data"), &args)?;
        let neighbor = MqttClient::connect(broker.listener("mqtt")?)?;
        Ok(Self {
            broker,
            neighbor,
            rounds: 0,
            memory_kib_max: MEMORY_KIB_MAX,
            _folder: folder,
        })
    }

    fn neighbor_goes_on(&mut self) -> Result<()> {
        self.rounds += 1;
        self.neighbor.publish(self.rounds, "neighbor", b"x")?;
        self.neighbor.flush()?;
        let answered = self.neighbor.receive_puback()?;
        ensure!(answered == Some(self.rounds), "{answered:?}");
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.broker.pid()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        let kib: u64 = kib.context("no VmRSS")?.parse()?;
        let max = self.memory_kib_max;
        ensure!(kib <= max, "the broker takes {kib} KiB of {max}");
        Ok(())
    }

    fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.broker.listener("zmtp")?)?;
        stream.set_read_timeout(Some(LONG))?;
        stream.set_write_timeout(Some(STUCK))?;
        Ok(stream)
    }

    /// A socket that has shaken hands.
    fn open(&self, socket_type: &str) -> Result<TcpStream> {
        let mut stream = self.connect()?;
        stream.write_all(&[greeting(), ready(socket_type)?].concat())?;
        let mut theirs = [0; 66];
        stream.read_exact(&mut theirs)?;
        let mut command = vec![0; theirs[65].into()];
        stream.read_exact(&mut command)?;
        ensure!(command.starts_with(b"\x05READY"), "{command:02x?}");
        Ok(stream)
    }

    /// Sends bytes, then reads up to the end of the connection; it may be reset while they are on their way.
    fn answer(&mut self, mut stream: TcpStream, bytes: &[u8]) -> Result<Vec<u8>> {
        let _is_cut = stream.write_all(bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(error.into()),
            Ok(_) | Err(_) => {}
        }
        self.neighbor_goes_on()?;
        Ok(answer)
    }
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
    let mut stage = Stage::new()?;
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
        let stream = stage.connect()?;
        let answer = stage.answer(stream, bytes)?;
        ensure!(answer.len() <= 11, "{bytes:?} was answered {answer:?}");
    }
    Ok(())
}

#[test]
fn what_has_no_place_in_a_handshake_ends_it() -> Result<()> {
    let mut stage = Stage::new()?;
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
        let stream = stage.connect()?;
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
    let mut stage = Stage::new()?;
    for length in [17 << 20, (1 << 63) - 1, 1 << 63, u64::MAX] {
        for flags in [2, 3, 6] {
            let head = [&[flags], &length.to_be_bytes()[..]].concat();
            let stream = stage.connect()?;
            stage.answer(stream, &[greeting(), head.clone()].concat())?;
            let stream = stage.open("PUSH")?;
            stage.answer(stream, &head)?;
        }
    }
    Ok(())
}

#[test]
fn half_conversations_hurt_nobody() -> Result<()> {
    let mut stage = Stage::new()?;
    let whole = [
        greeting(),
        ready("PUSH")?,
        frame(1, b"first"),
        frame(4, b"\x04PING\0\0x"),
        frame(0, b"second"),
    ]
    .concat();
    for end in 0..whole.len() {
        let mut stream = stage.connect()?;
        stream.write_all(&whole[..end])?;
        stream.shutdown(Shutdown::Write)?;
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest)?;
    }
    stage.neighbor_goes_on()
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
    let mut stage = Stage::with_curve(&secret_key)?;
    let hello = hello(secret_key.public_key())?;
    let mut streams = Vec::new();
    for _ in 0..1_000 {
        let mut stream = stage.connect()?;
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
    push.blocking().send_timeout("in", LONG)?;
    ensure!(push.blocking().wait_connected(1, LONG)?);
    for stream in streams {
        let rest = stage.answer(stream, &[])?;
        ensure!(rest.is_empty(), "{rest:02x?}");
    }
    Ok(())
}

#[test]
fn who_asks_and_does_not_read_is_not_read_from() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut stream = stage.open("PUSH")?;
    let ping = b"\x04\x17\x04PING\0\x000123456789abcdef";
    let sent = flood(&mut stream, ping, 128 << 20)?;
    ensure!(sent < 128 << 20, "it is still read from");
    stage.neighbor_goes_on()
}

#[test]
fn messages_have_their_limits() -> Result<()> {
    let mut stage = Stage::new()?;
    // Too many frames, and too many bytes in a few.
    let stream = stage.open("PUSH")?;
    stage.answer(stream, &frame(1, b"").repeat(2_000))?;
    let stream = stage.open("DEALER")?;
    stage.answer(stream, &frame(1, &[b'x'; 1 << 20]).repeat(17))?;
    // An envelope of a request.
    let stream = stage.open("DEALER")?;
    let request = [frame(1, b"x").repeat(101), frame(1, b""), frame(0, b"q")].concat();
    stage.answer(stream, &request)?;
    Ok(())
}

#[test]
fn messages_that_never_end_have_a_limit_together() -> Result<()> {
    let mut stage = Stage::new()?;
    // The allocator keeps some of what grew and was moved; without a limit it would be 600 MiB.
    stage.memory_kib_max = 2 * MEMORY_KIB_MAX;
    let mut streams = Vec::new();
    for _ in 0..60 {
        let mut stream = stage.open("PUSH")?;
        flood(&mut stream, &frame(1, &[b'x'; 1 << 20]), 10 << 20)?;
        streams.push(stream);
        stage.neighbor_goes_on()?;
    }
    drop(streams);
    stage.neighbor_goes_on()
}

#[test]
fn subscriptions_have_their_limits() -> Result<()> {
    let mut stage = Stage::new()?;
    let many = (0..11_000).flat_map(|number: u32| {
        let topic = format!("\x01topic{number}.");
        frame(0, topic.as_bytes())
    });
    let stream = stage.open("SUB")?;
    stage.answer(stream, &many.collect::<Vec<_>>())?;
    let stream = stage.open("SUB")?;
    stage.answer(stream, &frame(0, &[1; 2_000]))?;
    // The same again and again, and what is not there.
    let mut stream = stage.open("SUB")?;
    let same = [frame(0, b"\x01a."), frame(0, b"\0a."), frame(0, b"\0b")].concat();
    flood(&mut stream, &same, 4 << 20)?;
    stage.neighbor_goes_on()
}

#[test]
fn a_subscriber_that_never_reads_holds_no_memory() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut sleeper = stage.open("SUB")?;
    sleeper.write_all(&frame(0, b"\x01"))?;
    let payload = [b'x'; 100];
    for round in 0..200 {
        for number in 1..=500 {
            stage.neighbor.publish(number, "load", &payload)?;
        }
        stage.neighbor.flush()?;
        for number in 1..=500 {
            let answered = stage.neighbor.receive_puback()?;
            ensure!(answered == Some(number), "{round}: {answered:?}");
        }
    }
    stage.neighbor_goes_on()
}

/// Large answers to small requests, of which none is read.
#[test]
fn a_requester_that_never_reads_holds_no_memory() -> Result<()> {
    let mut stage = Stage::new()?;
    let rep = Rep::new(&Context::new());
    rep.connect(format!("tcp://{}", stage.broker.listener("zmtp")?))?;
    let mut dealer = stage.open("DEALER")?;
    let request = [frame(1, b""), frame(0, b"question")].concat();
    let answer = vec![b'x'; 100_000];
    for round in 0..20 {
        dealer.write_all(&request.repeat(100))?;
        for _ in 0..100 {
            rep.blocking().recv_timeout(LONG)?;
            rep.blocking().send_timeout(answer.clone(), LONG)?;
        }
        stage
            .neighbor_goes_on()
            .with_context(|| format!("behind {round} rounds"))?;
    }
    Ok(())
}
