//! The body of a message says which one it is, and everything else in it follows from that:
//!
//! ```text
//! bytes  0..8   sequence in its queue, from 0, dense; big-endian
//!        8..12  number of the queue; big-endian
//!       12..    noise that follows from both, so that a mix-up is seen and compression gains nothing
//! ```

/// The smallest body: an identity and some noise.
pub(super) const BODY_BYTES_MIN: usize = 16;

/// Where the noise begins.
const NOISE_AT: usize = 12;

/// Which message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    /// Number of its queue.
    pub(super) queue: u32,
    /// Number in its queue.
    pub(super) sequence: u64,
}

impl Identity {
    /// Makes `body` that of this message. It has at least [`BODY_BYTES_MIN`] bytes.
    pub(super) fn write(self, body: &mut [u8]) {
        body[..8].copy_from_slice(&self.sequence.to_be_bytes());
        body[8..NOISE_AT].copy_from_slice(&self.queue.to_be_bytes());
        let seed = self.seed();
        let mut words = body[NOISE_AT..].chunks_exact_mut(8);
        let mut index = 0;
        for word in &mut words {
            word.copy_from_slice(&noise(seed, index));
            index += 1;
        }
        let rest = words.into_remainder();
        rest.copy_from_slice(&noise(seed, index)[..rest.len()]);
    }

    /// Which message has this body; none if it is not as it was written, to the last byte.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let identity = Self {
            sequence: u64::from_be_bytes(*body.first_chunk()?),
            queue: u32::from_be_bytes(*body.get(8..)?.first_chunk()?),
        };
        let seed = identity.seed();
        let words = body[NOISE_AT..].chunks_exact(8);
        let rest = words.remainder();
        let mut index = 0;
        let mut difference = 0;
        for word in words {
            let word = word
                .first_chunk()
                .map_or(0, |word| u64::from_le_bytes(*word));
            difference |= word ^ u64::from_le_bytes(noise(seed, index));
            index += 1;
        }
        let is_whole = difference == 0 && rest == &noise(seed, index)[..rest.len()];
        is_whole.then_some(identity)
    }

    fn seed(self) -> u64 {
        mix(mix(self.sequence).wrapping_add(u64::from(self.queue)))
    }
}

/// The word of that index. Words do not hang on each other, so several are made at a time.
#[inline]
fn noise(seed: u64, index: u64) -> [u8; 8] {
    mix(seed.wrapping_add(index.wrapping_mul(0x9e37_79b9_7f4a_7c15))).to_le_bytes()
}

/// Spreads every bit over all of the word.
#[inline]
pub(super) fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    let value = (value ^ value >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
    value ^ value >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_names_its_message() {
        for size in [16, 17, 20, 23, 24, 100, 1024] {
            for (queue, sequence) in [(0, 0), (0, 1), (1, 0), (99_999, u64::MAX)] {
                let identity = Identity { queue, sequence };
                let mut body = vec![0; size];
                identity.write(&mut body);
                assert_eq!(Identity::read(&body), Some(identity), "{size}");
            }
        }
        assert_eq!(Identity::read(&[0; 7]), None);
        assert_eq!(Identity::read(&[0; 11]), None);
    }

    #[test]
    fn a_byte_that_differs_is_seen_wherever_it_is() {
        let (mut one, mut other) = ([0; 61], [0; 61]);
        let identity = |sequence| Identity { queue: 3, sequence };
        identity(5).write(&mut one);
        identity(6).write(&mut other);
        for at in 0..one.len() {
            let mut body = one;
            body[at] ^= 1;
            assert_eq!(Identity::read(&body), None, "byte {at}");
        }
        other[..NOISE_AT].copy_from_slice(&one[..NOISE_AT]);
        assert_eq!(Identity::read(&other), None);
    }
}
