//! PUBLISH packets with QoS 1 and 2 to the client that are not yet answered.

use crate::frame::PacketId;
use model::{Sequence, SubscriptionId};
use std::collections::VecDeque;
use std::num::NonZeroU16;

/// PUBLISH packets with QoS 1 and 2 to the client whose exchange is not over, by packet identifier. There are
/// at most as many as the client takes. [MQTT-3.3.4-9]
#[derive(Debug)]
pub(super) struct InFlight {
    /// At the identifier less one. As long as the most that there were at a time.
    slots: Vec<Option<Sent>>,
    /// Identifiers that are free again, the one that has been longest first.
    free: VecDeque<PacketId>,
    limit: NonZeroU16,
}

/// A delivery that the client has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) subscription: SubscriptionId,
    pub(super) sequence: Sequence,
    pub(super) awaits: Awaits,
}

/// What the client has to say next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaits {
    /// QoS 1.
    Puback,
    /// QoS 2.
    Pubrec,
    /// QoS 2, released.
    Pubcomp,
}

impl InFlight {
    pub(super) const fn new(limit: NonZeroU16) -> Self {
        Self {
            slots: Vec::new(),
            free: VecDeque::new(),
            limit,
        }
    }

    pub(super) const fn limit(&self) -> NonZeroU16 {
        self.limit
    }

    /// Whether the client takes another.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < usize::from(self.limit.get())
    }

    /// Keeps a delivery under an identifier that is not in use, if the client takes another.
    /// [MQTT-2.2.1-4]
    pub(super) fn insert(&mut self, sent: Sent) -> Option<PacketId> {
        if let Some(id) = self.free.pop_front() {
            *self.slots.get_mut(place(id))? = Some(sent);
            return Some(id);
        }
        if !self.has_room() {
            return None;
        }
        let id = u16::try_from(self.slots.len() + 1).ok();
        let id = id.and_then(PacketId::new)?;
        self.slots.push(Some(sent));
        Some(id)
    }

    /// All of them.
    pub(super) fn sent(&self) -> impl Iterator<Item = Sent> {
        self.slots.iter().flatten().copied()
    }

    pub(super) fn get_mut(&mut self, id: PacketId) -> Option<&mut Sent> {
        self.slots.get_mut(place(id))?.as_mut()
    }

    /// The exchange is over, if this is what it waited for: the identifier is free again.
    pub(super) fn finish(&mut self, id: PacketId, awaits: Awaits) -> Option<Sent> {
        let slot = self.slots.get_mut(place(id))?;
        let sent = slot.take_if(|sent| sent.awaits == awaits)?;
        self.free.push_back(id);
        Some(sent)
    }
}

fn place(id: PacketId) -> usize {
    usize::from(id.get()) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_unique_and_bounded_and_used_again() {
        let sent = |sequence| Sent {
            subscription: SubscriptionId(1),
            sequence: Sequence(sequence),
            awaits: Awaits::Puback,
        };
        let mut in_flight = InFlight::new(NonZeroU16::new(2).unwrap());
        let one = in_flight.insert(sent(1)).unwrap();
        let two = in_flight.insert(sent(2)).unwrap();
        assert_eq!((one.get(), two.get()), (1, 2));
        assert!(!in_flight.has_room());
        assert_eq!(in_flight.insert(sent(3)), None);
        assert_eq!(in_flight.finish(one, Awaits::Pubcomp), None);
        assert_eq!(in_flight.finish(one, Awaits::Puback), Some(sent(1)));
        assert_eq!(in_flight.finish(one, Awaits::Puback), None);
        assert_eq!(in_flight.insert(sent(3)), Some(one));
        assert_eq!(
            in_flight.finish(PacketId::new(9).unwrap(), Awaits::Puback),
            None
        );
    }

    #[test]
    fn every_identifier_can_be_used() {
        let mut in_flight = InFlight::new(NonZeroU16::MAX);
        let sent = Sent {
            subscription: SubscriptionId(1),
            sequence: Sequence(1),
            awaits: Awaits::Pubrec,
        };
        let ids: Vec<_> = std::iter::from_fn(|| in_flight.insert(sent)).collect();
        assert_eq!(ids.len(), 65_535);
        assert_eq!(ids.last().map(|id| id.get()), Some(65_535));
    }
}
