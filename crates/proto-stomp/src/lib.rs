#![doc = include_str!("../README.md")]

mod codec;
mod escape;
mod frame;
mod host_rule;
mod limits;
mod refusal;
mod render;
mod session;
mod translate;
mod version;
mod violation;
mod written;

pub use codec::{Codec, Decoded};
pub use escape::{Part, put_escaped, unescape};
pub use frame::{ClientCommand, Frame, HeaderName};
pub use host_rule::HostRule;
pub use limits::Limits;
pub use session::Stomp;
pub use translate::{StompHeads, put_foreign_headers};
pub use version::Version;
pub use violation::{DecodeError, Excerpt};
pub use written::written_frame_len;
