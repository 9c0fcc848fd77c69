//! What is not shown.

use std::fmt;

/// A long string that is a secret: it is not shown where the method that has it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret<'a>(pub &'a [u8]);

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes, hidden)", self.0.len())
    }
}
