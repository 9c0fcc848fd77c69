//! Which method.

use crate::method::name_of;
use std::fmt;

/// Who sends frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Who has opened the transport.
    Client,
    /// The broker.
    Server,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Server => "server",
        })
    }
}

/// The numbers of a method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodId {
    /// Of its class.
    pub class_id: u16,
    /// Of the method in its class.
    pub method_id: u16,
}

impl MethodId {
    /// Of no method: what an error tells that is about none.
    pub const NONE: Self = Self::new(0, 0);

    /// Of the method with these numbers.
    #[must_use]
    pub const fn new(class_id: u16, method_id: u16) -> Self {
        Self {
            class_id,
            method_id,
        }
    }
}

impl fmt::Display for MethodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match name_of(*self) {
            Some(name) => f.write_str(name),
            None => write!(f, "method {}.{}", self.class_id, self.method_id),
        }
    }
}
