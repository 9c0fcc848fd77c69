//! Any byte of a store flipped, any sector zeroed: the shards that lose something by it are named, and only
//! they; all others are whole.

#![expect(clippy::unwrap_used, reason = "a test")]

use log_store::{
    Damage, Disk, Local, MemoryDisk, OpenError, Options, RepairOutcome, ShardLog, SnapshotSource,
    Step, check, repair,
};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

const SHARDS: u16 = 4;

const OPTIONS: Options = Options {
    shards: SHARDS,
    segment_bytes: 2048,
    page_segment_bytes: 4096,
    free_bytes_min: 0,
};

const SECTOR_BYTES: usize = 512;

/// The kind of a snapshot's records; those of the journal have lower ones.
const SNAPSHOT_KIND: u8 = 101;

/// Where a segment's first round begins.
const FIRST_ROUND: usize = 40;

type Files = BTreeMap<String, Vec<u8>>;

/// The records of each shard, as they are replayed: index, kind, payload.
type Replay = Vec<Vec<(u64, u8, Vec<u8>)>>;

/// A machine's state: everything that it was given.
struct State(Vec<(u8, Vec<u8>)>);

impl SnapshotSource for State {
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8> {
        let (kind, bytes) = self.0.pop()?;
        payload.extend_from_slice(&bytes);
        Some(kind)
    }
}

fn open(disk: &MemoryDisk) -> Result<(Local<MemoryDisk>, Replay), OpenError> {
    let mut replay = vec![Vec::new(); usize::from(SHARDS)];
    let local = Local::open(disk.clone(), OPTIONS, &mut |record| {
        let payload = record.payload.to_vec();
        replay[usize::from(record.shard.0)].push((record.index.0, record.kind, payload));
    })?;
    Ok((local, replay))
}

fn disk_of(files: &Files) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for (name, bytes) in files {
        disk.put(name, bytes.clone());
    }
    disk
}

fn files_of(disk: &MemoryDisk) -> Files {
    let names = disk.list().unwrap();
    let content = |name: String| {
        let bytes = disk.content(&name).unwrap();
        (name, bytes)
    };
    names.into_iter().map(content).collect()
}

/// Several shards, segments and snapshots, some segments used for the second time; not closed.
fn store(seed: usize) -> Files {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    for turn in 0..90 {
        for shard in 0..usize::from(SHARDS) {
            // The last shard is seldom there.
            if (turn * 7 + shard * 5 + seed).is_multiple_of(2 + shard * shard * 3) {
                let log = &mut local.logs[shard];
                let mut batch = log.batch();
                for more in 0..=(turn + shard) % 3 {
                    let byte = (turn * 31 + shard * 7 + more).to_le_bytes()[0];
                    let len = (turn * 13 + more * 29) % 70;
                    batch.push(byte % 100, |out| out.resize(out.len() + len, byte));
                }
                log.submit(batch).unwrap();
            }
        }
        local.journal.round().unwrap();
        if turn == 40 || (turn == 70 && seed.is_multiple_of(2)) {
            for log in &mut local.logs[..3] {
                let state = (0..turn / 10).map(|at| (SNAPSHOT_KIND, vec![at.to_le_bytes()[0]; 30]));
                log.save_snapshot(Box::new(State(state.collect())));
            }
            if turn == 40 {
                let log = &mut local.logs[3];
                log.save_snapshot(Box::new(State(vec![(SNAPSHOT_KIND, b"state".to_vec())])));
            }
        }
        while local.housekeeper.step().unwrap() == Step::Worked {}
    }
    files_of(&disk)
}

/// As it is when it was opened again: from then on no write can be torn.
fn sealed(files: &Files) -> Files {
    let disk = disk_of(files);
    drop(open(&disk).unwrap());
    files_of(&disk)
}

fn number(bytes: &[u8]) -> usize {
    let number = bytes.iter().rev();
    number.fold(0, |number, byte| number << 8 | usize::from(*byte))
}

/// Parts of a file, and the shards that need them.
type Parts = Vec<(Range<usize>, BTreeSet<u16>)>;

