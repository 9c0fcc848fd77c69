//! Where the frames end that a session writes.
//!
//! A WebSocket carries each of them in a message of its own, and who makes the messages knows no
//! protocol.

use memchr::{memchr, memmem};
use std::io::IoSlice;

/// The length of the first frame in `slices`, which a session wrote, with the NUL that ends it; none if
/// its end is not there. A heart-beat, the line end between frames, counts as one.
///
/// What it relies on is how a session writes: lines end in LF, a head is in one slice, and a frame with a
/// body tells its length before any header of the message's publisher.
#[must_use]
pub fn written_frame_len(slices: &[IoSlice<'_>]) -> Option<usize> {
    let first: &[u8] = slices.first()?;
    if first.starts_with(b"\n") {
        return Some(1);
    }
    let head_len = memmem::find(first, b"\n\n")? + 2;
    let there: usize = slices.iter().map(|slice| slice.len()).sum();
    match content_length(&first[..head_len]) {
        Some(body_len) => {
            let len = head_len.checked_add(body_len)?.checked_add(1)?;
            (len <= there).then_some(len)
        }
        None => memchr(0, &first[head_len..]).map(|at| head_len + at + 1),
    }
}

/// What the first `content-length` header says; the first of equal headers counts.
fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"\ncontent-length:";
    let value = &head[memmem::find(head, NAME)? + NAME.len()..];
    let value = &value[..memchr(b'\n', value)?];
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_end_where_they_say() {
        let rows: [(&[&[u8]], Option<usize>); 9] = [
            (&[b"RECEIPT\nreceipt-id:1\n\n\0"], Some(23)),
            (&[b"RECEIPT\nreceipt-id:1\n\n\0RECEIPT\n"], Some(23)),
            (&[b"\nRECEIPT\n"], Some(1)),
            (&[b"MESSAGE\ncontent-length:3\n\na\0b\0\n"], Some(30)),
            (
                &[
                    b"MESSAGE\ncontent-length:3\nx:y\n\n",
                    b"a\0b",
                    b"\0MESSAGE\n",
                ],
                Some(34),
            ),
            (
                &[b"MESSAGE\ncontent-length:0\ncontent-length:9\n\n\0"],
                Some(44),
            ),
            (&[b"MESSAGE\ncontent-length:3\n\n", b"a\0b"], None),
            (&[b"RECEIPT\nreceipt-id:1\n"], None),
            (&[], None),
        ];
        for (slices, expected) in rows {
            let slices: Vec<_> = slices.iter().map(|slice| IoSlice::new(slice)).collect();
            assert_eq!(written_frame_len(&slices), expected, "{slices:?}");
        }
    }
}
