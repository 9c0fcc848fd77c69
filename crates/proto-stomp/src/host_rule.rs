//! Which virtual hosts a client may name.

use std::sync::Arc;

/// What the `host` header of CONNECT may say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HostRule {
    /// Anything: clients write the host's name there, and it means the default vhost.
    #[default]
    AnyIsDefault,
    /// Nothing, `/`, or one of these names; another is refused as an unknown vhost.
    Known(Arc<[Box<[u8]>]>),
}

impl HostRule {
    /// Whether a client may name this host.
    #[must_use]
    pub fn admits(&self, host: &[u8]) -> bool {
        match self {
            Self::AnyIsDefault => true,
            Self::Known(names) => {
                host.is_empty() || host == b"/" || names.iter().any(|name| **name == *host)
            }
        }
    }
}
