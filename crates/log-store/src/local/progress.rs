//! How far each shard is read, and what it has lost.
//!
//! Indexes are dense, and every round says for its shards how many records it has and which is the last. So
//! when a place cannot be read, what comes behind it shows which shards have lost something there:
//!
//! 1. A *hole* is a place where rounds are missing. From then on every shard is in doubt.
//! 2. The next table that names a shard ends the doubt: the shard is whole if its records so far, or its
//!    snapshot, reach to where the table begins, else damaged.
//! 3. A shard that nothing names any more may have lost its last records in the hole: it is damaged.

use super::error::{Corruption, Damage, Flaw};
use super::round::Entry;
use model::{LogIndex, ShardId};

/// The most damaged places that are told of a shard, and of those that cost no shard anything.
const PLACES_MAX: usize = 64;

/// One shard's progress.
#[derive(Clone, Debug, Default)]
pub(super) struct Progress {
    /// Up to here, records of the journal are not needed; 0 if there is no snapshot.
    pub(super) snapshot: u64,
    /// The index that the newest snapshot's name tells, intact or not.
    pub(super) snapshot_named: u64,
    /// The last index that the journal is known to have held.
    pub(super) seen: Option<u64>,
    /// The first record that was found in the journal.
    pub(super) first: Option<u64>,
    /// Records that were found in the journal.
    pub(super) records: u64,
    /// The first hole since the shard was last known to be whole.
    doubt: Option<usize>,
    corruptions: Vec<Corruption>,
    /// Indexes that are missing, first and last, ascending.
    pub(super) lost: Vec<(u64, u64)>,
    /// Whether records behind the last known one may be lost, too.
    pub(super) has_lost_tail: bool,
}

/// A damaged place.
#[derive(Clone, Debug)]
struct Place {
    corruption: Corruption,
    /// Whether it cost a shard something.
    is_blamed: bool,
}

/// All shards' progress.
#[derive(Debug)]
pub(super) struct Shards {
    pub(super) all: Box<[Progress]>,
    /// Rounds are missing there.
    holes: Vec<Place>,
    /// What is damaged and costs nobody anything.
    harmless: Vec<Corruption>,
}

impl Progress {
    /// The last index of its log.
    pub(super) fn last(&self) -> u64 {
        self.snapshot_named.max(self.seen.unwrap_or_default())
    }

    pub(super) fn is_damaged(&self) -> bool {
        !self.corruptions.is_empty()
    }

    /// The index that must come next.
    fn next(&self) -> u64 {
        self.snapshot.max(self.seen.unwrap_or_default()) + 1
    }

    /// Notes that the shard has lost something, or may have.
    pub(super) fn blame(&mut self, corruption: Corruption) {
        if self.corruptions.len() < PLACES_MAX {
            self.corruptions.push(corruption);
        }
    }

    /// The records from `first` to `last` are not in the journal. Returns whether that is a loss, and from
    /// which index on.
    fn miss(&mut self, first: u64, last: u64) -> Option<u64> {
        let first = first.max(self.snapshot + 1);
        if first > last {
            return None;
        }
        match self.lost.last_mut() {
            Some(range) if range.1 + 1 == first => range.1 = last,
            Some(_) | None => self.lost.push((first, last)),
        }
        Some(first)
    }
}

impl Shards {
    pub(super) fn new(all: Box<[Progress]>) -> Self {
        Self {
            all,
            holes: Vec::new(),
            harmless: Vec::new(),
        }
    }

    /// Rounds are missing at a place.
    pub(super) fn hole(&mut self, corruption: Corruption) {
        let hole = self.holes.len();
        self.holes.push(Place {
            corruption,
            is_blamed: false,
        });
        for shard in &mut self.all {
            shard.doubt.get_or_insert(hole);
        }
    }

    /// A place is damaged and no shard needs it.
    pub(super) fn harmless(&mut self, corruption: Corruption) {
        if self.harmless.len() < PLACES_MAX {
            self.harmless.push(corruption);
        }
    }

