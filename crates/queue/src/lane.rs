//! The ready messages of one priority.

use crate::entry::Entry;
use model::Sequence;
use std::collections::{BTreeMap, VecDeque};

/// So many gaps are borne, whatever the number of messages.
const GAPS_BORNE: usize = 64;

/// The ready messages of one priority, ascending by sequence.
///
/// Most are appended at the end and taken from the front; those live in a ring. One taken from the middle
/// leaves a gap, into which it may come back. One that comes back where it has no gap stands aside, in an
/// ordered map. So every operation costs at most a search; gaps are closed when they are more than the messages.
///
/// Invariant: both ends of the ring hold messages; the ring and what stands aside have no sequence in common.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    ring: VecDeque<Slot>,
    gaps: usize,
    aside: BTreeMap<Sequence, Entry>,
}

#[derive(Debug)]
enum Slot {
    Held(Entry),
    Gap(Sequence),
}

impl Slot {
    fn sequence(&self) -> Sequence {
        match self {
            Self::Held(entry) => entry.sequence,
            Self::Gap(sequence) => *sequence,
        }
    }

    #[inline]
    fn into_entry(self) -> Option<Entry> {
        match self {
            Self::Held(entry) => Some(entry),
            Self::Gap(_) => None,
        }
    }

    fn entry(&self) -> Option<&Entry> {
        match self {
            Self::Held(entry) => Some(entry),
            Self::Gap(_) => None,
        }
    }

    fn entry_mut(&mut self) -> Option<&mut Entry> {
        match self {
            Self::Held(entry) => Some(entry),
            Self::Gap(_) => None,
        }
    }
}

impl Lane {
    pub(crate) fn first(&self) -> Option<&Entry> {
        let front = self.ring.front().and_then(Slot::entry);
        if self.aside.is_empty() {
            return front;
        }
        earlier(front, self.aside.values().next())
    }

    pub(crate) fn last(&self) -> Option<&Entry> {
        let back = self.ring.back().and_then(Slot::entry);
        let aside = self.aside.values().next_back();
        [back, aside]
            .into_iter()
            .flatten()
            .max_by_key(|entry| entry.sequence)
    }

    /// Gives back the memory for far more messages than there are.
    pub(crate) fn shrink(&mut self) {
        if self.ring.capacity() / 4 > self.ring.len() {
            self.ring.shrink_to(self.ring.len() * 2);
        }
    }

    /// The first message at or behind a sequence.
    pub(crate) fn first_from(&self, sequence: Sequence) -> Option<&Entry> {
        let in_ring = match self.ring.front() {
            Some(front) if front.sequence() < sequence => {
                let place = self.place(sequence);
                self.ring.range(place..).find_map(Slot::entry)
            }
            Some(front) => front.entry(),
            None => None,
        };
        if self.aside.is_empty() {
            return in_ring;
        }
        let aside = self.aside.range(sequence..).next();
        earlier(in_ring, aside.map(|(_, entry)| entry))
    }

    /// Puts a message to its place.
    #[inline]
    pub(crate) fn insert(&mut self, entry: Entry) {
        let sequence = entry.sequence;
        if self
            .ring
            .back()
            .is_none_or(|back| back.sequence() < sequence)
        {
            self.ring.push_back(Slot::Held(entry));
            return;
        }
        if self
            .ring
            .front()
            .is_some_and(|front| sequence < front.sequence())
        {
            self.ring.push_front(Slot::Held(entry));
            return;
        }
        let place = self.place(sequence);
        match self.ring.get_mut(place) {
            Some(slot) if slot.sequence() == sequence => {
                assert!(slot.entry().is_none(), "{sequence} is in the queue once");
                *slot = Slot::Held(entry);
                self.gaps -= 1;
            }
            Some(_) | None => {
                self.aside.insert(sequence, entry);
            }
        }
    }

