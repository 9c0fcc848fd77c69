//! Fields of records: putting them behind each other, taking them off the front.

use super::EntryError;
use model::{Instant, QueueId, Sequence, ShardId};

/// No sequence or id is above this: numbers ascend one by one from 1.
const NUMBER_MAX: u64 = u64::MAX / 2;

/// Appends fields.
pub(super) trait Put {
    fn u8(&mut self, number: u8);
    fn u16(&mut self, number: u16);
    fn u32(&mut self, number: u32);
    fn u64(&mut self, number: u64);
    /// Bytes behind their number, which is at most 255.
    fn short(&mut self, bytes: &[u8]);
    /// Bytes behind their number.
    fn long(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    fn u8(&mut self, number: u8) {
        self.push(number);
    }

    fn u16(&mut self, number: u16) {
        self.extend_from_slice(&number.to_le_bytes());
    }

    fn u32(&mut self, number: u32) {
        self.extend_from_slice(&number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.extend_from_slice(&number.to_le_bytes());
    }

    fn short(&mut self, bytes: &[u8]) {
        self.u8(u8::try_from(bytes.len()).expect("names are limited to 255 bytes"));
        self.extend_from_slice(bytes);
    }

    fn long(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("texts are limited to far less than 4 GiB"));
        self.extend_from_slice(bytes);
    }
}

/// A number of things that a record tells, which memory bounds to far less.
pub(super) fn count_u16(count: usize) -> u16 {
    u16::try_from(count).expect("counted and limited before")
}

/// The same, for more.
pub(super) fn count_u32(count: usize) -> u32 {
    u32::try_from(count).expect("counted and limited before")
}

/// Takes fields off the front of a record.
pub(super) struct Fields<'a> {
    pub(super) kind: u8,
    pub(super) left: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn bad(&self, field: &'static str) -> EntryError {
        EntryError::BadField {
            kind: self.kind,
            field,
        }
    }

    pub(super) fn bytes(
        &mut self,
        count: usize,
        field: &'static str,
    ) -> Result<&'a [u8], EntryError> {
        let (taken, left) = self.left.split_at_checked(count).ok_or(self.bad(field))?;
        self.left = left;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], EntryError> {
        self.bytes(N, field)?
            .try_into()
            .map_err(|_| self.bad(field))
    }

    pub(super) fn u8(&mut self, field: &'static str) -> Result<u8, EntryError> {
        self.array::<1>(field).map(|[byte]| byte)
    }

    pub(super) fn u16(&mut self, field: &'static str) -> Result<u16, EntryError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self, field: &'static str) -> Result<u32, EntryError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self, field: &'static str) -> Result<u64, EntryError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A number that ascends from 1, so that there is always a next one.
    pub(super) fn number(&mut self, field: &'static str) -> Result<u64, EntryError> {
        let number = self.u64(field)?;
        if number <= NUMBER_MAX {
            Ok(number)
        } else {
            Err(self.bad(field))
        }
    }

    pub(super) fn queue(&mut self) -> Result<QueueId, EntryError> {
        self.number("queue").map(QueueId)
    }

    pub(super) fn sequence(&mut self) -> Result<Sequence, EntryError> {
        self.number("sequence").map(Sequence)
    }

    pub(super) fn shard(&mut self) -> Result<ShardId, EntryError> {
        self.u16("shard").map(ShardId)
    }

    pub(super) fn moment(&mut self, field: &'static str) -> Result<Instant, EntryError> {
        self.u64(field).map(Instant::from_millis)
    }

    pub(super) fn short(&mut self, field: &'static str) -> Result<&'a [u8], EntryError> {
        let len = self.u8(field)?;
        self.bytes(usize::from(len), field)
    }

    pub(super) fn long(&mut self, field: &'static str) -> Result<&'a [u8], EntryError> {
        let len = self.u32(field)?;
        self.bytes(len as usize, field)
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.left)
    }

    pub(super) fn end(&self) -> Result<(), EntryError> {
        if self.left.is_empty() {
            Ok(())
        } else {
            Err(self.bad("length"))
        }
    }
}
