//! What begins every file of the store.
//!
//! ```text
//!   offset  bytes  field
//!        0      8  magic      which kind of file it is
//!        8      4  version    of the file's format
//!       12      4  checksum   CRC-32C of the bytes 0 .. 12
//!       16      8  store      the random number of this store
//!       24      8  number     journal, pages: the segment's sequence; snapshot: its log index;
//!                              format: 0
//!       32      2  shard      snapshot: whose it is; format: how many shards there are; journal: 1 if the
//!                             file may have been another segment before, else 0; pages: 0
//!       34      2  reserved   0
//!       36      4  checksum   CRC-32C of the bytes 16 .. 36
//! ```
//!
//! All numbers are little endian. The first 16 bytes are the same in every version for ever, so that an
//! older program can tell a newer file from a damaged one.

use super::error::{Corruption, Flaw, OpenError};
use crate::record::checksum;
use std::cmp::Ordering;

/// The bytes of a header.
pub(super) const HEADER_BYTES: usize = 40;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Format,
    Journal,
    Snapshot,
    Pages,
}

impl Kind {
    /// The version that this program writes and reads.
    const fn version(self) -> u32 {
        match self {
            Self::Journal | Self::Pages => 2,
            Self::Format | Self::Snapshot => 1,
        }
    }

    const fn magic(self) -> [u8; 8] {
        match self {
            Self::Format => *b"BARIDFMT",
            Self::Journal => *b"BARIDJNL",
            Self::Snapshot => *b"BARIDSNP",
            Self::Pages => *b"BARIDPGS",
        }
    }
}

/// The fields of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) store: u64,
    pub(super) number: u64,
    pub(super) shard: u16,
}

impl Header {
    pub(super) fn encode(self, kind: Kind) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&kind.magic());
        bytes[8..12].copy_from_slice(&kind.version().to_le_bytes());
        let sum = checksum(&bytes[..12]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.store.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.number.to_le_bytes());
        bytes[32..34].copy_from_slice(&self.shard.to_le_bytes());
        let sum = checksum(&bytes[16..36]);
        bytes[36..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of `file`, whose first bytes are `bytes`.
    pub(super) fn decode(kind: Kind, file: &str, bytes: &[u8]) -> Result<Self, OpenError> {
        let damaged = || Corruption {
            file: file.to_owned(),
            offset: 0,
            shard: None,
            index: None,
            flaw: Flaw::Header,
        };
        // Before the length: what stands behind is another version's business.
        let begins = bytes.first_chunk::<16>().ok_or_else(damaged)?;
        if begins[..8] != kind.magic()
            || number(&begins[12..16]) != u64::from(checksum(&begins[..12]))
        {
            return Err(damaged().into());
        }
        let version = u32::try_from(number(&begins[8..12])).expect("it has four bytes");
        let (file, supported) = (file.to_owned(), kind.version());
        match version.cmp(&supported) {
            Ordering::Greater => {
                return Err(OpenError::Newer {
                    file,
                    version,
                    supported,
                });
            }
            Ordering::Less => {
                return Err(OpenError::Older {
                    file,
                    version,
                    supported,
                });
            }
            Ordering::Equal => {}
        }
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or_else(damaged)?;
        if number(&bytes[36..]) != u64::from(checksum(&bytes[16..36])) {
            return Err(damaged().into());
        }
        Ok(Self {
            store: number(&bytes[16..24]),
            number: number(&bytes[24..32]),
            shard: u16::try_from(number(&bytes[32..34])).expect("it has two bytes"),
        })
    }
}

/// A little-endian number of up to eight bytes.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
