//! How fast pages are saved and read on a real folder: `cargo run --release --example pages [FOLDER]`.
//!
//! One shard keeps some megabytes of pages on their way, as a broker does that moves a backlog out of memory. They
//! are read once while they are in the operating system's cache.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, and says what it measured"
)]

use log_store::{Local, LocalLog, Options, PageNews, PageSource, RealDisk, ShardLog};
use model::PageNumber;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

/// What is saved of each size, in bytes.
const TOTAL_BYTES: u64 = 512 << 20;

/// What is on its way at once, in bytes.
const OUTSTANDING_BYTES: u64 = 16 << 20;

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A page of these bytes.
struct Filled(Arc<Vec<u8>>);

impl PageSource for Filled {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        payload.extend_from_slice(&self.0);
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("pages-data"), PathBuf::from);
    println!(
        "{:>8} {:>9} {:>10} {:>12} {:>10} {:>12} {:>9}",
        "bytes", "pages", "save MB/s", "pages/s", "read MB/s", "pages/s", "open ms"
    );
    for page_bytes in [1 << 20, 16 << 10, 2 << 10] {
        measure(&folder, page_bytes)?;
    }
    Ok(())
}

fn measure(folder: &Path, page_bytes: u64) -> Result<(), Box<dyn Error>> {
    let count = TOTAL_BYTES / page_bytes;
    let local = Local::open(RealDisk::open(folder)?, Options::default(), &mut |_| {})?;
    let Local {
        mut logs,
        journal,
        housekeeper,
        pager,
        reader,
        ..
    } = local;
    let threads = [
        thread::spawn(move || journal.run().map_err(|error| error.to_string())),
        thread::spawn(move || housekeeper.run().map_err(|error| error.to_string())),
        thread::spawn(move || pager.run().map_err(|error| error.to_string())),
        thread::spawn(move || reader.run().map_err(|error| error.to_string())),
    ];
    let log = &mut logs[0];
    log.wake_on_commit(Waker::from(Arc::new(Unpark(thread::current()))));
    let content = Arc::new(vec![b'x'; usize::try_from(page_bytes)?]);
    let saved = run(log, count, page_bytes, |log, page| {
        log.save_page(page, Box::new(Filled(Arc::clone(&content))));
    })?;
    let read = run(log, count, page_bytes, ShardLog::read_page)?;
    drop(logs);
    for thread in threads {
        thread.join().map_err(|_| "a thread")??;
    }
    let begin = Instant::now();
    drop(Local::open(
        RealDisk::open(folder)?,
        Options::default(),
        &mut |_| {},
    )?);
    let open = begin.elapsed().as_secs_f64() * 1000.0;
    std::fs::remove_dir_all(folder)?;
    let megabytes = f64::from(u32::try_from(TOTAL_BYTES >> 20)?);
    let pages = f64::from(u32::try_from(count)?);
    println!(
        "{page_bytes:>8} {count:>9} {:>10.0} {:>12.0} {:>10.0} {:>12.0} {open:>9.1}",
        megabytes / saved,
        pages / saved,
        megabytes / read,
        pages / read,
    );
    Ok(())
}

/// Asks for all pages, so many at a time, and waits for what becomes of them; returns the seconds.
fn run(
    log: &mut LocalLog,
    count: u64,
    page_bytes: u64,
    ask: impl Fn(&mut LocalLog, PageNumber),
) -> Result<f64, Box<dyn Error>> {
    let begin = Instant::now();
    let limit = (OUTSTANDING_BYTES / page_bytes).max(1);
    let (mut asked, mut answered) = (0, 0);
    let mut news = Vec::new();
    while answered < count {
        while asked < count && asked - answered < limit {
            asked += 1;
            ask(log, PageNumber(asked));
        }
        log.take_page_news(&mut news);
        if news.is_empty() {
            thread::park();
        }
        for news in news.drain(..) {
            match news {
                PageNews::Saved { .. } | PageNews::Read { .. } => answered += 1,
                PageNews::NotSaved { .. } => return Err("the disk is full".into()),
                PageNews::Damaged { corruption, .. } => return Err(corruption.into()),
            }
        }
    }
    Ok(begin.elapsed().as_secs_f64())
}
