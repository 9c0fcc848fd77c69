//! A persistent message whose receipt came stays until it is acknowledged: it comes again after it was
//! returned, after its consumer left, after a transaction that acknowledged it did not take effect, and after
//! a crash. Where it may leave for another reason, its dead letter does.
//!
//! The drain acknowledges everything that it gets, so in the end every such message has been.

use crate::history::History;
use crate::scene::Place;

pub(super) fn check(history: &History) -> Result<(), String> {
    let (acked, rejected) = history.ended();
    for (name, sent) in &history.sent {
        if !sent.is_persistent || !sent.is_confirmed {
            continue;
        }
        for to in &sent.to {
            let (at, dead) = ((*name, Place::At(*to)), (*name, Place::Dead(*to)));
            let is_over = if history.rules(*to).dead_letter {
                acked.contains(&dead)
            } else {
                rejected.contains(&at) || history.may_drop(sent, *to)
            };
            if !acked.contains(&at) && !is_over {
                return Err(format!(
                    "{name:?} was never acknowledged and is gone from {to:?}: {sent:?}"
                ));
            }
        }
    }
    Ok(())
}
