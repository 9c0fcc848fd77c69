//! Fuzz targets: one function each, from bytes to a panic or none.
//!
//! The same function is run in two ways: `tests/replay.rs` replays `corpus/TARGET/*` and mutations of it
//! in every test run, and `cargo xtask fuzz TARGET` runs libFuzzer on it (the package in `fuzz/`).
//!
//! A target is deterministic, has no clock and no disk, and takes any bytes. How it reads them is told
//! at its function, so that a corpus can be written by hand. It must not know how the code under test
//! works: only what that promises.
//!
//! Read first: [`TARGETS`], then [`log_recovery`]. What all sessions of clients promise is in `driven`; what files of
//! the store have in common, in `files`.

mod admin;
mod amqp_codec;
mod amqp_session;
mod broker_entry;
mod driven;
mod files;
mod input;
mod log_recovery;
mod mqtt_codec;
mod mqtt_session;
mod page_recovery;
mod selector;
mod stomp_codec;
mod stomp_session;
mod topic_match;
mod websocket;
mod zmq_session;
mod zmtp_codec;
mod zmtp_handshake;
mod zws;

pub use admin::admin;
pub use amqp_codec::amqp_codec;
pub use amqp_session::amqp_session;
pub use broker_entry::broker_entry;
pub use log_recovery::log_recovery;
pub use mqtt_codec::mqtt_codec;
pub use mqtt_session::mqtt_session;
pub use page_recovery::page_recovery;
pub use selector::selector;
pub use stomp_codec::stomp_codec;
pub use stomp_session::stomp_session;
pub use topic_match::topic_match;
pub use websocket::websocket;
pub use zmq_session::zmq_session;
pub use zmtp_codec::zmtp_codec;
pub use zmtp_handshake::zmtp_handshake;
pub use zws::zws;

/// A target: panics when what it tests does.
pub type Target = fn(&[u8]);

/// All targets, by the name of their corpus.
pub const TARGETS: [(&str, Target); 17] = [
    ("admin", admin),
    ("amqp_codec", amqp_codec),
    ("amqp_session", amqp_session),
    ("broker_entry", broker_entry),
    ("log_recovery", log_recovery),
    ("mqtt_codec", mqtt_codec),
    ("mqtt_session", mqtt_session),
    ("page_recovery", page_recovery),
    ("selector", selector),
    ("stomp_codec", stomp_codec),
    ("stomp_session", stomp_session),
    ("topic_match", topic_match),
    ("websocket", websocket),
    ("zmq_session", zmq_session),
    ("zmtp_codec", zmtp_codec),
    ("zmtp_handshake", zmtp_handshake),
    ("zws", zws),
];
