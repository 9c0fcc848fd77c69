//! How deliveries end.

use super::{
    Draft, Taken, at, cancel, enqueue_logged, plain, pump, pumped, settle, subscribe, subscriber,
    taken_queue, ticked,
};
use crate::{CancelCause, LeaveReason, SubscriptionOptions};
use model::{LogIndex, Outcome, Redelivery, Sequence};

#[test]
fn a_message_that_fails_too_often_leaves_and_releases_are_not_counted() {
    let mut queue = taken_queue(|rules| rules.delivery_limit = Some(1));
    plain(&mut queue, 1);
    for outcome in [Outcome::Release, Outcome::Fail, Outcome::Release] {
        assert_eq!(pumped(&mut queue, at(0)), [(1, 1)]);
        assert_eq!(settle(&mut queue, at(0), 1, 1, outcome), []);
    }
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    assert_eq!(
        port.deliveries,
        [(subscriber(1), Sequence(1), true, (1, 3))]
    );
    let left = settle(&mut queue, at(0), 1, 1, Outcome::Fail);
    assert_eq!(left, [(1, LeaveReason::DeliveryLimit)]);
    assert!(queue.is_empty());
}

#[test]
fn a_broken_connection_counts_and_a_cancellation_does_not() {
    for (cause, told) in [(CancelCause::Asked, 0), (CancelCause::ConnectionLost, 1)] {
        let mut queue = taken_queue(|_| {});
        enqueue_logged(&mut queue, 1, 0, &Draft::default());
        queue.mark_logged(Sequence(9), LogIndex(0));
        assert_eq!(pumped(&mut queue, at(0)), [(1, 1)]);
        let (mut left, mut returned) = (Vec::new(), Vec::new());
        assert!(queue.cancel(at(0), subscriber(1), cause, &mut left, &mut returned));
        let returned: Vec<_> = returned
            .iter()
            .map(|r| (r.sequence.0, r.delivery_count))
            .collect();
        assert_eq!(returned, [(1, 1)][..told]);
        let counts: Vec<_> = queue
            .messages()
            .map(|held| held.delivery_count as usize)
            .collect();
        assert_eq!(counts, [told]);
    }
}

#[test]
fn a_message_that_failed_waits_longer_each_time() {
    let redelivery = Redelivery {
        delay_ms: 10,
        multiplier_percent: 200,
        delay_ms_max: 30,
        jitter_percent: 0,
    };
    let mut queue = taken_queue(|rules| rules.redelivery = Some(redelivery));
    plain(&mut queue, 1);
    let mut now = at(0);
    for delay_ms in [10, 20, 30, 30] {
        assert_eq!(pumped(&mut queue, now), [(1, 1)]);
        assert_eq!(settle(&mut queue, now, 1, 1, Outcome::Fail), []);
        assert_eq!(pumped(&mut queue, now), []);
        now = now.plus_millis(delay_ms);
        assert_eq!(queue.deadline(), Some(now));
        assert!(ticked(&mut queue, now).is_empty());
    }
}

#[test]
fn what_is_prepared_belongs_to_nobody() {
    let mut queue = taken_queue(|_| {});
    plain(&mut queue, 3);
    assert_eq!(pumped(&mut queue, at(0)).len(), 3);
    let asked = [1, 2, 7].map(Sequence);
    assert_eq!(queue.prepare(subscriber(1), &asked), [1, 2].map(Sequence));
    cancel(&mut queue, 1);
    assert_eq!((queue.ready_count(), queue.unsettled_count()), (1, 2));
    let (mut left, mut returned) = (Vec::new(), Vec::new());
    queue.settle_prepared(
        at(0),
        &[Sequence(1)],
        Outcome::Accept,
        &mut left,
        &mut returned,
    );
    assert_eq!(left[0].reason, LeaveReason::Accepted);
    queue.release_prepared(&[Sequence(2)]);
    subscribe(&mut queue, 2, SubscriptionOptions::competing(9));
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    let seen = port
        .deliveries
        .iter()
        .map(|(_, sequence, again, _)| (sequence.0, *again));
    assert_eq!(seen.collect::<Vec<_>>(), [(2, true), (3, true)]);
}
