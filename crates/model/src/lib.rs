//! The nouns that every part of Barid speaks in: ids, names, [`Message`], [`Outcome`], time.
//!
//! This crate knows no wire format, no disk, no task and no clock; it depends on nothing of ours and
//! everything of ours depends on it. What is here is data with its invariants, no behavior.
//!
//! Read first: [`Message`] (what travels) and [`Sequence`] (where it stands in a queue).

mod address;
mod binding;
mod death;
mod exchange;
mod id;
mod message;
mod name;
mod outcome;
mod queue_definition;
mod sequence_map;
mod solo_map;
mod time;
mod value;

pub use address::Address;
pub use binding::{Arguments, BindingKey};
pub use death::{Death, DeathReason, Deaths};
pub use exchange::{
    Access, Delays, Difference, ExchangeDefinition, ExchangeKind, ExchangeName,
    ExchangeNameTooLong, HashOn,
};
pub use id::{
    CommandId, ConnectionId, ConversationId, LogIndex, PageNumber, QueueId, Sequence, ShardId,
    SubscriptionId,
};
pub use message::{Dialect, Envelope, Message, Parts, Persistence, Retain};
pub use name::{Pattern, PatternLevel, QueueName, QueueNameError, levels};
pub use outcome::Outcome;
pub use queue_definition::{
    DeadLetter, Durability, Lifetime, Overflow, Ownership, QueueDefinition, QueueRules, Redelivery,
};
pub use sequence_map::SequenceMap;
pub use solo_map::SoloMap;
pub use time::Instant;
pub use value::{Float, Property, Value};
