//! Which messages are about the same.

use crate::ready::Spot;
use model::Sequence;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What the messages of a queue are about, where newer ones replace older ones.
#[derive(Debug, Default)]
pub(crate) struct Values(BTreeMap<Arc<[u8]>, About>);

/// The messages about one thing.
#[derive(Debug, Default)]
struct About {
    /// All in the queue.
    held: BTreeSet<Sequence>,
    /// Those that are ready or delayed.
    waiting: BTreeSet<Spot>,
}

impl Values {
    /// The shared spelling of a value.
    pub(crate) fn intern(&self, value: Box<[u8]>) -> Arc<[u8]> {
        match self.0.get_key_value(&value[..]) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::from(value),
        }
    }

    /// The messages about a value that wait.
    pub(crate) fn waiting(&self, value: &[u8]) -> Vec<Spot> {
        let about = self.0.get(value).into_iter();
        about
            .flat_map(|about| about.waiting.iter().copied())
            .collect()
    }

    /// Whether a newer message about the value is in the queue.
    pub(crate) fn is_superseded(&self, value: &[u8], sequence: Sequence) -> bool {
        let newest = self.0.get(value).and_then(|about| about.held.last());
        newest.is_some_and(|newest| *newest > sequence)
    }

    /// A message about a value waits, from now on or again.
    pub(crate) fn wait(&mut self, value: &Arc<[u8]>, spot: Spot) {
        let about = match self.0.get_mut(&value[..]) {
            Some(about) => about,
            None => self.0.entry(Arc::clone(value)).or_default(),
        };
        about.held.insert(spot.sequence);
        about.waiting.insert(spot);
    }

    /// A message about a value waits no more, but is in the queue.
    pub(crate) fn take(&mut self, value: &[u8], spot: Spot) {
        if let Some(about) = self.0.get_mut(value) {
            about.waiting.remove(&spot);
        }
    }

    /// A message about a value, which does not wait, leaves the queue.
    pub(crate) fn leave(&mut self, value: &[u8], sequence: Sequence) {
        if let Some(about) = self.0.get_mut(value) {
            about.held.remove(&sequence);
            if about.held.is_empty() {
                self.0.remove(value);
            }
        }
    }
}
