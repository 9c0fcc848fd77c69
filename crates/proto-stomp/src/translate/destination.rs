//! What a destination leads to.

use crate::violation::DestinationError;
use memchr::{memchr, memchr2};
use model::{Exchange, Pattern, QueueName, QueueNameError};
use std::borrow::Cow;

/// The longest routing key or pattern, in bytes, as in AMQP 0-9-1 and RabbitMQ: what matching one
/// costs grows with its levels.
const KEY_BYTES_MAX: usize = 255;

/// Forms that RabbitMQ or ActiveMQ know and that are to come.
const FORMS_TO_COME: &[&[u8]] = &[
    b"/exchange/",
    b"/amq/queue/",
    b"/temp-queue/",
    b"/reply-queue/",
    b"/stream/",
    b"/temp-topic/",
    b"/remote-temp-queue/",
    b"/remote-temp-topic/",
    b"temp-queue://",
    b"temp-topic://",
];

/// How a destination's form spells patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wildcards {
    /// `*` and `#`, as RabbitMQ.
    Hash,
    /// `*` and `>`, as ActiveMQ.
    Arrow,
}

/// A destination as the model names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination<'a> {
    /// Where a SEND publishes to.
    pub(crate) exchange: Exchange,
    /// A queue's name, or a topic's key, or the text of a pattern.
    pub(crate) key: Cow<'a, [u8]>,
    wildcards: Wildcards,
}

impl<'a> Destination<'a> {
    /// Resolves RabbitMQ's forms `/queue/NAME` and `/topic/KEY`, in which NAME and KEY may hold slashes,
    /// and `%XX` for any octet; and ActiveMQ's `queue://NAME`, `topic://KEY` and NAME alone, which stand
    /// for themselves.
    pub(crate) fn resolve(text: &'a [u8]) -> Result<Self, DestinationError> {
        if let Some(name) = text.strip_prefix(b"/queue/") {
            return Self::queue(percent_decode(name));
        }
        if let Some(key) = text.strip_prefix(b"/topic/") {
            return Self::topic(percent_decode(key), Wildcards::Hash);
        }
        if FORMS_TO_COME.iter().any(|form| text.starts_with(form)) {
            return Err(DestinationError::NotImplemented);
        }
        if text.is_empty() || text[0] == b'/' {
            return Err(DestinationError::Unknown);
        }
        // Lists of destinations, and options behind a question mark, are to come.
        if memchr2(b',', b'?', text).is_some() {
            return Err(DestinationError::NotImplemented);
        }
        if let Some(key) = text.strip_prefix(b"topic://") {
            return Self::topic(Cow::Borrowed(key), Wildcards::Arrow);
        }
        Self::queue(Cow::Borrowed(
            text.strip_prefix(b"queue://").unwrap_or(text),
        ))
    }

    fn queue(key: Cow<'a, [u8]>) -> Result<Self, DestinationError> {
        match key.len() {
            0 => Err(DestinationError::QueueName(QueueNameError::Empty)),
            1..=QueueName::BYTES_MAX => {
                let (exchange, wildcards) = (Exchange::Default, Wildcards::Hash);
                Ok(Self {
                    exchange,
                    key,
                    wildcards,
                })
            }
            length => Err(DestinationError::QueueName(QueueNameError::TooLong(length))),
        }
    }

    fn topic(key: Cow<'a, [u8]>, wildcards: Wildcards) -> Result<Self, DestinationError> {
        let (length, limit) = (key.len(), KEY_BYTES_MAX);
        match length {
            0 => Err(DestinationError::EmptyKey),
            _ if length > limit => Err(DestinationError::LongKey { length, limit }),
            _ => Ok(Self {
                exchange: Exchange::Topic,
                key,
                wildcards,
            }),
        }
    }

    /// The pattern that a subscription to this topic asks for.
    pub(crate) fn pattern(&self) -> Pattern {
        match self.wildcards {
            Wildcards::Hash => Pattern::dotted(&self.key),
            Wildcards::Arrow => Pattern::arrowed(&self.key),
        }
    }
}

/// Replaces each `%XX` by its octet, as RabbitMQ does; what is no such sequence stays.
fn percent_decode(text: &[u8]) -> Cow<'_, [u8]> {
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

fn hex_octet(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<(Exchange, &str), DestinationError>) {
        let resolved = Destination::resolve(text.as_bytes());
        let resolved = resolved.map(|found| (found.exchange, found.key));
        let expected = expected.map(|(exchange, key)| (exchange, Cow::Borrowed(key.as_bytes())));
        assert_eq!(resolved, expected, "{text}");
    }

    #[test]
    fn resolves_queues_and_topics() {
        check("/queue/a", Ok((Exchange::Default, "a")));
        check("/queue/a/b", Ok((Exchange::Default, "a/b")));
        check("/queue/a%2Fb%3a", Ok((Exchange::Default, "a/b:")));
        check("/queue/100%", Ok((Exchange::Default, "100%")));
        check("/queue/%zz%4", Ok((Exchange::Default, "%zz%4")));
        check("/topic/a.*.#", Ok((Exchange::Topic, "a.*.#")));
        check("/topic/a.b/c", Ok((Exchange::Topic, "a.b/c")));
        check("queue://a/b%2F", Ok((Exchange::Default, "a/b%2F")));
        check("topic://a.>", Ok((Exchange::Topic, "a.>")));
        check("plant.orders", Ok((Exchange::Default, "plant.orders")));
    }

    #[test]
    fn each_form_has_its_wildcards() {
        let pattern = |text: &str| Destination::resolve(text.as_bytes()).map(|d| d.pattern());
        assert_eq!(pattern("topic://a.*.>"), Ok(Pattern::dotted(b"a.*.#")));
        assert_eq!(pattern("/topic/a.*.#"), Ok(Pattern::dotted(b"a.*.#")));
        assert_ne!(
            pattern("topic://a.#"),
            pattern("/topic/a.#"),
            "here it is a word"
        );
        assert_ne!(
            pattern("/topic/a.>"),
            pattern("topic://a.>"),
            "and here that is"
        );
    }

    #[test]
    fn refuses_the_rest() {
        let empty = DestinationError::QueueName(QueueNameError::Empty);
        let too_long = DestinationError::QueueName(QueueNameError::TooLong(256));
        check("/queue/", Err(empty));
        check(&format!("/queue/{}", "n".repeat(256)), Err(too_long));
        check("queue://", Err(empty));
        check("/topic/", Err(DestinationError::EmptyKey));
        let (length, limit) = (256, 255);
        let long = format!("/topic/{}", "a.".repeat(128));
        check(&long, Err(DestinationError::LongKey { length, limit }));
        check("/queues/a", Err(DestinationError::Unknown));
        check("", Err(DestinationError::Unknown));
        let forms = [
            "/exchange/x/k",
            "/amq/queue/a",
            "/temp-queue/a",
            "/reply-queue/a",
            "/stream/a",
            "queue://a,topic://b",
            "queue://a?consumer.prefetchSize=1",
            "a,b",
        ];
        for form in forms {
            check(form, Err(DestinationError::NotImplemented));
        }
    }
}
