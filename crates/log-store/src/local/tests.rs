//! The files byte by byte, and what is refused.

use super::{
    Corruption, Damage, DiskError, Flaw, HousekeeperError, JournalError, Local, OpenError, Options,
    Step,
};
use crate::disk::{Disk, Fault, MemoryDisk};
use crate::record::checksum;
use crate::shard_log::{ShardLog, SnapshotSource, StoreFailed};
use model::LogIndex;

mod space;

const SEGMENT: &str = "journal-0000000000000001";

const OPTIONS: Options = Options {
    shards: 2,
    segment_bytes: 2048,
    page_segment_bytes: 2048,
    free_bytes_min: 0,
};

/// A snapshot of these records, all of kind 9.
struct Saved(Vec<&'static [u8]>);

impl SnapshotSource for Saved {
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8> {
        let record = self.0.pop()?;
        payload.extend_from_slice(record);
        Some(9)
    }
}

type Replay = Vec<(u16, u64, u8, Vec<u8>)>;

fn open(disk: &MemoryDisk) -> Result<(Local<MemoryDisk>, Replay), OpenError> {
    let mut replay = Vec::new();
    let local = Local::open(disk.clone(), OPTIONS, &mut |record| {
        let payload = record.payload.to_vec();
        replay.push((record.shard.0, record.index.0, record.kind, payload));
    })?;
    Ok((local, replay))
}

fn submit(local: &mut Local<MemoryDisk>, shard: usize, payload: &[u8]) {
    let mut batch = local.logs[shard].batch();
    batch.push(7, |out| out.extend_from_slice(payload));
    local.logs[shard].submit(batch).unwrap();
}

fn keep_house(local: &mut Local<MemoryDisk>) {
    while local.housekeeper.step().unwrap() == Step::Worked {}
}

/// A store with three rounds: shard 0 "one", shard 1 "two", both "three" and "four".
fn three_rounds() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"one");
    local.journal.round().unwrap();
    submit(&mut local, 1, b"two");
    local.journal.round().unwrap();
    submit(&mut local, 0, b"three");
    submit(&mut local, 1, b"four");
    local.journal.round().unwrap();
    disk
}

/// Where the rounds of [`three_rounds`] begin.
const ROUNDS: [usize; 3] = [40, 152, 248];

/// The bytes of their headers.
const HEADERS: [usize; 3] = [88, 72, 88];

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for line in bytes.chunks(20) {
        for byte in line {
            write!(text, "{byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text
}

fn refusal(disk: &MemoryDisk) -> OpenError {
    open(disk).map(|_| ()).unwrap_err()
}

fn corruption(disk: &MemoryDisk) -> Corruption {
    match refusal(disk) {
        OpenError::Corrupt(corruption) => corruption,
        other @ (OpenError::Disk(_) | OpenError::Newer { .. } | OpenError::Older { .. }) => {
            panic!("{other:?}")
        }
    }
}

/// The damage that an opening finds, and what it replays of the shards that have none.
fn damage(disk: &MemoryDisk) -> (Vec<Damage>, Replay) {
    let (local, mut replay) = open(disk).unwrap();
    let damaged = local.recovered.damaged;
    replay.retain(|record| !damaged.iter().any(|one| one.shard.0 == record.0));
    (damaged, replay)
}

/// The shards that are damaged.
fn shards_of(damaged: &[Damage]) -> Vec<u16> {
    damaged.iter().map(|damage| damage.shard.0).collect()
}

#[test]
fn the_files_are_as_drawn() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"one");
    submit(&mut local, 1, b"two");
    submit(&mut local, 0, b"three");
    local.journal.round().unwrap();
    submit(&mut local, 1, b"four");
    local.journal.round().unwrap();
    local.logs[0].save_snapshot(Box::new(Saved(vec![b"state"])));
    keep_house(&mut local);
    let names = disk.list().unwrap();
    assert_eq!(
        names,
        [
            "format",
            SEGMENT,
            "snapshot-00000-00000000000000000002",
            "spare-0000000000000001",
            "spare-0000000000000002",
            "spare-0000000000000003"
        ]
    );
    if std::env::var_os("GOLDEN").is_some() {
        for (name, golden) in names.iter().zip(["format", "segment", "snapshot"]) {
            let path = format!("tests/golden/{golden}.hex");
            std::fs::write(path, hex(&disk.content(name).unwrap())).unwrap();
        }
    }
    let content = |name: &str| hex(&disk.content(name).unwrap());
    assert_eq!(
        content(&names[0]),
        include_str!("../../tests/golden/format.hex")
    );
    assert_eq!(
        content(SEGMENT),
        include_str!("../../tests/golden/segment.hex")
    );
    assert_eq!(
        content(&names[2]),
        include_str!("../../tests/golden/snapshot.hex")
    );
}

