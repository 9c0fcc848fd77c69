//! PUBLISH packets with QoS 1 and 2 to the client that are not yet answered.

use crate::frame::PacketId;
use model::{Sequence, SubscriptionId};
use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU16;

/// PUBLISH packets with QoS 1 and 2 to the client whose exchange is not over, by packet identifier. There are
/// at most as many as the client takes. [MQTT-3.3.4-9]
#[derive(Debug)]
pub(super) struct InFlight {
    slots: Slots,
    limit: NonZeroU16,
}

/// Identifiers up to this one are those of deliveries from a session's own queue, by their sequences; those above are
/// given to what comes by shared subscriptions. As sequences are on the disk, it is never another.
const OF_SEQUENCE_MAX: u16 = 49_151;

/// How identifiers are given.
#[derive(Debug)]
enum Slots {
    /// Any that is free.
    Any {
        /// At the identifier less one. As long as the most that there were at a time.
        slots: Vec<Option<Sent>>,
        /// Identifiers that are free again, the one that has been longest first.
        free: VecDeque<PacketId>,
    },
    /// That of the delivery's sequence in the session's queue; any that is free above these for other deliveries. Such
    /// sessions are the fewer, so in a box.
    OfSequence(Box<OfSequence>),
}

#[derive(Debug)]
struct OfSequence {
    /// The subscription to the session's queue.
    queue: SubscriptionId,
    sent: BTreeMap<PacketId, Sent>,
    /// Those that the client has to answer.
    unanswered_count: usize,
    others: Others,
}

/// Identifiers for deliveries that do not come by the session's queue, from the highest one downwards.
#[derive(Debug, Default)]
struct Others {
    /// Those that are free again, the one that has been longest first.
    free: VecDeque<PacketId>,
    /// How many were ever given.
    given_count: u16,
}

impl Others {
    /// One that is free. An earlier connection may have given any to what is still being released: to all of them, before
    /// there were others.
    fn take(&mut self, sent: &BTreeMap<PacketId, Sent>) -> Option<PacketId> {
        if let Some(id) = self.free.pop_front() {
            return Some(id);
        }
        loop {
            let id = u16::MAX - self.given_count;
            if id <= OF_SEQUENCE_MAX {
                return None;
            }
            self.given_count += 1;
            let id = PacketId::new(id)?;
            if !sent.contains_key(&id) {
                return Some(id);
            }
        }
    }
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
    /// QoS 2: nothing, until it is noted that it has answered.
    Noting,
    /// QoS 2, released.
    Pubcomp,
    /// QoS 2: nothing more; the identifier is in use until that is noted.
    Forgetting,
}

impl InFlight {
    pub(super) const fn new(limit: NonZeroU16) -> Self {
        Self {
            slots: Slots::Any {
                slots: Vec::new(),
                free: VecDeque::new(),
            },
            limit,
        }
    }

    /// The same for a session that outlives its connection: each identifier is that of the delivery's sequence, so
    /// that the next connection gives it the same.
    /// What comes by other subscriptions than that to the session's queue is the next connection's no more, and has any.
    pub(super) fn of_sequence(limit: NonZeroU16, queue: SubscriptionId) -> Self {
        Self {
            slots: Slots::OfSequence(Box::new(OfSequence {
                queue,
                sent: BTreeMap::new(),
                unanswered_count: 0,
                others: Others::default(),
            })),
            limit,
        }
    }

    pub(super) const fn limit(&self) -> NonZeroU16 {
        self.limit
    }

    /// Keeps a delivery under an identifier that is not in use, if the client takes another.
    /// [MQTT-2.2.1-4]
    pub(super) fn insert(&mut self, new: Sent) -> Option<PacketId> {
        let limit = usize::from(self.limit.get());
        match &mut self.slots {
            Slots::Any { slots, free } => {
                if let Some(id) = free.pop_front() {
                    *slots.get_mut(place(id))? = Some(new);
                    return Some(id);
                }
                if slots.len() >= limit {
                    return None;
                }
                let id = u16::try_from(slots.len() + 1).ok();
                let id = id.and_then(PacketId::new)?;
                slots.push(Some(new));
                Some(id)
            }
            Slots::OfSequence(it) => {
                if it.unanswered_count >= limit {
                    return None;
                }
                let id = match new.subscription == it.queue {
                    true => id_of(new.sequence).filter(|id| !it.sent.contains_key(id))?,
                    false => it.others.take(&it.sent)?,
                };
                it.unanswered_count += 1;
                it.sent.insert(id, new);
                Some(id)
            }
        }
    }

    /// Keeps a delivery that an earlier connection has sent and that is being released.
    pub(super) fn restore(&mut self, id: PacketId, new: Sent) {
        if let Slots::OfSequence(it) = &mut self.slots {
            it.unanswered_count += usize::from(it.sent.insert(id, new).is_none());
        }
    }

    /// Those that are being released.
    pub(super) fn released(&self) -> impl Iterator<Item = PacketId> {
        let sent = match &self.slots {
            Slots::Any { .. } => None,
            Slots::OfSequence(it) => Some(&it.sent),
        };
        let sent = sent.into_iter().flatten();
        sent.filter(|(_, sent)| sent.awaits == Awaits::Pubcomp)
            .map(|(id, _)| *id)
    }

