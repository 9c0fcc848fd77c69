//! A disk that is full, or nearly.

use super::{OPTIONS, SEGMENT, Saved, keep_house, open, submit, three_rounds};
use crate::disk::{Disk, Fault, MemoryDisk};
use crate::local::{JournalError, Local, Options, Round, Step};
use crate::shard_log::{ShardLog, Space};
use model::LogIndex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

#[test]
fn a_full_disk_is_waited_out() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"one");
    local.journal.round().unwrap();
    assert_eq!(local.logs[0].space(), Space::Enough);
    disk.set_capacity(Some(disk.used_bytes() + 30));
    submit(&mut local, 0, b"two");
    for _ in 0..3 {
        assert_eq!(local.journal.round().unwrap(), Round::default());
        assert_eq!(local.logs[0].committed(), LogIndex(1));
        assert_eq!(local.logs[1].space(), Space::Low);
    }
    submit(&mut local, 1, b"three");
    disk.set_capacity(None);
    assert_eq!(local.journal.round().unwrap().records, 1);
    assert_eq!(local.logs[0].committed(), LogIndex(2));
    assert_eq!(local.logs[0].space(), Space::Enough);
    assert_eq!(local.journal.round().unwrap().records, 1);
    drop(local);
    assert_eq!(open(&disk).unwrap().1.len(), 3);
}

#[test]
fn threads_go_on_when_there_is_room_again() {
    let disk = MemoryDisk::new();
    let (local, _) = open(&disk).unwrap();
    let Local {
        mut logs,
        journal,
        housekeeper,
        ..
    } = local;
    disk.set_capacity(Some(disk.used_bytes()));
    let journal = std::thread::spawn(move || journal.run());
    let housekeeper = std::thread::spawn(move || housekeeper.run());
    let log = &mut logs[0];
    log.wake_on_commit(Waker::from(Arc::new(Unpark(std::thread::current()))));
    let mut batch = log.batch();
    batch.push(1, |out| out.extend_from_slice(b"one"));
    log.submit(batch).unwrap();
    while log.space() == Space::Enough {
        std::thread::park();
    }
    assert_eq!(log.committed(), LogIndex(0));
    disk.set_capacity(None);
    while log.committed() == LogIndex(0) || log.space() == Space::Low {
        std::thread::park();
    }
    drop(logs);
    journal.join().unwrap().unwrap();
    housekeeper.join().unwrap().unwrap();
}

#[test]
fn a_journal_that_finds_no_room_to_the_end_says_so() {
    let disk = MemoryDisk::new();
    let (local, _) = open(&disk).unwrap();
    disk.set_capacity(Some(disk.used_bytes()));
    let Local {
        mut logs, journal, ..
    } = local;
    let mut batch = logs[0].batch();
    batch.push(1, |out| out.extend_from_slice(b"one"));
    logs[0].submit(batch).unwrap();
    drop(logs);
    assert!(matches!(journal.run(), Err(JournalError::Disk(_))));
}

#[test]
fn a_full_disk_holds_up_no_opening_and_no_other_opening_of_what_it_left() {
    let disk = three_rounds();
    for extra in [0, 10, 100, 200, 700] {
        let disk = {
            let copy = MemoryDisk::new();
            for name in disk.list().unwrap() {
                copy.put(&name, disk.content(&name).unwrap());
            }
            copy
        };
        disk.set_capacity(Some(disk.used_bytes() + extra));
        let (mut local, replay) = open(&disk).unwrap();
        assert_eq!(replay.len(), 4);
        submit(&mut local, 0, &[1; 100]);
        local.journal.round().unwrap();
        let committed = usize::try_from(local.logs[0].committed().0).unwrap();
        drop(local);
        let (local, replay) = open(&disk).unwrap();
        assert_eq!(local.recovered.damaged, []);
        assert!(replay.len() >= committed + 2);
    }
}

