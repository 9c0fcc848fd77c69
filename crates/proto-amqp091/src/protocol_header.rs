//! The eight bytes that a connection begins with. §4.2.2

/// What this server speaks: AMQP 0-9-1. It is also what a client that speaks something else is sent.
pub const PROTOCOL_HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";

/// What clients send who speak 0-9, which is as good as 0-9-1; RabbitMQ takes it too.
const PROTOCOL_HEADER_0_9: [u8; 8] = *b"AMQP\x01\x01\0\x09";

/// What a client begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolHeader {
    /// The protocol that is spoken here. It takes [`PROTOCOL_HEADER`]'s length of the input.
    Known,
    /// Something else: the peer is sent [`PROTOCOL_HEADER`], and the connection is closed.
    Unknown,
    /// Not yet whole.
    Incomplete {
        /// So many bytes are missing.
        missing_bytes: usize,
    },
}

impl ProtocolHeader {
    /// Looks at the beginning of a connection. The first byte that cannot be makes it certain, so a
    /// stranger is not waited for.
    #[must_use]
    pub fn read(input: &[u8]) -> Self {
        let known = [PROTOCOL_HEADER, PROTOCOL_HEADER_0_9];
        let len = input.len().min(PROTOCOL_HEADER.len());
        if !known.iter().any(|it| it[..len] == input[..len]) {
            return Self::Unknown;
        }
        match PROTOCOL_HEADER.len() - len {
            0 => Self::Known,
            missing_bytes => Self::Incomplete { missing_bytes },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_ones_are_0_9_1_and_0_9() {
        let check = |input: &[u8], expected| {
            assert_eq!(ProtocolHeader::read(input), expected, "{input:?}");
        };
        check(b"AMQP\0\0\x09\x01", ProtocolHeader::Known);
        check(b"AMQP\x01\x01\0\x09", ProtocolHeader::Known);
        check(b"AMQP\0\0\x09\x01\x01\0", ProtocolHeader::Known);
        for unknown in [
            &b"AMQP\0\x01\0\0"[..],
            b"AMQP\x03\x01\0\0",
            b"AMQP\x01\x01\x08\0",
            b"AMQP\0\0\x09\0",
            b"GET / HTTP/1.1",
            b"G",
            b"AMQQ",
            b"AMQP\x02",
        ] {
            check(unknown, ProtocolHeader::Unknown);
        }
        for len in 0..8 {
            let missing_bytes = 8 - len;
            check(
                &PROTOCOL_HEADER[..len],
                ProtocolHeader::Incomplete { missing_bytes },
            );
        }
    }
}
