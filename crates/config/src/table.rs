//! The table of keys: the single source of file, environment, flags, help and README.

use crate::key::{Empty, Key, Kind};
use crate::settings::{Config, WhenStalled};
use crate::value::Unit;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;
use tracing::Level;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const HOUR_MS: u64 = 3_600_000;

const BROKER: &str = "Broker";
const LISTENERS: &str = "Listeners";
const USERS: &str = "Users";
const STOMP: &str = "STOMP";
const MQTT: &str = "MQTT";
const AMQP: &str = "AMQP";
const ZMTP: &str = "ZeroMQ";
const SUBSCRIBERS: &str = "Subscribers";
const CONNECTIONS: &str = "Connections";
const STORE: &str = "Store";
const VIRTUAL_TOPICS: &str = "Virtual topics";

/// One row of the table: a number.
const fn number(
    path: &'static str,
    group: &'static str,
    (unit, min, max): (Unit, u64, u64),
    default: &'static str,
    doc: &'static str,
    set: fn(&mut Config, u64),
) -> Key {
    Key {
        path,
        flag: None,
        group,
        doc,
        kind: Kind::Number {
            unit,
            min,
            max,
            set,
        },
        default,
    }
}

const fn bytes(min: u64, max: u64) -> (Unit, u64, u64) {
    (Unit::Bytes, min, max)
}

const fn millis(min: u64, max: u64) -> (Unit, u64, u64) {
    (Unit::Millis, min, max)
}

const fn count(min: u64, max: u64) -> (Unit, u64, u64) {
    (Unit::Count, min, max)
}

/// The number as a length in memory; what the machine cannot address is all it can.
fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

