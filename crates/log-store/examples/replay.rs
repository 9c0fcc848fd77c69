//! How fast the store is opened on a real folder:
//! `cargo run --release --example replay [FOLDER [MEGABYTES]]`.
//!
//! Writes so much of records of 1 KB, in rounds of 1, 16 and 1000, then opens the store again and says how long
//! that took.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "it measures, and says what it measured"
)]

use log_store::{Local, Options, RealDisk, ShardLog, Step};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

const PAYLOAD_BYTES: usize = 1024;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| PathBuf::from("replay-data"), PathBuf::from);
    let megabytes = match std::env::args().nth(2) {
        Some(megabytes) => megabytes.parse()?,
        None => 1000,
    };
    println!(
        "{:>14} {:>9} {:>9} {:>9}",
        "records/round", "MB", "s", "MB/s"
    );
    for per_round in [1000, 16, 1] {
        let records = write(&folder, megabytes << 10, per_round)?;
        for _ in 0..2 {
            let begin = Instant::now();
            let disk = RealDisk::open(&folder)?;
            let mut bytes = 0;
            let mut told = 0;
            let local = Local::open_telling(
                disk,
                Options::default(),
                &mut |record| bytes += record.payload.len(),
                &mut |_| told += 1,
            )?;
            let seconds = begin.elapsed().as_secs_f64();
            if local.recovered.records != records {
                return Err("not everything was replayed".into());
            }
            let megabytes = f64::from(u32::try_from(bytes >> 10)?) / 1024.0;
            let rate = megabytes / seconds;
            println!("{per_round:>14} {megabytes:>9.0} {seconds:>9.2} {rate:>9.0}");
            local.journal.close()?;
        }
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(())
}

/// Writes so many records; returns how many.
fn write(folder: &Path, records: u64, per_round: u64) -> Result<u64, Box<dyn Error>> {
    let disk = RealDisk::open(folder)?;
    let mut local = Local::open(disk, Options::default(), &mut |_| {})?;
    let payload = vec![b'x'; PAYLOAD_BYTES];
    // Rounds of one record take a sync each: fewer of them.
    let records = if per_round == 1 {
        records / 100
    } else {
        records
    };
    let mut written = 0;
    while written < records {
        for log in local.logs.iter_mut().take(4) {
            let mut batch = log.batch();
            for _ in 0..per_round.div_ceil(4) {
                batch.push(1, |out| out.extend_from_slice(&payload));
                written += 1;
            }
            log.submit(batch)?;
            if per_round == 1 {
                break;
            }
        }
        local.journal.round()?;
        while local.housekeeper.step()? == Step::Worked {}
    }
    local.journal.close()?;
    Ok(written)
}
