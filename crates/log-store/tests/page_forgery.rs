//! What a page holds, whatever it is, is not taken for anything that the store has written.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use log_store::{Disk, Flaw, MemoryDisk, OpenError};
use support::{SEGMENT, close, keep, open, read, run_dry, save};

/// What stands in front of the content of the only page of a batch at the beginning of a segment: the file's header,
/// the mark, the page's header.
const CONTENT_BEGINS: usize = 40 + 80 + 20;

/// The bytes of a segment of another store, or of one that has the same number.
fn segment_of_another(is_same: bool, pages: &[(u64, &[u8])], is_sealed: bool) -> Vec<u8> {
    let disk = MemoryDisk::new();
    if !is_same {
        disk.random();
    }
    let mut local = open(&disk).unwrap();
    for (page, bytes) in pages {
        save(&mut local, 0, *page, bytes);
        local.pager.step().unwrap();
    }
    if is_sealed {
        close(local);
    }
    disk.content(SEGMENT).unwrap()
}

/// A page that holds whole batches, at the very places where they would be true, in a batch of whose marks none is
/// intact: so they are come across.
#[test]
fn a_batch_inside_a_page_is_none() {
    for is_same in [true, false] {
        let other = segment_of_another(is_same, &[(8, &[0; 300]), (9, b"forged")], false);
        let forged_begins = 40 + 80 + 320 + 80;
        let mut content = vec![0; forged_begins - CONTENT_BEGINS];
        content.extend_from_slice(&other[forged_begins..]);
        content.extend_from_slice(&[0; 30]);

        let disk = MemoryDisk::new();
        let mut local = open(&disk).unwrap();
        for (page, bytes) in [(1, &content[..]), (2, b"behind"), (3, b"the last")] {
            save(&mut local, 0, page, bytes);
            local.pager.step().unwrap();
        }
        let placed = disk.content(SEGMENT).unwrap();
        assert!(placed[forged_begins..].starts_with(&other[forged_begins..]));
        disk.flip(SEGMENT, 40 + 30, 1);
        disk.flip(
            SEGMENT,
            40 + 80 + (20 + content.len()).next_multiple_of(8) + 30,
            1,
        );
        drop(local);
        let mut local = open(&disk).unwrap();
        let damaged = &local.recovered.damaged_pages[0];
        assert_eq!((damaged.offset, damaged.flaw), (40, Flaw::PageMark));
        // With the store's number it would be one: that alone nobody knows.
        let missing: &[u64] = if is_same { &[1] } else { &[1, 9] };
        assert_eq!(keep(&mut local, 0, &[1, 2, 3, 9]), missing);
        assert_eq!(read(&mut local, 0, 2), Ok(b"behind".to_vec()));
    }
}

/// A page behind a damaged one, of the same batch, holds a whole page and what begins a segment.
#[test]
fn a_page_inside_a_page_is_none() {
    let other = segment_of_another(false, &[(9, b"forged")], false);
    // Where its content begins, a record could.
    let content = [&[0; 4], &other[120..], &other[..]].concat();
    for flipped in [120 + 16 + 4, 120 + 16 + 9, 120 + 16 + 22] {
        let disk = MemoryDisk::new();
        let mut local = open(&disk).unwrap();
        save(&mut local, 0, 1, b"damaged");
        save(&mut local, 0, 2, &content);
        local.pager.step().unwrap();
        save(&mut local, 0, 3, b"in a batch behind");
        local.pager.step().unwrap();
        disk.flip(SEGMENT, flipped, 4);
        drop(local);
        let mut local = open(&disk).unwrap();
        assert_eq!(keep(&mut local, 0, &[1, 2, 3, 9]), [9]);
        let damage = read(&mut local, 0, 1).unwrap_err();
        assert_eq!((damage.offset, damage.flaw), (136, Flaw::Page));
        assert_eq!(read(&mut local, 0, 2), Ok(content.clone()));
        assert_eq!(read(&mut local, 0, 3), Ok(b"in a batch behind".to_vec()));
    }
}

/// A page that holds the index of a segment of another store, at the very place where it would be true, in a file that
/// ends with it.
#[test]
fn an_end_inside_a_page_is_none() {
    for is_same in [true, false] {
        let other = segment_of_another(is_same, &[(9, &[0; 300])], true);
        let index_begins = 40 + 80 + 320 + 80;
        let mut content = vec![0; index_begins - CONTENT_BEGINS];
        content.extend_from_slice(&other[index_begins..]);

        let disk = MemoryDisk::new();
        let mut local = open(&disk).unwrap();
        save(&mut local, 0, 1, &content);
        run_dry(&mut local);
        let mut torn = disk.content(SEGMENT).unwrap();
        torn.truncate(other.len());
        assert_eq!(torn[index_begins..], other[index_begins..]);
        disk.put(SEGMENT, torn);
        drop(local);
        let mut local = open(&disk).unwrap();
        let missing: &[u64] = if is_same { &[1] } else { &[9] };
        assert_eq!(keep(&mut local, 0, &[1, 9]), missing);
        if !is_same {
            assert_eq!(read(&mut local, 0, 1), Ok(content));
        }
    }
}

/// Whoever knows the store's number may write marks that claim all of the file, one behind the other. They are not all
/// looked at: that would take hours.
#[test]
fn marks_that_overlap_take_no_time() {
    const BYTES: usize = 8 << 20;
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    save(&mut local, 0, 1, b"a page");
    run_dry(&mut local);
    drop(local);
    let mut content = disk.content(SEGMENT).unwrap();
    let mark = content[40..100].to_vec();
    let first = content.len();
    content.resize(BYTES, 0);
    for place in (first..BYTES - 64).step_by(64) {
        let pages = (BYTES - place - 60) / 16;
        let put = |to: &mut [u8], number: usize| {
            let bytes = number.to_le_bytes();
            let count = to.len();
            to.copy_from_slice(&bytes[..count]);
        };
        content[place..place + 60].copy_from_slice(&mark);
        put(&mut content[place..place + 4], 40 + 16 * pages);
        put(&mut content[place + 28..place + 36], place);
        put(&mut content[place + 52..place + 60], pages);
    }
    disk.put(SEGMENT, content.clone());
    let mut local = open(&disk).unwrap();
    let damaged = &local.recovered.damaged_pages[0];
    assert_eq!(usize::try_from(damaged.offset), Ok(first));
    assert_eq!(keep(&mut local, 0, &[1]), [0; 0]);
    assert_eq!(read(&mut local, 0, 1), Ok(b"a page".to_vec()));
    assert!(disk.content(SEGMENT).unwrap().starts_with(&content));
}

#[test]
fn a_segment_of_an_earlier_version_is_refused_by_name() {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    save(&mut local, 0, 1, b"a page");
    close(local);
    let mut content = disk.content(SEGMENT).unwrap();
    content[8..16].copy_from_slice(&[1, 0, 0, 0, 0x76, 0xF4, 0x37, 0x0F]);
    disk.put(SEGMENT, content.clone());
    let error = open(&disk).unwrap_err();
    assert!(
        matches!(&error, OpenError::Older { file, version: 1, supported: 2 } if file == SEGMENT),
        "{error:?}"
    );
    assert_eq!(disk.content(SEGMENT).unwrap(), content);
}
