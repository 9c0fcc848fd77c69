#![doc = include_str!("../README.md")]

mod codec;
mod content;
mod encode;
mod field_value;
mod frame;
mod limits;
mod method;
mod method_id;
mod properties;
mod protocol_header;
mod read;
mod refusal;
mod reply_code;
mod secret;
mod session;
mod short_str;
mod table;
mod translate;
mod violation;

pub use codec::{Codec, Decoded};
pub use content::{Assembler, Content, OrderError, Progress};
pub use encode::{
    CONTENT_FRAMES_OVERHEAD_BYTES, put_body_frames, put_content_header, put_heartbeat, put_method,
};
pub use field_value::FieldValue;
pub use frame::{ContentHeader, FRAME_END, FRAME_OVERHEAD_BYTES, Frame, Payload};
pub use limits::Limits;
pub use method::{Method, access, basic, channel, confirm, connection, exchange, queue, tx};
pub use method_id::{MethodId, Side};
pub use properties::{Properties, PropertyList};
pub use protocol_header::{PROTOCOL_HEADER, ProtocolHeader};
pub use reply_code::ReplyCode;
pub use secret::Secret;
pub use session::Amqp091;
pub use short_str::{ShortStr, ShortStrTooLong};
pub use table::{Array, NESTING_MAX, Table, TableBuf};
pub use translate::{AmqpHeads, put_foreign_properties};
pub use violation::{DecodeError, Excerpt, Problem, TableProblem};
