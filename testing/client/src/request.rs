//! What a client asks for, with a default for all that is seldom set.

use crate::frame::Version;

/// How a client introduces itself.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The only version it accepts.
    pub version: Version,
    /// The intervals of heart-beats in milliseconds: what it can send, what it wants.
    pub heart_beat_ms: (u32, u32),
    /// More headers of CONNECT, such as `login`.
    pub headers: &'a [(&'a str, &'a str)],
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            version: Version::V1_2,
            heart_beat_ms: (0, 0),
            headers: &[],
        }
    }
}

/// A message to send. Only `destination` and `body` matter often; the rest has its default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Send<'a> {
    /// Where to.
    pub destination: &'a str,
    /// The body, any bytes.
    pub body: &'a [u8],
    /// Whether it must survive a restart.
    pub persistent: bool,
    /// The id of the receipt asked for.
    pub receipt: Option<&'a str>,
    /// More headers.
    pub headers: &'a [(&'a str, &'a str)],
}

/// A subscription to make.
#[derive(Clone, Copy, Debug, Default)]
pub struct Subscribe<'a> {
    /// Its id.
    pub id: &'a str,
    /// What to.
    pub destination: &'a str,
    /// `auto`, `client` or `client-individual`; empty is not sent.
    pub ack: &'a str,
    /// Deliveries that may wait for their acknowledgement.
    pub prefetch_count: Option<u32>,
    /// More headers.
    pub headers: &'a [(&'a str, &'a str)],
}
