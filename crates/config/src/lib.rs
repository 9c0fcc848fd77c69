//! Every setting of the broker.
//!
//! One table of keys ([`keys`]) is the single source: each key has a place in the TOML file, an
//! environment variable, a flag, a default, limits and a text for `--help`. A flag beats the
//! environment, the environment beats the file, the file beats the default. An unknown or bad key
//! is an error that names the key, where it came from, its value and what is allowed. Lists of
//! things ([`Composite`], [`model::Policy`]) stand in the file only.
//!
//! The commands that ask a running broker ([`AdminInvocation`]) are a table of their own; what they
//! ask is left as it is to be said to the broker, unread.
//!
//! This crate does no I/O: arguments, environment and the means to read a file are passed to
//! [`parse`]. Only [`from_process`] takes them from the process. It knows nothing of what the
//! settings do: addresses stay text, for instance, until the listeners parse them.
//!
//! Read first: [`Config`] (the result) and the table in `table.rs`.

mod admin;
mod command;
mod composite;
mod error;
mod key;
mod place;
mod policy;
mod settings;
mod sources;
mod store;
mod table;
mod value;

pub use admin::{AdminInvocation, Output};
pub use command::{Invocation, from_process, parse};
pub use composite::{Composite, Destination};
pub use error::{BadKey, Error, Origin};
pub use key::{Key, keys, reference};
pub use settings::{
    Amqp, Auth, Config, Connection, Listen, Log, Mqtt, Queue, Retained, Stomp, Store, Subscriber,
    VirtualTopic, WhenStalled, Zmtp,
};
pub use store::{StoreCommand, StoreInvocation};
pub use tracing::Level;
