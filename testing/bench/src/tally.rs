//! Checks that each subscriber gets every message of its publisher once and in order.

/// What one subscriber has received of one publisher.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    /// The sequence that should come next. All below have come or been passed over.
    next: u64,
    /// Messages that came in order, gaps or not.
    received: u64,
    /// Messages that came after a later one, or a second time.
    misplaced: u64,
}

/// What is wrong with a run. A run in which any of it is above zero does not count.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Loss {
    /// Deliveries that should have come: messages sent times subscribers.
    pub(crate) expected: u64,
    /// Those that never came, or not in their place.
    pub(crate) missing: u64,
    /// Deliveries out of order or twice.
    pub(crate) misplaced: u64,
    /// Receipts asked for that never came.
    pub(crate) unconfirmed: u64,
}

impl Tally {
    /// Counts one delivery.
    #[inline]
    pub(crate) fn take(&mut self, sequence: u64) {
        if sequence >= self.next {
            self.next = sequence + 1;
            self.received += 1;
        } else {
            self.misplaced += 1;
        }
    }

    /// How far this subscriber has come; what is not below it may still be on its way.
    #[inline]
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Adds what is wrong, given that `sent` messages were published, to `loss`.
    pub(crate) fn add_to(&self, loss: &mut Loss, sent: u64) {
        loss.expected += sent;
        loss.missing += sent.saturating_sub(self.received);
        loss.misplaced += self.misplaced;
    }
}

impl Loss {
    /// Whether everything came once, in order, and confirmed.
    pub(crate) fn is_none(&self) -> bool {
        self.missing == 0 && self.misplaced == 0 && self.unconfirmed == 0
    }
}

impl std::ops::AddAssign for Loss {
    fn add_assign(&mut self, other: Self) {
        self.expected += other.expected;
        self.missing += other.missing;
        self.misplaced += other.misplaced;
        self.unconfirmed += other.unconfirmed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sequences: &[u64], sent: u64, missing: u64, misplaced: u64) {
        let (mut tally, mut loss) = (Tally::default(), Loss::default());
        sequences.iter().for_each(|sequence| tally.take(*sequence));
        tally.add_to(&mut loss, sent);
        let expect = Loss {
            expected: sent,
            missing,
            misplaced,
            unconfirmed: 0,
        };
        assert_eq!(loss, expect, "{sequences:?} of {sent}");
    }

    #[test]
    fn only_dense_ordered_sequences_are_without_loss() {
        check(&[], 0, 0, 0);
        check(&[0, 1, 2], 3, 0, 0);
        check(&[0, 1], 3, 1, 0);
        check(&[0, 2], 3, 1, 0);
        check(&[0, 1, 1, 2], 3, 0, 1);
        check(&[0, 2, 1], 3, 1, 1);
    }
}
