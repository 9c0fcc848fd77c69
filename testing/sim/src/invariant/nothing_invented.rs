//! What is delivered or shown to who browses was sent, and to that place, or is a dead letter of one that has them.

use crate::history::History;
use crate::scene::Place;

pub(super) fn check(history: &History) -> Result<(), String> {
    let browsed = history.browsed.iter().map(|(seen, _)| seen);
    let invented = history.seen.iter().chain(browsed).find(|seen| {
        let source = seen.place.source();
        let is_dead = matches!(seen.place, Place::Dead(_));
        history.sent.get(&seen.message).is_none_or(|sent| {
            !sent.to.contains(&source)
                || seen.stamp != sent.stamp
                || (is_dead && !history.rules(source).dead_letter)
        })
    });
    invented.map_or(Ok(()), |seen| Err(format!("{seen:?} was never sent there")))
}
