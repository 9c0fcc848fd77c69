//! Publishes that are to be confirmed.

use anyhow::{Result, ensure};
use std::collections::BTreeMap;

/// The publishes of a channel with confirms that are not answered, and what each stands for.
#[derive(Debug)]
pub struct Confirms<T> {
    last_tag: u64,
    waiting: BTreeMap<u64, T>,
}

impl<T> Default for Confirms<T> {
    fn default() -> Self {
        Self {
            last_tag: 0,
            waiting: BTreeMap::new(),
        }
    }
}

impl<T> Confirms<T> {
    /// The next publish.
    pub fn publish(&mut self, publish: T) {
        self.last_tag += 1;
        self.waiting.insert(self.last_tag, publish);
    }

    /// How many are not answered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether all are answered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Those that an answer is about, in their order.
    ///
    /// # Errors
    /// When the tag is not one that is to be answered.
    pub fn take(&mut self, tag: u64, multiple: bool) -> Result<Vec<T>> {
        let taken = self.waiting.remove(&tag);
        ensure!(
            taken.is_some(),
            "tag {tag} is answered, which was not published or had its answer"
        );
        let mut answered = Vec::new();
        if multiple {
            let rest = self.waiting.split_off(&tag);
            answered.extend(std::mem::replace(&mut self.waiting, rest).into_values());
        }
        answered.extend(taken);
        Ok(answered)
    }
}
