//! A disk in memory that fails as disks do: the double for tests and for the simulator.

use super::{Disk, DiskFile, Removing};
use parking_lot::{Mutex, MutexGuard};
use rustix::io::Errno;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::sync::Arc;

/// What is written or lost as a whole.
const SECTOR_BYTES: usize = 512;

type Sector = [u8; SECTOR_BYTES];

/// A disk in memory. A clone is another handle to the same disk.
///
/// It keeps for every file what is synced apart from what is only written, and for the folder which
/// names are synced. [`crash`](Self::crash) loses what a power failure may lose; dropping the store
/// without it is what the end of a process does.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<World>>);

/// A file of a [`MemoryDisk`]. It is dead after a crash.
#[derive(Debug)]
pub struct MemoryFile {
    world: Arc<Mutex<World>>,
    inode: usize,
    generation: u64,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device reports an error (EIO).
    Io,
    /// The device is full (ENOSPC).
    NoSpace,
}

impl Fault {
    fn error(self) -> io::Error {
        match self {
            Self::Io => Errno::IO.into(),
            Self::NoSpace => Errno::NOSPC.into(),
        }
    }
}

#[derive(Debug, Default)]
struct World {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Nothing may be taken away.
    is_copied: bool,
    /// What changed in `names` since the folder was synced.
    name_changes: Vec<NameChange>,
    /// Operations that change something, since the disk was made.
    operations: u64,
    crash_at: Option<u64>,
    crashed: bool,
    /// Counts crashes, to tell dead files from living ones.
    generation: u64,
    writes_until_fault: Option<(u64, Fault)>,
    syncs_until_fault: Option<(u64, Fault)>,
    operations_until_fault: Option<(u64, Fault)>,
    syncs: u64,
    randoms: u64,
    /// What all files may hold together.
    capacity: Option<u64>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Insert(String, usize),
    Remove(String),
    Rename(String, String, usize),
}

#[derive(Debug, Default)]
struct Inode {
    /// As it is read.
    bytes: Vec<u8>,
    /// As it was synced.
    durable: Vec<u8>,
    /// For each sector written since the sync, its content after each write, oldest first.
    unsynced: BTreeMap<usize, Vec<Sector>>,
    /// What room it has, in bytes, if that is more than it holds.
    allocated: usize,
    /// As it was synced.
    durably_allocated: usize,
}

