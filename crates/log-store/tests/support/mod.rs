//! What the tests of the files of pages share.

#![allow(
    missing_docs,
    dead_code,
    unreachable_pub,
    reason = "it is private to the tests, and not all need all of it"
)]

pub mod layout;

use log_store::{
    Corruption, Local, MemoryDisk, OpenError, Options, PageNews, PageSource, ShardLog, Step,
};
use model::PageNumber;

pub const SEGMENT: &str = "pages-0000000000000001";

/// The header of a file.
pub const SEGMENT_HEADER_BYTES: usize = 40;

pub const OPTIONS: Options = Options {
    free_bytes_min: 0,
    shards: 2,
    segment_bytes: 1024,
    page_segment_bytes: 1 << 20,
};

pub struct Bytes(pub Vec<u8>);

impl PageSource for Bytes {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        payload.append(&mut self.0);
    }
}

pub fn open(disk: &MemoryDisk) -> Result<Local<MemoryDisk>, OpenError> {
    Local::open(disk.clone(), OPTIONS, &mut |_| {})
}

pub fn save(local: &mut Local<MemoryDisk>, shard: usize, page: u64, bytes: &[u8]) {
    local.logs[shard].save_page(PageNumber(page), Box::new(Bytes(bytes.to_vec())));
}

pub fn run_dry(local: &mut Local<MemoryDisk>) {
    while local.pager.step().unwrap() == Step::Worked {}
    while local.reader.step().unwrap() == Step::Worked {}
}

pub fn keep(local: &mut Local<MemoryDisk>, shard: usize, pages: &[u64]) -> Vec<u64> {
    let pages: Vec<PageNumber> = pages.iter().copied().map(PageNumber).collect();
    let missing = local.logs[shard].keep_pages(&pages);
    missing.into_iter().map(|page| page.0).collect()
}

/// What has become of the only thing that was asked for.
pub fn only_news(local: &mut Local<MemoryDisk>, shard: usize) -> PageNews {
    let mut news = Vec::new();
    local.logs[shard].take_page_news(&mut news);
    assert_eq!(news.len(), 1, "{news:?}");
    news.remove(0)
}

#[expect(clippy::panic_in_result_fn, reason = "a test")]
pub fn read(local: &mut Local<MemoryDisk>, shard: usize, page: u64) -> Result<Vec<u8>, Corruption> {
    local.logs[shard].read_page(PageNumber(page));
    run_dry(local);
    match only_news(local, shard) {
        PageNews::Read { payload, .. } => Ok(payload),
        PageNews::Damaged { corruption, .. } => Err(corruption),
        news @ (PageNews::Saved { .. } | PageNews::NotSaved { .. }) => panic!("{news:?}"),
    }
}

/// Ends the process in order.
pub fn close(mut local: Local<MemoryDisk>) {
    run_dry(&mut local);
    drop(local.logs);
    local.pager.run().unwrap();
    local.reader.run().unwrap();
    local.journal.close().unwrap();
}
