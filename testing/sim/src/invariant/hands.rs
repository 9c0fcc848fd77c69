//! In whose hands messages are, as the clients see it.
//!
//! A commit that the broker refuses closes its channel: what is in hand goes to others before the client knows of it, and
//! what the client has said behind the commit counts for nothing. What was on its way to it then, it gets all the same,
//! maybe behind those others.

use crate::history::{Event, History, Spot};
use std::collections::{BTreeMap, VecDeque};

/// Why a message must not be delivered now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conflict {
    /// This client has it.
    Held(u32),
    /// This client has settled it in this life of the broker, and stayed.
    Settled(u32),
}

/// Who had a message last. Events are counted.
#[derive(Clone, Copy)]
struct Hand {
    client: u32,
    got: usize,
    settled: Option<usize>,
}

impl Hand {
    const fn conflict(self) -> Conflict {
        match self.settled {
            Some(_) => Conflict::Settled(self.client),
            None => Conflict::Held(self.client),
        }
    }
}

/// Finds the first delivery of `places` that conflicts with what clients have in their hands or have settled.
pub(super) fn conflict(
    history: &History,
    is_meant: impl Fn(Spot) -> bool,
    is_wrong: impl Fn(Conflict) -> bool,
) -> Result<(), String> {
    let refusals = Refusals::of(&history.events);
    let mut hands: BTreeMap<Spot, Hand> = BTreeMap::new();
    for (index, event) in history.events.iter().enumerate() {
        match *event {
            Event::Got(spot, client) | Event::GotForGood(spot, client) => {
                let is_for_good = matches!(event, Event::GotForGood(..));
                let hand = Hand {
                    client,
                    got: index,
                    settled: is_for_good.then_some(index),
                };
                let Some(before) = hands.get(&spot) else {
                    hands.insert(spot, hand);
                    continue;
                };
                if refusals.may_cross(hand, *before) {
                    continue;
                }
                let conflict = before.conflict();
                if !refusals.may_give_back(*before, index) && is_meant(spot) && is_wrong(conflict) {
                    return Err(told(history, spot, client, conflict));
                }
                hands.insert(spot, hand);
            }
            Event::Settled(spot, client) => {
                let hand = hands.get_mut(&spot);
                if let Some(hand) = hand.filter(|hand| hand.client == client) {
                    hand.settled = Some(index);
                }
            }
            Event::Returned(spot, client) => {
                let hand = hands.get(&spot);
                if hand.is_some_and(|hand| hand.client == client && hand.settled.is_none()) {
                    hands.remove(&spot);
                }
            }
            Event::Left(client) => hands.retain(|_, hand| hand.client != client),
            Event::Restart => hands.clear(),
            Event::CommitSent(_) | Event::CommitDone(_) | Event::CommitRefused(_) => {}
        }
    }
    Ok(())
}

/// By client, the events between which the broker has refused its commit, or may have: it was sent, and the refusal was
/// read, or the client or the broker was gone.
struct Refusals(BTreeMap<u32, (usize, usize)>);

impl Refusals {
    fn of(events: &[Event]) -> Self {
        let mut unanswered: BTreeMap<u32, VecDeque<usize>> = BTreeMap::new();
        let mut refusals = BTreeMap::new();
        for (index, event) in events.iter().enumerate() {
            match *event {
                Event::CommitSent(client) => {
                    unanswered.entry(client).or_default().push_back(index);
                }
                Event::CommitDone(client) => {
                    unanswered.entry(client).or_default().pop_front();
                }
                Event::CommitRefused(client) => {
                    // Those behind it count for nothing.
                    let commits = unanswered.remove(&client);
                    let sent = commits.and_then(|mut commits| commits.pop_front());
                    refusals.extend(sent.map(|sent| (client, (sent, index))));
                }
                // The refusal may have been on its way.
                Event::Left(client) => {
                    let commits = unanswered.remove(&client);
                    let sent = commits.and_then(|mut commits| commits.pop_front());
                    refusals.extend(sent.map(|sent| (client, (sent, index))));
                }
                Event::Restart => {
                    for (client, mut commits) in std::mem::take(&mut unanswered) {
                        let sent = commits.pop_front();
                        refusals.extend(sent.map(|sent| (client, (sent, index))));
                    }
                }
                Event::Got(..)
                | Event::GotForGood(..)
                | Event::Settled(..)
                | Event::Returned(..) => {}
            }
        }
        Self(refusals)
    }

    /// When the commit was sent that may have been refused by then.
    fn sent_before(&self, client: u32, index: usize) -> Option<usize> {
        let (sent, read) = self.0.get(&client)?;
        (*sent < index && index < *read).then_some(*sent)
    }

    /// Whether the broker may have taken back what a client has, though it does not know of it.
    fn may_give_back(&self, hand: Hand, index: usize) -> bool {
        let sent = self.sent_before(hand.client, index);
        sent.is_some_and(|sent| hand.settled.is_none_or(|settled| sent < settled))
    }

    /// Whether a delivery may be the one that came before another: it was on its way when it was taken back.
    fn may_cross(&self, late: Hand, before: Hand) -> bool {
        let sent = self.sent_before(late.client, late.got);
        sent.is_some_and(|sent| sent < before.got)
    }
}

/// What is wrong, with all that has happened to the message there.
fn told(history: &History, spot: Spot, client: u32, conflict: Conflict) -> String {
    let is_about = |event: &&Event| event.spot() == Some(spot);
    let events: Vec<_> = history.events.iter().filter(is_about).collect();
    format!("{spot:?} came to {client} and is {conflict:?}: {events:?}")
}

