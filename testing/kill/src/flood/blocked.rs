//! Publishers that are held back: for want of memory, and for want of room on the disk.

use super::{Flood, begin, declare, grown_bytes_max, peak_bytes, start};
use anyhow::{Context as _, Result, anyhow, ensure};
use client::amqp::{
    AmqpClient, AmqpReader, AmqpWriter, Answer, Argument, Confirms, Declare, Login, Publish, method,
};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// Bytes of a message.
const BODY_BYTES: usize = 64 << 10;

/// Signs of life that are waited for, with nothing else between them: twice the time in which a peer that is silent is
/// taken for gone.
const HEARTBEATS: u32 = 8;

/// Messages that wait in the durable queue.
const BACKLOG: u64 = 100;

/// A publisher floods a queue that nobody reads, of those that stay in memory, until it is held back; another one, which
/// has no word for that, publishes behind it. Who reads another queue goes on, and when the flood is read, all do.
///
/// # Errors
/// When something of that is not so.
pub fn full_memory() -> Result<Flood> {
    let folder = tempfile::tempdir()?;
    let broker = start(&folder.path().join("data"), &[])?;
    let address = broker.listener("amqp")?;
    let idle = peak_bytes(&broker)?;
    fill(address)?;
    make_flooded(address)?;
    let is_enough = AtomicBool::new(false);
    let sent = AtomicU64::new(0);
    let (writer, mut reader) = begin_flood(address)?;
    thread::scope(|scope| {
        let flooding = scope.spawn(|| flood(writer, &is_enough, &sent));
        let mut confirms = Confirmed::default();
        let held = confirms.hold(&mut reader);
        let others = held.and_then(|()| others_go_on(address));
        // Whatever happened: it must come to its end.
        let reading = scope.spawn(|| read_all(address));
        let freed = others.and_then(|()| confirms.go_on(&mut reader, &is_enough, &sent));
        is_enough.store(true, Ordering::Release);
        let flooded = flooding.join();
        let flooded = flooded.map_err(|_| anyhow!("the flood panicked"));
        publish_last(address)?;
        let read = reading.join().map_err(|_| anyhow!("the reader panicked"))?;
        freed.context("the publisher that is told")?;
        flooded?.context("flood")?;
        let (read, sent) = (read.context("reader")?, sent.load(Ordering::Acquire));
        ensure!(read == sent, "{read} of {sent} were read");
        Ok(())
    })?;
    let sent = sent.load(Ordering::Acquire);
    let flood = Flood {
        sent_bytes: sent * BODY_BYTES as u64,
        grown_bytes: peak_bytes(&broker)?.saturating_sub(idle),
        grown_bytes_max: grown_bytes_max(4, sent)?,
    };
    ensure!(flood.grown_bytes <= flood.grown_bytes_max, "{flood:?}");
    Ok(flood)
}

/// Makes the queue for the flood: one that has last values stays in memory.
fn make_flooded(address: SocketAddr) -> Result<()> {
    let mut client = AmqpClient::connect(address)?;
    client.open_channel(1)?;
    let declare = Declare {
        queue: "flooded",
        arguments: &[("x-last-value-key", Argument::Text("key"))],
        ..Declare::default()
    };
    client.requests().declare(1, &declare);
    client.answer(1, |answer| matches!(answer, Answer::Declared { .. }))?;
    client.close()
}

/// Fills the durable queue.
fn fill(address: SocketAddr) -> Result<()> {
    let mut client = begin(address, "durable", true)?;
    client.requests().confirm_select(1);
    let mut confirms = Confirms::default();
    for number in 0..BACKLOG {
        let body = number.to_string();
        let publish = Publish {
            key: "durable",
            persistent: true,
            body: body.as_bytes(),
            ..Publish::default()
        };
        client.requests().publish(1, &publish);
        confirms.publish(());
    }
    while !confirms.is_empty() {
        client.writer.flush()?;
        let answer = client.reader.receive()?;
        let (_, answer) = answer.context("the connection ended")?;
        crate::load::amqp::confirmed(&mut confirms, &answer)?;
    }
    client.close()
}