    /// All of them.
    pub(super) fn sent(&self) -> impl Iterator<Item = Sent> {
        let (any, of_sequence) = match &self.slots {
            Slots::Any { slots, .. } => (Some(slots.iter().flatten()), None),
            Slots::OfSequence(it) => (None, Some(it.sent.values())),
        };
        let any = any.into_iter().flatten();
        any.chain(of_sequence.into_iter().flatten()).copied()
    }

    pub(super) fn get_mut(&mut self, id: PacketId) -> Option<&mut Sent> {
        match &mut self.slots {
            Slots::Any { slots, .. } => slots.get_mut(place(id))?.as_mut(),
            Slots::OfSequence(it) => it.sent.get_mut(&id),
        }
    }

    /// The exchange goes on, if this is what it waited for.
    pub(super) fn change(&mut self, id: PacketId, from: Awaits, to: Awaits) -> Option<Sent> {
        let sent = self.get_mut(id).filter(|sent| sent.awaits == from)?;
        sent.awaits = to;
        let changed = *sent;
        if to == Awaits::Forgetting
            && let Slots::OfSequence(it) = &mut self.slots
        {
            it.unanswered_count -= 1;
        }
        Some(changed)
    }

    /// The exchange is over, if this is what it waited for: the identifier is free again.
    pub(super) fn finish(&mut self, id: PacketId, awaits: Awaits) -> Option<Sent> {
        match &mut self.slots {
            Slots::Any { slots, free } => {
                let slot = slots.get_mut(place(id))?;
                let sent = slot.take_if(|sent| sent.awaits == awaits)?;
                free.push_back(id);
                Some(sent)
            }
            Slots::OfSequence(it) => {
                let found = it.sent.get(&id).filter(|sent| sent.awaits == awaits)?;
                if found.subscription != it.queue {
                    it.others.free.push_back(id);
                }
                it.unanswered_count -= usize::from(awaits != Awaits::Forgetting);
                it.sent.remove(&id)
            }
        }
    }
}

/// The identifier of a delivery: the same for ever.
fn id_of(sequence: Sequence) -> Option<PacketId> {
    let number = sequence.0 % u64::from(OF_SEQUENCE_MAX) + 1;
    PacketId::new(u16::try_from(number).ok()?)
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

    #[test]
    fn an_identifier_is_that_of_its_sequence_and_waits_until_it_is_free() {
        let sent = |sequence| Sent {
            subscription: SubscriptionId(1),
            sequence: Sequence(sequence),
            awaits: Awaits::Pubrec,
        };
        let queue = SubscriptionId(1);
        let mut in_flight = InFlight::of_sequence(NonZeroU16::new(2).unwrap(), queue);
        let one = in_flight.insert(sent(49_150)).unwrap();
        assert_eq!(one.get(), 49_151);
        let two = in_flight.insert(sent(49_151)).unwrap();
        assert_eq!(two.get(), 1);
        assert_eq!(in_flight.insert(sent(49_152)), None, "there are two");
        for (from, to) in [
            (Awaits::Pubrec, Awaits::Noting),
            (Awaits::Noting, Awaits::Pubcomp),
            (Awaits::Pubcomp, Awaits::Forgetting),
        ] {
            assert!(in_flight.change(one, to, from).is_none());
            assert!(in_flight.change(one, from, to).is_some());
        }
        assert_eq!(in_flight.insert(sent(49_152)).map(PacketId::get), Some(2));
        assert!(in_flight.finish(two, Awaits::Pubrec).is_some());
        assert_eq!(
            in_flight.insert(sent(49_150 + 49_151)),
            None,
            "it is in use"
        );
        assert!(in_flight.finish(one, Awaits::Forgetting).is_some());
        assert_eq!(in_flight.insert(sent(49_150 + 49_151)), Some(one));
    }

    #[test]
    fn what_is_shared_has_identifiers_of_its_own() {
        let sent = |subscription, sequence| Sent {
            subscription: SubscriptionId(subscription),
            sequence: Sequence(sequence),
            awaits: Awaits::Puback,
        };
        let mut in_flight = InFlight::of_sequence(NonZeroU16::MAX, SubscriptionId(1));
        let all = (0..49_151).map(|at| in_flight.insert(sent(1, at)).unwrap().get());
        assert!(all.eq(1..=49_151));
        let shared: Vec<_> =
            std::iter::from_fn(|| in_flight.insert(sent(2, 7)).map(PacketId::get)).collect();
        assert!(shared.iter().copied().eq((49_152..=65_535).rev()));
        for id in [50_000, 60_000] {
            let id = PacketId::new(id).unwrap();
            assert!(in_flight.finish(id, Awaits::Puback).is_some());
        }
        let again = std::iter::from_fn(|| in_flight.insert(sent(3, 8)).map(PacketId::get));
        assert_eq!(again.collect::<Vec<_>>(), [50_000, 60_000]);
    }

    /// An earlier version gave all identifiers by sequences.
    #[test]
    fn what_is_being_released_keeps_its_identifier() {
        let sent = |subscription, awaits| Sent {
            subscription: SubscriptionId(subscription),
            sequence: Sequence(7),
            awaits,
        };
        let mut in_flight = InFlight::of_sequence(NonZeroU16::MAX, SubscriptionId(1));
        let released = PacketId::new(65_534).unwrap();
        in_flight.restore(released, sent(1, Awaits::Pubcomp));
        let mut given = || in_flight.insert(sent(2, Awaits::Puback)).map(PacketId::get);
        assert_eq!([given(), given()], [Some(65_535), Some(65_533)]);
        assert_eq!(in_flight.released().collect::<Vec<_>>(), [released]);
    }
}
