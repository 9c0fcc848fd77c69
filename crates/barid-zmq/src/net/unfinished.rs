//! How much peers may have sent of messages that are not whole: those wait in no queue, and so count against no limit of one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What each connection may keep uncounted: as much as is read at once.
const FREE_BYTES: usize = 512 << 10;
/// What is beyond that is counted in steps of so much, so that the connections of a socket seldom touch a common word.
const STEP_BYTES: usize = 256 << 10;

/// What all connections of a socket keep of messages that are not whole.
pub(crate) struct Unfinished {
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Unfinished {
    pub(crate) const fn new(bytes_max: usize) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            bytes_max,
        }
    }
}

/// There is no more room for what is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what peers have sent of messages that are not whole has more than {0} bytes")]
pub(super) struct TooMuchUnfinished(usize);

/// What one connection keeps; nothing when it goes.
pub(super) struct Part {
    all: Arc<Unfinished>,
    counted: usize,
}

impl Part {
    pub(super) const fn new(all: Arc<Unfinished>) -> Self {
        Self { all, counted: 0 }
    }

    /// Says how much the connection keeps; fails if it has grown and all together keep too much.
    pub(super) fn set(&mut self, bytes: usize) -> Result<(), TooMuchUnfinished> {
        let bytes = bytes.saturating_sub(FREE_BYTES).div_ceil(STEP_BYTES) * STEP_BYTES;
        if bytes <= self.counted {
            if bytes < self.counted {
                self.release(self.counted - bytes);
            }
            return Ok(());
        }
        let more = bytes - self.counted;
        self.counted = bytes;
        let before = self.all.bytes.fetch_add(more, Ordering::Relaxed);
        let bytes_max = self.all.bytes_max;
        if before.saturating_add(more) > bytes_max {
            return Err(TooMuchUnfinished(bytes_max));
        }
        Ok(())
    }

    fn release(&mut self, bytes: usize) {
        self.counted -= bytes;
        self.all.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.release(self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_keep_is_counted_together_and_given_back() {
        let all = Arc::new(Unfinished::new(4 * STEP_BYTES));
        let bytes = || all.bytes.load(Ordering::Relaxed);
        let (mut a, mut b) = (Part::new(Arc::clone(&all)), Part::new(Arc::clone(&all)));
        a.set(FREE_BYTES).unwrap();
        assert_eq!(bytes(), 0);
        a.set(FREE_BYTES + 1).unwrap();
        a.set(FREE_BYTES + STEP_BYTES).unwrap();
        assert_eq!(bytes(), STEP_BYTES);
        b.set(FREE_BYTES + 3 * STEP_BYTES).unwrap();
        assert_eq!(
            a.set(FREE_BYTES + STEP_BYTES + 1),
            Err(TooMuchUnfinished(4 * STEP_BYTES))
        );
        drop(a);
        assert_eq!(bytes(), 3 * STEP_BYTES);
        b.set(0).unwrap();
        assert_eq!(bytes(), 0);
    }
}
