//! Between MQTT's words and the model's: topics, PUBLISH into a message, a message into PUBLISH. Nothing
//! else in this crate knows both vocabularies.

mod deliver;
mod heads;
mod publish;
mod topic;

pub(crate) use deliver::{Outgoing, message_qos, put_publish};
pub use heads::MqttHeads;
pub(crate) use publish::{message_of, will_of};
pub(crate) use topic::{is_hidden, pattern_of, put_key, skips_hidden};

/// The bits of a message's dialect flags that hold the QoS of its PUBLISH. Bit 2 is kept for RETAIN.
///
/// Written to disk, never given another meaning.
pub(crate) const FLAG_QOS: u8 = 0x03;
