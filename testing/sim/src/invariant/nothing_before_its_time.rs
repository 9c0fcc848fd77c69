//! A delayed message is not delivered before its time.

use crate::history::History;
use crate::scene::Place;

pub(super) fn check(history: &History) -> Result<(), String> {
    for seen in &history.seen {
        if let (Place::At(_), Some(delay_ms)) = (seen.place, history.sent[&seen.message].delay_ms) {
            let since = seen.at.since(history.sent[&seen.message].at);
            if since.as_millis() < u128::from(delay_ms) {
                return Err(format!(
                    "{seen:?} came {since:?} after it was sent, {delay_ms} ms are asked for"
                ));
            }
        }
    }
    Ok(())
}
