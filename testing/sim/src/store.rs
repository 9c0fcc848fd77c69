//! What is kept of the broker's logs from one life to the next: a simulated disk, or a log for each shard
//! that loses its tail by itself.

use broker::Recovery;
use log_store::{Housekeeper, Journal, Local, MemoryDisk, MemoryStore, Options, ShardLog};
use model::ShardId;

/// Few shards, so that some of them share an executor and the first is used for both.
const SHARDS: u16 = 4;
/// Small segments, so that runs see segments come and go.
const SEGMENT_BYTES: u64 = 16 << 10;
/// A shard of its own is asked for a snapshot when it has committed so many records more.
const SNAPSHOT_RECORDS: u64 = 60;

/// What keeps the logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The real store on a disk in memory: all shards share a journal.
    Journal,
    /// A log in memory for each shard: none shares anything with another, not even the moment of a sync.
    Apart,
}

/// What outlives a crash.
#[derive(Clone)]
pub enum Store {
    /// The real store's disk.
    Journal(MemoryDisk),
    /// All shards' logs.
    Apart(MemoryStore),
}

impl Store {
    /// An empty one.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        match kind {
            Kind::Journal => Self::Journal(MemoryDisk::new()),
            Kind::Apart => Self::Apart(MemoryStore::new()),
        }
    }

    /// Opens the logs of all shards on what was kept.
    ///
    /// # Errors
    /// When the real store does not open: on a disk that only crashed, it must.
    pub fn open(
        &self,
        recovery: &mut Recovery,
    ) -> anyhow::Result<(Vec<Box<dyn ShardLog>>, Rounds)> {
        match self {
            Self::Journal(disk) => {
                let options = Options {
                    shards: SHARDS,
                    segment_bytes: SEGMENT_BYTES,
                };
                let replay = &mut |record: log_store::Replayed<'_>| recovery.replay(record);
                let local = Local::open(disk.clone(), options, replay)?;
                let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
                let rounds = Rounds::Journal {
                    journal: local.journal,
                    housekeeper: local.housekeeper,
                };
                Ok((local.logs.into_iter().map(boxed).collect(), rounds))
            }
            Self::Apart(store) => {
                let logs = store.open(SHARDS, &mut |record| recovery.replay(record));
                let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
                let rounds = Rounds::Apart {
                    store: store.clone(),
                    records: vec![0; usize::from(SHARDS)],
                };
                Ok((logs.into_iter().map(boxed).collect(), rounds))
            }
        }
    }

    /// Operations of the disk so far; none where there is no disk.
    #[must_use]
    pub fn operations(&self) -> u64 {
        match self {
            Self::Journal(disk) => disk.operations(),
            Self::Apart(_) => 0,
        }
    }

    /// Crashes in an operation of the disk, counted from now on, if there is a disk.
    pub fn crash_at(&self, nth: u64) {
        if let Self::Journal(disk) = self {
            disk.crash_at(nth);
        }
    }

    /// Power loss: keeps what was synced and some of the rest. `below` draws a number below the one given,
    /// which is not 0.
    pub fn crash(&self, below: &mut dyn FnMut(u64) -> u64) {
        match self {
            Self::Journal(disk) => disk.crash(&mut |limit| below(limit.max(1))),
            Self::Apart(store) => store.crash(&mut |_, unsynced| below(unsynced + 1)),
        }
    }
}

/// What makes logs durable, a step at a time.
#[expect(clippy::large_enum_variant, reason = "there is one in a run")]
pub enum Rounds {
    /// The real store's.
    Journal {
        /// Writes and syncs.
        journal: Journal<MemoryDisk>,
        /// Makes room.
        housekeeper: Housekeeper<MemoryDisk>,
    },
    /// One for each shard.
    Apart {
        /// All of them.
        store: MemoryStore,
        /// Committed by each since it was last asked for a snapshot.
        records: Vec<u64>,
    },
}

impl Rounds {
    /// The number of parts that can be stepped.
    #[must_use]
    pub fn parts(&self) -> usize {
        match self {
            Self::Journal { .. } => 2,
            Self::Apart { records, .. } => records.len(),
        }
    }

    /// Steps one part. Returns whether it had something to do.
    ///
    /// # Errors
    /// The store has failed, as it does on a disk that has crashed.
    ///
    /// # Panics
    /// When there is no such part.
    pub fn step(&mut self, part: usize) -> anyhow::Result<bool> {
        match self {
            Self::Journal { journal, .. } if part == 0 => Ok(journal.round()?.records > 0),
            Self::Journal { housekeeper, .. } => Ok(housekeeper.step()? == log_store::Step::Worked),
            Self::Apart { store, records } => {
                let shard = ShardId(u16::try_from(part).expect("there are few"));
                let committed = store.round_of(shard);
                records[part] += committed;
                if records[part] > SNAPSHOT_RECORDS {
                    records[part] = 0;
                    store.want_snapshot(shard);
                }
                Ok(committed > 0)
            }
        }
    }
}
