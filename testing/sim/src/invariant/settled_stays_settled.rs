//! A message whose ACK was confirmed never comes again from there, nor does one that was confirmed to be
//! rejected.

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
    Ok(())
}
