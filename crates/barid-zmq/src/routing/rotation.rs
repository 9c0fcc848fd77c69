//! Taking turns among those who can.
//!
//! ```text
//!   [ a b c | d e ]      active | paused
//!       ▲ turn
//! ```
//!
//! Both directions use it: load balancing goes round those that have room, fair queueing round those
//! that have messages. Each step is constant, however many peers are paused.

use crate::peers::PeerId;

/// Stands for "not here" among the places.
const NOWHERE: usize = usize::MAX;

/// A ring of peers, of which some are paused.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    order: Vec<PeerId>,
    /// The first so many take turns.
    active: usize,
    turn: usize,
    /// Where each peer stands, by its slot.
    places: Vec<usize>,
}

impl Rotation {
    /// Whose turn it is.
    #[inline]
    pub(crate) fn turn(&self) -> Option<PeerId> {
        if self.active == 0 {
            return None;
        }
        self.order.get(self.turn).copied()
    }

    /// Gives the turn to the next.
    #[inline]
    pub(crate) const fn advance(&mut self) {
        self.turn += 1;
        if self.turn >= self.active {
            self.turn = 0;
        }
    }

    /// Lets a new peer take part.
    pub(crate) fn add(&mut self, peer: PeerId) {
        if self.places.len() <= peer.slot() {
            self.places.resize(peer.slot() + 1, NOWHERE);
        }
        self.places[peer.slot()] = self.order.len();
        self.order.push(peer);
        self.resume(peer);
    }

    /// Leaves a peer out until it is resumed.
    pub(crate) fn pause(&mut self, peer: PeerId) {
        let Some(place) = self.place(peer).filter(|place| *place < self.active) else {
            return;
        };
        self.active -= 1;
        self.swap(place, self.active);
        if self.turn >= self.active {
            self.turn = 0;
        }
    }

    /// Lets a paused peer take part again.
    pub(crate) fn resume(&mut self, peer: PeerId) {
        let Some(place) = self.place(peer).filter(|place| *place >= self.active) else {
            return;
        };
        self.swap(place, self.active);
        self.active += 1;
    }

    pub(crate) fn remove(&mut self, peer: PeerId) {
        self.pause(peer);
        let Some(place) = self.place(peer) else {
            return;
        };
        self.swap(place, self.order.len() - 1);
        self.order.pop();
        self.places[peer.slot()] = NOWHERE;
    }

    /// Everybody, paused or not.
    pub(crate) fn all(&self) -> &[PeerId] {
        &self.order
    }

    /// Those who are not paused.
    pub(crate) fn active(&self) -> &[PeerId] {
        &self.order[..self.active]
    }

    fn place(&self, peer: PeerId) -> Option<usize> {
        let place = *self.places.get(peer.slot())?;
        (self.order.get(place) == Some(&peer)).then_some(place)
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.order.swap(a, b);
        self.places[self.order[a].slot()] = a;
        self.places[self.order[b].slot()] = b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peer(slot: u64) -> PeerId {
        PeerId::unpack(slot).unwrap()
    }

    fn turns(rotation: &mut Rotation, count: usize) -> Vec<u64> {
        (0..count)
            .map(|_| {
                let turn = rotation.turn().unwrap();
                rotation.advance();
                turn.pack()
            })
            .collect()
    }

    #[test]
    fn turns_go_round_those_that_are_not_paused() {
        let mut rotation = Rotation::default();
        assert_eq!(rotation.turn(), None);
        for slot in 0..3 {
            rotation.add(peer(slot));
        }
        assert_eq!(turns(&mut rotation, 4), [0, 1, 2, 0]);
        rotation.pause(peer(2));
        assert_eq!(turns(&mut rotation, 3), [1, 0, 1]);
        rotation.resume(peer(2));
        rotation.remove(peer(0));
        let mut round = turns(&mut rotation, 2);
        round.sort_unstable();
        assert_eq!(round, [1, 2]);
        rotation.pause(peer(1));
        rotation.pause(peer(2));
        assert_eq!(rotation.turn(), None);
        assert_eq!(rotation.all().len(), 2);
    }

    proptest! {
        #[test]
        fn it_holds_who_takes_part(steps in prop::collection::vec((0..4_u8, 0..6_u64), 0..200)) {
            let mut rotation = Rotation::default();
            let mut model: Vec<(u64, bool)> = Vec::new();
            for (step, slot) in steps {
                let known = model.iter().position(|(known, _)| *known == slot);
                match (step, known) {
                    (0, None) => {
                        rotation.add(peer(slot));
                        model.push((slot, true));
                    }
                    (1, Some(index)) => {
                        rotation.pause(peer(slot));
                        model[index].1 = false;
                    }
                    (2, Some(index)) => {
                        rotation.resume(peer(slot));
                        model[index].1 = true;
                    }
                    (3, Some(index)) => {
                        rotation.remove(peer(slot));
                        model.swap_remove(index);
                    }
                    _ => {}
                }
                let active = model.iter().filter(|(_, active)| *active).count();
                prop_assert_eq!(rotation.active().len(), active);
                prop_assert_eq!(rotation.all().len(), model.len());
                prop_assert_eq!(rotation.turn().is_some(), active > 0);
                // One round reaches each once.
                let mut round = turns(&mut rotation, active);
                round.sort_unstable();
                let mut expected: Vec<_> =
                    model.iter().filter(|(_, active)| *active).map(|(slot, _)| *slot).collect();
                expected.sort_unstable();
                prop_assert_eq!(round, expected);
            }
        }
    }
}
