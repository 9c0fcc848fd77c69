//! One flipped bit in a file of the store: what is out of service, what is not, and what a repair leaves.

use crate::load::{confirmed, mark, push};
use crate::load::{consume, drain, drain_all, is_refused, number_of, publish};
use crate::stage::{Spot, Stage, files, find, wait_for};
use anyhow::{Context as _, Result, ensure};
use client::{Broker, Client, Subscribe};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Queues, several on each shard.
const QUEUES: u32 = 12;

/// Messages in each before the damage, and after the damaged store was served.
const BEFORE: u32 = 20;
const AFTER: u32 = 25;

fn queue(number: u32) -> String {
    format!("some-{number:02}")
}

/// Fills all queues in turn, so that the records of all shards alternate.
fn fill(broker: &Broker) -> Result<()> {
    let mut client = broker.connect()?;
    for number in 0..BEFORE {
        for name in (0..QUEUES).map(queue) {
            push(&mut client, &name, number, 200);
        }
        client.writer.flush()?;
        for _ in 0..QUEUES {
            confirmed(&client.receive()?)?;
        }
    }
    client.disconnect()
}

/// Flips a bit, and sees the whole way: what `check` tells, what serves, what a repair tells and leaves.
///
/// Returns what the damaged shard's queues hold after the repair.
fn see_through(stage: &Stage, spot: &Spot, victim: &str) -> Result<BTreeMap<String, Vec<u32>>> {
    spot.flip()?;
    let file = spot.name();
    let found = stage.store(&["check"])?;
    found.failed(&[&file, "corrupt at byte", "is damaged", victim])?;
    let offset = offset_told(&found.text, &file)?;
    ensure!(
        offset <= spot.offset && spot.offset - offset < 1000,
        "byte {} was flipped:\n{}",
        spot.offset,
        found.text
    );
    let damaged = damaged_queues(&found.text)?;
    ensure!(
        damaged.contains(victim) && damaged.len() < 13,
        "{damaged:?} are damaged:\n{}",
        found.text
    );

    let mut broker = stage.start()?;
    let names: Vec<_> = (0..QUEUES).map(queue).collect();
    let (ill, well): (Vec<_>, Vec<_>) = names.iter().partition(|name| damaged.contains(*name));
    ensure!(!well.is_empty(), "all queues are damaged:\n{}", found.text);
    for name in &ill {
        is_refused(&broker, name).with_context(|| broker.said())?;
    }
    for name in &well {
        publish(&broker, name, BEFORE..AFTER, 200)?;
        consume(&broker, name, 3)?;
    }
    broker.terminate()?;

    stage.store(&["check"])?.failed(&["is damaged", victim])?;
    let before = contents(&stage.data())?;
    let told = stage.store(&["repair"])?;
    told.failed(&[
        "records lost",
        victim,
        "Nothing was changed",
        "--accept-loss",
    ])?;
    ensure!(
        before == contents(&stage.data())?,
        "a repair that was not accepted has changed something"
    );
    stage
        .store(&["repair", "--accept-loss"])?
        .succeeded(&["set aside", "The store is repaired"])?;
    stage
        .store(&["check"])?
        .succeeded(&["set aside by a repair", "The store is sound"])?;

    broker.restart()?;
    for name in &well {
        drain_all(&broker, name, 3..AFTER)?;
    }
    let mut left = BTreeMap::new();
    for name in damaged {
        publish(&broker, &name, 1000..1003, 200)?;
        let mut numbers = drain(&broker, &name)?;
        ensure!(
            numbers.ends_with(&[1000, 1001, 1002]),
            "{name} has {numbers:?}"
        );
        numbers.truncate(numbers.len() - 3);
        left.insert(name, numbers);
    }
    Ok(left)
}

/// The offset that is told for a file.
fn offset_told(text: &str, file: &str) -> Result<u64> {
    let told = text.split_once(&format!("{file} is corrupt at byte "));
    let (_, rest) = told.with_context(|| format!("no offset in {file}:\n{text}"))?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    Ok(digits.unwrap_or_default().parse()?)
}

/// The queues of the only shard that is damaged.
fn damaged_queues(text: &str) -> Result<BTreeSet<String>> {
    const WORDS: &str = "is damaged; its queues: ";
    let mut told = text.lines().filter_map(|line| line.split_once(WORDS));
    let (_, names) = told.next().with_context(|| text.to_owned())?;
    ensure!(told.next().is_none(), "more than one shard:\n{text}");
    Ok(names.split(", ").map(str::to_owned).collect())
}

/// Every file of the store.
fn contents(data: &Path) -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let read = |path: PathBuf| Ok((path.clone(), fs::read(path)?));
    files(data, "")?.into_iter().map(read).collect()
}

