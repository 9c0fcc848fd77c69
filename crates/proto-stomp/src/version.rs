//! The versions of the protocol and how one is chosen.

use model::Dialect;

/// All versions spoken, as `ERROR` and the documentation list them.
pub(crate) const SUPPORTED: &str = "1.0,1.1,1.2";

/// A version of STOMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// STOMP 1.0: nothing is escaped, values may be padded.
    V10,
    /// STOMP 1.1: `\n`, `\c` and `\\` are escapes.
    V11,
    /// STOMP 1.2: `\r` is one too, and lines may end with CR LF.
    V12,
}

impl Version {
    /// The highest version in the value of `accept-version` that is spoken here; 1.0 if the header is
    /// absent.
    #[must_use]
    pub fn negotiate(accept_version: Option<&[u8]>) -> Option<Self> {
        let Some(accepted) = accept_version else {
            return Some(Self::V10);
        };
        accepted
            .split(|byte| *byte == b',')
            .filter_map(|text| Self::from_text(text.trim_ascii()))
            .max()
    }

    fn from_text(text: &[u8]) -> Option<Self> {
        match text {
            b"1.0" => Some(Self::V10),
            b"1.1" => Some(Self::V11),
            b"1.2" => Some(Self::V12),
            _ => None,
        }
    }

    /// As `CONNECTED` spells it.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::V10 => "1.0",
            Self::V11 => "1.1",
            Self::V12 => "1.2",
        }
    }

    /// The dialect of the messages that a client of this version publishes.
    #[must_use]
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::V10 => Dialect::Stomp10,
            Self::V11 => Dialect::Stomp11,
            Self::V12 => Dialect::Stomp12,
        }
    }

    /// The version whose rules the head of a message of this dialect follows; none if it is another
    /// protocol's.
    #[must_use]
    pub const fn of_dialect(dialect: Dialect) -> Option<Self> {
        match dialect {
            Dialect::Stomp10 => Some(Self::V10),
            Dialect::Stomp11 => Some(Self::V11),
            Dialect::Stomp12 => Some(Self::V12),
            Dialect::Mqtt3 | Dialect::Mqtt5 | Dialect::Amqp091 | Dialect::Zmq => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiates_the_highest_common_version() {
        let check = |accept: Option<&str>, expected: Option<Version>| {
            assert_eq!(
                Version::negotiate(accept.map(str::as_bytes)),
                expected,
                "{accept:?}"
            );
        };
        check(None, Some(Version::V10));
        check(Some("1.0"), Some(Version::V10));
        check(Some("1.1,1.0"), Some(Version::V11));
        check(Some("1.0,1.1,1.2"), Some(Version::V12));
        check(Some("1.2, 1.1"), Some(Version::V12));
        check(Some("1.0,1.1,2.0"), Some(Version::V11));
        check(Some("2.0"), None);
        check(Some(""), None);
    }
}