/// What an admitted operation must do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admitted {
    Whole,
    /// The power fails while it runs.
    Crashing,
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many operations changed something so far: creates, writes, size changes, syncs, renames,
    /// removals.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.0.lock().operations
    }

    /// How many syncs of files there were.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.0.lock().syncs
    }

    /// The power fails during the `nth` operation from now (1 = the next one); it and all later ones
    /// fail until [`crash`](Self::crash) is called.
    pub fn crash_at(&self, nth: u64) {
        let mut world = self.0.lock();
        world.crash_at = Some(world.operations + nth);
    }

    /// Whether the power has failed and [`crash`](Self::crash) was not called since.
    #[must_use]
    pub fn is_crashed(&self) -> bool {
        self.0.lock().crashed
    }

    /// Fails the `nth` write from now (1 = the next one), once; nothing of it is written.
    pub fn fail_write(&self, nth: u64, fault: Fault) {
        self.0.lock().writes_until_fault = Some((nth, fault));
    }

    /// Fails the `nth` operation that changes something from now (1 = the next one), once; nothing of it is done.
    pub fn fail_operation(&self, nth: u64, fault: Fault) {
        self.0.lock().operations_until_fault = Some((nth, fault));
    }

    /// Fails the `nth` sync of a file from now (1 = the next one), once. What was written since the
    /// last one can still be read, but no later sync makes it durable.
    pub fn fail_sync(&self, nth: u64, fault: Fault) {
        self.0.lock().syncs_until_fault = Some((nth, fault));
    }

    /// From now on the folder is copied, or no longer: what is there may not be taken away.
    pub fn set_copied(&self, is_copied: bool) {
        self.0.lock().is_copied = is_copied;
    }

    /// Says how many bytes all files may hold together; `None`, as it is at first, for as many as there are. A
    /// write for which there is no room writes what fits and fails as [`Fault::NoSpace`] does.
    pub fn set_capacity(&self, capacity_bytes: Option<u64>) {
        self.0.lock().capacity = capacity_bytes;
    }

    /// What all files take together, in bytes.
    #[must_use]
    pub fn used_bytes(&self) -> u64 {
        self.0.lock().used_bytes()
    }

    /// Loses what a power failure may lose and takes back the faults that were set. All open files
    /// are dead. `below(n)` returns a number below `n`: the source of chance.
    ///
    /// Every sector written since its file was synced is lost or stands as after one of those writes,
    /// each on its own; every change of a name since the folder was synced happened or did not.
    pub fn crash(&self, below: &mut dyn FnMut(u64) -> u64) {
        let mut world = self.0.lock();
        let changes = std::mem::take(&mut world.name_changes);
        for change in changes {
            if below(2) == 1 {
                change.apply(&mut world.durable_names);
            }
        }
        world.names = world.durable_names.clone();
        for inode in &mut world.inodes {
            inode.crash(below);
        }
        world.forget_nameless();
        world.generation += 1;
        world.crashed = false;
        world.forget_faults();
    }

    /// Takes back the faults that were set, and a power failure that has not come yet: what the end of a process
    /// leaves is what was written, synced or not.
    pub fn heal(&self) {
        self.0.lock().forget_faults();
    }

    /// Flips the bits of `mask` in a byte of a file, on the medium.
    ///
    /// # Panics
    /// When there is no such file or no such byte.
    pub fn flip(&self, name: &str, offset: usize, mask: u8) {
        let mut world = self.0.lock();
        let inode = world.names[name];
        let inode = &mut world.inodes[inode];
        inode.bytes[offset] ^= mask;
        if let Some(byte) = inode.durable.get_mut(offset) {
            *byte ^= mask;
        }
    }

    /// A file's bytes; `None` if it does not exist.
    #[must_use]
    pub fn content(&self, name: &str) -> Option<Vec<u8>> {
        let world = self.0.lock();
        let inode = *world.names.get(name)?;
        Some(world.inodes[inode].bytes.clone())
    }

    /// Puts a file there, durably.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut world = self.0.lock();
        let inode = world.add(Inode {
            durable: bytes.clone(),
            bytes,
            ..Inode::default()
        });
        world.names.insert(name.to_owned(), inode);
        world.durable_names.insert(name.to_owned(), inode);
    }
}

