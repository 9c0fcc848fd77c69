//! The names of the store's files.

use model::{LogIndex, ShardId};

/// The file that says what store this is.
pub(super) const FORMAT: &str = "format";

/// The highest number that a segment, a round or the index of a snapshot can have. None is ever reached;
/// what is above was not written by a store. So whatever is read has a next one.
pub(super) const NUMBER_MAX: u64 = u64::MAX >> 1;

/// Ends the name of a file that is being written.
const TEMPORARY: &str = ".tmp";

/// What a name in the folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Format,
    Segment(u64),
    Snapshot(ShardId, LogIndex),
    /// One of these, unfinished.
    Temporary,
    Unknown,
}

pub(super) fn segment(sequence: u64) -> String {
    format!("journal-{sequence:016}")
}

pub(super) fn snapshot(shard: ShardId, index: LogIndex) -> String {
    format!("snapshot-{:05}-{:020}", shard.0, index.0)
}

pub(super) fn temporary(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

impl Name {
    /// Reads a name; whatever the store would not write so is unknown.
    pub(super) fn parse(name: &str) -> Self {
        if let Some(finished) = name.strip_suffix(TEMPORARY) {
            return match Self::parse(finished) {
                Self::Format | Self::Segment(_) | Self::Snapshot(..) => Self::Temporary,
                Self::Temporary | Self::Unknown => Self::Unknown,
            };
        }
        if name == FORMAT {
            return Self::Format;
        }
        Self::parse_segment(name)
            .or_else(|| Self::parse_snapshot(name))
            .unwrap_or(Self::Unknown)
    }

    fn parse_segment(name: &str) -> Option<Self> {
        let sequence = name.strip_prefix("journal-")?.parse().ok()?;
        let is_written_so = sequence <= NUMBER_MAX && segment(sequence) == name;
        is_written_so.then_some(Self::Segment(sequence))
    }

    fn parse_snapshot(name: &str) -> Option<Self> {
        let (shard, index) = name.strip_prefix("snapshot-")?.split_once('-')?;
        let (shard, index) = (ShardId(shard.parse().ok()?), LogIndex(index.parse().ok()?));
        let is_written_so = index.0 <= NUMBER_MAX && snapshot(shard, index) == name;
        is_written_so.then_some(Self::Snapshot(shard, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let check = |name: &str, expected| assert_eq!(Name::parse(name), expected, "{name}");
        check("format", Name::Format);
        check(&segment(7), Name::Segment(7));
        check(
            &snapshot(ShardId(3), LogIndex(9)),
            Name::Snapshot(ShardId(3), LogIndex(9)),
        );
        check("journal-0000000000000007.tmp", Name::Temporary);
        check("format.tmp", Name::Temporary);
        for unknown in [
            "journal-7",
            "journal-+000000000000007",
            "journal-9223372036854775808",
            "snapshot-00000-18446744073709551615",
            "x.tmp",
            "a.tmp.tmp",
            "core",
            "",
        ] {
            check(unknown, Name::Unknown);
        }
    }
}
