//! Reads all pages and says which are damaged.

use super::corruption;
use super::segment::{self, Index, Origin};
use super::walk::{Part, is_intact, walk};
use crate::disk::Disk;
use crate::local::error::{Action, Corruption, DiskError, Flaw, OpenError};
use crate::local::header::{HEADER_BYTES, Header, Kind};
use crate::local::name;
use crate::local::reader::Reader;
use model::{PageNumber, ShardId};
use std::collections::BTreeSet;

/// Pages that are as they were saved.
type Intact = BTreeSet<(ShardId, PageNumber)>;

/// The pages that are intact, and what is wrong: pages that are not as they were saved, and indexes that cannot be
/// read. Superfluous copies are read like all others; of a page with several copies the newest counts.
pub(in crate::local) fn check<D: Disk>(
    disk: &D,
    store: u64,
    shards: u16,
    sequences: &[u32],
) -> Result<(Intact, Vec<Corruption>), OpenError> {
    let mut checked = Checked::default();
    for sequence in sequences {
        checked.segment(disk, store, usize::from(shards), *sequence)?;
    }
    Ok((checked.intact, checked.found))
}

#[derive(Default)]
struct Checked {
    intact: Intact,
    found: Vec<Corruption>,
}

impl Checked {
    fn segment<D: Disk>(
        &mut self,
        disk: &D,
        store: u64,
        shards: usize,
        sequence: u32,
    ) -> Result<(), OpenError> {
        let name = name::pages(sequence);
        let file = disk
            .open(&name)
            .map_err(DiskError::on(Action::Open, &name))?;
        let mut reader = Reader::new(&name, &file)?;
        let header = Header::decode(Kind::Pages, &name, reader.bytes(0, HEADER_BYTES)?);
        if let Err(OpenError::Corrupt(damage)) = header {
            self.found.push(damage);
        }
        let origin = Origin { store, sequence };
        let inventory = match segment::read_index(&mut reader, origin, shards)? {
            Index::Whole(inventory) => inventory,
            Index::Damaged(pages_end) => {
                self.found
                    .push(corruption(&name, pages_end, None, Flaw::PageIndex));
                walk(&mut reader, origin, shards, Part::Sealed(pages_end))?.inventory
            }
            // It was being written: what is torn was never saved.
            Index::Absent => walk(&mut reader, origin, shards, Part::Unsealed)?.inventory,
        };
        let lost = inventory.lost.iter();
        self.found
            .extend(lost.map(|place| corruption(&name, place.start, None, Flaw::PageMark)));
        for entry in &inventory.entries {
            let key = (entry.shard, entry.page);
            if is_intact(&mut reader, entry)? {
                self.intact.insert(key);
            } else {
                self.intact.remove(&key);
                let shard = Some(entry.shard);
                self.found
                    .push(corruption(&name, entry.offset, shard, Flaw::Page));
            }
        }
        Ok(())
    }
}