impl Disk for MemoryDisk {
    type File = MemoryFile;

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let mut world = self.0.lock();
        let admitted = world.admit()?;
        let inode = world.add(Inode::default());
        world.change_names(NameChange::Insert(name.to_owned(), inode));
        admitted.or_crash()?;
        Ok(self.file(&world, inode))
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        let world = self.0.lock();
        world.check_power()?;
        match world.names.get(name) {
            Some(inode) => Ok(self.file(&world, *inode)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let world = self.0.lock();
        world.check_power()?;
        Ok(world.names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.0.lock();
        let admitted = world.admit()?;
        let inode = *world.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        world.change_names(NameChange::Rename(from.to_owned(), to.to_owned(), inode));
        admitted.or_crash()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut world = self.0.lock();
        let admitted = world.admit()?;
        if !world.names.contains_key(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        world.change_names(NameChange::Remove(name.to_owned()));
        admitted.or_crash()
    }

    fn removing(&self) -> Option<Removing> {
        (!self.0.lock().is_copied).then(|| Removing::new(None))
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut world = self.0.lock();
        world.admit()?.or_crash()?;
        world.durable_names = world.names.clone();
        world.name_changes.clear();
        world.forget_nameless();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let world = self.0.lock();
        world.check_power()?;
        let free = |capacity: u64| capacity.saturating_sub(world.used_bytes());
        Ok(world.capacity.map_or(u64::MAX, free))
    }

    fn random(&self) -> u64 {
        let mut world = self.0.lock();
        world.randoms += 1;
        world.randoms.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }
}

impl MemoryDisk {
    fn file(&self, world: &World, inode: usize) -> MemoryFile {
        MemoryFile {
            world: Arc::clone(&self.0),
            inode,
            generation: world.generation,
        }
    }
}

impl MemoryFile {
    fn world(&self) -> io::Result<MutexGuard<'_, World>> {
        let world = self.world.lock();
        if world.generation != self.generation {
            return Err(io::Error::other("this file was open before the crash"));
        }
        Ok(world)
    }
}

impl DiskFile for MemoryFile {
    fn size_bytes(&self) -> io::Result<u64> {
        let world = self.world()?;
        world.check_power()?;
        let size = world.inodes[self.inode].bytes.len();
        Ok(u64::try_from(size).expect("sizes in memory fit 64 bits"))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.world()?;
        world.check_power()?;
        let bytes = &world.inodes[self.inode].bytes;
        let start = place(offset)?.min(bytes.len());
        let count = buffer.len().min(bytes.len() - start);
        buffer[..count].copy_from_slice(&bytes[start..start + count]);
        Ok(count)
    }

    fn write_all_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let mut world = self.world()?;
        let admitted = world.admit()?;
        if let Some(fault) = count_down(&mut world.writes_until_fault) {
            return Err(fault.error());
        }
        let offset = place(offset)?;
        let room = world.room_at(self.inode, offset);
        let len = slices.iter().map(|slice| slice.len()).sum::<usize>();
        if len > room {
            let mut bytes: Vec<u8> = slices
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect();
            bytes.truncate(room);
            world.inodes[self.inode].write(&[IoSlice::new(&bytes)], offset);
            return Err(Fault::NoSpace.error());
        }
        world.inodes[self.inode].write(slices, offset);
        admitted.or_crash()
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut world = self.world()?;
        world.admit()?.or_crash()?;
        world.syncs += 1;
        if let Some(fault) = count_down(&mut world.syncs_until_fault) {
            world.inodes[self.inode].unsynced.clear();
            return Err(fault.error());
        }
        world.inodes[self.inode].sync();
        Ok(())
    }

    fn allocate(&self, size_bytes: u64) -> io::Result<()> {
        let mut world = self.world()?;
        let admitted = world.admit()?;
        let size = place(size_bytes)?;
        if size > world.room_at(self.inode, 0) {
            return Err(Fault::NoSpace.error());
        }
        let inode = &mut world.inodes[self.inode];
        inode.allocated = inode.allocated.max(size);
        admitted.or_crash()
    }

    fn set_len(&self, size_bytes: u64) -> io::Result<()> {
        let mut world = self.world()?;
        let admitted = world.admit()?;
        let size = place(size_bytes)?;
        world.inodes[self.inode].set_len(size);
        admitted.or_crash()
    }
}

impl Admitted {
    fn or_crash(self) -> io::Result<()> {
        match self {
            Self::Whole => Ok(()),
            Self::Crashing => Err(no_power()),
        }
    }
}

impl World {
    fn check_power(&self) -> io::Result<()> {
        if self.crashed {
            Err(no_power())
        } else {
            Ok(())
        }
    }

    fn forget_faults(&mut self) {
        self.crash_at = None;
        self.writes_until_fault = None;
        self.syncs_until_fault = None;
        self.operations_until_fault = None;
    }

    /// Counts an operation that changes something.
    fn admit(&mut self) -> io::Result<Admitted> {
        self.check_power()?;
        self.operations += 1;
        if self.crash_at == Some(self.operations) {
            self.crashed = true;
            return Ok(Admitted::Crashing);
        }
        if let Some(fault) = count_down(&mut self.operations_until_fault) {
            return Err(fault.error());
        }
        Ok(Admitted::Whole)
    }

