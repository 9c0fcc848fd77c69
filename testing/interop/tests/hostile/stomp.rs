//! Those who break the rules of STOMP.

use crate::stage::{Neighbor, Stage};
use anyhow::{Context as _, Result, ensure};
use client::{Broker, Client, Send, Subscribe};
use std::io::{Read as _, Write as _};
use std::net::Shutdown;

/// What the broker may take of memory in any of these tests, in KiB: what it needs when idle, the
/// budgets that the tests set, and room for a debug build.
const MEMORY_KIB_MAX: u64 = 80 * 1024;
const CONNECT: &[u8] = b"CONNECT\naccept-version:1.2\nhost:/\n\n\0";

/// One that talks to itself through a queue and a topic.
struct Talker {
    client: Client,
    rounds: u32,
}

impl Neighbor for Talker {
    fn connect(broker: &Broker) -> Result<Self> {
        let mut client = broker.connect()?;
        for (id, destination) in [("q", "/queue/neighbor"), ("t", "/topic/neighbor.*")] {
            client.subscribe(&Subscribe {
                id,
                destination,
                ..Subscribe::default()
            })?;
        }
        Ok(Self { client, rounds: 0 })
    }

    /// Sends itself a message each way and gets both.
    fn go_on(&mut self) -> Result<()> {
        self.rounds += 1;
        let body = self.rounds.to_string();
        for destination in ["/queue/neighbor", "/topic/neighbor.a"] {
            let body = body.as_bytes();
            self.client.send(&Send {
                destination,
                body,
                ..Send::default()
            })?;
            let message = self.client.message()?;
            ensure!(message.body == body, "another message came: {message:?}");
        }
        Ok(())
    }
}

fn stage(more: &[&str]) -> Result<Stage<Talker>> {
    Stage::new("stomp", MEMORY_KIB_MAX, more)
}

/// What the broker answers up to the end of the connection.
fn answer(stage: &mut Stage<Talker>, bytes: &[u8]) -> Result<String> {
    let stream = stage.connect()?;
    let answer = stage.answer(stream, bytes)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn garbage_is_answered_and_cut() -> Result<()> {
    let mut stage = stage(&[])?;
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
        let answer = answer(&mut stage, garbage)?;
        ensure!(answer.starts_with("ERROR\n"), "the answer was {answer:?}");
    }
    Ok(())
}

#[test]
fn a_huge_body_is_refused_before_it_comes() -> Result<()> {
    let mut stage = stage(&[])?;
    let send = b"SEND\ndestination:/queue/big\ncontent-length:10737418240\nreceipt:r\n\nxxx";
    let answer = answer(&mut stage, &[CONNECT, send].concat())?;
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
    let mut stage = stage(&[])?;
    let long_line = [b"SEND\nx:".to_vec(), vec![b'y'; 200_000]].concat();
    let many_lines = [b"SEND\n".to_vec(), b"a:b\n".repeat(50_000)].concat();
    for head in [long_line, many_lines] {
        let answer = answer(&mut stage, &[CONNECT, &head].concat())?;
        ensure!(answer.contains("ERROR\n"), "{answer:?}");
    }
    Ok(())
}

#[test]
fn half_frames_hurt_nobody() -> Result<()> {
    let mut stage = stage(&[])?;
    let whole = [
        CONNECT,
        b"SEND\ndestination:/queue/half\ncontent-length:9\n\n123456789\0",
    ]
    .concat();
    stage.leave_halfway(&whole)
}

#[test]
fn unfinished_messages_are_bounded_over_all_connections() -> Result<()> {
    let mut stage = stage(&["--connection-input-bytes-max", "20MiB"])?;
    // What has come of a frame is moved while it grows.
    stage.memory_kib_max = MEMORY_KIB_MAX + 20 * 1024;
    let head = b"SEND\ndestination:/queue/never\ncontent-length:16000000\n\n";
    let unfinished = [CONNECT, head, &vec![b'x'; 8_000_000]].concat();
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = stage.connect()?;
        stream.write_all(&unfinished)?;
        streams.push(stream);
    }
    let answer = answer(&mut stage, &unfinished)?;
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
    let mut stage = stage(&[])?;
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
    let mut stage = stage(&[])?;
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
    let mut stage = stage(&[])?;
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
        let message = stage.neighbor.client.message()?;
        ensure!(message.body == body, "the neighbor lost a message");
    }
    stage.neighbor_goes_on()
}

#[test]
fn a_publisher_that_never_reads_its_receipts_is_no_longer_read() -> Result<()> {
    let mut stage = stage(&[])?;
    let mut deaf = stage.connect()?;
    deaf.write_all(CONNECT)?;
    let receipt = "r".repeat(1000);
    let frame = format!("SEND\ndestination:/topic/nobody\nreceipt:{receipt}\n\nx\0");
    stage.ask_until_unread(&deaf, &frame.repeat(100).into_bytes())
}
