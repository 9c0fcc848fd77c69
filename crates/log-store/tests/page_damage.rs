//! Any byte of a segment of pages flipped, any range of it overwritten, whether it was sealed or was being written when the
//! process ended: only what is hit is lost.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use log_store::{Corruption, Disk, Flaw, Local, MemoryDisk, ShardLog, check};
use model::{PageNumber, ShardId};
use std::collections::BTreeMap;
use std::ops::Range;
use support::layout::{Batch, Expected, Found, STATES, State, layout};
use support::{SEGMENT, close, keep, open, read, run_dry, save};

/// Some of them are written again, in a batch behind, or in the same.
const BATCHES: [Batch<'static>; 4] = [
    &[(0, 1, b"one"), (1, 1, b"its older version"), (1, 7, b"")],
    &[
        (0, 2, b"two"),
        (1, 2, b"its older version"),
        (0, 5, b"five, once"),
    ],
    &[(0, 0x0102_0304_0506, b"alone")],
    &[
        (1, 1, b"its newer version"),
        (0, 9, b"nine"),
        (1, 2, b"newer, too"),
    ],
];

/// All pages of those.
const PAGES: [(usize, u64); 8] = [
    (0, 1),
    (0, 2),
    (0, 5),
    (0, 9),
    (0, 0x0102_0304_0506),
    (1, 1),
    (1, 2),
    (1, 7),
];

/// A store with these pages in one segment.
fn store(batches: &[Batch<'_>], state: State) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    for batch in batches {
        for (shard, page, bytes) in *batch {
            save(&mut local, *shard, *page, bytes);
        }
        local.pager.step().unwrap();
    }
    if state == State::Sealed {
        close(local);
    }
    disk
}

fn number(number: usize) -> u64 {
    u64::try_from(number).unwrap()
}

/// Reads all pages; those that are missing are not there.
fn look(local: &mut Local<MemoryDisk>) -> BTreeMap<(usize, u64), Result<Vec<u8>, Corruption>> {
    let mut found = BTreeMap::new();
    for shard in 0..2 {
        let pages = PAGES.iter().filter(|(of, _)| *of == shard);
        let pages: Vec<u64> = pages.map(|(_, page)| *page).collect();
        let missing = keep(local, shard, &pages);
        for page in pages.into_iter().filter(|page| !missing.contains(page)) {
            found.insert((shard, page), read(local, shard, page));
        }
    }
    found
}

/// Opens a store, of whose segment a range was hit, twice.
fn check_store(disk: &MemoryDisk, expected: &Expected<'_>, what: &str) {
    let before = disk.content(SEGMENT).unwrap();
    check_report(disk, expected, what);
    for turn in ["first", "second"] {
        let what = format!("{what}, {turn} opening");
        let mut local = open(disk).unwrap();
        let found = look(&mut local);
        let keys: Vec<_> = found.keys().collect();
        assert!(
            expected.pages.keys().eq(keys.iter().copied()),
            "{what}: {keys:?}"
        );
        for ((key, found), expected) in found.iter().zip(expected.pages.values()) {
            match (found, expected) {
                (Ok(payload), Found::Intact(bytes)) => assert_eq!(payload, bytes, "{what}"),
                (Err(corruption), Found::Damaged(offset)) => {
                    let expected = Corruption {
                        file: SEGMENT.to_owned(),
                        offset: number(*offset),
                        shard: Some(ShardId(u16::try_from(key.0).unwrap())),
                        index: None,
                        flaw: Flaw::Page,
                    };
                    assert_eq!(*corruption, expected, "{what}");
                }
                (found, expected) => panic!("{what}: {key:?} is {found:?}, not {expected:?}"),
            }
        }
        let damaged = local.recovered.damaged_pages.iter();
        let told: Vec<_> = damaged.map(|it| (it.offset, it.flaw)).collect();
        let expected_told = expected.told.iter();
        let expected_told: Vec<_> = expected_told.map(|it| (number(it.0), it.1)).collect();
        assert_eq!(told, expected_told, "{what}");
        let after = disk.content(SEGMENT);
        assert_eq!(after.is_some(), expected.kept.is_some(), "{what}");
        if let (Some(after), Some(kept)) = (after, expected.kept) {
            let kept = before.len().min(kept);
            assert!(
                after[..kept] == before[..kept],
                "{what}: nothing is overwritten or cut"
            );
        }
    }
}

/// What `check` says of it before it is opened.
fn check_report(disk: &MemoryDisk, expected: &Expected<'_>, what: &str) {
    let operations = disk.operations();
    let report = check(disk, &mut |_| {}).unwrap();
    assert_eq!(disk.operations(), operations, "{what}: it changes nothing");
    let pages = expected.pages.iter();
    let intact = pages
        .clone()
        .filter(|(_, found)| matches!(found, Found::Intact(_)));
    let intact: Vec<_> = intact
        .map(|((shard, page), _)| (ShardId(u16::try_from(*shard).unwrap()), PageNumber(*page)))
        .collect();
    assert_eq!(report.pages, intact, "{what}");
    let named = |offset: usize, flaw: Flaw| {
        let mut damaged = report.damaged_pages.iter();
        damaged.any(|it| it.offset == number(offset) && it.flaw == flaw)
    };
    for found in expected.pages.values() {
        if let Found::Damaged(offset) = found {
            assert!(named(*offset, Flaw::Page), "{what}: {report:?}");
        }
    }
    for (offset, flaw) in &expected.told {
        assert!(named(*offset, *flaw), "{what}: {report:?}");
    }
}

