//! A message whose time was over when a client connected is not delivered to it, nor shown to it, but as a dead
//! letter. Its time began before its receipt came; that of what is sent in a transaction begins when its queue's shard
//! carries the transaction out, which may be later. What the queue grants begins when a delay is over.

use crate::history::{History, Seen};
use crate::scene::Place;

/// What rounding to the millisecond may add.
const SLACK_MS: u64 = 2;

pub(super) fn check(history: &History) -> Result<(), String> {
    let browsed = history.browsed.iter().map(|(seen, _)| seen);
    match history
        .seen
        .iter()
        .chain(browsed)
        .find(|seen| is_over(history, seen))
    {
        Some(seen) => Err(format!("{seen:?} came after its time")),
        None => Ok(()),
    }
}

fn is_over(history: &History, seen: &Seen) -> bool {
    let Place::At(source) = seen.place else {
        return false;
    };
    let sent = &history.sent[&seen.message];
    let delay_ms = sent.delay_ms.unwrap_or(0);
    let rule = history.rules(source).ttl_ms.map(|ttl| ttl + delay_ms);
    let ttls = [rule, sent.ttl_ms];
    let ttl_ms = ttls.into_iter().flatten().min();
    let connected = history
        .clients
        .get(&seen.client)
        .map(|client| client.connected_at);
    match (ttl_ms, sent.confirmed_at, connected) {
        (Some(ttl_ms), Some(confirmed), Some(connected)) if sent.stamp.is_none() => {
            confirmed.plus_millis(ttl_ms + SLACK_MS) < connected
        }
        (_, _, _) => false,
    }
}