#[test]
fn what_is_not_urgent_waits_for_room() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, &[1; 1200]);
    local.journal.round().unwrap();
    let woken = Arc::new(Woken::default());
    local.logs[0].wake_on_commit(Waker::from(Arc::clone(&woken)));
    disk.set_capacity(Some(disk.used_bytes() + 100));
    local.logs[1].save_snapshot(Box::new(Saved(vec![])));
    local.logs[0].save_snapshot(Box::new(Saved(vec![&[5; 300]])));
    keep_house(&mut local);
    assert_eq!(local.logs[0].space(), Space::Low);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    let is_unfinished = |name: &String| name.ends_with(".tmp");
    assert!(!disk.list().unwrap().iter().any(is_unfinished));
    assert!(!local.logs[0].wants_snapshot());
    disk.set_capacity(None);
    keep_house(&mut local);
    assert!(local.logs[0].wants_snapshot(), "it is asked for again");
    assert_eq!(local.logs[0].space(), Space::Enough);
    local.logs[0].save_snapshot(Box::new(Saved(vec![&[5; 300]])));
    keep_house(&mut local);
    let names = disk.list().unwrap();
    let expected = [
        "format",
        SEGMENT,
        "journal-0000000000000002",
        "snapshot-00000-00000000000000000001",
        "spare-0000000000000001",
        "spare-0000000000000002",
        "spare-0000000000000003",
    ];
    assert_eq!(names, expected);
}

#[test]
fn snapshots_share_what_is_left() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"one");
    submit(&mut local, 1, b"two");
    local.journal.round().unwrap();
    keep_house(&mut local);
    disk.set_capacity(Some(disk.used_bytes()));
    let count = |prefix: &str| {
        let names = disk.list().unwrap();
        names.iter().filter(|name| name.starts_with(prefix)).count()
    };
    while !local.logs[0].wants_snapshot() {
        submit(&mut local, 0, &[1; 100]);
        submit(&mut local, 1, &[1; 100]);
        // One that finds no room does in the next segment.
        while local.journal.round().unwrap().records == 0 {
            keep_house(&mut local);
        }
        keep_house(&mut local);
    }
    assert_eq!((count("spare-"), count("snapshot-")), (1, 0));
    let large = || Box::new(Saved(vec![&[5; 600], &[6; 600]]));
    local.logs[0].save_snapshot(large());
    keep_house(&mut local);
    let kept = (count("spare-"), count("snapshot-"));
    assert_eq!(kept, (1, 0), "more than half of a segment");
    local.logs[1].save_snapshot(Box::new(Saved(vec![&[5; 300]])));
    keep_house(&mut local);
    assert_eq!((count("spare-"), count("snapshot-")), (0, 1));
    let segments = count("journal-");
    local.logs[0].save_snapshot(large());
    keep_house(&mut local);
    assert_eq!(count("snapshot-"), 2, "all that is left is the last one's");
    assert!(count("journal-") <= segments && !disk.list().unwrap().contains(&SEGMENT.to_owned()));
}

#[test]
fn less_than_is_to_be_free_is_low() {
    let disk = MemoryDisk::new();
    let options = Options {
        free_bytes_min: 5000,
        ..OPTIONS
    };
    disk.set_capacity(Some(4000));
    let mut local = Local::open(disk.clone(), options, &mut |_| {}).unwrap();
    assert_eq!(local.logs[0].space(), Space::Low, "from the beginning");
    disk.set_capacity(Some(50_000));
    keep_house(&mut local);
    assert_eq!(local.logs[0].space(), Space::Enough);
}

#[test]
fn housekeeping_survives_no_room_at_any_write_or_sync() {
    for nth in 1..30 {
        for sync in [false, true] {
            let disk = MemoryDisk::new();
            let (mut local, _) = open(&disk).unwrap();
            for _ in 0..3 {
                submit(&mut local, 0, &[1; 500]);
                local.journal.round().unwrap();
            }
            local.logs[0].save_snapshot(Box::new(Saved(vec![b"state"])));
            if sync {
                disk.fail_sync(nth, Fault::NoSpace);
            } else {
                disk.fail_write(nth, Fault::NoSpace);
            }
            for _ in 0..3 {
                keep_house(&mut local);
                if local.logs[0].wants_snapshot() {
                    local.logs[0].save_snapshot(Box::new(Saved(vec![b"state"])));
                }
            }
            assert_eq!(local.logs[0].space(), Space::Enough, "write {nth}");
            let names = disk.list().unwrap();
            assert!(names.iter().any(|name| name.starts_with("snapshot")));
            assert!(names.contains(&"journal-0000000000000002".to_owned()));
            assert!(!names.iter().any(|name| name.ends_with(".tmp")));
        }
    }
}

