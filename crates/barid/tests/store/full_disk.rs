//! A disk without room: publishers wait, everybody else goes on, and all go on when there is room.
//!
//! Each test has a small file system of its own, which needs the right to mount one.

use crate::load::{Numbers, confirmed, consume, drain, drain_all, number_of, publish, push};
use crate::stage::{Stage, files, wait_for};
use anyhow::{Context as _, Result, bail, ensure};
use client::{Broker, Client, Subscribe};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

/// The bytes of a message.
const MESSAGE_BYTES: usize = 10_000;

/// A small file system; it goes with the test, its folder behind it.
struct Disk {
    mounted: PathBuf,
    _stage: Stage,
}

impl Disk {
    fn new() -> Result<Self> {
        let stage = Stage::new()?;
        let (image, mounted) = (stage.path("image"), stage.path("disk"));
        File::create(&image)?.set_len(96 << 20)?;
        fs::create_dir(&mounted)?;
        run(Command::new("mkfs.ext4")
            .args(["-q", "-m", "0"])
            .arg(&image))?;
        let mut mount = Command::new("mount");
        run(mount.args(["-o", "loop"]).arg(&image).arg(&mounted))
            .context("this test mounts a file system, as root")?;
        Ok(Self {
            mounted,
            _stage: stage,
        })
    }

    /// Starts a broker that has all of it. What the broker says goes elsewhere.
    fn start(&self, free_bytes_min: &str) -> Result<Broker> {
        let free = format!("--store-disk-free-bytes-min={free_bytes_min}");
        let args = [
            "--store-shards=4",
            "--store-segment-bytes=1MiB",
            "--queue-memory-bytes-max=2MiB",
            &free,
        ];
        Broker::start_with(&self.mounted, &args)
    }