/// Which shards lose something when a range of a file is damaged.
struct Losses {
    /// By file: the ranges that hold something, and the shards that need it.
    ranges: BTreeMap<String, Parts>,
}

impl Losses {
    fn of(files: &Files) -> Self {
        let mut snapshots = BTreeMap::new();
        for name in files.keys() {
            if let Some(rest) = name.strip_prefix("snapshot-") {
                let (shard, index) = rest.split_once('-').unwrap();
                // They ascend: the last one counts.
                let (shard, index): (u16, usize) = (shard.parse().unwrap(), index.parse().unwrap());
                snapshots.insert(shard, (index, name.clone()));
            }
        }
        let mut ranges = BTreeMap::new();
        for (shard, (_, name)) in &snapshots {
            let bytes = &files[name];
            let mut parts = vec![(0..FIRST_ROUND, BTreeSet::from([*shard]))];
            let mut at = FIRST_ROUND;
            while at < bytes.len() {
                let length = 20 + number(&bytes[at..at + 4]);
                parts.push((at..at + length, BTreeSet::from([*shard])));
                at += length.next_multiple_of(8);
            }
            ranges.insert(name.clone(), parts);
        }
        let needs = |shard: u16, index: usize| {
            snapshots
                .get(&shard)
                .is_none_or(|(snapshot, _)| index > *snapshot)
        };
        for (name, bytes) in files {
            if name.starts_with("journal-") {
                let sequence = name.strip_prefix("journal-").unwrap().parse().unwrap();
                ranges.insert(name.clone(), segment(bytes, sequence, &needs));
            }
        }
        Self { ranges }
    }

    fn of_range(&self, name: &str, damaged: &Range<usize>) -> BTreeSet<u16> {
        let none = Vec::new();
        let ranges = self.ranges.get(name).unwrap_or(&none).iter();
        let hit = |range: &Range<usize>| range.start < damaged.end && damaged.start < range.end;
        let hit = ranges.filter(|(range, _)| hit(range));
        hit.flat_map(|(_, shards)| shards).copied().collect()
    }
}

/// What a segment holds, and who needs it.
fn segment(bytes: &[u8], sequence: usize, needs: &impl Fn(u16, usize) -> bool) -> Parts {
    let mut ranges = Vec::new();
    let mut at = FIRST_ROUND;
    while bytes.len() >= at + 52
        && number(&bytes[at + 8..at + 10]) == 0xFFFF
        && number(&bytes[at + 36..at + 44]) == sequence
    {
        let length = number(&bytes[at..at + 4]);
        let table = &bytes[at + 52..at + 20 + length];
        let entries = table.chunks_exact(18).map(|entry| {
            let records = number(&entry[2..6]);
            let shard = u16::try_from(number(&entry[..2])).unwrap();
            (shard, records, number(&entry[6..14]))
        });
        let lost = entries.filter(|(shard, records, last)| *records > 0 && needs(*shard, *last));
        ranges.push((at..at + 20 + length, lost.map(|entry| entry.0).collect()));
        let (size, records) = (
            number(&bytes[at + 20..at + 28]),
            number(&bytes[at + 44..at + 48]),
        );
        let mut record = at + (20 + length).next_multiple_of(8);
        at = record + size;
        while records > 0 && record < at {
            let length = 20 + number(&bytes[record..record + 4]);
            let shard = u16::try_from(number(&bytes[record + 8..record + 10])).unwrap();
            let index = number(&bytes[record + 12..record + 20]);
            let lost = needs(shard, index).then_some(shard);
            ranges.push((record..record + length, lost.into_iter().collect()));
            record += length.next_multiple_of(8);
        }
    }
    ranges
}

fn shards_of(damaged: &[Damage]) -> BTreeSet<u16> {
    damaged.iter().map(|damage| damage.shard.0).collect()
}

