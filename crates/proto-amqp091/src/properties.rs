//! What is said of a content: kept as it came, read when it is asked for.

use crate::encode::PutFields;
use crate::read::Reader;
use crate::violation::Problem;
use crate::{ShortStr, Table};
use bytes::{BufMut, BytesMut};

/// The properties of a content as they are on the wire: flags, then the fields that are there. §4.2.6.1
///
/// Invariant: they have been checked; [`fields`](Self::fields) reads all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Properties<'a>(&'a [u8]);

/// The properties of the class `basic`, one by one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PropertyList<'a> {
    /// The type of the body.
    pub content_type: Option<ShortStr<'a>>,
    /// How the body is encoded.
    pub content_encoding: Option<ShortStr<'a>>,
    /// What the application says.
    pub headers: Option<Table<'a>>,
    /// 2 if it is persistent, 1 if not.
    pub delivery_mode: Option<u8>,
    /// 0 to 9; higher ones are taken too.
    pub priority: Option<u8>,
    /// What it is an answer to.
    pub correlation_id: Option<ShortStr<'a>>,
    /// The queue that answers are for.
    pub reply_to: Option<ShortStr<'a>>,
    /// Milliseconds that it may wait, in digits.
    pub expiration: Option<ShortStr<'a>>,
    /// The publisher's name of it.
    pub message_id: Option<ShortStr<'a>>,
    /// When it was made, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// The kind of the message.
    pub r#type: Option<ShortStr<'a>>,
    /// The user who publishes it.
    pub user_id: Option<ShortStr<'a>>,
    /// The application that publishes it.
    pub app_id: Option<ShortStr<'a>>,
    /// Of an earlier protocol; means nothing.
    pub cluster_id: Option<ShortStr<'a>>,
}

/// The bit of each property in the flags.
const CONTENT_TYPE: u16 = 1 << 15;
const CONTENT_ENCODING: u16 = 1 << 14;
const HEADERS: u16 = 1 << 13;
const DELIVERY_MODE: u16 = 1 << 12;
const PRIORITY: u16 = 1 << 11;
const CORRELATION_ID: u16 = 1 << 10;
const REPLY_TO: u16 = 1 << 9;
const EXPIRATION: u16 = 1 << 8;
const MESSAGE_ID: u16 = 1 << 7;
const TIMESTAMP: u16 = 1 << 6;
const TYPE: u16 = 1 << 5;
const USER_ID: u16 = 1 << 4;
const APP_ID: u16 = 1 << 3;
const CLUSTER_ID: u16 = 1 << 2;

/// The bits that are no property: one is for further flags, of which there are none.
const NO_PROPERTIES: u16 = 0b11;

impl<'a> Properties<'a> {
    /// Nothing is said.
    pub const NONE: Properties<'static> = Properties(&[0, 0]);

    /// Reads the flags and the fields.
    #[inline]
    pub(crate) fn read(reader: &mut Reader<'a>) -> Result<Self, Problem> {
        let start = *reader;
        read_list(reader, &mut PropertyList::default())?;
        Ok(Self(start.taken_until(reader)))
    }

    /// The properties with these bytes.
    ///
    /// # Errors
    /// [`Problem`] when they are none, or more.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Problem> {
        let mut reader = Reader::new(bytes);
        read_list(&mut reader, &mut PropertyList::default())?;
        reader.finish()?;
        Ok(Self(bytes))
    }

    /// Of bytes that have been checked before.
    pub(crate) const fn checked(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Flags and fields.
    #[must_use]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// All of them.
    #[must_use]
    #[inline]
    pub fn fields(self) -> PropertyList<'a> {
        let mut list = PropertyList::default();
        // What has been checked can be read.
        match read_list(&mut Reader::new(self.0), &mut list) {
            Ok(()) => list,
            Err(_) => PropertyList::default(),
        }
    }
}

impl<'a> Properties<'a> {
    /// The user who publishes it, which few say.
    #[inline]
    pub(crate) fn user_id(self) -> Option<ShortStr<'a>> {
        let flags = self.0.first_chunk().copied().map(u16::from_be_bytes);
        let is_said = flags.is_some_and(|flags| flags & USER_ID != 0);
        is_said.then(|| self.fields().user_id)?
    }
}

