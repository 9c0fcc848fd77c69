//! The methods of the class `queue`. Made from `methods.txt`.

use crate::encode::PutFields;
use crate::read::Reader;
use crate::violation::Problem;
use crate::{MethodId, ShortStr, Table};
use bytes::{BufMut, BytesMut};

/// Its number.
pub const CLASS_ID: u16 = 50;

/// `queue.declare`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the bits of the specification"
)]
pub struct Declare<'a> {
    /// `queue`.
    pub queue: ShortStr<'a>,
    /// `passive`.
    pub passive: bool,
    /// `durable`.
    pub durable: bool,
    /// `exclusive`.
    pub exclusive: bool,
    /// `auto-delete`.
    pub auto_delete: bool,
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
        let queue = reader.shortstr("queue")?;
        let bits = reader.octet("passive")?;
        let arguments = reader.table("arguments")?;
        Ok(Self {
            queue,
            passive: bits & 1 != 0,
            durable: bits & 2 != 0,
            exclusive: bits & 4 != 0,
            auto_delete: bits & 8 != 0,
            no_wait: bits & 16 != 0,
            arguments,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.queue);
        buffer.put_bits(&[
            self.passive,
            self.durable,
            self.exclusive,
            self.auto_delete,
            self.no_wait,
        ]);
        buffer.put_longstr(self.arguments.as_bytes());
    }
}

/// `queue.declare-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeclareOk<'a> {
    /// `queue`.
    pub queue: ShortStr<'a>,
    /// `message-count`.
    pub message_count: u32,
    /// `consumer-count`.
    pub consumer_count: u32,
}

impl<'a> DeclareOk<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 11);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let queue = reader.shortstr("queue")?;
        let message_count = reader.long("message-count")?;
        let consumer_count = reader.long("consumer-count")?;
        Ok(Self {
            queue,
            message_count,
            consumer_count,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(self.queue);
        buffer.put_u32(self.message_count);
        buffer.put_u32(self.consumer_count);
    }
}

/// `queue.bind`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bind<'a> {
    /// `queue`.
    pub queue: ShortStr<'a>,
    /// `exchange`.
    pub exchange: ShortStr<'a>,
    /// `routing-key`.
    pub routing_key: ShortStr<'a>,
    /// `no-wait`.
    pub no_wait: bool,
    /// `arguments`.
    pub arguments: Table<'a>,
}

impl<'a> Bind<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 20);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let queue = reader.shortstr("queue")?;
        let exchange = reader.shortstr("exchange")?;
        let routing_key = reader.shortstr("routing-key")?;
        let bits = reader.octet("no-wait")?;
        let arguments = reader.table("arguments")?;
        Ok(Self {
            queue,
            exchange,
            routing_key,
            no_wait: bits & 1 != 0,
            arguments,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.queue);
        buffer.put_shortstr(self.exchange);
        buffer.put_shortstr(self.routing_key);
        buffer.put_bits(&[self.no_wait]);
        buffer.put_longstr(self.arguments.as_bytes());
    }
}

/// `queue.bind-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BindOk;

impl BindOk {
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

/// `queue.unbind`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbind<'a> {
    /// `queue`.
    pub queue: ShortStr<'a>,
    /// `exchange`.
    pub exchange: ShortStr<'a>,
    /// `routing-key`.
    pub routing_key: ShortStr<'a>,
    /// `arguments`.
    pub arguments: Table<'a>,
}

impl<'a> Unbind<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 50);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let queue = reader.shortstr("queue")?;
        let exchange = reader.shortstr("exchange")?;
        let routing_key = reader.shortstr("routing-key")?;
        let arguments = reader.table("arguments")?;
        Ok(Self {
            queue,
            exchange,
            routing_key,
            arguments,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.queue);
        buffer.put_shortstr(self.exchange);
        buffer.put_shortstr(self.routing_key);
        buffer.put_longstr(self.arguments.as_bytes());
    }
}

/// `queue.unbind-ok`, sent by the server.
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

/// `queue.purge`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purge<'a> {
    /// `queue`.
    pub queue: ShortStr<'a>,
    /// `no-wait`.
    pub no_wait: bool,
}

impl<'a> Purge<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 30);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let queue = reader.shortstr("queue")?;
        let bits = reader.octet("no-wait")?;
        Ok(Self {
            queue,
            no_wait: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.queue);
        buffer.put_bits(&[self.no_wait]);
    }
}

/// `queue.purge-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeOk {
    /// `message-count`.
    pub message_count: u32,
}

impl PurgeOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 31);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let message_count = reader.long("message-count")?;
        Ok(Self { message_count })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u32(self.message_count);
    }
}

/// `queue.delete`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delete<'a> {
    /// `queue`.
    pub queue: ShortStr<'a>,
    /// `if-unused`.
    pub if_unused: bool,
    /// `if-empty`.
    pub if_empty: bool,
    /// `no-wait`.
    pub no_wait: bool,
}

impl<'a> Delete<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 40);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let queue = reader.shortstr("queue")?;
        let bits = reader.octet("if-unused")?;
        Ok(Self {
            queue,
            if_unused: bits & 1 != 0,
            if_empty: bits & 2 != 0,
            no_wait: bits & 4 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.queue);
        buffer.put_bits(&[self.if_unused, self.if_empty, self.no_wait]);
    }
}

/// `queue.delete-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteOk {
    /// `message-count`.
    pub message_count: u32,
}

impl DeleteOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 41);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let message_count = reader.long("message-count")?;
        Ok(Self { message_count })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u32(self.message_count);
    }
}
