//! Where messages are sent to, in a spelling that no protocol owns.

use std::borrow::Cow;

/// The exchange whose keys are topics, in every protocol that has topics.
const TOPIC_EXCHANGE: &[u8] = b"amq.topic";

/// Where a message is sent to: an exchange and a key. A queue is the default exchange, which has no name,
/// with the queue's name as the key.
///
/// Spelled as `/queues/NAME` or `/exchanges/EXCHANGE/KEY`, with `%XX` for all but letters, digits and
/// `-._~`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address<'a> {
    /// The name of the exchange.
    pub exchange: Cow<'a, [u8]>,
    /// The key, or the name of a queue.
    pub key: Cow<'a, [u8]>,
}

impl<'a> Address<'a> {
    /// The exchange whose keys are topics.
    pub const TOPIC_EXCHANGE: &'static [u8] = TOPIC_EXCHANGE;

    /// The address of an exchange and a key.
    #[must_use]
    pub const fn new(exchange: &'a [u8], key: &'a [u8]) -> Self {
        Self {
            exchange: Cow::Borrowed(exchange),
            key: Cow::Borrowed(key),
        }
    }

    /// The topic's key, if it is one.
    #[must_use]
    pub fn topic(&self) -> Option<&[u8]> {
        (*self.exchange == *TOPIC_EXCHANGE).then_some(&*self.key)
    }

    /// Reads what [`spell`](Self::spell) writes; `None` for any other text.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let address = if let Some(name) = text.strip_prefix(b"/queues/") {
            Self {
                exchange: Cow::Borrowed(&[]),
                key: decode(name)?.into(),
            }
        } else {
            let rest = text.strip_prefix(b"/exchanges/")?;
            let slash = rest.iter().position(|byte| *byte == b'/')?;
            Self {
                exchange: decode(&rest[..slash])?.into(),
                key: decode(&rest[slash + 1..])?.into(),
            }
        };
        // There is one spelling of each.
        (address.spell() == text).then_some(address)
    }

    /// The address as a text.
    #[must_use]
    pub fn spell(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(16 + self.exchange.len() + self.key.len());
        if self.exchange.is_empty() {
            text.extend_from_slice(b"/queues/");
        } else {
            text.extend_from_slice(b"/exchanges/");
            encode(&self.exchange, &mut text);
            text.push(b'/');
        }
        encode(&self.key, &mut text);
        text
    }
}

fn encode(name: &[u8], into: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in name {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
            into.push(*byte);
        } else {
            let digit = |nibble: u8| DIGITS[usize::from(nibble)];
            into.extend([b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut name = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        if *first == b'%' {
            let number = digit(behind.first())? * 16 + digit(behind.get(1))?;
            name.push(u8::try_from(number).ok()?);
            rest = &behind[2..];
        } else {
            name.push(*first);
            rest = behind;
        }
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    #[test]
    fn each_address_has_one_spelling() {
        let check = |exchange: &[u8], key: &[u8], text: &str| {
            let address = Address::new(exchange, key);
            assert_eq!(String::from_utf8_lossy(&address.spell()), text);
            assert_eq!(Address::parse(text.as_bytes()), Some(address));
        };
        check(b"", b"orders", "/queues/orders");
        check(b"amq.topic", b"a.b/c", "/exchanges/amq.topic/a.b%2Fc");
        check(b"x/y", b"", "/exchanges/x%2Fy/");
        check(b"", b"", "/queues/");
        for text in [
            "",
            "orders",
            "/queue/a",
            "/queues/a/b",
            "/exchanges/x",
            "/exchanges//k",
            "/queues/%",
            "/queues/%4",
            "/queues/%zz",
            "/queues/%61",
            "/queues/%2f",
            "/queues/a b",
        ] {
            assert_eq!(Address::parse(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn topics_are_keys_of_one_exchange() {
        assert_eq!(
            Address::new(b"amq.topic", b"a.b").topic(),
            Some(&b"a.b"[..])
        );
        assert_eq!(Address::new(b"", b"a.b").topic(), None);
    }

    proptest! {
        #[test]
        fn every_address_can_be_spelled(exchange in vec(any::<u8>(), 0..9), key in vec(any::<u8>(), 0..9)) {
            let address = Address::new(&exchange, &key);
            assert_eq!(Address::parse(&address.spell()), Some(address));
        }

        #[test]
        fn any_text_is_read_without_harm(text in "/(queues|exchanges)/[%0-9A-Fa-f/]{0,12}") {
            if let Some(address) = Address::parse(text.as_bytes()) {
                assert_eq!(address.spell(), text.as_bytes());
            }
        }
    }
}
