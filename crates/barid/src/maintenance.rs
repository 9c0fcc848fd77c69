//! `barid store`: a store is checked, repaired, measured and copied.

use crate::store::folder;
use anyhow::{Context as _, bail, ensure};
use broker::Recovery;
use config::{StoreCommand, StoreInvocation};
use log_store::{
    Damage, FolderError, Local, Options, RealDisk, RepairOutcome, Report, ShardLog, check, repair,
};
use model::ShardId;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// So many names of queues are told of each damaged shard.
const NAMES_MAX: usize = 20;

/// The users, which are copied with the store if they stand beside it.
const USERS_FILE: &str = "users.json";

/// Does what is asked and returns what its user is told.
pub(crate) fn run(invocation: &StoreInvocation) -> anyhow::Result<String> {
    let data_dir = &invocation.data_dir;
    match &invocation.command {
        StoreCommand::Check => checked(data_dir),
        StoreCommand::Repair { accept_loss } => repaired(data_dir, *accept_loss),
        StoreCommand::Stats => stats(data_dir),
        StoreCommand::Backup { to } => copied(data_dir, to),
        StoreCommand::Restore { from } => restored(from, data_dir),
    }
}

/// Opens the store of a data folder for this process alone.
fn open(data_dir: &Path) -> anyhow::Result<RealDisk> {
    let folder = folder(data_dir);
    ensure!(
        folder.join("format").is_file(),
        "{} holds no store; name the data folder with --data-dir",
        data_dir.display()
    );
    match RealDisk::open(&folder) {
        Err(FolderError::InUse(_)) => bail!(
            "a broker runs on {}: stop it first. `barid store stats` and `barid store backup` do not need that",
            data_dir.display()
        ),
        opened => Ok(opened?),
    }
}

/// What a look at a whole store has found.
struct Look {
    report: Report,
    recovery: Recovery,
}

fn look(disk: &RealDisk) -> anyhow::Result<Look> {
    let mut recovery = Recovery::default();
    let report = check(disk, &mut |record| recovery.replay(record))?;
    for damage in &report.damaged {
        recovery.refuse(damage.shard, String::new());
    }
    Ok(Look { report, recovery })
}

impl Look {
    fn lost_pages(&self) -> Vec<broker::LostPage> {
        let pages = &self.report.pages;
        self.recovery
            .lost_pages(&|shard, page| pages.binary_search(&(shard, page)).is_ok())
    }

    fn is_sound(&self) -> bool {
        self.report.damaged.is_empty() && self.lost_pages().is_empty()
    }

    /// The queues of a shard, as far as they fit a line.
    fn queues(&self, shard: ShardId) -> String {
        if shard == ShardId(0) {
            return "all: it says what queues and exchanges there are".to_owned();
        }
        let names = self.recovery.queues_of(shard);
        let told: Vec<_> = names
            .iter()
            .take(NAMES_MAX)
            .map(ToString::to_string)
            .collect();
        match names.len().checked_sub(NAMES_MAX) {
            None | Some(0) if told.is_empty() => "none".to_owned(),
            None | Some(0) => told.join(", "),
            Some(more) => format!("{} and {more} more", told.join(", ")),
        }
    }

    fn damage(&self, text: &mut String, damage: &Damage) -> std::fmt::Result {
        writeln!(
            text,
            "shard {} is damaged; its queues: {}",
            damage.shard,
            self.queues(damage.shard)
        )?;
        for corruption in &damage.corruptions {
            writeln!(text, "  {corruption}")?;
        }
        Ok(())
    }
}

fn checked(data_dir: &Path) -> anyhow::Result<String> {
    let look = look(&open(data_dir)?)?;
    let mut text = String::new();
    tell(&look, &mut text)?;
    if look.is_sound() {
        text.push_str("The store is sound.");
        return Ok(text);
    }
    bail!(
        "{text}Healthy shards serve as ever. `barid store repair --data-dir {}` tells what a repair would cost.",
        data_dir.display()
    )
}

fn tell(look: &Look, text: &mut String) -> std::fmt::Result {
    let report = &look.report;
    let bytes: u64 = report.files.iter().map(|file| file.bytes).sum();
    let records: u64 = report.shards.iter().map(|shard| shard.records).sum();
    writeln!(
        text,
        "{} files with {}, {} shards, {records} records in the journal, {} pages",
        report.files.len(),
        size(bytes),
        report.shards.len(),
        report.pages.len(),
    )?;
    for damage in &report.damaged {
        look.damage(text, damage)?;
    }
    for lost in look.lost_pages() {
        writeln!(
            text,
            "page {} of shard {} is missing or damaged; the queue '{}' has messages in it",
            lost.page, lost.shard, lost.name
        )?;
    }
    for corruption in report.damaged_pages.iter().chain(&report.harmless) {
        writeln!(text, "{corruption}")?;
    }
    if report.torn_bytes > 0 {
        writeln!(
            text,
            "{} of a write that was interrupted, none of them confirmed",
            size(report.torn_bytes)
        )?;
    }
    let lists = [
        ("not the store's, left alone", &report.unknown_files),
        (
            "unfinished, removed at the next start",
            &report.unfinished_files,
        ),
        ("set aside by a repair", &report.set_aside_files),
    ];
    for (what, names) in lists {
        if !names.is_empty() {
            writeln!(text, "{what}: {}", names.join(", "))?;
        }
    }
    Ok(())
}

