//! The files of pages byte by byte, what is done about damaged ones, and what ends the work on pages.

#![expect(clippy::unwrap_used, reason = "a test")]

use log_store::{
    Corruption, Disk, DiskError, Fault, Flaw, Local, MemoryDisk, OpenError, Options, PageNews,
    PageSource, PagesError, RealDisk, ShardLog, Step,
};
use model::{PageNumber, ShardId};

const SEGMENT: &str = "pages-0000000000000001";

const OPTIONS: Options = Options {
    free_bytes_min: 0,
    shards: 2,
    segment_bytes: 1024,
    page_segment_bytes: 1 << 20,
};

struct Bytes(Vec<u8>);

impl PageSource for Bytes {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        payload.append(&mut self.0);
    }
}

fn open(disk: &MemoryDisk) -> Result<Local<MemoryDisk>, OpenError> {
    Local::open(disk.clone(), OPTIONS, &mut |_| {})
}

fn save(local: &mut Local<MemoryDisk>, shard: usize, page: u64, bytes: &[u8]) {
    local.logs[shard].save_page(PageNumber(page), Box::new(Bytes(bytes.to_vec())));
}

fn run_dry(local: &mut Local<MemoryDisk>) {
    while local.pager.step().unwrap() == Step::Worked {}
    while local.reader.step().unwrap() == Step::Worked {}
}

fn keep(local: &mut Local<MemoryDisk>, shard: usize, pages: &[u64]) -> Vec<u64> {
    let pages: Vec<PageNumber> = pages.iter().copied().map(PageNumber).collect();
    let missing = local.logs[shard].keep_pages(&pages);
    missing.into_iter().map(|page| page.0).collect()
}

/// What has become of the only thing that was asked for.
fn only_news(local: &mut Local<MemoryDisk>, shard: usize) -> PageNews {
    let mut news = Vec::new();
    local.logs[shard].take_page_news(&mut news);
    assert_eq!(news.len(), 1, "{news:?}");
    news.remove(0)
}

#[expect(clippy::panic_in_result_fn, reason = "a test")]
fn read(local: &mut Local<MemoryDisk>, shard: usize, page: u64) -> Result<Vec<u8>, Corruption> {
    local.logs[shard].read_page(PageNumber(page));
    run_dry(local);
    match only_news(local, shard) {
        PageNews::Read { payload, .. } => Ok(payload),
        PageNews::Damaged { corruption, .. } => Err(corruption),
        news @ (PageNews::Saved { .. } | PageNews::NotSaved { .. }) => panic!("{news:?}"),
    }
}

/// Ends the process in order.
fn close(mut local: Local<MemoryDisk>) {
    run_dry(&mut local);
    drop(local.logs);
    local.pager.run().unwrap();
    local.reader.run().unwrap();
    local.journal.close().unwrap();
}

/// The pages of [`three_pages`], with where each begins: three, one of them in two versions.
const PAGES: [(usize, u64, &[u8], u64); 4] = [
    (0, 1, b"one", 40),
    (1, 1, b"its older version", 64),
    (0, 0x0102_0304_0506, b"another shard's page", 104),
    (1, 1, b"its newer version", 144),
];

/// The newest copies of those.
const NEWEST: [usize; 3] = [0, 2, 3];