/// Wakes a thread.
struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Counts how often it was woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_was_refused_to_one_of_many_is_asked_for_when_there_is_room_for_it_alone() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"0");
    submit(&mut local, 1, b"1");
    local.journal.round().unwrap();
    keep_house(&mut local);
    disk.set_capacity(Some(disk.used_bytes()));
    submit_until_one_spare_is_left(&mut local, &disk);
    let large = || Box::new(Saved(vec![&[5; 30_000]]));
    local.logs[0].save_snapshot(large());
    keep_house(&mut local);
    assert_eq!(count(&disk, "snapshot-"), 0);
    disk.set_capacity(Some(disk.used_bytes() + 45_000));
    keep_house(&mut local);
    assert!(local.logs[0].wants_snapshot());
    local.logs[0].save_snapshot(large());
    keep_house(&mut local);
    assert_eq!(count(&disk, "snapshot-00000-"), 1);
    assert_eq!(local.logs[0].space(), Space::Enough);
}

#[test]
fn what_a_disk_with_room_has_refused_is_asked_for_again() {
    let disk = MemoryDisk::new();
    disk.set_capacity(Some(100_000));
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"0");
    local.journal.round().unwrap();
    keep_house(&mut local);
    local.logs[0].save_snapshot(Box::new(Saved(vec![b"zero"])));
    disk.fail_write(1, Fault::NoSpace);
    keep_house(&mut local);
    assert_eq!(local.logs[0].space(), Space::Low);
    keep_house(&mut local);
    assert!(local.logs[0].wants_snapshot());
    local.logs[0].save_snapshot(Box::new(Saved(vec![b"zero"])));
    keep_house(&mut local);
    assert_eq!(count(&disk, "snapshot-00000-"), 1);
    assert_eq!(local.logs[0].space(), Space::Enough);
}

#[test]
fn a_snapshot_that_found_room_after_all_leaves_nothing_to_be_waited_for() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"0");
    local.journal.round().unwrap();
    keep_house(&mut local);
    disk.set_capacity(Some(disk.used_bytes() + 5000));
    local.logs[0].save_snapshot(Box::new(Saved(vec![&[5; 10_000]])));
    keep_house(&mut local);
    assert_eq!(local.logs[0].space(), Space::Low);
    local.logs[0].save_snapshot(Box::new(Saved(vec![b"zero"])));
    keep_house(&mut local);
    assert_eq!(count(&disk, "snapshot-00000-"), 1);
    assert_eq!(local.logs[0].space(), Space::Enough);
}

#[test]
fn a_snapshot_whose_name_finds_no_room_leaves_all_of_its_spare() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"0");
    local.journal.round().unwrap();
    local.logs[0].save_snapshot(Box::new(Saved(vec![b"zero"])));
    keep_house(&mut local);
    disk.set_capacity(Some(disk.used_bytes()));
    submit_until_one_spare_is_left(&mut local, &disk);
    let used = disk.used_bytes();
    local.logs[1].save_snapshot(Box::new(Saved(vec![b"one"])));
    for _ in 0..2 {
        assert_eq!(local.housekeeper.step().unwrap(), Step::Worked);
    }
    // Behind the cut and the sync.
    disk.fail_operation(3, Fault::NoSpace);
    local.housekeeper.step().unwrap();
    assert_eq!(count(&disk, "snapshot-00001-"), 0);
    assert_eq!(disk.used_bytes(), used);
    disk.set_capacity(Some(used));
    keep_house(&mut local);
    assert!(local.logs[1].wants_snapshot());
    local.logs[1].save_snapshot(Box::new(Saved(vec![b"one"])));
    keep_house(&mut local);
    assert_saved(local, &disk);
}

