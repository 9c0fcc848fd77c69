//! A persistent message whose receipt came is delivered, sooner or later.

use crate::history::History;
use std::collections::BTreeSet;

pub(super) fn check(history: &History) -> Result<(), String> {
    let seen: BTreeSet<_> = history.seen.iter().map(|seen| seen.message).collect();
    let lost = history
        .sent
        .iter()
        .find(|(name, sent)| sent.is_persistent && sent.is_confirmed && !seen.contains(name));
    lost.map_or(Ok(()), |(name, sent)| {
        Err(format!("{name:?} was confirmed and lost: {sent:?}"))
    })
}
