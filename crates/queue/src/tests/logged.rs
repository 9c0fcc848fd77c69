//! What the log must know, and what becomes of it.

use super::{
    COMPETING, Draft, Taken, at, enqueue, enqueue_logged, keys, options, plain, pump, pumped,
    queue, settle, subscribe, subscriber, ticked,
};
use crate::mark::MARK_AHEAD;
use crate::{Age, Placement, RecoveredQueue, Stop, SubscriptionOptions};
use model::{LogIndex, Outcome, QueueRules, Sequence};
use std::sync::Arc;

#[test]
fn marks_ahead_and_no_further() {
    let mut queue = queue(|_| {});
    for number in 1..=10_000 {
        enqueue_logged(&mut queue, number, number, &Draft::default());
    }
    assert_eq!(queue.wanted_mark(), None, "nobody to deliver to");
    subscribe(&mut queue, 1, SubscriptionOptions::competing(10));
    let mark = queue.wanted_mark().expect("a taker came");
    assert_eq!(mark, Sequence(1 + MARK_AHEAD));
    queue.mark_logged(mark, LogIndex(10_001));
    let (mut port, mut left) = (Taken::default(), Vec::new());
    let stops = [10_000, 10_001]
        .map(|committed| queue.pump(at(0), LogIndex(committed), &mut port, &mut left));
    assert_eq!(stops, [Stop::Uncommitted(LogIndex(10_001)), Stop::NoTaker]);
    assert_eq!(port.deliveries.len(), 10);
    assert_eq!(queue.wanted_mark(), None, "enough is left");
}

#[test]
fn the_mark_follows_what_a_filter_chooses_far_behind() {
    let mut queue = queue(|_| {});
    for number in 1..=20_000 {
        let tag = u8::from(number > 10_000);
        enqueue_logged(
            &mut queue,
            number,
            1,
            &Draft {
                tag,
                ..Draft::default()
            },
        );
    }
    subscribe(&mut queue, 1, options(u64::MAX, Some(0b0010), COMPETING));
    let (mut port, mut left) = (Taken::default(), Vec::new());
    let mut mark_count = 0;
    for _ in 0..20 {
        let stop = queue.pump(at(0), LogIndex(1), &mut port, &mut left);
        if let Some(mark) = queue.wanted_mark() {
            queue.mark_logged(mark, LogIndex(1));
            mark_count += 1;
        }
        if stop == Stop::NoTaker {
            break;
        }
    }
    assert_eq!(port.deliveries.len(), 10_000);
    assert!((2..=6).contains(&mark_count), "{mark_count} marks");
    assert!(queue.delivery_mark().0 <= 20_000 + MARK_AHEAD);
}

#[test]
fn only_what_may_have_been_delivered_is_marked_after_a_restart() {
    let mut recovered = RecoveredQueue::new();
    for sequence in 1..=6 {
        let placement = Placement::at(Sequence(sequence));
        recovered.enqueued(placement, Draft::default().message());
    }
    recovered.settled(Sequence(2), Sequence(2));
    recovered.marked(Sequence(3));
    recovered.returned(Sequence(5), 2, None);
    recovered.returned(Sequence(2), 1, None);
    let mut queue = recovered.into_queue(Arc::new(QueueRules::PLAIN), 7, keys);
    subscribe(&mut queue, 1, SubscriptionOptions::competing(u64::MAX));
    let mark = queue.wanted_mark().expect("deliveries go beyond the mark");
    queue.mark_logged(mark, LogIndex(0));
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    let seen = port.deliveries.iter();
    let seen =
        seen.map(|(_, sequence, redelivered, (count, _))| (sequence.0, *redelivered, *count));
    let expected = [
        (1, true, 0),
        (3, true, 0),
        (4, false, 0),
        (5, true, 2),
        (6, false, 0),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}

#[test]
fn what_was_delayed_or_is_too_old_is_so_after_a_restart() {
    let rules = QueueRules {
        length_max: Some(1),
        ..QueueRules::PLAIN
    };
    let mut recovered = RecoveredQueue::new();
    for sequence in 1..=3 {
        let placement = Placement {
            sequence: Sequence(sequence),
            expires_at: (sequence == 1).then(|| at(5)),
            available_at: (sequence == 2).then(|| at(8)),
        };
        recovered.enqueued(placement, Draft::default().message());
    }
    let mut queue = recovered.into_queue(Arc::new(rules), 7, keys);
    assert_eq!((queue.len(), queue.deadline()), (3, Some(at(5))));
    assert_eq!(ticked(&mut queue, at(6)), [1]);
    assert_eq!(enqueue(&mut queue, at(6), &Draft::default()), [2, 3]);
}

#[test]
fn riders_are_logged_with_their_times_and_counts() {
    let mut queue = queue(|_| {});
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    plain(&mut queue, 1);
    let delayed = Draft {
        delay_ms: 4,
        ..Draft::default()
    };
    enqueue(&mut queue, at(0), &delayed);
    assert_eq!(pumped(&mut queue, at(0)), [(1, 1)]);
    settle(&mut queue, at(0), 1, 1, Outcome::Fail);
    assert_eq!(queue.mark_for_unlogged(Age::Any), Some(Sequence(1)));
    queue.mark_logged(Sequence(1), LogIndex(1));
    let mut seen = Vec::new();
    queue.log_unlogged(Age::Any, |unlogged| {
        let available_at = unlogged.placement.available_at;
        seen.push((unlogged.sequence.0, unlogged.delivery_count, available_at));
        LogIndex(2)
    });
    assert_eq!(seen, [(1, 1, None), (2, 0, Some(at(4)))]);
    assert!(!queue.has_unlogged() && queue.messages().all(|held| held.is_logged));
    assert!(queue.grant(subscriber(1), 2));
}
