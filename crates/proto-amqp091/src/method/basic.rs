//! The methods of the class `basic`. Made from `methods.txt`.

use crate::encode::PutFields;
use crate::read::Reader;
use crate::violation::Problem;
use crate::{MethodId, ShortStr, Table};
use bytes::{BufMut, BytesMut};

/// Its number.
pub const CLASS_ID: u16 = 60;

/// `basic.qos`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Qos {
    /// `prefetch-size`.
    pub prefetch_size: u32,
    /// `prefetch-count`.
    pub prefetch_count: u16,
    /// `global`.
    pub global: bool,
}

impl Qos {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 10);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let prefetch_size = reader.long("prefetch-size")?;
        let prefetch_count = reader.short("prefetch-count")?;
        let bits = reader.octet("global")?;
        Ok(Self {
            prefetch_size,
            prefetch_count,
            global: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u32(self.prefetch_size);
        buffer.put_u16(self.prefetch_count);
        buffer.put_bits(&[self.global]);
    }
}

/// `basic.qos-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QosOk;

impl QosOk {
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

/// `basic.consume`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the bits of the specification"
)]
pub struct Consume<'a> {
    /// `queue`.
    pub queue: ShortStr<'a>,
    /// `consumer-tag`.
    pub consumer_tag: ShortStr<'a>,
    /// `no-local`.
    pub no_local: bool,
    /// `no-ack`.
    pub no_ack: bool,
    /// `exclusive`.
    pub exclusive: bool,
    /// `no-wait`.
    pub no_wait: bool,
    /// `arguments`.
    pub arguments: Table<'a>,
}

impl<'a> Consume<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 20);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let queue = reader.shortstr("queue")?;
        let consumer_tag = reader.shortstr("consumer-tag")?;
        let bits = reader.octet("no-local")?;
        let arguments = reader.table("arguments")?;
        Ok(Self {
            queue,
            consumer_tag,
            no_local: bits & 1 != 0,
            no_ack: bits & 2 != 0,
            exclusive: bits & 4 != 0,
            no_wait: bits & 8 != 0,
            arguments,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.queue);
        buffer.put_shortstr(self.consumer_tag);
        buffer.put_bits(&[self.no_local, self.no_ack, self.exclusive, self.no_wait]);
        buffer.put_longstr(self.arguments.as_bytes());
    }
}

/// `basic.consume-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumeOk<'a> {
    /// `consumer-tag`.
    pub consumer_tag: ShortStr<'a>,
}

impl<'a> ConsumeOk<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 21);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let consumer_tag = reader.shortstr("consumer-tag")?;
        Ok(Self { consumer_tag })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(self.consumer_tag);
    }
}

/// `basic.cancel`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancel<'a> {
    /// `consumer-tag`.
    pub consumer_tag: ShortStr<'a>,
    /// `no-wait`.
    pub no_wait: bool,
}

impl<'a> Cancel<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 30);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let consumer_tag = reader.shortstr("consumer-tag")?;
        let bits = reader.octet("no-wait")?;
        Ok(Self {
            consumer_tag,
            no_wait: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(self.consumer_tag);
        buffer.put_bits(&[self.no_wait]);
    }
}

/// `basic.cancel-ok`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CancelOk<'a> {
    /// `consumer-tag`.
    pub consumer_tag: ShortStr<'a>,
}

impl<'a> CancelOk<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 31);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let consumer_tag = reader.shortstr("consumer-tag")?;
        Ok(Self { consumer_tag })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(self.consumer_tag);
    }
}

/// `basic.publish`, sent by a client, with a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Publish<'a> {
    /// `exchange`.
    pub exchange: ShortStr<'a>,
    /// `routing-key`.
    pub routing_key: ShortStr<'a>,
    /// `mandatory`.
    pub mandatory: bool,
    /// `immediate`.
    pub immediate: bool,
}

impl<'a> Publish<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 40);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let exchange = reader.shortstr("exchange")?;
        let routing_key = reader.shortstr("routing-key")?;
        let bits = reader.octet("mandatory")?;
        Ok(Self {
            exchange,
            routing_key,
            mandatory: bits & 1 != 0,
            immediate: bits & 2 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.exchange);
        buffer.put_shortstr(self.routing_key);
        buffer.put_bits(&[self.mandatory, self.immediate]);
    }
}

/// `basic.return`, sent by the server, with a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Return<'a> {
    /// `reply-code`.
    pub reply_code: u16,
    /// `reply-text`.
    pub reply_text: ShortStr<'a>,
    /// `exchange`.
    pub exchange: ShortStr<'a>,
    /// `routing-key`.
    pub routing_key: ShortStr<'a>,
}

impl<'a> Return<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 50);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let reply_code = reader.short("reply-code")?;
        let reply_text = reader.shortstr("reply-text")?;
        let exchange = reader.shortstr("exchange")?;
        let routing_key = reader.shortstr("routing-key")?;
        Ok(Self {
            reply_code,
            reply_text,
            exchange,
            routing_key,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(self.reply_code);
        buffer.put_shortstr(self.reply_text);
        buffer.put_shortstr(self.exchange);
        buffer.put_shortstr(self.routing_key);
    }
}

