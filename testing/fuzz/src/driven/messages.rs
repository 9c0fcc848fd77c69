//! What a broker has for its subscriptions.

use crate::input::Chance;
use model::Message;
use std::collections::VecDeque;

/// The messages that are kept for deliveries.
const MESSAGES_MAX: usize = 16;

/// The last messages that were published.
#[derive(Default)]
pub(crate) struct Messages(VecDeque<Message>);

impl Messages {
    pub(crate) fn keep(&mut self, message: Message) {
        if self.0.len() == MESSAGES_MAX {
            self.0.pop_front();
        }
        self.0.push_back(message);
    }

    /// One of them, if there are any.
    pub(crate) fn some(&self, chance: &mut Chance) -> Option<Message> {
        let at = chance.below(self.0.len().max(1));
        self.0.get(at).cloned()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.0.iter()
    }
}
