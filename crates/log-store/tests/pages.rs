//! Random work on pages, random power failures and full disks, at every operation of the disk: what was saved and
//! not freed reads back as it was saved.

#![expect(clippy::unwrap_used, reason = "a test")]

use log_store::{
    Disk, Fault, Flaw, Local, MemoryDisk, Options, PageNews, PageSource, ShardLog, Step,
};
use model::PageNumber;
use std::collections::{BTreeMap, BTreeSet};

const SHARDS: u16 = 3;

/// A small generator of chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// What a page holds: which it is, which version of it, and bytes that follow from both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Content {
    shard: usize,
    page: u64,
    version: u64,
}

impl Content {
    fn bytes(self) -> Vec<u8> {
        let mut chance = Chance(
            (self.page << 20 ^ self.version << 4 ^ u64::try_from(self.shard).unwrap())
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                | 1,
        );
        chance.below(2);
        let len = match chance.below(30) {
            0 => chance.below(20_000),
            1..5 => chance.below(3000),
            5..12 => 60 + chance.below(300),
            // Of one size, so that one may come to lie where another lay.
            _ => 100,
        };
        let mut bytes = Vec::new();
        bytes.push(u8::try_from(self.shard).unwrap());
        bytes.extend_from_slice(&self.page.to_le_bytes());
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend((0..len).map(|_| chance.below(256).to_le_bytes()[0]));
        bytes
    }

    fn parse(bytes: &[u8]) -> Self {
        let content = Self {
            shard: usize::from(bytes[0]),
            page: u64::from_le_bytes(*bytes[1..].first_chunk().unwrap()),
            version: u64::from_le_bytes(*bytes[9..].first_chunk().unwrap()),
        };
        assert_eq!(bytes, content.bytes(), "the bytes of a page are its own");
        content
    }
}

impl PageSource for Content {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        payload.extend_from_slice(&self.bytes());
    }
}

/// A page as the machine knows it.
#[derive(Debug, Default)]
struct Expected {
    /// The version that was saved last.
    saved: Option<u64>,
    /// Versions that were asked to be saved behind it: some are on their way, some found no room.
    attempts: BTreeSet<u64>,
    refused: BTreeSet<u64>,
}

#[derive(Default)]
struct Shard {
    pages: BTreeMap<u64, Expected>,
    freed: BTreeSet<u64>,
    next_page: u64,
    /// What was asked to be saved and is not answered, in order.
    saving: Vec<Content>,
    /// What was asked to be read, with the version that was saved at that time.
    reading: Vec<(u64, u64)>,
}

struct World {
    disk: MemoryDisk,
    chance: Chance,
    options: Options,
    shards: Vec<Shard>,
    versions: u64,
    /// Whether an error was set that ends a process.
    may_fail: bool,
    compacted: bool,
    tested_space: bool,
}

