//! The values of tables and arrays.

use crate::table::{Array, Table};
use bytes::{BufMut, BytesMut};

/// A value in a table or an array, of the types that RabbitMQ has. §3 of its errata
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue<'a> {
    /// `t`: true or false.
    Boolean(bool),
    /// `b`: 8 bits, signed.
    SignedByte(i8),
    /// `B`: 8 bits.
    UnsignedByte(u8),
    /// `s`: 16 bits, signed.
    SignedShort(i16),
    /// `u`: 16 bits.
    UnsignedShort(u16),
    /// `I`: 32 bits, signed.
    SignedInt(i32),
    /// `i`: 32 bits.
    UnsignedInt(u32),
    /// `l`: 64 bits, signed.
    SignedLong(i64),
    /// `f`: a floating point number of 32 bits.
    Float(f32),
    /// `d`: a floating point number of 64 bits.
    Double(f64),
    /// `D`: a decimal number.
    Decimal {
        /// How many of its digits stand behind the point.
        scale: u8,
        /// The number without a point, signed as in RabbitMQ.
        value: i32,
    },
    /// `S`: text, or bytes.
    LongString(&'a [u8]),
    /// `x`: bytes.
    Bytes(&'a [u8]),
    /// `T`: seconds since 1970.
    Timestamp(u64),
    /// `F`: a table.
    Table(Table<'a>),
    /// `A`: an array.
    Array(Array<'a>),
    /// `V`: nothing.
    Void,
}

/// How the length of a value is known.
pub(crate) enum Extent {
    /// From its type.
    Fixed(usize),
    /// From four bytes in front.
    Counted,
    /// So, and it holds values of its own.
    Nested {
        /// Whether these have names.
        is_table: bool,
    },
}

impl Extent {
    /// Of a value with this tag, if there are such values.
    #[inline]
    pub(crate) const fn of(tag: u8) -> Option<Self> {
        Some(match tag {
            b'V' => Self::Fixed(0),
            b't' | b'b' | b'B' => Self::Fixed(1),
            b's' | b'u' => Self::Fixed(2),
            b'I' | b'i' | b'f' => Self::Fixed(4),
            b'D' => Self::Fixed(5),
            b'l' | b'd' | b'T' => Self::Fixed(8),
            b'S' | b'x' => Self::Counted,
            b'F' => Self::Nested { is_table: true },
            b'A' => Self::Nested { is_table: false },
            _ => return None,
        })
    }
}

impl<'a> FieldValue<'a> {
    /// Reads a tag and a value from the front of what has been checked; none at its end.
    #[inline]
    pub(crate) fn take(bytes: &mut &'a [u8]) -> Option<Self> {
        let (tag, mut left) = bytes.split_first()?;
        let value = match tag {
            b'V' => Self::Void,
            b't' => Self::Boolean(array::<1>(&mut left)? != [0]),
            b'b' => Self::SignedByte(i8::from_be_bytes(array(&mut left)?)),
            b'B' => Self::UnsignedByte(u8::from_be_bytes(array(&mut left)?)),
            b's' => Self::SignedShort(i16::from_be_bytes(array(&mut left)?)),
            b'u' => Self::UnsignedShort(u16::from_be_bytes(array(&mut left)?)),
            b'I' => Self::SignedInt(i32::from_be_bytes(array(&mut left)?)),
            b'i' => Self::UnsignedInt(u32::from_be_bytes(array(&mut left)?)),
            b'f' => Self::Float(f32::from_be_bytes(array(&mut left)?)),
            b'D' => {
                let [scale] = array(&mut left)?;
                let value = i32::from_be_bytes(array(&mut left)?);
                Self::Decimal { scale, value }
            }
            b'l' => Self::SignedLong(i64::from_be_bytes(array(&mut left)?)),
            b'd' => Self::Double(f64::from_be_bytes(array(&mut left)?)),
            b'T' => Self::Timestamp(u64::from_be_bytes(array(&mut left)?)),
            b'S' => Self::LongString(counted(&mut left)?),
            b'x' => Self::Bytes(counted(&mut left)?),
            b'F' => Self::Table(Table::checked(counted(&mut left)?)),
            b'A' => Self::Array(Array::checked(counted(&mut left)?)),
            _ => return None,
        };
        *bytes = left;
        Some(value)
    }

    /// The letter that tells its type.
    #[must_use]
    pub const fn tag(&self) -> u8 {
        match self {
            Self::Boolean(_) => b't',
            Self::SignedByte(_) => b'b',
            Self::UnsignedByte(_) => b'B',
            Self::SignedShort(_) => b's',
            Self::UnsignedShort(_) => b'u',
            Self::SignedInt(_) => b'I',
            Self::UnsignedInt(_) => b'i',
            Self::SignedLong(_) => b'l',
            Self::Float(_) => b'f',
            Self::Double(_) => b'd',
            Self::Decimal { .. } => b'D',
            Self::LongString(_) => b'S',
            Self::Bytes(_) => b'x',
            Self::Timestamp(_) => b'T',
            Self::Table(_) => b'F',
            Self::Array(_) => b'A',
            Self::Void => b'V',
        }
    }

    /// Appends tag and value.
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u8(self.tag());
        match *self {
            Self::Boolean(value) => buffer.put_u8(value.into()),
            Self::SignedByte(value) => buffer.put_i8(value),
            Self::UnsignedByte(value) => buffer.put_u8(value),
            Self::SignedShort(value) => buffer.put_i16(value),
            Self::UnsignedShort(value) => buffer.put_u16(value),
            Self::SignedInt(value) => buffer.put_i32(value),
            Self::UnsignedInt(value) => buffer.put_u32(value),
            Self::SignedLong(value) => buffer.put_i64(value),
            Self::Float(value) => buffer.put_f32(value),
            Self::Double(value) => buffer.put_f64(value),
            Self::Decimal { scale, value } => {
                buffer.put_u8(scale);
                buffer.put_i32(value);
            }
            Self::LongString(bytes) | Self::Bytes(bytes) => put_longstr(buffer, bytes),
            Self::Timestamp(value) => buffer.put_u64(value),
            Self::Table(table) => put_longstr(buffer, table.as_bytes()),
            Self::Array(array) => put_longstr(buffer, array.as_bytes()),
            Self::Void => {}
        }
    }
}

/// Appends a length of four bytes, then the bytes.
///
/// # Panics
/// When there are more than the length can say, which no limit allows.
pub(crate) fn put_longstr(buffer: &mut BytesMut, bytes: &[u8]) {
    buffer.put_u32(u32::try_from(bytes.len()).expect("frames are limited to far less"));
    buffer.extend_from_slice(bytes);
}

#[inline]
fn array<const N: usize>(left: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = left.split_first_chunk()?;
    *left = rest;
    Some(*taken)
}

#[inline]
fn counted<'a>(left: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(u32::from_be_bytes(array(left)?)).ok()?;
    let (taken, rest) = left.split_at_checked(len)?;
    *left = rest;
    Some(taken)
}