/// A store with some pages, all in one segment that was sealed or not.
fn three_pages(is_sealed: bool) -> MemoryDisk {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    for (shard, page, bytes, _) in PAGES {
        save(&mut local, shard, page, bytes);
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
fn a_flipped_bit_never_gives_wrong_bytes() {
    for is_sealed in [true, false] {
        let size = three_pages(is_sealed).content(SEGMENT).unwrap().len();
        for offset in 0..size {
            let disk = three_pages(is_sealed);
            disk.flip(SEGMENT, offset, 1 << (offset % 8));
            check_damaged(&disk, is_sealed, u64::try_from(offset).unwrap());
        }
    }
}

/// One bit at `offset` is not what it was.
fn check_damaged(disk: &MemoryDisk, is_sealed: bool, offset: u64) {
    let mut local = open(disk).unwrap();
    let missing = [
        keep(&mut local, 0, &[1, PAGES[2].1]),
        keep(&mut local, 1, &[1]),
    ];
    let lost: usize = missing.iter().map(Vec::len).sum();
    if is_sealed {
        assert_eq!(lost, 0, "byte {offset}: the index or the pages are intact");
    } else if offset < 40 {
        assert_eq!(lost, 3);
        assert_eq!(local.recovered.damaged_pages[0].flaw, Flaw::Header);
        assert_eq!(local.recovered.damaged_pages[0].file, SEGMENT);
    }
    for (place, (shard, page, bytes, start)) in PAGES.into_iter().enumerate() {
        if !NEWEST.contains(&place) || missing[shard].contains(&page) {
            continue;
        }
        let end = start + 20 + u64::try_from(bytes.len()).unwrap();
        match read(&mut local, shard, page) {
            Ok(payload) => {
                let is_older = !is_sealed && place == 3 && payload == PAGES[1].2;
                assert!(payload == bytes || is_older, "byte {offset}");
            }
            Err(corruption) => {
                assert!(
                    (start..end).contains(&offset),
                    "byte {offset}: {corruption}"
                );
                let expected = Corruption {
                    file: SEGMENT.to_owned(),
                    offset: start,
                    shard: Some(ShardId(u16::try_from(shard).unwrap())),
                    index: None,
                    flaw: Flaw::Page,
                };
                assert_eq!(corruption, expected);
            }
        }
    }
}

#[test]
fn a_damaged_index_is_made_anew() {
    let disk = three_pages(true);
    let content = disk.content(SEGMENT).unwrap();
    disk.flip(SEGMENT, 200, 1);
    let mut local = open(&disk).unwrap();
    assert_eq!(keep(&mut local, 0, &[1, PAGES[2].1]), [0; 0]);
    assert_eq!(disk.content(SEGMENT).unwrap(), content);
}

#[test]
fn a_damaged_page_behind_a_damaged_index_is_missing_and_its_segment_stays() {
    let disk = three_pages(true);
    disk.flip(SEGMENT, 200, 1);
    disk.flip(SEGMENT, 110, 1);
    let content = disk.content(SEGMENT).unwrap();
    let mut local = open(&disk).unwrap();
    let damaged = &local.recovered.damaged_pages[0];
    assert_eq!((damaged.file.as_str(), damaged.offset), (SEGMENT, 104));
    assert_eq!(keep(&mut local, 0, &[PAGES[2].1]), [PAGES[2].1]);
    assert_eq!(keep(&mut local, 1, &[]), [0; 0]);
    run_dry(&mut local);
    assert_eq!(
        disk.content(SEGMENT).unwrap(),
        content,
        "nothing alive, but damage"
    );
}

#[test]
fn a_damaged_page_keeps_its_segment_from_being_compacted_away() {
    let disk = MemoryDisk::new();
    let mut local = open(&disk).unwrap();
    for page in 1..=100 {
        save(&mut local, 0, page, &[7; 12_000]);
    }
    run_dry(&mut local);
    close(local);
    disk.flip(SEGMENT, 40 + 20 + 5, 1);
    let mut local = open(&disk).unwrap();
    assert_eq!(keep(&mut local, 0, &[1, 2, 3, 95]), [0; 0]);
    run_dry(&mut local);
    assert!(disk.content("pages-0000000000000003").is_some(), "copied");
    assert_eq!(read(&mut local, 0, 2), Ok(vec![7; 12_000]));
    for _ in 0..2 {
        let corruption = read(&mut local, 0, 1).unwrap_err();
        assert_eq!((corruption.file.as_str(), corruption.offset), (SEGMENT, 40));
        local.logs[0].free_page(PageNumber(3));
        run_dry(&mut local);
    }
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

/// A page that holds the index of a segment of another store, at the very place where it would be true.
#[test]
fn an_end_cannot_be_forged() {
    let other = MemoryDisk::new();
    let mut local = open(&other).unwrap();
    save(&mut local, 0, 1, &[0; 148]);
    close(local);
    let index = other.content(SEGMENT).unwrap().split_off(208);

    let disk = MemoryDisk::new();
    disk.random();
    let mut local = open(&disk).unwrap();
    save(&mut local, 0, 1, &[0; 120]);
    let mut payload = vec![0; 4];
    payload.extend_from_slice(&index);
    save(&mut local, 0, 2, &payload);
    run_dry(&mut local);
    let content = disk.content(SEGMENT).unwrap();
    assert_eq!(content[208..], index, "where that of the other stands");
    drop(local);
    let mut local = open(&disk).unwrap();
    assert_eq!(keep(&mut local, 0, &[1, 2]), [0; 0]);
    assert_eq!(read(&mut local, 0, 1), Ok(vec![0; 120]));
    assert_eq!(read(&mut local, 0, 2), Ok(payload));
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