#[test]
fn a_flipped_byte_hits_the_page_that_it_belongs_to() {
    for state in STATES {
        let size = store(&BATCHES, state).content(SEGMENT).unwrap().len();
        for offset in 0..size {
            let disk = store(&BATCHES, state);
            disk.flip(SEGMENT, offset, 1 << (offset % 8));
            let hit = offset..offset + 1;
            let expected = Expected::of(&BATCHES, size, state, &hit);
            let lost = PAGES.len() - expected.pages.len();
            let damaged = expected.pages.values();
            let damaged = damaged.filter(|found| matches!(found, Found::Damaged(_)));
            assert!(lost + damaged.count() <= 1, "a byte is at most of one page");
            check_store(&disk, &expected, &format!("{state:?}, byte {offset}"));
        }
    }
}

#[test]
fn a_damaged_range_hits_the_pages_that_it_belongs_to() {
    for state in STATES {
        let original = store(&BATCHES, state);
        let content = original.content(SEGMENT).unwrap();
        let size = content.len();
        for bytes in [24, 100, 200, 512, 700, size] {
            for start in (0..size).step_by(if bytes == size { size } else { 8 }) {
                let hit = start..size.min(start + bytes);
                let mut damaged = content.clone();
                // Not zeroed: some bytes are zero, and would be as they should.
                damaged[hit.clone()]
                    .iter_mut()
                    .for_each(|byte| *byte = !*byte);
                original.put(SEGMENT, damaged);
                let disk = copy_of(&original);
                let expected = Expected::of(&BATCHES, size, state, &hit);
                check_store(&disk, &expected, &format!("{state:?}, {hit:?}"));
            }
        }
    }
}

fn copy_of(disk: &MemoryDisk) -> MemoryDisk {
    let copy = MemoryDisk::new();
    for name in disk.list().unwrap() {
        copy.put(&name, disk.content(&name).unwrap());
    }
    copy
}

#[test]
fn what_was_not_written_whole_is_not_there() {
    let size = store(&BATCHES, State::Unsealed)
        .content(SEGMENT)
        .unwrap()
        .len();
    for end in 40..size {
        let disk = store(&BATCHES, State::Unsealed);
        let mut content = disk.content(SEGMENT).unwrap();
        content.truncate(end);
        disk.put(SEGMENT, content);
        // What was cut off is as good as hit, and nothing tells that anything was behind.
        let placed = layout(&BATCHES);
        let begun = placed.iter().filter(|batch| batch.begins < end).count();
        if begun == 0 {
            open(&disk).unwrap();
            assert_eq!(disk.content(SEGMENT), None);
            continue;
        }
        let is_hit = |part: &Range<usize>| part.end.next_multiple_of(8) > end;
        let (batches, state) = (&BATCHES[..begun], State::Unsealed);
        let expected = Expected::of_parts(batches, usize::MAX, state, &is_hit);
        check_store(&disk, &expected, &format!("cut at {end}"));
    }
}

/// A write of pages that are there already is torn: of each, what is whole counts.
#[test]
fn of_a_torn_rewrite_what_is_whole_counts() {
    let mut outcomes = BTreeMap::new();
    for lost in 0..40 {
        let disk = MemoryDisk::new();
        let mut local = open(&disk).unwrap();
        for page in 1..=4 {
            save(&mut local, 0, page, &[1; 1500]);
        }
        run_dry(&mut local);
        for page in 1..=4 {
            save(&mut local, 0, page, &[2; 1500]);
        }
        disk.crash_at(2);
        local.pager.step().unwrap_err();
        let mut turn = 0;
        disk.crash(&mut |limit| {
            turn += 1;
            if turn == lost { 0 } else { limit - 1 }
        });
        let mut local = open(&disk).unwrap();
        assert_eq!(keep(&mut local, 0, &[1, 2, 3, 4]), [0; 0]);
        let newer = (1..=4).filter(|page| {
            let payload = read(&mut local, 0, *page).unwrap();
            assert!(payload == [1; 1500] || payload == [2; 1500]);
            payload == [2; 1500]
        });
        *outcomes.entry(newer.count()).or_insert(0) += 1;
    }
    assert!(outcomes[&3] >= 8, "one sector of one page: {outcomes:?}");
    assert!(outcomes[&2] >= 3, "one sector of two pages: {outcomes:?}");
}

