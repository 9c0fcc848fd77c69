//! A damaged or forged data folder, opened.

use crate::files::{Files, append, change_some, checksum, contents, disk_of, patch, put, record};
use crate::input::Input;
use log_store::{
    Housekeeper, Local, LocalLog, MemoryDisk, OpenError, Options, RepairOutcome, Replayed,
    ShardLog, SnapshotSource, Step, repair,
};
use model::{LogIndex, ShardId};
use std::sync::OnceLock;

const OPTIONS: Options = Options {
    shards: 2,
    segment_bytes: 1024,
    page_segment_bytes: 4096,
    free_bytes_min: 0,
};

/// The bytes in front of the records of a file.
const FILE_HEADER_BYTES: usize = 40;

/// The shard number of the store's own marks.
const MARK_SHARD: u16 = 0xFFFF;

/// The kind of the mark that begins a round.
const ROUND_KIND: u8 = 1;

/// A record as it was replayed.
type Seen = (ShardId, LogIndex, u8, Vec<u8>);

/// Opens a folder that was changed: the store refuses it and leaves it as it was, or opens it. Then shards may be
/// damaged: their logs are closed, and what is replayed of them is a beginning of what survives, unless their
/// snapshots are damaged. The others go on,
/// and hold the same and what was written when the store is opened again, which finds the same shards damaged; and
/// also when it was repaired, which finds none.
///
/// Bytes: 1, the folder to begin with (see `bases`); then changes, each with 1 for what it is:
///
/// ```text
///   0 patch     file u8 · place u16 · length u8 · bytes
///   1 append    file u8 · length u16 · bytes
///   2 truncate  file u8 · size u16
///   3 record    file u8 · place u16 · shard u16 · kind u8 · index u64 · length u16 · payload
///   4 round     file u8 · place u16 · number u64 · bytes u64 · records of shard 0 u16 · segment u16 ·
///               last of shard 0 u64 · last of shard 1 u64 · digest of shard 0 u64
///   5 remove    file u8
///   6 create    name (below) · zeros behind the header u16
///   7 copy      file u8 · name
///   8 replace   file u8 · all that is left
/// ```
///
/// A file is meant by its place in the sorted list. A record, a round and a created file have right
/// checksums; place 0xFFFF is behind the last byte that is not zero. A name is 1 (0 segment, 1 snapshot,
/// 2 format, 3 unfinished segment) · number u64 · shard u16.
///
/// # Panics
/// When one of these promises is broken.
pub fn log_recovery(data: &[u8]) {
    let mut input = Input::new(data);
    let bases = bases();
    let mut files = bases[usize::from(input.u8()) % bases.len()].clone();
    change_some(&mut input, |input| change(&mut files, input));
    check(&files);
}

fn check(files: &Files) {
    let disk = disk_of(files);
    let (mut local, mut seen) = match open(&disk) {
        Ok(opened) => opened,
        Err(OpenError::Corrupt(_) | OpenError::Newer { .. } | OpenError::Older { .. }) => {
            assert_eq!(contents(&disk), *files, "a refused folder was changed");
            return;
        }
        Err(OpenError::Disk(error)) => panic!("the disk has no fault: {error:?}"),
    };
    let damaged = damaged(&local);
    // Of a snapshot that is not whole nothing survives, whatever was replayed of it.
    let has_snapshot = |shard: &ShardId| {
        let found = local.recovered.damaged.iter();
        let mut own = found.filter(|damage| damage.shard == *shard);
        own.all(|damage| {
            let mut files = damage.corruptions.iter();
            files.all(|corruption| !corruption.file.starts_with("snapshot"))
        })
    };
    let with_snapshots: Vec<ShardId> = damaged.iter().copied().filter(has_snapshot).collect();
    let lost: Vec<Seen> = of_damaged(&seen, &with_snapshots);
    for log in &mut local.logs {
        if log.is_damaged() {
            let refused = log.batch();
            assert!(log.submit(refused).is_err(), "a damaged log is closed");
            continue;
        }
        let index = submit(log, b"behind");
        seen.push((log.shard(), index, 7, b"behind".to_vec()));
    }
    local.journal.round().expect("the disk has no fault");
    keep_house(&mut local.housekeeper);
    drop(local);
    let healthy = of_healthy(seen, &damaged);
    let (local, again) = open(&disk).expect("what was opened can be opened again");
    assert_eq!(
        damaged,
        self::damaged(&local),
        "another opening finds the same shards damaged"
    );
    drop(local);
    assert_eq!(
        healthy,
        of_healthy(again, &damaged),
        "another opening finds the same"
    );
    if !damaged.is_empty() {
        check_repaired(&disk, &healthy, &lost, &damaged);
    }
}

