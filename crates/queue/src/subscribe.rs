//! How subscriptions come and go, and what they are granted.

use crate::Queue;
use crate::browse::Browser;
use crate::placement::{Left, Returned};
use crate::port::SubscriberId;
use crate::settle::GoneBack;
use crate::subscription::{CancelCause, InUse, Sharing, Stance, Subscription, SubscriptionOptions};
use model::Instant;
use std::cmp::Reverse;

impl Queue {
    /// Adds a subscription.
    ///
    /// # Errors
    /// When an exclusive subscription is there, or any is and this one is to be exclusive. Those that browse
    /// are no hindrance and have none, and neither are those that have stepped aside. One that is to get a message
    /// is refused as well where only one subscription is active, and there is one.
    ///
    /// # Panics
    /// When the id has a subscription already.
    pub fn subscribe(
        &mut self,
        id: SubscriberId,
        options: SubscriptionOptions,
    ) -> Result<(), InUse> {
        self.assert_new(id);
        let priority = match options.sharing {
            Sharing::Browse => {
                let browser = Browser::new(self.next, self.ready.lanes().len(), options);
                self.browsers.insert(id, browser);
                return Ok(());
            }
            Sharing::Exclusive if self.subscription_count() > 0 => return Err(InUse),
            Sharing::Exclusive => 0,
            Sharing::Get if self.active.is_some() => return Err(InUse),
            Sharing::Get => i32::MAX,
            Sharing::Competing { priority } => priority,
        };
        if self.subscription_count() == 1 {
            let mut others = self.subscriptions.values();
            let other = others.find(|other| other.stance == Stance::Taking);
            if other.is_some_and(|other| other.is_exclusive) {
                return Err(InUse);
            }
        }
        self.subscribed_count += 1;
        let subscription = Subscription::new(self.subscribed_count, priority, options);
        self.filtered_count += usize::from(!subscription.choice.is_any());
        if subscription.stance == Stance::Getting {
            self.bystanders.count += 1;
            self.bystanders.getting.insert(id);
        }
        self.takers.join(priority);
        self.subscriptions.insert(id, Box::new(subscription));
        self.choose_active();
        self.note_credit(id);
        Ok(())
    }

    fn assert_new(&self, id: SubscriberId) {
        let is_known = self.subscriptions.contains_key(&id) || self.browsers.contains_key(&id);
        assert!(!is_known, "{id:?} subscribes a second time");
    }

    /// Ends a subscription; what it has not settled goes back, except what is prepared. Returns whether it
    /// was there.
    pub fn cancel(
        &mut self,
        now: Instant,
        id: SubscriberId,
        cause: CancelCause,
        left: &mut Vec<Left>,
        returned: &mut Vec<Returned>,
    ) -> bool {
        self.step_aside(id);
        let Some(mut subscription) = self.subscriptions.remove(&id) else {
            return self.browsers.remove(&id).is_some();
        };
        self.bystanders.count -= 1;
        let entries = subscription.unsettled.drain().map(|(_, entry)| entry);
        let back = match cause {
            CancelCause::Asked => GoneBack::Released,
            CancelCause::ConnectionLost => GoneBack::Failed(now),
        };
        self.go_back(entries.collect(), back, left, returned);
        self.has_cursors &= !self.subscriptions.is_empty();
        true
    }

    /// A subscription takes nothing more, and counts no more as one; what it has not settled it still may, until it
    /// is [canceled](Self::cancel). Returns whether it was there.
    pub fn step_aside(&mut self, id: SubscriberId) -> bool {
        let Some(subscription) = self.subscriptions.get_mut(&id) else {
            return false;
        };
        match std::mem::replace(&mut subscription.stance, Stance::Aside) {
            Stance::Taking => self.bystanders.count += 1,
            Stance::Getting => drop(self.bystanders.getting.remove(&id)),
            Stance::Aside => return true,
        }
        self.filtered_count -= usize::from(!subscription.choice.is_any());
        self.takers.part(subscription.priority, id);
        if self.holdings.groups.free(id) {
            let others = self.subscriptions.values_mut();
            others.for_each(|other| other.look_at_all_again());
        }
        self.choose_active();
        true
    }

    /// Sets what a subscription may receive in total. One that gets a message has its credit. Returns whether it was there.
    pub fn grant(&mut self, id: SubscriberId, total: u64) -> bool {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            if subscription.stance == Stance::Taking {
                subscription.allowance.grant(total);
            }
        } else if let Some(browser) = self.browsers.get_mut(&id) {
            browser.allowance.grant(total);
            return true;
        } else {
            return false;
        }
        self.note_credit(id);
        true
    }

    /// Takes away what a subscription is granted and has not used.
    pub fn use_up_grant(&mut self, id: SubscriberId) {
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            if subscription.stance == Stance::Taking {
                subscription.allowance.use_up();
                self.note_credit(id);
            }
        } else if let Some(browser) = self.browsers.get_mut(&id) {
            browser.allowance.use_up();
        }
    }

    /// Sees to it that the subscription is among the takers if it has credit and may be delivered to, and
    /// only then.
    pub(crate) fn note_credit(&mut self, id: SubscriberId) {
        let Some(subscription) = self.subscriptions.get(&id) else {
            return;
        };
        let may_take = match subscription.stance {
            Stance::Taking => !self.rules.single_active || self.active == Some(id),
            Stance::Getting => true,
            Stance::Aside => false,
        };
        if may_take && subscription.allowance.left() > 0 {
            self.takers.insert(subscription.priority, id);
        } else {
            self.takers.remove(subscription.priority, id);
        }
    }

    /// Finds who is delivered to, where only one is: the highest priority, then who subscribed first.
    fn choose_active(&mut self) {
        if !self.rules.single_active {
            return;
        }
        let first = self
            .subscriptions
            .iter()
            .filter(|(_, subscription)| subscription.stance == Stance::Taking)
            .min_by_key(|(_, subscription)| (Reverse(subscription.priority), subscription.nth));
        let active = first.map(|(id, _)| *id);
        let previous = std::mem::replace(&mut self.active, active);
        for id in [previous, active].into_iter().flatten() {
            self.note_credit(id);
        }
    }
}
