//! The files of pages byte by byte, and what ends the work on pages.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use log_store::{
    Disk, DiskError, Fault, Flaw, Local, MemoryDisk, OpenError, Options, PageNews, PageSource,
    PagesError, RealDisk, ShardLog, Step,
};
use model::PageNumber;
use support::{Bytes, OPTIONS, SEGMENT, close, keep, only_news, open, read, run_dry, save};

/// The batches of [`three_pages`]: three pages, one of them in two versions.
const BATCHES: [&[(usize, u64, &[u8])]; 3] = [
    &[(0, 1, b"one"), (1, 1, b"its older version")],
    &[(0, 0x0102_0304_0506, b"another shard's page")],
    &[(1, 1, b"its newer version")],
];

/// A store with some pages, all in one segment that was sealed or not.
fn three_pages(is_sealed: bool) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    for batch in BATCHES {
        for (shard, page, bytes) in batch {
            save(&mut local, *shard, *page, bytes);
        }
        local.pager.step().unwrap();
    }
    if is_sealed {
        close(local);
    }
    disk
}

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

#[test]
fn a_sealed_segment_is_as_drawn() {
    let disk = three_pages(true);
    let content = disk.content(SEGMENT).unwrap();
    assert_eq!(hex(&content), include_str!("golden/pages.hex"));
    // Sealed at the next open, it is the same.
    let unsealed = three_pages(false);
    assert!(unsealed.content(SEGMENT).unwrap().len() < content.len());
    open(&unsealed).unwrap();
    assert_eq!(unsealed.content(SEGMENT).unwrap(), content);
}

#[test]
fn a_foreign_or_newer_segment_is_refused_before_anything_is_changed() {
    let other = MemoryDisk::new();
    other.random();
    let mut local = open(&other).unwrap();
    save(&mut local, 0, 1, b"a page");
    close(local);
    let disk = three_pages(false);
    let before = disk.content(SEGMENT).unwrap();
    disk.put("pages-0000000000000002", other.content(SEGMENT).unwrap());
    match open(&disk).unwrap_err() {
        OpenError::Corrupt(corruption) => {
            assert_eq!(corruption.file, "pages-0000000000000002");
            assert_eq!(corruption.flaw, Flaw::Foreign);
        }
        error @ (OpenError::Disk(_) | OpenError::Newer { .. } | OpenError::Older { .. }) => {
            panic!("{error:?}")
        }
    }
    assert_eq!(disk.content(SEGMENT).unwrap(), before);
}

#[test]
fn pages_without_their_store_are_refused() {
    let disk = MemoryDisk::new();
    disk.put(SEGMENT, three_pages(true).content(SEGMENT).unwrap());
    let error = open(&disk).unwrap_err();
    assert!(matches!(error, OpenError::Corrupt(corruption) if corruption.file == "format"));
}

#[test]
fn a_page_that_is_larger_than_a_segment_gets_one_of_its_own() {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    let large = vec![3; 3 << 20];
    save(&mut local, 0, 1, b"before");
    save(&mut local, 0, 2, &large);
    save(&mut local, 0, 3, b"behind");
    run_dry(&mut local);
    local.logs[0].take_page_news(&mut Vec::new());
    assert_eq!(read(&mut local, 0, 2), Ok(large));
    assert_eq!(local.logs[0].page_stats().segments, 3);
    local.logs[0].free_page(PageNumber(2));
    run_dry(&mut local);
    let stats = local.pager.stats();
    assert_eq!((stats.segments, stats.pages), (2, 2));
    assert!(disk.content("pages-0000000000000002").is_none());
    assert_eq!(read(&mut local, 0, 3), Ok(b"behind".to_vec()));
}

#[test]
fn thousands_of_small_pages_are_written_and_synced_together() {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    save(&mut local, 0, 1, b"the first makes the segment");
    run_dry(&mut local);
    let (syncs, operations) = (disk.syncs(), disk.operations());
    for page in 2..5000 {
        save(&mut local, 1, page, &[1; 100]);
    }
    run_dry(&mut local);
    assert_eq!(disk.syncs() - syncs, 1);
    assert_eq!(disk.operations() - operations, 2, "one write, one sync");
}

#[test]
fn small_segments_become_one() {
    let disk = MemoryDisk::new();
    let pages: Vec<u64> = (1..=20).collect();
    for page in &pages {
        let mut local = open(&disk).unwrap();
        keep(&mut local, 0, &pages);
        save(&mut local, 0, *page, b"one in each life");
        run_dry(&mut local);
        close(local);
    }
    let names = disk.list().unwrap();
    let segments = names.iter().filter(|name| name.starts_with("pages-"));
    assert!(segments.count() <= 9, "{names:?}");
    let mut local = open(&disk).unwrap();
    assert_eq!(keep(&mut local, 0, &pages), [0; 0]);
}

