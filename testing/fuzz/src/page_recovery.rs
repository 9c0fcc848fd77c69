//! Damaged or forged segments of pages, beside a store that is whole.

use crate::files::{Files, append, change_some, checksum, contents, disk_of, patch, put, record};
use crate::input::Input;
use log_store::{
    Local, MemoryDisk, OpenError, Options, PageNews, PageSource, Replayed, ShardLog, Step,
};
use model::{PageNumber, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

const OPTIONS: Options = Options {
    shards: 2,
    segment_bytes: 1024,
    page_segment_bytes: 1024,
    free_bytes_min: 0,
};

/// The bytes in front of a record's payload.
const RECORD_HEADER_BYTES: usize = 20;

/// The kind of a page's record.
const PAGE_KIND: u8 = 1;

/// The pages that each shard refers to.
const PAGES: [PageNumber; 12] = {
    let mut pages = [PageNumber(0); 12];
    let mut place = 0;
    while place < pages.len() {
        pages[place] = PageNumber(place as u64 + 1);
        place += 1;
    }
    pages
};

/// What is found of each page: what it holds, or that it is missing or damaged.
type Found = BTreeMap<(ShardId, PageNumber), Option<Vec<u8>>>;

/// Opens a store whose segments of pages were changed. It refuses them and leaves them as they are, or opens with all
/// logs as they were; and of each page it reads what stands whole in a segment, or says that it is missing or
/// damaged, now and when it is opened again.
///
/// Bytes: 1, the folder to begin with (see `bases`); then changes, each with 1 for what it is:
///
/// ```text
///   0 patch     file u8 · place u16 · length u8 · bytes
///   1 append    file u8 · length u16 · bytes
///   2 truncate  file u8 · size u16
///   3 record    file u8 · place u16 · shard u16 · kind u8 · number u64 · length u16 · payload
///   4 remove    file u8
///   5 copy      file u8 · number u8
///   6 replace   file u8 · all that is left
/// ```
///
/// A file is meant by its place in the sorted list of segments of pages. A record has a right checksum; place 0xFFFF is
/// behind the last byte.
///
/// # Panics
/// When one of these promises is broken.
pub fn page_recovery(data: &[u8]) {
    let mut input = Input::new(data);
    let bases = bases();
    let mut files = bases[usize::from(input.u8()) % bases.len()].clone();
    change_some(&mut input, |input| change(&mut files, input));
    let disk = disk_of(&files);
    let whole = whole_pages(&files);
    let Some(found) = look(&disk, &files) else {
        return;
    };
    for ((shard, page), payload) in &found {
        let Some(payload) = payload else { continue };
        assert!(
            whole.contains(&(shard.0, page.0, payload.clone())),
            "page {page} of shard {shard} was never written so"
        );
    }
    let again = look(&disk, &contents(&disk)).expect("what was opened can be opened again");
    assert_eq!(found, again, "another opening finds the same");
}

/// Opens the store and reads all pages; `None` if it refuses.
fn look(disk: &MemoryDisk, files: &Files) -> Option<Found> {
    let mut records = 0;
    let opened = Local::open(disk.clone(), OPTIONS, &mut |_: Replayed<'_>| records += 1);
    let mut local = match opened {
        Ok(local) => local,
        Err(OpenError::Corrupt(_) | OpenError::Newer { .. } | OpenError::Older { .. }) => {
            assert_eq!(contents(disk), *files, "a refused folder was changed");
            return None;
        }
        Err(OpenError::Disk(error)) => panic!("the disk has no fault: {error:?}"),
    };
    assert_eq!(local.recovered.damaged, [], "a page damages no log");
    assert_eq!(records, 2, "the logs are as they were");
    let mut found = Found::new();
    for log in &mut local.logs {
        let missing = log.keep_pages(&PAGES);
        for page in PAGES {
            found.insert((log.shard(), page), None);
            if !missing.contains(&page) {
                log.read_page(page);
            }
        }
    }
    while local.pager.step().expect("the disk has no fault") == Step::Worked {}
    while local.reader.step().expect("the disk has no fault") == Step::Worked {}
    for log in &mut local.logs {
        let mut news = Vec::new();
        log.take_page_news(&mut news);
        for news in news {
            match news {
                PageNews::Read { page, payload } => {
                    found.insert((log.shard(), page), Some(payload));
                }
                PageNews::Damaged { .. } => {}
                PageNews::Saved { .. } | PageNews::NotSaved { .. } => {
                    panic!("nothing was to be saved")
                }
            }
        }
    }
    Some(found)
}

/// All pages that stand whole anywhere in a segment.
fn whole_pages(files: &Files) -> BTreeSet<(u16, u64, Vec<u8>)> {
    let segments = files.iter().filter(|(name, _)| is_segment(name));
    let mut whole = BTreeSet::new();
    for (_, bytes) in segments {
        for start in (0..bytes.len()).step_by(8) {
            whole.extend(page_at(&bytes[start..]));
        }
    }
    whole
}

/// The page whose record begins here, if one does.
fn page_at(bytes: &[u8]) -> Option<(u16, u64, Vec<u8>)> {
    let (header, rest) = bytes.split_at_checked(RECORD_HEADER_BYTES)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?);
    let payload = rest.get(..usize::try_from(length).ok()?)?;
    let mut checked = header[8..].to_vec();
    checked.extend_from_slice(payload);
    let is_whole = header[4..8] == checksum(&checked) && header[10] == PAGE_KIND;
    let shard = u16::from_le_bytes(header[8..10].try_into().ok()?);
    let page = u64::from_le_bytes(header[12..20].try_into().ok()?);
    is_whole.then(|| (shard, page, payload.to_vec()))
}

fn is_segment(name: &str) -> bool {
    name.starts_with("pages-")
}

/// The folders to begin with: 0 segments of which the last was being written, 1 the same closed, 2 with pages that
/// were saved twice or freed, 3 without pages.
fn bases() -> &'static [Files] {
    static BASES: OnceLock<Vec<Files>> = OnceLock::new();
    BASES.get_or_init(|| vec![base(11, 0), base(11, 1), base(12, 2), base(0, 0)])
}

