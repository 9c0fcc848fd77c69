#![doc = include_str!("../README.md")]

mod codec;
mod encode;
mod frame;
mod limits;
mod read;
mod refusal;
mod rules;
mod session;
mod told;
mod translate;
mod version;
mod violation;
mod written;

pub use codec::{Codec, Decoded};
pub use encode::EncodeError;
pub use frame::*;
pub use limits::{Limits, SessionLimits};
pub use session::Mqtt;
pub use told::Told;
pub use translate::{MqttHeads, put_foreign_properties};
pub use version::{ProtocolName, Side, Version};
pub use violation::{Answer, ConnectError, DecodeError, Excerpt, Field, FilterError, Problem};
pub use written::written_packet_len;
