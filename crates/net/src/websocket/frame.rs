//! Frames of the WebSocket protocol, as far as their heads go.

/// The longest head of a frame that a client sends: mask included.
const HEAD_BYTES_MAX: usize = 14;

/// The longest payload of a control frame. [RFC 6455 5.5]
pub(super) const CONTROL_BYTES_MAX: usize = 125;

/// The longest head of a frame that a server sends.
pub(super) const SENT_HEAD_BYTES_MAX: usize = 10;

/// The code of a close that nothing is wrong with. [RFC 6455 7.4.1]
pub(super) const CLOSE_NORMAL: u16 = 1000;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const ALL: [Self; 6] = [
        Self::Continuation,
        Self::Text,
        Self::Binary,
        Self::Close,
        Self::Ping,
        Self::Pong,
    ];

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xA,
        }
    }

    const fn is_control(self) -> bool {
        self.bits() >= 0x8
    }
}

/// How a client broke the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Violation {
    #[error("a reserved bit is set, no extension was agreed on")]
    ReservedBit,
    #[error("opcode {0} is not known")]
    OpcodeUnknown(u8),
    #[error("a frame is not masked")]
    NotMasked,
    #[error("a control frame is in fragments")]
    ControlFragmented,
    #[error("a control frame has a payload of more than {CONTROL_BYTES_MAX} bytes")]
    ControlTooLong,
    #[error("a length is not in its shortest form, or negative")]
    LengthMalformed,
    #[error("a continuation of no message")]
    NothingToContinue,
    #[error("a message begins within another one")]
    MessageUnfinished,
    #[error("the payload of a close frame is malformed")]
    CloseMalformed,
    #[error("a text message is not UTF-8")]
    NotUtf8,
    #[error("a message is longer than {0} bytes")]
    MessageTooLong(u64),
    #[error("a text message, where only binary ones may come")]
    TextUnwanted,
}

impl Violation {
    /// What the client is told. [RFC 6455 7.4.1]
    pub(super) const fn close_code(&self) -> u16 {
        match self {
            Self::NotUtf8 => 1007,
            Self::MessageTooLong(_) => 1009,
            Self::TextUnwanted => 1003,
            Self::ReservedBit
            | Self::OpcodeUnknown(_)
            | Self::NotMasked
            | Self::ControlFragmented
            | Self::ControlTooLong
            | Self::LengthMalformed
            | Self::NothingToContinue
            | Self::MessageUnfinished
            | Self::CloseMalformed => 1002,
        }
    }
}

/// What the head of a client's frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) is_final: bool,
    pub(super) opcode: Opcode,
    pub(super) payload_bytes: u64,
    pub(super) mask: [u8; 4],
}

/// The head of a client's frame, as far as it has come.
///
/// ```text
///   0                1                2 ..            4 bytes at the end
///   F R R R opcode   M length (7)     0, 2 or 8 more  mask
/// ```
#[derive(Debug, Default)]
pub(super) struct PartialHead {
    bytes: [u8; HEAD_BYTES_MAX],
    len: usize,
}

impl PartialHead {
    /// Takes one more byte; the head if that was the last one. Is empty again after it.
    pub(super) fn push(&mut self, byte: u8) -> Result<Option<Head>, Violation> {
        self.bytes[self.len] = byte;
        self.len += 1;
        match self.len {
            1 if byte & 0x70 != 0 => Err(Violation::ReservedBit),
            1 => self.opcode().map(|_| None),
            2 => self.check_lengths().map(|()| None),
            len if len < self.needed() => Ok(None),
            _ => self.parse().map(Some),
        }
    }

    fn opcode(&self) -> Result<Opcode, Violation> {
        let bits = self.bytes[0] & 0x0F;
        let found = Opcode::ALL.into_iter().find(|one| one.bits() == bits);
        found.ok_or(Violation::OpcodeUnknown(bits))
    }

    fn check_lengths(&self) -> Result<(), Violation> {
        if self.bytes[1] & 0x80 == 0 {
            return Err(Violation::NotMasked);
        }
        if self.opcode()?.is_control() {
            if self.bytes[0] & 0x80 == 0 {
                return Err(Violation::ControlFragmented);
            }
            if usize::from(self.bytes[1] & 0x7F) > CONTROL_BYTES_MAX {
                return Err(Violation::ControlTooLong);
            }
        }
        Ok(())
    }

    /// The length of the whole head, once its second byte is there.
    fn needed(&self) -> usize {
        match self.bytes[1] & 0x7F {
            126 => 8,
            127 => 14,
            _ => 6,
        }
    }

    fn parse(&mut self) -> Result<Head, Violation> {
        let [first, second, rest @ ..] = self.bytes;
        let (payload_bytes, least) = match second & 0x7F {
            126 => (u64::from(u16::from_be_bytes([rest[0], rest[1]])), 126),
            127 => {
                let [a, b, c, d, e, f, g, h, ..] = rest;
                (u64::from_be_bytes([a, b, c, d, e, f, g, h]), 0x1_0000)
            }
            short => (u64::from(short), 0),
        };
        // The first bit must be 0, so that no language takes the length for a negative one.
        if payload_bytes < least || payload_bytes >> 63 != 0 {
            return Err(Violation::LengthMalformed);
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.bytes[self.len - 4..self.len]);
        let opcode = self.opcode()?;
        self.len = 0;
        Ok(Head {
            is_final: first & 0x80 != 0,
            opcode,
            payload_bytes,
            mask,
        })
    }
}

/// The head of a frame of the server, which is a message of its own: not masked, not fragmented.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SentHead {
    bytes: [u8; SENT_HEAD_BYTES_MAX],
    /// Bytes already sent.
    at: usize,
    len: usize,
}

impl SentHead {
    pub(super) fn new(opcode: Opcode, payload_bytes: usize) -> Self {
        let mut bytes = [0; SENT_HEAD_BYTES_MAX];
        bytes[0] = 0x80 | opcode.bits();
        let len = if let Ok(short) = u8::try_from(payload_bytes)
            && short < 126
        {
            bytes[1] = short;
            2
        } else if let Ok(middle) = u16::try_from(payload_bytes) {
            bytes[1] = 126;
            bytes[2..4].copy_from_slice(&middle.to_be_bytes());
            4
        } else {
            bytes[1] = 127;
            bytes[2..].copy_from_slice(&(payload_bytes as u64).to_be_bytes());
            SENT_HEAD_BYTES_MAX
        };
        Self { bytes, at: 0, len }
    }

    /// What is still to be sent of it.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.at..self.len]
    }

    /// Takes what was sent off `count`.
    pub(super) fn advance(&mut self, count: &mut usize) {
        let step = (self.len - self.at).min(*count);
        self.at += step;
        *count -= step;
    }
}

/// Takes the mask off, or puts it on. `at` is the place of the first byte in its frame.
pub(super) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], at: u64) {
    let mut mask = mask;
    mask.rotate_left((at % 4) as usize);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}
