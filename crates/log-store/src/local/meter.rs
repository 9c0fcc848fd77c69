//! Tells how far the opening of a store has come.

/// How often it is told.
const EVERY_BYTES: u64 = 4 << 20;

/// How far the opening of a store has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenProgress {
    /// What was read.
    pub read_bytes: u64,
    /// What there is to read.
    pub total_bytes: u64,
}

/// Counts what is read, file by file.
pub(super) struct Meter<'a> {
    progress: OpenProgress,
    /// What the files before this one hold.
    base: u64,
    told: u64,
    tell: &'a mut dyn FnMut(OpenProgress),
}

impl<'a> Meter<'a> {
    pub(super) fn new(total_bytes: u64, tell: &'a mut dyn FnMut(OpenProgress)) -> Self {
        Self {
            progress: OpenProgress {
                read_bytes: 0,
                total_bytes,
            },
            base: 0,
            told: 0,
            tell,
        }
    }

    /// Another file begins.
    pub(super) fn begin(&mut self) {
        self.base = self.progress.read_bytes;
    }

    /// The file is read up to `offset`.
    pub(super) fn reached(&mut self, offset: u64) {
        self.progress.read_bytes = self.base + offset;
        if self.progress.read_bytes - self.told >= EVERY_BYTES {
            self.told = self.progress.read_bytes;
            (self.tell)(self.progress);
        }
    }

    /// Everything is read.
    pub(super) fn finish(&mut self) {
        self.progress.read_bytes = self.progress.total_bytes;
        (self.tell)(self.progress);
    }
}
