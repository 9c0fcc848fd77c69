//! Room for answers that the connections of a thread lend each other, so that an idle one holds none.

use broker_api::Event;
use std::cell::Cell;
use std::collections::VecDeque;

/// A longer list goes back to the allocator.
const ANSWERS_MAX: usize = 1024;

thread_local! {
    static ANSWERS: Cell<VecDeque<Event>> = const { Cell::new(VecDeque::new()) };
}

/// Gives a list room, perhaps, that has none.
pub(crate) fn take(answers: &mut VecDeque<Event>) {
    if answers.capacity() == 0 {
        *answers = ANSWERS.take();
    }
}

/// Takes the room of a list back if there is nothing in it.
pub(crate) fn give_back(answers: &mut VecDeque<Event>) {
    if !answers.is_empty() || answers.capacity() == 0 {
        return;
    }
    let room = std::mem::take(answers);
    if room.capacity() <= ANSWERS_MAX {
        ANSWERS.set(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_goes_from_one_to_the_other_while_nothing_is_in_it() {
        let (mut one, mut other) = (VecDeque::new(), VecDeque::new());
        take(&mut one);
        one.push_back(Event::Unblocked);
        give_back(&mut one);
        assert_eq!(one.len(), 1, "it is still in use");
        one.clear();
        give_back(&mut one);
        assert_eq!(one.capacity(), 0);
        take(&mut other);
        assert!(other.is_empty() && other.capacity() > 0);
        take(&mut one);
        assert_eq!(one.capacity(), 0, "it is lent");
        other.reserve(ANSWERS_MAX + 1);
        give_back(&mut other);
        take(&mut one);
        assert_eq!(
            (one.capacity(), other.capacity()),
            (0, 0),
            "it was too long"
        );
    }
}
