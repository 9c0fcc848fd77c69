//! A client's frame, borrowed from the input.

mod header;

pub use header::HeaderName;
pub(crate) use header::NO_LINE;

use crate::Version;
use crate::escape::unescape;
use memchr::memchr;
use std::borrow::Cow;

/// What a client may ask, by the frame's first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the command of that name in the specification"
)]
pub enum ClientCommand {
    Connect,
    Stomp,
    Send,
    Subscribe,
    Unsubscribe,
    Ack,
    Nack,
    Begin,
    Commit,
    Abort,
    Disconnect,
}

impl ClientCommand {
    /// The command that a line names.
    #[must_use]
    pub fn from_line(line: &[u8]) -> Option<Self> {
        match line {
            b"SEND" => Some(Self::Send),
            b"ACK" => Some(Self::Ack),
            b"NACK" => Some(Self::Nack),
            b"SUBSCRIBE" => Some(Self::Subscribe),
            b"UNSUBSCRIBE" => Some(Self::Unsubscribe),
            b"CONNECT" => Some(Self::Connect),
            b"STOMP" => Some(Self::Stomp),
            b"BEGIN" => Some(Self::Begin),
            b"COMMIT" => Some(Self::Commit),
            b"ABORT" => Some(Self::Abort),
            b"DISCONNECT" => Some(Self::Disconnect),
            _ => None,
        }
    }

    /// As the frame spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connect => "CONNECT",
            Self::Stomp => "STOMP",
            Self::Send => "SEND",
            Self::Subscribe => "SUBSCRIBE",
            Self::Unsubscribe => "UNSUBSCRIBE",
            Self::Ack => "ACK",
            Self::Nack => "NACK",
            Self::Begin => "BEGIN",
            Self::Commit => "COMMIT",
            Self::Abort => "ABORT",
            Self::Disconnect => "DISCONNECT",
        }
    }
}

/// Where one header line stands, in bytes from the start of its frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    /// The first byte of the name.
    pub(crate) name_at: u32,
    /// The first colon.
    pub(crate) colon: u32,
    /// Behind the last byte of the value; the line's end begins here.
    pub(crate) end: u32,
    /// Behind the line feed.
    pub(crate) next: u32,
    /// What the line says.
    pub(crate) name: HeaderName,
}

/// The lines of one head, kept from frame to frame so that a busy connection allocates nothing.
#[derive(Debug)]
pub(crate) struct Head {
    /// All header lines, in order.
    pub(crate) lines: Vec<Line>,
    /// By [`HeaderName`]: the first line with this name, or [`NO_LINE`].
    pub(crate) first: [u16; HeaderName::COUNT],
    /// The names of all lines, as [`HeaderName::set`] has them.
    pub(crate) names: u64,
    /// Whether a value holds a colon.
    pub(crate) extra_colon: bool,
    /// Whether a name or value holds a backslash.
    pub(crate) backslash: bool,
    /// Whether there is a carriage return, be it part of a line's end.
    pub(crate) carriage_return: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            first: [NO_LINE; HeaderName::COUNT],
            names: 0,
            extra_colon: false,
            backslash: false,
            carriage_return: false,
        }
    }
}

impl Head {
    pub(crate) fn clear(&mut self) {
        self.lines.clear();
        self.first = [NO_LINE; HeaderName::COUNT];
        self.names = 0;
        self.extra_colon = false;
        self.backslash = false;
        self.carriage_return = false;
    }

    /// The first line with this name.
    pub(crate) fn line(&self, name: HeaderName) -> Option<&Line> {
        self.lines.get(usize::from(self.first[name as usize]))
    }
}

/// One whole frame of a client, borrowed from the input.
///
/// Invariants, which the codec has checked: the head is within the limits; in 1.1 and 1.2 it is UTF-8
/// and holds no undefined escape; in 1.2 it holds no carriage return but in line ends.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// What is asked.
    pub command: ClientCommand,
    /// What was sent behind the head, without the NUL.
    pub body: &'a [u8],
    pub(crate) version: Option<Version>,
    pub(crate) bytes: &'a [u8],
    pub(crate) head: &'a Head,
}

impl<'a> Frame<'a> {
    /// The value of the first header with this name, as it was spelled.
    #[must_use]
    pub fn spelled(&self, name: HeaderName) -> Option<&'a [u8]> {
        self.head.line(name).map(|line| self.value_of(line))
    }

    /// The value of the first header with this name, as the version reads it: unescaped in 1.1 and
    /// 1.2, without padding in 1.0 (whose specification's own examples pad).
    #[must_use]
    pub fn value(&self, name: HeaderName) -> Option<Cow<'a, [u8]>> {
        let spelled = self.spelled(name)?;
        Some(match self.version {
            // CONNECT is escaped in no version.
            None => Cow::Borrowed(spelled),
            Some(Version::V10) => Cow::Borrowed(spelled.trim_ascii()),
            Some(version) if self.head.backslash => unescape(version, spelled),
            Some(_) => Cow::Borrowed(spelled),
        })
    }

    /// Whether there is a header with this name.
    pub(crate) fn has(&self, name: HeaderName) -> bool {
        self.head.line(name).is_some()
    }

    /// Whether there is a header with one of these names, see [`HeaderName::set`].
    pub(crate) const fn has_any(&self, names: u64) -> bool {
        self.head.names & names != 0
    }

    /// All headers of this kind in order: name as spelled, value as the version reads it.
    pub(crate) fn all(
        &self,
        name: HeaderName,
    ) -> impl Iterator<Item = (&'a [u8], Cow<'a, [u8]>)> + use<'a> {
        let Self { head, version, .. } = *self;
        let frame = *self;
        let lines = head.lines.iter().filter(move |line| line.name == name);
        lines.map(move |line| {
            let value = frame.value_of(line);
            let value = match version {
                Some(Version::V10) => Cow::Borrowed(value.trim_ascii()),
                Some(version) => unescape(version, value),
                None => Cow::Borrowed(value),
            };
            (frame.name_of(line), value)
        })
    }

    /// The name of the first header of this kind, as it was spelled.
    #[must_use]
    pub fn spelled_name(&self, name: HeaderName) -> Option<&'a [u8]> {
        self.head.line(name).map(|line| self.name_of(line))
    }

    /// All headers in order, as they were spelled.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.head
            .lines
            .iter()
            .map(|line| (self.name_of(line), self.value_of(line)))
    }

    /// Whether every version reads the head in the same way.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        !self.head.backslash && !self.head.extra_colon && !self.has_inner_carriage_return()
    }

    /// Whether a carriage return is part of a name or a value.
    fn has_inner_carriage_return(&self) -> bool {
        self.head.carriage_return
            && self.head.lines.iter().any(|line| {
                memchr(b'\r', &self.bytes[line.name_at as usize..line.end as usize]).is_some()
            })
    }

    fn name_of(&self, line: &Line) -> &'a [u8] {
        &self.bytes[line.name_at as usize..line.colon as usize]
    }

    fn value_of(&self, line: &Line) -> &'a [u8] {
        &self.bytes[line.colon as usize + 1..line.end as usize]
    }
}
