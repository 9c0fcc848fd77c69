//! A persistent message for several queues whose receipt came arrives at all of them.

use crate::history::History;
use crate::scene::Place;

pub(super) fn check(history: &History) -> Result<(), String> {
    let arrivals = history.arrivals();
    for (name, sent) in &history.sent {
        if !sent.is_persistent || !sent.is_confirmed || sent.to.len() < 2 {
            continue;
        }
        for to in &sent.to {
            let places = [Place::At(*to), Place::Dead(*to)];
            let is_there = places
                .iter()
                .any(|place| arrivals.contains(&(*name, *place)));
            if !is_there && !history.may_drop(sent, *to) {
                return Err(format!(
                    "{name:?} was confirmed and missed {to:?}: {sent:?}"
                ));
            }
        }
    }
    Ok(())
}
