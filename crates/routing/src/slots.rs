//! Items by consecutive numbers, of which the last come and go cheaply however many there are.

use std::sync::Arc;

/// The items of a full run. A change copies one run, and counts a reference of each item in it.
const RUN: usize = 4;

/// The children of a branch.
const WIDTH: usize = 8;

/// A persistent vector in runs; most changes at its end touch the last run only.
///
/// Invariants: `last` has 1 to [`RUN`] items unless all is empty; the `count` runs of `full` have
/// [`RUN`] each; runs stand under `height` branches, by the digits of their number.
pub(crate) struct Slots<T> {
    full: Runs<T>,
    count: usize,
    height: u32,
    last: Arc<[T]>,
}

/// Runs as a trie of the digits of their numbers.
enum Runs<T> {
    None,
    One(Arc<[T]>),
    Branch(Arc<[Self; WIDTH]>),
}

impl<T> Clone for Runs<T> {
    fn clone(&self) -> Self {
        match self {
            Self::None => Self::None,
            Self::One(run) => Self::One(Arc::clone(run)),
            Self::Branch(children) => Self::Branch(Arc::clone(children)),
        }
    }
}

impl<T> Clone for Slots<T> {
    fn clone(&self) -> Self {
        Self {
            full: self.full.clone(),
            count: self.count,
            height: self.height,
            last: Arc::clone(&self.last),
        }
    }
}

impl<T: Clone> Slots<T> {
    pub(crate) fn new() -> Self {
        Self {
            full: Runs::None,
            count: 0,
            height: 0,
            last: Arc::from([]),
        }
    }
}

impl<T> Slots<T> {
    pub(crate) fn len(&self) -> usize {
        self.count * RUN + self.last.len()
    }

    pub(crate) fn get(&self, number: usize) -> Option<&T> {
        self.run(number / RUN)?.get(number % RUN)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        let runs = (0..=self.count).filter_map(|number| self.run(number));
        runs.flatten()
    }

    fn run(&self, number: usize) -> Option<&[T]> {
        if number >= self.count {
            return (number == self.count).then_some(&self.last);
        }
        let (mut runs, mut height) = (&self.full, self.height);
        loop {
            match runs {
                Runs::None => return None,
                Runs::One(run) => return Some(run),
                Runs::Branch(children) => {
                    height -= 1;
                    runs = &children[digit(number, height)];
                }
            }
        }
    }
}

impl<T: Clone> Slots<T> {
    pub(crate) fn push(&mut self, item: T) {
        if self.last.len() == RUN {
            let full = std::mem::replace(&mut self.last, Arc::from([item]));
            self.push_full(full);
            return;
        }
        let longer = self.last.iter().cloned().chain(std::iter::once(item));
        self.last = longer.collect();
    }

    /// Puts an item in the place of one that is there.
    pub(crate) fn set(&mut self, number: usize, item: T) {
        let run = if number / RUN < self.count {
            self.run_mut(number / RUN)
        } else {
            &mut self.last
        };
        Arc::make_mut(run)[number % RUN] = item;
    }

    /// Removes the last item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let (item, others) = self.last.split_last()?;
        let item = item.clone();
        let others: Arc<[T]> = others.into();
        self.last = others;
        if self.last.is_empty() && self.count > 0 {
            self.last = self.pop_full();
        }
        Some(item)
    }

    fn push_full(&mut self, run: Arc<[T]>) {
        if self.count == WIDTH.pow(self.height) {
            let mut children = [const { Runs::None }; WIDTH];
            children[0] = std::mem::replace(&mut self.full, Runs::None);
            self.full = Runs::Branch(Arc::new(children));
            self.height += 1;
        }
        self.count += 1;
        *self.run_mut(self.count - 1) = run;
    }

    fn pop_full(&mut self) -> Arc<[T]> {
        self.count -= 1;
        let run = std::mem::replace(self.run_mut(self.count), Arc::from([]));
        self.clear(self.count);
        if self.height > 0
            && self.count == WIDTH.pow(self.height - 1)
            && let Runs::Branch(children) = &self.full
        {
            self.full = children[0].clone();
            self.height -= 1;
        }
        run
    }

    /// Empties the place of the run after the last, and the branches that it was alone in.
    fn clear(&mut self, number: usize) {
        let (mut runs, mut height) = (&mut self.full, self.height);
        loop {
            if number.is_multiple_of(WIDTH.pow(height)) {
                *runs = Runs::None;
                return;
            }
            match runs {
                Runs::Branch(children) => {
                    height -= 1;
                    runs = &mut Arc::make_mut(children)[digit(number, height)];
                }
                Runs::One(_) | Runs::None => return,
            }
        }
    }

    /// The place of a full run, made if it is not there.
    fn run_mut(&mut self, number: usize) -> &mut Arc<[T]> {
        let (mut runs, mut height) = (&mut self.full, self.height);
        loop {
            if let Runs::None = runs {
                *runs = if height == 0 {
                    Runs::One(Arc::from([]))
                } else {
                    Runs::Branch(Arc::new([const { Runs::None }; WIDTH]))
                };
            }
            match runs {
                Runs::One(run) => return run,
                Runs::Branch(children) => {
                    height -= 1;
                    runs = &mut Arc::make_mut(children)[digit(number, height)];
                }
                Runs::None => unreachable!("it was made above"),
            }
        }
    }
}

/// The digit of a run's number that tells the children of a branch apart.
fn digit(number: usize, height: u32) -> usize {
    number / WIDTH.pow(height) % WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_what_a_vector_holds(
            stages in prop::collection::vec((0..900_usize, 0..900_usize, any::<usize>()), 0..6),
        ) {
            let (mut slots, mut model) = (Slots::new(), Vec::new());
            for (pushes, pops, set) in stages {
                let before = (slots.clone(), model.clone());
                for item in 0..pushes {
                    slots.push(item);
                    model.push(item);
                }
                if let Some(place) = set.checked_rem(model.len()) {
                    slots.set(place, set);
                    model[place] = set;
                }
                for _ in 0..pops {
                    prop_assert_eq!(slots.pop(), model.pop());
                }
                for (slots, model) in [(&slots, &model), (&before.0, &before.1)] {
                    prop_assert!(slots.iter().eq(model));
                    prop_assert_eq!(slots.len(), model.len());
                    for number in 0..=model.len() {
                        prop_assert_eq!(slots.get(number), model.get(number));
                    }
                }
            }
        }
    }
}
