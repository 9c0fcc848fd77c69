//! The promises about pages, one function each.

use crate::provider::{Failing, Opened, Provider};
use crate::recorder::Woken;
use log_store::{PageNews, PageSource, ShardLog, Space};
use model::{PageNumber, ShardId};
use std::collections::BTreeMap;

const SHARDS: u16 = 3;

/// Runs every check of pages, each against a new store that `provider` makes.
pub(crate) fn check_pages<P: Provider>(mut provider: impl FnMut() -> P) {
    a_page_is_read_back(&mut provider());
    nothing_becomes_of_a_page_before_it_is_worked_on(&mut provider());
    saved_pages_survive_a_crash(&mut provider());
    a_page_is_replaced(&mut provider());
    other_pages_go(&mut provider());
    pages_of_shards_are_independent(&mut provider());
    a_freed_page_is_gone(&mut provider());
    pages_survive_the_trimming_of_the_log(&mut provider());
    a_failure_ends_pages(&mut provider());
    for seed in 1..=8 {
        pages_come_back_after_every_crash(&mut provider(), seed);
    }
}

/// A page of these bytes.
struct Bytes(Vec<u8>);

impl PageSource for Bytes {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        payload.append(&mut self.0);
    }
}

/// Bytes that tell one page from another.
fn content(shard: ShardId, page: u64, version: u64) -> Vec<u8> {
    let piece = format!("page {page} of {shard}, {version}; ").into_bytes();
    let count = usize::try_from(page * 7 + version).expect("it is small");
    piece.repeat(count % 60)
}

fn save(log: &mut impl ShardLog, page: u64, version: u64) {
    let content = content(log.shard(), page, version);
    log.save_page(PageNumber(page), Box::new(Bytes(content)));
}

fn take(log: &mut impl ShardLog) -> Vec<PageNews> {
    let mut news = Vec::new();
    log.take_page_news(&mut news);
    news
}

/// Asserts that all pages of these numbers, and no other, are announced as saved.
fn assert_saved(log: &mut impl ShardLog, pages: &[u64]) {
    let saved: Vec<u64> = take(log)
        .into_iter()
        .map(|news| match news {
            PageNews::Saved { page, .. } => page.0,
            PageNews::NotSaved { .. } | PageNews::Read { .. } | PageNews::Damaged { .. } => {
                panic!("{news:?}")
            }
        })
        .collect();
    assert_eq!(saved, pages, "saves are answered in order");
}

/// Asserts what a page holds.
fn assert_holds<P: Provider>(provider: &mut P, log: &mut P::Log, page: u64, version: u64) {
    log.read_page(PageNumber(page));
    provider.keep_house();
    let payload = content(log.shard(), page, version);
    let page = PageNumber(page);
    assert_eq!(take(log), [PageNews::Read { page, payload }]);
}

fn keep(log: &mut impl ShardLog, pages: &[u64]) -> Vec<u64> {
    let pages: Vec<PageNumber> = pages.iter().copied().map(PageNumber).collect();
    let missing = log.keep_pages(&pages);
    missing.into_iter().map(|page| page.0).collect()
}

/// Opens a new store in which no shard keeps a page.
fn open_new<P: Provider>(provider: &mut P) -> Vec<P::Log> {
    let Opened { mut logs, .. } = provider.open(SHARDS);
    for log in &mut logs {
        assert_eq!(keep(log, &[]), [0; 0]);
        assert_eq!(log.space(), Space::Enough);
    }
    logs
}

fn reopen<P: Provider>(provider: &mut P, logs: Vec<P::Log>) -> Vec<P::Log> {
    drop(logs);
    provider.crash(&mut |_| 0);
    provider.open(SHARDS).logs
}

