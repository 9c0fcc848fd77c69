//! The codes by which either side tells why it closes a channel or the connection.

/// Why a channel or the connection is closed, or a message comes back. §1.2 of the specification;
/// `no-route` is of an earlier one.
///
/// A *hard* error closes the connection, a *soft* one the channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum ReplyCode {
    /// All went well.
    ReplySuccess = 200,
    /// The content is too large for the server at this time.
    ContentTooLarge = 311,
    /// A mandatory message goes nowhere.
    NoRoute = 312,
    /// An immediate message finds nobody ready.
    NoConsumers = 313,
    /// An operator closes the connection.
    ConnectionForced = 320,
    /// There is no such vhost.
    InvalidPath = 402,
    /// The user may not do that.
    AccessRefused = 403,
    /// There is no such queue or exchange.
    NotFound = 404,
    /// The queue belongs to another connection.
    ResourceLocked = 405,
    /// What was asked does not go with what there is.
    PreconditionFailed = 406,
    /// The frame cannot be read.
    FrameError = 501,
    /// A field has a value that cannot be.
    SyntaxError = 502,
    /// The method makes no sense here.
    CommandInvalid = 503,
    /// The channel is not open, or is open already.
    ChannelError = 504,
    /// The frame is not the one that must come.
    UnexpectedFrame = 505,
    /// There are too many of something.
    ResourceError = 506,
    /// What was asked is forbidden to all.
    NotAllowed = 530,
    /// What was asked is not there.
    NotImplemented = 540,
    /// The server is at fault.
    InternalError = 541,
}

impl ReplyCode {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::ReplySuccess,
        Self::ContentTooLarge,
        Self::NoRoute,
        Self::NoConsumers,
        Self::ConnectionForced,
        Self::InvalidPath,
        Self::AccessRefused,
        Self::NotFound,
        Self::ResourceLocked,
        Self::PreconditionFailed,
        Self::FrameError,
        Self::SyntaxError,
        Self::CommandInvalid,
        Self::ChannelError,
        Self::UnexpectedFrame,
        Self::ResourceError,
        Self::NotAllowed,
        Self::NotImplemented,
        Self::InternalError,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code with this number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.number() == number)
    }

    /// The name that a reply text begins with, as RabbitMQ spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ReplySuccess => "REPLY_SUCCESS",
            Self::ContentTooLarge => "CONTENT_TOO_LARGE",
            Self::NoRoute => "NO_ROUTE",
            Self::NoConsumers => "NO_CONSUMERS",
            Self::ConnectionForced => "CONNECTION_FORCED",
            Self::InvalidPath => "INVALID_PATH",
            Self::AccessRefused => "ACCESS_REFUSED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceLocked => "RESOURCE_LOCKED",
            Self::PreconditionFailed => "PRECONDITION_FAILED",
            Self::FrameError => "FRAME_ERROR",
            Self::SyntaxError => "SYNTAX_ERROR",
            Self::CommandInvalid => "COMMAND_INVALID",
            Self::ChannelError => "CHANNEL_ERROR",
            Self::UnexpectedFrame => "UNEXPECTED_FRAME",
            Self::ResourceError => "RESOURCE_ERROR",
            Self::NotAllowed => "NOT_ALLOWED",
            Self::NotImplemented => "NOT_IMPLEMENTED",
            Self::InternalError => "INTERNAL_ERROR",
        }
    }

    /// Whether it closes the connection, and not only a channel.
    #[must_use]
    pub const fn is_hard(self) -> bool {
        self.number() >= 500 || matches!(self, Self::ConnectionForced | Self::InvalidPath)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hard_errors_are_those_of_the_specification() {
        let soft: Vec<_> = ReplyCode::ALL
            .into_iter()
            .filter(|code| !code.is_hard())
            .map(ReplyCode::number)
            .collect();
        assert_eq!(soft, [200, 311, 312, 313, 403, 404, 405, 406]);
        for code in ReplyCode::ALL {
            assert_eq!(ReplyCode::from_number(code.number()), Some(code));
        }
        assert_eq!(ReplyCode::from_number(0), None);
    }
}
