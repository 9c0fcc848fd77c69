//! A persistent message whose receipt came stays until it is acknowledged: it comes again after it was
//! returned, after its consumer left, and after a crash.
//!
//! The drain acknowledges everything that it gets, so in the end every such message has been.

use crate::history::History;

pub(super) fn check(history: &History) -> Result<(), String> {
    let lost = history.sent.iter().find(|(name, sent)| {
        sent.is_persistent && sent.is_confirmed && !history.acked.contains_key(name)
    });
    lost.map_or(Ok(()), |(name, sent)| {
        Err(format!(
            "{name:?} was never acknowledged and is gone: {sent:?}"
        ))
    })
}
