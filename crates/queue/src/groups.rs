//! Which subscription has which group of messages.

use crate::port::SubscriberId;
use model::SequenceMap;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The owner of a group without messages is remembered for so many groups: those that had a message last.
const IDLE_MAX: usize = 4096;

/// A group that has messages in the queue, or an owner. Never given to another group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct GroupId(u64);

/// The groups of a queue and who owns them.
///
/// Invariants: a group is known while the queue holds a message of it, and, if it has an owner, for some
/// time after; `idle` has those that are known without a message, by when that began.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    ids: BTreeMap<Arc<[u8]>, GroupId>,
    groups: SequenceMap<Group>,
    last_id: u64,
    idle: BTreeMap<u64, GroupId>,
    last_idle: u64,
    /// Each group that has an owner.
    owned: BTreeSet<(SubscriberId, GroupId)>,
}

#[derive(Debug)]
struct Group {
    name: Arc<[u8]>,
    owner: Option<SubscriberId>,
    /// Its messages in the queue, in whatever state.
    messages: usize,
    /// Its key among those that are idle, while it has no message.
    idle: Option<u64>,
}

impl Groups {
    /// A message of a group enters the queue.
    pub(crate) fn enter(&mut self, name: Box<[u8]>) -> GroupId {
        let id = match self.ids.get(&name[..]) {
            Some(id) => *id,
            None => self.add(Arc::from(name)),
        };
        if let Some(group) = self.groups.get_mut(id.0) {
            group.messages += 1;
            if let Some(idle) = group.idle.take() {
                self.idle.remove(&idle);
            }
        }
        id
    }

    /// A message of a group leaves the queue.
    pub(crate) fn leave(&mut self, id: GroupId) {
        let Some(group) = self.groups.get_mut(id.0) else {
            return;
        };
        group.messages -= 1;
        if group.messages > 0 {
            return;
        }
        if group.owner.is_none() {
            self.forget(id);
            return;
        }
        self.last_idle += 1;
        group.idle = Some(self.last_idle);
        self.idle.insert(self.last_idle, id);
        if self.idle.len() > IDLE_MAX
            && let Some((_, oldest)) = self.idle.pop_first()
        {
            self.forget(oldest);
        }
    }

    pub(crate) fn owner(&self, id: GroupId) -> Option<SubscriberId> {
        self.groups.get(id.0)?.owner
    }

    /// Gives a group to a subscription, unless it has an owner.
    pub(crate) fn bind(&mut self, id: GroupId, owner: SubscriberId) {
        if let Some(group) = self.groups.get_mut(id.0)
            && group.owner.is_none()
        {
            group.owner = Some(owner);
            self.owned.insert((owner, id));
        }
    }

    /// Frees the groups of a subscription that ended; returns whether it had any.
    pub(crate) fn free(&mut self, owner: SubscriberId) -> bool {
        let owned = (owner, GroupId(0))..=(owner, GroupId(u64::MAX));
        let owned: Vec<_> = self.owned.range(owned).map(|(_, id)| *id).collect();
        for id in &owned {
            self.owned.remove(&(owner, *id));
            if let Some(group) = self.groups.get_mut(id.0) {
                group.owner = None;
                if group.messages == 0 {
                    self.forget(*id);
                }
            }
        }
        !owned.is_empty()
    }

    fn add(&mut self, name: Arc<[u8]>) -> GroupId {
        self.last_id += 1;
        let id = GroupId(self.last_id);
        self.ids.insert(Arc::clone(&name), id);
        self.groups.insert(
            id.0,
            Group {
                name,
                owner: None,
                messages: 0,
                idle: None,
            },
        );
        id
    }

    fn forget(&mut self, id: GroupId) {
        if let Some(group) = self.groups.remove(id.0) {
            self.ids.remove(&group.name);
            if let Some(idle) = group.idle {
                self.idle.remove(&idle);
            }
            if let Some(owner) = group.owner {
                self.owned.remove(&(owner, id));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{ConnectionId, SubscriptionId};

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut groups = Groups::default();
        let owner = SubscriberId {
            connection: ConnectionId(1),
            subscription: SubscriptionId(1),
        };
        let name = |number: usize| number.to_le_bytes().into();
        for number in 0..IDLE_MAX * 3 {
            let id = groups.enter(name(number));
            groups.bind(id, owner);
            groups.leave(id);
        }
        assert_eq!(groups.ids.len(), IDLE_MAX);
        assert_eq!(groups.groups.len(), IDLE_MAX);
        let latest = groups.enter(name(IDLE_MAX * 3 - 1));
        assert_eq!(groups.owner(latest), Some(owner));
        let forgotten = groups.enter(name(0));
        assert_eq!(groups.owner(forgotten), None);
        assert!(groups.free(owner));
        assert_eq!(groups.ids.len(), 2, "those with a message");
        assert!(groups.owned.is_empty() && groups.idle.is_empty());
    }
}