/// Opens a damaged store; returns its damaged shards, when the others are as they were.
fn check_open(files: &Files, whole: &Replay, what: &str) -> BTreeSet<u16> {
    let disk = disk_of(files);
    let (local, replay) = match open(&disk) {
        Ok(opened) => opened,
        Err(error) => panic!("{what}: {error}"),
    };
    let damaged = shards_of(&local.recovered.damaged);
    for (shard, (found, expected)) in (0..).zip(replay.iter().zip(whole)) {
        if !damaged.contains(&shard) {
            assert_eq!(found, expected, "{what}: shard {shard}");
        }
    }
    for damage in &local.recovered.damaged {
        assert!(!damage.corruptions.is_empty());
    }
    drop(local);
    let (local, _) = open(&disk).unwrap();
    assert_eq!(
        shards_of(&local.recovered.damaged),
        damaged,
        "{what}: it stays so"
    );
    drop(local);
    repair(&disk, true).unwrap();
    let (local, replay) = open(&disk).unwrap();
    assert_eq!(local.recovered.damaged, [], "{what}: repaired when opened");
    for (shard, (found, expected)) in (0..).zip(replay.iter().zip(whole)) {
        if !damaged.contains(&shard) {
            assert_eq!(found, expected, "{what}: shard {shard}");
        }
    }
    damaged
}

/// Whether all of `some` stand in `all`, in that order. Their indexes do not matter.
fn is_subset(some: &[(u64, u8, Vec<u8>)], all: &[(u64, u8, Vec<u8>)]) -> bool {
    let mut all = all.iter();
    let mut some = some.iter();
    some.all(|one| all.any(|other| (one.1, &one.2) == (other.1, &other.2)))
}

/// Repairs a damaged store: nothing is damaged any more, and all that survived is there.
fn check_repair(files: &Files, whole: &Replay, damaged: &BTreeSet<u16>, what: &str) {
    let disk = disk_of(files);
    let report = check(&disk, &mut |_| {}).unwrap();
    assert_eq!(shards_of(&report.damaged), *damaged, "{what}");
    let refused = repair(&disk, false).unwrap();
    if !damaged.is_empty() {
        assert_eq!(refused.outcome, RepairOutcome::NotAccepted);
        assert_eq!(files_of(&disk), *files, "{what}: nothing was changed");
    }
    let repaired = repair(&disk, true).unwrap();
    let lost: BTreeSet<u16> = repaired.lost.iter().map(|lost| lost.shard.0).collect();
    assert_eq!(lost, *damaged, "{what}");
    for (name, bytes) in files {
        let kept = [name.clone(), format!("aside-{name}")];
        let kept = kept.iter().filter_map(|name| disk.content(name));
        assert!(
            kept.into_iter().any(|kept| kept == *bytes),
            "{what}: {name}"
        );
    }
    let (local, replay) = open(&disk).unwrap();
    assert_eq!(local.recovered.damaged, [], "{what}");
    assert_eq!(local.recovered.harmless, [], "{what}");
    for (shard, (found, expected)) in (0..).zip(replay.iter().zip(whole)) {
        if !damaged.contains(&shard) {
            assert_eq!(found, expected, "{what}: shard {shard}");
            continue;
        }
        let lost = repaired
            .lost
            .iter()
            .find(|lost| lost.shard.0 == shard)
            .unwrap();
        assert_eq!(lost.survivors, u64::try_from(found.len()).unwrap());
        let last = expected.last().map_or(0, |record| record.0);
        assert_eq!(local.logs[usize::from(shard)].next_index().0, last + 1);
        let is_snapshot_lost = report.damaged.iter().any(|damage| {
            let mut places = damage.corruptions.iter();
            damage.shard.0 == shard && places.any(|place| place.file.starts_with("snapshot"))
        });
        if is_snapshot_lost {
            // What the snapshot stood for may still be in the journal.
            let of_journal = |record: &&(u64, u8, Vec<u8>)| record.1 < SNAPSHOT_KIND;
            let behind: Vec<_> = expected.iter().filter(of_journal).cloned().collect();
            assert!(is_subset(&behind, found), "{what}: shard {shard}");
            assert!(found.iter().all(|record| record.1 < SNAPSHOT_KIND));
        } else {
            assert!(is_subset(found, expected), "{what}: shard {shard}");
            let missing: u64 = lost
                .ranges
                .iter()
                .map(|(first, last)| last.0 - first.0 + 1)
                .sum();
            assert_eq!(
                missing + lost.survivors,
                u64::try_from(expected.len()).unwrap(),
                "{what}"
            );
        }
    }
    let again = repair(&disk, false).unwrap();
    assert_eq!(again.outcome, RepairOutcome::NotNeeded, "{what}");
    drop(local);
    // It goes on as any other.
    let (mut local, _) = open(&disk).unwrap();
    for log in &mut local.logs {
        let mut batch = log.batch();
        batch.push(1, |out| out.extend_from_slice(b"behind"));
        log.submit(batch).unwrap();
    }
    local.journal.round().unwrap();
    while local.housekeeper.step().unwrap() == Step::Worked {}
    drop(local);
    let (local, longer) = open(&disk).unwrap();
    assert_eq!(local.recovered.damaged, [], "{what}");
    for (before, after) in replay.iter().zip(&longer) {
        assert_eq!(after[..before.len()], before[..]);
        assert_eq!(after.len(), before.len() + 1);
    }
}