#[test]
fn a_full_disk_still_gives_space_back() {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    let options = Options {
        page_segment_bytes: 4096,
        ..OPTIONS
    };
    drop(local);
    local = Local::open(disk.clone(), options, &mut |_| {}).unwrap();
    for page in 1..=30 {
        save(&mut local, 0, page, &[4; 1000]);
    }
    run_dry(&mut local);
    local.logs[0].take_page_news(&mut Vec::new());
    let segments = local.pager.stats().segments;
    assert!(segments > 5);
    // Of each segment some pages are left, so that there would be something to compact.
    for page in (1..=30).filter(|page| page % 3 != 0) {
        local.logs[0].free_page(PageNumber(page));
    }
    save(&mut local, 1, 1, b"no room");
    let full_step = |local: &mut Local<MemoryDisk>| {
        disk.fail_write(1, Fault::NoSpace);
        local.pager.step().unwrap()
    };
    while full_step(&mut local) == Step::Worked {}
    let page = PageNumber(1);
    assert_eq!(only_news(&mut local, 1), PageNews::NotSaved { page });
    for page in 1..=30 {
        local.logs[0].free_page(PageNumber(page));
    }
    while full_step(&mut local) == Step::Worked {}
    assert!(local.pager.stats().segments <= 1);
    disk.fail_write(u64::MAX, Fault::NoSpace);
    save(&mut local, 1, 1, b"room");
    run_dry(&mut local);
    assert!(matches!(only_news(&mut local, 1), PageNews::Saved { .. }));
    assert_eq!(read(&mut local, 1, 1), Ok(b"room".to_vec()));
}

struct Panicking;

impl PageSource for Panicking {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        payload.clear();
    }
}

#[test]
fn a_source_that_panics_fails_the_store() {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    local.logs[0].save_page(PageNumber(1), Box::new(Panicking));
    let pager = local.pager;
    std::thread::spawn(move || pager.run()).join().unwrap_err();
    assert!(local.logs[1].is_failed(), "nobody waits for ever");
}

/// A small segment of which nothing is alive when the store is opened is deleted, not copied.
#[test]
fn a_small_segment_without_a_page_goes() {
    let disk = MemoryDisk::new();
    let pages: Vec<u64> = (1..=8).collect();
    for page in pages.iter().chain(&[1]) {
        let mut local = open(&disk).unwrap();
        save(&mut local, 0, *page, &[3; 50]);
        assert_eq!(local.pager.step().unwrap(), Step::Worked);
    }
    let mut local = open(&disk).unwrap();
    assert_eq!(local.pager.stats().segments, 9);
    run_dry(&mut local);
    assert_eq!(keep(&mut local, 0, &pages), [0; 0]);
    assert!(disk.content(SEGMENT).is_none());
    for page in pages {
        assert_eq!(read(&mut local, 0, page), Ok(vec![3; 50]));
    }
}

/// A segment that was begun when there was room, and sealed before there was any again.
#[test]
fn a_sealed_segment_without_a_page_goes() {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    save(&mut local, 0, 1, b"no room");
    disk.fail_write(2, Fault::NoSpace);
    run_dry(&mut local);
    let page = PageNumber(1);
    assert_eq!(only_news(&mut local, 0), PageNews::NotSaved { page });
    close(local);
    assert!(disk.content(SEGMENT).is_some());
    let mut local = open(&disk).unwrap();
    run_dry(&mut local);
    assert!(disk.content(SEGMENT).is_none());
}

/// What a failed sync has left in the page cache, and a failed open after it, is made durable before it counts.
#[test]
fn pages_that_are_only_in_the_page_cache_are_made_durable() {
    for nth in 1..10 {
        let disk = MemoryDisk::new();
        let mut local = open(&disk).unwrap();
        save(&mut local, 0, 1, b"older");
        close(local);
        let mut local = open(&disk).unwrap();
        save(&mut local, 1, 1, b"another, which makes the segment");
        run_dry(&mut local);
        disk.fail_sync(1, Fault::Io);
        save(&mut local, 0, 1, b"newer");
        local.pager.step().unwrap_err();
        drop(local);
        disk.fail_sync(nth, Fault::Io);
        let is_over = open(&disk).is_ok();
        disk.fail_sync(u64::MAX, Fault::Io);
        let mut local = open(&disk).unwrap();
        run_dry(&mut local);
        drop(local);
        // The older copy's segment is gone, durably.
        disk.crash(&mut |limit| limit - 1);
        assert!(is_over || disk.content(SEGMENT).is_none());
        let mut local = open(&disk).unwrap();
        assert_eq!(keep(&mut local, 0, &[1]), [0; 0]);
        let content = read(&mut local, 0, 1).unwrap();
        assert!(content == b"newer" || content == b"older", "sync {nth}");
        if is_over {
            assert!(nth > 2, "an open has {nth} syncs");
            return;
        }
    }
}

