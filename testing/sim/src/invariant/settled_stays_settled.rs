//! A message whose ACK was confirmed never comes again from there, nor does one that was confirmed to be
//! rejected; nor is it shown to who browses then.

use crate::history::History;

pub(super) fn check(history: &History) -> Result<(), String> {
    for (index, seen) in history.seen.iter().enumerate() {
        let settled = history.settled.get(&(seen.message, seen.place));
        if settled.is_some_and(|settled| *settled <= index) {
            return Err(format!(
                "{seen:?} came again after its confirmed settlement"
            ));
        }
    }
    match history.browsed.iter().find(|(_, was_settled)| *was_settled) {
        Some((seen, _)) => Err(format!("{seen:?} was shown after its confirmed settlement")),
        None => Ok(()),
    }
}
