//! Peers that break the rules: each gets a clear answer or a cut, the broker's memory stays bounded,
//! and its neighbor does not notice.

use anyhow::{Context as _, Result, ensure};
use client::{Broker, Client, Send, Subscribe};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

/// What the broker may take of memory in any of these tests, in KiB: what it needs when idle, the
/// budgets that the tests set, and room for a debug build.
const MEMORY_KIB_MAX: u64 = 80 * 1024;
const CONNECT: &[u8] = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0";

/// A broker with a small budget, and a neighbor that talks to itself through a queue and a topic.
struct Stage {
    broker: Broker,
    neighbor: Client,
    rounds: u32,
    _folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Result<Self> {
        Self::with(&[])
    }

    fn with(more: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let args = [&["--subscriber-budget-bytes", "1MiB"], more].concat();
        let broker = Broker::start_with(&folder.path().join("data"), &args)?;
        let mut neighbor = broker.connect()?;
        for (id, destination) in [("q", "/queue/neighbor"), ("t", "/topic/neighbor.*")] {
            neighbor.subscribe(&Subscribe {
                id,
                destination,
                ..Subscribe::default()
            })?;
        }
        Ok(Self {
            broker,
            neighbor,
            rounds: 0,
            _folder: folder,
        })
    }

    fn connect(&self) -> Result<TcpStream> {
        Ok(TcpStream::connect(self.broker.address())?)
    }

    /// The neighbor sends itself a message each way and gets both.
    fn neighbor_goes_on(&mut self) -> Result<()> {
        self.rounds += 1;
        let body = self.rounds.to_string();
        for destination in ["/queue/neighbor", "/topic/neighbor.a"] {
            let body = body.as_bytes();
            self.neighbor.send(&Send {
                destination,
                body,
                ..Send::default()
            })?;
            let message = self.neighbor.message()?;
            ensure!(message.body == body, "another message came: {message:?}");
        }
        Ok(())
    }

    fn memory_is_bounded(&self) -> Result<()> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.broker.pid()))?;
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .context("no VmRSS")?;
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .context("no figure")?
            .parse()?;
        ensure!(
            kib <= MEMORY_KIB_MAX,
            "the broker takes {kib} KiB of {MEMORY_KIB_MAX}"
        );
        Ok(())
    }

    /// Sends bytes, then reads the answer up to the end of the connection.
    fn answer(&mut self, bytes: &[u8]) -> Result<String> {
        let mut stream = self.connect()?;
        // The broker may have answered and stopped reading before all is written.
        let _is_cut = stream.write_all(bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => return Err(error.into()),
        }
        self.neighbor_goes_on()?;
        self.memory_is_bounded()?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

#[test]
fn garbage_is_answered_and_cut() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut noise = 1_u32;
    let garbage: Vec<u8> = (0..300_000)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        })
        .collect();
    for garbage in [
        &garbage[..],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        &[0; 5000],
    ] {
        let answer = stage.answer(garbage)?;
        ensure!(answer.starts_with("ERROR\n"), "the answer was {answer:?}");
    }
    Ok(())
}

#[test]
fn a_huge_body_is_refused_before_it_comes() -> Result<()> {
    let mut stage = Stage::new()?;
    let send = b"SEND\ndestination:/queue/big\ncontent-length:10737418240\nreceipt:r\n\nxxx";
    let answer = stage.answer(&[CONNECT, send].concat())?;
    ensure!(
        answer.contains("\0\nERROR\n") || answer.contains("\0ERROR\n"),
        "{answer:?}"
    );
    for what in ["10737418240", "16777216", "receipt-id:r"] {
        ensure!(answer.contains(what), "{what} is not named in {answer:?}");
    }
    Ok(())
}

#[test]
fn an_endless_head_is_refused() -> Result<()> {
    let mut stage = Stage::new()?;
    let long_line = [b"SEND\nx:".to_vec(), vec![b'y'; 200_000]].concat();
    let many_lines = [b"SEND\n".to_vec(), b"a:b\n".repeat(50_000)].concat();
    for head in [long_line, many_lines] {
        let answer = stage.answer(&[CONNECT, &head].concat())?;
        ensure!(answer.contains("ERROR\n"), "{answer:?}");
    }
    Ok(())
}

#[test]
fn half_frames_hurt_nobody() -> Result<()> {
    let mut stage = Stage::new()?;
    let whole = [
        CONNECT,
        b"SEND\ndestination:/queue/half\ncontent-length:9\n\n123456789\0",
    ]
    .concat();
    for end in 0..whole.len() {
        let mut stream = stage.connect()?;
        stream.write_all(&whole[..end])?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
    }
    stage.neighbor_goes_on()?;
    stage.memory_is_bounded()
}

