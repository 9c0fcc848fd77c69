//! Versions of the protocol.

use std::fmt;

/// A version of ZMTP that this crate speaks, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// 13/ZMTP, or older: libzmq 2. It announces no version.
    V1_0,
    /// 15/ZMTP: libzmq 3.
    V2_0,
    /// 23/ZMTP: libzmq 4.0 to 4.3.2.
    V3_0,
    /// 37/ZMTP.
    V3_1,
}

impl Version {
    /// The octet that announces the major version in a greeting; `V1_0` announces none.
    pub(crate) const fn revision(self) -> u8 {
        match self {
            Self::V1_0 => 0,
            Self::V2_0 => 1,
            Self::V3_0 | Self::V3_1 => 3,
        }
    }

    /// The octet behind it in a greeting of 3.0 and later.
    pub(crate) const fn minor(self) -> u8 {
        match self {
            Self::V1_0 | Self::V2_0 | Self::V3_0 => 0,
            Self::V3_1 => 1,
        }
    }

    /// Whether there are commands.
    pub(crate) fn has_commands(self) -> bool {
        self >= Self::V3_0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_0 => "1.0",
            Self::V2_0 => "2.0",
            Self::V3_0 => "3.0",
            Self::V3_1 => "3.1",
        })
    }
}