    /// Takes all the room that is left, in addition to what it took before.
    fn fill(&self) -> Result<PathBuf> {
        let path = self.mounted.join("foreign");
        let mut file = File::options().create(true).append(true).open(&path)?;
        // Ever smaller pieces, so that nothing is left over.
        for bytes in [1 << 20, 4096, 1] {
            while file.write_all(&vec![1; bytes]).is_ok() {}
        }
        // What was not written cannot be synced either.
        let _no_room = file.sync_all();
        Ok(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // What stays mounted is noticed: its folder cannot be removed.
        let _unmounted = run(Command::new("umount").arg("--lazy").arg(&self.mounted));
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {said}");
    Ok(())
}

/// What the consumers saw.
#[derive(Default)]
struct Settled {
    /// Acknowledged; whether that was confirmed is not known of all.
    sent: BTreeSet<u32>,
    confirmed: BTreeSet<u32>,
}

/// Publishes without end, until the broker is gone; some messages may wait for their receipts.
fn publish_endlessly(address: SocketAddr, published: &Numbers, first: u32) -> Result<()> {
    let mut client = Client::connect(address)?;
    for number in first.. {
        push(&mut client, "deep", number, MESSAGE_BYTES);
        if client.writer.flush().is_err() {
            return Ok(());
        }
        if number - first >= 32 {
            let Some(frame) = client.reader.receive()? else {
                return Ok(());
            };
            published.add(confirmed(&frame)?);
        }
    }
    Ok(())
}

/// Returns when no receipt has come for a while though a publisher waits for some; the broker must not be busy.
fn wait_until_withheld(broker: &Broker, published: &Numbers) -> Result<usize> {
    const LOOKS: usize = 400;
    let (mut last, mut looks, mut ticks) = (0, 0, 0);
    let count = wait_for("receipts to stop", || {
        let count = published.count();
        if count == last {
            looks += 1;
        } else {
            (last, looks, ticks) = (count, 0, cpu_ticks(broker)?);
        }
        Ok((count > 0 && looks == LOOKS).then_some(count))
    })?;
    let spent = cpu_ticks(broker)? - ticks;
    ensure!(
        spent < 50,
        "{spent} ticks of a processor while nothing is to be done"
    );
    Ok(count)
}

/// How long the broker has been computing, in hundredths of a second.
fn cpu_ticks(broker: &Broker) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", broker.pid()))?;
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let mut times = fields.split_whitespace().skip(11);
    let mut next = || -> Result<u64> { Ok(times.next().context("no time")?.parse()?) };
    Ok(next()? + next()?)
}

/// Consumes until there is nothing left to wait for.
fn consume_until(
    broker: &Broker,
    settled: &mut Settled,
    mut is_enough: impl FnMut(&Settled) -> bool,
) -> Result<()> {
    let mut client = broker.connect()?;
    client.subscribe(&Subscribe {
        id: "1",
        destination: "/queue/deep",
        ack: "client-individual",
        prefetch_count: Some(50),
        ..Subscribe::default()
    })?;
    while !is_enough(settled) {
        let frame = client.receive()?;
        if frame.command == "RECEIPT" {
            settled.confirmed.insert(confirmed(&frame)?);
            continue;
        }
        let number = number_of("deep", &frame)?;
        ensure!(
            !settled.confirmed.contains(&number),
            "{number} is back though its acknowledgement was confirmed"
        );
        client
            .writer
            .settle("ACK", &frame, Some(&number.to_string()))?;
        client.writer.flush()?;
        settled.sent.insert(number);
    }
    client.disconnect()
}

/// Fills the disk until publishers wait, drains, fills again, kills, drains, and publishes again.
fn fill_and_drain(free_bytes_min: &str, low: u64) -> Result<()> {
    let disk = Disk::new()?;
    let mut broker = disk.start(free_bytes_min)?;
    let published = &Numbers::default();
    let mut settled = Settled::default();
    let address = broker.address();
    thread::scope(|scope| -> Result<()> {
        let publisher = scope.spawn(move || publish_endlessly(address, published, 0));
        let seen = fill_twice(&broker, published, &mut settled, low);
        broker.kill()?;
        let Ok(ended) = publisher.join() else {
            bail!("the publisher panicked")
        };
        seen.with_context(|| broker.said()).and(ended)
    })?;
    broker.restart().context("after the kill")?;
    // Acknowledgements work in the state in which it starts, and give publishers room again.
    let confirmed = published.all();
    let last = confirmed.last().context("nothing was confirmed")?;
    consume_until(&broker, &mut settled, |settled| settled.sent.contains(last))
        .with_context(|| format!("draining after the kill\n{}", broker.said()))?;
    let lost: Vec<_> = confirmed.difference(&settled.sent).collect();
    ensure!(lost.is_empty(), "confirmed and lost: {lost:?}");
    // What was not confirmed may be there, too.
    drain(&broker, "deep").context("publishing after the kill")?;
    publish(&broker, "deep", 0..100, MESSAGE_BYTES)?;
    drain_all(&broker, "deep", 0..100)
}

/// Fills the disk until less than so many MiB are free.
fn fill_twice(broker: &Broker, published: &Numbers, settled: &mut Settled, low: u64) -> Result<()> {
    let full = wait_until_withheld(broker, published)?;
    let disk = rustix::fs::statvfs(broker.data_dir())?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize) >> 20;
    ensure!(free <= low, "{free} MiB are free, and publishers wait");
    consume_until(broker, settled, |_| published.count() > full + 100)
        .context("while the disk is full")?;
    wait_until_withheld(broker, published)?;
    Ok(())
}

#[test]
fn publishers_wait_below_the_watermark() -> Result<()> {
    fill_and_drain("48MiB", 48)
}

#[test]
fn publishers_wait_when_the_disk_is_full() -> Result<()> {
    fill_and_drain("0", 16)
}

#[test]
fn a_disk_that_is_full_at_the_first_start_is_named() -> Result<()> {
    let disk = Disk::new()?;
    let foreign = disk.fill()?;
    let broker = match disk.start("0") {
        Err(error) => {
            let text = format!("{error:#}");
            ensure!(text.contains("No space left"), "{text}");
            fs::remove_file(foreign)?;
            disk.start("0")?
        }
        Ok(broker) => {
            fs::remove_file(foreign)?;
            broker
        }
    };
    publish(&broker, "q", 0..100, MESSAGE_BYTES)?;
    drain_all(&broker, "q", 0..100)
}

#[test]
fn a_store_on_a_full_disk_is_served() -> Result<()> {
    let disk = Disk::new()?;
    let mut broker = disk.start("0")?;
    publish(&broker, "q", 0..1000, MESSAGE_BYTES)?;
    broker.kill()?;
    let foreign = disk.fill()?;
    broker.restart()?;
    let published = &Numbers::default();
    let address = broker.address();
    thread::scope(|scope| -> Result<()> {
        let publisher = scope.spawn(move || publish_endlessly(address, published, 0));
        let went_on = go_on_when_there_is_room(&broker, &foreign, published);
        broker.kill()?;
        let Ok(ended) = publisher.join() else {
            bail!("the publisher panicked")
        };
        went_on.with_context(|| broker.said()).and(ended)
    })?;
    broker.restart()?;
    drain(&broker, "deep")?;
    drain_all(&broker, "q", 100..1000)
}

