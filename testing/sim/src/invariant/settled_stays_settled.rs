//! A message whose ACK was confirmed never comes again; nor does one, within a life of the broker,
//! whose ACK was sent.

use crate::history::History;

pub(super) fn check(history: &History) -> Result<(), String> {
    for (index, seen) in history.seen.iter().enumerate() {
        if history
            .settled
            .get(&seen.message)
            .is_some_and(|settled| *settled <= index)
        {
            return Err(format!(
                "{seen:?} came again after its confirmed settlement"
            ));
        }
    }
    Ok(())
}
