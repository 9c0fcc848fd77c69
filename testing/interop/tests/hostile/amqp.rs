//! Those who break the rules of AMQP 0-9-1.

use crate::stage::{Neighbor, Stage, read_to_the_end};
use anyhow::{Context as _, Result, ensure};
use client::Broker;
use client::amqp::raw::{PROTOCOL_HEADER, RawClient, RawFrame, opening};

/// What the broker may take of memory in any of these tests, in KiB: what it needs when idle, the
/// budgets that the tests set, twice the largest body while it grows, and room for a debug build.
const MEMORY_KIB_MAX: u64 = 192 * 1024;

/// One that publishes to a queue and gets what it published.
struct Getter {
    client: RawClient,
    rounds: u64,
}

impl Neighbor for Getter {
    fn connect(broker: &Broker) -> Result<Self> {
        let mut client = RawClient::connect(broker.listener("amqp")?)?;
        client.send(&declare("neighbor"));
        client.flush()?;
        client.receive_method((50, 11))?;
        Ok(Self { client, rounds: 0 })
    }

    /// Is confirmed and gets its message.
    fn go_on(&mut self) -> Result<()> {
        self.rounds += 1;
        let body = self.rounds.to_string();
        self.client.publish("", "neighbor", body.as_bytes())?;
        self.client.flush()?;
        self.client.receive_confirms_up_to(self.rounds)?;
        let get = RawFrame::method(1, (60, 70), b"\0\0\x08neighbor\x01");
        self.client.send(&get);
        self.client.flush()?;
        self.client.receive_method((60, 71))?;
        let _header = self.client.receive()?;
        let found = self.client.receive()?.context("no body")?;
        ensure!(found.payload == body.as_bytes(), "{found:02x?}");
        Ok(())
    }
}

fn stage(more: &[&str]) -> Result<Stage<Getter>> {
    Stage::new("amqp", MEMORY_KIB_MAX, more)
}

fn open(stage: &Stage<Getter>) -> Result<RawClient> {
    RawClient::open(stage.broker.listener("amqp")?)
}

/// The frames that the broker answers, up to the end of the connection.
fn answer(stage: &mut Stage<Getter>, bytes: &[u8]) -> Result<Vec<RawFrame>> {
    let mut client = open(stage)?;
    client.write(bytes);
    // The broker may have answered and stopped reading before all is written.
    let _is_cut = client.flush();
    let _is_cut = client.shutdown();
    let mut answers = Vec::new();
    while let Some(frame) = client.receive()? {
        answers.push(frame);
    }
    stage.neighbor_goes_on()?;
    Ok(answers)
}

/// What is sent on an open connection with channel 1; returns the code that the connection or the channel is closed with.
fn code(stage: &mut Stage<Getter>, bytes: &[u8]) -> Result<(u16, u16)> {
    let answers = answer(stage, &[&opening(0), bytes].concat())?;
    let closed = answers.iter().find_map(|it| Some((it.channel, it.code()?)));
    closed.with_context(|| format!("{bytes:02x?} was answered {answers:02x?}"))
}

/// `queue.declare` of a queue that is neither durable nor anybody's.
fn declare(name: &str) -> RawFrame {
    let len = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let arguments = [&[0, 0, len][..], name.as_bytes(), &[0, 0, 0, 0, 0]].concat();
    RawFrame::method(1, (50, 10), &arguments)
}

/// `basic.consume` of a queue without acknowledgements.
fn consume(name: &str, tag: &str) -> RawFrame {
    let len = |text: &str| u8::try_from(text.len()).unwrap_or(u8::MAX);
    let arguments = [
        &[0, 0, len(name)][..],
        name.as_bytes(),
        &[len(tag)],
        tag.as_bytes(),
        &[0b10, 0, 0, 0, 0],
    ];
    RawFrame::method(1, (60, 20), &arguments.concat())
}

/// `basic.publish` to the default exchange.
fn publish(channel: u16) -> RawFrame {
    RawFrame::method(channel, (60, 40), b"\0\0\0\x08neighbor\0")
}

#[test]
fn strangers_are_told_what_is_spoken() -> Result<()> {
    let mut stage = stage(&[])?;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"CONNECT\naccept-version:1.2\n\n\0",
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"AMQP\0\x01\0\0",
        b"AMQP\x03\x01\0\0",
        &[0; 5000],
        &[0xff; 5000],
    ] {
        let stream = stage.connect()?;
        let answer = stage.answer(stream, bytes)?;
        // A cut may come before the answer is read.
        ensure!(
            answer == PROTOCOL_HEADER || (answer.is_empty() && bytes.len() > 8),
            "{bytes:?} was answered {answer:02x?}"
        );
    }
    Ok(())
}

