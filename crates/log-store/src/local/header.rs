//! What begins every file of the store.
//!
//! ```text
//!   offset  bytes  field
//!        0      8  magic      which kind of file it is
//!        8      4  version    of the file's format
//!       12      4  checksum   CRC-32C of the bytes 0 .. 12
//!       16      8  store      the random number of this store
//!       24      8  number     journal: the segment's sequence; snapshot: its log index; format: 0
//!       32      2  shard      snapshot: whose it is; format: how many shards there are; journal: 0
//!       34      2  reserved   0
//!       36      4  checksum   CRC-32C of the bytes 16 .. 36
//! ```
//!
//! All numbers are little endian. The first 16 bytes are the same in every version for ever, so that an
//! older program can tell a newer file from a damaged one.

use super::error::{Corruption, Flaw, OpenError};
use crate::record::checksum;

/// The bytes of a header.
pub(super) const HEADER_BYTES: usize = 40;

/// The newest version that this program writes and reads, of each kind of file.
const VERSION: u32 = 1;

/// A kind of file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Format,
    Journal,
    Snapshot,
}

impl Kind {
    const fn magic(self) -> [u8; 8] {
        match self {
            Self::Format => *b"BARIDFMT",
            Self::Journal => *b"BARIDJNL",
            Self::Snapshot => *b"BARIDSNP",
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
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
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
        let bytes = bytes.first_chunk::<HEADER_BYTES>().ok_or_else(damaged)?;
        if bytes[..8] != kind.magic() || number(&bytes[12..16]) != u64::from(checksum(&bytes[..12]))
        {
            return Err(damaged().into());
        }
        let version = u32::try_from(number(&bytes[8..12])).expect("it has four bytes");
        if version > VERSION {
            return Err(OpenError::Newer {
                file: file.to_owned(),
                version,
                supported: VERSION,
            });
        }
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
fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}
