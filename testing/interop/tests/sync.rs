//! The order of the broker's system calls, as strace sees them: a record is written and synced before
//! its receipt is sent and before the message is delivered.

use anyhow::{Context as _, Result, ensure};
use client::{Client, Send, Subscribe};
use interop::{ClientKind, Stage};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};

/// Ends strace whatever comes of the test.
struct Strace(Child);

impl Drop for Strace {
    fn drop(&mut self) {
        // It may have ended with the process that it watches.
        let _is_gone = self.0.kill();
        let _status = self.0.wait();
    }
}

/// One call that matters, in the order of their ends (of a write: its begin).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    WriteRecord,
    Synced,
    SendReceipt,
    SendMessage,
}

/// What a RECEIPT of this test's has.
const RECEIPT: &str = "receipt-id:r-durable";

/// Class and method of `basic.ack`, as strace shows them, and what its first tag begins with.
const AMQP_ACK: &str = r"\0<\0P\0\0\0\0";

/// What one line of the trace shows, where the publisher is told by `receipt`; a write may carry several frames.
fn calls(line: &str, receipt: &str) -> Vec<Call> {
    if line.contains("fdatasync") && line.trim_end().ends_with("= 0") {
        return vec![Call::Synced];
    }
    if line.contains("resumed>") {
        return Vec::new();
    }
    if line.contains("pwrite") {
        return line
            .contains("body-durable")
            .then_some(Call::WriteRecord)
            .into_iter()
            .collect();
    }
    let receipt = line.contains(receipt).then_some(Call::SendReceipt);
    let message = line.contains("MESSAGE").then_some(Call::SendMessage);
    receipt.into_iter().chain(message).collect()
}

#[test]
fn the_sync_comes_before_the_receipt_and_the_delivery() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut client = stage.broker.connect()?;
    client.subscribe(&Subscribe {
        id: "s",
        destination: "/queue/sync",
        ..Subscribe::default()
    })?;
    client.barrier()?;
    let mut strace = attach(stage.broker.pid())?;
    exchange(&mut client)?;
    let (calls, synced) = watched(&mut stage, &mut strace, RECEIPT)?;
    let delivered = calls.iter().position(|call| *call == Call::SendMessage);
    let delivered = delivered.context("no delivery in the trace")?;
    ensure!(synced < delivered, "the delivery came first: {calls:?}");
    Ok(())
}

#[test]
fn the_sync_comes_before_the_ack_of_amqp() -> Result<()> {
    let mut stage = Stage::new()?;
    let mut strace = attach(stage.broker.pid())?;
    stage.run(ClientKind::Pika, "a_message_is_confirmed", "0-9-1")?;
    watched(&mut stage, &mut strace, AMQP_ACK).map(drop)
}

/// Stops the broker. Returns what the trace shows, and where in it the sync is, which must be before the publisher
/// is told.
fn watched(stage: &mut Stage, strace: &mut Strace, receipt: &str) -> Result<(Vec<Call>, usize)> {
    stage.broker.terminate()?;
    let mut trace = String::new();
    let output = strace.0.stderr.as_mut().context("its output is piped")?;
    output.read_to_string(&mut trace)?;
    let calls: Vec<_> = trace.lines().flat_map(|it| calls(it, receipt)).collect();
    let place = |wanted| {
        let place = calls.iter().position(|call| *call == wanted);
        place.with_context(|| format!("no {wanted:?} in the trace:\n{trace}"))
    };
    let written = place(Call::WriteRecord)?;
    let synced = calls
        .iter()
        .skip(written)
        .position(|call| *call == Call::Synced);
    let synced = written + synced.with_context(|| format!("no sync after the write:\n{trace}"))?;
    ensure!(
        synced < place(Call::SendReceipt)?,
        "the publisher was told first: {calls:?}\n{trace}"
    );
    Ok((calls, synced))
}

/// Attaches strace to all threads of the process and waits until it watches them.
fn attach(pid: u32) -> Result<Strace> {
    let calls = "trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fdatasync,fsync";
    let mut strace = Command::new("strace");
    strace.args(["-f", "-s", "4096", "-e", calls, "-p", &pid.to_string()]);
    strace.stdin(Stdio::null()).stderr(Stdio::piped());
    let child = strace
        .spawn()
        .context("starting strace: `cargo xtask interop --install`")?;
    let mut strace = Strace(child);
    let stderr = strace.0.stderr.take().context("its output is piped")?;
    let mut lines = BufReader::with_capacity(1, stderr);
    let mut line = String::new();
    while !line.contains("attached") {
        line.clear();
        ensure!(
            lines.read_line(&mut line)? > 0,
            "strace did not attach to {pid}"
        );
    }
    strace.0.stderr = Some(lines.into_inner());
    Ok(strace)
}

fn exchange(client: &mut Client) -> Result<()> {
    client.writer.send(&Send {
        destination: "/queue/sync",
        body: b"body-durable",
        persistent: true,
        receipt: Some("r-durable"),
        ..Send::default()
    });
    client.writer.flush()?;
    // The two may come in either order.
    let mut commands = [client.receive()?.command, client.receive()?.command];
    commands.sort();
    ensure!(commands == ["MESSAGE", "RECEIPT"], "{commands:?} came");
    Ok(())
}
