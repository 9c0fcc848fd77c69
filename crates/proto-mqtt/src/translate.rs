//! Between MQTT's words and the model's: topics, PUBLISH into a message, a message into PUBLISH. Nothing
//! else in this crate knows both vocabularies.

mod deliver;
mod heads;
mod properties;
mod publish;
mod topic;
mod user_properties;

pub(crate) use deliver::{Outgoing, put_publish};
pub use heads::MqttHeads;
pub(crate) use properties::PublishedAs;
pub use properties::put_foreign_properties;
pub(crate) use publish::{message_of, will_of};
pub(crate) use topic::{is_hidden, pattern_of, put_key, skips_hidden};

/// The bits of a message's dialect flags that hold the QoS of its PUBLISH.
///
/// Written to disk, never given another meaning.
pub(crate) const FLAG_QOS: u8 = 0x03;

/// The bit of a message's dialect flags that says that its PUBLISH had RETAIN.
///
/// Written to disk, never given another meaning.
pub(crate) const FLAG_RETAIN: u8 = 0x04;
