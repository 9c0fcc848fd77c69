//! Line ends, lines and colons.

use memchr::{memchr, memchr2};

/// One line of the input.
pub(super) struct Scanned {
    /// The first colon.
    pub(super) colon: Option<usize>,
    /// Whether another colon follows it.
    pub(super) extra_colon: bool,
    /// The line feed.
    pub(super) line_feed: usize,
}

/// The bytes of the whole line ends at the front.
pub(super) fn line_ends_count(input: &[u8]) -> usize {
    let mut at = 0;
    loop {
        match &input[at..] {
            [b'\n', ..] => at += 1,
            [b'\r', b'\n', ..] => at += 2,
            _ => return at,
        }
    }
}

/// Finds the end of the line that begins at `line_at` and has none before `scanned`.
pub(super) fn scan_line(input: &[u8], line_at: usize, scanned: usize) -> Option<Scanned> {
    let from_start = (scanned == line_at)
        .then(|| memchr2(b':', b'\n', &input[line_at..]))
        .flatten()
        .map(|at| line_at + at);
    match from_start {
        Some(at) if input[at] == b'\n' => Some(Scanned {
            colon: None,
            extra_colon: false,
            line_feed: at,
        }),
        Some(colon) => {
            let next = colon + 1 + memchr2(b'\n', b':', &input[colon + 1..])?;
            let extra_colon = input[next] == b':';
            let line_feed = next + memchr(b'\n', &input[next..])?;
            Some(Scanned {
                colon: Some(colon),
                extra_colon,
                line_feed,
            })
        }
        None => {
            let line_feed = scanned + memchr(b'\n', &input[scanned..])?;
            let colon = memchr(b':', &input[line_at..line_feed]).map(|at| line_at + at);
            let extra_colon =
                colon.is_some_and(|colon| memchr(b':', &input[colon + 1..line_feed]).is_some());
            Some(Scanned {
                colon,
                extra_colon,
                line_feed,
            })
        }
    }
}
