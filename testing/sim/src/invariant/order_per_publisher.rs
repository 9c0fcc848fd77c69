//! Messages of one publisher and one priority come to one consumer of a queue in the order in which they were
//! sent, those of a transaction as if they were with its COMMIT; but for those that come again or are delayed.
//!
//! A transaction whose connection was lost may take effect after what its publisher does next.

use crate::history::History;
use crate::scene::Place;
use std::collections::BTreeMap;

pub(super) fn check(history: &History) -> Result<(), String> {
    let mut last = BTreeMap::new();
    for seen in history.seen.iter().filter(|seen| !seen.redelivered) {
        let Place::At(source) = seen.place else {
            continue;
        };
        let sent = &history.sent[&seen.message];
        if sent.delay_ms.is_some() {
            continue;
        }
        let publisher = seen.message.publisher;
        let key = (seen.client, source, publisher, sent.priority);
        let before = *last.entry(key).or_insert(sent);
        if before.turn <= sent.turn {
            last.insert(key, sent);
            continue;
        }
        let is_transacted = before.stamp.or(sent.stamp).is_some();
        if before.client == sent.client || !is_transacted {
            return Err(format!("{seen:?} came after turn {:?}", before.turn));
        }
    }
    Ok(())
}
