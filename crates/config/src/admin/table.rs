//! The table of commands: the single source of the command line and what it asks.

use super::{Argument, Kind, Place, Verb};

/// The words that commands begin with.
pub(super) const NOUNS: &[(&str, &str)] = &[
    (
        "exchange",
        "Declare, delete and list the exchanges of a running broker",
    ),
    (
        "queue",
        "Declare, delete, purge and list the queues of a running broker",
    ),
    (
        "binding",
        "Declare, delete and list the bindings of a running broker",
    ),
    (
        "user",
        "Add, delete and list the users of a broker, whether it runs or not",
    ),
];

/// The bound of a number that the broker keeps in 64 bits.
const ANY: u64 = u64::MAX;

const fn positional(name: &'static str, doc: &'static str) -> Argument {
    Argument {
        name,
        field: name,
        place: Place::Request,
        kind: Kind::Positional,
        doc,
    }
}

/// A switch that is a field of the request.
const fn condition(name: &'static str, field: &'static str, doc: &'static str) -> Argument {
    Argument {
        name,
        field,
        place: Place::Request,
        kind: Kind::Switch(true),
        doc,
    }
}

/// A field of the definition.
const fn defined(
    name: &'static str,
    field: &'static str,
    kind: Kind,
    doc: &'static str,
) -> Argument {
    Argument {
        name,
        field,
        place: Place::Definition,
        kind,
        doc,
    }
}

const TRANSIENT: Argument = defined(
    "transient",
    "durable",
    Kind::Switch(false),
    "It does not survive a restart",
);

const DECLARE_EXCHANGE: &[Argument] = &[
    positional("name", "The name of the exchange, 1 to 255 bytes"),
    defined(
        "type",
        "type",
        Kind::NeededChoice(&[
            "direct",
            "fanout",
            "topic",
            "headers",
            "consistent-hash",
            "random",
        ]),
        "How it chooses among its bindings",
    ),
    TRANSIENT,
    defined(
        "auto-delete",
        "auto_delete",
        Kind::Switch(true),
        "It ends when the last binding from it has",
    ),
    defined(
        "internal",
        "internal",
        Kind::Switch(true),
        "Only other exchanges may publish to it, through bindings",
    ),
    defined(
        "delayed",
        "delayed",
        Kind::Switch(true),
        "It grants the delays that messages ask for",
    ),
    defined(
        "alternate-exchange",
        "alternate_exchange",
        Kind::Text("NAME"),
        "Where a message goes that matches no binding",
    ),
    defined(
        "hash-header",
        "hash_header",
        Kind::Text("HEADER"),
        "The header that a consistent-hash exchange hashes instead of the routing key",
    ),
    defined(
        "hash-property",
        "hash_property",
        Kind::Choice(&[
            "content_type",
            "content_encoding",
            "correlation_id",
            "message_id",
            "reply_to",
            "timestamp",
            "type",
            "user_id",
            "app_id",
            "group_id",
            "destination",
        ]),
        "The property that a consistent-hash exchange hashes instead of the routing key",
    ),
];

const DECLARE_QUEUE: &[Argument] = &[
    positional("name", "The name of the queue, 1 to 255 bytes"),
    TRANSIENT,
    defined(
        "auto-delete",
        "auto_delete",
        Kind::Switch(true),
        "It ends when its last subscription has",
    ),
    defined(
        "queue-type",
        "queue_type",
        Kind::Choice(&["classic", "quorum"]),
        "What it is for; a quorum queue has a delivery limit of 20 if nothing else is said; default: any",
    ),
    defined(
        "message-ttl",
        "message_ttl_ms",
        Kind::Number("MS", ANY),
        "The longest that a message may wait, in milliseconds",
    ),
    defined(
        "expires",
        "expires_ms",
        Kind::Number("MS", ANY),
        "It ends when nobody has used it for this long, in milliseconds",
    ),
    defined(
        "max-length",
        "max_length",
        Kind::Number("COUNT", ANY),
        "The most messages that may be ready",
    ),
    defined(
        "max-length-bytes",
        "max_length_bytes",
        Kind::Number("BYTES", ANY),
        "The most bytes of bodies that may be ready",
    ),
    defined(
        "overflow",
        "overflow",
        Kind::Choice(&["drop-head", "reject-publish", "reject-publish-dlx"]),
        "What happens beyond these; default: drop-head",
    ),
    defined(
        "dead-letter-exchange",
        "dead_letter_exchange",
        Kind::Text("NAME"),
        "Where messages go that are rejected, expire, overflow, or fail too often",
    ),
    defined(
        "dead-letter-routing-key",
        "dead_letter_routing_key",
        Kind::Text("KEY"),
        "Their routing key then; default: their own",
    ),
    defined(
        "max-priority",
        "max_priority",
        Kind::Number("N", 255),
        "Priorities 0 to this are kept apart, higher first; default: 0",
    ),
    defined(
        "delivery-limit",
        "delivery_limit",
        Kind::Number("N", u32::MAX as u64),
        "A message whose deliveries have failed more often than this leaves; 4294967295 for none",
    ),
    defined(
        "redelivery-delay",
        "redelivery_delay_ms",
        Kind::Number("MS", ANY),
        "How long a message waits after its first delivery that failed, in milliseconds",
    ),
    defined(
        "redelivery-multiplier-percent",
        "redelivery_multiplier_percent",
        Kind::Number("N", u32::MAX as u64),
        "By how much that grows for each further one: 200 doubles it; default: 100",
    ),
    defined(
        "redelivery-delay-max",
        "redelivery_delay_max_ms",
        Kind::Number("MS", ANY),
        "The longest that it may grow to, in milliseconds; default: no bound",
    ),
    defined(
        "redelivery-jitter-percent",
        "redelivery_jitter_percent",
        Kind::Number("N", 100),
        "Up to this much more or less, by chance; default: 0",
    ),
    defined(
        "single-active-consumer",
        "single_active_consumer",
        Kind::Switch(true),
        "One subscription at a time is delivered to",
    ),
    defined(
        "last-value-key",
        "last_value_key",
        Kind::Text("HEADER"),
        "The header that names what a message is about: a newer one replaces an older one",
    ),
    defined(
        "consumer-timeout",
        "consumer_timeout_ms",
        Kind::Number("MS", ANY),
        "How long a consumer of AMQP 0-9-1 may keep a delivery that it has not settled, in milliseconds",
    ),
];