/// How an attempt to live ended.
#[derive(PartialEq, Eq)]
enum Ended {
    Well,
    Crashed,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let page_segment_bytes = 4096 << chance.below(3);
        Self {
            disk: MemoryDisk::new(),
            chance,
            options: Options {
                free_bytes_min: 0,
                shards: SHARDS,
                segment_bytes: 1024,
                page_segment_bytes,
            },
            shards: (0..SHARDS).map(|_| Shard::default()).collect(),
            versions: 0,
            may_fail: false,
            compacted: false,
            tested_space: false,
        }
    }

    /// Opens until it succeeds, with a fault now and then; checks that every page is there.
    fn open(&mut self, with_faults: bool) -> Local<MemoryDisk> {
        let mut local = loop {
            let mut may_fail = false;
            if with_faults && self.chance.one_in(3) {
                let nth = 1 + self.chance.below(20);
                match self.chance.below(4) {
                    0 => self.disk.fail_operation(nth, Fault::NoSpace),
                    1 => self.disk.fail_sync(nth, Fault::NoSpace),
                    _ => self.disk.crash_at(nth),
                }
                may_fail = true;
            }
            match Local::open(self.disk.clone(), self.options, &mut |_| {}) {
                Ok(local) => break local,
                Err(error) => {
                    assert!(may_fail, "{error:?}");
                    if self.disk.is_crashed() {
                        self.crash();
                    }
                    self.clear_faults();
                }
            }
        };
        self.clear_faults();
        assert_eq!(local.recovered.damaged_pages, []);
        for (log, shard) in local.logs.iter_mut().zip(&mut self.shards) {
            shard.saving.clear();
            shard.reading.clear();
            // What was never saved is not referred to.
            shard.pages.retain(|_, expected| expected.saved.is_some());
            for expected in shard.pages.values_mut() {
                // What found no room may have reached the disk all the same.
                expected.refused.clear();
            }
            let pages: Vec<PageNumber> = shard.pages.keys().copied().map(PageNumber).collect();
            assert_eq!(log.keep_pages(&pages), [], "a page that was saved is lost");
        }
        if self.chance.one_in(2) {
            self.read_all(&mut local);
        }
        local
    }

    /// Reads every page; what stands there from now on is what was found.
    fn read_all(&mut self, local: &mut Local<MemoryDisk>) {
        if self.disk.is_crashed() {
            return;
        }
        for (place, (log, shard)) in local.logs.iter_mut().zip(&mut self.shards).enumerate() {
            for page in shard.pages.keys() {
                log.read_page(PageNumber(*page));
            }
            while local.reader.step().unwrap() == Step::Worked {}
            let mut news = Vec::new();
            log.take_page_news(&mut news);
            assert_eq!(news.len(), shard.pages.len());
            for ((page, expected), news) in shard.pages.iter_mut().zip(news) {
                let PageNews::Read { payload, .. } = news else {
                    panic!("{news:?}");
                };
                let found = Content::parse(&payload);
                assert_eq!((found.shard, found.page), (place, *page));
                let is_possible = expected.saved == Some(found.version)
                    || expected.attempts.contains(&found.version);
                assert!(is_possible, "{found:?} was {expected:?}");
                *expected = Expected {
                    saved: Some(found.version),
                    ..Expected::default()
                };
            }
        }
    }

    fn crash(&mut self) {
        let chance = &mut self.chance;
        match chance.below(4) {
            0 => self.disk.crash(&mut |_| 0),
            1 => self.disk.crash(&mut |limit| limit - 1),
            _ => self.disk.crash(&mut |limit| chance.below(limit)),
        }
    }

    fn clear_faults(&mut self) {
        self.may_fail = false;
        self.disk.fail_sync(u64::MAX, Fault::Io);
        self.disk.fail_write(u64::MAX, Fault::Io);
        self.disk.fail_operation(u64::MAX, Fault::Io);
        self.disk.crash_at(1 << 60);
    }

    /// Saves a new page, or an older one anew.
    fn save(&mut self, local: &mut Local<MemoryDisk>, place: usize, page: Option<u64>) {
        let shard = &mut self.shards[place];
        let page = page.unwrap_or_else(|| {
            shard.next_page += 1;
            shard.next_page
        });
        self.versions += 1;
        let content = Content {
            shard: place,
            page,
            version: self.versions,
        };
        shard.saving.push(content);
        let expected = shard.pages.entry(page).or_default();
        expected.attempts.insert(content.version);
        local.logs[place].save_page(PageNumber(page), Box::new(content));
    }

    fn free(&mut self, local: &mut Local<MemoryDisk>, place: usize, page: u64) {
        let shard = &mut self.shards[place];
        shard.pages.remove(&page);
        shard.freed.insert(page);
        local.logs[place].free_page(PageNumber(page));
    }

    fn read(&mut self, local: &mut Local<MemoryDisk>, place: usize, page: u64) {
        let shard = &mut self.shards[place];
        let saved = shard.pages[&page].saved.unwrap_or(0);
        shard.reading.push((page, saved));
        local.logs[place].read_page(PageNumber(page));
    }

    /// A page of the shard, if it has one.
    fn some_page(&mut self, place: usize) -> Option<u64> {
        let pages = &self.shards[place].pages;
        let count = u64::try_from(pages.len()).unwrap();
        if count == 0 {
            return None;
        }
        let nth = usize::try_from(self.chance.below(count)).unwrap();
        pages.keys().nth(nth).copied()
    }

    fn take_news(&mut self, local: &mut Local<MemoryDisk>) {
        for (log, shard) in local.logs.iter_mut().zip(&mut self.shards) {
            let mut news = Vec::new();
            log.take_page_news(&mut news);
            for news in news {
                shard.take(news);
            }
        }
    }

    /// Steps both until nothing is left to do.
    fn run_dry(&mut self, local: &mut Local<MemoryDisk>) -> Ended {
        loop {
            let (Ok(saved), Ok(read)) = (local.pager.step(), local.reader.step()) else {
                assert!(
                    self.may_fail || self.disk.is_crashed(),
                    "a full disk is no failure"
                );
                return Ended::Crashed;
            };
            if self.disk.is_crashed() {
                // In something that is tried only once and may fail.
                return Ended::Crashed;
            }
            self.take_news(local);
            if (saved, read) == (Step::Idle, Step::Idle) {
                return Ended::Well;
            }
        }
    }

    /// Works until the disk fails or chance ends it.
    fn live(&mut self) {
        let mut local = self.open(true);
        for _ in 0..self.chance.below(200) {
            let place = usize::try_from(self.chance.below(u64::from(SHARDS))).unwrap();
            let page = self.some_page(place);
            match (self.chance.below(32), page) {
                (0..6, _) => self.save(&mut local, place, None),
                (6..8, Some(page)) => self.save(&mut local, place, Some(page)),
                (8..13, Some(page)) => self.free(&mut local, place, page),
                (13..17, Some(page)) => self.read(&mut local, place, page),
                (17..25, _) => {
                    if local.pager.step().is_err() {
                        let is_meant = self.may_fail || self.disk.is_crashed();
                        assert!(is_meant, "a full disk is no failure");
                        break;
                    }
                }
                (25..29, _) => {
                    if local.reader.step().is_err() {
                        assert!(self.disk.is_crashed());
                        break;
                    }
                }
                (29, _) => {
                    let nth = 1 + self.chance.below(20);
                    match self.chance.below(8) {
                        0 | 1 => self.disk.fail_sync(nth, Fault::NoSpace),
                        2 => self.disk.fail_write(nth, Fault::NoSpace),
                        3 | 4 => self.disk.fail_operation(nth, Fault::NoSpace),
                        5 => self.disk.crash_at(nth),
                        6 => {
                            self.disk.fail_sync(nth, Fault::Io);
                            self.may_fail = true;
                        }
                        _ => {}
                    }
                }
                (30, _) if self.chance.one_in(20) => self.check_space(&mut local),
                (_, _) => {}
            }
            if !self.disk.is_crashed() {
                self.take_news(&mut local);
            }
        }
        let stats = local.pager.stats();
        self.compacted |= stats.segments > 0 && self.lowest_segment() > 1;
        if self.chance.one_in(4) {
            self.end(local);
        } else {
            drop(local);
        }
        // The end of the process, or a power failure with it.
        if self.disk.is_crashed() || self.chance.one_in(2) {
            self.crash();
        }
        self.clear_faults();
    }

    /// Ends in order: what was asked for is done, and the segment is sealed.
    fn end(&mut self, mut local: Local<MemoryDisk>) {
        if self.run_dry(&mut local) == Ended::Crashed {
            return;
        }
        drop(local.logs);
        let (pager, reader) = (local.pager.run(), local.reader.run());
        let went_well = pager.is_ok() && reader.is_ok();
        assert!(went_well || self.may_fail || self.disk.is_crashed());
    }

    /// When the compaction has run dry, the files are in proportion to what is alive.
    fn check_space(&mut self, local: &mut Local<MemoryDisk>) {
        self.clear_faults();
        // What waits on a full disk goes on when something else changes.
        self.save(local, 0, None);
        if self.run_dry(local) == Ended::Crashed {
            return;
        }
        let stats = local.pager.stats();
        let live = stats.live_bytes;
        let sizes = self.disk.list().unwrap();
        let sizes = sizes.iter().filter(|name| name.starts_with("pages-"));
        let sizes: Vec<usize> = sizes
            .map(|name| self.disk.content(name).unwrap().len())
            .collect();
        let bytes = u64::try_from(sizes.iter().sum::<usize>()).unwrap();
        let limit = 2 * live + 2 * self.options.page_segment_bytes;
        assert!(bytes <= limit, "{bytes} of {limit}: {stats:?} {sizes:?}");
        let pages: usize = self.shards.iter().map(|shard| shard.pages.len()).sum();
        let saved = self.shards.iter().flat_map(|shard| shard.pages.values());
        let unsaved = saved.filter(|page| page.saved.is_none()).count();
        assert_eq!(stats.pages, u64::try_from(pages - unsaved).unwrap());
        self.tested_space = true;
        self.read_all_living(local);
    }

    fn read_all_living(&mut self, local: &mut Local<MemoryDisk>) {
        for place in 0..self.shards.len() {
            let saved = self.shards[place].pages.iter();
            let saved = saved.filter(|(_, expected)| expected.saved.is_some());
            let pages: Vec<u64> = saved.map(|(page, _)| *page).collect();
            for page in pages {
                self.read(local, place, page);
            }
        }
        self.run_dry(local);
    }

    fn lowest_segment(&self) -> u64 {
        let names = self.disk.list().unwrap_or_default();
        let numbers = names.iter().filter_map(|name| name.strip_prefix("pages-"));
        numbers
            .filter_map(|number| number.parse().ok())
            .min()
            .unwrap_or(0)
    }
}

