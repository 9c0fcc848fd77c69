//! What all connections keep of frames that are not whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So much of one connection is not counted: heads, and frames that come in two reads.
const FREE_BYTES: usize = 64 * 1024;

/// The sum over all connections of a server. A clone is the same sum.
#[derive(Clone, Debug, Default)]
pub struct KeptInput(Arc<AtomicUsize>);

/// One connection's part of the sum; taken out of it when it is dropped.
#[derive(Debug)]
pub(crate) struct KeptPart {
    sum: KeptInput,
    bytes: usize,
}

impl KeptPart {
    pub(crate) fn new(sum: KeptInput) -> Self {
        Self { sum, bytes: 0 }
    }

    /// The connection keeps so many bytes now. Returns whether it has grown with the sum above the
    /// limit.
    pub(crate) fn set(&mut self, bytes: usize, limit: usize) -> bool {
        let counted = if bytes > FREE_BYTES { bytes } else { 0 };
        let before = std::mem::replace(&mut self.bytes, counted);
        if counted <= before {
            self.sum.0.fetch_sub(before - counted, Ordering::Relaxed);
            return false;
        }
        let grown = counted - before;
        self.sum.0.fetch_add(grown, Ordering::Relaxed) + grown > limit
    }
}

impl Drop for KeptPart {
    fn drop(&mut self) {
        self.sum.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_and_go_with_their_connections() {
        let sum = KeptInput::default();
        let limit = 250_000;
        let mut one = KeptPart::new(sum.clone());
        let mut other = KeptPart::new(sum.clone());
        assert!(!one.set(FREE_BYTES, 0), "so much is free");
        assert!(!one.set(200_000, limit));
        assert!(
            other.set(100_000, limit),
            "together they are over the limit"
        );
        assert!(!other.set(90_000, limit), "it has not grown");
        drop(one);
        assert!(!other.set(200_000, limit));
        drop(other);
        assert_eq!(sum.0.load(Ordering::Relaxed), 0);
    }
}
