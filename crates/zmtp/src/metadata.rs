//! The properties that peers tell each other.
//!
//! ```text
//! property = 1 octet length, name, 4 octets length, value
//! ```

use bytes::{BufMut as _, BytesMut};

/// `Socket-Type`.
pub const SOCKET_TYPE: &str = "Socket-Type";
/// `Identity`.
pub const IDENTITY: &str = "Identity";
/// `Resource`.
pub const RESOURCE: &str = "Resource";

/// Properties, as they stand on the wire. They have been checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Metadata<'a>(&'a [u8]);

/// Octets that are no properties.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MetadataError {
    /// They end within one.
    #[error("a property ends too early")]
    CutOff,
    /// A name that is empty, or has other characters than the grammar allows.
    #[error("the name of a property is malformed")]
    Name,
    /// A value of more than 2^31-1 octets.
    #[error("a property has {0} bytes")]
    Value(u32),
}

impl<'a> Metadata<'a> {
    /// Checks octets. Allocates nothing.
    ///
    /// # Errors
    /// [`MetadataError`]
    pub fn read(bytes: &'a [u8]) -> Result<Self, MetadataError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            (_, _, rest) = read_property(rest)?;
        }
        Ok(Self(bytes))
    }

    /// The properties in their order.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (name, value, left) = read_property(rest).ok()?;
            rest = left;
            Some((name, value))
        })
    }

    /// The value of the first property of that name, whose case does not count.
    #[must_use]
    pub fn value(self, name: &str) -> Option<&'a [u8]> {
        let mut found = self
            .iter()
            .filter(|(it, _)| it.eq_ignore_ascii_case(name.as_bytes()));
        found.next().map(|(_, value)| value)
    }

    /// Its octets.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }
}

type Property<'a> = (&'a [u8], &'a [u8], &'a [u8]);

fn read_property(bytes: &[u8]) -> Result<Property<'_>, MetadataError> {
    let cut_off = MetadataError::CutOff;
    let (name_len, rest) = bytes.split_first().ok_or(cut_off)?;
    let (name, rest) = rest
        .split_at_checked(usize::from(*name_len))
        .ok_or(cut_off)?;
    if !is_name(name) {
        return Err(MetadataError::Name);
    }
    let (value_len, rest) = rest.split_first_chunk().ok_or(cut_off)?;
    let value_len = u32::from_be_bytes(*value_len);
    if i32::try_from(value_len).is_err() {
        return Err(MetadataError::Value(value_len));
    }
    let value_len = usize::try_from(value_len).unwrap_or(usize::MAX);
    let (value, rest) = rest.split_at_checked(value_len).ok_or(cut_off)?;
    Ok((name, value, rest))
}

/// Whether the grammar allows that name of a property.
#[must_use]
pub fn is_name(name: &[u8]) -> bool {
    let is_char = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(byte);
    (1..=255).contains(&name.len()) && name.iter().all(is_char)
}

/// Writes a property.
///
/// # Errors
/// [`MetadataError`] when the wire cannot carry it; nothing is written then.
pub fn put_property(out: &mut BytesMut, name: &str, value: &[u8]) -> Result<(), MetadataError> {
    if !is_name(name.as_bytes()) {
        return Err(MetadataError::Name);
    }
    let too_long = MetadataError::Value(u32::MAX);
    let value_len = i32::try_from(value.len()).map_err(|_| too_long)?;
    out.put_u8(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.put_slice(name.as_bytes());
    out.put_i32(value_len);
    out.put_slice(value);
    Ok(())
}