impl Shard {
    fn take(&mut self, news: PageNews) {
        match news {
            PageNews::Saved { page, bytes } => {
                let content = self.saving.remove(0);
                assert_eq!(content.page, page.0, "saves are answered in order");
                let length = u64::try_from(content.bytes().len()).unwrap();
                assert!(bytes >= length && bytes < length + 28);
                if let Some(expected) = self.pages.get_mut(&page.0) {
                    expected.saved = Some(content.version);
                    // Older versions are replaced.
                    expected.attempts = expected.attempts.split_off(&(content.version + 1));
                }
            }
            PageNews::NotSaved { page } => {
                let content = self.saving.remove(0);
                assert_eq!(content.page, page.0, "saves are answered in order");
                if let Some(expected) = self.pages.get_mut(&page.0) {
                    expected.refused.insert(content.version);
                }
            }
            PageNews::Read { page, payload } => {
                // In order, but for pages that were not there yet.
                let at = self.reading.iter().position(|(asked, _)| *asked == page.0);
                let (_, at_least) = self.reading.remove(at.unwrap());
                let found = Content::parse(&payload);
                assert_eq!(found.page, page.0);
                assert!(found.version >= at_least, "what was saved is seen");
                if let Some(expected) = self.pages.get(&page.0) {
                    assert!(!expected.refused.contains(&found.version));
                    assert!(
                        expected.saved == Some(found.version)
                            || expected.attempts.contains(&found.version)
                            || expected.saved > Some(found.version)
                    );
                }
            }
            PageNews::Damaged { page, corruption } => {
                let at = self.reading.iter().position(|(asked, _)| *asked == page.0);
                self.reading.remove(at.unwrap());
                assert_eq!(corruption.flaw, Flaw::NoPage);
                let is_there = self.pages.get(&page.0);
                assert!(
                    is_there.is_none_or(|expected| expected.saved.is_none()),
                    "{corruption}"
                );
            }
        }
    }
}

