//! The keys of CURVE, and whose they are.

use std::collections::BTreeMap;
use zmtp::curve::{PublicKey, SecretKey};

/// The keys of a listener that speaks CURVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Curve {
    /// The broker's own.
    pub secret_key: SecretKey,
    /// The users of the clients' keys: others are refused. If there are none at all, any key will do, and who has one
    /// is the guest.
    pub users: BTreeMap<PublicKey, Box<str>>,
    /// Whether other mechanisms are refused.
    pub is_required: bool,
}

/// Who the owner of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    Guest,
    User(&'a str),
    Stranger,
}

impl Curve {
    pub(crate) fn owner(&self, key: &PublicKey) -> Owner<'_> {
        if self.users.is_empty() {
            return Owner::Guest;
        }
        let user = self.users.get(key);
        user.map_or(Owner::Stranger, |user| Owner::User(user))
    }
}
