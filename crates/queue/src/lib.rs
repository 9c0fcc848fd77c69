//! The queue machine: what is ready, who has what, what goes next.
//!
//! A [`Queue`] is deterministic and does no I/O: it is told of messages, subscriptions, grants and
//! outcomes, and hands deliveries to a [`Port`]. It serves shared queues, whose entries stand in a
//! log, and private ones, which have none. It knows no disk (but log indexes, to wait for), no
//! connection, no protocol and no clock.
//!
//! Read first: [`Queue`], then [`Port`].

mod machine;
mod ready;
mod recovery;
mod subscription;

pub use machine::{Age, Handover, Port, Queue, Settled, Stop, SubscriberId, Unlogged};
pub use recovery::RecoveredQueue;
