//! Whether bytes that come in pieces are UTF-8.

use std::str::from_utf8;

/// Checks text that comes in pieces, which may end within a character.
#[derive(Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose end has not come.
    begun: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// Whether this may go on what came so far.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> bool {
        while self.len > 0 {
            let Some((first, rest)) = bytes.split_first() else {
                return true;
            };
            bytes = rest;
            self.begun[self.len] = *first;
            self.len += 1;
            match from_utf8(&self.begun[..self.len]) {
                Ok(_) => self.len = 0,
                // A fourth byte completes a character or spoils it, so there is never a fifth.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return false,
            }
        }
        match from_utf8(bytes) {
            Ok(_) => true,
            Err(error) if error.error_len().is_none() => {
                let rest = &bytes[error.valid_up_to()..];
                self.begun[..rest.len()].copy_from_slice(rest);
                self.len = rest.len();
                true
            }
            Err(_) => false,
        }
    }

    /// Whether a text may end here; what comes next is another one.
    pub(super) fn end(&mut self) -> bool {
        std::mem::take(&mut self.len) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], piece: usize) -> bool {
        let mut utf8 = Utf8::default();
        bytes.chunks(piece.max(1)).all(|piece| utf8.push(piece)) && utf8.end()
    }

    proptest! {
        #[test]
        fn any_split_gives_what_the_whole_gives(
            text in "[a-zäß€日𝄞]{0,20}",
            spoil in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
            piece in 1_usize..7,
        ) {
            let mut bytes = text.into_bytes();
            if let Some((at, byte)) = spoil && !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            prop_assert_eq!(check(&bytes, piece), from_utf8(&bytes).is_ok());
        }
    }
}
