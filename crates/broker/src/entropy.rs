//! Randomness that nobody can foresee.

use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where bytes come from that nobody may foresee: nonces and secrets. The shell brings it along, for there
/// is no random in a machine. Cheap to clone.
#[derive(Clone)]
pub struct Entropy(Arc<dyn Fn() -> [u8; 32] + Send + Sync>);

impl Entropy {
    /// Draws from `draw`, which must give other bytes each time.
    #[must_use]
    pub fn new(draw: impl Fn() -> [u8; 32] + Send + Sync + 'static) -> Self {
        Self(Arc::new(draw))
    }

    /// Draws that follow from a seed: for tests and simulations alone, for they can be foreseen.
    #[must_use]
    pub fn foreseeable(seed: u64) -> Self {
        let count = AtomicU64::new(0);
        Self::new(move || {
            let nth = count.fetch_add(1, Ordering::Relaxed);
            Sha256::digest([seed.to_be_bytes(), nth.to_be_bytes()].concat()).into()
        })
    }

    /// Bytes that are used for nothing else ever.
    #[must_use]
    pub fn draw(&self) -> [u8; 32] {
        (self.0)()
    }

    /// The same for a nonce.
    pub(crate) fn draw_nonce(&self) -> [u8; 18] {
        let mut nonce = [0; 18];
        let drawn = self.draw();
        nonce.copy_from_slice(&drawn[..18]);
        nonce
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entropy").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_from_a_seed_is_the_same_each_time_and_never_twice() {
        let drawn = |seed| {
            let entropy = Entropy::foreseeable(seed);
            [entropy.draw(), entropy.draw()]
        };
        assert_eq!(drawn(1), drawn(1));
        let [first, second] = drawn(1);
        assert_ne!(first, second);
        assert_ne!(drawn(1), drawn(2));
    }
}
