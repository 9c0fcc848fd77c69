//! The settings in the types their users want.

use crate::composite::Composite;
use model::Policies;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;
use tracing::Level;

/// Every setting of a broker, checked. Made once at start, never changed.
///
/// Invariant: each number is within the limits of its key in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The folder that holds everything the broker must not forget.
    pub data_dir: PathBuf,
    /// Where clients connect.
    pub listen: Listen,
    /// Who may connect.
    pub auth: Auth,
    /// Limits of STOMP connections.
    pub stomp: Stomp,
    /// Limits of MQTT connections.
    pub mqtt: Mqtt,
    /// Limits of AMQP connections.
    pub amqp: Amqp,
    /// Limits of connections of ZeroMQ sockets.
    pub zmtp: Zmtp,
    /// What a subscriber may hold back.
    pub subscriber: Subscriber,
    /// Limits of all connections.
    pub connection: Connection,
    /// The journal.
    pub store: Store,
    /// Limits of queues.
    pub queue: Queue,
    /// Limits of what is retained.
    pub retained: Retained,
    /// Topics that reach queues by the queues' names.
    pub virtual_topic: VirtualTopic,
    /// Names that stand for several others. In the order of the file; no two have the same name.
    pub composites: Vec<Composite>,
    /// Rules for queues and exchanges by their names.
    pub policies: Policies,
    /// Threads that run queues; 0 for one per core.
    pub executors: usize,
    /// What the broker tells its operator.
    pub log: Log,
}

/// Where clients connect. Each text is `off` or a comma list of `host:port`, not yet parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The addresses that speak STOMP.
    pub stomp: String,
    /// The addresses that speak MQTT.
    pub mqtt: String,
    /// The addresses that speak AMQP 0-9-1.
    pub amqp: String,
    /// The addresses that speak ZMTP, each with `/` and the name of a queue behind it, or not.
    pub zmtp: String,
    /// The addresses that speak STOMP or MQTT over WebSocket.
    pub ws: String,
}

/// Who may connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Auth {
    /// The file that holds the users; from the data folder on, unless it begins elsewhere.
    pub users_file: PathBuf,
    /// Whether there is a guest, with a known password, from this machine only.
    pub guest: bool,
}

/// Limits of STOMP connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stomp {
    /// The longest head of a frame (command and all headers), in bytes.
    pub head_bytes_max: usize,
    /// The longest header line, in bytes.
    pub header_bytes_max: usize,
    /// Headers in one frame.
    pub header_count_max: usize,
    /// The longest body, in bytes.
    pub body_bytes_max: usize,
    /// Subscriptions of one connection at one time.
    pub subscriptions_max: usize,
    /// Time from accept to a whole CONNECT frame.
    pub connect_timeout: Duration,
    /// What the open transactions of one connection may hold, in bytes.
    pub transaction_bytes_max: usize,
    /// Whether a `host` that names no vhost is refused; else it means the default one.
    pub strict_host: bool,
}

/// Limits of AMQP connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amqp {
    /// The longest body, in bytes.
    pub body_bytes_max: usize,
    /// Channels of one connection at one time.
    pub channels_max: u16,
    /// Consumers of one connection at one time.
    pub consumers_max: usize,
    /// Time from accept to a whole `connection.open`.
    pub connect_timeout: Duration,
    /// What the transactions of one connection may hold together, in bytes.
    pub transaction_bytes_max: usize,
    /// How long a delivery may be unsettled; for ever if it is zero.
    pub consumer_timeout: Duration,
}

/// Limits of MQTT connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mqtt {
    /// The longest PUBLISH, in bytes.
    pub packet_bytes_max: usize,
    /// Subscriptions of one connection at one time.
    pub subscriptions_max: usize,
    /// Time from accept to a whole CONNECT.
    pub connect_timeout: Duration,
    /// PUBLISH packets with QoS 1 and 2 of one client that may be unanswered.
    pub receive_max: NonZeroU16,
    /// Topic aliases that one client may set.
    pub topic_alias_max: u16,
    /// Topic aliases that one client is given.
    pub topic_alias_send_max: u16,
    /// The longest keep alive, in seconds; 0 for any.
    pub keep_alive_seconds_max: u16,
    /// Whether a payload that says that it is UTF-8 must be.
    pub validate_payload_utf8: bool,
    /// What clients that ask for it are told of response topics; empty for nothing.
    pub response_information: String,
    /// Where clients are sent while the broker stops; empty for nowhere.
    pub server_reference: String,
    /// Whether they are to stay there.
    pub server_moved: bool,
    /// Time from one round of what the broker tells of itself to the next; zero for none.
    pub sys_interval: Duration,
    /// For how long a session is kept at most once its connection has ended, in seconds; 0 for ever.
    pub session_expiry_seconds_max: u32,
    /// Messages that may wait for the client of a session that is kept.
    pub session_messages_max: u64,
    /// Sessions of one user that are kept at one time.
    pub sessions_per_user_max: usize,
}

/// Limits of connections of ZeroMQ sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zmtp {
    /// The longest message, all of its frames together, in bytes.
    pub message_bytes_max: usize,
    /// Different prefixes that one SUB may be subscribed to.
    pub subscriptions_max: usize,
    /// Time from connecting to the end of the handshake.
    pub connect_timeout: Duration,
    /// Whether what they send is persistent.
    pub persistent: bool,
    /// The file with the keys of CURVE; empty if that is not spoken.
    pub curve_file: PathBuf,
    /// Whether nothing but CURVE is spoken.
    pub curve_required: bool,
}