/// A write that found no room may have left more than the one that came in its place.
#[test]
fn what_a_write_that_was_given_up_has_left_is_nothing() {
    let given_up: Batch<'_> = &[(0, 1, b"one"), (0, 2, b"two"), (0, 9, &[9; 300])];
    let in_its_place: Batch<'_> = &[(0, 1, b"one"), (0, 2, b"newer")];
    let before: Batch<'_> = &[(0, 2, b"older"), (0, 5, b"five")];
    let left = store(&[before, given_up], State::Unsealed);
    let left = left.content(SEGMENT).unwrap();
    let disk = store(&[before, in_its_place], State::Unsealed);
    let mut content = disk.content(SEGMENT).unwrap();
    content.extend_from_slice(&left[content.len()..]);
    disk.put(SEGMENT, content);
    let torn = &layout(&[before, in_its_place])[1].pages[1].3;
    disk.flip(SEGMENT, torn.end - 1, 1);
    for _ in 0..2 {
        let mut local = open(&disk).unwrap();
        assert_eq!(local.recovered.damaged_pages, []);
        assert_eq!(keep(&mut local, 0, &[1, 2, 5, 9]), [9]);
        assert_eq!(read(&mut local, 0, 1), Ok(b"one".to_vec()));
        assert_eq!(read(&mut local, 0, 2), Ok(b"older".to_vec()));
    }
}

#[test]
fn a_damaged_index_is_made_anew() {
    let disk = store(&BATCHES, State::Sealed);
    let content = disk.content(SEGMENT).unwrap();
    let index = layout(&BATCHES).last().unwrap().ends;
    disk.flip(SEGMENT, index + 30, 1);
    open(&disk).unwrap();
    assert_eq!(disk.content(SEGMENT).unwrap(), content);
}

/// Neither the index nor any mark tells of a batch: what is left of the index may be all that ever will.
#[test]
fn a_damaged_index_stays_where_marks_are_damaged() {
    let disk = store(&BATCHES, State::Sealed);
    let layout = layout(&BATCHES);
    disk.flip(SEGMENT, layout[3].ends + 30, 1);
    for mark in &layout[1].marks {
        disk.flip(SEGMENT, mark.start + 9, 1);
    }
    let content = disk.content(SEGMENT).unwrap();
    for _ in 0..2 {
        let mut local = open(&disk).unwrap();
        let damaged = &local.recovered.damaged_pages[..];
        assert_eq!(damaged[0].offset, number(layout[1].begins));
        assert_eq!(damaged.len(), 1);
        assert_eq!(keep(&mut local, 0, &[1, 2, 5, 9]), [2, 5]);
        assert_eq!(read(&mut local, 0, 9), Ok(b"nine".to_vec()));
        keep(&mut local, 0, &[]);
        keep(&mut local, 1, &[]);
        run_dry(&mut local);
        let kept = disk.content(SEGMENT).unwrap();
        assert_eq!(kept, content, "nothing of it is alive, but it is damaged");
    }
}

/// What is lost of a segment is told at every opening, also when its index tells what is left.
#[test]
fn a_segment_of_which_something_is_lost_stays() {
    let disk = store(&BATCHES, State::Unsealed);
    let lost = &layout(&BATCHES)[1];
    for mark in &lost.marks {
        disk.flip(SEGMENT, mark.start + 9, 1);
    }
    for _ in 0..3 {
        let mut local = open(&disk).unwrap();
        let damaged = &local.recovered.damaged_pages[0];
        assert_eq!(damaged.offset, number(lost.begins));
        assert_eq!(damaged.flaw, Flaw::PageMark);
        assert_eq!(keep(&mut local, 0, &[1, 2, 5]), [2, 5]);
        assert_eq!(keep(&mut local, 1, &[1, 2, 7]), [0; 0]);
        keep(&mut local, 0, &[]);
        keep(&mut local, 1, &[]);
        save(&mut local, 0, 100, &[0; 100]);
        run_dry(&mut local);
        close(local);
        let content = disk.content(SEGMENT).unwrap();
        let (_, _, bytes, place) = &lost.pages[2];
        assert_eq!(content[place.start + 20..place.end], **bytes);
    }
}

#[test]
fn a_damaged_page_keeps_its_segment_from_being_compacted_away() {
    let pages = (1..=80).map(|page| (0, page, &[7; 12_000][..]));
    let pages: Vec<_> = pages.collect();
    let disk = store(&[&pages], State::Sealed);
    let place = layout(&[&pages])[0].pages[0].3.start;
    disk.flip(SEGMENT, place + 20 + 5, 1);
    let mut local = open(&disk).unwrap();
    assert_eq!(keep(&mut local, 0, &[1, 2, 3, 75]), [0; 0]);
    run_dry(&mut local);
    assert!(disk.content("pages-0000000000000002").is_some(), "copied");
    assert_eq!(read(&mut local, 0, 2), Ok(vec![7; 12_000]));
    for _ in 0..2 {
        let corruption = read(&mut local, 0, 1).unwrap_err();
        let found = (corruption.file.as_str(), corruption.offset);
        assert_eq!(found, (SEGMENT, number(place)));
        local.logs[0].free_page(PageNumber(3));
        run_dry(&mut local);
    }
}