impl std::fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.fields().fmt(f)
    }
}

/// Reads flags and fields into a list that has none.
#[inline]
fn read_list<'a>(reader: &mut Reader<'a>, list: &mut PropertyList<'a>) -> Result<(), Problem> {
    let flags = reader.short("property-flags")?;
    if flags & NO_PROPERTIES != 0 {
        return Err(Problem::PropertyFlags(flags));
    }
    // Few are there of the many that might be, the first at the highest flag. RabbitMQ takes any bytes for short strings.
    let mut left = flags;
    while left != 0 {
        let flag = 1 << (15 - left.leading_zeros());
        left ^= flag;
        match flag {
            CONTENT_TYPE => list.content_type = Some(reader.opaque_shortstr("content-type")?),
            CONTENT_ENCODING => {
                list.content_encoding = Some(reader.opaque_shortstr("content-encoding")?);
            }
            HEADERS => list.headers = Some(reader.table("headers")?),
            DELIVERY_MODE => list.delivery_mode = Some(reader.octet("delivery-mode")?),
            PRIORITY => list.priority = Some(reader.octet("priority")?),
            CORRELATION_ID => list.correlation_id = Some(reader.opaque_shortstr("correlation-id")?),
            REPLY_TO => list.reply_to = Some(reader.opaque_shortstr("reply-to")?),
            EXPIRATION => list.expiration = Some(reader.opaque_shortstr("expiration")?),
            MESSAGE_ID => list.message_id = Some(reader.opaque_shortstr("message-id")?),
            TIMESTAMP => list.timestamp = Some(reader.longlong("timestamp")?),
            TYPE => list.r#type = Some(reader.opaque_shortstr("type")?),
            USER_ID => list.user_id = Some(reader.opaque_shortstr("user-id")?),
            APP_ID => list.app_id = Some(reader.opaque_shortstr("app-id")?),
            _ => list.cluster_id = Some(reader.opaque_shortstr("cluster-id")?),
        }
    }
    Ok(())
}

impl PropertyList<'_> {
    /// Appends flags and fields, as [`Properties`] reads them.
    pub fn put(&self, buffer: &mut BytesMut) {
        let at = buffer.len();
        buffer.put_u16(0);
        let mut flags = put_texts(
            buffer,
            [
                (CONTENT_TYPE, self.content_type),
                (CONTENT_ENCODING, self.content_encoding),
            ],
        );
        if let Some(headers) = self.headers {
            flags |= HEADERS;
            buffer.put_longstr(headers.as_bytes());
        }
        if let Some(delivery_mode) = self.delivery_mode {
            flags |= DELIVERY_MODE;
            buffer.put_u8(delivery_mode);
        }
        if let Some(priority) = self.priority {
            flags |= PRIORITY;
            buffer.put_u8(priority);
        }
        flags |= put_texts(
            buffer,
            [
                (CORRELATION_ID, self.correlation_id),
                (REPLY_TO, self.reply_to),
                (EXPIRATION, self.expiration),
                (MESSAGE_ID, self.message_id),
            ],
        );
        if let Some(timestamp) = self.timestamp {
            flags |= TIMESTAMP;
            buffer.put_u64(timestamp);
        }
        flags |= put_texts(
            buffer,
            [
                (TYPE, self.r#type),
                (USER_ID, self.user_id),
                (APP_ID, self.app_id),
                (CLUSTER_ID, self.cluster_id),
            ],
        );
        buffer[at..at + 2].copy_from_slice(&flags.to_be_bytes());
    }
}

/// Appends those of some short strings that are there. Returns their flags.
fn put_texts<const N: usize>(
    buffer: &mut BytesMut,
    texts: [(u16, Option<ShortStr<'_>>); N],
) -> u16 {
    let mut flags = 0;
    for (flag, text) in texts {
        if let Some(text) = text {
            flags |= flag;
            buffer.put_shortstr(text);
        }
    }
    flags
}
