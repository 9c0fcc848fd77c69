//! The exchanges that are always there.

use model::ExchangeKind;

/// The exchanges that every table has.
pub(crate) const PREDECLARED: [(&[u8], ExchangeKind); 6] = [
    (b"", ExchangeKind::Default),
    (b"amq.direct", ExchangeKind::Direct),
    (b"amq.fanout", ExchangeKind::Fanout),
    (b"amq.headers", ExchangeKind::Headers),
    (b"amq.match", ExchangeKind::Headers),
    (TOPIC, ExchangeKind::Topic),
];

/// The exchange of topics without an exchange's name.
pub(crate) const TOPIC: &[u8] = b"amq.topic";
