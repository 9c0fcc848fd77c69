//! The greeting: who speaks which version, and by which mechanism.
//!
//! ```text
//! offset size
//!  0      1    0xFF
//!  1      8    padding: one more than the length of the identity, so that a peer of 1.0 reads the start of a frame
//!  9      1    0x7F
//! 10      1    major version; 1 is 2.0
//! 11      1    minor version
//! 12     20    mechanism, filled with zeros
//! 32      1    1 for the server of the mechanism
//! 33     31    zeros
//! ```

use crate::version::Version;
use bytes::{BufMut as _, BytesMut};
use std::fmt;

/// Octets of a greeting of 3.0 and later.
pub const GREETING_BYTES: usize = 64;

/// Octets before the major version.
pub(crate) const SIGNATURE_BYTES: usize = 10;

/// Octets of a greeting of 2.0: signature, version, type of socket.
pub(crate) const GREETING_2_0_BYTES: usize = 12;

const MECHANISM_BYTES: usize = 20;

/// The name of a mechanism as a greeting has it: filled with zeros.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MechanismName([u8; MECHANISM_BYTES]);

impl MechanismName {
    /// 37/ZMTP, "The NULL Security Mechanism".
    pub const NULL: Self = Self::new("NULL");
    /// 24/ZMTP-PLAIN.
    pub const PLAIN: Self = Self::new("PLAIN");
    /// 25/ZMTP-CURVE.
    pub const CURVE: Self = Self::new("CURVE");

    const fn new(name: &str) -> Self {
        let name = name.as_bytes();
        let mut bytes = [0; MECHANISM_BYTES];
        let mut at = 0;
        while at < name.len() {
            bytes[at] = name[at];
            at += 1;
        }
        Self(bytes)
    }

    /// That of a whole greeting.
    #[must_use]
    pub fn of_greeting(greeting: &[u8; GREETING_BYTES]) -> Self {
        Greeting::read(greeting).mechanism
    }

    /// The name without what fills it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|byte| *byte == 0);
        &self.0[..end.unwrap_or(MECHANISM_BYTES)]
    }
}

impl fmt::Debug for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for MechanismName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.as_bytes().escape_ascii())
    }
}

/// What a greeting of 3.0 or later says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Greeting {
    /// Major and minor version, as they stand there: they may be higher than what this crate speaks.
    pub(crate) version: (u8, u8),
    pub(crate) mechanism: MechanismName,
}

impl Greeting {
    /// Reads a whole greeting. The padding is not looked at, nor who says that it is the server:
    /// libzmq never does.
    pub(crate) fn read(bytes: &[u8; GREETING_BYTES]) -> Self {
        let mut mechanism = [0; MECHANISM_BYTES];
        mechanism.copy_from_slice(&bytes[12..12 + MECHANISM_BYTES]);
        Self {
            version: (bytes[10], bytes[11]),
            mechanism: MechanismName(mechanism),
        }
    }
}

/// Writes the first ten octets.
pub(crate) fn put_signature(out: &mut BytesMut, padding: u64) {
    out.put_u8(0xFF);
    out.put_u64(padding);
    out.put_u8(0x7F);
}

/// Writes what stands behind the major version.
pub(crate) fn put_rest(
    out: &mut BytesMut,
    version: Version,
    mechanism: MechanismName,
    as_server: bool,
) {
    out.put_u8(version.minor());
    out.put_slice(&mechanism.0);
    out.put_u8(u8::from(as_server));
    out.put_bytes(0, 31);
}

/// What the first octets of a peer are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// So many octets are missing to tell.
    Incomplete(usize),
    /// The start of a frame of 1.0.
    Unversioned,
    /// A signature; the major version is not there.
    Signature,
    /// A signature and a major version.
    Revision(u8),
}

impl Start {
    /// Looks at the first octets. 37/ZMTP, "Detecting ZMTP 1.0 and 2.0 Peers"
    pub(crate) fn of(input: &[u8]) -> Self {
        match input {
            [] => Self::Incomplete(SIGNATURE_BYTES),
            [0xFF, ..] => match input.get(SIGNATURE_BYTES - 1) {
                None => Self::Incomplete(SIGNATURE_BYTES - input.len()),
                Some(last) if last & 1 == 0 => Self::Unversioned,
                Some(_) => match input.get(SIGNATURE_BYTES) {
                    None => Self::Signature,
                    Some(revision) => Self::Revision(*revision),
                },
            },
            [_, ..] => Self::Unversioned,
        }
    }
}
