//! The stamp at the start of every body: who sent it, as which number, and when.
//!
//! ```text
//! 0001 0123456789abcdef 0123456789abcdef ........
//! |    |                |                padding up to the body size
//! |    |                send time, nanoseconds on the run's clock
//! |    sequence, from 0, dense per publisher
//! publisher
//! ```
//!
//! All fields are hexadecimal text of fixed width, so that a frame rendered once is sent again by
//! patching these bytes, and so that a capture can be read by eye.
//!
//! Where the smallest bodies are smaller than that, the same stands in 16 bytes, big-endian: the publisher in two, the
//! sequence in six, the send time in eight.

/// Bytes of the stamp as text, and with them the smallest body.
const STAMP_BYTES: usize = 39;

/// Bytes of the short form.
const SHORT_BYTES: usize = 16;

/// Digits of a sequence or time.
pub(crate) const DIGITS: usize = 16;

/// Where the sequence stands in the body.
pub(crate) const SEQUENCE_AT: usize = 5;

/// Where the send time stands in the body.
pub(crate) const TIME_AT: usize = 22;

const ONES: u64 = 0x0101_0101_0101_0101;

/// How stamps are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As text, of a single publisher.
    Text,
    /// In 16 bytes.
    Short,
}

/// The part of a stamp that every delivery is checked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Who sent it, from 0.
    pub(crate) publisher: u16,
    /// Number of the message, dense from 0.
    pub(crate) sequence: u64,
    /// Nanoseconds on the run's clock at which it was sent, or should have been.
    pub(crate) sent_at: u64,
}

impl Stamp {
    /// Reads the stamp of a body that is text, or nothing where the body is none of ours.
    #[inline]
    pub(crate) fn decode(body: &[u8]) -> Option<Self> {
        let stamp = body.first_chunk::<STAMP_BYTES>()?;
        Some(Self {
            publisher: 0,
            sequence: decode_digits(stamp[SEQUENCE_AT..].first_chunk()?),
            sent_at: decode_digits(stamp[TIME_AT..].first_chunk()?),
        })
    }
}

impl Form {
    /// Bytes of a stamp, and with them the smallest body.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Text => STAMP_BYTES,
            Self::Short => SHORT_BYTES,
        }
    }

    /// Writes a stamp into a body that was made by [`blank_body`].
    #[inline]
    pub(crate) fn patch(self, body: &mut [u8], stamp: Stamp) {
        match self {
            Self::Text => {
                body[SEQUENCE_AT..][..DIGITS].copy_from_slice(&encode_digits(stamp.sequence));
                body[TIME_AT..][..DIGITS].copy_from_slice(&encode_digits(stamp.sent_at));
            }
            Self::Short => {
                body[..8].copy_from_slice(&stamp.sequence.to_be_bytes());
                body[..2].copy_from_slice(&stamp.publisher.to_be_bytes());
                body[8..16].copy_from_slice(&stamp.sent_at.to_be_bytes());
            }
        }
    }

    /// Reads the stamp of a body, or nothing where the body is none of ours.
    #[inline]
    pub(crate) fn decode(self, body: &[u8]) -> Option<Stamp> {
        match self {
            Self::Text => Stamp::decode(body),
            Self::Short => {
                let (head, rest) = body.split_first_chunk::<8>()?;
                let sent_at = u64::from_be_bytes(*rest.first_chunk()?);
                Some(Stamp {
                    publisher: u16::from_be_bytes(*head.first_chunk()?),
                    sequence: u64::from_be_bytes(*head) & 0xffff_ffff_ffff,
                    sent_at,
                })
            }
        }
    }
}

/// A body with a zero stamp, as text, padded to `size` bytes, and cut to these if that is less.
pub(crate) fn blank_body(size: usize) -> Vec<u8> {
    let mut body = b"0001 0000000000000000 0000000000000000 ".to_vec();
    let padding = b"abcdefghijklmnopqrstuvwxyz0123456789".iter().cycle();
    body.extend(padding.take(size.saturating_sub(STAMP_BYTES)));
    body.truncate(size);
    body
}

/// Writes `value` as 16 hexadecimal digits.
#[inline]
pub(crate) fn encode_digits(value: u64) -> [u8; DIGITS] {
    let mut text = [0; DIGITS];
    let (high, low) = text.split_at_mut(8);
    high.copy_from_slice(&eight_digits(value >> 32).to_be_bytes());
    low.copy_from_slice(&eight_digits(value & 0xffff_ffff).to_be_bytes());
    text
}

/// Reads 16 hexadecimal digits; anything else gives some other number, which the tally refuses.
#[inline]
pub(crate) fn decode_digits(text: &[u8; DIGITS]) -> u64 {
    let word = |half: &[u8]| {
        half.first_chunk()
            .map_or(0, |bytes| u64::from_be_bytes(*bytes))
    };
    eight_values(word(&text[..8])) << 32 | eight_values(word(&text[8..]))
}

/// The low 32 bits as eight hexadecimal digits, first digit in the highest byte.
#[inline]
fn eight_digits(value: u64) -> u64 {
    let mut nibbles = value;
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    // 1 in each byte whose nibble is above 9: those digits lie 39 further on, at 'a'.
    let letters = ((nibbles + 6 * ONES) >> 4) & ONES;
    nibbles + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

/// Inverse of [`eight_digits`].
#[inline]
fn eight_values(digits: u64) -> u64 {
    let letters = (digits >> 6) & ONES;
    let mut nibbles = (digits & (0x0f * ONES)) + 9 * letters;
    nibbles &= 0x0f * ONES;
    nibbles = (nibbles | nibbles >> 4) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles >> 8) & 0x0000_ffff_0000_ffff;
    (nibbles | nibbles >> 16) & 0xffff_ffff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_plain_hexadecimal_and_read_back() {
        for value in [
            0,
            1,
            9,
            10,
            0xf,
            0x10,
            0xdead_beef,
            0x0123_4567_89ab_cdef,
            u64::MAX,
        ] {
            let text = encode_digits(value);
            assert_eq!(std::str::from_utf8(&text).unwrap(), format!("{value:016x}"));
            assert_eq!(decode_digits(&text), value);
        }
    }

    #[test]
    fn a_patched_body_gives_its_stamp_back() {
        let mut body = blank_body(100);
        assert_eq!(body.len(), 100);
        body[SEQUENCE_AT..][..DIGITS].copy_from_slice(&encode_digits(77));
        body[TIME_AT..][..DIGITS].copy_from_slice(&encode_digits(1_234_567_890));
        let stamp = Stamp {
            publisher: 0,
            sequence: 77,
            sent_at: 1_234_567_890,
        };
        assert_eq!(Stamp::decode(&body), Some(stamp));
        assert_eq!(Stamp::decode(&body[..STAMP_BYTES - 1]), None);
    }

    #[test]
    fn each_form_gives_back_what_was_patched_in() {
        for (form, publisher) in [(Form::Text, 0), (Form::Short, 99)] {
            let stamp = Stamp {
                publisher,
                sequence: 0xab_cdef_0123,
                sent_at: 1_234_567_890_123,
            };
            let mut body = blank_body(form.bytes());
            form.patch(&mut body, stamp);
            assert_eq!(form.decode(&body), Some(stamp), "{form:?}");
            assert_eq!(form.decode(&body[1..]), None, "{form:?}");
        }
        assert_eq!(blank_body(16).len(), 16);
    }
}
