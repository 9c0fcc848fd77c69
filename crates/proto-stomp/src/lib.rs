#![doc = include_str!("../README.md")]

mod codec;
mod escape;
mod frame;
mod limits;
mod refusal;
mod render;
mod session;
mod translate;
mod version;
mod violation;

pub use codec::{Codec, Decoded};
pub use escape::{Part, put_escaped, unescape};
pub use frame::{ClientCommand, Frame, HeaderName};
pub use limits::Limits;
pub use session::Stomp;
pub use version::Version;
pub use violation::{DecodeError, Excerpt};