#[test]
fn what_breaks_the_protocol_has_its_code() -> Result<()> {
    let mut stage = stage(&[])?;
    let channel_0 = |code| (0, code);
    let method = |channel, id, arguments: &[u8]| RawFrame::method(channel, id, arguments).bytes();
    let rows: [(Vec<u8>, (u16, u16)); 17] = [
        // Frames: a type that there is not, a wrong end, one longer than was agreed on, a heartbeat with words.
        (b"\x07\0\x01\0\0\0\0\xce".to_vec(), channel_0(501)),
        (
            b"\x01\0\x01\0\0\0\x04\0\x14\0\x0aX".to_vec(),
            channel_0(501),
        ),
        (b"\x01\0\x01\xff\xff\xff\xff".to_vec(), channel_0(501)),
        (b"\x08\0\0\0\0\0\x01x\xce".to_vec(), channel_0(501)),
        // Methods: of no class, of the other side, cut short, too long, on a channel that is not open, again.
        (method(1, (99, 10), b""), channel_0(540)),
        (
            method(1, (60, 60), b"\0\0\0\0\0\0\0\0\0\0\0\0"),
            channel_0(503),
        ),
        (method(1, (50, 10), b"\0\0\xffshort"), channel_0(501)),
        (
            method(1, (60, 80), b"\0\0\0\0\0\0\0\x01\0extra"),
            channel_0(501),
        ),
        (declare_on(7), channel_0(504)),
        (method(1, (20, 10), b"\0"), channel_0(504)),
        (method(0, (10, 40), b"\x01/\0\0"), channel_0(503)),
        // A table with a value of no type, and one that is nested too deep.
        (
            method(1, (50, 10), b"\0\0\x01q\0\0\0\0\x03\x01aZ"),
            channel_0(502),
        ),
        (nested_table(), channel_0(502)),
        // Contents: without a method, a body before its header, more than was said.
        (RawFrame::content(1, 1).bytes(), channel_0(505)),
        (
            [publish(1).bytes(), RawFrame::body(1, b"x").bytes()].concat(),
            channel_0(505),
        ),
        (
            [
                publish(1),
                RawFrame::content(1, 1),
                RawFrame::body(1, b"xy"),
            ]
            .map(|frame| frame.bytes())
            .concat(),
            channel_0(505),
        ),
        // A body that is too large closes its channel, before it comes.
        (
            [publish(1), RawFrame::content(1, u64::MAX)]
                .map(|it| it.bytes())
                .concat(),
            (1, 406),
        ),
    ];
    for (bytes, expected) in rows {
        let found = code(&mut stage, &bytes)?;
        ensure!(
            found == expected,
            "{bytes:02x?}: {found:?} is not {expected:?}"
        );
    }
    Ok(())
}

fn declare_on(channel: u16) -> Vec<u8> {
    let mut frame = declare("q");
    frame.channel = channel;
    frame.bytes()
}

/// `queue.declare` with a table in a table and so on, as deep as a frame is long.
fn nested_table() -> Vec<u8> {
    let mut table = Vec::new();
    while table.len() < 100_000 {
        let len = u32::try_from(table.len()).unwrap_or(u32::MAX).to_be_bytes();
        // Built from its end: the last written is the outermost.
        table.extend(len.iter().rev().chain(b"Fa\x01"));
    }
    table.reverse();
    let len = u32::try_from(table.len()).unwrap_or(u32::MAX).to_be_bytes();
    let arguments = [&b"\0\0\x01q\0"[..], &len, &table].concat();
    RawFrame::method(1, (50, 10), &arguments).bytes()
}

#[test]
fn half_frames_hurt_nobody() -> Result<()> {
    let mut stage = stage(&[])?;
    let contents = [
        declare("half"),
        consume("half", "c"),
        publish(1),
        RawFrame::content(1, 9),
        RawFrame::body(1, b"123456789"),
    ];
    let whole = [opening(0), contents.map(|frame| frame.bytes()).concat()].concat();
    stage.leave_halfway(&whole)
}

#[test]
fn one_byte_at_a_time_is_a_conversation() -> Result<()> {
    let mut stage = stage(&[])?;
    let mut client = open(&stage)?;
    for byte in [opening(0), declare("slow").bytes()].concat() {
        client.write(&[byte]);
        client.flush()?;
    }
    for expected in [(10, 10), (10, 30), (10, 41), (20, 11), (50, 11)] {
        client.receive_method(expected)?;
    }
    stage.neighbor_goes_on()
}

#[test]
fn who_says_nothing_is_cut() -> Result<()> {
    let mut stage = stage(&["--amqp-connect-timeout-ms", "500"])?;
    let whole = opening(1);
    // Nothing at all, half of a header, no login, half of a login; and then a client that does not keep its heartbeats.
    for end in [0, 3, 8, 20, whole.len()] {
        let mut client = open(&stage)?;
        client.write(&whole[..end]);
        client.flush()?;
        read_to_the_end(client.stream())
            .with_context(|| format!("{end} bytes of an opening stay"))?;
        stage.neighbor_goes_on()?;
    }
    Ok(())
}