fn is_read(name: &str) -> bool {
    name.starts_with("journal-") || name.starts_with("snapshot-")
}

#[test]
fn a_flipped_byte_hits_the_shards_that_need_it() {
    for seed in 0..3 {
        let files = sealed(&store(seed));
        assert!(files.keys().any(|name| name.starts_with("spare-")));
        let (losses, whole) = (Losses::of(&files), open(&disk_of(&files)).unwrap().1);
        let mut hits = 0;
        for name in files.keys().filter(|name| is_read(name)) {
            for at in (seed..files[name].len()).step_by(7) {
                let mut damaged = files.clone();
                damaged.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
                let what = format!("seed {seed}, {name}, byte {at}");
                let found = check_open(&damaged, &whole, &what);
                check_repair(&damaged, &whole, &found, &what);
                assert_eq!(found, losses.of_range(name, &(at..at + 1)), "{what}");
                hits += usize::from(!found.is_empty());
            }
        }
        assert!(hits > 200, "only {hits} flips did harm");
    }
}

#[test]
fn a_zeroed_sector_hits_the_shards_that_need_it() {
    for seed in 0..4 {
        let files = sealed(&store(seed));
        let (losses, whole) = (Losses::of(&files), open(&disk_of(&files)).unwrap().1);
        for name in files.keys().filter(|name| is_read(name)) {
            let size = files[name].len();
            for start in (0..size).step_by(SECTOR_BYTES) {
                let range = start..size.min(start + SECTOR_BYTES);
                let mut damaged = files.clone();
                damaged.get_mut(name).unwrap()[range.clone()].fill(0);
                let what = format!("seed {seed}, {name}, {range:?}");
                let found = check_open(&damaged, &whole, &what);
                check_repair(&damaged, &whole, &found, &what);
                assert_eq!(found, losses.of_range(name, &range), "{what}");
            }
        }
    }
}

#[test]
fn a_missing_file_hits_the_shards_that_need_it() {
    for seed in 0..6 {
        let files = sealed(&store(seed));
        let (losses, whole) = (Losses::of(&files), open(&disk_of(&files)).unwrap().1);
        let mut segments: Vec<&String> = files
            .keys()
            .filter(|name| name.starts_with("journal-"))
            .collect();
        // The one that is written, and the one behind it, which is empty: nothing tells that they were there.
        let is_begun = |name: &&String| {
            let sequence = name.strip_prefix("journal-").unwrap().parse().unwrap();
            !segment(&files[*name], sequence, &|_, _| true).is_empty()
        };
        segments.retain(is_begun);
        segments.pop();
        let snapshots = files.keys().filter(|name| name.starts_with("snapshot-"));
        for name in segments.iter().copied().chain(snapshots) {
            let mut damaged = files.clone();
            damaged.remove(name);
            let what = format!("seed {seed}, {name}");
            let found = check_open(&damaged, &whole, &what);
            assert_eq!(found, losses.of_range(name, &(0..usize::MAX)), "{what}");
            if name.starts_with("journal-") {
                check_repair(&damaged, &whole, &found, &what);
            }
        }
    }
}

