//! One record as it lies in a journal segment and in a snapshot.
//!
//! ```text
//!   offset  bytes  field
//!        0      4  length      of the payload
//!        4      4  checksum    CRC-32C of the bytes 8 .. 20 + length
//!        8      2  shard       0xFFFF: a mark of the store's own
//!       10      1  kind        what the machine makes of it
//!       11      1  reserved    0
//!       12      8  index       place in the shard's log
//!       20      n  payload
//!   20 + n    0-7  zeros, up to a multiple of 8
//! ```
//!
//! All numbers are little endian. Twenty zero bytes are not a record: their checksum would not be 0.

/// The bytes in front of a payload.
pub(crate) const HEADER_BYTES: usize = 20;

/// Records begin at multiples of this.
pub(crate) const ALIGN_BYTES: usize = 8;

/// The longest payload of a record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 30;

/// The shard number of records that are the store's own marks.
pub(crate) const MARK_SHARD: u16 = u16::MAX;

/// What the digest so far is multiplied with for each record.
const DIGEST_FACTOR: u32 = 0x0100_0193;

/// The digest of records whose digest is `digest`, and one more with this checksum.
pub(crate) const fn digest(digest: u32, checksum: u32) -> u32 {
    digest.wrapping_mul(DIGEST_FACTOR).wrapping_add(checksum)
}

/// The digest of records with the digest `first`, and `records` more that have the digest `second`.
pub(crate) const fn joined_digest(first: u32, second: u32, records: u32) -> u32 {
    let factor = DIGEST_FACTOR.wrapping_pow(records);
    first.wrapping_mul(factor).wrapping_add(second)
}

/// CRC-32C of `bytes`.
pub(crate) fn checksum(bytes: &[u8]) -> u32 {
    crc_fast::crc32_iscsi(bytes)
}

/// CRC-32C of two pieces, one behind the other.
fn checksum_of([first, second]: [&[u8]; 2]) -> u32 {
    if second.is_empty() {
        return checksum(first);
    }
    let mut digest = crc_fast::Digest::new(crc_fast::CrcAlgorithm::Crc32Iscsi);
    digest.update(first);
    digest.update(second);
    u32::try_from(digest.finalize()).expect("this checksum has 32 bits")
}

/// The bytes that a record with so long a payload takes.
pub(crate) const fn framed_bytes(payload_len: usize) -> usize {
    (HEADER_BYTES + payload_len).next_multiple_of(ALIGN_BYTES)
}

/// What stands in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) length: usize,
    pub(crate) checksum: u32,
    pub(crate) shard: u16,
    pub(crate) kind: u8,
    pub(crate) index: u64,
}

impl Header {
    /// Reads the fields; says nothing about whether they are true. `None` when `bytes` is too short.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<HEADER_BYTES>()?;
        let [l0, l1, l2, l3, c0, c1, c2, c3, s0, s1, kind, _, index @ ..] = *bytes;
        Some(Self {
            length: usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?,
            checksum: u32::from_le_bytes([c0, c1, c2, c3]),
            shard: u16::from_le_bytes([s0, s1]),
            kind,
            index: u64::from_le_bytes(index),
        })
    }
}

/// Whether the record that begins `framed` with these fields is what was written. `framed` holds it
/// whole.
pub(crate) fn is_intact(header: &Header, framed: &[u8]) -> bool {
    checksum(&framed[8..HEADER_BYTES + header.length]) == header.checksum
}

/// The record at the start of `bytes`, if a whole and intact one is there.
pub(crate) fn decode(bytes: &[u8]) -> Option<(Header, &[u8])> {
    let header = Header::decode(bytes)?;
    let end = HEADER_BYTES.checked_add(header.length)?;
    if header.length > PAYLOAD_BYTES_MAX || bytes.len() < end || !is_intact(&header, bytes) {
        return None;
    }
    Some((header, &bytes[HEADER_BYTES..end]))
}

/// Appends a record to `bytes`, whose payload `encode` appends. Returns its checksum.
///
/// # Panics
/// When `encode` takes bytes away or the payload is over [`PAYLOAD_BYTES_MAX`].
pub(crate) fn encode(
    bytes: &mut Vec<u8>,
    shard: u16,
    kind: u8,
    index: u64,
    payload: impl FnOnce(&mut Vec<u8>),
) -> u32 {
    let (sum, padding) = encode_before(bytes, (shard, kind, index), payload, &[]);
    bytes.extend_from_slice(padding);
    sum
}

/// Appends a record to `bytes` but for the end of its payload, `tail`, which is to follow, and the padding behind
/// that. Returns its checksum and the padding.
///
/// # Panics
/// As [`encode`].
pub(crate) fn encode_before(
    bytes: &mut Vec<u8>,
    (shard, kind, index): (u16, u8, u64),
    payload: impl FnOnce(&mut Vec<u8>),
    tail: &[u8],
) -> (u32, &'static [u8]) {
    let start = bytes.len();
    let mut header = [0; HEADER_BYTES];
    header[8..10].copy_from_slice(&shard.to_le_bytes());
    header[10] = kind;
    header[12..].copy_from_slice(&index.to_le_bytes());
    bytes.extend_from_slice(&header);
    payload(bytes);
    assert!(
        bytes.len() >= start + HEADER_BYTES,
        "an encoder appends and takes nothing away"
    );
    let end = bytes.len() + tail.len();
    let length = end - start - HEADER_BYTES;
    assert!(
        length <= PAYLOAD_BYTES_MAX,
        "a payload has {length} bytes, the limit is {PAYLOAD_BYTES_MAX}"
    );
    let length = u32::try_from(length).expect("checked against the limit");
    let checksum = checksum_of([&bytes[start + 8..], tail]);
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
    bytes[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    let padding = (end - start).next_multiple_of(ALIGN_BYTES) - (end - start);
    (checksum, &[0; ALIGN_BYTES][..padding])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bytes_are_as_drawn() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 0x0102, 7, 0x1122_3344_5566_7788, |out| {
            out.extend_from_slice(b"123456789");
        });
        assert_eq!(bytes.len(), 32);
        assert_eq!(bytes[..4], [9, 0, 0, 0]);
        assert_eq!(bytes[4..8], checksum(&bytes[8..29]).to_le_bytes());
        assert_eq!(
            bytes[8..20],
            [2, 1, 7, 0, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11]
        );
        assert_eq!(&bytes[20..], b"123456789\0\0\0");
        let (header, payload) = decode(&bytes).unwrap();
        assert_eq!((header.shard, header.kind), (0x0102, 7));
        assert_eq!(payload, b"123456789");
    }

    #[test]
    fn digests_are_joined() {
        let fold = |sums: &[u32]| sums.iter().fold(0, |so_far, sum| digest(so_far, *sum));
        let sums = [7, 0xFFFF_FFFF, 3, 12345, 9];
        for cut in 0..=sums.len() {
            let (first, second) = sums.split_at(cut);
            let count = u32::try_from(second.len()).unwrap();
            assert_eq!(joined_digest(fold(first), fold(second), count), fold(&sums));
        }
    }

    #[test]
    fn the_checksum_is_crc_32c() {
        assert_eq!(checksum(b"123456789"), 0xE306_9283);
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 3, 1, 5, |out| {
            out.extend_from_slice(b"abcdefgh");
        });
        for at in 0..28 {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert!(decode(&changed).is_none(), "byte {at}, bit {bit}");
            }
        }
        assert!(decode(&[0; 64]).is_none(), "zeros are no record");
    }
}