#[cfg(test)]
mod tests {
    use super::{Conflict, conflict};
    use crate::history::{Event, History, Name, Spot};
    use crate::scene::{Place, Source};
    use std::cell::Cell;

    const SPOT: Spot = (
        Name {
            publisher: 0,
            number: 1,
        },
        Place::At(Source::Queue(0)),
    );
    /// Its commit is refused, or answered.
    const A: u32 = 1;
    const B: u32 = 2;
    const C: u32 = 3;

    fn found(events: &[Event]) -> Option<Conflict> {
        let history = History {
            events: events.to_vec(),
            ..History::default()
        };
        let found = Cell::new(None);
        let note = |conflict| {
            found.set(Some(conflict));
            true
        };
        let checked = conflict(&history, |_| true, note);
        assert_eq!(checked.is_err(), found.get().is_some());
        found.get()
    }

    #[test]
    fn what_is_in_hand_or_settled_comes_to_nobody() {
        let got = [Event::Got(SPOT, A), Event::Got(SPOT, B)];
        assert_eq!(found(&got), Some(Conflict::Held(A)));
        let settled = [
            Event::Got(SPOT, A),
            Event::Settled(SPOT, A),
            Event::Got(SPOT, B),
        ];
        assert_eq!(found(&settled), Some(Conflict::Settled(A)));
        let for_good = [Event::GotForGood(SPOT, A), Event::Got(SPOT, B)];
        assert_eq!(found(&for_good), Some(Conflict::Settled(A)));
    }

    #[test]
    fn what_is_given_back_comes_to_others() {
        for ended in [Event::Returned(SPOT, A), Event::Left(A), Event::Restart] {
            assert_eq!(
                found(&[Event::Got(SPOT, A), ended, Event::Got(SPOT, B)]),
                None
            );
        }
    }

    #[test]
    fn a_refused_commit_gives_back_what_is_in_hand_before_its_client_knows() {
        let events = |answer| {
            [
                Event::Got(SPOT, A),
                Event::CommitSent(A),
                Event::Got(SPOT, B),
                answer,
                Event::Left(A),
            ]
        };
        assert_eq!(found(&events(Event::CommitRefused(A))), None);
        let done = events(Event::CommitDone(A));
        assert_eq!(found(&done), Some(Conflict::Held(A)));
    }

    #[test]
    fn a_commit_without_an_answer_may_have_been_refused() {
        for end in [Event::Left(A), Event::Restart] {
            let events = |answer| {
                let sent = [Event::CommitSent(A), Event::Got(SPOT, A)];
                let mut events = sent.to_vec();
                events.extend(answer);
                events.extend([Event::Got(SPOT, B), end]);
                events
            };
            assert_eq!(found(&events(None)), None);
            let done = events(Some(Event::CommitDone(A)));
            assert_eq!(found(&done), Some(Conflict::Held(A)));
        }
    }

    #[test]
    fn what_is_settled_behind_a_refused_commit_is_not() {
        let mut events = [
            Event::Got(SPOT, A),
            Event::CommitSent(A),
            Event::Settled(SPOT, A),
            Event::Got(SPOT, B),
            Event::CommitRefused(A),
        ];
        assert_eq!(found(&events), None);
        // In front of it, it is.
        events.swap(1, 2);
        assert_eq!(found(&events), Some(Conflict::Settled(A)));
    }

    #[test]
    fn commits_behind_a_refused_one_count_for_nothing() {
        let events = [
            Event::Got(SPOT, A),
            Event::CommitSent(A),
            Event::Got(SPOT, B),
            Event::CommitSent(A),
            Event::CommitRefused(A),
            Event::Left(A),
        ];
        assert_eq!(found(&events), None);
    }

    #[test]
    fn the_oldest_commit_is_refused() {
        let events = [
            Event::CommitSent(A),
            Event::Got(SPOT, A),
            Event::Settled(SPOT, A),
            Event::CommitSent(A),
            Event::CommitDone(A),
            Event::Got(SPOT, B),
            Event::CommitRefused(A),
        ];
        assert_eq!(found(&events), Some(Conflict::Settled(A)));
    }

    #[test]
    fn what_was_on_its_way_at_a_refusal_may_come_behind_others() {
        let events = [
            Event::CommitSent(A),
            Event::Got(SPOT, B),
            Event::Settled(SPOT, B),
            Event::Got(SPOT, A),
            Event::CommitRefused(A),
            Event::Left(A),
        ];
        assert_eq!(found(&events), None);
        // What others had before the commit was sent is theirs.
        let early = [
            Event::Got(SPOT, B),
            Event::CommitSent(A),
            Event::Settled(SPOT, B),
            Event::Got(SPOT, A),
            Event::CommitRefused(A),
        ];
        assert_eq!(found(&early), Some(Conflict::Settled(B)));
    }

    #[test]
    fn what_a_client_says_of_what_it_has_lost_changes_nothing() {
        for said in [Event::Settled(SPOT, A), Event::Returned(SPOT, A)] {
            let events = [
                Event::CommitSent(A),
                Event::Got(SPOT, B),
                Event::Got(SPOT, A),
                said,
                Event::Got(SPOT, C),
                Event::CommitRefused(A),
            ];
            assert_eq!(found(&events), Some(Conflict::Held(B)));
        }
    }
}
