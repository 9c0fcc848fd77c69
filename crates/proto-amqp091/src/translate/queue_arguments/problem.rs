//! Why an argument cannot be taken.

use crate::violation::Excerpt;
use model::QueueKind;
use std::fmt;

/// An argument that cannot be taken, and why.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::translate) struct Problem {
    pub(super) name: Excerpt,
    pub(in crate::translate) reason: Reason,
}

#[derive(Debug, PartialEq, Eq)]
pub(in crate::translate) enum Reason {
    /// It is not what it must be.
    Value {
        value: String,
        expected: &'static str,
    },
    /// It means nothing without another.
    Needs(&'static str),
    /// It asks for what is not there.
    NotImplemented(&'static str),
    /// Queues of this kind do not have it; the name may be of a kind that is not there.
    Unfit(QueueKind),
}

impl Problem {
    pub(super) fn needs(name: &[u8], other: &'static str) -> Self {
        Self {
            name: Excerpt::of(name),
            reason: Reason::Needs(other),
        }
    }

    /// What the client is told, as RabbitMQ begins it.
    pub(in crate::translate) fn for_queue(&self, queue: impl fmt::Display) -> String {
        let name = &self.name;
        let start = format!("invalid arg '{name}' for queue '{queue}' in vhost '/'");
        match &self.reason {
            Reason::Value { value, expected } => {
                format!("{start}: it is {value}, but must be {expected}")
            }
            Reason::Needs(other) => format!("{start}: it needs '{other}'"),
            Reason::NotImplemented(value) => format!("{start}: '{value}' is not implemented"),
            Reason::Unfit(kind) => format!("{start} of queue type {}", kind.name()),
        }
    }
}
