//! Small blocking clients of STOMP, AMQP and MQTT, and [`Broker`]: the real binary as a child process.
//!
//! For the project's own tests. It knows nothing of the broker's crates, so a mistake in their codec
//! cannot hide in both ends. It never sleeps to let something happen: it waits for frames, and its
//! time limit only turns a hang into a failure.
//!
//! Read first: [`Client`] (connect, send, subscribe, receive) and [`Broker`] (start, kill, restart); [`amqp`].

pub mod amqp;
mod broker;
mod connection;
mod frame;
mod mqtt;
mod request;
mod transport;

pub use broker::{Broker, binary, target_dir, zmq_library};
pub use connection::{Client, Reader, Writer};
pub use frame::{Frame, Version};
pub use mqtt::{MQTT_CONNECT, MqttClient};
pub use request::{Options, Send, Subscribe};
pub use transport::WAIT_MAX;
