//! Reads pages back.

use super::files::Files;
use super::map::Place;
use super::segment::Entry;
use super::shared::Wait;
use super::{PagesError, corruption};
use crate::disk::{Disk, DiskFile};
use crate::local::error::{Corruption, DiskError, Flaw};
use crate::local::housekeeper::Step;
use crate::local::name;
use crate::local::shared::Shared;
use crate::record::{self, HEADER_BYTES};
use crate::shard_log::PageNews;
use model::{PageNumber, ShardId};
use std::sync::Arc;

/// The end of the store that reads pages.
///
/// Belongs to a thread of its own, which calls [`run`](Self::run); the simulator steps it with
/// [`step`](Self::step). Without it no page is ever read.
#[derive(Debug)]
pub struct PageReader<D: Disk> {
    shared: Arc<Shared>,
    files: Arc<Files<D>>,
}

/// What has become of a read.
enum Answer {
    Read(Vec<u8>),
    Damaged(Corruption),
    /// The page may be one that is being saved.
    Later,
}

/// What stands at a place.
enum Found {
    Payload(Vec<u8>),
    /// There is no such file any more.
    NoFile,
    Flaw(Flaw),
}

impl<D: Disk> PageReader<D> {
    pub(super) fn new(shared: Arc<Shared>, files: Arc<Files<D>>) -> Self {
        Self { shared, files }
    }

    /// Reads until all logs are dropped.
    ///
    /// # Errors
    /// As [`step`](Self::step).
    pub fn run(mut self) -> Result<(), PagesError> {
        loop {
            while self.step()? == Step::Worked {}
            match self.shared.pages.wait_as_reader() {
                Wait::Due => {}
                Wait::Closed => return Ok(()),
            }
        }
    }

    /// Reads the page that was asked for first.
    ///
    /// # Errors
    /// [`PagesError::Disk`] when a file could not be opened although it is there: the store has failed.
    /// [`PagesError::Failed`] when it had failed before.
    pub fn step(&mut self) -> Result<Step, PagesError> {
        if self.shared.is_failed() {
            return Err(PagesError::Failed);
        }
        let Some((shard, page)) = self.shared.pages.lock().reads.pop_front() else {
            return Ok(Step::Idle);
        };
        let answer = self.read(shard, page).inspect_err(|_| self.shared.fail())?;
        let news = match answer {
            Answer::Read(payload) => PageNews::Read { page, payload },
            Answer::Damaged(corruption) => PageNews::Damaged { page, corruption },
            Answer::Later => return Ok(Step::Worked),
        };
        self.shared.announce([(shard, news)]);
        Ok(Step::Worked)
    }

    fn read(&self, shard: ShardId, page: PageNumber) -> Result<Answer, DiskError> {
        let mut before = None;
        loop {
            let place = {
                let mut state = self.shared.pages.lock();
                match state.map.place(shard, page) {
                    Some(place) => place,
                    None if state.saves > 0 => {
                        state.parked.push((shard, page));
                        return Ok(Answer::Later);
                    }
                    None => {
                        let nowhere = corruption("pages", 0, Some(shard), Flaw::NoPage);
                        return Ok(Answer::Damaged(nowhere));
                    }
                }
            };
            let flaw = match self.read_at(shard, page, place)? {
                Found::Payload(payload) => return Ok(Answer::Read(payload)),
                Found::NoFile => Flaw::Missing,
                Found::Flaw(flaw) => flaw,
            };
            // It may have been copied elsewhere, and its segment deleted, after the look at the map.
            if before == Some(place) {
                let file = name::pages(place.segment);
                let damage = corruption(&file, place.offset(), Some(shard), flaw);
                return Ok(Answer::Damaged(damage));
            }
            before = Some(place);
        }
    }

    fn read_at(&self, shard: ShardId, page: PageNumber, place: Place) -> Result<Found, DiskError> {
        let is_there = || {
            let state = self.shared.pages.lock();
            state.map.has_segment(place.segment)
        };
        let Some(file) = self.files.get(place.segment, is_there)? else {
            return Ok(Found::NoFile);
        };
        let mut bytes = vec![0; record::framed_bytes(place.length())];
        let entry = Entry {
            shard,
            page,
            offset: place.offset(),
            length: u32::try_from(place.length()).expect("it was one"),
        };
        Ok(match file.read_at(&mut bytes, place.offset()) {
            Err(_) => Found::Flaw(Flaw::Unreadable),
            Ok(count) if count < bytes.len() || !entry.is_at(&bytes) => Found::Flaw(Flaw::Page),
            Ok(_) => {
                bytes.truncate(HEADER_BYTES + place.length());
                bytes.drain(..HEADER_BYTES);
                Found::Payload(bytes)
            }
        })
    }
}
