//! What a client did that ends its connection: one error per cause, told by an ERROR frame.

pub use broker_api::Excerpt;

use crate::Version;
use crate::frame::ClientCommand;
use crate::version::SUPPORTED;
use std::time::Duration;

/// Why the input cannot be read as frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The first line of a frame names no command of a client.
    #[error("'{0}' is no command of a STOMP client")]
    UnknownCommand(Excerpt),
    /// The command line and the headers are too long together.
    #[error("the head of the frame is longer than {limit} bytes")]
    HeadTooLong {
        /// In bytes.
        limit: usize,
    },
    /// One header line is too long.
    #[error("a header line is longer than {limit} bytes")]
    HeaderTooLong {
        /// In bytes.
        limit: usize,
    },
    /// There are too many headers.
    #[error("the frame has more than {limit} headers")]
    TooManyHeaders {
        /// The highest number.
        limit: usize,
    },
    /// A header line holds no colon.
    #[error("the header line '{0}' has no colon")]
    HeaderWithoutColon(Excerpt),
    /// A header line begins with a colon.
    #[error("the header line '{0}' has no name before its colon")]
    HeaderWithoutName(Excerpt),
    /// In 1.1 and 1.2 a head is UTF-8.
    #[error("the head of the frame is not UTF-8")]
    NotUtf8,
    /// A backslash is followed by what the version gives no meaning to.
    #[error("the escape '{escape}' is not defined in STOMP {}", version.text())]
    UndefinedEscape {
        /// The backslash and what follows it.
        escape: Excerpt,
        /// The connection's.
        version: Version,
    },
    /// In 1.2 a carriage return is only allowed before the line feed, else as `\r`.
    #[error("the header line '{0}' holds a carriage return that is not escaped as \\r")]
    BareCarriageReturn(Excerpt),
    /// `content-length` is no number.
    #[error("the content-length '{0}' is not a number")]
    ContentLength(Excerpt),
    /// `content-length` is over the limit.
    #[error("the content-length {length} of the {} frame is over the limit of {limit} bytes", command.name())]
    ContentLengthOverLimit {
        /// The frame's.
        command: ClientCommand,
        /// As it was sent.
        length: Excerpt,
        /// In bytes.
        limit: usize,
    },
    /// A body without `content-length` has no NUL within the limit.
    #[error("the body of the {} frame has no NUL within the limit of {limit} bytes", command.name())]
    BodyTooLong {
        /// The frame's.
        command: ClientCommand,
        /// In bytes.
        limit: usize,
    },
    /// What follows a body of `content-length` bytes is not a NUL.
    #[error("there is no NUL behind the {content_length} bytes that content-length announces")]
    MissingNul {
        /// As it was sent.
        content_length: usize,
    },
}

/// What a client did that ends its connection.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("a connection begins with CONNECT or STOMP, not with {}", .0.name())]
    NotConnected(ClientCommand),
    #[error("the connection has been opened before, {} cannot come again", .0.name())]
    AlreadyConnected(ClientCommand),
    #[error("Supported protocol versions are {SUPPORTED}; accept-version is '{0}'")]
    NoCommonVersion(Excerpt),
    #[error("no CONNECT frame within {} ms", .0.as_millis())]
    ConnectTimeout(Duration),
    #[error("nothing was received for {} ms, twice the heart-beat interval agreed on", .0.as_millis())]
    PeerSilent(Duration),
    #[error("a {} frame needs the header '{header}'", command.name())]
    MissingHeader {
        command: ClientCommand,
        header: &'static str,
    },
    #[error("the virtual host '{0}' is not known here")]
    UnknownHost(Excerpt),
    #[error("the header '{header}' is '{value}', but must be {expected}")]
    HeaderValue {
        header: Excerpt,
        value: Excerpt,
        expected: &'static str,
    },
    #[error("the destination '{value}' {}", .problem)]
    Destination {
        value: Excerpt,
        problem: DestinationError,
    },
    #[error("the header '{header}' needs the header '{needs}'")]
    HeaderNeeds {
        header: &'static str,
        needs: &'static str,
    },
    #[error("'{name}' means something only for {only_for}")]
    HeaderInVain {
        name: Excerpt,
        only_for: &'static str,
    },
    #[error("the destination's option '{option}' is '{value}', but must be {expected}")]
    OptionValue {
        option: Excerpt,
        value: Excerpt,
        expected: &'static str,
    },
    #[error("the destination's option '{0}' is not implemented")]
    OptionNotImplemented(Excerpt),
    #[error("there is no transaction '{0}' on this connection")]
    TransactionNotFound(Excerpt),
    #[error("there is a transaction '{0}' on this connection already")]
    TransactionExists(Excerpt),
    #[error("this connection has {limit} transactions, which is the limit")]
    TooManyTransactions { limit: usize },
    #[error(
        "the transactions of this connection gather more than {limit} bytes, which is the limit"
    )]
    TransactionTooLarge { limit: usize },
    #[error(
        "the header '{name}' with the value '{value}' on {} is not implemented",
        command.name()
    )]
    HeaderNotImplemented {
        command: ClientCommand,
        name: Excerpt,
        value: Excerpt,
    },
    #[error("the id of a subscription cannot begin with /temp-queue/, as '{0}' does")]
    ReservedId(Excerpt),
    #[error("there is a subscription '{0}' on this connection already")]
    SubscriptionExists(Excerpt),
    #[error("there is no subscription '{0}' on this connection")]
    SubscriptionNotFound(Excerpt),
    #[error("this connection has {limit} subscriptions, which is the limit")]
    TooManySubscriptions { limit: usize },
    #[error(
        "there is no delivery '{id}' to {} on this connection: it is unknown, settled already, its \
         subscription is gone or has ack:auto",
        command.name()
    )]
    DeliveryNotFound { command: ClientCommand, id: Excerpt },
}

