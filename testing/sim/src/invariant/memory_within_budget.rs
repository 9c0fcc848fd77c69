//! Messages in all queues take no more memory than they may: once they do, no publish is taken, and all that comes
//! are pages that were asked for before, and one more for each shard; where dead letters are made of what only pages
//! have, also those that are on their way, as far as they are bounded.

use crate::history::History;

/// What three queues ask for: four pages of a kilobyte each ahead, and one more.
const PAGES_BYTES_MAX: usize = 3 * 5 * 1024;

/// What the shards of three queues have of dead letters on their way: four pages each, and the one that is read for more.
const LETTERS_BYTES_MAX: usize = 3 * 5 * 1024;

pub(super) fn check(history: &History) -> Result<(), String> {
    let memory = history.memory;
    let letters = if history.scene.is_hoarded() {
        LETTERS_BYTES_MAX
    } else {
        0
    };
    if memory.excess > PAGES_BYTES_MAX + letters {
        return Err(format!("{memory:?}"));
    }
    Ok(())
}
