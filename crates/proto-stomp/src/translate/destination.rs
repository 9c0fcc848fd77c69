//! What one destination leads to.

use crate::violation::DestinationError;
use memchr::memchr;
use model::{BindingKey, ExchangeName, Pattern, QueueName, QueueNameError};
use std::borrow::Cow;

/// The longest routing key or pattern, in bytes, as in AMQP 0-9-1 and RabbitMQ: what matching one
/// costs grows with its levels.
const KEY_BYTES_MAX: usize = 255;

/// The exchange that `/topic/` and `topic://` lead to.
pub(super) const TOPIC_EXCHANGE: &[u8] = b"amq.topic";

/// A destination as the model names it. Names and keys are within their limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination<'a> {
    /// A queue, which is made when a session first uses it.
    Queue(Cow<'a, [u8]>),
    /// A queue that must be there.
    ExistingQueue(Cow<'a, [u8]>),
    /// What is published to an exchange.
    Exchange {
        /// The exchange's name.
        exchange: Cow<'a, [u8]>,
        /// The key of a SEND, or what a SUBSCRIBE asks for.
        key: Cow<'a, [u8]>,
        /// How a SUBSCRIBE reads the key.
        reading: KeyReading,
    },
    /// A queue of the connection's own, by the client's name for it.
    TemporaryQueue(&'a [u8]),
    /// A topic of the connection's own, by the client's name for it.
    TemporaryTopic(&'a [u8]),
}

/// How a SUBSCRIBE reads the key of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyReading {
    /// As a pattern with `*` and `#`, as RabbitMQ.
    Hash,
    /// As a pattern with `*` and `>`, as ActiveMQ.
    Arrow,
    /// As the exchange's kind does.
    AsExchange,
}

/// The kinds that ActiveMQ's forms name before `://`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NamedKind {
    Queue,
    Topic,
    TemporaryQueue,
    TemporaryTopic,
}

impl NamedKind {
    /// The kind that a destination without slashes at its front names, and what is behind it.
    pub(super) fn split(text: &[u8]) -> (Option<Self>, &[u8]) {
        let kinds: [(&[u8], Self); 4] = [
            (b"queue://", Self::Queue),
            (b"topic://", Self::Topic),
            (b"temp-queue://", Self::TemporaryQueue),
            (b"temp-topic://", Self::TemporaryTopic),
        ];
        let named = |(prefix, kind)| Some((Some(kind), text.strip_prefix(prefix)?));
        kinds.into_iter().find_map(named).unwrap_or((None, text))
    }
}

impl<'a> Destination<'a> {
    /// Resolves a form that begins with a slash, as RabbitMQ has them: `%XX` stands for any octet, a
    /// slash in the last part for itself.
    pub(crate) fn slashed(text: &'a [u8]) -> Result<Self, DestinationError> {
        if let Some(name) = text.strip_prefix(b"/queue/") {
            return Ok(Self::Queue(queue_name(percent_decode(name))?));
        }
        if let Some(key) = text.strip_prefix(b"/topic/") {
            return Self::topic(percent_decode(key), KeyReading::Hash);
        }
        if let Some(rest) = text.strip_prefix(b"/exchange/") {
            return Self::exchange(rest);
        }
        let existing: [&[u8]; 3] = [b"/amq/queue/", b"/reply-queue/", b"/remote-temp-queue/"];
        if let Some(name) = existing.iter().find_map(|form| text.strip_prefix(*form)) {
            return Ok(Self::ExistingQueue(queue_name(percent_decode(name))?));
        }
        if let Some(key) = text.strip_prefix(b"/remote-temp-topic/") {
            return Self::topic(percent_decode(key), KeyReading::Hash);
        }
        if let Some(name) = text.strip_prefix(b"/temp-topic/") {
            return Ok(Self::TemporaryTopic(temporary_name(name)?));
        }
        if text.starts_with(b"/temp-queue/") {
            return Err(DestinationError::OnlyReplyTo);
        }
        if text.starts_with(b"/stream/") {
            return Err(DestinationError::NotImplemented);
        }
        Err(DestinationError::Unknown)
    }

    /// Resolves the name in one of ActiveMQ's forms, in which everything stands for itself.
    pub(super) fn named(kind: NamedKind, name: &'a [u8]) -> Result<Self, DestinationError> {
        match kind {
            NamedKind::Queue => Ok(Self::Queue(queue_name(Cow::Borrowed(name))?)),
            NamedKind::Topic => Self::topic(Cow::Borrowed(name), KeyReading::Arrow),
            NamedKind::TemporaryQueue => Ok(Self::TemporaryQueue(temporary_name(name)?)),
            NamedKind::TemporaryTopic => Ok(Self::TemporaryTopic(temporary_name(name)?)),
        }
    }

    /// `X` or `X/K`: the first slash ends the exchange's name.
    fn exchange(rest: &'a [u8]) -> Result<Self, DestinationError> {
        let (exchange, key) = match memchr(b'/', rest) {
            Some(slash) => (&rest[..slash], &rest[slash + 1..]),
            None => (rest, &[][..]),
        };
        let exchange = percent_decode(exchange);
        match exchange.len() {
            // The default exchange means something else to a SEND than to a SUBSCRIBE.
            0 => Err(DestinationError::EmptyExchange),
            1..=ExchangeName::BYTES_MAX => Ok(Self::Exchange {
                exchange,
                key: key_within(percent_decode(key))?,
                reading: KeyReading::AsExchange,
            }),
            length => Err(DestinationError::LongExchange { length }),
        }
    }

    fn topic(key: Cow<'a, [u8]>, reading: KeyReading) -> Result<Self, DestinationError> {
        if key.is_empty() {
            return Err(DestinationError::EmptyKey);
        }
        Ok(Self::Exchange {
            exchange: Cow::Borrowed(TOPIC_EXCHANGE),
            key: key_within(key)?,
            reading,
        })
    }

    /// The exchange and the key that a SEND publishes to; none for what is the connection's own.
    pub(crate) fn route(&self) -> Option<(&[u8], &[u8])> {
        match self {
            Self::Queue(name) | Self::ExistingQueue(name) => Some((b"", name)),
            Self::Exchange { exchange, key, .. } => Some((exchange, key)),
            Self::TemporaryQueue(_) | Self::TemporaryTopic(_) => None,
        }
    }

    /// Whether a SUBSCRIBE reads from a queue that is there for itself.
    pub(crate) const fn is_queue(&self) -> bool {
        match self {
            Self::Queue(_) | Self::ExistingQueue(_) | Self::TemporaryQueue(_) => true,
            Self::Exchange { .. } | Self::TemporaryTopic(_) => false,
        }
    }
}

impl KeyReading {
    /// What a subscription with this key asks of an exchange.
    pub(crate) fn binding_key(self, key: &[u8]) -> BindingKey {
        match self {
            Self::Hash => Pattern::dotted(key).into(),
            Self::Arrow => Pattern::arrowed(key).into(),
            Self::AsExchange => key.into(),
        }
    }
}

fn queue_name(name: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, DestinationError> {
    match name.len() {
        0 => Err(DestinationError::QueueName(QueueNameError::Empty)),
        1..=QueueName::BYTES_MAX => Ok(name),
        length => Err(DestinationError::QueueName(QueueNameError::TooLong(length))),
    }
}

fn key_within(key: Cow<'_, [u8]>) -> Result<Cow<'_, [u8]>, DestinationError> {
    let (length, limit) = (key.len(), KEY_BYTES_MAX);
    if length > limit {
        return Err(DestinationError::LongKey { length, limit });
    }
    Ok(key)
}

fn temporary_name(name: &[u8]) -> Result<&[u8], DestinationError> {
    let (length, limit) = (name.len(), KEY_BYTES_MAX);
    match length {
        0 => Err(DestinationError::QueueName(QueueNameError::Empty)),
        _ if length > limit => Err(DestinationError::LongKey { length, limit }),
        _ => Ok(name),
    }
}

/// Replaces each `%XX` by its octet, as RabbitMQ does; what is no such sequence stays.
pub(crate) fn percent_decode(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'%', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        match (first, hex_octet(behind)) {
            (b'%', Some(octet)) => {
                decoded.push(octet);
                rest = &behind[2..];
            }
            _ => {
                decoded.push(*first);
                rest = behind;
            }
        }
    }
    Cow::Owned(decoded)
}

/// Spells a name so that [`percent_decode`] reads it again and no version of STOMP escapes it: what is
/// no visible ASCII, and `%`, `:`, `\` and those in `more` become `%XX`.
pub(crate) fn percent_encode(name: &[u8], more: &[u8], into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in name {
        let is_plain = octet.is_ascii_graphic()
            && !matches!(octet, b'%' | b':' | b'\\')
            && !more.contains(octet);
        if is_plain {
            into.push(*octet);
        } else {
            let digit = |nibble: u8| DIGITS[usize::from(nibble)];
            into.extend([b'%', digit(octet >> 4), digit(octet & 15)]);
        }
    }
}

fn hex_octet(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests;