fn go_on_when_there_is_room(broker: &Broker, foreign: &Path, published: &Numbers) -> Result<()> {
    let taken = consume(broker, "q", 100)?;
    ensure!(taken.len() == 100, "{} came", taken.len());
    fs::remove_file(foreign)?;
    wait_for("receipts to come again", || {
        Ok((published.count() >= 100).then_some(()))
    })
}

#[test]
fn a_broker_on_a_full_disk_says_where_it_listens_when_there_is_room() -> Result<()> {
    let disk = Disk::new()?;
    let mut broker = disk.start("0")?;
    publish(&broker, "q", 0..1000, MESSAGE_BYTES)?;
    // It takes `listeners.json` away, so there is no room for it afterwards.
    broker.terminate()?;
    let foreign = disk.fill()?;
    broker.restart()?;
    let told = disk.mounted.join("listeners.json");
    ensure!(!told.exists(), "there was room for it");
    fs::remove_file(foreign)?;
    wait_for("listeners.json", || Ok(told.exists().then_some(())))?;
    drain_all(&broker, "q", 0..1000)
}

/// Others fill the disk to the last block while so many messages are queued: they can be taken, over a kill and a
/// restart, and what is acknowledged stays so.
fn drain_while_others_fill_the_disk(count: u32, bytes: usize) -> Result<()> {
    let disk = Disk::new()?;
    let mut broker = disk.start("0")?;
    publish(&broker, "deep", 0..count, bytes)?;
    wait_for("what is kept in reserve", || {
        let spares = files(&disk.mounted, "spare-")?.len();
        Ok((spares == 3).then_some(()))
    })?;
    disk.fill()?;
    let published = &Numbers::default();
    let mut settled = Settled::default();
    let address = broker.address();
    thread::scope(|scope| -> Result<()> {
        let publisher = scope.spawn(move || publish_endlessly(address, published, count));
        let some = usize::try_from(count / 4)?;
        let seen = wait_until_withheld(&broker, published).and_then(|_| {
            let is_enough = |settled: &Settled| settled.confirmed.len() >= some;
            consume_until(&broker, &mut settled, is_enough).context("before the kill")
        });
        broker.kill()?;
        let Ok(ended) = publisher.join() else {
            bail!("the publisher panicked")
        };
        seen.with_context(|| broker.said()).and(ended)
    })?;
    let foreign = disk.fill()?;
    broker.restart().context("on the full disk")?;
    let all = published.all().into_iter().chain(0..count).collect();
    let drained = drain_the_rest(&mut broker, &foreign, &all, &mut settled);
    drained.with_context(|| broker.said())?;
    broker.restart()?;
    drain(&broker, "deep")?;
    publish(&broker, "deep", 0..100, MESSAGE_BYTES)?;
    drain_all(&broker, "deep", 0..100)
}

/// Takes what is left of `all`, on a disk that is full; somebody publishes, who waits until it is not.
fn drain_the_rest(
    broker: &mut Broker,
    foreign: &Path,
    all: &BTreeSet<u32>,
    settled: &mut Settled,
) -> Result<()> {
    let published = &Numbers::default();
    // What was sent before the kill and not confirmed has the numbers between.
    let first = all.last().context("nothing was confirmed")? + 1000;
    let address = broker.address();
    thread::scope(|scope| -> Result<()> {
        let publisher = scope.spawn(move || publish_endlessly(address, published, first));
        let is_done = |settled: &Settled| all.is_subset(&settled.sent);
        let enough = settled.confirmed.len() + 50;
        let is_begun = |settled: &Settled| settled.confirmed.len() >= enough || is_done(settled);
        let drained = consume_until(broker, settled, is_begun).and_then(|()| {
            ensure!(published.count() == 0, "published on a full disk");
            consume_until(broker, settled, is_done)
        });
        let drained = drained.context("after the kill");
        fs::remove_file(foreign)?;
        let resumed = drained.and_then(|()| {
            wait_for("receipts to come again", || {
                Ok((published.count() >= 100).then_some(()))
            })
        });
        broker.kill()?;
        let Ok(ended) = publisher.join() else {
            bail!("the publisher panicked")
        };
        resumed.and(ended)
    })
}

#[test]
fn what_a_young_store_holds_is_taken_on_a_full_disk() -> Result<()> {
    drain_while_others_fill_the_disk(2000, 300)
}

#[test]
fn a_backlog_is_taken_on_a_full_disk() -> Result<()> {
    drain_while_others_fill_the_disk(20_000, 100)
}
