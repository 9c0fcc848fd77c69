//! Messages in subscribers' hands whose bodies only pages have.

use super::pages::{Files, LIMITS, deliveries, paged_queue, read, wanted};
use super::{Taken, at, cancel, keys, plain, pump, queue, subscribe, subscriber, ticked};
use crate::{LeaveReason, Left, PageLimits, PageMismatch, PageReach, Queue, SubscriptionOptions};
use model::{
    DeadLetter, ExchangeName, Outcome, Overflow, PageNumber, QueueRules, Redelivery, Sequence,
};

/// A queue of ten messages without records, all of them in the hands of a subscription, and out of memory.
fn held_queue(change: impl FnOnce(&mut QueueRules)) -> (Queue, Files) {
    let mut queue = queue(change);
    plain(&mut queue, 10);
    subscribe(&mut queue, 1, SubscriptionOptions::competing(100));
    deliveries(&mut queue, at(0));
    let limits = PageLimits {
        reach: PageReach::InHands,
        ..LIMITS
    };
    assert!(queue.page_out(PageNumber(1), LIMITS).is_none());
    let out = queue.page_out(PageNumber(2), limits);
    let out = out.expect("all is in hands");
    queue.page_saved(PageNumber(2), 1000);
    assert_eq!((queue.len(), queue.resident_bytes()), (10, 0));
    (queue, Files::from([(PageNumber(2), out.messages)]))
}

fn with_dead_letters(rules: &mut QueueRules) {
    rules.dead_letter = Some(DeadLetter {
        exchange: ExchangeName::new(b"dead").expect("it is short"),
        key: None,
    });
}

/// Ends deliveries; returns what left.
fn end(queue: &mut Queue, sequences: &[u64], outcome: Outcome) -> Vec<Left> {
    let (mut left, mut returned) = (Vec::new(), Vec::new());
    let sequences: Vec<_> = sequences.iter().copied().map(Sequence).collect();
    let id = subscriber(1);
    queue.settle(at(0), id, &sequences, outcome, &mut left, &mut returned);
    left
}

/// Reads the page of a [`held_queue`] that is asked for; returns whose bodies came, and what left.
fn read_bodies(queue: &mut Queue, files: &Files) -> (Vec<u64>, Vec<Left>) {
    let page = queue.next_body_page().expect("it is asked for");
    assert_eq!(queue.next_body_page(), None, "told once");
    let mut left = Vec::new();
    let read = queue.page_read(page, files[&page].clone(), &mut keys, &mut left);
    let read = read.expect("it holds what it should");
    (read.into_iter().map(|sequence| sequence.0).collect(), left)
}

#[test]
fn what_is_in_hands_is_paged() {
    let (mut queue, files) = held_queue(|_| {});
    let left = end(&mut queue, &[1], Outcome::Reject);
    assert!(left[0].message.is_none() && left[0].cost_bytes() > 0);
    end(&mut queue, &[2, 3, 4], Outcome::Fail);
    assert_eq!((queue.ready_count(), queue.unsettled_count()), (3, 6));
    assert_eq!(wanted(&mut queue, at(0), 1), [2]);
    read(&mut queue, &files, 2);
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    let seen = [2, 3, 4].map(|sequence| (subscriber(1), Sequence(sequence), true, (1, 1)));
    assert_eq!(port.deliveries, seen);
}

#[test]
fn a_dead_letter_leaves_when_its_body_is_here() {
    let (mut queue, files) = held_queue(|rules| {
        with_dead_letters(rules);
        rules.delivery_limit = Some(0);
    });
    assert_eq!(end(&mut queue, &[1], Outcome::Accept).len(), 1);
    assert!(end(&mut queue, &[2, 3], Outcome::Reject).is_empty());
    assert!(end(&mut queue, &[4], Outcome::Fail).is_empty());
    let all = [1, 2, 3, 4, 5].map(Sequence);
    assert_eq!(queue.awaited(&all), [2, 3, 4].map(Sequence));
    // Nobody has them, and they are still in the queue.
    assert!(end(&mut queue, &[2], Outcome::Accept).is_empty());
    cancel(&mut queue, 1);
    assert_eq!((queue.len(), queue.ready_count()), (9, 6));
    assert_eq!(queue.resident_bytes(), 0);

    let (embodied, left) = read_bodies(&mut queue, &files);
    assert_eq!(embodied, [2, 3, 4]);
    let reasons = [
        LeaveReason::Rejected,
        LeaveReason::Rejected,
        LeaveReason::DeliveryLimit,
    ];
    assert!(left.iter().map(|left| left.reason).eq(reasons));
    assert!(left.iter().all(|left| left.message.is_some()));
    assert_eq!((queue.len(), queue.ready_count()), (6, 6));
    assert!(queue.awaited(&all).is_empty() && queue.next_body_page().is_none());
}

