//! The methods of the class `confirm`. Made from `methods.txt`.

use crate::MethodId;
use crate::encode::PutFields;
use crate::read::Reader;
use crate::violation::Problem;
use bytes::BytesMut;

/// Its number.
pub const CLASS_ID: u16 = 85;

/// `confirm.select`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select {
    /// `no-wait`.
    pub no_wait: bool,
}

impl Select {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 10);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let bits = reader.octet("no-wait")?;
        Ok(Self {
            no_wait: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_bits(&[self.no_wait]);
    }
}

/// `confirm.select-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelectOk;

impl SelectOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 11);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}
