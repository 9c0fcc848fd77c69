//! Bytes into frames, incrementally.
//!
//! 1. Line ends between frames are skipped (they are heart-beats).
//! 2. The command line is read, at most [`COMMAND_BYTES_MAX`] bytes.
//! 3. Header lines are read one by one; each is looked at once, however the input is split.
//! 4. At the empty line the head is checked as a whole: UTF-8, escapes, carriage returns, the length
//!    of the body.
//! 5. The body ends after `content-length` bytes with a NUL, or at the first NUL.
//!
//! An error depends on the bytes up to the one that makes it certain, never on how they were split.

mod check;
mod scan;

use crate::escape::undefined_escape;
use crate::frame::{ClientCommand, Frame, Head, HeaderName, Line, NO_LINE};
use crate::violation::{DecodeError, Excerpt};
use crate::{Limits, Version};
use check::{check_text, length_within};
use memchr::{memchr, memchr2};
use scan::{Scanned, line_ends_count, scan_line};

/// No command is longer; what is longer is no STOMP, and is refused before it ends.
const COMMAND_BYTES_MAX: usize = 32;

/// Lines that an index keeps room for between frames.
const LINES_KEPT: usize = 64;

/// What [`Codec::decode`] has done.
#[derive(Debug)]
pub struct Decoded<'a> {
    /// Bytes at the front of the input that are dealt with: line ends between frames, and the frame.
    pub consumed: usize,
    /// The frame; none if there is not yet a whole one behind what was consumed.
    pub frame: Option<Frame<'a>>,
}

/// Finds frames in a stream of bytes and remembers how far it has looked, so that no byte is looked
/// at twice.
///
/// Invariants: allocates nothing but its index of lines, which the limits bound; a length in a header
/// is compared with its limit as soon as the head is whole, before the body has come.
#[derive(Debug)]
pub struct Codec {
    limits: Limits,
    /// The rules for names and values; none before CONNECT, which no version escapes.
    version: Option<Version>,
    head: Head,
    stage: Stage,
    missing_bytes: usize,
}

/// How far the current frame has been read. Positions count from its first byte.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// The command line has not ended.
    Command,
    /// The lines before `line_at` are in the head; the next one has no end before `scanned`.
    Headers {
        command: ClientCommand,
        line_ends: LineEnds,
        line_at: usize,
        scanned: usize,
    },
    /// The head is whole and checked; the body has no end before `scanned`.
    Body {
        command: ClientCommand,
        body_at: usize,
        content_length: Option<usize>,
        scanned: usize,
    },
}

/// What a carriage return before a line feed is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnds {
    /// A part of the line's end.
    MayHaveCr,
    /// A part of the value: 1.0 and 1.1 end lines with a line feed alone.
    LfOnly,
}