#[test]
fn what_is_prepared_may_have_its_body_first() {
    for outcome in [Outcome::Reject, Outcome::Release] {
        let (mut queue, files) = held_queue(with_dead_letters);
        let sequences = [1, 2].map(Sequence);
        assert_eq!(queue.prepare(subscriber(1), &sequences), sequences);
        let mut awaited = Vec::new();
        queue.await_bodies(&sequences, outcome, &mut awaited);
        let (here, away) = queue.letter_bytes(&sequences, outcome);
        assert_eq!((here, away > 0), (0, outcome == Outcome::Reject));
        if outcome == Outcome::Release {
            assert!(awaited.is_empty() && queue.next_body_page().is_none());
            continue;
        }
        assert_eq!(awaited, sequences);
        let (embodied, left) = read_bodies(&mut queue, &files);
        assert_eq!((embodied, left.len()), (vec![1, 2], 0));
        assert_eq!(queue.letter_bytes(&sequences, outcome), (away, 0));
        let (mut left, mut returned) = (Vec::new(), Vec::new());
        queue.settle_prepared(at(0), &sequences, outcome, &mut left, &mut returned);
        assert!(left.len() == 2 && left.iter().all(|left| left.message.is_some()));
    }
}

#[test]
fn what_awaits_its_body_in_a_damaged_page_stays_in_it() {
    for is_missing in [false, true] {
        let (mut queue, files) = held_queue(with_dead_letters);
        assert!(end(&mut queue, &[1, 2], Outcome::Reject).is_empty());
        assert_eq!(queue.prepare(subscriber(1), &[Sequence(3)]).len(), 1);
        queue.await_bodies(&[Sequence(3)], Outcome::Reject, &mut Vec::new());
        let page = queue.next_body_page().expect("it is asked for");
        if is_missing {
            let mut messages = files[&page].clone();
            messages.remove(1);
            let mut left = Vec::new();
            let read = queue.page_read(page, messages, &mut keys, &mut left);
            let sequence = Sequence(2);
            assert_eq!(read, Err(PageMismatch { sequence }));
            assert!(left.is_empty(), "nothing has come");
        }
        let mut given_up = Vec::new();
        assert!(queue.page_damaged(page, &mut given_up));
        assert_eq!(given_up, [1, 2, 3].map(Sequence));
        assert_eq!((queue.len(), queue.ready_count()), (10, 2));
        assert_eq!(queue.next_body_page(), None);
        // What is decided comes too late: it stays, too.
        let (mut left, mut returned) = (Vec::new(), Vec::new());
        let outcome = Outcome::Reject;
        queue.settle_prepared(at(0), &[Sequence(3)], outcome, &mut left, &mut returned);
        assert_eq!((left.len(), queue.ready_count()), (0, 3));
    }
}

#[test]
fn bodies_in_hands_are_let_go_of_when_they_may() {
    let (mut backlog, files) = paged_queue(20, 10, with_dead_letters);
    subscribe(&mut backlog, 1, SubscriptionOptions::competing(100));
    assert_eq!(wanted(&mut backlog, at(0), 1), [1]);
    read(&mut backlog, &files, 1);
    assert_eq!(deliveries(&mut backlog, at(0)).1.len(), 10);
    let bytes = backlog.resident_bytes();
    assert_eq!(
        (backlog.shed(0), bytes > 0),
        (0, true),
        "they may be needed"
    );
    assert_eq!(backlog.strip_hands(), bytes);
    assert_eq!((backlog.strip_hands(), backlog.resident_bytes()), (0, 0));
    // One that is delivered while its page is being written.
    let mut queue = queue(with_dead_letters);
    plain(&mut queue, 1);
    queue.page_out(PageNumber(1), LIMITS).expect("it waits");
    subscribe(&mut queue, 1, SubscriptionOptions::competing(100));
    assert_eq!(deliveries(&mut queue, at(0)).1, [1]);
    assert_eq!(queue.strip_hands(), 0);
    queue.page_saved(PageNumber(1), 1000);
    assert!(queue.strip_hands() > 0 && queue.resident_bytes() == 0);
}

#[test]
fn what_waits_without_a_body_dies_only_with_it() {
    for drops in [false, true] {
        let (mut queue, files) = held_queue(|rules| {
            with_dead_letters(rules);
            rules.message_ttl_ms = Some(100);
            rules.redelivery = Some(Redelivery {
                delay_ms: 1000,
                multiplier_percent: 100,
                delay_ms_max: 1000,
                jitter_percent: 0,
            });
            rules.length_max = Some(10);
            rules.overflow = Some(Overflow::DropHead);
        });
        // It waits for its moment, longer than it lives.
        assert!(end(&mut queue, &[2], Outcome::Fail).is_empty());
        assert_eq!((queue.ready_count(), queue.resident_bytes()), (1, 0));
        let reason = if drops {
            plain(&mut queue, 10);
            LeaveReason::MaxLength
        } else {
            assert_eq!(ticked(&mut queue, at(100)), []);
            LeaveReason::Expired
        };
        assert_eq!(queue.leaving(), [Sequence(2)]);
        assert_eq!(queue.ready_count(), if drops { 10 } else { 0 });
        let (_, left) = read_bodies(&mut queue, &files);
        assert_eq!((left.len(), left[0].reason), (1, reason));
        assert!(left[0].message.is_some());
    }
}
