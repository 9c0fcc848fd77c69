//! Between MQTT's words and the model's. Nothing else in this crate knows both vocabularies.

mod heads;

pub use heads::MqttHeads;