fn base(pages: usize, what: u8) -> Files {
    let disk = MemoryDisk::new();
    let mut local = Local::open(disk.clone(), OPTIONS, &mut |_| {}).expect("it is a new folder");
    for log in &mut local.logs {
        let mut batch = log.batch();
        batch.push(7, |out| out.extend_from_slice(b"record"));
        log.submit(batch).expect("the disk has no fault");
    }
    local.journal.round().expect("the disk has no fault");
    for turn in 0..=u8::from(what == 2) {
        for page in &PAGES[..pages] {
            for log in &mut local.logs {
                let byte = page.0.to_le_bytes()[0].wrapping_mul(16) ^ turn;
                log.save_page(*page, Box::new(Filled(byte, 30 + usize::from(byte) % 50)));
                if turn == 1 && page.0 % 3 == 0 {
                    log.free_page(*page);
                }
            }
            while local.pager.step().expect("the disk has no fault") == Step::Worked {}
        }
    }
    if what == 1 {
        drop(local.logs);
        local.pager.run().expect("the disk has no fault");
    }
    contents(&disk)
}

/// A page of so many of one byte.
struct Filled(u8, usize);

impl PageSource for Filled {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        payload.resize(payload.len() + self.1, self.0);
    }
}

fn change(files: &mut Files, input: &mut Input<'_>) {
    let what = input.u8() % 7;
    let names: Vec<String> = files
        .keys()
        .filter(|name| is_segment(name))
        .cloned()
        .collect();
    let place = usize::from(input.u8());
    let Some(name) = names.get(place % names.len().max(1)) else {
        return;
    };
    if what == 4 {
        files.remove(name);
        return;
    }
    let bytes = files.get_mut(name).expect("it was just listed");
    match what {
        0 => patch(bytes, input),
        1 => append(bytes, input),
        2 => bytes.truncate(usize::from(input.u16())),
        3 => {
            let place = match input.u16() {
                u16::MAX => bytes.len().next_multiple_of(8),
                place => usize::from(place),
            };
            let (shard, kind, number) = (input.u16(), input.u8(), input.u64());
            let length = usize::from(input.u16());
            put(
                bytes,
                place,
                &record(shard, kind, number, input.bytes(length)),
            );
        }
        5 => {
            let bytes = bytes.clone();
            files.insert(format!("pages-{:016}", input.u8()), bytes);
        }
        _ => *bytes = input.rest().to_vec(),
    }
}