#[test]
fn a_snapshot_that_finds_no_room_holds_up_no_other() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"0");
    submit(&mut local, 1, b"1");
    local.journal.round().unwrap();
    keep_house(&mut local);
    disk.set_capacity(Some(disk.used_bytes() + 5000));
    local.logs[0].save_snapshot(Box::new(Saved(vec![&[5; 10_000]])));
    local.logs[1].save_snapshot(Box::new(Saved(vec![b"one"])));
    keep_house(&mut local);
    assert_eq!(count(&disk, "snapshot-00001-"), 1);
}

/// How many files there are with such a name.
fn count(disk: &MemoryDisk, prefix: &str) -> usize {
    let names = disk.list().unwrap();
    names.iter().filter(|name| name.starts_with(prefix)).count()
}

/// Lets shard 1 submit until there is no room for the next segment.
fn submit_until_low(local: &mut Local<MemoryDisk>) {
    while local.logs[0].space() == Space::Enough {
        submit(local, 1, &[2; 100]);
        assert_eq!(local.journal.round().unwrap().records, 1);
        keep_house(local);
    }
    assert!(local.logs[1].wants_snapshot());
}

/// Lets shard 1 submit on a full disk until what is left is for snapshots.
fn submit_until_one_spare_is_left(local: &mut Local<MemoryDisk>, disk: &MemoryDisk) {
    while local.logs[0].space() == Space::Enough || count(disk, "spare-") > 1 {
        submit(local, 1, &[2; 100]);
        // One that finds no room does in the next segment.
        while local.journal.round().unwrap().records == 0 {
            keep_house(local);
        }
        keep_house(local);
    }
}

/// Both shards have a snapshot, and nothing is damaged.
fn assert_saved(local: Local<MemoryDisk>, disk: &MemoryDisk) {
    drop(local);
    let (local, replay) = open(disk).unwrap();
    assert_eq!(local.recovered.damaged, []);
    for payload in [b"zero".as_slice(), b"one"] {
        assert!(replay.iter().any(|(_, _, _, found)| found == payload));
    }
}

#[test]
fn a_spare_that_a_snapshot_is_written_to_is_not_replaced_by_an_old_segment() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    keep_house(&mut local);
    // While the store is copied nothing is taken away, though the first segments are not needed any more.
    disk.set_copied(true);
    while count(&disk, "journal-") < 4 {
        submit(&mut local, 0, &[1; 100]);
        assert_eq!(local.journal.round().unwrap().records, 1);
        keep_house(&mut local);
    }
    local.logs[0].save_snapshot(Box::new(Saved(vec![b"zero"])));
    keep_house(&mut local);
    while count(&disk, "journal-") < 7 {
        submit(&mut local, 1, &[2; 100]);
        assert_eq!(local.journal.round().unwrap().records, 1);
        keep_house(&mut local);
    }
    disk.set_capacity(Some(disk.used_bytes()));
    submit_until_low(&mut local);
    local.logs[1].save_snapshot(Box::new(Saved(vec![b"one"])));
    assert_eq!(local.housekeeper.step().unwrap(), Step::Worked);
    disk.set_copied(false);
    keep_house(&mut local);
    assert_saved(local, &disk);
}

#[test]
fn a_spare_that_a_snapshot_is_written_to_is_not_replaced_by_a_new_one() {
    let disk = MemoryDisk::new();
    let (mut local, _) = open(&disk).unwrap();
    submit(&mut local, 0, b"0");
    submit(&mut local, 1, b"1");
    local.journal.round().unwrap();
    local.logs[0].save_snapshot(Box::new(Saved(vec![b"zero"])));
    keep_house(&mut local);
    disk.set_capacity(Some(disk.used_bytes()));
    submit_until_one_spare_is_left(&mut local, &disk);
    submit(&mut local, 1, &[2; 100]);
    local.logs[1].save_snapshot(Box::new(Saved(vec![b"one"])));
    keep_house(&mut local);
    assert_eq!(
        count(&disk, "snapshot-00001-"),
        0,
        "its log is not committed"
    );
    disk.set_capacity(None);
    keep_house(&mut local);
    assert_eq!(local.journal.round().unwrap().records, 1);
    keep_house(&mut local);
    assert_eq!(count(&disk, "snapshot-00001-"), 1);
    assert_saved(local, &disk);
}
