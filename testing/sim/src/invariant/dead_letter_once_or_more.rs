//! A persistent message whose receipt came, and that nobody accepted, is among the dead letters if its queue
//! has them. What is there does not come from its queue again, nor was it accepted there.

use crate::history::History;
use crate::scene::Place;
use std::collections::BTreeMap;

pub(super) fn check(history: &History) -> Result<(), String> {
    let arrivals = history.arrivals();
    let (acked, _) = history.ended();
    for (name, sent) in &history.sent {
        for to in &sent.to {
            let is_dead = arrivals.contains(&(*name, Place::Dead(*to)));
            let is_kept = sent.is_persistent && sent.is_confirmed;
            if is_kept
                && history.rules(*to).dead_letter
                && !is_dead
                && !acked.contains(&(*name, Place::At(*to)))
            {
                return Err(format!(
                    "{name:?} left {to:?} and is no dead letter: {sent:?}"
                ));
            }
            if is_dead && history.accepted.contains(&(*name, Place::At(*to))) {
                return Err(format!(
                    "{name:?} was accepted at {to:?} and is a dead letter"
                ));
            }
        }
    }
    comes_back(history)
}

fn comes_back(history: &History) -> Result<(), String> {
    let mut dead = BTreeMap::new();
    for (index, seen) in history.seen.iter().enumerate() {
        match seen.place {
            Place::Dead(source) => {
                dead.entry((seen.message, source)).or_insert(index);
            }
            Place::At(source) => {
                let died = dead.get(&(seen.message, source));
                if died.is_some_and(|died| *died < seen.since(index)) {
                    return Err(format!("{seen:?} was a dead letter before"));
                }
            }
        }
    }
    Ok(())
}
