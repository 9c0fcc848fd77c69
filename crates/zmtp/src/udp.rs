//! Datagrams of RADIO and DISH: an octet with the length of the group, the group, the body.

use crate::command::{CommandError, GROUP_BYTES_MAX};
use bytes::{BufMut as _, BytesMut};

/// The longest datagram that libzmq takes, in octets.
pub const DATAGRAM_BYTES_MAX: usize = 8_192;

/// The group and the body of a datagram; nothing if it ends within the group. libzmq does not look into the group.
#[must_use]
pub fn read(datagram: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = datagram.split_first()?;
    rest.split_at_checked(usize::from(*len))
}

/// Writes a datagram.
///
/// # Errors
/// [`CommandError::Group`] when the group is too long; nothing is written then.
pub fn put(out: &mut BytesMut, group: &[u8], body: &[u8]) -> Result<(), CommandError> {
    let len = u8::try_from(group.len()).map_err(|_| CommandError::Group)?;
    debug_assert!(group.len() <= GROUP_BYTES_MAX, "an octet holds no more");
    out.reserve(1 + group.len() + body.len());
    out.put_u8(len);
    out.put_slice(group);
    out.put_slice(body);
    Ok(())
}
