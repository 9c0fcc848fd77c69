//! The methods of the class `exchange`. Made from `methods.txt`.

use crate::encode::PutFields;
use crate::read::Reader;
use crate::violation::Problem;
use crate::{MethodId, ShortStr, Table};
use bytes::{BufMut, BytesMut};

/// Its number.
pub const CLASS_ID: u16 = 40;

/// `exchange.declare`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the bits of the specification"
)]
pub struct Declare<'a> {
    /// `exchange`.
    pub exchange: ShortStr<'a>,
    /// `type`.
    pub r#type: ShortStr<'a>,
    /// `passive`.
    pub passive: bool,
    /// `durable`.
    pub durable: bool,
    /// `auto-delete`.
    pub auto_delete: bool,
    /// `internal`.
    pub internal: bool,
    /// `no-wait`.
    pub no_wait: bool,
    /// `arguments`.
    pub arguments: Table<'a>,
}

impl<'a> Declare<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 10);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let exchange = reader.shortstr("exchange")?;
        let r#type = reader.shortstr("type")?;
        let bits = reader.octet("passive")?;
        let arguments = reader.table("arguments")?;
        Ok(Self {
            exchange,
            r#type,
            passive: bits & 1 != 0,
            durable: bits & 2 != 0,
            auto_delete: bits & 4 != 0,
            internal: bits & 8 != 0,
            no_wait: bits & 16 != 0,
            arguments,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.exchange);
        buffer.put_shortstr(self.r#type);
        buffer.put_bits(&[
            self.passive,
            self.durable,
            self.auto_delete,
            self.internal,
            self.no_wait,
        ]);
        buffer.put_longstr(self.arguments.as_bytes());
    }
}

/// `exchange.declare-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclareOk;

impl DeclareOk {
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

/// `exchange.delete`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// `exchange`.
    pub exchange: ShortStr<'a>,
    /// `if-unused`.
    pub if_unused: bool,
    /// `no-wait`.
    pub no_wait: bool,
}

impl<'a> Delete<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 20);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let exchange = reader.shortstr("exchange")?;
        let bits = reader.octet("if-unused")?;
        Ok(Self {
            exchange,
            if_unused: bits & 1 != 0,
            no_wait: bits & 2 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.exchange);
        buffer.put_bits(&[self.if_unused, self.no_wait]);
    }
}

/// `exchange.delete-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteOk;

impl DeleteOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 21);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `exchange.bind`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// `destination`.
    pub destination: ShortStr<'a>,
    /// `source`.
    pub source: ShortStr<'a>,
    /// `routing-key`.
    pub routing_key: ShortStr<'a>,
    /// `no-wait`.
    pub no_wait: bool,
    /// `arguments`.
    pub arguments: Table<'a>,
}

impl<'a> Bind<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 30);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let destination = reader.shortstr("destination")?;
        let source = reader.shortstr("source")?;
        let routing_key = reader.shortstr("routing-key")?;
        let bits = reader.octet("no-wait")?;
        let arguments = reader.table("arguments")?;
        Ok(Self {
            destination,
            source,
            routing_key,
            no_wait: bits & 1 != 0,
            arguments,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.destination);
        buffer.put_shortstr(self.source);
        buffer.put_shortstr(self.routing_key);
        buffer.put_bits(&[self.no_wait]);
        buffer.put_longstr(self.arguments.as_bytes());
    }
}

/// `exchange.bind-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindOk;

impl BindOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 31);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `exchange.unbind`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbind<'a> {
    /// `destination`.
    pub destination: ShortStr<'a>,
    /// `source`.
    pub source: ShortStr<'a>,
    /// `routing-key`.
    pub routing_key: ShortStr<'a>,
    /// `no-wait`.
    pub no_wait: bool,
    /// `arguments`.
    pub arguments: Table<'a>,
}

impl<'a> Unbind<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 40);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let destination = reader.shortstr("destination")?;
        let source = reader.shortstr("source")?;
        let routing_key = reader.shortstr("routing-key")?;
        let bits = reader.octet("no-wait")?;
        let arguments = reader.table("arguments")?;
        Ok(Self {
            destination,
            source,
            routing_key,
            no_wait: bits & 1 != 0,
            arguments,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.destination);
        buffer.put_shortstr(self.source);
        buffer.put_shortstr(self.routing_key);
        buffer.put_bits(&[self.no_wait]);
        buffer.put_longstr(self.arguments.as_bytes());
    }
}

/// `exchange.unbind-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnbindOk;

impl UnbindOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 51);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}