#[test]
fn what_is_left_of_a_damaged_shard_stays() {
    let files = sealed(&store(1));
    let losses = Losses::of(&files);
    let is_one = |part: &&(Range<usize>, BTreeSet<u16>)| part.1.len() == 1;
    let mut segments = files.keys().filter(|name| name.starts_with("journal-"));
    let name = segments.next().unwrap();
    let (place, hit) = losses.ranges[name].iter().rfind(is_one).unwrap();
    let mut damaged = files.clone();
    damaged.get_mut(name).unwrap()[place.start + 19] ^= 1;
    let disk = disk_of(&damaged);
    for _ in 0..3 {
        let (mut local, _) = open(&disk).unwrap();
        assert_eq!(shards_of(&local.recovered.damaged), *hit);
        for turn in 0..30 {
            for log in local.logs.iter_mut().filter(|log| !log.is_damaged()) {
                let mut batch = log.batch();
                batch.push(1, |out| out.resize(100, turn));
                log.submit(batch).unwrap();
                if turn % 5 == 0 {
                    log.save_snapshot(Box::new(State(vec![(SNAPSHOT_KIND, vec![turn])])));
                }
            }
            local.journal.round().unwrap();
            while local.housekeeper.step().unwrap() == Step::Worked {}
        }
        let kept = disk.content(name).unwrap();
        assert_eq!(kept, damaged[name], "the segment is as it was");
    }
    repair(&disk, true).unwrap();
    let (local, _) = open(&disk).unwrap();
    assert_eq!(local.recovered.damaged, []);
    assert!(disk.content(name).is_none(), "it is set aside");
}

#[test]
fn a_store_without_its_journal_is_refused_and_can_be_repaired() {
    let mut files = sealed(&store(0));
    files.retain(|name, _| !name.starts_with("journal-"));
    let disk = disk_of(&files);
    assert!(matches!(open(&disk), Err(OpenError::Corrupt(_))));
    let all: BTreeSet<u16> = (0..SHARDS).collect();
    assert_eq!(shards_of(&check(&disk, &mut |_| {}).unwrap().damaged), all);
    assert_eq!(repair(&disk, true).unwrap().outcome, RepairOutcome::Done);
    let (local, replay) = open(&disk).unwrap();
    assert_eq!(local.recovered.damaged, []);
    assert!(
        replay.iter().any(|records| !records.is_empty()),
        "there are the snapshots"
    );
}

#[test]
fn a_report_tells_what_is_there_and_changes_nothing() {
    let mut files = store(0);
    files.insert("notes".to_owned(), vec![1; 7]);
    files.insert("aside-snapshot".to_owned(), vec![1; 9]);
    files.insert("format.tmp".to_owned(), Vec::new());
    let disk = disk_of(&files);
    let operations = disk.operations();
    let report = check(&disk, &mut |_| {}).unwrap();
    assert_eq!(disk.operations(), operations);
    assert_eq!(report.damaged, []);
    let sizes = files
        .iter()
        .map(|(name, bytes)| (name.clone(), bytes.len()));
    let told = report.files.iter();
    let told = told.map(|file| (file.name.clone(), usize::try_from(file.bytes).unwrap()));
    assert!(sizes.eq(told));
    assert_eq!(report.unknown_files, ["notes"]);
    assert_eq!(report.unfinished_files, ["format.tmp"]);
    assert_eq!(report.set_aside_files, ["aside-snapshot"]);
    let (local, replay) = open(&disk).unwrap();
    for (shard, log) in report.shards.iter().zip(&local.logs) {
        assert_eq!(shard.shard, log.shard());
        assert_eq!(shard.last.next(), log.next_index());
        let records = replay[usize::from(shard.shard.0)].iter();
        let behind = records.filter(|record| record.1 < SNAPSHOT_KIND).count();
        assert!(shard.records >= u64::try_from(behind).unwrap());
    }
    assert!(report.shards.iter().any(|shard| shard.snapshot.is_some()));
}

