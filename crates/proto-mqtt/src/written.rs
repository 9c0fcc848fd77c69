//! Where the packets end that a session writes.
//!
//! A WebSocket may carry each of them in a message of its own, and who makes the messages knows no
//! protocol.

use crate::frame::variable_int;
use std::io::IoSlice;

/// The longest fixed header.
const HEADER_BYTES_MAX: usize = 5;

/// The length of the first packet in `slices`, which a session wrote; none if its end is not there.
#[must_use]
pub fn written_packet_len(slices: &[IoSlice<'_>]) -> Option<usize> {
    let mut header = [0; HEADER_BYTES_MAX];
    let bytes = slices.iter().flat_map(|slice| slice.iter());
    let mut count = 0;
    for (place, byte) in header.iter_mut().zip(bytes) {
        *place = *byte;
        count += 1;
    }
    let variable_int::Read::Whole(body_len, length_len) = variable_int::read(header.get(1..count)?)
    else {
        return None;
    };
    let len = 1 + length_len + body_len as usize;
    let there: usize = slices.iter().map(|slice| slice.len()).sum();
    (len <= there).then_some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_end_where_they_say() {
        let long = [&[0x30, 0x80, 0x01][..], &[0; 128]].concat();
        let rows: [(&[&[u8]], Option<usize>); 9] = [
            (&[b"\xd0\x00"], Some(2)),
            (&[b"\xd0\x00\x40\x02\x00\x01"], Some(2)),
            (&[b"\x40\x02\x00\x01"], Some(4)),
            (&[b"\x30\x05\x00", b"\x01ab", b"c\xd0"], Some(7)),
            (&[b"\x30\x05\x00", b"\x01a"], None),
            (&[&long], Some(131)),
            (&[b"\x30", b"\x80"], None),
            (&[b"\x30"], None),
            (&[], None),
        ];
        for (slices, expected) in rows {
            let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
            assert_eq!(written_packet_len(&slices), expected, "{slices:?}");
        }
    }
}
