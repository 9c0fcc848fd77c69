//! How fast the store confirms on a real folder:
//! `cargo run --release --example rounds [FOLDER [OUTSTANDING]]`.
//!
//! One shard keeps so many records outstanding, as a publisher with a window does: it submits, waits
//! until some are committed, and submits as many again.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, and says what it measured"
)]

use log_store::{Local, LocalLog, Options, RealDisk, ShardLog};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

const RUN: Duration = Duration::from_secs(3);

/// Wakes a thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("rounds-data"), PathBuf::from);
    let only: Option<u64> = match std::env::args().nth(2) {
        Some(outstanding) => Some(outstanding.parse()?),
        None => None,
    };
    println!(
        "{:>8} {:>12} {:>12} {:>9} {:>14}",
        "bytes", "outstanding", "records/s", "syncs/s", "records/sync"
    );
    for payload_bytes in [100, 1024] {
        for outstanding in [1, 16, 1000] {
            if only.is_some_and(|only| only != outstanding) {
                continue;
            }
            let (records, syncs) = measure(&folder, payload_bytes, outstanding)?;
            println!(
                "{payload_bytes:>8} {outstanding:>12} {records:>12.0} {syncs:>9.0} {:>14.1}",
                records / syncs
            );
        }
    }
    Ok(())
}

/// Records and syncs per second.
fn measure(
    folder: &Path,
    payload_bytes: usize,
    outstanding: u64,
) -> Result<(f64, f64), Box<dyn Error>> {
    let disk = RealDisk::open(folder)?;
    let Local {
        mut logs,
        mut journal,
        housekeeper,
        ..
    } = Local::open(disk, Options::default(), &mut |_| {})?;
    let housekeeping = thread::spawn(move || housekeeper.run());
    let rounds = thread::spawn(move || {
        let mut rounds = 0_u32;
        while journal.wait() == log_store::Due::Round {
            journal.round()?;
            rounds += 1;
        }
        journal.close().map(|()| rounds)
    });
    let begin = Instant::now();
    let records = publish(&mut logs[0], payload_bytes, outstanding, begin)?;
    let seconds = begin.elapsed().as_secs_f64();
    drop(logs);
    let rounds = rounds.join().map_err(|_| "the journal's thread")??;
    housekeeping
        .join()
        .map_err(|_| "the housekeeping's thread")??;
    std::fs::remove_dir_all(folder)?;
    let records = f64::from(u32::try_from(records)?);
    Ok((records / seconds, f64::from(rounds) / seconds))
}

/// Keeps `outstanding` records on their way until the time is over; returns how many were confirmed.
fn publish(
    log: &mut LocalLog,
    payload_bytes: usize,
    outstanding: u64,
    begin: Instant,
) -> Result<u64, Box<dyn Error>> {
    let payload = vec![b'x'; payload_bytes];
    log.wake_on_commit(Waker::from(Arc::new(Unpark(thread::current()))));
    while begin.elapsed() < RUN {
        let room = outstanding - (log.next_index().0 - 1 - log.committed().0);
        if room == 0 {
            thread::park();
            continue;
        }
        let mut batch = log.batch();
        for _ in 0..room {
            batch.push(1, |out| out.extend_from_slice(&payload));
        }
        log.submit(batch)?;
    }
    Ok(log.committed().0)
}
