//! Memory that is about to be looked at.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "an instruction without a safe name")
)]

/// Begins to bring the line of cache at an address near. Nothing else happens, whatever is there.
#[inline]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: it is a hint, which reads nothing and fails nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}