fn repaired(data_dir: &Path, accept_loss: bool) -> anyhow::Result<String> {
    let disk = open(data_dir)?;
    let before = look(&disk)?;
    let done = repair(&disk, accept_loss)?;
    let mut text = String::new();
    for lost in &done.lost {
        let lost_count: u64 = lost
            .ranges
            .iter()
            .map(|(first, last)| last.0 - first.0 + 1)
            .sum();
        writeln!(
            text,
            "shard {}: {lost_count} records lost, {} kept{}; its queues: {}",
            lost.shard,
            lost.survivors,
            if lost.has_lost_tail {
                ", and possibly others behind them lost"
            } else {
                ""
            },
            before.queues(lost.shard)
        )?;
        for (first, last) in &lost.ranges {
            writeln!(text, "  indexes {first} to {last}")?;
        }
    }
    if done.outcome == RepairOutcome::NotAccepted {
        bail!(
            "{text}Nothing was changed. With --accept-loss this is given up, and everything else is kept."
        );
    }
    for name in &done.set_aside {
        writeln!(text, "set aside: {name}")?;
    }
    // What is repaired may refer to pages that are not there.
    let look = look(&disk)?;
    let pages = look.lost_pages();
    for lost in &pages {
        writeln!(
            text,
            "page {} of shard {}: the messages of the queue '{}' in it are lost",
            lost.page, lost.shard, lost.name
        )?;
    }
    if pages.is_empty() {
        let outcome = match done.outcome {
            RepairOutcome::NotNeeded => "There is nothing to repair.",
            RepairOutcome::Done | RepairOutcome::NotAccepted => "The store is repaired.",
        };
        text.push_str(outcome);
        return Ok(text);
    }
    if !accept_loss {
        bail!("{text}With --accept-loss these messages are given up, and everything else is kept.");
    }
    give_up(disk, &pages)?;
    text.push_str("The store is repaired.");
    Ok(text)
}

/// Has queues give up what stands in pages that are lost.
fn give_up(disk: RealDisk, pages: &[broker::LostPage]) -> anyhow::Result<()> {
    let mut local = Local::open(disk, Options::default(), &mut |_| {})?;
    let mut by_shard: BTreeMap<ShardId, Vec<&broker::LostPage>> = BTreeMap::new();
    for lost in pages {
        by_shard.entry(lost.shard).or_default().push(lost);
    }
    for log in &mut local.logs {
        let Some(pages) = by_shard.get(&log.shard()) else {
            continue;
        };
        let mut batch = log.batch();
        for lost in pages {
            let mut payload = Vec::new();
            let kind = lost.encode_given_up(&mut payload);
            batch.push(kind, |to| to.extend_from_slice(&payload));
        }
        log.submit(batch)?;
    }
    drop(local.logs);
    local
        .journal
        .close()
        .context("cannot write what is given up")
}

/// What stands in the folder, by kind of file; works beside a broker.
fn stats(data_dir: &Path) -> anyhow::Result<String> {
    let folder = folder(data_dir);
    let kinds = [
        ("journal", "journal-"),
        ("spare segments", "spare-"),
        ("snapshots", "snapshot-"),
        ("pages", "pages-"),
        ("set aside", "aside-"),
    ];
    let mut counts = [(0_u64, 0_u64); 6];
    let entries =
        fs::read_dir(&folder).with_context(|| format!("{} holds no store", data_dir.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = kinds
            .iter()
            .position(|(_, prefix)| name.starts_with(prefix));
        let count = &mut counts[kind.unwrap_or(kinds.len())];
        count.0 += 1;
        // What was deleted meanwhile has none; a spare may have more room than it holds.
        count.1 += entry.metadata().map_or(0, |metadata| {
            metadata.len().max(metadata.blocks().saturating_mul(512))
        });
    }
    let mut text = String::new();
    let names = kinds.iter().map(|(name, _)| *name).chain(["other"]);
    for (name, (files, bytes)) in names.zip(counts) {
        writeln!(text, "{name:<16}{files:>8} files {:>12}", size(bytes))?;
    }
    let total: u64 = counts.iter().map(|(_, bytes)| bytes).sum();
    let disk = rustix::fs::statvfs(&folder).with_context(|| format!("{}", folder.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    write!(
        text,
        "{:<16}{:>27}\n{:<16}{:>27}",
        "all",
        size(total),
        "free on the disk",
        size(free)
    )?;
    Ok(text)
}

fn copied(data_dir: &Path, to: &Path) -> anyhow::Result<String> {
    let copied = log_store::copy(&folder(data_dir), &folder(to), &mut |name| progress(name))?;
    let (users, copied_users) = (data_dir.join(USERS_FILE), to.join(USERS_FILE));
    if users.exists() && !copied_users.exists() {
        progress(USERS_FILE);
        // With its mode.
        fs::copy(&users, &copied_users)
            .with_context(|| format!("cannot copy {}", users.display()))?;
    }
    Ok(format!(
        "{} files with {} copied to {}; `barid serve --data-dir {}` serves them",
        copied.files,
        size(copied.bytes),
        to.display(),
        to.display()
    ))
}

fn restored(from: &Path, data_dir: &Path) -> anyhow::Result<String> {
    ensure!(
        !folder(data_dir).join("format").exists(),
        "{} holds a store already",
        data_dir.display()
    );
    let sound = look(&open(from)?)?;
    ensure!(
        sound.is_sound(),
        "the copy in {} is damaged, see `barid store check --data-dir {}`",
        from.display(),
        from.display()
    );
    copied(from, data_dir)
}

#[expect(clippy::print_stderr, reason = "copying may take long")]
fn progress(name: &str) {
    eprintln!("copying {name}");
}

/// A number of bytes, for people.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut scaled = bytes;
    let mut tenths = 0;
    while scaled >= 1024 && unit + 1 < UNITS.len() {
        tenths = scaled % 1024 * 10 / 1024;
        scaled /= 1024;
        unit += 1;
    }
    if unit == 0 {
        format!("{scaled} B")
    } else {
        format!("{scaled}.{tenths} {}", UNITS[unit])
    }
}