#[test]
fn what_was_committed_is_replayed_in_order() {
    let disk = three_rounds();
    let (mut local, replay) = open(&disk).unwrap();
    let expected = [
        (0, 1, 7, b"one".to_vec()),
        (1, 1, 7, b"two".to_vec()),
        (0, 2, 7, b"three".to_vec()),
        (1, 2, 7, b"four".to_vec()),
    ];
    assert_eq!(replay, expected);
    assert_eq!((local.recovered.records, local.recovered.bytes), (4, 15));
    local.logs[0].save_snapshot(Box::new(Saved(vec![b"b", b"a"])));
    keep_house(&mut local);
    drop(local);
    let (local, replay) = open(&disk).unwrap();
    let snapshot = [(0, 2, 9, b"a".to_vec()), (0, 2, 9, b"b".to_vec())];
    assert_eq!(replay[..2], snapshot);
    assert_eq!(replay[2..], [expected[1].clone(), expected[3].clone()]);
    assert_eq!(local.recovered.snapshots, 1);
    assert_eq!(local.logs[0].next_index(), LogIndex(3));
}

#[test]
fn a_store_keeps_its_number_of_shards() {
    let disk = three_rounds();
    let options = Options {
        shards: 5,
        ..OPTIONS
    };
    let local = Local::open(disk, options, &mut |_| {}).unwrap();
    assert_eq!(local.logs.len(), 2);
}

#[test]
fn a_damaged_byte_in_an_earlier_round_hits_the_shard_of_its_record() {
    for (round, start, header) in [(1, ROUNDS[0], HEADERS[0]), (2, ROUNDS[1], HEADERS[1])] {
        let record = start + header;
        let shard = u16::try_from(round - 1).unwrap();
        for at in (start..record - 2).chain(record..record + 20) {
            let disk = three_rounds();
            disk.flip(SEGMENT, at, 0x10);
            let (damaged, replay) = damage(&disk);
            assert_eq!(shards_of(&damaged), [shard], "byte {at}");
            let [found] = damaged[0].corruptions.as_slice() else {
                panic!("byte {at}: {damaged:?}");
            };
            assert_eq!(found.file, SEGMENT);
            assert_eq!(found.index, Some(LogIndex(1)));
            let place = usize::try_from(found.offset).unwrap();
            if at < record {
                assert_eq!(found.flaw, Flaw::RoundHeader { round });
                assert_eq!(place, start, "byte {at}");
            } else {
                assert_eq!(found.flaw, Flaw::Record, "byte {at}");
                assert_eq!(place, record, "byte {at}");
            }
            assert_eq!(replay.len(), 2, "the other shard is whole");
            let (again, _) = damage(&disk);
            assert_eq!(shards_of(&again), [shard], "it stays so");
        }
    }
}

#[test]
fn the_shard_and_index_of_a_damaged_record_are_named() {
    let disk = three_rounds();
    disk.flip(SEGMENT, ROUNDS[1] + HEADERS[1] + 20, 1);
    let (damaged, _) = damage(&disk);
    assert_eq!(
        damaged[0].corruptions[0].to_string(),
        "journal-0000000000000001 is corrupt at byte 224, shard 1, index 1: a record is damaged"
    );
}

#[test]
fn a_damaged_log_is_closed() {
    let disk = three_rounds();
    disk.flip(SEGMENT, ROUNDS[1] + HEADERS[1] + 20, 1);
    let (mut local, _) = open(&disk).unwrap();
    assert!(local.logs[1].is_damaged() && !local.logs[0].is_damaged());
    let batch = local.logs[1].batch();
    assert_eq!(local.logs[1].submit(batch), Err(StoreFailed));
    local.logs[1].save_snapshot(Box::new(Saved(vec![b"state"])));
    submit(&mut local, 0, b"five");
    assert_eq!(local.journal.round().unwrap().records, 1);
    keep_house(&mut local);
    let names = disk.list().unwrap();
    assert!(!names.iter().any(|name| name.starts_with("snapshot")));
}

