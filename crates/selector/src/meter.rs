//! What an evaluation costs.
//!
//! One unit is about ten nanoseconds: an operation, the comparison of 16 bytes, or the search of 2 bytes for
//! a part with `_`.

/// Bytes of text that are compared or searched in one unit.
const BYTES_PER_UNIT: u64 = 16;
/// Bytes that are searched for a part with `_` in one unit.
const SYMBOL_BYTES_PER_UNIT: u64 = 2;

/// Counts what one evaluation costs, up to a limit.
#[derive(Debug)]
pub(crate) struct Meter {
    spent: u64,
    max: u64,
}

/// The evaluation would cost more than its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooMuch;

impl Meter {
    pub(crate) fn new(max: u64) -> Self {
        Self { spent: 0, max }
    }

    /// The units counted, at most the limit.
    pub(crate) fn spent(&self) -> u64 {
        self.spent
    }

    /// Counts what is about to be done; if that is too much, all is used up and it must not be done.
    #[inline]
    pub(crate) fn charge(&mut self, units: u64) -> Result<(), TooMuch> {
        if units > self.max - self.spent {
            self.spent = self.max;
            return Err(TooMuch);
        }
        self.spent += units;
        Ok(())
    }

    /// Takes back what was counted and turned out not to be needed.
    pub(crate) fn give_back(&mut self, units: u64) {
        self.spent = self.spent.saturating_sub(units);
    }
}

/// What comparing so many bytes of text costs, or searching them for a part without `_`.
#[inline]
pub(crate) fn text_work(bytes: usize) -> u64 {
    bytes as u64 / BYTES_PER_UNIT
}

/// What searching so many bytes for a part with `_` costs.
#[inline]
pub(crate) fn symbol_work(bytes: usize) -> u64 {
    bytes as u64 / SYMBOL_BYTES_PER_UNIT
}