#[test]
fn unfinished_messages_are_bounded_over_all_connections() -> Result<()> {
    let mut stage = Stage::with(&["--connection-input-bytes-max", "20MiB"])?;
    let head = b"SEND\ndestination:/queue/never\ncontent-length:16000000\n\n";
    let unfinished = [CONNECT, head, &vec![b'x'; 8_000_000]].concat();
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = stage.connect()?;
        stream.write_all(&unfinished)?;
        streams.push(stream);
    }
    let answer = stage.answer(&unfinished)?;
    ensure!(answer.contains("unfinished frames"), "{answer:?}");
    ensure!(
        answer.contains("20971520"),
        "the limit is not named in {answer:?}"
    );
    drop(streams);
    stage.neighbor_goes_on()
}

#[test]
fn a_client_that_has_said_everything_hears_its_receipts() -> Result<()> {
    let mut stage = Stage::new()?;
    let send = b"SEND\ndestination:/queue/last\npersistent:true\nreceipt:r\n\nx\0";
    let bye = b"DISCONNECT\nreceipt:bye\n\n\0";
    for words in [&[CONNECT, send].concat(), &[CONNECT, send, bye].concat()] {
        let mut stream = stage.connect()?;
        stream.write_all(words)?;
        stream.shutdown(Shutdown::Write)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.contains("receipt-id:r\n"), "{answer:?}");
        ensure!(
            answer.contains("receipt-id:bye\n") == words.ends_with(bye),
            "{answer:?}"
        );
    }
    stage.neighbor_goes_on()
}

#[test]
fn one_byte_at_a_time_is_a_conversation() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut stream = stage.connect()?;
    stream.set_nodelay(true)?;
    let talk: [&[u8]; 3] = [
        CONNECT,
        b"SUBSCRIBE\nid:1\ndestination:/queue/slow\n\n\0",
        b"SEND\ndestination:/queue/slow\ncontent-length:3\n\na\0b\0",
    ];
    for byte in talk.concat() {
        stream.write_all(&[byte])?;
    }
    let mut answer = Vec::new();
    while !answer.ends_with(b"\n\na\0b\0") {
        let mut byte = [0];
        stream
            .read_exact(&mut byte)
            .with_context(|| format!("after {answer:?}"))?;
        answer.extend(byte);
    }
    for byte in b"DISCONNECT\nreceipt:bye\n\n\0" {
        stream.write_all(&[*byte])?;
    }
    answer.clear();
    stream.read_to_end(&mut answer)?;
    ensure!(answer == b"RECEIPT\nreceipt-id:bye\n\n\0", "{answer:?}");
    stage.neighbor_goes_on()
}

#[test]
fn a_subscriber_that_never_reads_slows_nobody() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut deaf = stage.connect()?;
    deaf.write_all(CONNECT)?;
    for (id, destination) in [
        (1, "/topic/neighbor.#"),
        (2, "/topic/#"),
        (3, "/queue/deaf"),
    ] {
        let frame = format!("SUBSCRIBE\nid:{id}\ndestination:{destination}\n\n\0");
        deaf.write_all(frame.as_bytes())?;
    }
    let body = vec![b'x'; 10_000];
    let mut publisher = stage.broker.connect()?;
    for _ in 0..400 {
        for destination in ["/topic/neighbor.a", "/queue/deaf"] {
            publisher.send(&Send {
                destination,
                body: &body,
                ..Send::default()
            })?;
        }
        let message = stage.neighbor.message()?;
        ensure!(message.body == body, "the neighbor lost a message");
    }
    stage.neighbor_goes_on()?;
    stage.memory_is_bounded()
}

#[test]
fn a_publisher_that_never_reads_its_receipts_is_no_longer_read() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut deaf = stage.connect()?;
    deaf.write_all(CONNECT)?;
    let receipt = "r".repeat(1000);
    let frame = format!("SEND\ndestination:/topic/nobody\nreceipt:{receipt}\n\nx\0");
    deaf.set_nonblocking(true)?;
    let (mut written, mut refused) = (0_usize, 0);
    let bytes = frame.repeat(100).into_bytes();
    let mut left = &bytes[..];
    // It is no longer read once the buffers on the way are full, long before the bound.
    while refused < 50 {
        ensure!(
            written < 200 << 20,
            "the broker takes all that is sent to it"
        );
        match deaf.write(left) {
            Ok(count) => {
                written += count;
                left = &left[count..];
                refused = 0;
                if left.is_empty() {
                    left = &bytes[..];
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                refused += 1;
                stage.neighbor_goes_on()?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    stage.neighbor_goes_on()?;
    stage.memory_is_bounded()
}