#[test]
fn a_torn_last_round_is_cut_whole() {
    let whole = three_rounds().content(SEGMENT).unwrap();
    for torn in ROUNDS[2]..whole.len() {
        if whole[torn] == 0 {
            continue;
        }
        let disk = three_rounds();
        disk.flip(SEGMENT, torn, 0xFF);
        let (local, replay) = open(&disk).unwrap();
        assert_eq!(replay.len(), 2, "byte {torn}");
        assert!(local.recovered.torn_bytes_cut > 0);
        let after = disk.content(SEGMENT).unwrap();
        assert_eq!(after[..ROUNDS[2]], whole[..ROUNDS[2]]);
        let seal = ROUNDS[2] + HEADERS[2];
        assert!(after[seal..whole.len()].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn once_a_store_was_closed_its_last_round_cannot_be_torn() {
    let disk = three_rounds();
    drop(open(&disk).unwrap());
    disk.flip(SEGMENT, ROUNDS[2] + HEADERS[2] + 20, 1);
    let (damaged, replay) = damage(&disk);
    assert_eq!(shards_of(&damaged), [0]);
    assert_eq!(damaged[0].corruptions[0].flaw, Flaw::Record);
    assert_eq!(replay.len(), 2);
    // Nor can the bad block take the round that closed it along.
    let disk = three_rounds();
    drop(open(&disk).unwrap());
    let mut bytes = disk.content(SEGMENT).unwrap();
    bytes[..512][ROUNDS[2] + HEADERS[2]..].fill(0);
    disk.put(SEGMENT, bytes);
    let (damaged, _) = damage(&disk);
    assert_eq!(shards_of(&damaged), [0, 1]);
}

#[test]
fn another_version_is_refused() {
    for (name, version, told) in [
        ("format", 2, "this program reads up to 1"),
        (SEGMENT, 3, "this program reads up to 2"),
        (SEGMENT, 1, "this program reads version 2"),
    ] {
        let mut bytes = three_rounds().content(name).unwrap();
        bytes[8] = version;
        let sum = checksum(&bytes[..12]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        let changed = three_rounds();
        changed.put(name, bytes);
        let refusal = refusal(&changed);
        let expected = format!("{name} has format version {version}, {told}");
        assert_eq!(refusal.to_string(), expected);
    }
}

#[test]
fn a_damaged_file_header_is_refused_where_nothing_else_tells_what_it_is() {
    for at in 0..40 {
        let disk = three_rounds();
        disk.flip("format", at, 4);
        let found = corruption(&disk);
        let (file, flaw) = (found.file.as_str(), found.flaw);
        assert_eq!((file, flaw), ("format", Flaw::Header), "byte {at}");
        let disk = three_rounds();
        disk.flip(SEGMENT, at, 4);
        let (local, replay) = open(&disk).unwrap();
        assert_eq!((replay.len(), local.recovered.damaged.len()), (4, 0));
        let [found] = local.recovered.harmless.as_slice() else {
            panic!("byte {at}");
        };
        let (file, flaw) = (found.file.as_str(), found.flaw);
        assert_eq!((file, flaw), (SEGMENT, Flaw::Header), "byte {at}");
    }
}

#[test]
fn a_damaged_snapshot_hits_its_shard() {
    let name = "snapshot-00000-00000000000000000002";
    for at in [0, 20, 41, 61, 64, 80, 88] {
        let disk = three_rounds();
        let (mut local, _) = open(&disk).unwrap();
        local.logs[0].save_snapshot(Box::new(Saved(vec![b"state"])));
        keep_house(&mut local);
        drop(local);
        disk.flip(name, at, 4);
        for _ in 0..2 {
            let (damaged, replay) = damage(&disk);
            assert_eq!(shards_of(&damaged), [0], "byte {at}");
            assert_eq!(damaged[0].corruptions[0].file, name, "byte {at}");
            assert_eq!(replay.len(), 2);
        }
    }
}

#[test]
fn a_missing_file_is_named() {
    let check = |name: &str, missing: &str| {
        let disk = three_rounds();
        disk.remove(name).unwrap();
        let found = corruption(&disk);
        assert_eq!((found.file.as_str(), found.flaw), (missing, Flaw::Missing));
    };
    check("format", "format");
    check(SEGMENT, SEGMENT);
}

#[test]
fn a_segment_of_another_store_is_refused() {
    let disk = three_rounds();
    let other = MemoryDisk::new();
    other.random();
    drop(open(&other).unwrap());
    disk.put(SEGMENT, other.content(SEGMENT).unwrap());
    assert_eq!(corruption(&disk).flaw, Flaw::Foreign);
}

#[test]
fn a_lost_segment_is_noticed() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    for _ in 0..80 {
        submit(&mut local, 0, &[1; 100]);
        local.journal.round().unwrap();
        keep_house(&mut local);
    }
    assert!(local.logs[0].wants_snapshot(), "the journal has grown");
    assert!(!local.logs[1].wants_snapshot(), "it holds up nothing");
    drop(local);
    let lost = MemoryDisk::clone(&disk);
    lost.remove("journal-0000000000000002").unwrap();
    let (damaged, _) = damage(&lost);
    assert_eq!(
        shards_of(&damaged),
        [0],
        "all else say that the other shard has nothing"
    );
    let found = &damaged[0].corruptions[0];
    assert_eq!(found.file, "journal-0000000000000002");
    assert_eq!(found.flaw, Flaw::Missing);
    lost.remove(SEGMENT).unwrap();
    let (damaged, _) = damage(&lost);
    assert_eq!(shards_of(&damaged), [0]);
    let found = &damaged[0].corruptions[0];
    let expected = LogIndex(1);
    assert!(
        matches!(found.flaw, Flaw::Gap { expected: at, .. } if at == expected),
        "{found}"
    );
}

fn sizes(disk: &MemoryDisk) -> Vec<usize> {
    let names = disk.list().unwrap();
    let segments = names.iter().filter(|name| name.starts_with("journal"));
    segments
        .map(|name| disk.content(name).unwrap().len())
        .collect()
}

#[test]
fn a_segment_that_grows_is_left_when_it_holds_enough_for_one_that_is_filled() {
    const SEGMENT_BYTES: usize = 5 << 20;
    const ROUND_BYTES: usize = 96 + 100_000;
    let disk = MemoryDisk::new();
    let options = Options {
        segment_bytes: 5 << 20,
        ..OPTIONS
    };
    let open = || Local::open(disk.clone(), options, &mut |_| {}).unwrap();
    let mut local = open();
    let round = |local: &mut Local<MemoryDisk>| {
        submit(local, 0, &[1; 100_000]);
        local.journal.round().unwrap();
    };
    // The first round names all shards.
    let mut grown = 40 + 16;
    while grown + ROUND_BYTES <= 1 << 20 {
        round(&mut local);
        keep_house(&mut local);
        grown += ROUND_BYTES;
        assert_eq!(sizes(&disk), [grown], "little is written for little");
    }
    round(&mut local);
    grown += ROUND_BYTES;
    assert_eq!(local.housekeeper.step().unwrap(), Step::Worked);
    round(&mut local);
    grown += ROUND_BYTES;
    assert_eq!(
        sizes(&disk),
        [grown],
        "it grows until the next is ready, which still is a spare"
    );
    keep_house(&mut local);
    assert_eq!(sizes(&disk), [grown, SEGMENT_BYTES]);
    for _ in 0..20 {
        round(&mut local);
        keep_house(&mut local);
        assert_eq!(sizes(&disk), [grown, SEGMENT_BYTES], "it is left for good");
    }
    // Whether a segment grows is seen after a restart, too.
    drop(local);
    let mut local = open();
    round(&mut local);
    keep_house(&mut local);
    assert_eq!(sizes(&disk), [grown, SEGMENT_BYTES]);
    for _ in 0..6 {
        round(&mut local);
    }
    keep_house(&mut local);
    let filled = [grown, SEGMENT_BYTES, SEGMENT_BYTES];
    assert_eq!(sizes(&disk), filled, "one that is filled is left when full");
    let mut expected = 0;
    Local::open(disk, options, &mut |record| {
        expected += 1;
        assert_eq!(record.index, LogIndex(expected));
    })
    .unwrap();
    assert_eq!(expected, 39);
}

#[test]
fn small_segments_are_left_when_they_are_full() {
    const SEGMENT_BYTES: usize = 16 << 10;
    let disk = MemoryDisk::new();
    let options = Options {
        segment_bytes: 16 << 10,
        ..OPTIONS
    };
    let mut local = Local::open(disk.clone(), options, &mut |_| {}).unwrap();
    let mut bytes = 0_usize;
    while bytes < 2 << 20 {
        submit(&mut local, 0, &[1; 1000]);
        local.journal.round().unwrap();
        keep_house(&mut local);
        bytes += 96 + 1000;
        let sizes = sizes(&disk);
        let needed = bytes.div_ceil(SEGMENT_BYTES - 2 * 1120);
        assert!(sizes.len() <= needed + 1, "{} for {bytes}", sizes.len());
        assert!(sizes.iter().all(|size| *size <= SEGMENT_BYTES));
    }
}

#[test]
fn unknown_files_are_left_alone_and_unfinished_ones_removed() {
    let disk = three_rounds();
    disk.put("notes", b"mine".to_vec());
    disk.put("snapshot-00001-00000000000000000009.tmp", b"half".to_vec());
    let (local, _) = open(&disk).unwrap();
    assert_eq!(local.recovered.unknown_files, ["notes"]);
    assert_eq!(
        local.recovered.unfinished_files,
        ["snapshot-00001-00000000000000000009.tmp"]
    );
    assert_eq!(disk.list().unwrap(), ["format", SEGMENT, "notes"]);
}

#[test]
fn a_failed_write_or_sync_is_final() {
    type Arm = fn(&MemoryDisk);
    let faults: [(Arm, &str, &str); 2] = [
        (
            |disk| disk.fail_write(1, Fault::Io),
            "write",
            "Input/output",
        ),
        (|disk| disk.fail_sync(1, Fault::Io), "sync", "Input/output"),
    ];
    for (fault, action, cause) in faults {
        let disk = MemoryDisk::new();
        let (mut local, _) = open(&disk).unwrap();
        submit(&mut local, 0, b"one");
        local.journal.round().unwrap();
        submit(&mut local, 0, b"two");
        fault(&disk);
        match local.journal.round().unwrap_err() {
            JournalError::Disk(DiskError {
                action: found,
                file,
                source,
            }) => {
                assert_eq!(
                    (found.to_string().as_str(), file.as_str()),
                    (action, SEGMENT)
                );
                assert!(source.to_string().starts_with(cause), "{source}");
            }
            JournalError::Failed => panic!("it is the first failure"),
        }
        let syncs = disk.syncs();
        assert!(local.logs.iter().all(ShardLog::is_failed));
        let batch = local.logs[1].batch();
        assert_eq!(local.logs[1].submit(batch), Err(StoreFailed));
        assert!(matches!(local.journal.round(), Err(JournalError::Failed)));
        assert!(matches!(
            local.housekeeper.step(),
            Err(HousekeeperError::Failed)
        ));
        assert_eq!(local.logs[0].committed(), LogIndex(1));
        assert_eq!(disk.syncs(), syncs, "no second try");
    }
}

#[test]
fn a_journal_that_is_dropped_unclosed_fails_the_store() {
    let (local, _) = open(&MemoryDisk::new()).unwrap();
    drop(local.journal);
    assert!(local.logs[0].is_failed());
}

#[test]
fn threads_commit_and_close() {
    let disk = MemoryDisk::new();
    let (local, _) = open(&disk).unwrap();
    let Local {
        mut logs,
        journal,
        housekeeper,
        ..
    } = local;
    let journal = std::thread::spawn(move || journal.run());
    let housekeeper = std::thread::spawn(move || housekeeper.run());
    for _ in 0..200 {
        for log in &mut logs {
            let mut batch = log.batch();
            batch.push(1, |out| out.extend_from_slice(&[5; 200]));
            log.submit(batch).unwrap();
            if log.wants_snapshot() {
                log.save_snapshot(Box::new(Saved(vec![b"state"])));
            }
        }
    }
    drop(logs);
    journal.join().unwrap().unwrap();
    housekeeper.join().unwrap().unwrap();
    let (local, _) = open(&disk).unwrap();
    assert_eq!(local.logs[0].next_index(), LogIndex(201));
    assert_eq!(local.recovered.torn_bytes_cut, 0);
}

#[test]
fn a_damaged_round_with_a_headless_one_behind_it_is_corruption() {
    let disk = three_rounds();
    let mut bytes = disk.content(SEGMENT).unwrap();
    bytes[ROUNDS[1] + HEADERS[1] + 20] ^= 1;
    bytes[ROUNDS[2]..ROUNDS[2] + HEADERS[2]].fill(0);
    disk.put(SEGMENT, bytes);
    for _ in 0..2 {
        let (damaged, _) = damage(&disk);
        assert_eq!(
            shards_of(&damaged),
            [0, 1],
            "what the last round held is unknown"
        );
    }
}

/// A store whose last round has one record of shard 0, with this payload.
fn one_record(payload: &[u8]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, payload);
    local.journal.round().unwrap();
    disk
}

/// Where the record of [`one_record`] begins.
const RECORD: usize = ROUNDS[0] + HEADERS[0];

#[test]
fn an_intact_record_of_another_try_is_not_taken_for_one_of_the_round() {
    // The header of a round, over what an earlier torn write of the same indexes has left.
    let mut bytes = one_record(&[2; 600]).content(SEGMENT).unwrap();
    let earlier = one_record(&[1; 600]).content(SEGMENT).unwrap();
    bytes[RECORD..].copy_from_slice(&earlier[RECORD..]);
    let disk = one_record(&[2; 600]);
    disk.put(SEGMENT, bytes.clone());
    let (local, replay) = open(&disk).unwrap();
    assert!(replay.is_empty(), "the round was never confirmed");
    assert_eq!(local.recovered.damaged, []);
    // The same in a round that was.
    let disk = one_record(&[2; 600]);
    drop(open(&disk).unwrap());
    let mut sealed = disk.content(SEGMENT).unwrap();
    sealed[..bytes.len()].copy_from_slice(&bytes);
    disk.put(SEGMENT, sealed);
    let (damaged, _) = damage(&disk);
    assert_eq!(shards_of(&damaged), [0]);
    assert_eq!(damaged[0].corruptions[0].flaw, Flaw::Digest);
}

#[test]
fn a_record_inside_a_damaged_payload_deceives_nobody() {
    let mut forged = Vec::new();
    for index in 1..4 {
        crate::record::encode(&mut forged, 1, 7, index, |out| {
            out.extend_from_slice(b"forged");
        });
    }
    // So that it is found where records begin.
    let payload = [&[0; 4], forged.as_slice()].concat();
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, &payload);
    submit(&mut local, 1, b"true");
    local.journal.round().unwrap();
    drop(local);
    drop(open(&disk).unwrap());
    disk.flip(SEGMENT, RECORD + 18, 1);
    let (damaged, replay) = damage(&disk);
    assert!(shards_of(&damaged).contains(&0));
    assert!(replay.iter().all(|record| record.3 == b"true"));
}

#[test]
fn rounds_of_an_earlier_use_are_nothing() {
    // A segment that holds rounds 1 to 3 becomes the second one, and only its first round is written anew.
    let disk = three_rounds();
    let old = disk.content(SEGMENT).unwrap();
    let next = "journal-0000000000000002";
    let header = super::header::Header {
        store: u64::from_le_bytes(*old[16..].first_chunk().unwrap()),
        number: 2,
        shard: 1,
    };
    let mut reused = header.encode(super::header::Kind::Journal).to_vec();
    reused.extend_from_slice(&old[40..]);
    disk.put(next, reused);
    let (mut local, replay) = open(&disk).unwrap();
    assert_eq!((replay.len(), local.recovered.damaged.len()), (4, 0));
    submit(&mut local, 0, &[1; 2000]);
    local.journal.round().unwrap();
    assert_eq!(disk.content(next).unwrap().len(), 40 + 88 + 2024);
    drop(local);
    assert_eq!(open(&disk).unwrap().1.len(), 5);
}

#[test]
fn an_opening_tells_how_far_it_has_come() {
    let disk = three_rounds();
    let mut told = Vec::new();
    Local::open_telling(disk, OPTIONS, &mut |_| {}, &mut |progress| {
        told.push((progress.read_bytes, progress.total_bytes));
    })
    .unwrap();
    assert_eq!(told, [(392, 392)]);
}
