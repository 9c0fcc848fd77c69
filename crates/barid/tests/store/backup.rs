//! Copies of a store that is being written, and what they serve.

use crate::load::{Numbers, confirmed, consume, drain, drain_all, mark, number_of, publish, push};
use crate::stage::{SMALL, Stage, barid, find, store};
use anyhow::{Context as _, Result, bail, ensure};
use client::{Broker, Client, Subscribe};
use std::collections::BTreeSet;
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// What the clients of one queue saw.
#[derive(Default)]
struct Seen {
    /// Messages whose receipts came.
    confirmed: Numbers,
    /// Messages whose acknowledgements were sent.
    acked: Numbers,
}

/// Publishes until it is told to stop.
fn publish_while(
    address: SocketAddr,
    queue: &str,
    seen: &Seen,
    goes_on: &AtomicBool,
) -> Result<()> {
    let mut client = Client::connect(address)?;
    let mut number = 0;
    while goes_on.load(Ordering::Relaxed) {
        let first = number;
        for _ in 0..50 {
            push(&mut client, queue, number, 1000);
            number += 1;
        }
        client.writer.flush()?;
        for _ in first..number {
            let number = confirmed(&client.receive()?)?;
            seen.confirmed.add(number);
        }
    }
    client.disconnect()
}

/// Consumes while messages are published, and leaves every third one.
fn consume_while(
    address: SocketAddr,
    queue: &str,
    seen: &Seen,
    goes_on: &AtomicBool,
) -> Result<()> {
    let mut client = Client::connect(address)?;
    client.subscribe(&Subscribe {
        id: "1",
        destination: &format!("/queue/{queue}"),
        ack: "client-individual",
        prefetch_count: Some(10_000),
        ..Subscribe::default()
    })?;
    // When nothing else comes, a last message wakes it.
    while goes_on.load(Ordering::Relaxed) {
        let frame = client.message()?;
        let number = number_of(queue, &frame)?;
        if number % 3 > 0 {
            seen.acked.add(number);
            client.ack(&frame)?;
        }
    }
    client.disconnect()
}

/// Serves a copy: it holds all that was confirmed before it was begun and not consumed before it was done.
fn holds(copy: &Path, queue: &str, before: &BTreeSet<u32>, acked: &BTreeSet<u32>) -> Result<()> {
    let broker = Broker::start_with(copy, &SMALL)?;
    let found: BTreeSet<_> = drain(&broker, queue)?.into_iter().collect();
    let kept = before.difference(acked);
    let lost: Vec<_> = kept.filter(|number| !found.contains(number)).collect();
    ensure!(
        lost.is_empty(),
        "{} of {} are not in {}: {lost:?}",
        lost.len(),
        before.len(),
        copy.display()
    );
    Ok(())
}

#[test]
fn copies_of_a_busy_store_are_whole() -> Result<()> {
    let stage = Stage::new()?;
    let broker = stage.start()?;
    // Something that is in pages from the beginning, and stays.
    publish(&broker, "old", 0..2000, 1000)?;
    let goes_on = &AtomicBool::new(true);
    let seen = &Seen::default();
    let address = broker.address();
    thread::scope(|scope| -> Result<()> {
        let consumer = scope.spawn(move || consume_while(address, "busy", seen, goes_on));
        let publisher = scope.spawn(move || publish_while(address, "busy", seen, goes_on));
        let copied = copy_three_times(&stage, seen);
        goes_on.store(false, Ordering::Relaxed);
        let Ok(published) = publisher.join() else {
            bail!("the publisher panicked")
        };
        // It may wait for a message that it can see the end by.
        publish(&broker, "busy", 1_000_000..1_000_001, 100)?;
        let Ok(consumed) = consumer.join() else {
            bail!("the consumer panicked")
        };
        copied.and(published).and(consumed)
    })?;
    drain_all(&broker, "old", 0..2000)
}