/// A repair leaves the healthy shards as they are, and begins a damaged one with what was replayed of it.
fn check_repaired(disk: &MemoryDisk, healthy: &[Seen], lost: &[Seen], damaged: &[ShardId]) {
    let repaired = repair(disk, true).expect("what can be opened can be repaired");
    assert_eq!(repaired.outcome, RepairOutcome::Done);
    let (local, seen) = open(disk).expect("what was repaired can be opened");
    assert!(self::damaged(&local).is_empty(), "nothing is damaged now");
    for shard in damaged {
        let content = |records: &[Seen]| -> Vec<(u8, Vec<u8>)> {
            let own = records.iter().filter(|record| record.0 == *shard);
            own.map(|(_, _, kind, payload)| (*kind, payload.clone()))
                .collect()
        };
        let (before, after) = (content(lost), content(&seen));
        assert!(
            after.starts_with(&before),
            "what is replayed of shard {shard} stands before its damage"
        );
    }
    assert_eq!(
        healthy,
        of_healthy(seen, damaged),
        "a repair changes no healthy shard"
    );
}

fn damaged(local: &Local<MemoryDisk>) -> Vec<ShardId> {
    let found = local.recovered.damaged.iter();
    let damaged: Vec<ShardId> = found.map(|damage| damage.shard).collect();
    let closed = local.logs.iter().filter(|log| log.is_damaged());
    assert!(closed.map(ShardLog::shard).eq(damaged.iter().copied()));
    damaged
}

fn of_damaged(seen: &[Seen], damaged: &[ShardId]) -> Vec<Seen> {
    let own = seen.iter().filter(|record| damaged.contains(&record.0));
    own.cloned().collect()
}

/// Each shard's records keep their order; shards do not have one among each other.
fn of_healthy(mut seen: Vec<Seen>, damaged: &[ShardId]) -> Vec<Seen> {
    seen.retain(|record| !damaged.contains(&record.0));
    seen.sort_by_key(|record| record.0);
    seen
}

/// Opens the store; returns what comes back, which is what a log can hold.
fn open(disk: &MemoryDisk) -> Result<(Local<MemoryDisk>, Vec<Seen>), OpenError> {
    let mut seen = Vec::new();
    let local = Local::open(disk.clone(), OPTIONS, &mut |record: Replayed<'_>| {
        let payload = record.payload.to_vec();
        seen.push((record.shard, record.index, record.kind, payload));
    })?;
    for log in local.logs.iter().filter(|log| !log.is_damaged()) {
        check_order(log, &seen);
    }
    Ok((local, seen))
}

fn check_order(log: &LocalLog, seen: &[Seen]) {
    let shard = log.shard();
    let mut last = None;
    for (_, index, ..) in seen.iter().filter(|record| record.0 == shard) {
        // A snapshot's records all have its index.
        let follows = last.is_none_or(|last: LogIndex| *index == last || *index == last.next());
        assert!(follows, "{index} follows {last:?} in shard {shard}");
        last = Some(*index);
    }
    assert_eq!(log.committed().next(), log.next_index());
    assert!(last.is_none_or(|last| log.committed() == last));
}

fn submit(log: &mut LocalLog, payload: &[u8]) -> LogIndex {
    let mut batch = log.batch();
    batch.push(7, |out| out.extend_from_slice(payload));
    log.submit(batch).expect("the disk has no fault")
}

fn keep_house(housekeeper: &mut Housekeeper<MemoryDisk>) {
    while housekeeper.step().expect("the disk has no fault") == Step::Worked {}
}

/// The folders to begin with: 0 three rounds, 1 segments and snapshots, 2 the same closed, 3 a new store,
/// 4 nothing.
fn bases() -> &'static [Files] {
    static BASES: OnceLock<Vec<Files>> = OnceLock::new();
    BASES.get_or_init(|| {
        let new = MemoryDisk::new();
        drop(open(&new));
        vec![
            three_rounds(),
            segments_and_snapshots(false),
            segments_and_snapshots(true),
            contents(&new),
            Files::new(),
        ]
    })
}

fn three_rounds() -> Files {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).expect("it is a new folder");
    for payload in [&b"one"[..], b"two", b"three"] {
        submit(&mut local.logs[0], payload);
        submit(&mut local.logs[1], payload);
        local.journal.round().expect("the disk has no fault");
    }
    contents(&disk)
}

fn segments_and_snapshots(is_closed: bool) -> Files {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).expect("it is a new folder");
    for turn in 0..40_u8 {
        submit(&mut local.logs[0], &[turn; 60]);
        if turn % 3 == 0 {
            submit(&mut local.logs[1], &[turn; 20]);
        }
        local.journal.round().expect("the disk has no fault");
        if turn == 25 {
            local.logs[0].save_snapshot(Box::new(Saved(3)));
            local.logs[1].save_snapshot(Box::new(Saved(1)));
        }
        keep_house(&mut local.housekeeper);
    }
    if is_closed {
        local.journal.close().expect("the disk has no fault");
    }
    contents(&disk)
}