#[test]
fn a_damaged_record_of_the_journal_costs_one_message() -> Result<()> {
    let stage = Stage::new()?;
    let mut broker = stage.start()?;
    fill(&broker)?;
    broker.terminate()?;
    let victim = queue(3);
    let spot = find(&stage.data(), "journal-", &mark(&victim, 5))?;
    let left = see_through(&stage, &spot.context("no such record")?, &victim)?;
    for (name, numbers) in left {
        let lost = (name == victim).then_some(5);
        let expected: Vec<_> = (0..BEFORE).filter(|it| Some(*it) != lost).collect();
        ensure!(numbers == expected, "{name} has {numbers:?}");
    }
    Ok(())
}

#[test]
fn a_damaged_snapshot_costs_what_it_stood_for() -> Result<()> {
    let stage = Stage::new()?;
    let mut broker = stage.start()?;
    fill(&broker)?;
    let victim = queue(7);
    let wanted = mark(&victim, 5);
    wait_for("a snapshot", || {
        // On each shard something comes and goes, until the journal is to be trimmed.
        for name in (0..QUEUES).map(|number| format!("churn-{number}")) {
            publish(&broker, &name, 0..10, 20_000)?;
            consume(&broker, &name, 10)?;
        }
        find(&stage.data(), "snapshot-", &wanted)
    })?;
    broker.terminate()?;
    let spot = find(&stage.data(), "snapshot-", &wanted)?.context("it is gone again")?;
    spot.flip()?;
    let damaged = stage.store(&["check"])?;
    spot.flip()?;
    let damaged = damaged_queues(&damaged.text)?;
    // What stands behind the snapshot is not lost.
    broker.restart()?;
    let behind = BEFORE..BEFORE + 5;
    for name in damaged.iter().filter(|name| name.starts_with("some")) {
        publish(&broker, name, behind.clone(), 200)?;
    }
    broker.terminate()?;
    let left = see_through(&stage, &spot, &victim)?;
    for (name, numbers) in left {
        if name.starts_with("some") {
            let behind: Vec<_> = behind.clone().collect();
            ensure!(numbers.ends_with(&behind), "{name} has {numbers:?}");
        }
    }
    Ok(())
}

/// Messages in the deep queue, each of a kilobyte: more than the memory takes.
const DEEP: u32 = 4000;

/// A broker with one deep queue, most of it in pages, and shallow ones beside it.
fn deep(stage: &Stage) -> Result<(Broker, Spot)> {
    let broker = stage.start()?;
    fill(&broker)?;
    publish(&broker, "deep", 0..DEEP, 1000)?;
    // In the middle: not read yet, and not the last page either.
    let spot = wait_for("pages", || {
        find(&stage.data(), "pages-", &mark("deep", DEEP / 2))
    })?;
    Ok((broker, spot))
}

/// Reads the deep queue up to where it ends with an ERROR. Returns how many came.
fn read_up_to_the_damage(broker: &Broker) -> Result<u32> {
    let mut client: Client = broker.connect()?;
    client.subscribe(&Subscribe {
        id: "1",
        destination: "/queue/deep",
        ack: "client-individual",
        prefetch_count: Some(100),
        ..Subscribe::default()
    })?;
    let mut next = 0;
    loop {
        let frame = client.receive()?;
        if frame.command == "ERROR" {
            let text = format!("{:?} {}", frame.headers, frame.text());
            ensure!(text.contains("deep"), "it does not name the queue: {text}");
            return Ok(next);
        }
        ensure!(
            number_of("deep", &frame)? == next,
            "not {next} but {frame:?}"
        );
        next += 1;
        client.ack(&frame)?;
    }
}

/// Only the queue is out of service; the repair costs what stands in the page.
fn one_page_is_lost(stage: &Stage, broker: &mut Broker) -> Result<()> {
    let taken = read_up_to_the_damage(broker)?;
    ensure!(taken <= DEEP / 2, "{taken} came");
    is_refused(broker, "deep")?;
    for name in (0..QUEUES).map(queue) {
        publish(broker, &name, BEFORE..AFTER, 200)?;
    }
    broker.terminate()?;
    let found = stage.store(&["check"])?;
    found.failed(&["is missing or damaged; the queue 'deep' has messages in it"])?;
    let before = contents(&stage.data())?;
    stage
        .store(&["repair"])?
        .failed(&["'deep'", "--accept-loss"])?;
    ensure!(before == contents(&stage.data())?, "something has changed");
    stage
        .store(&["repair", "--accept-loss"])?
        .succeeded(&["'deep'", "The store is repaired"])?;
    stage
        .store(&["check"])?
        .succeeded(&["The store is sound"])?;
    broker.restart()?;
    for name in (0..QUEUES).map(queue) {
        drain_all(broker, &name, 0..AFTER)?;
    }
    let left = drain(broker, "deep")?;
    let lost: Vec<_> = (taken..DEEP).filter(|it| !left.contains(it)).collect();
    ensure!(lost.contains(&(DEEP / 2)), "{} is there", DEEP / 2);
    let range = lost[0]..lost[0] + u32::try_from(lost.len())?;
    ensure!(
        range.clone().eq(lost.iter().copied()) && range.len() < 1100,
        "not one page of messages is lost: {lost:?}"
    );
    Ok(())
}