/// `basic.deliver`, sent by the server, with a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deliver<'a> {
    /// `consumer-tag`.
    pub consumer_tag: ShortStr<'a>,
    /// `delivery-tag`.
    pub delivery_tag: u64,
    /// `redelivered`.
    pub redelivered: bool,
    /// `exchange`.
    pub exchange: ShortStr<'a>,
    /// `routing-key`.
    pub routing_key: ShortStr<'a>,
}

impl<'a> Deliver<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 60);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let consumer_tag = reader.shortstr("consumer-tag")?;
        let delivery_tag = reader.longlong("delivery-tag")?;
        let bits = reader.octet("redelivered")?;
        let exchange = reader.shortstr("exchange")?;
        let routing_key = reader.shortstr("routing-key")?;
        Ok(Self {
            consumer_tag,
            delivery_tag,
            redelivered: bits & 1 != 0,
            exchange,
            routing_key,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(self.consumer_tag);
        buffer.put_u64(self.delivery_tag);
        buffer.put_bits(&[self.redelivered]);
        buffer.put_shortstr(self.exchange);
        buffer.put_shortstr(self.routing_key);
    }
}

/// `basic.get`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Get<'a> {
    /// `queue`.
    pub queue: ShortStr<'a>,
    /// `no-ack`.
    pub no_ack: bool,
}

impl<'a> Get<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 70);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        reader.short("reserved-1")?;
        let queue = reader.shortstr("queue")?;
        let bits = reader.octet("no-ack")?;
        Ok(Self {
            queue,
            no_ack: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(0);
        buffer.put_shortstr(self.queue);
        buffer.put_bits(&[self.no_ack]);
    }
}

/// `basic.get-ok`, sent by the server, with a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetOk<'a> {
    /// `delivery-tag`.
    pub delivery_tag: u64,
    /// `redelivered`.
    pub redelivered: bool,
    /// `exchange`.
    pub exchange: ShortStr<'a>,
    /// `routing-key`.
    pub routing_key: ShortStr<'a>,
    /// `message-count`.
    pub message_count: u32,
}

impl<'a> GetOk<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 71);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let delivery_tag = reader.longlong("delivery-tag")?;
        let bits = reader.octet("redelivered")?;
        let exchange = reader.shortstr("exchange")?;
        let routing_key = reader.shortstr("routing-key")?;
        let message_count = reader.long("message-count")?;
        Ok(Self {
            delivery_tag,
            redelivered: bits & 1 != 0,
            exchange,
            routing_key,
            message_count,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u64(self.delivery_tag);
        buffer.put_bits(&[self.redelivered]);
        buffer.put_shortstr(self.exchange);
        buffer.put_shortstr(self.routing_key);
        buffer.put_u32(self.message_count);
    }
}

/// `basic.get-empty`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GetEmpty;

impl GetEmpty {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 72);

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

/// `basic.ack`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// `delivery-tag`.
    pub delivery_tag: u64,
    /// `multiple`.
    pub multiple: bool,
}

impl Ack {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 80);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let delivery_tag = reader.longlong("delivery-tag")?;
        let bits = reader.octet("multiple")?;
        Ok(Self {
            delivery_tag,
            multiple: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u64(self.delivery_tag);
        buffer.put_bits(&[self.multiple]);
    }
}

/// `basic.reject`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reject {
    /// `delivery-tag`.
    pub delivery_tag: u64,
    /// `requeue`.
    pub requeue: bool,
}

impl Reject {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 90);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let delivery_tag = reader.longlong("delivery-tag")?;
        let bits = reader.octet("requeue")?;
        Ok(Self {
            delivery_tag,
            requeue: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u64(self.delivery_tag);
        buffer.put_bits(&[self.requeue]);
    }
}

/// `basic.recover-async`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoverAsync {
    /// `requeue`.
    pub requeue: bool,
}

impl RecoverAsync {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 100);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let bits = reader.octet("requeue")?;
        Ok(Self {
            requeue: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_bits(&[self.requeue]);
    }
}

/// `basic.recover`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recover {
    /// `requeue`.
    pub requeue: bool,
}

impl Recover {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 110);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let bits = reader.octet("requeue")?;
        Ok(Self {
            requeue: bits & 1 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_bits(&[self.requeue]);
    }
}

/// `basic.recover-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecoverOk;

impl RecoverOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 111);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `basic.nack`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// `delivery-tag`.
    pub delivery_tag: u64,
    /// `multiple`.
    pub multiple: bool,
    /// `requeue`.
    pub requeue: bool,
}

impl Nack {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 120);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let delivery_tag = reader.longlong("delivery-tag")?;
        let bits = reader.octet("multiple")?;
        Ok(Self {
            delivery_tag,
            multiple: bits & 1 != 0,
            requeue: bits & 2 != 0,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u64(self.delivery_tag);
        buffer.put_bits(&[self.multiple, self.requeue]);
    }
}
