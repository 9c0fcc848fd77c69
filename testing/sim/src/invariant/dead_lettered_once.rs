//! A message is a dead letter of a queue once: a second one shows as a letter that comes again although the first
//! was settled or is in somebody's hands.

use super::hands::conflict;
use crate::history::History;
use crate::scene::Place;
use std::collections::BTreeSet;

pub(super) fn check(history: &History) -> Result<(), String> {
    let is_dead = |(_, place)| matches!(place, Place::Dead(_));
    conflict(history, is_dead, |_| true)?;
    doubled(history)
}

/// In the last life everything is read once, by who acknowledges it.
fn doubled(history: &History) -> Result<(), String> {
    let mut there = BTreeSet::new();
    let last = history
        .seen
        .iter()
        .filter(|seen| Some(seen.life) == history.drained_in);
    for seen in last {
        if !there.insert((seen.message, seen.place)) {
            return Err(format!("{seen:?} was there twice"));
        }
    }
    Ok(())
}