/// A connection that is to be told, with signs of life each second.
fn begin_flood(address: SocketAddr) -> Result<(AmqpWriter, AmqpReader)> {
    let login = Login {
        capabilities: &["connection.blocked"],
        heartbeat_s: 1,
    };
    let mut client = AmqpClient::connect_as(address, &login)?;
    client.open_channel(1)?;
    client.requests().confirm_select(1);
    client.done(1, method::CONFIRM_SELECT_OK)?;
    Ok((client.writer, client.reader))
}

/// Publishes until it is enough, blocked or not.
fn flood(mut writer: AmqpWriter, is_enough: &AtomicBool, sent: &AtomicU64) -> Result<()> {
    let body = vec![b'x'; BODY_BYTES];
    while !is_enough.load(Ordering::Acquire) {
        let key = sent.fetch_add(1, Ordering::AcqRel).to_string();
        let publish = Publish {
            key: "flooded",
            headers: &[("key", &key)],
            body: &body,
            ..Publish::default()
        };
        writer.requests.publish(1, &publish);
        writer.flush()?;
    }
    Ok(())
}

/// What the flood hears.
#[derive(Default)]
struct Confirmed {
    /// All up to this tag.
    up_to: u64,
}

impl Confirmed {
    fn next(&mut self, reader: &mut AmqpReader) -> Result<Answer> {
        let answer = reader.receive()?;
        let (_, answer) = answer.context("the connection ended")?;
        if let Answer::Ack { tag, .. } = answer {
            ensure!(tag > self.up_to, "confirms of one queue come in order");
            self.up_to = tag;
        }
        Ok(answer)
    }

    /// Waits until it is told that it is held back, and that it is; and that it is not taken for gone, though its own
    /// signs of life are not read.
    fn hold(&mut self, reader: &mut AmqpReader) -> Result<()> {
        loop {
            if let Answer::Blocked(reason) = self.next(reader)? {
                ensure!(reason == "low on memory", "{reason}");
                break;
            }
        }
        let mut heartbeats = 0;
        while heartbeats < HEARTBEATS {
            let answer = self.next(reader)?;
            ensure!(answer != Answer::Unblocked, "nobody reads, and it goes on");
            // Or what had been taken before is confirmed.
            let is_heartbeat = answer == Answer::Heartbeat;
            heartbeats = if is_heartbeat { heartbeats + 1 } else { 0 };
        }
        Ok(())
    }

    /// Waits until it is told that it goes on, and that it does; until all is confirmed.
    fn go_on(
        &mut self,
        reader: &mut AmqpReader,
        is_enough: &AtomicBool,
        sent: &AtomicU64,
    ) -> Result<()> {
        let before = self.up_to;
        while self.next(reader)? != Answer::Unblocked {}
        while self.up_to == before {
            self.next(reader)?;
        }
        is_enough.store(true, Ordering::Release);
        // What is sent meanwhile is confirmed, too.
        while self.up_to < sent.load(Ordering::Acquire) {
            self.next(reader)?;
        }
        Ok(())
    }
}

/// While publishers wait: who has no word for it is told nothing and waits, too; who reads goes on, with all that it
/// settles.
fn others_go_on(address: SocketAddr) -> Result<()> {
    let told = publish_behind(address, &["connection.blocked"])?;
    ensure!(
        told == [Answer::Blocked("low on memory".into())],
        "{told:?}"
    );
    let told = publish_behind(address, &[])?;
    ensure!(told.is_empty(), "who has no word for it is told {told:?}");
    settle_backlog(address)
}