fn a_page_is_read_back<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    let (woken, waker) = Woken::new();
    logs[1].wake_on_commit(waker);
    for page in 1..=5 {
        save(&mut logs[1], page, 0);
    }
    logs[1].save_page(PageNumber(9), Box::new(Bytes(Vec::new())));
    provider.keep_house();
    assert!(woken.count() > 0, "the shard is told");
    assert_saved(&mut logs[1], &[1, 2, 3, 4, 5, 9]);
    assert_eq!(take(&mut logs[1]), [], "news are taken once");
    let before = woken.count();
    for page in [3, 1, 5] {
        assert_holds(provider, &mut logs[1], page, 0);
    }
    assert!(woken.count() > before, "the shard is told");
    logs[1].read_page(PageNumber(9));
    logs[1].read_page(PageNumber(2));
    provider.keep_house();
    let payload = |news: &PageNews| match news {
        PageNews::Read { payload, .. } => payload.len(),
        PageNews::Saved { .. } | PageNews::NotSaved { .. } | PageNews::Damaged { .. } => {
            panic!("{news:?}")
        }
    };
    let lengths: Vec<usize> = take(&mut logs[1]).iter().map(payload).collect();
    let second = content(ShardId(1), 2, 0).len();
    assert_eq!(lengths, [0, second], "an empty page, then another");
}

fn nothing_becomes_of_a_page_before_it_is_worked_on<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    save(&mut logs[0], 1, 0);
    assert_eq!(take(&mut logs[0]), []);
    provider.keep_house();
    assert_saved(&mut logs[0], &[1]);
}

fn saved_pages_survive_a_crash<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    for page in 1..=20 {
        save(&mut logs[0], page, 0);
    }
    provider.keep_house();
    assert_saved(&mut logs[0], &(1..=20).collect::<Vec<_>>());
    // This one is under way, and nobody refers to it.
    save(&mut logs[0], 21, 0);
    let mut logs = reopen(provider, logs);
    let pages: Vec<u64> = (1..=20).collect();
    assert_eq!(keep(&mut logs[0], &pages), [0; 0]);
    for page in pages {
        assert_holds(provider, &mut logs[0], page, 0);
    }
}

fn a_page_is_replaced<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    for version in 0..5 {
        for page in 1..=4 {
            save(&mut logs[2], page, version);
        }
        provider.keep_house();
        assert_saved(&mut logs[2], &[1, 2, 3, 4]);
        assert_holds(provider, &mut logs[2], 2, version);
        logs = reopen(provider, logs);
        assert_eq!(keep(&mut logs[2], &[1, 2, 3, 4]), [0; 0]);
        assert_holds(provider, &mut logs[2], 3, version);
    }
}

fn other_pages_go<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    for page in 1..=6 {
        save(&mut logs[0], page, 0);
        save(&mut logs[1], page, 0);
    }
    provider.keep_house();
    let mut logs = reopen(provider, logs);
    let last: Vec<u64> = logs.iter().map(|log| log.last_page().0).collect();
    assert_eq!(last, [6, 6, 0], "whether they are kept or not");
    assert_eq!(
        keep(&mut logs[0], &[2, 5, 7, 9]),
        [7, 9],
        "those that are not there"
    );
    provider.keep_house();
    assert_holds(provider, &mut logs[0], 5, 0);
    let mut logs = reopen(provider, logs);
    let others = keep(&mut logs[0], &[2, 5]);
    assert_eq!(others, [0; 0], "what was kept is there");
    let all: Vec<u64> = (1..=6).collect();
    assert_eq!(
        keep(&mut logs[1], &all),
        [0; 0],
        "a shard that did not say what it keeps keeps all"
    );
    assert_holds(provider, &mut logs[1], 6, 0);
}

fn pages_of_shards_are_independent<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    for log in &mut logs {
        save(log, 1, u64::from(log.shard().0));
    }
    provider.keep_house();
    for log in &mut logs {
        assert_saved(log, &[1]);
    }
    logs[0].free_page(PageNumber(1));
    provider.keep_house();
    let mut logs = reopen(provider, logs);
    for (log, pages) in logs.iter_mut().zip([&[][..], &[1], &[1]]) {
        assert_eq!(keep(log, pages), [0; 0]);
    }
    for log in &mut logs[1..] {
        let version = u64::from(log.shard().0);
        assert_holds(provider, log, 1, version);
    }
}

fn a_freed_page_is_gone<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    for page in 1..=3 {
        save(&mut logs[0], page, 0);
    }
    logs[0].free_page(PageNumber(2));
    provider.keep_house();
    assert_saved(&mut logs[0], &[1, 2, 3]);
    logs[0].read_page(PageNumber(2));
    provider.keep_house();
    let news = take(&mut logs[0]);
    let is_damaged = matches!(
        news.as_slice(),
        [PageNews::Damaged { page: PageNumber(2), corruption }] if corruption.shard == Some(ShardId(0))
    );
    assert!(is_damaged, "{news:?}");
    assert_holds(provider, &mut logs[0], 3, 0);
}

