//! The names of the store's files.

use super::pages::SEQUENCE_MAX;
use model::{LogIndex, ShardId};

/// The file that says what store this is.
pub(super) const FORMAT: &str = "format";

/// The highest number that a segment, a round or the index of a snapshot can have. None is ever reached;
/// what is above was not written by a store. So whatever is read has a next one.
pub(super) const NUMBER_MAX: u64 = u64::MAX >> 1;

/// Stands while a repair, which is written whole, takes the place of what it replaces.
pub(super) const REPAIR: &str = "repair";

/// Ends the name of a file that is being written.
const TEMPORARY: &str = ".tmp";

/// Begins the name of a file that a repair, or the opening of a damaged store, has replaced.
const ASIDE: &str = "aside-";

/// Begins the name of a file that a repair has written, until it takes its place.
const REPAIRED: &str = "repaired-";

/// What a name in the folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Format,
    Segment(u64),
    Snapshot(ShardId, LogIndex),
    /// A segment of pages.
    Pages(u32),
    /// A segment that is kept to be used again.
    Spare(u64),
    /// A repair is under way.
    Repair,
    /// What a repair has written, before it has its own name.
    Repaired,
    /// Replaced; never read and never deleted.
    Aside,
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

pub(super) fn pages(sequence: u32) -> String {
    format!("pages-{sequence:016}")
}

pub(super) fn spare(number: u64) -> String {
    format!("spare-{number:016}")
}

pub(super) fn aside(name: &str) -> String {
    format!("{ASIDE}{name}")
}

pub(super) fn repaired(name: &str) -> String {
    format!("{REPAIRED}{name}")
}

/// The name that a repaired file is to have.
pub(super) fn repaired_as(name: &str) -> Option<&str> {
    name.strip_prefix(REPAIRED)
}

pub(super) fn temporary(name: &str) -> String {
    format!("{name}{TEMPORARY}")
}

impl Name {
    /// Reads a name; whatever the store would not write so is unknown.
    pub(super) fn parse(name: &str) -> Self {
        if name.starts_with(ASIDE) {
            return Self::Aside;
        }
        if let Some(finished) = name.strip_suffix(TEMPORARY) {
            return match Self::parse(finished) {
                Self::Format
                | Self::Segment(_)
                | Self::Snapshot(..)
                | Self::Pages(_)
                | Self::Spare(_)
                | Self::Repair
                | Self::Repaired => Self::Temporary,
                Self::Temporary | Self::Aside | Self::Unknown => Self::Unknown,
            };
        }
        if name == FORMAT {
            return Self::Format;
        }
        if name == REPAIR {
            return Self::Repair;
        }
        if let Some(finished) = repaired_as(name) {
            return match Self::parse(finished) {
                Self::Segment(_) | Self::Snapshot(..) => Self::Repaired,
                Self::Format
                | Self::Pages(_)
                | Self::Spare(_)
                | Self::Repair
                | Self::Repaired
                | Self::Temporary
                | Self::Aside
                | Self::Unknown => Self::Unknown,
            };
        }
        Self::parse_segment(name)
            .or_else(|| Self::parse_spare(name))
            .or_else(|| Self::parse_snapshot(name))
            .or_else(|| Self::parse_pages(name))
            .unwrap_or(Self::Unknown)
    }

    fn parse_segment(name: &str) -> Option<Self> {
        let sequence = name.strip_prefix("journal-")?.parse().ok()?;
        let is_written_so = sequence <= NUMBER_MAX && segment(sequence) == name;
        is_written_so.then_some(Self::Segment(sequence))
    }

    fn parse_spare(name: &str) -> Option<Self> {
        let number = name.strip_prefix("spare-")?.parse().ok()?;
        let is_written_so = number <= NUMBER_MAX && spare(number) == name;
        is_written_so.then_some(Self::Spare(number))
    }

    fn parse_snapshot(name: &str) -> Option<Self> {
        let (shard, index) = name.strip_prefix("snapshot-")?.split_once('-')?;
        let (shard, index) = (ShardId(shard.parse().ok()?), LogIndex(index.parse().ok()?));
        let is_written_so = index.0 <= NUMBER_MAX && snapshot(shard, index) == name;
        is_written_so.then_some(Self::Snapshot(shard, index))
    }

    fn parse_pages(name: &str) -> Option<Self> {
        let sequence = name.strip_prefix("pages-")?.parse().ok()?;
        let is_written_so = sequence <= SEQUENCE_MAX && pages(sequence) == name;
        is_written_so.then_some(Self::Pages(sequence))
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
        check("pages-0000000000000007", Name::Pages(7));
        check("journal-0000000000000007.tmp", Name::Temporary);
        check("pages-0000000000000007.tmp", Name::Temporary);
        check("format.tmp", Name::Temporary);
        check(&spare(2), Name::Spare(2));
        check("repair", Name::Repair);
        check(&repaired(&segment(2)), Name::Repaired);
        check(&aside("journal-0000000000000007"), Name::Aside);
        check("aside-x.tmp", Name::Aside);
        for unknown in [
            "journal-7",
            "journal-+000000000000007",
            "journal-9223372036854775808",
            "snapshot-00000-18446744073709551615",
            "pages-7",
            "pages-0000002147483648",
            "x.tmp",
            "a.tmp.tmp",
            "core",
            "spare-1",
            "repaired-format",
            "",
        ] {
            check(unknown, Name::Unknown);
        }
    }
}