pub(crate) static KEYS: &[Key] = &[
    Key {
        path: "data_dir",
        flag: None,
        group: BROKER,
        doc: "The folder that holds everything the broker must not forget; made if it is missing",
        kind: Kind::Text {
            placeholder: "DIR",
            allowed: "a path",
            empty: Empty::Refused,
            set: |config, text| config.data_dir = PathBuf::from(text),
        },
        default: "./barid-data",
    },
    number(
        "executors",
        BROKER,
        count(0, 1024),
        "0",
        "Threads that run queues; 0 for one per core",
        |config, number| config.executors = size(number),
    ),
    Key {
        path: "log.level",
        flag: None,
        group: BROKER,
        doc: "The least important line that is written to standard error",
        kind: Kind::Choice(&[
            ("error", |config| config.log.level = Level::ERROR),
            ("warn", |config| config.log.level = Level::WARN),
            ("info", |config| config.log.level = Level::INFO),
            ("debug", |config| config.log.level = Level::DEBUG),
            ("trace", |config| config.log.level = Level::TRACE),
        ]),
        default: "info",
    },
    Key {
        path: "listen.stomp",
        flag: Some("stomp"),
        group: LISTENERS,
        doc: "Where STOMP clients connect; port 0 takes a free one, listeners.json in the data folder says which",
        kind: Kind::Text {
            placeholder: "ADDR",
            allowed: "host:port, several by comma, or off",
            empty: Empty::Refused,
            set: |config, text| text.clone_into(&mut config.listen.stomp),
        },
        default: "localhost:61613",
    },
    Key {
        path: "listen.mqtt",
        flag: Some("mqtt"),
        group: LISTENERS,
        doc: "Where MQTT clients connect",
        kind: Kind::Text {
            placeholder: "ADDR",
            allowed: "host:port, several by comma, or off",
            empty: Empty::Refused,
            set: |config, text| text.clone_into(&mut config.listen.mqtt),
        },
        default: "localhost:1883",
    },
    Key {
        path: "listen.amqp",
        flag: Some("amqp"),
        group: LISTENERS,
        doc: "Where AMQP 0-9-1 clients connect",
        kind: Kind::Text {
            placeholder: "ADDR",
            allowed: "host:port, several by comma, or off",
            empty: Empty::Refused,
            set: |config, text| text.clone_into(&mut config.listen.amqp),
        },
        default: "localhost:5672",
    },
    Key {
        path: "listen.zmtp",
        flag: Some("zmtp"),
        group: LISTENERS,
        doc: "Where ZeroMQ sockets connect; behind an address, the queue of its PUSH, PULL, REQ, DEALER and REP sockets, which is `zmq` if none is said",
        kind: Kind::Text {
            placeholder: "ADDR",
            allowed: "host:port or host:port/queue, several by comma, or off",
            empty: Empty::Refused,
            set: |config, text| text.clone_into(&mut config.listen.zmtp),
        },
        default: "off",
    },
    Key {
        path: "listen.ws",
        flag: Some("ws"),
        group: LISTENERS,
        doc: "Where clients connect over WebSocket: MQTT with the subprotocol mqtt at the paths /, /ws and /mqtt, else STOMP at /, /ws and /stomp",
        kind: Kind::Text {
            placeholder: "ADDR",
            allowed: "host:port, several by comma, or off",
            empty: Empty::Refused,
            set: |config, text| text.clone_into(&mut config.listen.ws),
        },
        default: "localhost:15675",
    },
    Key {
        path: "auth.users_file",
        flag: None,
        group: USERS,
        doc: "The file that holds the users, which `barid user` changes; a path that is not absolute begins in the data folder",
        kind: Kind::Text {
            placeholder: "FILE",
            allowed: "a path",
            empty: Empty::Refused,
            set: |config, text| config.auth.users_file = PathBuf::from(text),
        },
        default: "users.json",
    },
    Key {
        path: "auth.guest",
        flag: None,
        group: USERS,
        doc: "Whether there is a user guest with the password guest, from this machine only, who is also whoever connects without a name; a user guest in the file takes its place",
        kind: Kind::Choice(&[
            ("true", |config| config.auth.guest = true),
            ("false", |config| config.auth.guest = false),
        ]),
        default: "true",
    },
    number(
        "stomp.head_bytes_max",
        STOMP,
        bytes(KIB, 16 * MIB),
        "64KiB",
        "The longest head of a frame: command and all headers",
        |config, number| config.stomp.head_bytes_max = size(number),
    ),
    number(
        "stomp.header_bytes_max",
        STOMP,
        bytes(128, 16 * MIB),
        "16KiB",
        "The longest header line",
        |config, number| config.stomp.header_bytes_max = size(number),
    ),
    number(
        "stomp.header_count_max",
        STOMP,
        count(16, 100_000),
        "1000",
        "Headers in one frame",
        |config, number| config.stomp.header_count_max = size(number),
    ),
    number(
        "stomp.body_bytes_max",
        STOMP,
        bytes(KIB, GIB),
        "16MiB",
        "The longest body",
        |config, number| config.stomp.body_bytes_max = size(number),
    ),
    number(
        "stomp.subscriptions_max",
        STOMP,
        count(1, 1_000_000),
        "10000",
        "Subscriptions of one connection at one time",
        |config, number| config.stomp.subscriptions_max = size(number),
    ),
    number(
        "stomp.connect_timeout_ms",
        STOMP,
        millis(10, HOUR_MS),
        "10000",
        "Time that a client has from connecting to the end of its CONNECT frame",
        |config, number| config.stomp.connect_timeout = Duration::from_millis(number),
    ),
    number(
        "stomp.transaction_bytes_max",
        STOMP,
        bytes(KIB, 16 * GIB),
        "16MiB",
        "What the open transactions of one connection may hold",
        |config, number| config.stomp.transaction_bytes_max = size(number),
    ),
    Key {
        path: "stomp.strict_host",
        flag: None,
        group: STOMP,
        doc: "Whether a CONNECT whose host names no vhost is refused; else it means the default one",
        kind: Kind::Choice(&[
            ("true", |config| config.stomp.strict_host = true),
            ("false", |config| config.stomp.strict_host = false),
        ]),
        default: "false",
    },
    number(
        "mqtt.packet_bytes_max",
        MQTT,
        bytes(KIB, 256 * MIB),
        "16640KiB",
        "The longest PUBLISH packet; the default holds a payload of 16 MiB, topic and properties",
        |config, number| config.mqtt.packet_bytes_max = size(number),
    ),
    number(
        "mqtt.subscriptions_max",
        MQTT,
        count(1, 1_000_000),
        "10000",
        "Subscriptions of one connection at one time",
        |config, number| config.mqtt.subscriptions_max = size(number),
    ),
    number(
        "mqtt.connect_timeout_ms",
        MQTT,
        millis(10, HOUR_MS),
        "10000",
        "Time that a client has from connecting to the end of its CONNECT packet",
        |config, number| config.mqtt.connect_timeout = Duration::from_millis(number),
    ),
    number(
        "mqtt.receive_max",
        MQTT,
        count(1, 65_535),
        "1024",
        "PUBLISH packets with QoS 1 and 2 of one client that may be unanswered; told to clients of MQTT 5.0, and only those are held to it",
        |config, number| {
            let number = u16::try_from(number).ok().and_then(NonZeroU16::new);
            config.mqtt.receive_max = number.expect("the limits are 1 and 65535");
        },
    ),
    number(
        "mqtt.topic_alias_max",
        MQTT,
        count(0, 65_535),
        "16",
        "Topic aliases that one client of MQTT 5.0 may set, each for a topic of up to 64 KiB",
        |config, number| {
            config.mqtt.topic_alias_max = u16::try_from(number).expect("the limit is 65535");
        },
    ),
    number(
        "mqtt.topic_alias_send_max",
        MQTT,
        count(0, 1024),
        "32",
        "Topic aliases that the broker uses to one client of MQTT 5.0 that takes them, each for a topic of up to 1 KiB",
        |config, number| {
            config.mqtt.topic_alias_send_max = u16::try_from(number).expect("the limit is 1024");
        },
    ),
    number(
        "mqtt.keep_alive_seconds_max",
        MQTT,
        count(0, 65_535),
        "0",
        "The longest keep alive in seconds, told to clients of MQTT 5.0 that ask for a longer one or for none; 0 for any",
        |config, number| {
            config.mqtt.keep_alive_seconds_max = u16::try_from(number).expect("the limit is 65535");
        },
    ),
    Key {
        path: "mqtt.validate_payload_utf8",
        flag: None,
        group: MQTT,
        doc: "Whether a PUBLISH of MQTT 5.0 whose Payload Format Indicator says UTF-8 is refused if it is not",
        kind: Kind::Choice(&[
            ("true", |config| config.mqtt.validate_payload_utf8 = true),
            ("false", |config| config.mqtt.validate_payload_utf8 = false),
        ]),
        default: "false",
    },
    Key {
        path: "mqtt.response_information",
        flag: None,
        group: MQTT,
        doc: "What clients of MQTT 5.0 that ask for it are told as Response Information, such as responses/%c; %c is the client identifier",
        kind: Kind::Text {
            placeholder: "TEXT",
            allowed: "a text; empty for none",
            empty: Empty::Allowed,
            set: |config, text| {
                text.trim()
                    .clone_into(&mut config.mqtt.response_information);
            },
        },
        default: "",
    },
    Key {
        path: "mqtt.server_reference",
        flag: None,
        group: MQTT,
        doc: "Where clients of MQTT 5.0 are told to go while the broker stops, such as other.example:1883",
        kind: Kind::Text {
            placeholder: "ADDR",
            allowed: "host or host:port, several with spaces between them; empty for nowhere",
            empty: Empty::Allowed,
            set: |config, text| {
                text.trim().clone_into(&mut config.mqtt.server_reference);
            },
        },
        default: "",
    },
    Key {
        path: "mqtt.server_moved",
        flag: None,
        group: MQTT,
        doc: "Whether clients that are sent to mqtt.server_reference are told to stay there",
        kind: Kind::Choice(&[
            ("true", |config| config.mqtt.server_moved = true),
            ("false", |config| config.mqtt.server_moved = false),
        ]),
        default: "false",
    },
    number(
        "mqtt.sys_interval_seconds",
        MQTT,
        count(0, 86_400),
        "10",
        "Time in seconds from one round of messages to topics below $SYS/broker, where the broker tells of itself, to the next; 0 for none",
        |config, number| config.mqtt.sys_interval = Duration::from_secs(number),
    ),
    number(
        "mqtt.session_expiry_seconds_max",
        MQTT,
        count(0, 4_294_967_295),
        "604800",
        "For how long a session is kept at most once its connection has ended, in seconds; 0 for ever. Told to clients of MQTT 5.0 that ask for more; sessions of 3.x without clean session are kept so long",
        |config, number| {
            config.mqtt.session_expiry_seconds_max =
                u32::try_from(number).expect("the limit is 4294967295");
        },
    ),
    number(
        "mqtt.session_messages_max",
        MQTT,
        count(1, 1_000_000_000),
        "100000",
        "Messages that may wait for the client of a session that is kept, or for those that share a subscription; the oldest are dropped beyond it. For those that begin from now on",
        |config, number| config.mqtt.session_messages_max = number,
    ),
    number(
        "mqtt.sessions_per_user_max",
        MQTT,
        count(1, 100_000_000),
        "100000",
        "Sessions of one user that are kept at one time, whether their clients are there or not; one more is refused",
        |config, number| config.mqtt.sessions_per_user_max = size(number),
    ),
    number(
        "amqp.body_bytes_max",
        AMQP,
        bytes(KIB, GIB),
        "16MiB",
        "The longest body",
        |config, number| config.amqp.body_bytes_max = size(number),
    ),
    number(
        "amqp.channels_max",
        AMQP,
        count(1, 65_535),
        "2047",
        "Channels of one connection at one time",
        |config, number| {
            config.amqp.channels_max = u16::try_from(number).expect("the limit is 65535");
        },
    ),
    number(
        "amqp.consumers_max",
        AMQP,
        count(1, 1_000_000),
        "10000",
        "Consumers of one connection at one time",
        |config, number| config.amqp.consumers_max = size(number),
    ),
    number(
        "amqp.connect_timeout_ms",
        AMQP,
        millis(10, HOUR_MS),
        "10000",
        "Time that a client has from connecting to the end of its connection.open",
        |config, number| config.amqp.connect_timeout = Duration::from_millis(number),
    ),
    number(
        "amqp.transaction_bytes_max",
        AMQP,
        bytes(KIB, 16 * GIB),
        "16MiB",
        "What the transactions of one connection may hold together",
        |config, number| config.amqp.transaction_bytes_max = size(number),
    ),
    number(
        "amqp.consumer_timeout_ms",
        AMQP,
        millis(0, 168 * HOUR_MS),
        "1800000",
        "Time that a consumer has to settle a delivery before that closes its channel; 0 is for ever",
        |config, number| config.amqp.consumer_timeout = Duration::from_millis(number),
    ),
    number(
        "zmtp.message_bytes_max",
        ZMTP,
        bytes(KIB, GIB),
        "16MiB",
        "The longest message, all of its frames together",
        |config, number| config.zmtp.message_bytes_max = size(number),
    ),
    number(
        "zmtp.subscriptions_max",
        ZMTP,
        count(1, 1_000_000),
        "10000",
        "Different prefixes that one SUB may be subscribed to",
        |config, number| config.zmtp.subscriptions_max = size(number),
    ),
    number(
        "zmtp.connect_timeout_ms",
        ZMTP,
        millis(10, HOUR_MS),
        "10000",
        "Time that a client has from connecting to the end of its handshake",
        |config, number| config.zmtp.connect_timeout = Duration::from_millis(number),
    ),
    Key {
        path: "zmtp.persistent",
        flag: None,
        group: ZMTP,
        doc: "Whether what ZeroMQ sockets send survives a restart in a durable queue",
        kind: Kind::Choice(&[
            ("true", |config| config.zmtp.persistent = true),
            ("false", |config| config.zmtp.persistent = false),
        ]),
        default: "false",
    },
    Key {
        path: "zmtp.curve_file",
        flag: None,
        group: ZMTP,
        doc: "The file with the broker's secret key for CURVE and its clients' public keys; empty: CURVE is not spoken",
        kind: Kind::Text {
            placeholder: "FILE",
            allowed: "a path, or nothing",
            empty: Empty::Allowed,
            set: |config, text| config.zmtp.curve_file = PathBuf::from(text.trim()),
        },
        default: "",
    },
    Key {
        path: "zmtp.curve_required",
        flag: None,
        group: ZMTP,
        doc: "Whether ZeroMQ sockets that do not speak CURVE are refused",
        kind: Kind::Choice(&[
            ("true", |config| config.zmtp.curve_required = true),
            ("false", |config| config.zmtp.curve_required = false),
        ]),
        default: "false",
    },
    number(
        "subscriber.budget_bytes",
        SUBSCRIBERS,
        bytes(4 * KIB, 64 * GIB),
        "16MiB",
        "Bytes that may be on their way to one subscriber",
        |config, number| config.subscriber.budget_bytes = size(number),
    ),
    number(
        "subscriber.hold_ms",
        SUBSCRIBERS,
        millis(0, HOUR_MS),
        "100",
        "Time for which a subscriber whose budget is used up may hold back its publishers, in each window",
        |config, number| config.subscriber.hold = Duration::from_millis(number),
    ),
    number(
        "subscriber.hold_window_ms",
        SUBSCRIBERS,
        millis(1, HOUR_MS),
        "10000",
        "The window that subscriber.hold_ms is counted in; not shorter than that",
        |config, number| config.subscriber.hold_window = Duration::from_millis(number),
    ),
    Key {
        path: "subscriber.when_stalled",
        flag: None,
        group: SUBSCRIBERS,
        doc: "What is done about a subscriber that used up its budget and its hold time",
        kind: Kind::Choice(&[
            ("drop-oldest", |config| {
                config.subscriber.when_stalled = WhenStalled::DropOldest;
            }),
            ("drop-newest", |config| {
                config.subscriber.when_stalled = WhenStalled::DropNewest;
            }),
            ("disconnect", |config| {
                config.subscriber.when_stalled = WhenStalled::Disconnect;
            }),
        ]),
        default: "drop-oldest",
    },
    number(
        "connection.parked_bytes_max",
        CONNECTIONS,
        bytes(4 * KIB, 16 * GIB),
        "1MiB",
        "Published bytes of one connection that may wait for room, and bytes of answers that it does not read (a confirm, \
         receipt or reply counts as 64, a refusal with its text, what is given back as a message), before its socket is \
         not read",
        |config, number| config.connection.parked_bytes_max = size(number),
    ),
    number(
        "connection.input_bytes_max",
        CONNECTIONS,
        bytes(MIB, 1024 * GIB),
        "1GiB",
        "Bytes that all connections together may keep of frames that are not whole, beyond 64KiB each; the one that grows beyond it is disconnected",
        |config, number| config.connection.input_bytes_max = size(number),
    ),
    number(
        "connection.send_timeout_ms",
        CONNECTIONS,
        millis(10, HOUR_MS),
        "30000",
        "Time for which a client may take none of the bytes sent to it before it is disconnected",
        |config, number| config.connection.send_timeout = Duration::from_millis(number),
    ),
    number(
        "connection.connections_max",
        CONNECTIONS,
        count(1, 10_000_000),
        "100000",
        "Connections at one time",
        |config, number| config.connection.connections_max = size(number),
    ),
    number(
        "store.shards",
        STORE,
        count(2, 1024),
        "64",
        "Shards of a data folder; fixed when the folder is made, later values are not used",
        |config, number| {
            config.store.shards = u16::try_from(number).expect("the limit is 1024");
        },
    ),
    number(
        "store.segment_bytes",
        STORE,
        bytes(MIB, GIB),
        "64MiB",
        "Length of a journal segment",
        |config, number| config.store.segment_bytes = number,
    ),
    number(
        "store.ride_delay_ms",
        STORE,
        millis(0, 10_000),
        "20",
        "Time for which a record that nobody waits for may wait for a round of the journal",
        |config, number| config.store.ride_delay = Duration::from_millis(number),
    ),
    number(
        "store.disk_free_bytes_min",
        STORE,
        bytes(0, 1024 * GIB),
        "256MiB",
        "Space that must be free on the disk, two journal segments at least; publishers to queues wait while there is less",
        |config, number| config.store.disk_free_bytes_min = number,
    ),
    number(
        "queue.memory_bytes_max",
        STORE,
        bytes(MIB, 1024 * GIB),
        "128MiB",
        "Memory for queued messages: from half of it on, the backlog moves to the disk; publishers to queues wait beyond it",
        |config, number| config.queue.memory_bytes_max = size(number),
    ),
    number(
        "queue.notes_bytes_max",
        STORE,
        bytes(KIB, GIB),
        "1MiB",
        "Bytes that may be kept beside one queue by who has taken it over: the subscriptions and packet identifiers of an MQTT session; all together have a quarter of queue.memory_bytes_max, 32MiB at least",
        |config, number| config.queue.notes_bytes_max = size(number),
    ),
    number(
        "retained.count_max",
        STORE,
        count(0, 100_000_000),
        "1000000",
        "Messages that may be retained; a publish that is to be retained is refused beyond it",
        |config, number| config.retained.count_max = size(number),
    ),
    number(
        "retained.bytes_max",
        STORE,
        bytes(0, 64 * GIB),
        "64MiB",
        "Memory for retained messages, their keys and what else they need; a publish that is to be retained is refused beyond it",
        |config, number| config.retained.bytes_max = size(number),
    ),
    Key {
        path: "virtual_topic.topics",
        flag: None,
        group: VIRTUAL_TOPICS,
        doc: "Topics whose messages also go to the queues that are named for them behind virtual_topic.queue_prefix",
        kind: Kind::Text {
            placeholder: "PATTERN",
            allowed: "levels with dots between them, `*` for any one, `>` for any number; empty for no topic",
            empty: Empty::Allowed,
            set: |config, text| text.trim().clone_into(&mut config.virtual_topic.topics),
        },
        default: "VirtualTopic.>",
    },
    Key {
        path: "virtual_topic.queue_prefix",
        flag: None,
        group: VIRTUAL_TOPICS,
        doc: "What the names of such queues begin with, before the topic",
        kind: Kind::Text {
            placeholder: "PREFIX",
            allowed: "levels with a dot behind each, `*` for any one",
            empty: Empty::Refused,
            set: |config, text| {
                text.trim()
                    .clone_into(&mut config.virtual_topic.queue_prefix);
            },
        },
        default: "Consumer.*.",
    },
];
