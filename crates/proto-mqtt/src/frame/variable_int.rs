//! The variable byte integer: seven bits a byte, the lowest first, the high bit for "more follows".

use bytes::{BufMut as _, BytesMut};

/// The largest number that four bytes can say.
pub const VARIABLE_INT_MAX: u32 = 268_435_455;

/// The longest spelling.
const BYTES_MAX: usize = 4;

/// A number read from the front of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    /// The number and the bytes that it took.
    Whole(u32, usize),
    /// The bytes end before the number does.
    Partial,
    /// The fourth byte says that more follows.
    TooLong,
}

/// Reads the number at the front.
#[inline]
pub(crate) fn read(bytes: &[u8]) -> Read {
    match bytes {
        [low, ..] if *low < 0x80 => Read::Whole(u32::from(*low), 1),
        [low, high, ..] if *high < 0x80 => {
            Read::Whole(u32::from(*low & 0x7f) | u32::from(*high) << 7, 2)
        }
        _ => read_long(bytes),
    }
}

fn read_long(bytes: &[u8]) -> Read {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(BYTES_MAX).enumerate() {
        number |= u32::from(byte & 0x7f) << (7 * index);
        if *byte < 0x80 {
            return Read::Whole(number, index + 1);
        }
    }
    if bytes.len() < BYTES_MAX {
        Read::Partial
    } else {
        Read::TooLong
    }
}

/// The bytes of the shortest spelling of a number that is not over [`VARIABLE_INT_MAX`].
#[inline]
pub(crate) const fn len_of(number: u32) -> usize {
    match number {
        0..=0x7f => 1,
        0x80..=0x3fff => 2,
        0x4000..=0x1f_ffff => 3,
        _ => 4,
    }
}

/// The shortest spelling of a number that is not over [`VARIABLE_INT_MAX`], and its length.
#[inline]
pub(crate) const fn spell(number: u32) -> ([u8; 4], usize) {
    let digits = [
        number & 0x7f,
        (number >> 7) & 0x7f,
        (number >> 14) & 0x7f,
        number >> 21,
    ];
    let [a, b, c, d] = digits;
    // Put together in a register: bytes that are stored one by one are slow to load at once.
    let len = len_of(number);
    let spelled = match len {
        1 => a,
        2 => a | 0x80 | b << 8,
        3 => a | 0x8080 | b << 8 | c << 16,
        _ => a | 0x80_8080 | b << 8 | c << 16 | d << 24,
    };
    (spelled.to_le_bytes(), len)
}

/// Appends the shortest spelling of a number that is not over [`VARIABLE_INT_MAX`].
#[inline]
pub(crate) fn put(buffer: &mut BytesMut, number: u32) {
    let ([a, b, c, d], len) = spell(number);
    // Of a length that is known each is a store or two, not a call.
    match len {
        1 => buffer.put_u8(a),
        2 => buffer.put_slice(&[a, b]),
        3 => buffer.put_slice(&[a, b, c]),
        _ => buffer.put_slice(&[a, b, c, d]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{any, proptest};

    /// MQTT 5.0 table 1-1, 3.1.1 table 2.4: where one more digit begins.
    const ROWS: [(u32, &[u8]); 9] = [
        (0, &[0x00]),
        (127, &[0x7f]),
        (128, &[0x80, 0x01]),
        (321, &[0xc1, 0x02]),
        (16_383, &[0xff, 0x7f]),
        (16_384, &[0x80, 0x80, 0x01]),
        (2_097_151, &[0xff, 0xff, 0x7f]),
        (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
        (VARIABLE_INT_MAX, &[0xff, 0xff, 0xff, 0x7f]),
    ];

    #[test]
    fn is_as_the_tables_of_the_specifications_have_it() {
        for (number, spelled) in ROWS {
            let mut buffer = BytesMut::new();
            put(&mut buffer, number);
            assert_eq!(buffer[..], spelled[..], "{number}");
            assert_eq!(read(spelled), Read::Whole(number, spelled.len()));
            for len in 0..spelled.len() {
                assert_eq!(read(&spelled[..len]), Read::Partial, "{number}");
            }
        }
        // A longer spelling is read, and its length tells that it is one.
        assert_eq!(read(&[0x80, 0x00]), Read::Whole(0, 2));
        assert_eq!(read(&[0x80, 0x80, 0x80, 0x80]), Read::TooLong);
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Read::TooLong);
    }

    proptest! {
        #[test]
        fn is_read_as_it_was_written(number in 0..=VARIABLE_INT_MAX, behind in any::<[u8; 3]>()) {
            let mut buffer = BytesMut::new();
            put(&mut buffer, number);
            let len = buffer.len();
            assert_eq!(len, len_of(number));
            buffer.put_slice(&behind);
            assert_eq!(read(&buffer), Read::Whole(number, len));
        }
    }
}
