//! The methods of the class `connection`. Made from `methods.txt`.

use crate::encode::PutFields;
use crate::read::Reader;
use crate::violation::Problem;
use crate::{MethodId, Secret, ShortStr, Table};
use bytes::{BufMut, BytesMut};

/// Its number.
pub const CLASS_ID: u16 = 10;

/// `connection.start`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start<'a> {
    /// `version-major`.
    pub version_major: u8,
    /// `version-minor`.
    pub version_minor: u8,
    /// `server-properties`.
    pub server_properties: Table<'a>,
    /// `mechanisms`.
    pub mechanisms: &'a [u8],
    /// `locales`.
    pub locales: &'a [u8],
}

impl<'a> Start<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 10);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let version_major = reader.octet("version-major")?;
        let version_minor = reader.octet("version-minor")?;
        let server_properties = reader.table("server-properties")?;
        let mechanisms = reader.longstr("mechanisms")?;
        let locales = reader.longstr("locales")?;
        Ok(Self {
            version_major,
            version_minor,
            server_properties,
            mechanisms,
            locales,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u8(self.version_major);
        buffer.put_u8(self.version_minor);
        buffer.put_longstr(self.server_properties.as_bytes());
        buffer.put_longstr(self.mechanisms);
        buffer.put_longstr(self.locales);
    }
}

/// `connection.start-ok`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartOk<'a> {
    /// `client-properties`.
    pub client_properties: Table<'a>,
    /// `mechanism`.
    pub mechanism: ShortStr<'a>,
    /// `response`.
    pub response: Secret<'a>,
    /// `locale`.
    pub locale: ShortStr<'a>,
}

impl<'a> StartOk<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 11);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let client_properties = reader.table("client-properties")?;
        let mechanism = reader.shortstr("mechanism")?;
        let response = reader.secret("response")?;
        let locale = reader.shortstr("locale")?;
        Ok(Self {
            client_properties,
            mechanism,
            response,
            locale,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_longstr(self.client_properties.as_bytes());
        buffer.put_shortstr(self.mechanism);
        buffer.put_longstr(self.response.0);
        buffer.put_shortstr(self.locale);
    }
}

/// `connection.secure`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Secure<'a> {
    /// `challenge`.
    pub challenge: &'a [u8],
}

impl<'a> Secure<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 20);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let challenge = reader.longstr("challenge")?;
        Ok(Self { challenge })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_longstr(self.challenge);
    }
}

/// `connection.secure-ok`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecureOk<'a> {
    /// `response`.
    pub response: Secret<'a>,
}

impl<'a> SecureOk<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 21);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let response = reader.secret("response")?;
        Ok(Self { response })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_longstr(self.response.0);
    }
}

/// `connection.tune`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tune {
    /// `channel-max`.
    pub channel_max: u16,
    /// `frame-max`.
    pub frame_max: u32,
    /// `heartbeat`.
    pub heartbeat: u16,
}

impl Tune {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 30);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let channel_max = reader.short("channel-max")?;
        let frame_max = reader.long("frame-max")?;
        let heartbeat = reader.short("heartbeat")?;
        Ok(Self {
            channel_max,
            frame_max,
            heartbeat,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(self.channel_max);
        buffer.put_u32(self.frame_max);
        buffer.put_u16(self.heartbeat);
    }
}

/// `connection.tune-ok`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TuneOk {
    /// `channel-max`.
    pub channel_max: u16,
    /// `frame-max`.
    pub frame_max: u32,
    /// `heartbeat`.
    pub heartbeat: u16,
}

impl TuneOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 31);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Problem> {
        let channel_max = reader.short("channel-max")?;
        let frame_max = reader.long("frame-max")?;
        let heartbeat = reader.short("heartbeat")?;
        Ok(Self {
            channel_max,
            frame_max,
            heartbeat,
        })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_u16(self.channel_max);
        buffer.put_u32(self.frame_max);
        buffer.put_u16(self.heartbeat);
    }
}

/// `connection.open`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open<'a> {
    /// `virtual-host`.
    pub virtual_host: ShortStr<'a>,
}

impl<'a> Open<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 40);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let virtual_host = reader.shortstr("virtual-host")?;
        reader.shortstr("reserved-1")?;
        reader.octet("reserved-2")?;
        Ok(Self { virtual_host })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(self.virtual_host);
        buffer.put_shortstr(ShortStr::EMPTY);
        buffer.put_bits(&[false]);
    }
}

/// `connection.open-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOk;

impl OpenOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 41);

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

/// `connection.close`, sent by either side.
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
    pub const ID: MethodId = MethodId::new(CLASS_ID, 50);

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

/// `connection.close-ok`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseOk;

impl CloseOk {
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

/// `connection.blocked`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked<'a> {
    /// `reason`.
    pub reason: ShortStr<'a>,
}

impl<'a> Blocked<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 60);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let reason = reader.shortstr("reason")?;
        Ok(Self { reason })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_shortstr(self.reason);
    }
}

/// `connection.unblocked`, sent by either side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unblocked;

impl Unblocked {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 61);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}

/// `connection.update-secret`, sent by a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateSecret<'a> {
    /// `new-secret`.
    pub new_secret: Secret<'a>,
    /// `reason`.
    pub reason: ShortStr<'a>,
}

impl<'a> UpdateSecret<'a> {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 70);

    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let new_secret = reader.secret("new-secret")?;
        let reason = reader.shortstr("reason")?;
        Ok(Self { new_secret, reason })
    }

    #[inline]
    pub(crate) fn put(&self, buffer: &mut BytesMut) {
        buffer.put_longstr(self.new_secret.0);
        buffer.put_shortstr(self.reason);
    }
}

/// `connection.update-secret-ok`, sent by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UpdateSecretOk;

impl UpdateSecretOk {
    /// Its numbers.
    pub const ID: MethodId = MethodId::new(CLASS_ID, 71);

    #[inline]
    #[expect(clippy::unnecessary_wraps, reason = "all methods are read alike")]
    pub(crate) fn read(_: &mut Reader<'_>) -> Result<Self, Problem> {
        Ok(Self)
    }

    #[inline]
    pub(crate) fn put(&self, _: &mut BytesMut) {}
}
