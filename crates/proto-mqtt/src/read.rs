//! Reads the parts of a packet that is whole.

use crate::frame::{Binary, PacketId, Text, TopicName, variable_int};
use crate::violation::{Field, Problem};

/// What is left of a packet, or of a part of one.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// What has not been read.
    #[inline]
    pub(crate) const fn left(&self) -> &'a [u8] {
        self.left
    }

    #[inline]
    pub(crate) fn bytes(&mut self, field: Field, count: usize) -> Result<&'a [u8], Problem> {
        let Some((taken, left)) = self.left.split_at_checked(count) else {
            return Err(truncated(field, count, self.left.len()));
        };
        self.left = left;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self, field: Field) -> Result<[u8; N], Problem> {
        let Some((taken, left)) = self.left.split_first_chunk() else {
            return Err(truncated(field, N, self.left.len()));
        };
        self.left = left;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self, field: Field) -> Result<u8, Problem> {
        let [number] = self.array(field)?;
        Ok(number)
    }

    #[inline]
    pub(crate) fn u16(&mut self, field: Field) -> Result<u16, Problem> {
        Ok(u16::from_be_bytes(self.array(field)?))
    }

    #[inline]
    pub(crate) fn u32(&mut self, field: Field) -> Result<u32, Problem> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// A variable byte integer, in its shortest spelling. [MQTT-1.5.5-1]
    #[inline]
    pub(crate) fn variable_int(&mut self, field: Field) -> Result<u32, Problem> {
        let (number, len) = match variable_int::read(self.left) {
            variable_int::Read::Whole(number, len) => (number, len),
            variable_int::Read::Partial => {
                return Err(truncated(field, self.left.len() + 1, self.left.len()));
            }
            variable_int::Read::TooLong => return Err(Problem::IntTooLong(field)),
        };
        if len != variable_int::len_of(number) {
            return Err(Problem::IntNotShortest { field, number, len });
        }
        self.left = &self.left[len..];
        Ok(number)
    }

    /// Two bytes of length, then so many bytes.
    #[inline]
    pub(crate) fn counted(&mut self, field: Field) -> Result<&'a [u8], Problem> {
        let len = self.u16(field)?;
        self.bytes(field, len.into())
    }

    pub(crate) fn text(&mut self, field: Field) -> Result<Text<'a>, Problem> {
        Text::read(field, self.counted(field)?)
    }

    pub(crate) fn binary(&mut self, field: Field) -> Result<Binary<'a>, Problem> {
        Ok(Binary::checked(self.counted(field)?))
    }

    #[inline]
    pub(crate) fn topic_name(&mut self, field: Field) -> Result<TopicName<'a>, Problem> {
        TopicName::read(field, self.counted(field)?)
    }

    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, Problem> {
        PacketId::new(self.u16(Field::PacketId)?).ok_or(Problem::ZeroPacketId)
    }

    /// Nothing may be left.
    #[inline]
    pub(crate) fn finish(&self) -> Result<(), Problem> {
        if self.left.is_empty() {
            return Ok(());
        }
        Err(Problem::Trailing {
            count: self.left.len(),
        })
    }
}

#[cold]
const fn truncated(field: Field, needed: usize, left: usize) -> Problem {
    Problem::Truncated {
        field,
        needed,
        left,
    }
}
