//! What is delivered was sent, and to that queue.

use crate::history::History;

pub(super) fn check(history: &History) -> Result<(), String> {
    let invented = history.seen.iter().find(|seen| {
        history
            .sent
            .get(&seen.message)
            .is_none_or(|sent| sent.queue != seen.queue)
    });
    invented.map_or(Ok(()), |seen| Err(format!("{seen:?} was never sent there")))
}