#[test]
fn channels_have_a_bound_and_may_come_and_go() -> Result<()> {
    let mut stage = stage(&[])?;
    let mut flood = RawClient::connect(stage.broker.listener("amqp")?)?;
    let open = |channel| RawFrame::method(channel, (20, 10), b"\0");
    let close = |channel| RawFrame::method(channel, (20, 40), b"\0\0\0\0\0\0\0");
    for channel in 2..=2047 {
        flood.send(&open(channel));
    }
    flood.flush()?;
    for _ in 2..=2047 {
        flood.receive_method((20, 11))?;
    }
    stage.neighbor_goes_on()?;
    for _ in 0..50 {
        for channel in 1000..=2047 {
            flood.send(&close(channel));
            flood.send(&open(channel));
        }
        flood.flush()?;
        for _ in 1000..=2047 {
            flood.receive_method((20, 41))?;
            flood.receive_method((20, 11))?;
        }
    }
    stage.neighbor_goes_on()?;
    flood.send(&open(2048));
    flood.flush()?;
    let closed = flood.receive_method((10, 50))?;
    ensure!(closed.code() == Some(530), "{closed:02x?}");
    stage.neighbor_goes_on()
}

#[test]
fn unfinished_contents_are_bounded() -> Result<()> {
    let mut stage = stage(&[])?;
    let mut greedy = RawClient::connect(stage.broker.listener("amqp")?)?;
    let piece = vec![b'x'; 131_000];
    for channel in 2..=64 {
        greedy.send(&RawFrame::method(channel, (20, 10), b"\0"));
        greedy.send(&publish(channel));
        greedy.send(&RawFrame::content(channel, 16 << 20));
        for _ in 0..64 {
            greedy.send(&RawFrame::body(channel, &piece));
        }
        // It is closed before all of it has come.
        if greedy.flush().is_err() {
            break;
        }
    }
    let mut code = None;
    while let Some(frame) = greedy.receive()? {
        code = code.or_else(|| frame.code());
        if code.is_some() {
            break;
        }
    }
    ensure!(code.is_some(), "half of 63 bodies is kept");
    stage.neighbor_goes_on()
}

#[test]
fn a_consumer_that_never_reads_slows_nobody() -> Result<()> {
    let mut stage = stage(&[])?;
    let mut deaf = RawClient::connect(stage.broker.listener("amqp")?)?;
    for queue in ["deaf-queue", "deaf-topic"] {
        deaf.send(&declare(queue));
        deaf.send(&consume(queue, queue));
    }
    let bind = RawFrame::method(1, (50, 20), b"\0\0\x0adeaf-topic\x0aamq.fanout\0\0\0\0\0\0");
    deaf.send(&bind);
    deaf.flush()?;
    for expected in [(50, 11), (60, 21), (50, 11), (60, 21), (50, 21)] {
        deaf.receive_method(expected)?;
    }
    let body = vec![b'x'; 10_000];
    let mut publisher = RawClient::connect(stage.broker.listener("amqp")?)?;
    for number in 0..400 {
        publisher.publish("", "deaf-queue", &body)?;
        publisher.publish("amq.fanout", "", &body)?;
        publisher.flush()?;
        publisher.receive_confirms_up_to(2 * (number + 1))?;
        stage.neighbor_goes_on()?;
    }
    Ok(())
}

#[test]
fn a_publisher_that_never_reads_is_no_longer_read() -> Result<()> {
    let mut stage = stage(&[])?;
    let deaf = RawClient::connect(stage.broker.listener("amqp")?)?;
    // Mandatory, to nobody: each comes back whole.
    let arguments = b"\0\0\x0aamq.direct\x06nobody\x01";
    let frames = [
        RawFrame::method(1, (60, 40), arguments),
        RawFrame::content(1, 1000),
        RawFrame::body(1, &[b'x'; 1000]),
    ];
    let bytes = frames.map(|frame| frame.bytes()).concat().repeat(100);
    stage.ask_until_unread(deaf.stream(), &bytes)
}

#[test]
fn consumers_have_a_bound_and_end_with_their_connection() -> Result<()> {
    let mut stage = stage(&["--amqp-consumers-max", "500"])?;
    for _ in 0..3 {
        let mut flood = RawClient::connect(stage.broker.listener("amqp")?)?;
        for number in 0..=500 {
            flood.send(&consume("neighbor", &format!("c{number}")));
        }
        flood.flush()?;
        for _ in 0..500 {
            flood.receive_method((60, 21))?;
        }
        let closed = flood.receive()?.context("the connection ended")?;
        ensure!(closed.code().is_some(), "{closed:02x?}");
    }
    // A closed channel's consumers leave, so that the neighbor's messages are its own again.
    loop {
        stage.neighbor.client.send(&declare("neighbor"));
        stage.neighbor.client.flush()?;
        let declared = stage.neighbor.client.receive_method((50, 11))?;
        if declared.payload.ends_with(&[0; 4]) {
            return stage.neighbor_goes_on();
        }
    }
}
