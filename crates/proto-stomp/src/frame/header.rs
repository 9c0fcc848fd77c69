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
    /// `x-delivery-count`.
    DeliveryCount,
    /// `x-death`, `x-first-death-queue`, and the like.
    Death,
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
    Priority,
    /// `expires`: a moment, as ActiveMQ takes it.
    Expires,
    /// `expiration`: a time to live, as RabbitMQ takes it.
    Expiration,
    /// `x-delay`, as RabbitMQ takes it.
    Delay,
    /// `AMQ_SCHEDULED_DELAY`, as ActiveMQ takes it.
    ScheduledDelay,
    /// ActiveMQ's other wishes for a schedule.
    Schedule,
    /// `JMSXGroupID`.
    GroupId,
    /// `x-mqtt-retain`, as the table of conversion has it.
    Retain,
    ClientId,
    /// `x-priority` of RabbitMQ, `activemq.priority`.
    SubscriptionPriority,
    /// `activemq.exclusive`.
    ExclusiveSubscription,
    /// `activemq.subscriptionName`, by which ActiveMQ knows a durable subscription.
    SubscriptionName,
    /// `activemq.retroactive`.
    Retroactive,
    /// `x-queue-name`, by which RabbitMQ names the queue of a subscription.
    QueueName,
    /// An argument of a queue, as RabbitMQ takes them (`x-message-ttl`, ...), and Barid's own.
    QueueArgument,
    /// Any other option of a subscription in the style of ActiveMQ (`activemq.` and a name).
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
                (b"expires", Self::Expires),
                (b"x-delay", Self::Delay),
                (b"x-death", Self::Death),
            ],
            8 => &[
                (b"reply-to", Self::ReplyTo),
                (b"passcode", Self::Passcode),
                (b"selector", Self::Selector),
                (b"no-local", Self::NoLocal),
                (b"priority", Self::Priority),
            ],
            9 => &[
                (b"exclusive", Self::Exclusive),
                (b"client-id", Self::ClientId),
            ],
            10 => &[
                (b"expiration", Self::Expiration),
                (b"x-priority", Self::SubscriptionPriority),
                (b"persistent", Self::Persistent),
                (b"message-id", Self::MessageId),
                (b"heart-beat", Self::HeartBeat),
            ],
            11 => &[
                (b"destination", Self::Destination),
                (b"transaction", Self::Transaction),
                (b"redelivered", Self::Redelivered),
                (b"auto-delete", Self::AutoDelete),
                (b"JMSXGroupID", Self::GroupId),
            ],
            12 => &[
                (b"subscription", Self::Subscription),
                (b"x-queue-name", Self::QueueName),
            ],
            13 => &[(b"x-mqtt-retain", Self::Retain)],
            14 => &[
                (b"content-length", Self::ContentLength),
                (b"prefetch-count", Self::PrefetchCount),
                (b"accept-version", Self::AcceptVersion),
            ],
            16 => &[(b"x-delivery-count", Self::DeliveryCount)],
            18 => &[(b"AMQ_SCHEDULED_CRON", Self::Schedule)],
            19 => &[
                (b"AMQ_SCHEDULED_DELAY", Self::ScheduledDelay),
                (b"x-first-death-queue", Self::Death),
            ],
            20 => &[
                (b"AMQ_SCHEDULED_PERIOD", Self::Schedule),
                (b"AMQ_SCHEDULED_REPEAT", Self::Schedule),
                (b"x-first-death-reason", Self::Death),
            ],
            22 => &[(b"x-first-death-exchange", Self::Death)],
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
            [b'a', b'c', ..] => match name.strip_prefix(b"activemq.") {
                Some(option) => Self::from_option(option),
                None => Self::User,
            },
            _ => Self::User,
        }
    }

    /// ActiveMQ's spelling of the same wish, where there is one.
    fn from_option(option: &[u8]) -> Self {
        match option {
            b"prefetchSize" => Self::PrefetchCount,
            b"exclusive" => Self::ExclusiveSubscription,
            b"priority" => Self::SubscriptionPriority,
            b"noLocal" => Self::NoLocal,
            b"selector" => Self::Selector,
            b"retroactive" => Self::Retroactive,
            // The second is how ActiveMQ itself once spelled it.
            b"subscriptionName" | b"subcriptionName" => Self::SubscriptionName,
            // How it hands messages to its own threads: nothing that a client could see.
            b"dispatchAsync" => Self::User,
            _ => Self::ActiveMqOption,
        }
    }

    /// A set of names, one bit each.
    pub(crate) const fn set(names: &[Self]) -> u64 {
        const { assert!(Self::COUNT <= 64, "each name has a bit") };
        let mut set = 0;
        let mut at = 0;
        while at < names.len() {
            set |= 1 << names[at] as u8;
            at += 1;
        }
        set
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
                | Self::DeliveryCount
                | Self::Death
        )
    }
}

/// Arguments that RabbitMQ takes from the headers of SUBSCRIBE, and of SEND to a queue; and Barid's own.
const QUEUE_ARGUMENTS: &[&[u8]] = &[
    b"x-consumer-timeout",
    b"x-dead-letter-exchange",
    b"x-dead-letter-routing-key",
    b"x-dead-letter-strategy",
    b"x-delivery-limit",
    b"x-expires",
    b"x-initial-cluster-size",
    b"x-last-value-key",
    b"x-max-age",
    b"x-max-in-memory-bytes",
    b"x-max-in-memory-length",
    b"x-max-length",
    b"x-max-length-bytes",
    b"x-max-priority",
    b"x-message-ttl",
    b"x-overflow",
    b"x-queue-leader-locator",
    b"x-queue-type",
    b"x-quorum-initial-group-size",
    b"x-redelivery-delay",
    b"x-redelivery-delay-max",
    b"x-redelivery-jitter",
    b"x-redelivery-multiplier",
    b"x-single-active-consumer",
    b"x-stream-filter",
    b"x-stream-filter-size-bytes",
    b"x-stream-match-unfiltered",
    b"x-stream-max-segment-size-bytes",
    b"x-stream-offset",
];
