//! Bytes into packets, incrementally.
//!
//! 1. The first byte tells the kind and the flags; both are checked as soon as it is there, against
//!    the direction, the version and what has come before.
//! 2. The remaining length is read, in one to four bytes, and compared with the limit of the kind.
//! 3. Nothing is looked at until the packet is whole; how many bytes are missing is known from here
//!    on.
//! 4. The packet is read in place. It borrows from the input; nothing is copied or allocated.
//!
//! An error depends on the bytes up to the one that makes it certain, never on how they were split.

use crate::encode::PACKET_KIND_SHIFT;
use crate::frame::{Packet, PacketKind, publish, read_version, variable_int};
use crate::read::Reader;
use crate::rules::Rules;
use crate::violation::{DecodeError, Field, Problem};
use crate::{Limits, Side, Version};

/// The lower bits of the first byte.
const FLAGS: u8 = 0x0f;

/// Where in the first byte MQTT 3.1 may have DUP in a SUBSCRIBE, UNSUBSCRIBE and PUBREL.
const DUP_IN_V31: u8 = 0x08;

/// What [`Codec::decode`] has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded<'a> {
    /// A packet, which takes so many bytes at the front of the input.
    Packet(Packet<'a>, usize),
    /// There is not yet a whole packet.
    Incomplete {
        /// So many bytes are missing; at least that many, if the remaining length is not whole
        /// either. Never 0.
        missing_bytes: usize,
    },
}

/// Finds packets in the bytes that one side sends.
///
/// Invariants: allocates nothing, unless to describe an error; a length is compared with its limit
/// as soon as it is whole, before anything is waited for. Keeps nothing of the input: the same
/// input gives the same packet.
#[derive(Clone, Copy, Debug)]
pub struct Codec {
    from: Side,
    limits: Limits,
    /// None before CONNECT.
    version: Option<Version>,
}

/// The first byte and the remaining length, checked.
struct Header {
    kind: PacketKind,
    flags: u8,
    /// The bytes that the header takes.
    len: usize,
    /// The bytes behind it.
    body_len: usize,
    /// Whether the remaining length has its shortest spelling.
    is_shortest: bool,
}

impl Codec {
    /// The codec of a server, for what a client sends. The first packet is CONNECT.
    #[must_use]
    pub fn of_server(limits: Limits) -> Self {
        Self {
            from: Side::Client,
            limits: limits.clamped(),
            version: None,
        }
    }

    /// The codec of a client that speaks this version, for what a server sends.
    #[must_use]
    pub fn of_client(limits: Limits, version: Version) -> Self {
        Self {
            from: Side::Server,
            limits: limits.clamped(),
            version: Some(version),
        }
    }