/// Topics that reach queues by the queues' names: a message to `VirtualTopic.Orders` goes to the queues
/// `Consumer.A.VirtualTopic.Orders` and `Consumer.B.VirtualTopic.Orders`, too. In both texts, levels are
/// separated by `.`, and `*` stands for one; not yet parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualTopic {
    /// The topics that do, as a pattern: `>` stands for any number of levels. Empty for none.
    pub topics: String,
    /// What the names of their queues begin with; behind it stands the topic. Never empty.
    pub queue_prefix: String,
}

/// What a subscriber may hold back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscriber {
    /// Bytes on their way to one subscriber.
    pub budget_bytes: usize,
    /// Time for which a subscriber with no budget left may hold its publishers back in each window.
    pub hold: Duration,
    /// The window that `hold` is counted in.
    pub hold_window: Duration,
    /// What happens to a subscriber that has used up both.
    pub when_stalled: WhenStalled,
}

/// What happens to a subscriber that accepts nothing for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStalled {
    /// The messages that wait longest for it are dropped.
    DropOldest,
    /// The messages that come for it are dropped.
    DropNewest,
    /// Its connection is closed.
    Disconnect,
}

/// Limits of all connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Published bytes of one connection that may wait for room, and bytes of answers that it does not read, before its
    /// socket is not read.
    pub parked_bytes_max: usize,
    /// Bytes that all connections together may keep of frames that are not whole.
    pub input_bytes_max: usize,
    /// Time for which a peer may take none of the bytes sent to it before it is disconnected.
    pub send_timeout: Duration,
    /// Connections at one time.
    pub connections_max: usize,
}

/// The journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Shards of a data folder that is made now. An existing folder keeps what it was made with.
    pub shards: u16,
    /// Length of a journal segment, in bytes.
    pub segment_bytes: u64,
    /// Time for which a record that nobody waits for may wait for company.
    pub ride_delay: Duration,
    /// Space that must be free on the disk, in bytes; publishers to queues wait while there is less.
    pub disk_free_bytes_min: u64,
}

/// Limits of queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    /// Memory for queued messages, in bytes: from half of it on, the backlog moves to the disk; publishers to
    /// queues wait beyond it.
    pub memory_bytes_max: usize,
    /// What may be kept beside one queue by who has taken it over, in bytes.
    pub notes_bytes_max: usize,
}

/// The last messages of topics, for who subscribes later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retained {
    /// How many there may be.
    pub count_max: usize,
    /// Memory that they may take, in bytes.
    pub bytes_max: usize,
}

/// What the broker tells its operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The least important line that is shown.
    pub level: Level,
}

impl Config {
    /// Where the users are.
    #[must_use]
    pub fn users_file(&self) -> PathBuf {
        self.data_dir.join(&self.auth.users_file)
    }

    /// What the table's defaults are written over. Not a usable set of settings.
    pub(crate) fn blank() -> Self {
        Self {
            data_dir: PathBuf::new(),
            listen: Listen {
                stomp: String::new(),
                mqtt: String::new(),
                amqp: String::new(),
                zmtp: String::new(),
                ws: String::new(),
            },
            auth: Auth {
                users_file: PathBuf::new(),
                guest: false,
            },
            stomp: Stomp {
                head_bytes_max: 0,
                header_bytes_max: 0,
                header_count_max: 0,
                body_bytes_max: 0,
                subscriptions_max: 0,
                connect_timeout: Duration::ZERO,
                transaction_bytes_max: 0,
                strict_host: false,
            },
            mqtt: Mqtt {
                packet_bytes_max: 0,
                subscriptions_max: 0,
                connect_timeout: Duration::ZERO,
                receive_max: NonZeroU16::MIN,
                topic_alias_max: 0,
                topic_alias_send_max: 0,
                keep_alive_seconds_max: 0,
                validate_payload_utf8: false,
                response_information: String::new(),
                server_reference: String::new(),
                server_moved: false,
                sys_interval: Duration::ZERO,
                session_expiry_seconds_max: 0,
                session_messages_max: 0,
                sessions_per_user_max: 0,
            },
            amqp: Amqp {
                body_bytes_max: 0,
                channels_max: 0,
                consumers_max: 0,
                connect_timeout: Duration::ZERO,
                transaction_bytes_max: 0,
                consumer_timeout: Duration::ZERO,
            },
            zmtp: Zmtp {
                message_bytes_max: 0,
                subscriptions_max: 0,
                connect_timeout: Duration::ZERO,
                persistent: false,
                curve_file: PathBuf::new(),
                curve_required: false,
            },
            subscriber: Subscriber {
                budget_bytes: 0,
                hold: Duration::ZERO,
                hold_window: Duration::ZERO,
                when_stalled: WhenStalled::DropOldest,
            },
            connection: Connection {
                parked_bytes_max: 0,
                input_bytes_max: 0,
                send_timeout: Duration::ZERO,
                connections_max: 0,
            },
            store: Store {
                shards: 0,
                segment_bytes: 0,
                ride_delay: Duration::ZERO,
                disk_free_bytes_min: 0,
            },
            queue: Queue {
                memory_bytes_max: 0,
                notes_bytes_max: 0,
            },
            retained: Retained {
                count_max: 0,
                bytes_max: 0,
            },
            virtual_topic: VirtualTopic {
                topics: String::new(),
                queue_prefix: String::new(),
            },
            composites: Vec::new(),
            policies: Policies::default(),
            executors: 0,
            log: Log { level: Level::INFO },
        }
    }
}
