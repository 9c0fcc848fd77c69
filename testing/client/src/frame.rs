//! STOMP frames as bytes.

use anyhow::{Context as _, Result, bail, ensure};

/// The version of STOMP that a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 1.0: headers are not escaped.
    V1_0,
    /// 1.1: `\n`, `\c` and `\\` are escapes.
    V1_1,
    /// 1.2: `\r` is one too.
    V1_2,
}

impl Version {
    /// As headers spell it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
            Self::V1_2 => "1.2",
        }
    }
}

/// One frame, its headers not escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// `SEND`, `MESSAGE` and so on.
    pub command: String,
    /// Names and values in their order; the first of a name counts.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Frame {
    /// A frame without a body.
    #[must_use]
    pub fn new(command: &str, headers: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            command: command.to_owned(),
            headers: headers.iter().map(owned).collect(),
            body: Vec::new(),
        }
    }

    /// The first header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The first header with this name.
    ///
    /// # Errors
    /// When there is none.
    pub fn require(&self, name: &str) -> Result<&str> {
        self.header(name)
            .with_context(|| format!("no header {name} in {self:?}"))
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Appends the frame's bytes. A `content-length` is added to a body that comes without.
    pub fn encode(&self, version: Version, out: &mut Vec<u8>) {
        out.extend_from_slice(self.command.as_bytes());
        out.push(b'\n');
        let escapes = escapes(version, &self.command);
        for (name, value) in &self.headers {
            escape(escapes, name, out);
            out.push(b':');
            escape(escapes, value, out);
            out.push(b'\n');
        }
        if !self.body.is_empty() && self.header("content-length").is_none() {
            out.extend_from_slice(format!("content-length:{}\n", self.body.len()).as_bytes());
        }
        out.push(b'\n');
        out.extend_from_slice(&self.body);
        out.push(0);
    }

    /// The first whole frame in `input` and where it ends; none if more bytes are needed.
    ///
    /// # Errors
    /// When the bytes are no frame.
    pub fn decode(version: Version, input: &[u8]) -> Result<Option<(Self, usize)>> {
        let beats = input
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r'));
        let start = beats.count();
        let Some(head_len) = memchr::memmem::find(&input[start..], b"\n\n") else {
            ensure!(
                memchr::memchr(0, &input[start..]).is_none(),
                "NUL in a head"
            );
            return Ok(None);
        };
        let head = std::str::from_utf8(&input[start..start + head_len]).context("head")?;
        let mut lines = head.split('\n');
        let command = lines.next().unwrap_or_default().to_owned();
        let escapes = escapes(version, &command);
        let headers = lines
            .map(|line| header(escapes, line))
            .collect::<Result<_>>()?;
        let mut frame = Self {
            command,
            headers,
            body: Vec::new(),
        };
        let body_at = start + head_len + 2;
        let body_end = match frame.header("content-length") {
            Some(length) => body_at + length.trim().parse::<usize>().context("content-length")?,
            None => match memchr::memchr(0, &input[body_at..]) {
                Some(length) => body_at + length,
                None => return Ok(None),
            },
        };
        let Some(end) = input.get(body_end) else {
            return Ok(None);
        };
        ensure!(*end == 0, "{end} instead of NUL at the end of {frame:?}");
        frame.body.extend_from_slice(&input[body_at..body_end]);
        Ok(Some((frame, body_end + 1)))
    }
}

/// The bytes that are escaped in headers and the letters that stand for them.
fn escapes(version: Version, command: &str) -> &'static [(u8, u8)] {
    const ALL: &[(u8, u8)] = &[(b'\\', b'\\'), (b'\n', b'n'), (b':', b'c'), (b'\r', b'r')];
    match (command, version) {
        // So that a client of 1.0 can read them.
        ("CONNECT" | "CONNECTED", _) | (_, Version::V1_0) => &[],
        (_, Version::V1_1) => &ALL[..3],
        (_, Version::V1_2) => ALL,
    }
}

fn escape(escapes: &[(u8, u8)], text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match escapes.iter().find(|(plain, _)| *plain == byte) {
            Some((_, letter)) => out.extend_from_slice(&[b'\\', *letter]),
            None => out.push(byte),
        }
    }
}

fn unescape(escapes: &[(u8, u8)], text: &str) -> Result<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' || escapes.is_empty() {
            out.push(byte);
            continue;
        }
        let letter = bytes.next();
        match escapes.iter().find(|(_, known)| Some(*known) == letter) {
            Some((plain, _)) => out.push(*plain),
            None => bail!("unknown escape in {text:?}"),
        }
    }
    String::from_utf8(out).context("header")
}

fn header(escapes: &[(u8, u8)], line: &str) -> Result<(String, String)> {
    let (name, value) = line
        .split_once(':')
        .with_context(|| format!("no colon in header {line:?}"))?;
    Ok((unescape(escapes, name)?, unescape(escapes, value)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_brokers_write() {
        type Row = (&'static [u8], Option<(&'static str, usize)>);
        let rows: [Row; 6] = [
            (b"\n\nRECEIPT\nreceipt-id:1\n\n\0", Some(("", 25))),
            (b"MESSAGE\na:b\n\ntext\0MESSAGE", Some(("text", 18))),
            (b"MESSAGE\ncontent-length:3\n\na\0b\0", Some(("a\0b", 30))),
            (b"MESSAGE\ncontent-length:3\n\na\0b", None),
            (b"MESSAGE\na:b\n", None),
            (b"\n\n", None),
        ];
        for (input, expected) in rows {
            let decoded = Frame::decode(Version::V1_2, input).unwrap();
            let found = decoded.map(|(frame, end)| (frame.text(), end));
            let expected = expected.map(|(text, end)| (text.to_owned(), end));
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(input));
        }
        for garbage in [&b"A\nb\n\n\0"[..], b"A\nb:\\x\n\n\0", b"A\0B\n"] {
            assert!(Frame::decode(Version::V1_2, garbage).is_err());
        }
    }

    proptest! {
        #[test]
        fn decode_reverses_encode(
            headers in prop::collection::vec(("[a-z\\\\:\n\r]{1,5}", "[a-z\\\\:\n\rü]{0,5}"), 0..5),
            body in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let frame = Frame { command: "SEND".to_owned(), headers, body };
            let mut bytes = Vec::new();
            frame.encode(Version::V1_2, &mut bytes);
            let (mut decoded, end) = Frame::decode(Version::V1_2, &bytes).unwrap().unwrap();
            prop_assert_eq!(end, bytes.len());
            decoded.headers.retain(|(name, _)| name != "content-length");
            prop_assert_eq!(decoded, frame);
        }
    }
}
