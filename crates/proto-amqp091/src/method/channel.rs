//! The methods of the class `channel`. Made from `methods.txt`.

use crate::encode::PutFields;
use crate::read::Reader;
use crate::violation::Problem;
use crate::{MethodId, ShortStr};
use bytes::{BufMut, BytesMut};

/// Its number.
pub const CLASS_ID: u16 = 20;

/// `channel.open`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open;

impl Open {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 10);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        reader.shortstr("reserved-1")?;
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(ShortStr::EMPTY);
    }
}

/// `channel.open-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOk;

impl OpenOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 11);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        reader.longstr("reserved-1")?;
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_longstr(&[]);
    }
}

/// `channel.flow`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// `active`.
    pub active: bool,
}

impl Flow {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 20);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let bits = reader.octet("active")?;
        Ok(Self {
            active: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_bits(&[self.active]);
    }
}

/// `channel.flow-ok`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowOk {
    /// `active`.
    pub active: bool,
}

impl FlowOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 21);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let bits = reader.octet("active")?;
        Ok(Self {
            active: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_bits(&[self.active]);
    }
}

/// `channel.close`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close<'a> {
    /// `reply-code`.
    pub reply_code: u16,
    /// `reply-text`.
    pub reply_text: ShortStr<'a>,
    /// `class-id`.
    pub class_id: u16,
    /// `method-id`.
    pub method_id: u16,
}

impl<'a> Close<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 40);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let reply_code = reader.short("reply-code")?;
        let reply_text = reader.shortstr("reply-text")?;
        let class_id = reader.short("class-id")?;
        let method_id = reader.short("method-id")?;
        Ok(Self {
            reply_code,
            reply_text,
            class_id,
            method_id,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(self.reply_code);
        buffer.put_shortstr(self.reply_text);
        buffer.put_u16(self.class_id);
        buffer.put_u16(self.method_id);
    }
}

/// `channel.close-ok`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseOk;

impl CloseOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 41);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}