    fn used_bytes(&self) -> u64 {
        let named = self.names.values().map(|inode| self.inodes[*inode].room());
        u64::try_from(named.sum::<usize>()).expect("sizes in memory fit 64 bits")
    }

    /// How many bytes can be written to a file from `offset` on.
    fn room_at(&self, inode: usize, offset: usize) -> usize {
        let Some(capacity) = self.capacity else {
            return usize::MAX;
        };
        let free = capacity.saturating_sub(self.used_bytes());
        let end = self.inodes[inode].room();
        let end = end.saturating_add(usize::try_from(free).unwrap_or(usize::MAX));
        end.saturating_sub(offset)
    }

    fn add(&mut self, inode: Inode) -> usize {
        self.inodes.push(inode);
        self.inodes.len() - 1
    }

    fn change_names(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    /// Frees what no name leads to.
    fn forget_nameless(&mut self) {
        let named: BTreeSet<usize> = self.names.values().copied().collect();
        for (place, inode) in self.inodes.iter_mut().enumerate() {
            if !named.contains(&place) {
                *inode = Inode::default();
            }
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self {
            Self::Insert(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Inode {
    /// What it takes of the disk, in bytes.
    fn room(&self) -> usize {
        self.bytes.len().max(self.allocated)
    }

    fn write(&mut self, slices: &[IoSlice<'_>], offset: usize) {
        let end = offset + slices.iter().map(|slice| slice.len()).sum::<usize>();
        if end > self.bytes.len() {
            self.bytes.resize(end, 0);
        }
        let mut at = offset;
        for slice in slices {
            self.bytes[at..at + slice.len()].copy_from_slice(slice);
            at += slice.len();
        }
        self.note_written(offset, end);
    }

    fn set_len(&mut self, size: usize) {
        let before = self.bytes.len();
        self.bytes.resize(size, 0);
        self.allocated = self.allocated.min(size);
        if size < before {
            self.note_written(size, before);
        }
    }

    /// Remembers how the sectors between `start` and `end` look now.
    fn note_written(&mut self, start: usize, end: usize) {
        if start == end {
            return;
        }
        for sector in start / SECTOR_BYTES..=(end - 1) / SECTOR_BYTES {
            let content = sector_of(&self.bytes, sector);
            self.unsynced.entry(sector).or_default().push(content);
        }
    }

    fn sync(&mut self) {
        self.durable.resize(self.bytes.len(), 0);
        for sector in std::mem::take(&mut self.unsynced).into_keys() {
            put_sector(&mut self.durable, sector, &sector_of(&self.bytes, sector));
        }
        self.durable.truncate(self.bytes.len());
        self.durably_allocated = self.allocated;
    }

    fn crash(&mut self, below: &mut dyn FnMut(u64) -> u64) {
        let sizes = [self.durable.len(), self.bytes.len()];
        for (sector, mut versions) in std::mem::take(&mut self.unsynced) {
            let kept = below_len(below, versions.len() + 1);
            if kept > 0 {
                put_sector(&mut self.durable, sector, &versions.swap_remove(kept - 1));
            }
        }
        let size = match below(3) {
            0 => sizes[0],
            1 => sizes[1],
            _ => {
                let lower = sizes[0].min(sizes[1]);
                lower + below_len(below, sizes[0].abs_diff(sizes[1]) + 1)
            }
        };
        self.durable.resize(size, 0);
        self.bytes = self.durable.clone();
        self.allocated = self.durably_allocated;
    }
}

fn sector_of(bytes: &[u8], sector: usize) -> Sector {
    let mut content = [0; SECTOR_BYTES];
    let start = (sector * SECTOR_BYTES).min(bytes.len());
    let end = (start + SECTOR_BYTES).min(bytes.len());
    content[..end - start].copy_from_slice(&bytes[start..end]);
    content
}

fn put_sector(bytes: &mut Vec<u8>, sector: usize, content: &Sector) {
    let start = sector * SECTOR_BYTES;
    if bytes.len() < start + SECTOR_BYTES {
        bytes.resize(start + SECTOR_BYTES, 0);
    }
    bytes[start..start + SECTOR_BYTES].copy_from_slice(content);
}

fn below_len(below: &mut dyn FnMut(u64) -> u64, limit: usize) -> usize {
    let limit = u64::try_from(limit).expect("sizes in memory fit 64 bits");
    usize::try_from(below(limit)).expect("it is below a size in memory")
}

fn count_down(fault: &mut Option<(u64, Fault)>) -> Option<Fault> {
    let (left, kind) = fault.as_mut()?;
    *left = left.saturating_sub(1);
    if *left > 0 {
        return None;
    }
    let kind = *kind;
    *fault = None;
    Some(kind)
}

fn place(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

fn no_power() -> io::Error {
    io::Error::other("the power has failed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(file: &MemoryFile, offset: u64, bytes: &[u8]) {
        file.write_all_at(&mut [IoSlice::new(bytes)], offset)
            .unwrap();
    }

    #[test]
    fn a_crash_keeps_what_is_synced_and_may_lose_the_rest() {
        for survivors in [0, 1] {
            let disk = MemoryDisk::new();
            let file = disk.create("a").unwrap();
            write(&file, 0, &[1; 1024]);
            file.sync_data().unwrap();
            disk.sync_dir().unwrap();
            write(&file, 512, &[2; 1024]);
            disk.create("b").unwrap();
            disk.crash(&mut |limit| survivors % limit);
            let content = disk.content("a").unwrap();
            assert_eq!(content[..512], [1; 512]);
            match survivors {
                0 => assert_eq!(content, [1; 1024]),
                _ => assert_eq!(content[512..], [2; 1024]),
            }
            assert_eq!(disk.content("b").is_some(), survivors == 1);
            assert!(file.size_bytes().is_err(), "a file from before the crash");
        }
    }

    #[test]
    fn sectors_survive_each_on_its_own() {
        let disk = MemoryDisk::new();
        let file = disk.create("a").unwrap();
        write(&file, 0, &[1; 2048]);
        file.sync_data().unwrap();
        disk.sync_dir().unwrap();
        write(&file, 0, &[2; 2048]);
        let mut turn = 0;
        disk.crash(&mut |limit| {
            turn += 1;
            turn % limit
        });
        let content = disk.content("a").unwrap();
        let sectors: Vec<u8> = content.chunks(512).map(|sector| sector[0]).collect();
        assert_eq!(sectors, [2, 1, 2, 1]);
    }

    #[test]
    fn what_a_failed_sync_left_is_never_made_durable() {
        let disk = MemoryDisk::new();
        let file = disk.create("a").unwrap();
        write(&file, 0, &[1; 512]);
        file.sync_data().unwrap();
        disk.sync_dir().unwrap();
        write(&file, 0, &[2; 512]);
        disk.fail_sync(1, Fault::Io);
        file.sync_data().unwrap_err();
        file.sync_data().unwrap();
        assert_eq!(
            disk.content("a").unwrap(),
            [2; 512],
            "as the page cache has it"
        );
        disk.crash(&mut |_| 1);
        assert_eq!(disk.content("a").unwrap(), [1; 512], "as the medium has it");
    }

    #[test]
    fn the_power_fails_at_the_operation_asked_for() {
        let disk = MemoryDisk::new();
        let file = disk.create("a").unwrap();
        disk.sync_dir().unwrap();
        disk.crash_at(2);
        write(&file, 0, b"x");
        file.sync_data().unwrap_err();
        disk.list().unwrap_err();
        assert!(disk.is_crashed());
        disk.crash(&mut |_| 0);
        assert_eq!(disk.content("a").unwrap(), b"");
        assert_eq!(disk.operations(), 4);
    }
}
