//! The store on its own threads.

use anyhow::Context as _;
use log_store::{Housekeeper, Journal, Local, Options, RealDisk, ShardLog};
use std::path::Path;
use std::thread::{Builder, JoinHandle};
use tokio::sync::mpsc::UnboundedSender;

/// The store's folder in the data folder.
const FOLDER: &str = "store";

/// The store's threads.
pub(crate) struct Threads {
    journal: JoinHandle<()>,
    housekeeper: JoinHandle<()>,
}

/// An open store before its threads run.
pub(crate) struct Opened {
    /// One per shard.
    pub(crate) logs: Vec<Box<dyn ShardLog>>,
    /// What was found.
    pub(crate) recovered: log_store::Recovered,
    journal: Journal<RealDisk>,
    housekeeper: Housekeeper<RealDisk>,
}

/// Opens the store in the data folder and replays it into `recovery`.
pub(crate) fn open(
    data_dir: &Path,
    settings: &config::Store,
    recovery: &mut broker::Recovery,
) -> anyhow::Result<Opened> {
    let folder = data_dir.join(FOLDER);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("cannot make the data folder {}", folder.display()))?;
    let disk = RealDisk::open(&folder)?;
    let options = Options {
        shards: settings.shards,
        segment_bytes: settings.segment_bytes,
    };
    let local = Local::open(disk, options, &mut |record| recovery.replay(record))?;
    let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
    Ok(Opened {
        logs: local.logs.into_iter().map(boxed).collect(),
        recovered: local.recovered,
        journal: local.journal,
        housekeeper: local.housekeeper,
    })
}

impl Opened {
    /// Takes the logs out, one per shard.
    pub(crate) fn take_logs(&mut self) -> Vec<Box<dyn ShardLog>> {
        std::mem::take(&mut self.logs)
    }

    /// Starts the threads. A failure of the store, which is final, is sent to `fatal`.
    pub(crate) fn start(self, fatal: &UnboundedSender<anyhow::Error>) -> anyhow::Result<Threads> {
        let (journal, to) = (self.journal, fatal.clone());
        let journal = Builder::new().name("journal".into()).spawn(move || {
            if let Err(error) = journal.run() {
                let _is_ending_anyway = to.send(error.into());
            }
        })?;
        let (housekeeper, to) = (self.housekeeper, fatal.clone());
        let housekeeper = Builder::new().name("housekeeper".into()).spawn(move || {
            if let Err(error) = housekeeper.run() {
                let _is_ending_anyway = to.send(error.into());
            }
        })?;
        Ok(Threads {
            journal,
            housekeeper,
        })
    }
}

impl Threads {
    /// Waits until everything is durable and closed. All logs must have been dropped.
    pub(crate) fn join(self) {
        // A thread that panicked has told so on standard error; there is nothing left to save.
        let _panicked = self.journal.join();
        let _panicked = self.housekeeper.join();
    }
}
