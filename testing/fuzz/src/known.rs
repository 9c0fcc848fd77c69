//! Flaws that the targets have found and that are not mended yet.
//!
//! Inputs that show them stand in the corpora and are passed over here, so that what else there is can be
//! found. Whoever mends one deletes its function; the corpus then shows whether it is.

const DECLARED: u8 = 1;
const ENQUEUED: u8 = 2;
const SETTLED: u8 = 3;

/// The widest range of settled sequences that is replayed.
const RANGE_MAX: u64 = 1 << 16;

/// Records that no broker writes, and that `broker::Recovery` does not withstand: numbers that
/// have no next one, or hardly, overflow, and it counts through settled ranges, however wide.
pub(crate) fn breaks_recovery(kind: u8, payload: &[u8]) -> bool {
    let numbers: Vec<u64> = payload
        .chunks_exact(8)
        .filter_map(|bytes| Some(u64::from_le_bytes(bytes.try_into().ok()?)))
        .collect();
    let without_next = match kind {
        DECLARED => &numbers[..numbers.len().min(1)],
        ENQUEUED => &numbers[..numbers.len().min(2)],
        _ => &numbers,
    };
    let is_wide = |range: &[u64]| range[1].saturating_sub(range[0]) > RANGE_MAX;
    let ranges = numbers.get(1..).unwrap_or_default();
    let is_last = |number: &u64| *number > u64::MAX >> 1;
    without_next.iter().any(is_last) || kind == SETTLED && ranges.chunks_exact(2).any(is_wide)
}

/// The stream up to the end of its first DISCONNECT. Behind that, while answers are outstanding, a STOMP
/// session discards what comes in the same piece, but decodes what comes in later ones: it answers with an
/// error, and when it has discarded the beginning of a frame the codec panics in the next piece.
pub(crate) fn up_to_disconnect(stream: &[u8]) -> &[u8] {
    const WORD: &[u8] = b"DISCONNECT";
    let Some(word) = stream.windows(WORD.len()).position(|bytes| bytes == WORD) else {
        return stream;
    };
    let end = stream[word..].iter().position(|byte| *byte == 0);
    end.map_or(stream, |end| &stream[..=word + end])
}
