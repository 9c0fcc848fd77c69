//! Which messages a page holds.

use model::Sequence;

/// No page is written with so many: a few bytes of a log must not stand for more than memory can hold.
const COUNT_MAX: u32 = 1 << 20;

/// Which messages a page holds: ascending sequences, at most a million of them within a span of 4 Gi.
///
/// ```text
/// first     varint
/// count     varint
/// span      varint   last - first
/// gap ...   varint   each but the first, if span >= count: distance from the one before, less one
/// ```
/// Varints are little-endian groups of seven bits, the highest bit of a byte says that another follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    first: Sequence,
    count: u32,
    span: u32,
    /// The gaps, encoded; empty if there are none.
    gaps: Box<[u8]>,
}

impl Members {
    /// These sequences; none if there are none, they do not ascend, or they span too much.
    #[must_use]
    pub fn from_sequences(ascending: &[Sequence]) -> Option<Self> {
        let (first, last) = (*ascending.first()?, *ascending.last()?);
        let span = u32::try_from(last.0.checked_sub(first.0)?).ok()?;
        let count = u32::try_from(ascending.len()).ok()?;
        if !ascending.is_sorted_by(|one, next| one < next) {
            return None;
        }
        let mut gaps = Vec::new();
        if span >= count {
            for pair in ascending.windows(2) {
                put(&mut gaps, pair[1].0 - pair[0].0 - 1);
            }
        }
        Some(Self {
            first,
            count,
            span,
            gaps: gaps.into(),
        })
    }

    /// The parts, for whoever keeps them packed: first, count, span, gaps.
    pub(crate) fn into_parts(self) -> (Sequence, u32, u32, Box<[u8]>) {
        (self.first, self.count, self.span, self.gaps)
    }

    /// Puts together what [`into_parts`](Self::into_parts) took apart.
    pub(crate) fn from_parts(first: Sequence, count: u32, span: u32, gaps: &[u8]) -> Self {
        Self {
            first,
            count,
            span,
            gaps: gaps.into(),
        }
    }

    /// Appends them, encoded.
    pub fn encode(&self, to: &mut Vec<u8>) {
        put(to, self.first.0);
        put(to, u64::from(self.count));
        put(to, u64::from(self.span));
        to.extend_from_slice(&self.gaps);
    }

    /// Reads what [`encode`](Self::encode) wrote, which fills `bytes`; none if it is anything else.
    #[must_use]
    pub fn decode(mut bytes: &[u8]) -> Option<Self> {
        let first = take(&mut bytes)?;
        let count = u32::try_from(take(&mut bytes)?).ok()?;
        let span = u32::try_from(take(&mut bytes)?).ok()?;
        // A sequence has a next one.
        first.checked_add(u64::from(span))?.checked_add(1)?;
        if count == 0 || count > COUNT_MAX || span < count - 1 {
            return None;
        }
        let gaps = bytes;
        if span >= count {
            let mut reached = 0u64;
            for _ in 1..count {
                reached = reached.checked_add(take(&mut bytes)?)?.checked_add(1)?;
            }
            if reached != u64::from(span) {
                return None;
            }
        }
        bytes.is_empty().then(|| Self {
            first: Sequence(first),
            count,
            span,
            gaps: gaps.into(),
        })
    }

    /// All, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Sequence> + '_ {
        sequences(self.first, self.count, &self.gaps)
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there are none: never so.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lowest.
    #[must_use]
    pub fn first(&self) -> Sequence {
        self.first
    }

    /// The highest.
    #[must_use]
    pub fn last(&self) -> Sequence {
        Sequence(self.first.0 + u64::from(self.span))
    }
}

/// The sequences that begin with this one: as many as this, with these gaps.
pub(crate) fn sequences(
    first: Sequence,
    count: u32,
    gaps: &[u8],
) -> impl Iterator<Item = Sequence> + '_ {
    let mut rest = gaps;
    let mut next = first;
    (0..count).map(move |_| {
        let sequence = next;
        // They were checked when they came; behind the last there is none.
        let gap = take(&mut rest).unwrap_or(0);
        next = Sequence(sequence.0 + 1 + gap);
        sequence
    })
}

fn put(to: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        to.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    to.push(number.to_le_bytes()[0]);
}

/// Takes a number; none unless it is spelt as [`put`] does.
fn take(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return (*byte != 0 || shift == 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(members: &Members) -> Vec<u8> {
        let mut bytes = Vec::new();
        members.encode(&mut bytes);
        bytes
    }

    proptest! {
        #[test]
        fn are_read_as_they_were_written(
            first in prop_oneof![1u64..1000, any::<u64>().prop_map(|first| first >> 1)],
            gaps in prop::collection::vec(prop_oneof![3 => Just(0u64), 1 => 0u64..100_000], 0..60),
        ) {
            let mut sequences = vec![Sequence(first)];
            for gap in gaps {
                let last = sequences[sequences.len() - 1];
                sequences.push(Sequence(last.0 + 1 + gap));
            }
            let members = Members::from_sequences(&sequences).expect("they ascend");
            prop_assert_eq!(members.iter().collect::<Vec<_>>(), sequences.clone());
            prop_assert_eq!(members.len(), sequences.len());
            prop_assert_eq!(members.last(), sequences[sequences.len() - 1]);
            let bytes = encoded(&members);
            prop_assert_eq!(Members::decode(&bytes), Some(members));
            prop_assert_eq!(Members::decode(&bytes[..bytes.len() - 1]), None);
        }

        #[test]
        fn of_any_bytes_only_one_spelling_is_read(bytes in prop::collection::vec(prop_oneof![0u8..8, any::<u8>()], 0..24)) {
            // A run may be long.
            if let Some(members) = Members::decode(&bytes).filter(|members| members.len() < 10_000) {
                let sequences: Vec<_> = members.iter().collect();
                prop_assert_eq!(Members::from_sequences(&sequences), Some(members.clone()));
                prop_assert_eq!(encoded(&members), bytes);
            }
        }
    }

    #[test]
    fn a_run_is_short() {
        let run: Vec<_> = (u64::MAX - 2000..u64::MAX - 1).map(Sequence).collect();
        let members = Members::from_sequences(&run).expect("they ascend");
        assert!(encoded(&members).len() <= 24);
    }
}