#[test]
fn another_error_than_a_full_disk_is_final() {
    let check = |arm: fn(&MemoryDisk)| {
        let disk = MemoryDisk::new();
        let mut local = open(&disk).unwrap();
        save(&mut local, 0, 1, b"saved");
        run_dry(&mut local);
        arm(&disk);
        save(&mut local, 0, 2, b"not saved");
        let error = local.pager.step().unwrap_err();
        assert!(matches!(error, PagesError::Disk(DiskError { ref file, .. }) if file == SEGMENT));
        assert!(local.logs[1].is_failed(), "the whole store has failed");
        assert!(matches!(local.pager.run(), Err(PagesError::Failed)));
        assert!(matches!(local.reader.run(), Err(PagesError::Failed)));
        assert!(local.housekeeper.run().is_err());
        disk.crash(&mut |_| 0);
        let mut local = open(&disk).unwrap();
        assert_eq!(keep(&mut local, 0, &[1]), [0; 0]);
    };
    check(|disk| disk.fail_sync(1, Fault::Io));
    check(|disk| disk.fail_write(1, Fault::Io));
}

#[test]
fn a_page_that_is_still_being_saved_is_waited_for() {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    save(&mut local, 0, 1, b"a page");
    local.logs[0].read_page(PageNumber(1));
    while local.reader.step().unwrap() == Step::Worked {}
    let mut news = Vec::new();
    local.logs[0].take_page_news(&mut news);
    assert_eq!(news, []);
    run_dry(&mut local);
    local.logs[0].take_page_news(&mut news);
    let (page, payload) = (PageNumber(1), b"a page".to_vec());
    assert_eq!(news[1..], [PageNews::Read { page, payload }]);
}

/// Both threads, on a real folder, while pages are saved, replaced, read and freed.
#[test]
fn both_threads_end_when_the_logs_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        page_segment_bytes: 64 << 10,
        ..OPTIONS
    };
    for life in 0..2_u8 {
        let disk = RealDisk::open(folder.path()).unwrap();
        let local = Local::open(disk, options, &mut |_| {}).unwrap();
        let Local {
            mut logs,
            journal,
            housekeeper,
            pager,
            reader,
            ..
        } = local;
        let threads = [
            std::thread::spawn(move || drop(journal.run())),
            std::thread::spawn(move || drop(housekeeper.run())),
            std::thread::spawn(move || pager.run().unwrap()),
            std::thread::spawn(move || reader.run().unwrap()),
        ];
        let shards: Vec<_> = logs
            .drain(..)
            .map(|log| std::thread::spawn(move || live(log, life)))
            .collect();
        for thread in shards.into_iter().chain(threads) {
            thread.join().unwrap();
        }
    }
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

/// Saves 300 pages, each in three versions; reads each, and frees most.
fn live(mut log: impl ShardLog, life: u8) {
    let unpark = Unpark(std::thread::current());
    log.wake_on_commit(std::sync::Arc::new(unpark).into());
    let left: Vec<PageNumber> = match life {
        0 => Vec::new(),
        _ => (30..=300).step_by(30).map(PageNumber).collect(),
    };
    assert_eq!(log.keep_pages(&left), []);
    let content = |page: PageNumber, version: u8| {
        let mut bytes = page.0.to_le_bytes().to_vec();
        bytes.resize(1500, version);
        bytes
    };
    let mut news = Vec::new();
    for page in left {
        log.read_page(page);
        let payload = content(page, 2);
        assert_eq!(wait(&mut log, &mut news), PageNews::Read { page, payload });
    }
    for page in (1..=300).map(PageNumber) {
        for version in 0..3 {
            log.save_page(page, Box::new(Bytes(content(page, version))));
            match wait(&mut log, &mut news) {
                PageNews::Saved { page: saved, .. } => assert_eq!(saved, page),
                other @ (PageNews::NotSaved { .. }
                | PageNews::Read { .. }
                | PageNews::Damaged { .. }) => panic!("{other:?}"),
            }
        }
        // That one, and one of those that are copied from segment to segment.
        for page in [page, PageNumber(30 * (page.0 / 60 + 1)).min(page)] {
            log.read_page(page);
            let payload = content(page, 2);
            assert_eq!(wait(&mut log, &mut news), PageNews::Read { page, payload });
        }
        if page.0 % 30 != 0 {
            log.free_page(page);
        }
    }
}

fn wait(log: &mut impl ShardLog, news: &mut Vec<PageNews>) -> PageNews {
    while news.is_empty() {
        log.take_page_news(news);
        if news.is_empty() {
            std::thread::park();
        }
    }
    news.remove(0)
}