#[test]
fn a_repair_survives_a_crash_at_every_operation() {
    let files = sealed(&store(1));
    // A record, a round's header, a snapshot and the header of a segment.
    let mut damaged = files.clone();
    let segments: Vec<&String> = files
        .keys()
        .filter(|name| name.starts_with("journal-"))
        .collect();
    damaged.get_mut(segments[1]).unwrap()[3] ^= 1;
    damaged.get_mut(segments[1]).unwrap()[300] ^= 1;
    damaged.get_mut(segments[2]).unwrap()[700] ^= 1;
    let snapshot = files
        .keys()
        .find(|name| name.starts_with("snapshot-00001"))
        .unwrap();
    damaged.get_mut(snapshot).unwrap()[60] ^= 1;
    let expected = {
        let disk = disk_of(&damaged);
        assert_eq!(repair(&disk, true).unwrap().outcome, RepairOutcome::Done);
        open(&disk).unwrap().1
    };
    let before = shards_of(&check(&disk_of(&damaged), &mut |_| {}).unwrap().damaged);
    for nth in 1.. {
        for survival in 0..4 {
            let disk = disk_of(&damaged);
            disk.crash_at(nth);
            if repair(&disk, true).is_ok() {
                assert!(nth > 20, "a repair has {nth} operations");
                return;
            }
            let mut turn = nth;
            disk.crash(&mut |limit| match survival {
                0 => 0,
                1 => limit - 1,
                _ => {
                    turn = turn.wrapping_mul(6_364_136_223_846_793_005) + survival;
                    (turn >> 33) % limit
                }
            });
            if survival == 3 {
                let (local, replay) = open(&disk).unwrap();
                let damaged = shards_of(&local.recovered.damaged);
                assert!(damaged == before || (damaged.is_empty() && replay == expected));
                drop(local);
            }
            repair(&disk, true).unwrap();
            let (local, replay) = open(&disk).unwrap();
            assert_eq!(local.recovered.damaged, [], "operation {nth}");
            assert_eq!(replay, expected, "operation {nth}");
        }
    }
}

/// Where a store was not opened since the power failed, only what the last round holds can be taken for torn.
#[test]
fn before_it_is_opened_again_only_the_last_round_can_seem_torn() {
    for seed in 0..3 {
        let files = store(seed);
        let whole = open(&disk_of(&files)).unwrap().1;
        let last = files.keys().filter(|name| name.starts_with("journal-"));
        let (mut last_round, mut cut) = ((String::new(), 0..0), 0);
        for name in last {
            let sequence = name.strip_prefix("journal-").unwrap().parse().unwrap();
            let records = segment(&files[name], sequence, &|_, _| true);
            let mut headers = records.iter().filter(|(range, _)| {
                number(&files[name][range.start + 8..range.start + 10]) == 0xFFFF
            });
            if let (Some((header, _)), Some((end, _))) = (headers.next_back(), records.last()) {
                last_round = (name.clone(), header.start..end.end);
            }
        }
        for name in files.keys().filter(|name| is_read(name)) {
            for at in (seed..files[name].len()).step_by(11) {
                let mut damaged = files.clone();
                damaged.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
                let disk = disk_of(&damaged);
                let (local, replay) = open(&disk).unwrap();
                if *name == last_round.0 && last_round.1.contains(&at) {
                    cut += u64::from(local.recovered.torn_bytes_cut > 0);
                    continue;
                }
                let found = shards_of(&local.recovered.damaged);
                for (shard, (found_replay, expected)) in (0..).zip(replay.iter().zip(&whole)) {
                    let is_whole = found.contains(&shard) || found_replay == expected;
                    assert!(is_whole, "seed {seed}, {name}, byte {at}, shard {shard}");
                }
            }
        }
        assert!(cut > 0, "no byte of the last round was flipped");
    }
}

/// A small generator of chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % limit.max(1)
    }
}

