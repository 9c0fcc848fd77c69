//! Messages of one publisher come to one consumer of a queue in the order in which they were sent, but
//! for those that come again.

use crate::history::History;
use std::collections::BTreeMap;

pub(super) fn check(history: &History) -> Result<(), String> {
    let mut last = BTreeMap::new();
    for seen in history.seen.iter().filter(|seen| !seen.redelivered) {
        let number = last
            .entry((seen.client, seen.message.publisher))
            .or_insert(0);
        if *number >= seen.message.number {
            return Err(format!("{seen:?} came after number {number}"));
        }
        *number = seen.message.number;
    }
    Ok(())
}