    #[inline]
    pub(crate) fn pop_first(&mut self) -> Option<Entry> {
        if self.gaps == 0 && self.aside.is_empty() {
            return self.ring.pop_front().and_then(Slot::into_entry);
        }
        let first = self.first()?.sequence;
        self.remove(first)
    }

    pub(crate) fn remove(&mut self, sequence: Sequence) -> Option<Entry> {
        if let Some(entry) = self.aside.remove(&sequence) {
            return Some(entry);
        }
        let place = self.place(sequence);
        let slot = self
            .ring
            .get_mut(place)
            .filter(|slot| slot.sequence() == sequence)?;
        let Slot::Held(entry) = std::mem::replace(slot, Slot::Gap(sequence)) else {
            return None;
        };
        self.gaps += 1;
        self.trim();
        if self.gaps > GAPS_BORNE && self.gaps > self.ring.len() / 2 {
            self.ring.retain(|slot| slot.entry().is_some());
            self.gaps = 0;
        }
        Some(entry)
    }

    /// All, in no particular order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        let ring = self.ring.iter().filter_map(Slot::entry);
        ring.chain(self.aside.values())
    }

    /// All, in order.
    pub(crate) fn ordered(&self) -> impl Iterator<Item = &Entry> {
        let mut ring = self.ring.iter().filter_map(Slot::entry).peekable();
        let mut aside = self.aside.values().peekable();
        std::iter::from_fn(move || match (ring.peek(), aside.peek()) {
            (Some(one), Some(other)) if other.sequence < one.sequence => aside.next(),
            (Some(_), _) => ring.next(),
            (None, _) => aside.next(),
        })
    }

    /// About how many stand from one sequence to before another, counted up to `count_max`.
    pub(crate) fn count_within(&self, from: Sequence, until: Sequence, count_max: usize) -> usize {
        let ring = self.place(until).saturating_sub(self.place(from));
        let aside = self.aside.range(from..until.max(from));
        ring.saturating_add(aside.take(count_max).count())
    }

    /// Those from one sequence to before another, in no particular order.
    pub(crate) fn range(&self, from: Sequence, until: Sequence) -> impl Iterator<Item = &Entry> {
        let ring = self
            .ring
            .range(self.place(from)..)
            .take_while(move |slot| slot.sequence() < until)
            .filter_map(Slot::entry);
        ring.chain(
            self.aside
                .range(from..until.max(from))
                .map(|(_, entry)| entry),
        )
    }

    /// The same, to change them.
    pub(crate) fn range_mut(
        &mut self,
        from: Sequence,
        until: Sequence,
    ) -> impl Iterator<Item = &mut Entry> {
        let place = self.place(from);
        let ring = self
            .ring
            .range_mut(place..)
            .take_while(move |slot| slot.sequence() < until)
            .filter_map(Slot::entry_mut);
        let aside = self.aside.range_mut(from..until.max(from));
        ring.chain(aside.map(|(_, entry)| entry))
    }

    /// Where in the ring a message with this sequence stands, or would.
    fn place(&self, sequence: Sequence) -> usize {
        let (Some(front), Some(back)) = (self.ring.front(), self.ring.back()) else {
            return 0;
        };
        if sequence <= front.sequence() {
            return 0;
        }
        if sequence > back.sequence() {
            return self.ring.len();
        }
        // Unless sequences are missing, it stands as far from the front as its sequence is.
        let guess = usize::try_from(sequence.0 - front.sequence().0).unwrap_or(usize::MAX);
        match self.ring.get(guess) {
            Some(slot) if slot.sequence() == sequence => guess,
            Some(_) | None => self.ring.partition_point(|slot| slot.sequence() < sequence),
        }
    }

    /// Takes gaps away from both ends.
    #[inline]
    fn trim(&mut self) {
        while let Some(Slot::Gap(_)) = self.ring.front() {
            self.ring.pop_front();
            self.gaps -= 1;
        }
        while let Some(Slot::Gap(_)) = self.ring.back() {
            self.ring.pop_back();
            self.gaps -= 1;
        }
    }
}