#[test]
fn a_damaged_page_costs_one_queue_its_messages_in_it() -> Result<()> {
    let stage = Stage::new()?;
    let (mut broker, _) = deep(&stage)?;
    broker.terminate()?;
    let spot = find(&stage.data(), "pages-", &mark("deep", DEEP / 2))?;
    let spot = spot.context("the page is gone")?;
    spot.flip()?;
    let file = spot.name();
    let found = stage.store(&["check"])?;
    found.failed(&[&file, "a page is damaged", "deep"])?;
    let offset = offset_told(&found.text, &file)?;
    ensure!(offset <= spot.offset, "{offset}, not {}", spot.offset);
    broker.restart()?;
    one_page_is_lost(&stage, &mut broker)
}

#[test]
fn a_page_that_is_damaged_under_the_broker_ends_one_queue() -> Result<()> {
    let stage = Stage::new()?;
    let (mut broker, spot) = deep(&stage)?;
    spot.flip()?;
    one_page_is_lost(&stage, &mut broker)
}

/// The file of pages that was being written has no index yet: what tells which pages stand in it stands between them.
#[test]
fn a_page_that_is_damaged_after_a_kill_costs_one_queue_its_messages_in_it() -> Result<()> {
    let stage = Stage::new()?;
    let (mut broker, spot) = deep(&stage)?;
    broker.kill()?;
    spot.flip()?;
    let found = stage.store(&["check"])?;
    found.failed(&["is missing or damaged; the queue 'deep' has messages in it"])?;
    ensure!(!found.text.contains("the queue 'some-"), "{}", found.text);
    broker.restart()?;
    one_page_is_lost(&stage, &mut broker)
}

/// The queues that have messages in pages that are gone are out of service; no other is, in whatever shard.
#[test]
fn pages_that_are_gone_cost_the_queues_that_need_them() -> Result<()> {
    let stage = Stage::new()?;
    let (mut broker, _) = deep(&stage)?;
    // One in each shard that has queues, empty, so that it needs no page.
    let late: Vec<_> = (0..3).map(|number| format!("late-{number}")).collect();
    for name in &late {
        publish(&broker, name, 0..1, 200)?;
        drain_all(&broker, name, 0..1)?;
    }
    broker.terminate()?;
    for file in files(&stage.data(), "pages-")? {
        fs::remove_file(file)?;
    }
    let found = stage.store(&["check"])?;
    found.failed(&["is missing or damaged; the queue 'deep' has messages in it"])?;
    let is_hit = |name: &String| found.text.contains(&format!("the queue '{name}' has"));
    let (hit, well): (Vec<_>, Vec<_>) = (0..QUEUES).map(queue).partition(is_hit);
    broker.restart()?;
    for name in hit.iter().chain(["deep".to_owned()].iter()) {
        is_refused(&broker, name)?;
    }
    for name in &well {
        drain_all(&broker, name, 0..BEFORE)?;
    }
    for name in &late {
        publish(&broker, name, 0..5, 200)?;
        drain_all(&broker, name, 0..5)?;
    }
    broker.terminate()?;
    stage
        .store(&["repair", "--accept-loss"])?
        .succeeded(&["'deep'", "The store is repaired"])?;
    broker.restart()?;
    let left = drain(&broker, "deep")?;
    ensure!(left.is_sorted() && left.len() < DEEP as usize);
    Ok(())
}

#[test]
fn a_store_without_shard_0_is_not_served() -> Result<()> {
    let stage = Stage::new()?;
    let mut broker = stage.start()?;
    fill(&broker)?;
    broker.terminate()?;
    // The declaration of a queue is a record of shard 0.
    let spot = find(&stage.data(), "journal-", &queue(2))?;
    spot.context("no such record")?.flip()?;
    stage
        .store(&["check"])?
        .failed(&["shard 0 is damaged; its queues: all"])?;
    let refused = broker.restart().err().context("it is served")?;
    let text = format!("{refused:#}");
    for word in ["shard 0", "barid store"] {
        ensure!(text.contains(word), "nothing about {word:?}:\n{text}");
    }
    Ok(())
}