    /// Takes what a table says of a shard before its round is read. `round` is the place of the round: its
    /// file, its offset.
    pub(super) fn enter(&mut self, entry: &Entry, round: (&str, u64)) -> Result<(), Corruption> {
        let shard = ShardId(entry.shard);
        let at_round = |index, flaw| Corruption {
            file: round.0.to_owned(),
            offset: round.1,
            shard: Some(shard),
            index: Some(LogIndex(index)),
            flaw,
        };
        let Some(progress) = self.all.get_mut(usize::from(entry.shard)) else {
            let index = entry.last.unwrap_or_default();
            return Err(at_round(index, Flaw::UnknownShard));
        };
        let next = progress.next();
        let Some(last) = entry.last else {
            progress.has_lost_tail = true;
            if !progress.is_damaged() {
                progress.blame(at_round(next, Flaw::FoundDamaged));
            }
            return Ok(());
        };
        let before = last - u64::from(entry.records);
        let seen = progress.seen.unwrap_or(before);
        let doubt = progress.doubt.take();
        if before < seen {
            let (expected, found) = (LogIndex(seen + 1), LogIndex(before + 1));
            progress.blame(at_round(before + 1, Flaw::Gap { expected, found }));
            return Ok(());
        }
        progress.seen = Some(before);
        let Some(index) = progress.miss(next, before) else {
            return Ok(());
        };
        let corruption = match doubt {
            Some(hole) => self.blame_hole(hole, shard, index),
            None => {
                let (expected, found) = (LogIndex(index), LogIndex(before + 1));
                at_round(index, Flaw::Gap { expected, found })
            }
        };
        self.all[usize::from(entry.shard)].blame(corruption);
        Ok(())
    }

    /// The records of a shard from `first` to `last` cannot be read, because of what is wrong at `place`.
    /// Returns whether the shard has lost something by it.
    pub(super) fn miss(
        &mut self,
        shard: u16,
        (first, last): (u64, u64),
        place: Corruption,
    ) -> bool {
        let progress = &mut self.all[usize::from(shard)];
        let Some(index) = progress.miss(first, last) else {
            return false;
        };
        progress.blame(Corruption {
            shard: Some(ShardId(shard)),
            index: Some(LogIndex(index)),
            ..place
        });
        true
    }

    /// The records of a shard in a round are not those that it was written with.
    pub(super) fn distrust(&mut self, shard: u16, last: u64, place: Corruption) -> bool {
        let progress = &mut self.all[usize::from(shard)];
        if last <= progress.snapshot {
            return false;
        }
        progress.blame(Corruption {
            shard: Some(ShardId(shard)),
            index: Some(LogIndex(last)),
            ..place
        });
        true
    }

    /// The journal ends at a place: whoever is still in doubt may have lost what came behind.
    pub(super) fn end(&mut self, file: &str, offset: u64) {
        let ends_early = |progress: &&Progress| {
            let is_explained = progress.is_damaged() || progress.doubt.is_some();
            let seen = progress.seen.unwrap_or(u64::MAX);
            !is_explained && seen < progress.snapshot_named
        };
        if let Some(early) = self.all.iter().find(ends_early) {
            // A snapshot is made current when the log is durable up to it. So the journal went on here.
            let found = LogIndex(early.seen.unwrap_or_default());
            let expected = LogIndex(early.snapshot_named);
            self.hole(Corruption {
                file: file.to_owned(),
                offset,
                shard: None,
                index: None,
                flaw: Flaw::LogEndsEarly { expected, found },
            });
        }
        for place in 0..self.all.len() {
            let named = self.all[place].snapshot_named;
            let progress = &mut self.all[place];
            let next = progress.next();
            progress.miss(next, named);
            if let Some(hole) = progress.doubt.take() {
                progress.has_lost_tail = true;
                let index = progress.next().max(named + 1);
                let shard = ShardId(u16::try_from(place).expect("shards have 16 bits"));
                let corruption = self.blame_hole(hole, shard, index);
                self.all[place].blame(corruption);
            }
        }
    }

    fn blame_hole(&mut self, hole: usize, shard: ShardId, index: u64) -> Corruption {
        let hole = &mut self.holes[hole];
        hole.is_blamed = true;
        Corruption {
            shard: Some(shard),
            index: Some(LogIndex(index)),
            ..hole.corruption.clone()
        }
    }

    /// What was found: the damaged shards, and the damaged places that cost no shard anything.
    pub(super) fn findings(&self) -> (Vec<Damage>, Vec<Corruption>) {
        let damaged = |(shard, progress): (u16, &Progress)| {
            progress.is_damaged().then(|| Damage {
                shard: ShardId(shard),
                corruptions: progress.corruptions.clone(),
            })
        };
        let damaged = (0..).zip(&self.all).filter_map(damaged).collect();
        let unblamed = self.holes.iter().filter(|hole| !hole.is_blamed);
        let unblamed = unblamed.map(|hole| hole.corruption.clone());
        let harmless = self.harmless.iter().cloned().chain(unblamed);
        (damaged, harmless.take(PLACES_MAX).collect())
    }
}
