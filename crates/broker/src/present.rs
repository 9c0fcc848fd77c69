//! Which connections are whose, so that they end with their user.

use crate::outbox::Outbox;
use auth::Users;
use broker_api::Refusal;
use model::ConnectionId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The connections of each user that has some.
///
/// Who is let in stands here first, and then looks whether its user is still there; whoever takes a user away does that
/// first, and then looks here: one of them sees the other.
#[derive(Default)]
pub(crate) struct Present {
    by_user: Mutex<BTreeMap<Box<str>, Connections>>,
}

type Connections = BTreeMap<ConnectionId, Arc<Outbox>>;

impl Present {
    /// A connection is this user's.
    pub(crate) fn enter(&self, user: &str, outbox: &Arc<Outbox>) {
        let mut by_user = self.by_user.lock();
        let connections = match by_user.get_mut(user) {
            Some(connections) => connections,
            None => by_user.entry(user.into()).or_default(),
        };
        connections.insert(outbox.connection(), Arc::clone(outbox));
    }

    /// It has ended, or is another's.
    pub(crate) fn leave(&self, user: &str, outbox: &Outbox) {
        let mut by_user = self.by_user.lock();
        if let Some(connections) = by_user.get_mut(user) {
            connections.remove(&outbox.connection());
            if connections.is_empty() {
                by_user.remove(user);
            }
        }
    }

    /// Ends the connections of users that were among those before and are not among these.
    pub(crate) fn end_missing(&self, before: &Users, now: &Users) {
        let is_missing = |user: &str| before.get(user).is_some() && now.get(user).is_none();
        let by_user = self.by_user.lock();
        let missing = by_user.iter().filter(|(user, _)| is_missing(user));
        let gone: Vec<(Box<str>, Vec<Arc<Outbox>>)> = missing
            .map(|(user, connections)| (user.clone(), connections.values().cloned().collect()))
            .collect();
        drop(by_user);
        for (user, outboxes) in gone {
            for outbox in outboxes {
                let user = user.clone();
                outbox.end(&Refusal::UserDeleted { user });
            }
        }
    }
}
