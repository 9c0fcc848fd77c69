//! Of all deliveries of a message from one place, at most one is not marked: the first that left the broker,
//! though it may arrive after another that went to somebody faster.

use crate::history::History;
use std::collections::BTreeSet;

pub(super) fn check(history: &History) -> Result<(), String> {
    let mut unmarked = BTreeSet::new();
    for seen in history.seen.iter().filter(|seen| !seen.redelivered) {
        if !unmarked.insert((seen.message, seen.place)) {
            return Err(format!("{seen:?} came again and is not marked"));
        }
    }
    Ok(())
}
