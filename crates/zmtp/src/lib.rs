#![doc = include_str!("../README.md")]

mod command;
mod connection;
pub mod curve;
mod error;
mod frame;
mod greeting;
mod handshake;
mod heartbeat;
mod identity;
pub mod metadata;
mod settings;
mod socket_type;
pub mod udp;
mod version;
pub mod zap;
pub mod zws;

pub use command::{Command, CommandError, GROUP_BYTES_MAX, PING_CONTEXT_BYTES_MAX};
pub use connection::{Connection, Event, Peer, Step};
pub use error::{Error, Reason, SendError};
pub use frame::{
    Decoded, Frame, FrameError, FrameHead, FrameKind, Framing, HEAD_BYTES_MAX, decode, put_frame,
};
pub use greeting::{GREETING_BYTES, MechanismName};
pub use heartbeat::{Beat, Heartbeat, HeartbeatSettings};
pub use identity::{IDENTITY_BYTES_MAX, Identity, IdentityError};
pub use metadata::{Metadata, MetadataError};
pub use settings::{
    Authentication, Counterpart, CurveClient, CurveServer, Limits, LoginTooLong, Mechanism,
    MetadataBuf, PlainLogin, Settings,
};
pub use socket_type::SocketType;
pub use version::Version;
pub use zap::{Credentials, StatusCode, Verdict};
