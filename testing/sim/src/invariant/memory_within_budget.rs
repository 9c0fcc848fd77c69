//! Messages in all queues take no more memory than they may: once they do, no publish is taken, and all that comes
//! are pages that were asked for before, and one more for each shard. Dead letters that were on their way by then come
//! besides: they count as if they were there. Those that are made later come in place of what has left for them.

use crate::history::History;

/// What three queues ask for: four pages of a kilobyte each ahead, and one more.
const PAGES_BYTES_MAX: usize = 3 * 5 * 1024;

pub(super) fn check(history: &History) -> Result<(), String> {
    let memory = history.memory;
    if memory.excess > PAGES_BYTES_MAX {
        return Err(format!("{memory:?}"));
    }
    Ok(())
}
