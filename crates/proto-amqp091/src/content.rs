//! Methods with contents: method, header and body come in frames of their own.

use crate::codec::Codec;
use crate::frame::{ContentHeader, FrameKind, Payload};
use crate::method::Method;
use crate::properties::Properties;
use crate::read::Reader;
use crate::{MethodId, ReplyCode, Side, basic};
use bytes::BytesMut;

/// The numbers of `basic.publish`, as they stand in its frame.
const PUBLISH: [u8; 4] = [0, 60, 0, 40];

/// A buffer that has held more than this is given back once the content is done with.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// A method and its content, whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Content<'a> {
    /// The method.
    pub method: Method<'a>,
    /// What is said of the body.
    pub properties: Properties<'a>,
    /// The body.
    pub body: &'a [u8],
}

impl<'a> Content<'a> {
    /// A `basic.publish` with its content at the front of the input: its channel, and how many bytes it takes. Nothing of it
    /// is copied.
    ///
    /// Only if all of it is there and nothing is wrong with it, with the body in one frame and of at most `body_bytes_max`
    /// bytes, as most of what clients publish. What is not told here is read frame by frame, which gives the same.
    #[inline]
    #[must_use]
    pub fn whole_publish(
        codec: &Codec,
        input: &'a [u8],
        body_bytes_max: usize,
    ) -> Option<(u16, Self, usize)> {
        let (channel, method, rest) = codec.payload(FrameKind::Method, input)?;
        let (id, fields) = method.split_first_chunk()?;
        if *id != PUBLISH || codec.reads_from() != Side::Client {
            return None;
        }
        let mut reader = Reader::new(fields);
        let publish = basic::Publish::read(&mut reader).ok()?;
        reader.finish().ok()?;
        let (channel_of_header, header, rest) = codec.payload(FrameKind::Header, rest)?;
        let header = ContentHeader::read(header).ok()?;
        let len = usize::try_from(header.body_len).ok();
        let len = len.filter(|len| *len <= body_bytes_max)?;
        let (channel_of_body, body, rest) = match len {
            0 => (channel, &[][..], rest),
            _ => codec.payload(FrameKind::Body, rest)?,
        };
        if channel_of_header != channel || channel_of_body != channel || body.len() != len {
            return None;
        }
        let content = Self {
            method: Method::BasicPublish(publish),
            properties: header.properties,
            body,
        };
        Some((channel, content, input.len() - rest.len()))
    }
}

/// What a frame has led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress<'a> {
    /// A method without a content.
    Method(Method<'a>),
    /// A method with its content.
    Content(Content<'a>),
    /// There is more to come.
    More,
    /// The content has more bytes than are taken; what comes of it is to be passed over.
    TooLarge {
        /// In bytes.
        len: u64,
        /// In bytes.
        limit: usize,
    },
}

/// Why a frame may not come here. All of these close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    /// A content came without its method.
    #[error("expected method frame, got {got} frame instead")]
    NoMethod {
        /// What came.
        got: &'static str,
    },
    /// A method's content did not come.
    #[error("expected content header for class 60, got {got} frame instead")]
    NoHeader {
        /// What came.
        got: &'static str,
    },
    /// A body did not come to its end.
    #[error("expected content body, got {got} frame instead, with {left} bytes to come")]
    NoBody {
        /// What came.
        got: &'static str,
        /// In bytes.
        left: usize,
    },
    /// A body is longer than its header says.
    #[error("a content body of {len} bytes came where {left} bytes were to come")]
    BodyTooLong {
        /// In bytes.
        len: usize,
        /// In bytes.
        left: usize,
    },
}

impl OrderError {
    /// The code that `connection.close` tells.
    #[must_use]
    pub const fn reply_code(self) -> ReplyCode {
        ReplyCode::UnexpectedFrame
    }
}

/// Puts the contents of one channel together.
///
/// Invariants: holds no more than a method, properties and what has come of a body, which is within its
/// limit; grows with what has come, not with what was announced, and copies no byte more often than a
/// doubling buffer does. A body in one frame is not copied.
#[derive(Debug)]
pub struct Assembler {
    body_bytes_max: usize,
    expected: Expected,
    /// The fields of the method, then the properties.
    head: BytesMut,
    /// Bytes of the fields in `head`.
    fields_len: usize,
    /// The method that waits for its content.
    id: MethodId,
    /// What has come of the body, if that is in several frames.
    body: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
enum Expected {
    Method,
    Header,
    Body {
        /// Of the whole body, in bytes.
        len: usize,
    },
}

impl Assembler {
    /// One that takes bodies of up to so many bytes.
    #[must_use]
    pub fn new(body_bytes_max: usize) -> Self {
        Self {
            body_bytes_max,
            expected: Expected::Method,
            head: BytesMut::new(),
            fields_len: 0,
            id: MethodId::NONE,
            body: Vec::new(),
        }
    }

