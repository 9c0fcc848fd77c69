//! What a delivery is called on the wire.

use model::{ConnectionId, SubscriptionId};

/// The value of `message-id` and `ack`: `CONNECTION-SUBSCRIPTION-TAG`, three decimal numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliveryId {
    pub(super) connection: ConnectionId,
    pub(super) subscription: SubscriptionId,
    /// The number of the delivery within its subscription, from 1.
    pub(super) tag: u64,
}

impl DeliveryId {
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let mut numbers = text.split(|byte| *byte == b'-').map(number);
        let id = Self {
            connection: ConnectionId(numbers.next()??),
            subscription: SubscriptionId(u32::try_from(numbers.next()??).ok()?),
            tag: numbers.next()??,
        };
        numbers.next().is_none().then_some(id)
    }
}

/// A number as we write it: digits only, no leading zero.
fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || (text.len() > 1 && text[0] == b'0') {
        return None;
    }
    text.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_only_what_we_write() {
        let check = |text: &str, expected: Option<(u64, u32, u64)>| {
            let expected = expected.map(|(connection, subscription, tag)| DeliveryId {
                connection: ConnectionId(connection),
                subscription: SubscriptionId(subscription),
                tag,
            });
            assert_eq!(DeliveryId::parse(text.as_bytes()), expected, "{text}");
        };
        check("0-1-2", Some((0, 1, 2)));
        check(
            "18446744073709551615-4294967295-3",
            Some((u64::MAX, u32::MAX, 3)),
        );
        for text in [
            "",
            "1",
            "1-2",
            "1-2-3-4",
            "1-2-",
            "-1-2-3",
            "01-2-3",
            "1-4294967296-1",
            "1-2-x",
            "18446744073709551616-1-1",
            "1-2-+3",
            " 1-2-3",
        ] {
            check(text, None);
        }
    }
}
