//! What becomes of a message when it is dead-lettered.

use crate::Node;
use crate::head::Head;
use crate::routes::{self, Found};
use crate::shared_queue::SharedQueue;
use broker_api::Heads;
use model::{DeadLetter, Death, DeathReason, Deaths, Envelope, Instant, Message, Parts};
use queue::LeaveReason;
use std::borrow::Cow;
use std::sync::Arc;

/// The dead letter of a message that leaves a queue: published to the dead-letter exchange, under its key alone or
/// the message's own, all of them unless it dies by itself again; it neither expires nor waits any more by its own wish, and notes how it died.
pub(crate) fn of(
    heads: Heads,
    now: Instant,
    queue: &[u8],
    message: &Message,
    to: &DeadLetter,
    reason: DeathReason,
) -> (Message, Deaths) {
    // What cannot be read was not written by this broker; the letter is worth more than its history.
    let mut deaths = Deaths::decode(message.annotations()).unwrap_or_default();
    let is_again_by_itself = dies_again_by_itself(&deaths, reason);
    deaths.add(Death {
        queue: queue.to_vec(),
        reason,
        count: 1,
        time_ms: now.millis(),
        exchange: message.exchange().to_vec(),
        key: message.key().to_vec(),
        further_keys: Head::of(heads, message).shown_further_keys(),
    });
    // A dead letter has none any more, so this is its first death.
    let known = message.envelope();
    if let Some(ttl_ms) = known.ttl_ms {
        // A delay that an exchange has granted was added to it.
        let added_ms = if known.head_routes { known.delay_ms } else { 0 };
        deaths.note_ttl_ms(ttl_ms.saturating_sub(added_ms));
    }
    let envelope = Envelope {
        ttl_ms: None,
        delay_ms: 0,
        ..known
    };
    let mut head = Cow::Borrowed(message.head());
    if envelope.head_routes && (to.key.is_some() || is_again_by_itself) {
        head = Head::of(heads, message).without_further_keys().into();
    }
    let letter = Message::new(&Parts {
        envelope,
        exchange: to.exchange.as_bytes(),
        key: to.key.as_deref().unwrap_or(message.key()),
        annotations: &deaths.encode(),
        head: &[&head],
        body: message.body(),
    });
    (letter, deaths)
}

/// Whether a message with these deaths dies by itself as it did the last time. Its copies for other queues do the
/// same: if each went by all keys again, they would multiply with every round.
fn dies_again_by_itself(deaths: &Deaths, reason: DeathReason) -> bool {
    let by_itself = |reason| reason != DeathReason::Rejected;
    by_itself(reason)
        && deaths
            .iter()
            .next()
            .is_some_and(|last| by_itself(last.reason))
}

/// What a dead letter goes to: whoever publishes it may use any exchange, and it does not go to a queue
/// where it has died before by itself.
pub(crate) fn resolve(node: &Node, letter: &Message, deaths: &Deaths, random: u64) -> Found {
    let mut found = routes::resolve(node, &node.routes.load(), letter, random);
    let is_cycle = |shared: &Arc<SharedQueue>| deaths.is_cycle(shared.name.as_bytes());
    found.shared.retain(|shared| !is_cycle(shared));
    found
}

/// The reason for which a message that left so is dead-lettered, if it is.
pub(crate) const fn reason(reason: LeaveReason) -> Option<DeathReason> {
    match reason {
        LeaveReason::Rejected => Some(DeathReason::Rejected),
        LeaveReason::Expired => Some(DeathReason::Expired),
        LeaveReason::MaxLength => Some(DeathReason::MaxLength),
        LeaveReason::DeliveryLimit => Some(DeathReason::DeliveryLimit),
        LeaveReason::Accepted | LeaveReason::Superseded | LeaveReason::Purged => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_queue_keeps_its_body_for_is_what_becomes_a_dead_letter() {
        for leaves in [
            LeaveReason::Accepted,
            LeaveReason::Rejected,
            LeaveReason::Expired,
            LeaveReason::MaxLength,
            LeaveReason::DeliveryLimit,
            LeaveReason::Superseded,
            LeaveReason::Purged,
        ] {
            assert_eq!(reason(leaves).is_some(), leaves.is_death(), "{leaves:?}");
        }
    }
}