    /// Whether no content is under way.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.expected, Expected::Method)
    }

    /// The method whose content is under way, else none.
    #[must_use]
    pub const fn method_id(&self) -> MethodId {
        match self.expected {
            Expected::Method => MethodId::NONE,
            Expected::Header | Expected::Body { .. } => self.id,
        }
    }

    /// What is held of a content that is under way, in bytes: its method, its properties, what has come of its body. The
    /// memory for it is at most twice that, or that of the whole body.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        match self.expected {
            Expected::Method => 0,
            Expected::Header | Expected::Body { .. } => self.head.len() + self.body.len(),
        }
    }

    /// Takes the next frame of the channel.
    ///
    /// # Errors
    /// [`OrderError`] when it may not come here.
    pub fn take<'a>(&'a mut self, payload: Payload<'a>) -> Result<Progress<'a>, OrderError> {
        let got = name_of(&payload);
        match (self.expected, payload) {
            (Expected::Method, Payload::Method(method)) => Ok(self.take_method(method)),
            (Expected::Header, Payload::Header(header)) => Ok(self.take_header(header)),
            (Expected::Body { len }, Payload::Body(piece)) => self.take_body(len, piece),
            (Expected::Method, _) => Err(OrderError::NoMethod { got }),
            (Expected::Header, _) => Err(OrderError::NoHeader { got }),
            (Expected::Body { len }, _) => Err(OrderError::NoBody {
                got,
                left: len - self.body.len(),
            }),
        }
    }

    fn take_method<'a>(&mut self, method: Method<'a>) -> Progress<'a> {
        if !method.has_content() {
            return Progress::Method(method);
        }
        self.head.clear();
        self.body.clear();
        if self.body.capacity() > KEPT_BYTES_MAX {
            self.body = Vec::new();
        }
        method.put_fields(&mut self.head);
        self.fields_len = self.head.len();
        self.id = method.id();
        self.expected = Expected::Header;
        Progress::More
    }

    fn take_header(&mut self, header: ContentHeader<'_>) -> Progress<'_> {
        let Some(len) = self.admitted(header.body_len) else {
            self.expected = Expected::Method;
            return Progress::TooLarge {
                len: header.body_len,
                limit: self.body_bytes_max,
            };
        };
        self.head.extend_from_slice(header.properties.as_bytes());
        if len == 0 {
            self.expected = Expected::Method;
            return self.whole(&[]);
        }
        self.expected = Expected::Body { len };
        Progress::More
    }

    fn take_body<'a>(
        &'a mut self,
        len: usize,
        piece: &'a [u8],
    ) -> Result<Progress<'a>, OrderError> {
        let held = self.body.len();
        let left = len - held;
        if piece.len() > left {
            let len = piece.len();
            return Err(OrderError::BodyTooLong { len, left });
        }
        if held == 0 && piece.len() == left {
            self.expected = Expected::Method;
            return Ok(self.whole(piece));
        }
        let wanted = held + piece.len();
        if wanted > self.body.capacity() {
            // Twice as much each time; all at once when half of it has come.
            let room = wanted.max(2 * self.body.capacity());
            let room = if room >= len / 2 { len } else { room };
            self.body.reserve_exact(room - held);
        }
        self.body.extend_from_slice(piece);
        if piece.len() < left {
            return Ok(Progress::More);
        }
        self.expected = Expected::Method;
        Ok(self.whole(&self.body))
    }

    /// The length of a body, if such a one is taken.
    fn admitted(&self, len: u64) -> Option<usize> {
        let len = usize::try_from(len).ok()?;
        (len <= self.body_bytes_max).then_some(len)
    }

    fn whole<'a>(&'a self, body: &'a [u8]) -> Progress<'a> {
        let (fields, properties) = self.head.split_at(self.fields_len);
        // What was written here from a method is read as that method.
        let Ok(method) = Method::read(self.id, &mut Reader::new(fields)) else {
            return Progress::More;
        };
        Progress::Content(Content {
            method,
            properties: Properties::checked(properties),
            body,
        })
    }
}

const fn name_of(payload: &Payload<'_>) -> &'static str {
    match payload {
        Payload::Method(_) => "method",
        Payload::Header(_) => "content header",
        Payload::Body(_) => "content body",
        Payload::Heartbeat => "heartbeat",
    }
}