/// A snapshot of so many records.
struct Saved(u8);

impl SnapshotSource for Saved {
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8> {
        self.0 = self.0.checked_sub(1)?;
        payload.extend_from_slice(b"state");
        Some(9)
    }
}

fn change(files: &mut Files, input: &mut Input<'_>) {
    match input.u8() % 9 {
        6 => {
            let (name, header) = file(files, input);
            let mut bytes = header.to_vec();
            bytes.resize(FILE_HEADER_BYTES + usize::from(input.u16()), 0);
            files.insert(name, bytes);
        }
        what => {
            let names: Vec<String> = files.keys().cloned().collect();
            let place = usize::from(input.u8());
            if names.is_empty() {
                return;
            }
            let name = &names[place % names.len()];
            change_file(files, name, what, input);
        }
    }
}

fn change_file(files: &mut Files, name: &str, what: u8, input: &mut Input<'_>) {
    let store = store(files);
    let bytes = files.get_mut(name).expect("it was just listed");
    match what {
        0 => patch(bytes, input),
        1 => append(bytes, input),
        2 => bytes.truncate(usize::from(input.u16())),
        3 => {
            let place = place(bytes, input);
            let (shard, kind, index) = (input.u16(), input.u8(), input.u64());
            let length = usize::from(input.u16());
            put(
                bytes,
                place,
                &record(shard, kind, index, input.bytes(length)),
            );
        }
        4 => {
            let place = place(bytes, input);
            let number = input.u64();
            // Rounds go on behind it: the disk in memory is not to become large.
            let size = match input.u64() {
                some @ ..=0x1_0000 | some @ 0x1000_0000.. => some,
                some => some & 0xFFFF,
            };
            let mut payload = size.to_le_bytes().to_vec();
            let records = u32::from(input.u16());
            payload.extend_from_slice(&store);
            payload.extend_from_slice(&u64::from(input.u16()).to_le_bytes());
            payload.extend_from_slice(&records.to_le_bytes());
            payload.extend_from_slice(&2_u32.to_le_bytes());
            let lasts = [input.u64(), input.u64()];
            let digest = input.u64().to_le_bytes();
            for (shard, last) in (0_u16..).zip(lasts) {
                let (records, digest) = if shard == 0 {
                    (records, &digest[..4])
                } else {
                    (0, &[0; 4][..])
                };
                payload.extend_from_slice(&shard.to_le_bytes());
                payload.extend_from_slice(&records.to_le_bytes());
                payload.extend_from_slice(&last.to_le_bytes());
                payload.extend_from_slice(digest);
            }
            put(
                bytes,
                place,
                &record(MARK_SHARD, ROUND_KIND, number, &payload),
            );
        }
        5 => {
            files.remove(name);
        }
        7 => {
            let bytes = bytes.clone();
            let (name, _) = file(files, input);
            files.insert(name, bytes);
        }
        _ => *bytes = input.rest().to_vec(),
    }
}

/// The number of the store, from its format file.
fn store(files: &Files) -> [u8; 8] {
    let format = files.get("format").and_then(|bytes| bytes.get(16..24));
    format
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or_default()
}

/// A name, and the header that belongs to it.
fn file(files: &Files, input: &mut Input<'_>) -> (String, [u8; FILE_HEADER_BYTES]) {
    let store = store(files);
    let (what, number, shard) = (input.u8() % 4, input.u64(), input.u16());
    let (name, magic, shard) = match what {
        0 => (format!("journal-{number:016}"), b"BARIDJNL", 0),
        1 => (
            format!("snapshot-{shard:05}-{number:020}"),
            b"BARIDSNP",
            shard,
        ),
        2 => ("format".to_owned(), b"BARIDFMT", shard),
        _ => (format!("journal-{number:016}.tmp"), b"BARIDJNL", 0),
    };
    let mut header = [0; FILE_HEADER_BYTES];
    header[..8].copy_from_slice(magic);
    header[8] = if magic == b"BARIDJNL" { 2 } else { 1 };
    let sum = checksum(&header[..12]);
    header[12..16].copy_from_slice(&sum);
    header[16..24].copy_from_slice(&store);
    header[24..32].copy_from_slice(&number.to_le_bytes());
    header[32..34].copy_from_slice(&shard.to_le_bytes());
    let sum = checksum(&header[16..36]);
    header[36..].copy_from_slice(&sum);
    (name, header)
}

fn place(bytes: &[u8], input: &mut Input<'_>) -> usize {
    match input.u16() {
        u16::MAX => {
            let last = bytes.iter().rposition(|byte| *byte != 0);
            last.map_or(0, |last| last + 1).next_multiple_of(8)
        }
        place => usize::from(place),
    }
}
