//! The messages whose receipt is missing, and when each was sent.

use std::collections::VecDeque;

/// Stands for the send time of one whose receipt has come.
const ANSWERED: u64 = u64::MAX;

/// What one publisher waits for. Receipts may come in any order, but each only once.
#[derive(Debug, Default)]
pub(crate) struct Outstanding {
    /// The first sequence whose receipt is missing.
    first: u64,
    /// Send times from that on, of all that were sent.
    sent_at: VecDeque<u64>,
}

impl Outstanding {
    /// Adds the next message.
    #[inline]
    pub(crate) fn push(&mut self, sent_at: u64) {
        self.sent_at.push_back(sent_at);
    }

    /// Takes one whose receipt has come and tells when it was sent; nothing if none of it is missing.
    #[inline]
    pub(crate) fn take(&mut self, sequence: u64) -> Option<u64> {
        let place = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        let slot = self.sent_at.get_mut(place)?;
        let sent_at = std::mem::replace(slot, ANSWERED);
        self.pass_answered();
        (sent_at != ANSWERED).then_some(sent_at)
    }

    /// Takes all up to one, of which some may have been taken before, and tells `each` when it was sent. Nothing if the
    /// last was not sent.
    #[inline]
    pub(crate) fn take_up_to(&mut self, last: u64, mut each: impl FnMut(u64)) -> Option<()> {
        if last >= self.first + self.sent_at.len() as u64 {
            return None;
        }
        while self.first <= last {
            let sent_at = self.sent_at.pop_front()?;
            self.first += 1;
            if sent_at != ANSWERED {
                each(sent_at);
            }
        }
        self.pass_answered();
        Some(())
    }

    /// Leaves those behind whose receipt came before that of one before them.
    fn pass_answered(&mut self) {
        while self.sent_at.front() == Some(&ANSWERED) {
            self.sent_at.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(count: u64) -> Outstanding {
        let mut outstanding = Outstanding::default();
        (0..count).for_each(|sequence| outstanding.push(10 + sequence));
        outstanding
    }

    fn up_to(outstanding: &mut Outstanding, last: u64) -> Option<Vec<u64>> {
        let mut taken = Vec::new();
        outstanding.take_up_to(last, |sent_at| taken.push(sent_at))?;
        Some(taken)
    }

    #[test]
    fn each_is_taken_once_in_any_order() {
        let mut outstanding = sent(4);
        assert_eq!(outstanding.take(2), Some(12));
        assert_eq!(outstanding.take(2), None);
        assert_eq!(outstanding.take(0), Some(10));
        assert_eq!(outstanding.take(0), None);
        assert_eq!(outstanding.take(4), None, "it was not sent");
        assert_eq!(outstanding.take(1), Some(11));
        assert_eq!(outstanding.take(3), Some(13));
        outstanding.push(14);
        assert_eq!(outstanding.take(4), Some(14));
    }

    #[test]
    fn all_up_to_one_are_those_that_were_not_taken_before() {
        let mut outstanding = sent(6);
        assert_eq!(outstanding.take(1), Some(11));
        assert_eq!(outstanding.take(4), Some(14));
        assert_eq!(up_to(&mut outstanding, 3), Some(vec![10, 12, 13]));
        assert_eq!(up_to(&mut outstanding, 3), Some(vec![]));
        assert_eq!(up_to(&mut outstanding, 6), None, "it was not sent");
        assert_eq!(up_to(&mut outstanding, 5), Some(vec![15]));
    }
}
