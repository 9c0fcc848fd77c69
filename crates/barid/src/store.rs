//! The store on its own threads.

use anyhow::Context as _;
use config::Config;
use log_store::{
    Housekeeper, Journal, Local, OpenProgress, Options, PageReader, Pager, RealDisk, ShardLog,
};
use std::path::{Path, PathBuf};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{error, info, warn};

/// The store's folder in the data folder.
const FOLDER: &str = "store";

/// How often it is told how far a long recovery has come.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Where the store of a data folder is.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER)
}

/// The store's threads.
pub(crate) struct Threads {
    all: Vec<JoinHandle<()>>,
}

/// An open store before its threads run.
pub(crate) struct Opened {
    /// One per shard.
    pub(crate) logs: Vec<Box<dyn ShardLog>>,
    /// What was found.
    pub(crate) recovered: log_store::Recovered,
    journal: Journal<RealDisk>,
    housekeeper: Housekeeper<RealDisk>,
    pager: Pager<RealDisk>,
    page_reader: PageReader<RealDisk>,
}

/// Opens the store in the data folder and replays it into `recovery`. Shards whose logs are damaged are refused
/// there.
pub(crate) fn open(config: &Config, recovery: &mut broker::Recovery) -> anyhow::Result<Opened> {
    let folder = folder(&config.data_dir);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
    let disk = RealDisk::open(&folder)?;
    let options = Options {
        shards: config.store.shards,
        segment_bytes: config.store.segment_bytes,
        // Acknowledgements need room in the journal, too: without it, nothing would ever make room again.
        free_bytes_min: config
            .store
            .segment_bytes
            .saturating_mul(2)
            .max(config.store.disk_free_bytes_min),
        ..Options::default()
    };
    let mut told = Told::default();
    let local = Local::open_telling(
        disk,
        options,
        &mut |record| recovery.replay(record),
        &mut |progress| told.tell(progress),
    )?;
    for damage in &local.recovered.damaged {
        let first = damage.corruptions.first();
        let reason = first.map_or_else(String::new, ToString::to_string);
        for corruption in &damage.corruptions {
            error!("{corruption}");
        }
        recovery.refuse(damage.shard, reason);
    }
    for corruption in local
        .recovered
        .harmless
        .iter()
        .chain(&local.recovered.damaged_pages)
    {
        warn!("{corruption}");
    }
    for name in &local.recovered.unknown_files {
        warn!("{name} in the store is not the store's; it is left alone");
    }
    let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
    Ok(Opened {
        logs: local.logs.into_iter().map(boxed).collect(),
        recovered: local.recovered,
        journal: local.journal,
        housekeeper: local.housekeeper,
        pager: local.pager,
        page_reader: local.reader,
    })
}

/// Tells how far a recovery has come, if it takes long.
#[derive(Default)]
struct Told(Option<Instant>);

impl Told {
    #[expect(
        clippy::disallowed_methods,
        reason = "the operator waits by the clock on the wall"
    )]
    fn tell(&mut self, progress: OpenProgress) {
        const MIB: u64 = 1 << 20;
        let last = *self.0.get_or_insert_with(Instant::now);
        if last.elapsed() < TOLD_EVERY {
            return;
        }
        self.0 = Some(Instant::now());
        let OpenProgress {
            read_bytes,
            total_bytes,
        } = progress;
        let percent = read_bytes * 100 / total_bytes.max(1);
        info!(
            "recovering: {} of {} MiB read, {percent} %",
            read_bytes / MIB,
            total_bytes / MIB
        );
    }
}

impl Opened {
    /// Takes the logs out, one per shard.
    pub(crate) fn take_logs(&mut self) -> Vec<Box<dyn ShardLog>> {
        std::mem::take(&mut self.logs)
    }

    /// Starts the threads. A failure of the store, which is final, is sent to `fatal`.
    pub(crate) fn start(self, fatal: &UnboundedSender<anyhow::Error>) -> anyhow::Result<Threads> {
        let Self {
            journal,
            housekeeper,
            pager,
            page_reader,
            ..
        } = self;
        let all = vec![
            spawn("journal", fatal, || journal.run())?,
            spawn("housekeeper", fatal, || housekeeper.run())?,
            spawn("pager", fatal, || pager.run())?,
            spawn("page-reader", fatal, || page_reader.run())?,
        ];
        Ok(Threads { all })
    }
}

/// Starts a thread whose failure, which is final, is sent to `fatal`.
fn spawn<E: Into<anyhow::Error>>(
    name: &str,
    fatal: &UnboundedSender<anyhow::Error>,
    run: impl FnOnce() -> Result<(), E> + Send + 'static,
) -> std::io::Result<JoinHandle<()>> {
    let to = fatal.clone();
    Builder::new().name(name.into()).spawn(move || {
        if let Err(error) = run() {
            let _is_ending_anyway = to.send(error.into());
        }
    })
}

impl Threads {
    /// Waits until everything is durable and closed. All logs must have been dropped.
    pub(crate) fn join(self) {
        for thread in self.all {
            // A thread that panicked has told so on standard error; there is nothing left to save.
            let _panicked = thread.join();
        }
    }
}
