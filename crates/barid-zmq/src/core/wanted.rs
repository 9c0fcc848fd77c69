//! What one peer wants of a publisher: topics or groups, within a limit.

use crate::options::WantedMax;
use bytes::Bytes;
use std::collections::BTreeSet;

/// Topics or groups of one peer.
#[derive(Default)]
pub(super) struct Wanted {
    names: BTreeSet<Bytes>,
    bytes: usize,
}

/// A peer wants more than it may.
pub(super) struct TooMany;

impl Wanted {
    /// Adds one; false if it is there already.
    pub(super) fn add(&mut self, name: &Bytes, max: WantedMax) -> Result<bool, TooMany> {
        if self.names.contains(name) {
            return Ok(false);
        }
        if self.names.len() >= max.count || name.len() > max.bytes.saturating_sub(self.bytes) {
            return Err(TooMany);
        }
        self.bytes += name.len();
        Ok(self.names.insert(name.clone()))
    }

    /// Takes one away; false if it is not there.
    pub(super) fn remove(&mut self, name: &Bytes) -> bool {
        let is_there = self.names.remove(name);
        if is_there {
            self.bytes -= name.len();
        }
        is_there
    }

    /// All of them.
    pub(super) fn into_names(self) -> BTreeSet<Bytes> {
        self.names
    }
}
