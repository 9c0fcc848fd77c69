//! What a destination leads to.

use crate::violation::DestinationError;
use memchr::memchr;
use model::{Exchange, QueueName, QueueNameError};
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
    b"queue://",
    b"topic://",
    b"temp-queue://",
    b"temp-topic://",
];

/// A destination as the model names it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Destination<'a> {
    /// Where a SEND publishes to.
    pub(crate) exchange: Exchange,
    /// A queue's name, or a topic's key or pattern in canonical spelling.
    pub(crate) key: Cow<'a, [u8]>,
}

impl<'a> Destination<'a> {
    /// Resolves `/queue/NAME` and `/topic/KEY`. NAME and KEY may hold slashes, and `%XX` for any octet.
    pub(crate) fn resolve(text: &'a [u8]) -> Result<Self, DestinationError> {
        if let Some(name) = text.strip_prefix(b"/queue/") {
            let key = percent_decode(name);
            return match key.len() {
                0 => Err(DestinationError::QueueName(QueueNameError::Empty)),
                1..=QueueName::BYTES_MAX => Ok(Self {
                    exchange: Exchange::Default,
                    key,
                }),
                length => Err(DestinationError::QueueName(QueueNameError::TooLong(length))),
            };
        }
        if let Some(key) = text.strip_prefix(b"/topic/") {
            if key.is_empty() {
                return Err(DestinationError::EmptyKey);
            }
            let key = percent_decode(key);
            let (length, limit) = (key.len(), KEY_BYTES_MAX);
            if length > limit {
                return Err(DestinationError::LongKey { length, limit });
            }
            let exchange = Exchange::Topic;
            return Ok(Self { exchange, key });
        }
        let is_to_come = FORMS_TO_COME.iter().any(|form| text.starts_with(form));
        let is_bare_name = !text.is_empty() && text[0] != b'/';
        Err(if is_to_come || is_bare_name {
            DestinationError::NotImplemented
        } else {
            DestinationError::Unknown
        })
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
        let expected = expected.map(|(exchange, key)| Destination {
            exchange,
            key: Cow::Borrowed(key.as_bytes()),
        });
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
    }

    #[test]
    fn refuses_the_rest() {
        let empty = DestinationError::QueueName(QueueNameError::Empty);
        let too_long = DestinationError::QueueName(QueueNameError::TooLong(256));
        check("/queue/", Err(empty));
        check(&format!("/queue/{}", "n".repeat(256)), Err(too_long));
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
            "queue://a",
            "topic://a",
            "a",
        ];
        for form in forms {
            check(form, Err(DestinationError::NotImplemented));
        }
    }
}