/// Publishes a message with a confirm, and asks for something else behind it. Returns what it is told before the answer.
fn publish_behind(address: SocketAddr, capabilities: &[&str]) -> Result<Vec<Answer>> {
    let login = Login {
        capabilities,
        heartbeat_s: 0,
    };
    let mut client = AmqpClient::connect_as(address, &login)?;
    client.open_channel(1)?;
    client.requests().confirm_select(1);
    client.done(1, method::CONFIRM_SELECT_OK)?;
    let publish = Publish {
        key: "flooded",
        body: b"behind",
        ..Publish::default()
    };
    client.requests().publish(1, &publish);
    declare(&mut client, "other", false)?;
    let mut told = Vec::new();
    while let Some((_, answer)) = client.reader.buffered()? {
        told.push(answer);
    }
    // What it has published goes on its way all the same.
    client.close()?;
    Ok(told)
}

/// Reads all of the durable queue, and settles it in transactions.
fn settle_backlog(address: SocketAddr) -> Result<()> {
    let mut client = begin(address, "durable", true)?;
    client.requests().tx_select(1);
    client.requests().qos(1, 10, false);
    client.requests().consume(1, "durable", "c", false);
    let (mut got, mut committed) = (0, 0);
    while committed < BACKLOG {
        client.writer.flush()?;
        let answer = client.reader.receive()?;
        let (_, answer) = answer.context("the connection ended")?;
        if let Answer::Delivered(delivered) = answer {
            ensure!(delivered.body == got.to_string().as_bytes(), "{got}");
            got += 1;
            client.requests().ack(1, delivered.tag, false);
            client.requests().commit(1);
        } else if answer == Answer::Done(method::COMMIT_OK) {
            committed += 1;
        }
    }
    client.close()
}

/// Puts a last message behind all others of the flooded queue.
fn publish_last(address: SocketAddr) -> Result<()> {
    let mut client = begin(address, "other", false)?;
    let publish = Publish {
        key: "flooded",
        body: b"last",
        ..Publish::default()
    };
    client.requests().publish(1, &publish);
    client.close()
}

/// Reads the flooded queue up to its last message. Returns how many of the flood there were.
fn read_all(address: SocketAddr) -> Result<u64> {
    let mut client = AmqpClient::connect(address)?;
    client.open_channel(1)?;
    client.requests().qos(1, 50, false);
    client.requests().consume(1, "flooded", "c", false);
    let mut count = 0;
    loop {
        client.writer.flush()?;
        let answer = client.reader.receive()?;
        let (_, answer) = answer.context("the connection ended")?;
        if let Answer::Delivered(delivered) = answer {
            if delivered.body == b"last" {
                return Ok(count);
            }
            count += u64::from(delivered.body.len() == BODY_BYTES);
            client.requests().ack(1, delivered.tag, false);
        }
    }
}

/// A disk that has less room than it must have: who publishes is told and waits, the backlog is read and settled for
/// good.
///
/// # Errors
/// When something of that is not so.
pub fn full_disk() -> Result<()> {
    // A file system in memory: disks may have more room than can be asked for.
    let folder = tempfile::tempdir_in("/dev/shm")?;
    let data_dir = folder.path().join("data");
    let mut broker = start(&data_dir, &[])?;
    fill(broker.listener("amqp")?)?;
    broker.terminate()?;
    let mut broker = start(&data_dir, &["--store-disk-free-bytes-min=1024GiB"])?;
    let address = broker.listener("amqp")?;
    let mut client = begin(address, "durable", true)?;
    client.requests().confirm_select(1);
    let publish = Publish {
        key: "durable",
        persistent: true,
        body: b"waits",
        ..Publish::default()
    };
    client.requests().publish(1, &publish);
    let blocked = client.answer(0, |answer| matches!(answer, Answer::Blocked(_)))?;
    ensure!(
        blocked == Answer::Blocked("low on disk".into()),
        "{blocked:?}"
    );
    settle_backlog(address)?;
    client.writer.cut();
    broker.terminate()?;
    let broker = start(&data_dir, &[])?;
    let left = declare(
        &mut begin(broker.listener("amqp")?, "durable", true)?,
        "durable",
        true,
    )?;
    // What waited and was not confirmed may be there, nothing else.
    ensure!(left <= 1, "{left} of what was settled are there again");
    Ok(())
}