/// Damages a file in one of many ways.
fn mistreat(files: &mut Files, chance: &mut Chance) {
    let names: Vec<String> = files.keys().filter(|name| is_read(name)).cloned().collect();
    let Some(name) = names.get(chance.below(names.len())) else {
        return;
    };
    let bytes = files.get_mut(name).unwrap();
    if bytes.is_empty() {
        return;
    }
    let (at, len) = (chance.below(bytes.len()), chance.below(900));
    let end = bytes.len().min(at + len);
    match chance.below(7) {
        0 => bytes[at] ^= 1 << chance.below(8),
        1 => bytes[at..end].fill(0),
        2 => bytes.truncate(at),
        3 => {
            // What stood elsewhere in it.
            let from = chance.below(at + 1) / 8 * 8;
            let to = at / 8 * 8;
            let len = (end - at).min(bytes.len() - to);
            let len = len.min(bytes.len() - from);
            bytes.copy_within(from..from + len, to);
        }
        4 => drop(files.remove(name)),
        5 => {
            let mut noise = |byte: &mut u8| *byte = chance.below(256).to_le_bytes()[0];
            bytes[at..end].iter_mut().for_each(&mut noise);
        }
        _ => bytes.extend(std::iter::repeat_n(7, len)),
    }
}

/// `SEEDS=100000` runs so many.
#[test]
fn whatever_is_damaged_no_shard_is_given_what_it_did_not_submit() {
    let seeds: u64 = std::env::var("SEEDS").map_or(600, |seeds| seeds.parse().unwrap());
    let stores: Vec<Files> = (0..2)
        .flat_map(|seed| [store(seed), sealed(&store(seed))])
        .collect();
    let wholes: Vec<Replay> = stores
        .iter()
        .map(|files| open(&disk_of(files)).unwrap().1)
        .collect();
    let mut opened = 0;
    for seed in 1..=seeds {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let which = chance.below(stores.len());
        let mut files = stores[which].clone();
        for _ in 0..=chance.below(5) {
            mistreat(&mut files, &mut chance);
        }
        let disk = disk_of(&files);
        let (mut local, replay) = match open(&disk) {
            Ok(opened) => opened,
            Err(OpenError::Corrupt(_)) => continue,
            Err(error) => panic!("seed {seed}: {error:?}"),
        };
        opened += 1;
        let damaged = shards_of(&local.recovered.damaged);
        for (shard, (found, whole)) in (0..).zip(replay.iter().zip(&wholes[which])) {
            // A snapshot that is gone may have left its records in the journal.
            let behind = |record: &&(u64, u8, Vec<u8>)| record.1 < SNAPSHOT_KIND;
            for record in found.iter().filter(behind) {
                let mut known = whole.iter().filter(behind);
                let known = known.find(|known| known.0 == record.0);
                assert!(
                    known.is_none_or(|known| known == record),
                    "seed {seed}, shard {shard}"
                );
            }
            let mut indexes: Vec<u64> = found.iter().filter(behind).map(|found| found.0).collect();
            indexes.dedup();
            let is_dense = indexes.windows(2).all(|pair| pair[0] + 1 == pair[1]);
            assert!(
                damaged.contains(&shard) || is_dense,
                "seed {seed}, shard {shard}"
            );
        }
        for log in local.logs.iter_mut().filter(|log| !log.is_damaged()) {
            let mut batch = log.batch();
            batch.push(1, |out| out.extend_from_slice(b"behind"));
            log.submit(batch).unwrap();
        }
        local.journal.round().unwrap();
        while local.housekeeper.step().unwrap() == Step::Worked {}
        drop(local);
        let (local, again) = open(&disk).unwrap();
        assert_eq!(shards_of(&local.recovered.damaged), damaged, "seed {seed}");
        for (shard, (before, after)) in (0..).zip(replay.iter().zip(&again)) {
            if !damaged.contains(&shard) {
                assert_eq!(
                    after[..before.len()],
                    before[..],
                    "seed {seed}, shard {shard}"
                );
                assert_eq!(after.len(), before.len() + 1);
            }
        }
        drop(local);
        repair(&disk, true).unwrap();
        let (local, repaired) = open(&disk).unwrap();
        assert_eq!(local.recovered.damaged, [], "seed {seed}");
        for (shard, (before, after)) in (0..).zip(again.iter().zip(&repaired)) {
            assert!(
                damaged.contains(&shard) || before == after,
                "seed {seed}, shard {shard}"
            );
        }
    }
    assert!(opened * 2 > seeds, "only {opened} of {seeds} opened");
}
