//! Commands: a name of one octet's length, and what it says.

use bytes::BytesMut;

/// The longest context of a PING, in octets.
pub const PING_CONTEXT_BYTES_MAX: usize = 16;

/// The longest group, in octets.
pub const GROUP_BYTES_MAX: usize = 255;

/// The names, with their lengths before them.
pub(crate) const READY: &[u8] = b"\x05READY";
pub(crate) const ERROR: &[u8] = b"\x05\x45RROR";
pub(crate) const SUBSCRIBE: &[u8] = b"\x09SUBSCRIBE";
pub(crate) const CANCEL: &[u8] = b"\x06\x43ANCEL";
pub(crate) const PING: &[u8] = b"\x04PING";
pub(crate) const PONG: &[u8] = b"\x04PONG";
pub(crate) const JOIN: &[u8] = b"\x04JOIN";
pub(crate) const LEAVE: &[u8] = b"\x05LEAVE";
pub(crate) const HELLO: &[u8] = b"\x05HELLO";
pub(crate) const WELCOME: &[u8] = b"\x07WELCOME";
pub(crate) const INITIATE: &[u8] = b"\x08INITIATE";
pub(crate) const MESSAGE: &[u8] = b"\x07MESSAGE";

/// A command of 3.0 or 3.1, outside of a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command<'a> {
    /// Metadata of the NULL mechanism, not yet read.
    Ready(&'a [u8]),
    /// Why the handshake is at an end.
    Error {
        /// For people, or a status code of ZAP.
        reason: &'a [u8],
    },
    /// Messages whose first frame begins so are wanted, once more.
    Subscribe(&'a [u8]),
    /// One subscription less.
    Cancel(&'a [u8]),
    /// A PONG is asked for.
    Ping {
        /// Tenths of seconds in which more must come, or 0.
        ttl_ds: u16,
        /// What the PONG says again.
        context: &'a [u8],
    },
    /// The answer to a PING.
    Pong {
        /// That of the PING.
        context: &'a [u8],
    },
    /// A DISH joins a group.
    Join(&'a [u8]),
    /// A DISH leaves a group.
    Leave(&'a [u8]),
    /// Another one: of a mechanism, or not known.
    Other {
        /// Without its length.
        name: &'a [u8],
        /// What stands behind it.
        data: &'a [u8],
    },
}

/// Why the body of a frame is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// There is no name, or it ends too early.
    #[error("a command has no name")]
    Name,
    /// A reason of an ERROR that ends too early or too late.
    #[error("the reason of an ERROR is malformed")]
    Reason,
    /// A PING without a TTL.
    #[error("a PING has no TTL")]
    Ttl,
    /// A group that is too long or has a zero.
    #[error("a group is malformed")]
    Group,
}

impl<'a> Command<'a> {
    /// Reads the body of a frame.
    ///
    /// # Errors
    /// [`CommandError`]
    pub fn read(body: &'a [u8]) -> Result<Self, CommandError> {
        let (name, data) = split_name(body).ok_or(CommandError::Name)?;
        Ok(match name {
            b"READY" => Self::Ready(data),
            b"ERROR" => Self::Error {
                reason: read_reason(data).ok_or(CommandError::Reason)?,
            },
            b"SUBSCRIBE" => Self::Subscribe(data),
            b"CANCEL" => Self::Cancel(data),
            b"PING" => {
                let (ttl, context) = data.split_first_chunk().ok_or(CommandError::Ttl)?;
                // As libzmq does, which cuts the context.
                let context = &context[..context.len().min(PING_CONTEXT_BYTES_MAX)];
                Self::Ping {
                    ttl_ds: u16::from_be_bytes(*ttl),
                    context,
                }
            }
            b"PONG" => Self::Pong { context: data },
            b"JOIN" => Self::Join(check_group(data)?),
            b"LEAVE" => Self::Leave(check_group(data)?),
            name => Self::Other { name, data },
        })
    }

    /// The body of its frame, in pieces; fewer of them hold something for most commands.
    fn pieces(&self, number: &'a mut [u8; 2]) -> [&'a [u8]; 3] {
        match *self {
            Self::Ready(metadata) => [READY, metadata, &[]],
            Self::Error { reason } => {
                let reason = &reason[..reason.len().min(255)];
                number[0] = u8::try_from(reason.len()).unwrap_or(u8::MAX);
                [ERROR, &number[..1], reason]
            }
            Self::Subscribe(topic) => [SUBSCRIBE, topic, &[]],
            Self::Cancel(topic) => [CANCEL, topic, &[]],
            Self::Ping { ttl_ds, context } => {
                *number = ttl_ds.to_be_bytes();
                [PING, number, context]
            }
            Self::Pong { context } => [PONG, context, &[]],
            Self::Join(group) => [JOIN, group, &[]],
            Self::Leave(group) => [LEAVE, group, &[]],
            Self::Other { name, data } => {
                number[0] = u8::try_from(name.len()).unwrap_or(u8::MAX);
                [&number[..1], name, data]
            }
        }
    }

    /// Writes it as a frame of its own, as it is for peers that do not encrypt.
    pub fn put(&self, out: &mut BytesMut) {
        self.with_pieces(|pieces| crate::frame::put_command(out, pieces));
    }

    /// Hands the pieces of its body on.
    pub(crate) fn with_pieces<T>(&self, work: impl FnOnce(&[&[u8]]) -> T) -> T {
        let mut number = [0; 2];
        // A copy, since the number does not live as long as what is borrowed.
        let command: Command<'_> = *self;
        let pieces = command.pieces(&mut number);
        work(&pieces)
    }
}

/// The name in front, and what stands behind it.
pub(crate) fn split_name(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = body.split_first()?;
    rest.split_at_checked(usize::from(*len))
        .filter(|(name, _)| !name.is_empty())
}

/// The reason of an ERROR, behind the octet with its length.
pub(crate) fn read_reason(data: &[u8]) -> Option<&[u8]> {
    let (len, reason) = data.split_first()?;
    (reason.len() == usize::from(*len)).then_some(reason)
}

/// A group as the wire may carry it.
pub(crate) fn check_group(group: &[u8]) -> Result<&[u8], CommandError> {
    if group.len() > GROUP_BYTES_MAX || group.contains(&0) {
        return Err(CommandError::Group);
    }
    Ok(group)
}