fn earlier<'a>(one: Option<&'a Entry>, other: Option<&'a Entry>) -> Option<&'a Entry> {
    match (one, other) {
        (Some(one), Some(other)) if other.sequence < one.sequence => Some(other),
        (Some(one), _) => Some(one),
        (None, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::placement::Placement;
    use model::{Dialect, Envelope, Message, Parts, Persistence};
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push { count: u64, gap: u64 },
        PopFirst,
        Remove { from: usize, count: usize },
        PutBack(usize),
        From(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1u64..200, 1u64..4).prop_map(|(count, gap)| Step::Push { count, gap }),
            4 => Just(Step::PopFirst),
            4 => (any::<usize>(), 1usize..150).prop_map(|(from, count)| Step::Remove { from, count }),
            6 => any::<usize>().prop_map(Step::PutBack),
            2 => (0u64..500).prop_map(Step::From),
        ]
    }

    fn entry(sequence: u64) -> Entry {
        let message = Message::new(&Parts {
            envelope: Envelope::new(Dialect::Stomp12, Persistence::Transient),
            exchange: b"",
            key: b"",
            annotations: b"",
            head: &[],
            body: b"",
        });
        Entry::placed(Placement::at(Sequence(sequence)), None, message)
    }

    fn number(entry: Option<&Entry>) -> Option<u64> {
        entry.map(|entry| entry.sequence.0)
    }

    proptest! {
        #[test]
        fn behaves_as_an_ordered_set(steps in prop::collection::vec(step(), 0..60)) {
            let mut lane = Lane::default();
            let mut model = std::collections::BTreeSet::new();
            let mut taken = Vec::new();
            let mut next = 1;
            for step in steps {
                match step {
                    Step::Push { count, gap } => for _ in 0..count {
                        next += gap;
                        lane.insert(entry(next));
                        model.insert(next);
                    },
                    Step::PopFirst => {
                        let first = model.pop_first();
                        prop_assert_eq!(number(lane.pop_first().as_ref()), first);
                        taken.extend(first);
                    }
                    Step::Remove { from, count } => {
                        let from = from % (model.len() + 1);
                        let gone: Vec<_> = model.iter().skip(from).take(count).copied().collect();
                        for sequence in gone {
                            model.remove(&sequence);
                            let removed = lane.remove(Sequence(sequence));
                            prop_assert_eq!(number(removed.as_ref()), Some(sequence));
                            prop_assert!(lane.remove(Sequence(sequence)).is_none());
                            taken.push(sequence);
                        }
                    }
                    Step::PutBack(nth) => if !taken.is_empty() {
                        let sequence = taken.swap_remove(nth % taken.len());
                        lane.insert(entry(sequence));
                        model.insert(sequence);
                    },
                    Step::From(from) => {
                        let behind = model.range(from..).next().copied();
                        prop_assert_eq!(number(lane.first_from(Sequence(from))), behind);
                        let range = (Sequence(from), Sequence(from + 100));
                        let mut found: Vec<_> = lane.range(range.0, range.1).map(|e| e.sequence.0).collect();
                        let mut changed: Vec<_> = lane.range_mut(range.0, range.1).map(|e| e.sequence.0).collect();
                        found.sort_unstable();
                        changed.sort_unstable();
                        let expected: Vec<_> = model.range(from..from + 100).copied().collect();
                        prop_assert_eq!(&found, &expected);
                        prop_assert_eq!(&changed, &expected);
                    }
                }
                prop_assert_eq!(number(lane.first()), model.first().copied());
                prop_assert_eq!(number(lane.last()), model.last().copied());
                prop_assert_eq!(lane.iter().count(), model.len());
                prop_assert!(lane.ring.len() <= 2 * model.len() + GAPS_BORNE + 1);
            }
        }
    }
}