impl Codec {
    /// A codec at the start of a connection.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits: limits.clamped(),
            version: None,
            head: Head::default(),
            stage: Stage::Command,
            missing_bytes: 0,
        }
    }

    /// Reads the frames behind CONNECT by the rules of this version.
    pub fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// How many bytes beyond the input last seen complete the frame in it; 0 if that is not known.
    #[must_use]
    pub const fn missing_bytes(&self) -> usize {
        self.missing_bytes
    }

    /// Reads the first frame of `input`.
    ///
    /// What was consumed must be taken from the input before the next call, unless a frame was
    /// returned: the same input then gives the same frame again.
    ///
    /// # Errors
    /// [`DecodeError`] when the input is no STOMP or over a limit; the stream cannot be read on.
    pub fn decode<'a>(&'a mut self, input: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        self.missing_bytes = 0;
        let skipped = match self.stage {
            Stage::Command => line_ends_count(input),
            Stage::Headers { .. } | Stage::Body { .. } => 0,
        };
        let input = &input[skipped..];
        let whole = self.read_command(input)? && self.read_headers(input)?;
        let frame = if whole { self.read_body(input)? } else { None };
        let Some((command, body_at, body_end)) = frame else {
            return Ok(Decoded {
                consumed: skipped,
                frame: None,
            });
        };
        self.stage = Stage::Command;
        Ok(Decoded {
            consumed: skipped + body_end + 1,
            frame: Some(Frame {
                command,
                body: &input[body_at..body_end],
                version: self.version,
                bytes: &input[..body_at],
                head: &self.head,
            }),
        })
    }

    /// The receipt that the frame in error asked for, as it was spelled, if its head got so far.
    /// `input` is what [`decode`](Self::decode) was given.
    #[must_use]
    pub fn receipt_in_error<'a>(&self, input: &'a [u8]) -> Option<&'a [u8]> {
        let line = self.head.line(HeaderName::Receipt)?;
        // In an error before the head's end, line ends at the front have not been consumed.
        let input = &input[line_ends_count(input)..];
        let value = input.get(line.colon as usize + 1..line.end as usize)?;
        let readable = std::str::from_utf8(value).is_ok()
            && undefined_escape(self.version.unwrap_or(Version::V10), value).is_none()
            && memchr(b'\r', value).is_none();
        readable.then_some(value)
    }

    fn read_command(&mut self, input: &[u8]) -> Result<bool, DecodeError> {
        if !matches!(self.stage, Stage::Command) {
            return Ok(true);
        }
        self.head.clear();
        self.head.lines.shrink_to(LINES_KEPT);
        let seen = &input[..input.len().min(COMMAND_BYTES_MAX + 1)];
        let Some(line_feed) = memchr(b'\n', seen) else {
            if seen.len() > COMMAND_BYTES_MAX {
                return Err(DecodeError::UnknownCommand(Excerpt::of(seen)));
            }
            return Ok(false);
        };
        let (line, has_cr) = match seen[..line_feed].strip_suffix(b"\r") {
            Some(line) => (line, true),
            None => (&seen[..line_feed], false),
        };
        let command = ClientCommand::from_line(line)
            .ok_or_else(|| DecodeError::UnknownCommand(Excerpt::of(line)))?;
        // A client that ends its command line with CR LF ends all lines so, whatever the version. In
        // a frame of 1.0 or 1.1 that does not, a CR belongs to the value.
        let line_ends = match self.version {
            None | Some(Version::V12) => LineEnds::MayHaveCr,
            Some(Version::V10 | Version::V11) if has_cr => LineEnds::MayHaveCr,
            Some(Version::V10 | Version::V11) => LineEnds::LfOnly,
        };
        self.stage = Stage::Headers {
            command,
            line_ends,
            line_at: line_feed + 1,
            scanned: line_feed + 1,
        };
        Ok(true)
    }

    fn read_headers(&mut self, input: &[u8]) -> Result<bool, DecodeError> {
        let Stage::Headers {
            command,
            line_ends,
            mut line_at,
            mut scanned,
        } = self.stage
        else {
            return Ok(true);
        };
        loop {
            if input.get(line_at) == Some(&0) {
                // The specification's own DISCONNECT and RECEIPT have no empty line before the NUL.
                return self.finish_head(command, line_at, input).map(|()| true);
            }
            let found = scan_line(input, line_at, scanned);
            let line_feed = found.as_ref().map_or(input.len(), |line| line.line_feed);
            self.check_lengths(line_at, line_feed)?;
            let Some(line) = found else {
                scanned = input.len();
                self.stage = Stage::Headers {
                    command,
                    line_ends,
                    line_at,
                    scanned,
                };
                return Ok(false);
            };
            let has_cr = line_ends == LineEnds::MayHaveCr
                && line_feed > line_at
                && input[line_feed - 1] == b'\r';
            let end = line_feed - usize::from(has_cr);
            if end == line_at {
                return self
                    .finish_head(command, line_feed + 1, input)
                    .map(|()| true);
            }
            self.add_line(input, line_at, end, &line)?;
            line_at = line_feed + 1;
            scanned = line_at;
        }
    }

    /// Which limit the line that begins at `line_at` and is known to reach `until` breaks first.
    fn check_lengths(&self, line_at: usize, until: usize) -> Result<(), DecodeError> {
        let line_over = line_at.saturating_add(self.limits.header_bytes_max);
        let head_over = self.limits.head_bytes_max;
        if until <= line_over && until < head_over {
            return Ok(());
        }
        Err(if line_over < head_over {
            DecodeError::HeaderTooLong {
                limit: self.limits.header_bytes_max,
            }
        } else {
            DecodeError::HeadTooLong { limit: head_over }
        })
    }

    fn add_line(
        &mut self,
        input: &[u8],
        line_at: usize,
        end: usize,
        line: &Scanned,
    ) -> Result<(), DecodeError> {
        let text = &input[line_at..end];
        let colon = line
            .colon
            .ok_or_else(|| DecodeError::HeaderWithoutColon(Excerpt::of(text)))?;
        if colon == line_at {
            return Err(DecodeError::HeaderWithoutName(Excerpt::of(text)));
        }
        let index = self.head.lines.len();
        if index >= self.limits.header_count_max {
            return Err(DecodeError::TooManyHeaders {
                limit: self.limits.header_count_max,
            });
        }
        let name = HeaderName::from_bytes(&input[line_at..colon]);
        // STOMP 1.2 "Repeated Header Entries": the first one counts.
        let first = &mut self.head.first[name as usize];
        if *first == NO_LINE {
            *first = u16::try_from(index).expect("the limit on headers is clamped to 16 bits");
        }
        self.head.names |= HeaderName::set(&[name]);
        self.head.extra_colon |= line.extra_colon;
        self.head.lines.push(Line {
            name_at: position(line_at),
            colon: position(colon),
            end: position(end),
            next: position(line.line_feed + 1),
            name,
        });
        Ok(())
    }

    /// Checks the head as a whole and goes on to the body.
    fn finish_head(
        &mut self,
        command: ClientCommand,
        body_at: usize,
        input: &[u8],
    ) -> Result<(), DecodeError> {
        let bytes = &input[..body_at];
        if let Some(at) = memchr2(b'\\', b'\r', bytes) {
            self.head.backslash = memchr(b'\\', &bytes[at..]).is_some();
            self.head.carriage_return = memchr(b'\r', &bytes[at..]).is_some();
        }
        match self.version {
            // 1.0 names no encoding, and CONNECT may carry a password in any.
            None | Some(Version::V10) => {}
            Some(version) => check_text(&self.head, version, bytes)?,
        }
        let content_length = match self.head.line(HeaderName::ContentLength) {
            Some(line) => {
                let spelled = &bytes[line.colon as usize + 1..line.end as usize];
                Some(self.content_length(command, spelled)?)
            }
            None => None,
        };
        self.stage = Stage::Body {
            command,
            body_at,
            content_length,
            scanned: body_at,
        };
        Ok(())
    }

    fn content_length(&self, command: ClientCommand, spelled: &[u8]) -> Result<usize, DecodeError> {
        let limit = self.body_bytes_max(command);
        let digits = match self.version {
            // 1.0's own examples pad values.
            None | Some(Version::V10) => spelled.trim_ascii(),
            Some(Version::V11 | Version::V12) => spelled,
        };
        length_within(digits, limit)?.ok_or_else(|| DecodeError::ContentLengthOverLimit {
            command,
            length: Excerpt::of(digits),
            limit,
        })
    }

    /// Only the body of a SEND means anything; of the others' no more is tolerated than of a head.
    fn body_bytes_max(&self, command: ClientCommand) -> usize {
        match (command, self.version) {
            (ClientCommand::Send, Some(_)) => self.limits.body_bytes_max,
            _ => self.limits.head_bytes_max.min(self.limits.body_bytes_max),
        }
    }

    /// Command, start and end of the body, once it is whole.
    fn read_body(
        &mut self,
        input: &[u8],
    ) -> Result<Option<(ClientCommand, usize, usize)>, DecodeError> {
        let Stage::Body {
            command,
            body_at,
            content_length,
            scanned,
        } = self.stage
        else {
            return Ok(None);
        };
        if let Some(length) = content_length {
            let end = body_at + length;
            return match input.get(end) {
                Some(0) => Ok(Some((command, body_at, end))),
                Some(_) => Err(DecodeError::MissingNul {
                    content_length: length,
                }),
                None => {
                    self.missing_bytes = end + 1 - input.len();
                    Ok(None)
                }
            };
        }
        let limit = self.body_bytes_max(command);
        let found = memchr(0, &input[scanned..]).map(|at| scanned + at);
        if found.unwrap_or(input.len()) - body_at > limit {
            return Err(DecodeError::BodyTooLong { command, limit });
        }
        self.stage = Stage::Body {
            command,
            body_at,
            content_length,
            scanned: input.len(),
        };
        Ok(found.map(|end| (command, body_at, end)))
    }
}

fn position(at: usize) -> u32 {
    u32::try_from(at).expect("the limit on a head is clamped to 32 bits")
}

#[cfg(test)]
mod tests;
