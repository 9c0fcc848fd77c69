//! A message that comes a second time is marked.

use crate::history::History;
use std::collections::BTreeSet;

pub(super) fn check(history: &History) -> Result<(), String> {
    let mut before = BTreeSet::new();
    for seen in &history.seen {
        if !before.insert(seen.message) && !seen.redelivered {
            return Err(format!("{seen:?} came again and is not marked"));
        }
    }
    Ok(())
}
