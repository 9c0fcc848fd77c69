//! A persistent message whose receipt came is delivered, sooner or later, unless its time was over before; so is
//! every other one, if the broker ended in order only.

use crate::history::History;
use crate::scene::Place;

pub(super) fn check(history: &History) -> Result<(), String> {
    let arrivals = history.arrivals();
    for (name, sent) in &history.sent {
        let places = sent
            .to
            .iter()
            .flat_map(|to| [Place::At(*to), Place::Dead(*to)]);
        let is_there = places
            .into_iter()
            .any(|place| arrivals.contains(&(*name, place)));
        let is_kept = sent
            .to
            .iter()
            .any(|to| history.is_kept(sent, *to) && !history.may_drop(sent, *to));
        if is_kept && !is_there {
            return Err(format!("{name:?} was confirmed and lost: {sent:?}"));
        }
    }
    Ok(())
}
