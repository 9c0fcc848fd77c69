//! What an exchange is defined as.

use crate::Property;
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The rule by which an exchange chooses among its bindings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExchangeKind {
    /// To the queue whose name is the routing key. Only the exchange with the empty name is of this
    /// kind; it takes no bindings.
    Default,
    /// To bindings whose key is the routing key.
    Direct,
    /// To all bindings.
    Fanout,
    /// To bindings whose pattern matches the levels of the routing key.
    Topic,
    /// To bindings whose arguments match the headers, as their argument `x-match` says: `all` (also
    /// without that argument), `any`, `all-with-x`, `any-with-x`. The former two disregard arguments
    /// that begin with `x-`.
    Headers,
    /// To one destination, the same for equal values; each binding's key is its weight, a number.
    ConsistentHash(HashOn),
    /// To one destination, each as likely.
    Random,
}

/// What a consistent-hash exchange hashes. Messages that lack it all go to the same destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashOn {
    /// The routing key.
    RoutingKey,
    /// The header with this name.
    Header(Arc<[u8]>),
    /// A property.
    Property(Property),
}

/// Who may publish to an exchange. Routing does not ask; who lets publishers in does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// Everybody.
    Public,
    /// Only other exchanges, through bindings.
    Internal,
}

/// What an exchange does with a message whose head asks for a delay, as its envelope tells. Routing does not ask; who
/// publishes does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Delays {
    /// It gives the message on as any other.
    Ignored,
    /// The message, published to it, is delivered that much later.
    Granted,
}

/// What an exchange is declared as. Its owner keeps beside it what routing need not know: durability,
/// auto-delete, further arguments.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeDefinition {
    /// How it chooses.
    pub kind: ExchangeKind,
    /// Where a message goes that matches no binding. It need not exist.
    pub alternate: Option<ExchangeName>,
    /// Who may publish to it.
    pub access: Access,
    /// Whether it grants delays.
    pub delays: Delays,
}

/// The first property in which two definitions differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The kind, what is hashed, or whether it grants delays.
    #[error("the kinds differ")]
    Kind,
    /// The alternate exchange.
    #[error("the alternate exchanges differ")]
    Alternate,
    /// Who may publish.
    #[error("one is internal and the other is not")]
    Access,
}

impl ExchangeDefinition {
    /// A public exchange of this kind without an alternate.
    #[must_use]
    pub const fn new(kind: ExchangeKind) -> Self {
        Self {
            kind,
            alternate: None,
            access: Access::Public,
            delays: Delays::Ignored,
        }
    }

    /// Whether a second declaration means the same exchange.
    #[must_use]
    pub fn is_equivalent(&self, other: &Self) -> bool {
        self.difference(other).is_none()
    }

    /// In what a second declaration differs.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Option<Difference> {
        if self.kind != other.kind || self.delays != other.delays {
            Some(Difference::Kind)
        } else if self.alternate != other.alternate {
            Some(Difference::Alternate)
        } else if self.access != other.access {
            Some(Difference::Access)
        } else {
            None
        }
    }
}

/// The longest name of an exchange, in bytes (AMQP 0-9-1's short string; the same for all protocols).
const EXCHANGE_NAME_BYTES_MAX: usize = 255;

/// The name of an exchange: 0 to 255 opaque bytes. The empty name is the default exchange's. Cheap to
/// clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeName(Arc<[u8]>);

/// Why some bytes cannot name an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an exchange's name has {bytes} bytes, the limit is {}",
    ExchangeName::BYTES_MAX
)]
pub struct ExchangeNameTooLong {
    /// The bytes that it has.
    pub bytes: usize,
}

impl ExchangeName {
    /// The longest name, in bytes.
    pub const BYTES_MAX: usize = EXCHANGE_NAME_BYTES_MAX;

    /// Checks and copies a name.
    ///
    /// # Errors
    /// [`ExchangeNameTooLong`] when `bytes` is over [`Self::BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self, ExchangeNameTooLong> {
        if bytes.len() > Self::BYTES_MAX {
            return Err(ExchangeNameTooLong { bytes: bytes.len() });
        }
        Ok(Self(bytes.into()))
    }

    /// A name of the program's own.
    ///
    /// # Panics
    /// When it is too long.
    #[must_use]
    pub fn known(bytes: &'static [u8]) -> Self {
        assert!(bytes.len() <= Self::BYTES_MAX, "known names are short");
        Self(bytes.into())
    }

    /// The exchange of topics without an exchange's name.
    #[must_use]
    pub fn topic() -> Self {
        Self::known(b"amq.topic")
    }

    /// The default exchange.
    #[must_use]
    pub fn default_exchange() -> Self {
        Self::known(b"")
    }

    /// The name's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Borrow<[u8]> for ExchangeName {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ExchangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&String::from_utf8_lossy(&self.0), f)
    }
}

impl fmt::Debug for ExchangeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}
