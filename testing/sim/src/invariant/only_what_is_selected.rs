//! A consumer with a selector gets nothing else.

use crate::history::History;

pub(super) fn check(history: &History) -> Result<(), String> {
    let other = history.seen.iter().find(|seen| {
        let client = history.clients.get(&seen.client);
        client.is_some_and(|client| client.selects) && seen.message.color() != "red"
    });
    other.map_or(Ok(()), |seen| Err(format!("{seen:?} was not selected")))
}
