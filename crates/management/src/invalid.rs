//! Why a request makes no sense.

use model::{ExchangeNameTooLong, QueueNameError};
use std::fmt;

/// Why a request that can be read makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// The name cannot be a queue's.
    QueueName(QueueNameError),
    /// The name cannot be an exchange's.
    ExchangeName(ExchangeNameTooLong),
    /// Nobody can declare an exchange of that type.
    TypeReserved,
    /// A field means nothing without another.
    Needs {
        /// What was given.
        field: &'static str,
        /// What is missing.
        other: &'static str,
    },
    /// Two fields exclude each other.
    Both(&'static str, &'static str),
    /// A number is over its limit.
    TooLarge {
        /// The field.
        field: &'static str,
        /// What it was given.
        value: u64,
        /// The limit.
        limit: u64,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::QueueName(error) => error.fmt(f),
            Self::ExchangeName(error) => error.fmt(f),
            Self::TypeReserved => {
                f.write_str("only the exchange with the empty name is of type `default`")
            }
            Self::Needs { field, other } => write!(f, "`{field}` means nothing without {other}"),
            Self::Both(one, two) => write!(f, "`{one}` and `{two}` exclude each other"),
            Self::TooLarge {
                field,
                value,
                limit,
            } => write!(f, "`{field}` is {value}, the limit is {limit}"),
        }
    }
}

impl std::error::Error for Invalid {}

impl From<QueueNameError> for Invalid {
    fn from(error: QueueNameError) -> Self {
        Self::QueueName(error)
    }
}

impl From<ExchangeNameTooLong> for Invalid {
    fn from(error: ExchangeNameTooLong) -> Self {
        Self::ExchangeName(error)
    }
}