    /// Reads what follows the CONNECT by the rules of this version, which is the CONNECT's.
    pub fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// What the packets are read by; none before CONNECT.
    #[must_use]
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// What a packet may cost.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Reads the first packet of `input`.
    ///
    /// # Errors
    /// [`DecodeError`] when the input is no MQTT, not what may come here, or over a limit;
    /// the stream cannot be read on.
    #[inline]
    pub fn decode<'a>(&self, input: &'a [u8]) -> Result<Decoded<'a>, DecodeError> {
        let header = match self.read_header(input)? {
            Ok(header) => header,
            Err(missing_bytes) => return Ok(Decoded::Incomplete { missing_bytes }),
        };
        let len = header.len + header.body_len;
        let Some(body) = input.get(header.len..len) else {
            return Ok(Decoded::Incomplete {
                missing_bytes: len - input.len(),
            });
        };
        let (kind, reader) = (header.kind, Reader::new(body));
        let failed = |problem| self.error_in(kind, body, problem);
        let version = self.version_of(reader).map_err(failed)?;
        header.check_spelling(version).map_err(failed)?;
        let rules = self.rules(version);
        let done = |packet| Decoded::Packet(packet, len);
        Packet::read((kind, header.flags), reader, &rules, done, failed)
    }

    /// The connection's version; before a CONNECT has been taken, the one that it tells.
    #[inline]
    fn version_of(&self, mut connect: Reader<'_>) -> Result<Version, Problem> {
        match self.version {
            Some(version) => Ok(version),
            None => read_version(&mut connect),
        }
    }

    const fn rules(&self, version: Version) -> Rules<'_> {
        Rules {
            version,
            from: self.from,
            limits: &self.limits,
        }
    }

    /// The header, or the least number of bytes that are missing of it.
    #[inline]
    fn read_header(&self, input: &[u8]) -> Result<Result<Header, usize>, DecodeError> {
        let Some((first, behind)) = input.split_first() else {
            return Ok(Err(2));
        };
        let (kind, flags) = self.check_first(*first)?;
        let (body_len, length_len) = match variable_int::read(behind) {
            variable_int::Read::Whole(body_len, len) => (body_len, len),
            variable_int::Read::Partial => return Ok(Err(1)),
            variable_int::Read::TooLong => {
                return Err(self.error(Some(kind), Problem::IntTooLong(Field::RemainingLength)));
            }
        };
        let header = Header {
            kind,
            flags,
            len: 1 + length_len,
            body_len: body_len as usize,
            is_shortest: length_len == variable_int::len_of(body_len),
        };
        let len = header.len + header.body_len;
        let limit = self.limits.bytes_max(kind);
        if len > limit {
            return Err(self.error(Some(kind), Problem::PacketTooLarge { len, limit }));
        }
        match kind.fixed_body_len(self.version) {
            Some(expected) if header.body_len != expected => {
                let len = header.body_len;
                Err(self.error(Some(kind), Problem::WrongLength { len, expected }))
            }
            _ => Ok(Ok(header)),
        }
    }

    /// Checks the kind and the flags.
    #[inline]
    fn check_first(&self, first: u8) -> Result<(PacketKind, u8), DecodeError> {
        let (number, flags) = (first >> PACKET_KIND_SHIFT, first & FLAGS);
        let Some(kind) = PacketKind::from_number(number) else {
            return Err(self.error(None, Problem::UnknownPacket(number)));
        };
        let problem = match self.version {
            // [MQTT-3.1.0-1]
            None if kind != PacketKind::Connect => Some(Problem::NotConnected),
            None => flags_problem(kind, flags, Version::V5),
            Some(version) => self
                .order_problem(kind, version)
                .or_else(|| flags_problem(kind, flags, version)),
        };
        match problem {
            None => Ok((kind, flags)),
            Some(problem) => Err(self.error(Some(kind), problem)),
        }
    }

    /// Why a packet of this kind may not come, once the connection is open.
    #[inline]
    fn order_problem(&self, kind: PacketKind, version: Version) -> Option<Problem> {
        if !kind.is_in(version) {
            return Some(Problem::UnknownPacket(kind as u8));
        }
        if !kind.may_come_from(self.from, version) {
            return Some(Problem::WrongSide { from: self.from });
        }
        // [MQTT-3.1.0-2]
        (kind == PacketKind::Connect).then_some(Problem::AlreadyConnected)
    }

    /// An error within a packet that is whole. Before a CONNECT has been taken, this is one, and
    /// may tell its version all the same.
    #[cold]
    fn error_in(&self, kind: PacketKind, body: &[u8], problem: Problem) -> DecodeError {
        DecodeError {
            packet: Some(kind),
            version: self.version_of(Reader::new(body)).ok(),
            problem,
        }
    }

    #[cold]
    const fn error(&self, packet: Option<PacketKind>, problem: Problem) -> DecodeError {
        DecodeError {
            packet,
            version: self.version,
            problem,
        }
    }
}

impl Header {
    /// [MQTT-1.5.5-1]; 3.x does not ask for it.
    #[inline]
    fn check_spelling(&self, version: Version) -> Result<(), Problem> {
        if self.is_shortest || !version.has_properties() {
            return Ok(());
        }
        Err(Problem::IntNotShortest {
            field: Field::RemainingLength,
            number: u32::try_from(self.body_len).unwrap_or(u32::MAX),
            len: self.len - 1,
        })
    }
}

/// What is wrong with the flags in the first byte. [MQTT-2.1.3-1]
#[inline]
fn flags_problem(kind: PacketKind, flags: u8, version: Version) -> Option<Problem> {
    let Some(expected) = kind.flags() else {
        return publish::flags_problem(flags, version);
    };
    if flags == expected {
        return None;
    }
    let is_wrong = match version {
        // A packet that is answered may say there that it was sent before; all else means nothing.
        Version::V31 => expected != 0 && flags & !DUP_IN_V31 != expected,
        Version::V311 | Version::V5 => true,
    };
    is_wrong.then_some(Problem::Flags { flags, expected })
}