/// Why a destination leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DestinationError {
    /// Its form is not one we know.
    #[error(
        "has no known form; supported are /queue/NAME, /topic/KEY, /exchange/NAME, /exchange/NAME/KEY, \
         /amq/queue/NAME, /reply-queue/NAME, queue://NAME, topic://KEY, temp-queue://NAME, \
         temp-topic://NAME and NAME"
    )]
    Unknown,
    /// Its form is known, and comes later.
    #[error("leads to a stream, and streams are not implemented")]
    NotImplemented,
    /// It makes no sense but in `reply-to`.
    #[error("can only stand in reply-to")]
    OnlyReplyTo,
    /// The exchange has no name.
    #[error("names no exchange")]
    EmptyExchange,
    /// The exchange's name is longer than one may be.
    #[error(
        "has an exchange's name of {length} bytes, the limit is {}",
        model::ExchangeName::BYTES_MAX
    )]
    LongExchange {
        /// Its length.
        length: usize,
    },
    /// A list is longer than one may be.
    #[error("lists more than {limit} destinations, which is the limit")]
    LongList {
        /// How many there may be.
        limit: usize,
    },
    /// The name of its queue is impossible.
    #[error("names no queue: {0}")]
    QueueName(model::QueueNameError),
    /// There is nothing behind `/topic/`.
    #[error("has no routing key")]
    EmptyKey,
    /// The routing key is longer than one may be.
    #[error("has a routing key of {length} bytes, the limit is {limit}")]
    LongKey {
        /// Its length.
        length: usize,
        /// How long it may be.
        limit: usize,
    },
}

impl Violation {
    /// The short text for the `message` header.
    pub(crate) const fn summary(&self) -> &'static str {
        match self {
            Self::Decode(error) => error.summary(),
            Self::NotConnected(_) => "not connected",
            Self::AlreadyConnected(_) => "already connected",
            Self::NoCommonVersion(_) => "unsupported protocol versions",
            Self::ConnectTimeout(_) => "connect timeout",
            Self::PeerSilent(_) => "heart-beat timeout",
            Self::MissingHeader { .. } => "missing header",
            Self::HeaderValue { .. } => "invalid header value",
            Self::Destination { problem, .. } => match problem {
                DestinationError::Unknown => "unknown destination",
                DestinationError::NotImplemented => "destination not implemented",
                DestinationError::OnlyReplyTo
                | DestinationError::EmptyExchange
                | DestinationError::LongExchange { .. }
                | DestinationError::LongList { .. }
                | DestinationError::QueueName(_)
                | DestinationError::EmptyKey
                | DestinationError::LongKey { .. } => "invalid destination",
            },
            Self::UnknownHost(_) => "Bad CONNECT",
            Self::HeaderNeeds { .. } => "missing header",
            Self::HeaderInVain { .. } => "invalid header",
            Self::OptionValue { .. } => "invalid option value",
            Self::OptionNotImplemented(_) => "option not implemented",
            Self::TransactionNotFound(_) | Self::TransactionExists(_) => "Bad transaction",
            Self::TooManyTransactions { .. } => "too many transactions",
            Self::TransactionTooLarge { .. } => "Transaction too large",
            Self::ReservedId(_) => "Invalid id",
            Self::HeaderNotImplemented { .. } => "header not implemented",
            Self::SubscriptionExists(_) => "duplicate subscription identifier",
            Self::SubscriptionNotFound(_) => "subscription not found",
            Self::TooManySubscriptions { .. } => "too many subscriptions",
            Self::DeliveryNotFound { .. } => "message not found",
        }
    }
}

impl DecodeError {
    /// The short text for the `message` header.
    const fn summary(&self) -> &'static str {
        match self {
            Self::UnknownCommand(_) => "unknown command",
            Self::HeadTooLong { .. }
            | Self::HeaderTooLong { .. }
            | Self::TooManyHeaders { .. }
            | Self::ContentLengthOverLimit { .. }
            | Self::BodyTooLong { .. } => "frame too large",
            Self::HeaderWithoutColon(_)
            | Self::HeaderWithoutName(_)
            | Self::NotUtf8
            | Self::UndefinedEscape { .. }
            | Self::BareCarriageReturn(_)
            | Self::ContentLength(_)
            | Self::MissingNul { .. } => "malformed frame",
        }
    }
}
