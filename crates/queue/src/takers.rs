//! Whose turn it is.

use crate::port::SubscriberId;
use model::SoloMap;
use std::ops::Bound;

/// The subscriptions that have credit, by priority; those of one priority take turns.
#[derive(Debug, Default)]
pub(crate) struct Takers {
    /// The highest priority first. One for each priority that a subscription has.
    levels: Vec<Level>,
    count: usize,
}

#[derive(Debug)]
struct Level {
    priority: i32,
    /// All that have this priority, with credit or not.
    subscription_count: usize,
    takers: SoloMap<SubscriberId, ()>,
    /// The one that was served last; the turn is the next one's.
    served: Option<SubscriberId>,
}

impl Takers {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A subscription of this priority begins.
    pub(crate) fn join(&mut self, priority: i32) {
        let level = match self.level(priority) {
            Ok(at) => &mut self.levels[at],
            Err(at) => {
                // Nearly always the only one.
                self.levels.reserve_exact(1);
                self.levels.insert(
                    at,
                    Level {
                        priority,
                        subscription_count: 0,
                        takers: SoloMap::default(),
                        served: None,
                    },
                );
                &mut self.levels[at]
            }
        };
        level.subscription_count += 1;
    }

    /// A subscription of this priority ends.
    pub(crate) fn part(&mut self, priority: i32, id: SubscriberId) {
        self.remove(priority, id);
        if let Ok(at) = self.level(priority) {
            self.levels[at].subscription_count -= 1;
            if self.levels[at].subscription_count == 0 {
                self.levels.remove(at);
            }
        }
    }

    /// A subscription has credit.
    pub(crate) fn insert(&mut self, priority: i32, id: SubscriberId) {
        if let Ok(at) = self.level(priority) {
            let before = self.levels[at].takers.insert(id, ());
            self.count += usize::from(before.is_none());
        }
    }

    /// A subscription has no credit.
    pub(crate) fn remove(&mut self, priority: i32, id: SubscriberId) {
        if let Ok(at) = self.level(priority) {
            let before = self.levels[at].takers.remove(&id);
            self.count -= usize::from(before.is_some());
        }
    }

    /// The first that the test takes: the highest priority first, each priority in turn. With the number of its
    /// level.
    pub(crate) fn find(
        &self,
        mut test: impl FnMut(SubscriberId) -> bool,
    ) -> Option<(usize, SubscriberId)> {
        let mut levels = self.levels.iter().enumerate();
        levels.find_map(|(number, level)| Some((number, level.find(&mut test)?)))
    }

    /// Notes that a subscription of a level was served.
    pub(crate) fn serve(&mut self, level: usize, id: SubscriberId) {
        if let Some(level) = self.levels.get_mut(level) {
            level.served = Some(id);
        }
    }

    fn level(&self, priority: i32) -> Result<usize, usize> {
        self.levels
            .binary_search_by(|level| priority.cmp(&level.priority))
    }
}

impl Level {
    fn find(&self, mut test: impl FnMut(SubscriberId) -> bool) -> Option<SubscriberId> {
        let mut test = |id: &SubscriberId| test(*id);
        let Some(served) = self.served.filter(|_| self.takers.len() > 1) else {
            return self.takers.keys().copied().find(&mut test);
        };
        let behind = (Bound::Excluded(served), Bound::Unbounded);
        let behind = self
            .takers
            .range(behind)
            .chain(self.takers.range(..=served));
        behind.map(|(id, ())| *id).find(&mut test)
    }
}
