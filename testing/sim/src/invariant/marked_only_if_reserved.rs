//! A message that nobody was ever given, far behind all that anybody was, is not marked.
//!
//! The broker reserves its delivery mark a fixed distance ahead, so a message that many others of its
//! queue lie before, none of which was delivered in an earlier life, cannot be marked. One whose delivery
//! failed is; who it failed at need not have seen it.

use crate::history::History;
use crate::scene::Place;
use std::collections::{BTreeMap, BTreeSet};

/// How far ahead the broker reserves, at most.
const RESERVED_MAX: usize = 4096;

pub(super) fn check(history: &History) -> Result<(), String> {
    let lives: BTreeSet<_> = history.seen.iter().map(|seen| seen.life).collect();
    let mut before: BTreeSet<_> = BTreeSet::new();
    for life in lives {
        let mut untouched = BTreeMap::new();
        for seen in history.seen.iter().filter(|seen| seen.life == life) {
            let queue = match seen.place {
                Place::At(source) => Some(source),
                Place::Dead(_) => None,
            };
            let count = untouched.entry(queue).or_default();
            if before.contains(&(seen.message, seen.place)) {
                *count = 0;
                continue;
            }
            *count += 1;
            if seen.redelivered && *count > RESERVED_MAX {
                return Err(format!("{seen:?} is marked and was never near a delivery"));
            }
        }
        let seen = history.seen.iter().filter(|seen| seen.life == life);
        before.extend(seen.map(|seen| (seen.message, seen.place)));
    }
    Ok(())
}