fn pages_survive_the_trimming_of_the_log<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    save(&mut logs[0], 1, 1);
    for _ in 0..80 {
        let mut batch = logs[0].batch();
        batch.push(1, |out| out.extend_from_slice(&[1; 200]));
        logs[0].submit(batch).expect("the store has not failed");
        provider.round();
        if logs[0].wants_snapshot() {
            logs[0].save_snapshot(crate::recorder::Saved::new(2, vec![]));
        }
        provider.keep_house();
    }
    let mut logs = reopen(provider, logs);
    assert_eq!(keep(&mut logs[0], &[1]), [0; 0]);
    assert_holds(provider, &mut logs[0], 1, 1);
}

fn a_failure_ends_pages<P: Provider>(provider: &mut P) {
    let mut logs = open_new(provider);
    save(&mut logs[0], 1, 0);
    provider.keep_house();
    assert_saved(&mut logs[0], &[1]);
    let mut batch = logs[1].batch();
    batch.push(1, |_| {});
    logs[1].submit(batch).expect("the store has not failed");
    if provider.fail() == Failing::Unable {
        return;
    }
    provider.round();
    assert!(logs[0].is_failed());
    save(&mut logs[0], 2, 0);
    logs[0].read_page(PageNumber(1));
    logs[0].free_page(PageNumber(1));
    provider.keep_house();
    assert_eq!(take(&mut logs[0]), [], "nothing becomes of it");
    let mut logs = reopen(provider, logs);
    assert_eq!(keep(&mut logs[0], &[1]), [0; 0]);
    assert_holds(provider, &mut logs[0], 1, 0);
}

/// Saves, replaces and frees, and crashes with some of it under way, again and again.
fn pages_come_back_after_every_crash<P: Provider>(provider: &mut P, seed: u64) {
    let mut chance = crate::checks::Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    // Of each page, the version that was saved last, and the last one that may be there.
    let mut known: Vec<BTreeMap<u64, (u64, u64)>> = vec![BTreeMap::new(); usize::from(SHARDS)];
    let mut version = 0;
    let mut next_page = 0;
    let mut logs = open_new(provider);
    for _ in 0..6 {
        for _ in 0..chance.below(20) {
            let shard = usize::try_from(chance.below(u64::from(SHARDS))).expect("it is small");
            let (log, pages) = (&mut logs[shard], &mut known[shard]);
            let count = u64::try_from(pages.len()).expect("it is small").max(1);
            let nth = usize::try_from(chance.below(count)).expect("it is small");
            let some = pages.keys().nth(nth).copied();
            version += 1;
            match (chance.below(4), some) {
                (0, Some(page)) => {
                    pages.remove(&page);
                    log.free_page(PageNumber(page));
                }
                (1, Some(page)) => {
                    save(log, page, version);
                    pages.insert(page, (pages[&page].0, version));
                }
                _ => {
                    next_page += 1;
                    save(log, next_page, version);
                    pages.insert(next_page, (0, version));
                }
            }
            if chance.below(5) == 0 {
                provider.keep_house();
                for (log, pages) in logs.iter_mut().zip(&mut known) {
                    drop(take(log));
                    pages.values_mut().for_each(|page| page.0 = page.1);
                }
            }
        }
        drop(logs);
        provider.crash(&mut |limit| chance.below(limit));
        logs = provider.open(SHARDS).logs;
        for (log, pages) in logs.iter_mut().zip(&mut known) {
            pages.retain(|_, page| page.0 > 0);
            let numbers: Vec<u64> = pages.keys().copied().collect();
            assert_eq!(keep(log, &numbers), [0; 0], "a saved page is lost");
            for (page, versions) in pages {
                log.read_page(PageNumber(*page));
                provider.keep_house();
                let news = take(log);
                let [PageNews::Read { payload, .. }] = news.as_slice() else {
                    panic!("{news:?}");
                };
                let found = (versions.0..=versions.1)
                    .find(|version| *payload == content(log.shard(), *page, *version));
                let found = found.expect("it is as it was saved, or as it was to be");
                *versions = (found, found);
            }
        }
    }
}
