//! A hash that is the same in every process and every release: what it decides must outlive both.

use std::hash::Hasher;

/// Spreads the bits of a number over all bits: a bijection (the finalizer of `SplitMix64`).
pub(crate) const fn spread(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Takes eight bytes at a time. It is no defense against who chooses keys to collide: such a
/// publisher only chooses where its own messages go.
#[derive(Clone, Debug)]
pub(crate) struct StableHasher(u64);

impl Default for StableHasher {
    fn default() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }
}

impl StableHasher {
    pub(crate) fn of(bytes: &[u8]) -> u64 {
        let mut hasher = Self::default();
        hasher.write(bytes);
        hasher.finish()
    }
}

impl Hasher for StableHasher {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.0 = spread(self.0.rotate_left(5) ^ u64::from_le_bytes(word));
        }
        // So that `ab`, `c` is not `a`, `bc`, and zeros count.
        self.0 = spread(self.0 ^ bytes.len() as u64).wrapping_add(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        spread(self.0)
    }
}
