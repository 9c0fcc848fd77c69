//! What the server says of itself, and what the client says it can do.

use crate::{FieldValue, ShortStr, Table, TableBuf};

/// What RabbitMQ calls capabilities, all of which hold here.
const CAPABILITIES: [&str; 9] = [
    "publisher_confirms",
    "exchange_exchange_bindings",
    "basic.nack",
    "consumer_cancel_notify",
    "connection.blocked",
    "consumer_priorities",
    "authentication_failure_close",
    "per_consumer_qos",
    "direct_reply_to",
];

/// The fields of `connection.start`'s `server-properties`.
pub(super) fn server_properties() -> TableBuf {
    let mut capabilities = TableBuf::new();
    for name in CAPABILITIES {
        capabilities.push(ShortStr::cut(name), &FieldValue::Boolean(true));
    }
    let mut properties = TableBuf::new();
    if let Ok(table) = capabilities.as_table() {
        properties.push(ShortStr::cut("capabilities"), &FieldValue::Table(table));
    }
    for (name, text) in [
        ("product", "Barid"),
        ("version", env!("CARGO_PKG_VERSION")),
        ("platform", "Rust"),
        ("information", "Licensed under MIT or Apache 2.0"),
    ] {
        properties.push(
            ShortStr::cut(name),
            &FieldValue::LongString(text.as_bytes()),
        );
    }
    properties
}

/// What a client can do, as far as it matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientCapabilities {
    /// It reads `connection.close` where its login is refused.
    pub(super) authentication_failure_close: bool,
    /// It wants to know when a consumer's queue is gone.
    pub(super) consumer_cancel_notify: bool,
    /// It wants to know when publishes wait.
    pub(super) connection_blocked: bool,
    /// A prefetch is the channel's for it, as the specification has it.
    pub(super) qos_of_channel: bool,
}

impl ClientCapabilities {
    pub(super) fn read(client_properties: Table<'_>) -> Self {
        // kombu, and Celery with it, takes any server that is not called RabbitMQ to do as the specification says, and
        // changes the bound of its consumers under way: while tasks that are to run later are in hand, it asks for more.
        let product = client_properties.find(b"product");
        let qos_of_channel = product == Some(FieldValue::LongString(b"py-amqp"));
        let Some(FieldValue::Table(capabilities)) = client_properties.find(b"capabilities") else {
            return Self {
                qos_of_channel,
                ..Self::default()
            };
        };
        let has = |name: &[u8]| capabilities.find(name) == Some(FieldValue::Boolean(true));
        Self {
            authentication_failure_close: has(b"authentication_failure_close"),
            consumer_cancel_notify: has(b"consumer_cancel_notify"),
            connection_blocked: has(b"connection.blocked"),
            qos_of_channel,
        }
    }
}
