//! What is kept of the broker's logs from one life to the next: a simulated disk, or a log for each shard
//! that loses its tail by itself.

use broker::Recovery;
use log_store::{
    Disk, Fault, Housekeeper, Journal, Local, MemoryDisk, MemoryStore, OpenError, Options,
    PageReader, Pager, RepairOutcome, ShardLog, Step, repair,
};
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

/// The real store's.
const OPTIONS: Options = Options {
    shards: SHARDS,
    segment_bytes: SEGMENT_BYTES,
    page_segment_bytes: SEGMENT_BYTES,
    free_bytes_min: 0,
};

/// The logs of an open store.
pub struct Opened {
    /// Of all shards, by ascending shard.
    pub logs: Vec<Box<dyn ShardLog>>,
    /// What makes them durable.
    pub rounds: Rounds,
    /// Shards that are out of service.
    pub damaged: Vec<ShardId>,
}

/// A bit of the disk that has rotted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rot {
    file: String,
    offset: usize,
    mask: u8,
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

    /// Opens the logs of all shards on what was kept. Shards whose logs are damaged are refused.
    ///
    /// # Errors
    /// When the real store does not open: on a disk that only crashed, it must.
    pub fn open(&self, recovery: &mut Recovery) -> Result<Opened, OpenError> {
        match self {
            Self::Journal(disk) => {
                let replay = &mut |record: log_store::Replayed<'_>| recovery.replay(record);
                let local = Local::open(disk.clone(), OPTIONS, replay)?;
                let damaged = local.recovered.damaged;
                for damage in &damaged {
                    let found = damage.corruptions.first();
                    let reason = found.map_or_else(String::new, ToString::to_string);
                    recovery.refuse(damage.shard, reason);
                }
                let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
                let rounds = Rounds::Journal {
                    journal: local.journal,
                    housekeeper: local.housekeeper,
                    pager: local.pager,
                    reader: local.reader,
                };
                Ok(Opened {
                    logs: local.logs.into_iter().map(boxed).collect(),
                    rounds,
                    damaged: damaged.into_iter().map(|damage| damage.shard).collect(),
                })
            }
            Self::Apart(store) => {
                let logs = store.open(SHARDS, &mut |record| recovery.replay(record));
                let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
                let rounds = Rounds::Apart {
                    store: store.clone(),
                    records: vec![0; usize::from(SHARDS)],
                };
                Ok(Opened {
                    logs: logs.into_iter().map(boxed).collect(),
                    rounds,
                    damaged: Vec::new(),
                })
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

    /// The end of the process: what was written stays, though it may not be synced.
    pub fn end_process(&self) {
        match self {
            Self::Journal(disk) => disk.heal(),
            Self::Apart(store) => store.crash(&mut |_, _| 0),
        }
    }

    /// The disk of the real store.
    #[must_use]
    pub const fn disk(&self) -> Option<&MemoryDisk> {
        match self {
            Self::Journal(disk) => Some(disk),
            Self::Apart(_) => None,
        }
    }

    /// The `nth` write or sync from now on fails for good, if there is a disk.
    pub fn fail(&self, is_write: bool, nth: u64) {
        if let Self::Journal(disk) = self {
            if is_write {
                disk.fail_write(nth, Fault::Io);
            } else {
                disk.fail_sync(nth, Fault::Io);
            }
        }
    }

    /// The disk has room for so many bytes more, or for all.
    pub fn leave_room(&self, bytes: Option<u64>) {
        if let Self::Journal(disk) = self {
            disk.set_capacity(bytes.map(|bytes| disk.used_bytes() + bytes));
        }
    }

    /// Flips a bit of a file whose name begins so, more often one that is set beside others than one of many zeros.
    /// `below` draws a number below the one given, which is not 0.
    pub fn rot(&self, prefix: &str, below: &mut dyn FnMut(usize) -> usize) -> Option<Rot> {
        let Self::Journal(disk) = self else {
            return None;
        };
        let mut names = disk.list().ok()?;
        // Nobody reads what stands in a spare segment.
        names.retain(|name| name.starts_with(prefix) && !name.starts_with("spare-"));
        let file = names.get(below(names.len().max(1)))?.clone();
        let bytes = disk.content(&file).filter(|bytes| !bytes.is_empty())?;
        let mut offset = 0;
        for _ in 0..20 {
            offset = below(bytes.len());
            if bytes[offset] != 0 {
                break;
            }
        }
        let mask = 1 << below(8);
        let rot = Rot { file, offset, mask };
        self.flip(&rot);
        Some(rot)
    }

    /// Flips the bit, or flips it back.
    pub fn flip(&self, rot: &Rot) {
        if let Self::Journal(disk) = self {
            disk.flip(&rot.file, rot.offset, rot.mask);
        }
    }

    /// Opens the store and closes it again: from then on, no damage can be taken for a torn write.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn seal(&self) -> Result<(), OpenError> {
        self.open(&mut Recovery::default()).map(drop)
    }

    /// Repairs what is damaged, whatever is lost.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn repair(&self) -> Result<(), String> {
        let Self::Journal(disk) = self else {
            return Ok(());
        };
        let repaired = repair(disk, true).map_err(|error| format!("not repaired: {error}"))?;
        if repaired.outcome != RepairOutcome::Done || repaired.lost.is_empty() {
            return Err(format!("not repaired: {repaired:?}"));
        }
        let again = repair(disk, false).map_err(|error| format!("not repaired: {error}"))?;
        if again.outcome != RepairOutcome::NotNeeded {
            return Err(format!("repaired, and still damaged: {again:?}"));
        }
        Ok(())
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
        /// Saves pages.
        pager: Pager<MemoryDisk>,
        /// Reads them.
        reader: PageReader<MemoryDisk>,
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
    /// Ends in order. All logs have been dropped.
    ///
    /// # Errors
    /// The store has failed.
    pub fn close(self) -> anyhow::Result<()> {
        match self {
            Self::Journal {
                journal,
                housekeeper,
                pager,
                reader,
            } => {
                journal.close()?;
                housekeeper.run()?;
                pager.run()?;
                reader.run()?;
            }
            Self::Apart { .. } => {}
        }
        Ok(())
    }

    /// The number of parts that can be stepped.
    #[must_use]
    pub fn parts(&self) -> usize {
        match self {
            Self::Journal { .. } => 4,
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
            Self::Journal { housekeeper, .. } if part == 1 => {
                Ok(housekeeper.step()? == Step::Worked)
            }
            Self::Journal { pager, .. } if part == 2 => Ok(pager.step()? == Step::Worked),
            Self::Journal { reader, .. } => Ok(reader.step()? == Step::Worked),
            Self::Apart { store, records } => {
                let shard = ShardId(u16::try_from(part).expect("there are few"));
                let pages = store.pages_of(shard);
                let committed = store.round_of(shard);
                records[part] += committed;
                if records[part] > SNAPSHOT_RECORDS {
                    records[part] = 0;
                    store.want_snapshot(shard);
                }
                Ok(committed > 0 || pages > 0)
            }
        }
    }
}