/// `SEEDS=100000 SEED=1` runs so many worlds from that one on.
#[test]
fn what_was_saved_is_read_back() {
    let seeds = std::env::var("SEEDS").map_or(200, |seeds| seeds.parse().unwrap());
    let first = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let (mut compacted, mut tested) = (0, 0);
    for seed in first..first + seeds {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..12 {
                world.live();
            }
            let mut local = world.open(false);
            world.read_all(&mut local);
            (world.compacted, world.tested_space)
        });
        match outcome {
            Ok((did_compact, did_test)) => {
                compacted += u64::from(did_compact);
                tested += u64::from(did_test);
            }
            Err(panic) => {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    if seeds >= 50 {
        assert!(compacted * 2 > seeds, "only {compacted} compacted");
        assert!(tested * 2 > seeds, "only {tested} looked at the space");
    }
}

/// A small piece of work that saves, replaces, frees, compacts, and goes on to other segments.
fn work(world: &mut World, local: &mut Local<MemoryDisk>) -> Ended {
    for turn in 0..12_u64 {
        for place in 0..usize::from(SHARDS) {
            for _ in 0..4 {
                world.save(local, place, None);
            }
            if turn % 3 == 2 {
                let page = world.some_page(place).unwrap();
                world.save(local, place, Some(page));
            }
        }
        if local.pager.step().is_err() {
            return Ended::Crashed;
        }
        world.take_news(local);
        for place in 0..usize::from(SHARDS) {
            for _ in 0..2 {
                let page = world.some_page(place).unwrap();
                world.free(local, place, page);
            }
        }
        if world.run_dry(local) == Ended::Crashed {
            return Ended::Crashed;
        }
    }
    Ended::Well
}

fn small_world() -> World {
    let mut world = World::new(7);
    world.options.page_segment_bytes = 4096;
    world
}

#[test]
fn a_crash_at_every_operation_is_survived() {
    for nth in 1.. {
        for survival in 0..3 {
            let mut world = small_world();
            let mut local = world.open(false);
            world.disk.crash_at(nth);
            let mut ended = work(&mut world, &mut local);
            if ended == Ended::Well {
                world.end(local);
                if world.disk.is_crashed() {
                    ended = Ended::Crashed;
                }
            }
            if ended == Ended::Well {
                assert!(nth > 60, "the work has {nth} operations");
                return;
            }
            let chance = &mut world.chance;
            match survival {
                0 => world.disk.crash(&mut |_| 0),
                1 => world.disk.crash(&mut |limit| limit - 1),
                _ => world.disk.crash(&mut |limit| chance.below(limit)),
            }
            let mut local = world.open(false);
            world.read_all(&mut local);
        }
    }
}

/// A crash at every operation of an open that seals what a crash has left.
#[test]
fn a_crash_at_every_operation_of_an_open_is_survived() {
    for nth in 1.. {
        let mut world = small_world();
        let mut local = world.open(false);
        assert!(work(&mut world, &mut local) == Ended::Well);
        drop(local);
        let chance = &mut world.chance;
        world.disk.crash(&mut |limit| chance.below(limit));
        world.disk.crash_at(nth);
        let opened = Local::open(world.disk.clone(), world.options, &mut |_| {});
        let went_well = opened.is_ok();
        drop(opened);
        world.crash();
        let mut local = world.open(false);
        world.read_all(&mut local);
        if went_well {
            assert!(nth > 5, "an open has {nth} operations");
            return;
        }
    }
}

#[test]
fn a_full_disk_at_every_operation_loses_nothing() {
    for kind in 0..3 {
        for nth in 1.. {
            let mut world = small_world();
            let mut local = world.open(false);
            let before = (world.disk.operations(), world.disk.syncs());
            match kind {
                0 => world.disk.fail_operation(nth, Fault::NoSpace),
                1 => world.disk.fail_write(nth, Fault::NoSpace),
                _ => world.disk.fail_sync(nth, Fault::NoSpace),
            }
            assert!(work(&mut world, &mut local) == Ended::Well);
            // There is a write for every sync.
            let is_over = match kind {
                0 => world.disk.operations() - before.0 < nth,
                _ => world.disk.syncs() - before.1 + 2 < nth,
            };
            world.clear_faults();
            world.check_space(&mut local);
            let refused = |expected: &Expected| !expected.refused.is_empty();
            for shard in &world.shards {
                assert!(shard.saving.is_empty() && shard.reading.is_empty());
            }
            // Later saves work.
            for place in 0..usize::from(SHARDS) {
                let pages = world.shards[place].pages.iter();
                let again = pages.filter(|(_, page)| refused(page));
                let again: Vec<u64> = again.map(|(page, _)| *page).collect();
                for page in again {
                    world.save(&mut local, place, Some(page));
                }
            }
            assert!(world.run_dry(&mut local) == Ended::Well);
            let pages = world.shards.iter().flat_map(|shard| shard.pages.values());
            assert!(pages.into_iter().all(|page| page.saved.is_some()));
            drop(local);
            // The process ends, with the power or without it.
            if nth % 2 == 0 {
                world.disk.crash(&mut |_| 0);
            }
            let mut local = world.open(false);
            world.read_all(&mut local);
            if is_over {
                break;
            }
        }
    }
}