const BINDING: &[Argument] = &[
    positional("source", "The exchange that it leads from"),
    positional("destination", "The queue or exchange that it leads to"),
    Argument {
        name: "key",
        field: "routing_key",
        place: Place::Request,
        kind: Kind::Text("KEY"),
        doc: "What it asks of the routing key; default: nothing, the empty key",
    },
    Argument {
        name: "to",
        field: "destination_type",
        place: Place::Request,
        kind: Kind::Choice(&["queue", "exchange"]),
        doc: "Which of these the destination is; default: queue",
    },
    Argument {
        name: "argument",
        field: "arguments",
        place: Place::Request,
        kind: Kind::Pairs,
        doc: "What else it asks; a VALUE is a whole number, true, false, or text",
    },
];

pub(super) static COMMANDS: &[Verb] = &[
    Verb {
        noun: "exchange",
        verb: "declare",
        about: "Make an exchange, unless the same is there",
        command: "declare_exchange",
        arguments: DECLARE_EXCHANGE,
    },
    Verb {
        noun: "exchange",
        verb: "delete",
        about: "End an exchange, and the bindings from and to it",
        command: "delete_exchange",
        arguments: &[
            positional("name", "The name of the exchange"),
            condition("if-unused", "if_unused", "Only if no binding leads from it"),
        ],
    },
    Verb {
        noun: "exchange",
        verb: "list",
        about: "List all exchanges",
        command: "list_exchanges",
        arguments: &[],
    },
    Verb {
        noun: "queue",
        verb: "declare",
        about: "Make a queue, unless the same is there",
        command: "declare_queue",
        arguments: DECLARE_QUEUE,
    },
    Verb {
        noun: "queue",
        verb: "delete",
        about: "End a queue, with all its messages",
        command: "delete_queue",
        arguments: &[
            positional("name", "The name of the queue"),
            condition("if-unused", "if_unused", "Only if it has no subscriptions"),
            condition("if-empty", "if_empty", "Only if it has no ready messages"),
        ],
    },
    Verb {
        noun: "queue",
        verb: "purge",
        about: "Take all ready messages out of a queue",
        command: "purge_queue",
        arguments: &[positional("name", "The name of the queue")],
    },
    Verb {
        noun: "queue",
        verb: "list",
        about: "List all queues but those that belong to one connection",
        command: "list_queues",
        arguments: &[],
    },
    Verb {
        noun: "binding",
        verb: "declare",
        about: "Make a binding, unless it is there",
        command: "declare_binding",
        arguments: BINDING,
    },
    Verb {
        noun: "binding",
        verb: "delete",
        about: "Take a binding away, if it is there",
        command: "delete_binding",
        arguments: BINDING,
    },
    Verb {
        noun: "binding",
        verb: "list",
        about: "List all bindings",
        command: "list_bindings",
        arguments: &[],
    },
    Verb {
        noun: "user",
        verb: "add",
        about: "Make a user; the password is asked for, or is the first line of the standard input",
        command: "put_user",
        arguments: &[
            positional("name", "The name of the user, 1 to 255 bytes"),
            Argument {
                name: "iterations",
                field: "iterations",
                place: Place::Request,
                kind: Kind::Number("N", u32::MAX as u64),
                doc: "How often the password is hashed, 4096 to 1000000; default: 4096",
            },
            condition(
                "replace",
                "replace",
                "A user that is there gets another password",
            ),
        ],
    },
    Verb {
        noun: "user",
        verb: "delete",
        about: "Take a user away; its connections go on until they end",
        command: "delete_user",
        arguments: &[positional("name", "The name of the user")],
    },
    Verb {
        noun: "user",
        verb: "list",
        about: "List all users",
        command: "list_users",
        arguments: &[],
    },
];