fn copy_three_times(stage: &Stage, seen: &Seen) -> Result<()> {
    for round in 0..3 {
        let copy = stage.path(&format!("copy-{round}"));
        let to = copy.to_str().context("a temporary path is text")?;
        let before = seen.confirmed.all();
        stage
            .store(&["backup", to])?
            .succeeded(&["format", "copied to", to])?;
        let acked = seen.acked.all();
        ensure!(
            find(&copy, "pages-", "<old#")?.is_some(),
            "there are no pages"
        );
        store(&copy, &["check"])?.succeeded(&["The store is sound"])?;
        holds(&copy, "busy", &before, &acked)?;
        holds(&copy, "old", &(0..2000).collect(), &BTreeSet::new())?;
        stage
            .store(&["backup", to])?
            .failed(&["is there already"])?;
    }
    Ok(())
}

#[test]
fn a_copy_that_takes_long_holds_nobody_up() -> Result<()> {
    let stage = Stage::new()?;
    let broker = stage.start()?;
    publish(&broker, "q", 0..10, 100)?;
    let lock = File::create(stage.path("data/store/copy-lock"))?;
    lock.lock()?;
    let other = stage.path("copy");
    let other = other.to_str().context("a temporary path is text")?;
    stage.store(&["stats"])?.succeeded(&["free on the disk"])?;
    for round in 0..4 {
        let numbers = round * 1500..(round + 1) * 1500;
        publish(&broker, "deep", numbers.clone(), 1000)?;
        let taken = consume(&broker, "deep", 1000)?;
        ensure!(taken.len() == 1000, "{} came", taken.len());
    }
    // Another copy waits for its turn.
    let copied = thread::scope(|scope| {
        let copying = scope.spawn(|| stage.store(&["backup", other]));
        let drained = drain_all(&broker, "deep", 4000..6000);
        let unlocked = lock.unlock();
        let Ok(copied) = copying.join() else {
            bail!("the copying panicked")
        };
        drained?;
        unlocked?;
        copied
    })?;
    copied.succeeded(&["copied to"])?;
    drain_all(&broker, "q", 0..10)
}

#[test]
fn a_copy_is_restored_into_an_empty_folder_only() -> Result<()> {
    let stage = Stage::new()?;
    let mut broker = stage.start()?;
    publish(&broker, "q", 0..3000, 1000)?;
    let path = |name: &str| -> Result<String> {
        let path = stage.path(name);
        Ok(path
            .to_str()
            .context("a temporary path is text")?
            .to_owned())
    };
    stage
        .store(&["backup", &path("copy")?])?
        .succeeded(&["copied to"])?;
    // Into its own folder, which a broker serves, and with the broker stopped.
    let restore = |to: &str| barid(&["store", "restore", &path("copy")?, "--data-dir", to]);
    restore(&path("data")?)?.failed(&["holds a store already"])?;
    broker.terminate()?;
    restore(&path("data")?)?.failed(&["holds a store already"])?;
    restore(&path("restored")?)?.succeeded(&["copied to"])?;
    let restored = Broker::start_with(&stage.path("restored"), &SMALL)?;
    drain_all(&restored, "q", 0..3000)?;

    broker.restart()?;
    drain_all(&broker, "q", 0..3000)
}

#[test]
fn a_damaged_copy_is_not_restored() -> Result<()> {
    let stage = Stage::new()?;
    let broker = stage.start()?;
    // So few that the journal is all there is of them.
    publish(&broker, "q", 0..100, 100)?;
    let (copy, to) = (stage.path("copy"), stage.path("restored"));
    let copy_text = copy.to_str().context("a temporary path is text")?;
    stage
        .store(&["backup", copy_text])?
        .succeeded(&["copied to"])?;
    let spot = find(&copy, "journal-", &mark("q", 3))?;
    spot.context("the record is not in the journal")?.flip()?;
    store(&to, &["restore", copy_text])?.failed(&["is damaged", "barid store check"])?;
    ensure!(
        !to.join("store/format").exists(),
        "it was restored all the same"
    );
    Ok(())
}
