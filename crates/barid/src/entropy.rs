//! Randomness from the operating system.

use rustix::rand::{GetRandomFlags, getrandom};

/// Bytes that nobody can foresee.
///
/// # Panics
/// When the operating system has none: what relies on them must not go on without.
pub(crate) fn draw<const N: usize>() -> [u8; N] {
    let mut drawn = [0; N];
    let mut at = 0;
    while at < N {
        match getrandom(&mut drawn[at..], GetRandomFlags::empty()) {
            Ok(count) => at += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the operating system has no randomness: {error}"),
        }
    }
    drawn
}
