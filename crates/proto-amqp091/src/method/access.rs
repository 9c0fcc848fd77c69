//! The methods of the class `access`. Made from `methods.txt`.

use crate::encode::PutFields;
use crate::read::Reader;
use crate::violation::Problem;
use crate::{MethodId, ShortStr};
use bytes::{BufMut, BytesMut};

/// Its number.
pub const CLASS_ID: u16 = 30;

/// `access.request`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the bits of the specification"
)]
pub struct Request<'a> {
    /// `realm`.
    pub realm: ShortStr<'a>,
    /// `exclusive`.
    pub exclusive: bool,
    /// `passive`.
    pub passive: bool,
    /// `active`.
    pub active: bool,
    /// `write`.
    pub write: bool,
    /// `read`.
    pub read: bool,
}

impl<'a> Request<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 10);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let realm = reader.shortstr("realm")?;
        let bits = reader.octet("exclusive")?;
        Ok(Self {
            realm,
            exclusive: bits & 1 != 0,
            passive: bits & 2 != 0,
            active: bits & 4 != 0,
            write: bits & 8 != 0,
            read: bits & 16 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(self.realm);
        buffer.put_bits(&[
            self.exclusive,
            self.passive,
            self.active,
            self.write,
            self.read,
        ]);
    }
}

/// `access.request-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestOk {
    /// `ticket`.
    pub ticket: u16,
}

impl RequestOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 11);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let ticket = reader.short("ticket")?;
        Ok(Self { ticket })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(self.ticket);
    }
}
