//! The headers that mean something here.

/// In the index of known headers: the frame has no such line.
pub(crate) const NO_LINE: u16 = u16::MAX;

/// A header that means something to the server; all others belong to the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[expect(
    missing_docs,
    reason = "each is the header of that name in the specification"
)]
pub enum HeaderName {
    AcceptVersion,
    Host,
    Login,
    Passcode,
    HeartBeat,
    Destination,
    ContentLength,
    Receipt,
    Transaction,
    Id,
    Ack,
    MessageId,
    Subscription,
    Redelivered,
    Persistent,
    PrefetchCount,
    Requeue,
    ReplyTo,
    Selector,
    Browser,
    Durable,
    AutoDelete,
    Exclusive,
    NoLocal,
    /// `x-queue-name`, by which RabbitMQ names the queue of a subscription.
    QueueName,
    /// An argument of a queue or a subscription, as RabbitMQ takes them (`x-message-ttl`, ...).
    QueueArgument,
    /// An option of a subscription, as ActiveMQ takes them (`activemq.exclusive`, ...).
    ActiveMqOption,
    /// Any other.
    User,
}

impl HeaderName {
    /// The number of names.
    pub(crate) const COUNT: usize = Self::User as usize + 1;

    /// The known header with this name. Names of the specification hold no octet that is ever
    /// escaped, so the name as spelled tells.
    #[must_use]
    pub fn from_bytes(name: &[u8]) -> Self {
        let known: &[(&[u8], Self)] = match name.len() {
            2 => &[(b"id", Self::Id)],
            3 => &[(b"ack", Self::Ack)],
            4 => &[(b"host", Self::Host)],
            5 => &[(b"login", Self::Login)],
            7 => &[
                (b"receipt", Self::Receipt),
                (b"requeue", Self::Requeue),
                (b"durable", Self::Durable),
                (b"browser", Self::Browser),
            ],
            8 => &[
                (b"reply-to", Self::ReplyTo),
                (b"passcode", Self::Passcode),
                (b"selector", Self::Selector),
                (b"no-local", Self::NoLocal),
            ],
            9 => &[(b"exclusive", Self::Exclusive)],
            10 => &[
                (b"persistent", Self::Persistent),
                (b"message-id", Self::MessageId),
                (b"heart-beat", Self::HeartBeat),
            ],
            11 => &[
                (b"destination", Self::Destination),
                (b"transaction", Self::Transaction),
                (b"redelivered", Self::Redelivered),
                (b"auto-delete", Self::AutoDelete),
            ],
            12 => &[
                (b"subscription", Self::Subscription),
                (b"x-queue-name", Self::QueueName),
            ],
            14 => &[
                (b"content-length", Self::ContentLength),
                (b"prefetch-count", Self::PrefetchCount),
                (b"accept-version", Self::AcceptVersion),
            ],
            _ => &[],
        };
        for (spelling, header) in known {
            if *spelling == name {
                return *header;
            }
        }
        Self::from_prefix(name)
    }

    fn from_prefix(name: &[u8]) -> Self {
        match name {
            [b'x', b'-', ..] if QUEUE_ARGUMENTS.contains(&name) => Self::QueueArgument,
            // ActiveMQ's spelling of the same wish.
            b"activemq.prefetchSize" => Self::PrefetchCount,
            [b'a', b'c', ..] if name.starts_with(b"activemq.") => Self::ActiveMqOption,
            _ => Self::User,
        }
    }

    /// Whether the server writes this header into a MESSAGE itself, so that a client's own is not
    /// kept.
    #[must_use]
    pub const fn is_servers(self) -> bool {
        matches!(
            self,
            Self::ContentLength
                | Self::Receipt
                | Self::Transaction
                | Self::MessageId
                | Self::Subscription
                | Self::Ack
                | Self::Redelivered
        )
    }
}

/// Arguments that RabbitMQ takes from the headers of SUBSCRIBE, and of SEND to a queue.
const QUEUE_ARGUMENTS: &[&[u8]] = &[
    b"x-consumer-timeout",
    b"x-dead-letter-exchange",
    b"x-dead-letter-routing-key",
    b"x-dead-letter-strategy",
    b"x-delivery-limit",
    b"x-expires",
    b"x-initial-cluster-size",
    b"x-max-age",
    b"x-max-in-memory-bytes",
    b"x-max-in-memory-length",
    b"x-max-length",
    b"x-max-length-bytes",
    b"x-max-priority",
    b"x-message-ttl",
    b"x-overflow",
    b"x-priority",
    b"x-queue-leader-locator",
    b"x-queue-type",
    b"x-quorum-initial-group-size",
    b"x-single-active-consumer",
    b"x-stream-filter",
    b"x-stream-filter-size-bytes",
    b"x-stream-match-unfiltered",
    b"x-stream-max-segment-size-bytes",
    b"x-stream-offset",
];
