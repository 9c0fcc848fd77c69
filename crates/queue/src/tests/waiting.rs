//! What waits: in which order, for how long, and how much of it.

use super::{
    Draft, Taken, at, enqueue, enqueue_logged, plain, pump, pumped, queue, settle, subscribe,
    subscriber, taken_queue, ticked,
};
use crate::{Full, LeaveReason, Stop, SubscriptionOptions};
use model::{LogIndex, Outcome, Overflow};

#[test]
fn higher_priorities_go_first_and_a_released_message_goes_to_its_place() {
    let mut queue = queue(|rules| rules.priority_max = 4);
    for priority in [0, 9, 4, 1, 0] {
        let draft = Draft {
            priority,
            ..Draft::default()
        };
        enqueue(&mut queue, at(0), &draft);
    }
    subscribe(&mut queue, 1, SubscriptionOptions::competing(2));
    assert_eq!(pumped(&mut queue, at(0)), [(1, 2), (1, 3)], "9 counts as 4");
    assert_eq!(settle(&mut queue, at(0), 1, 2, Outcome::Release), []);
    queue.grant(subscriber(1), 10);
    assert_eq!(pumped(&mut queue, at(0)), [(1, 2), (1, 4), (1, 1), (1, 5)]);
}

#[test]
fn a_high_message_that_waits_for_the_log_lets_low_ones_pass() {
    let mut queue = taken_queue(|rules| rules.priority_max = 1);
    let high = Draft {
        priority: 1,
        ..Draft::default()
    };
    enqueue_logged(&mut queue, 1, 5, &high);
    plain(&mut queue, 1);
    let mut port = Taken::default();
    let (stop, _) = pump(&mut queue, at(0), &mut port);
    assert_eq!(stop, Stop::Uncommitted(LogIndex(5)));
    assert_eq!(port.drain(), [(1, 2)]);
}

#[test]
fn messages_expire_wherever_they_wait() {
    let mut queue = queue(|rules| rules.message_ttl_ms = Some(50));
    for (ttl_ms, delay_ms) in [(None, 0), (Some(10), 0), (Some(90), 0), (Some(20), 30)] {
        let draft = Draft {
            ttl_ms,
            delay_ms,
            ..Draft::default()
        };
        enqueue(&mut queue, at(0), &draft);
    }
    assert_eq!(queue.deadline(), Some(at(10)));
    assert!(ticked(&mut queue, at(9)).is_empty());
    assert_eq!(ticked(&mut queue, at(20)), [2, 4]);
    assert_eq!(queue.deadline(), Some(at(50)), "the lower of both bounds");
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    assert_eq!(pumped(&mut queue, at(20)), [(1, 1)]);
    assert_eq!(
        ticked(&mut queue, at(60)),
        [3],
        "what is delivered does not expire"
    );
    assert_eq!(settle(&mut queue, at(60), 1, 1, Outcome::Release), []);
    queue.grant(subscriber(1), 9);
    let mut port = Taken::default();
    assert_eq!(pump(&mut queue, at(61), &mut port), (Stop::Empty, vec![1]));
    assert_eq!(port.drain(), [], "not delivered too late");
    assert_eq!(queue.deadline(), None);
}

#[test]
fn a_message_without_any_time_is_delivered_at_once_or_not_at_all() {
    let mut queue = queue(|_| {});
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    let draft = Draft {
        ttl_ms: Some(0),
        ..Draft::default()
    };
    enqueue(&mut queue, at(5), &draft);
    enqueue(&mut queue, at(5), &draft);
    assert_eq!(pumped(&mut queue, at(5)), [(1, 1)]);
    assert_eq!(ticked(&mut queue, at(5)), [2]);
}

#[test]
fn a_tick_does_no_more_than_it_may() {
    let mut queue = queue(|rules| rules.message_ttl_ms = Some(1));
    plain(&mut queue, 5);
    let mut left = Vec::new();
    assert!(queue.tick(at(9), 3, &mut left));
    assert_eq!((left.len(), queue.len()), (3, 2));
    assert!(!queue.tick(at(9), 3, &mut left));
    assert!(queue.is_empty());
}

#[test]
fn a_pump_meets_no_more_expired_messages_than_it_may() {
    let mut queue = taken_queue(|rules| rules.message_ttl_ms = Some(1));
    plain(&mut queue, 5000);
    let mut port = Taken::default();
    let (stop, left) = pump(&mut queue, at(9), &mut port);
    assert_eq!((stop, left.len()), (Stop::Busy, 4096));
    let (stop, left) = pump(&mut queue, at(9), &mut port);
    assert_eq!((stop, left.len()), (Stop::Empty, 904));
    assert_eq!(port.drain(), []);
}

#[test]
fn a_delayed_message_takes_its_place_when_its_time_has_come() {
    let mut queue = queue(|_| {});
    let delayed = Draft {
        delay_ms: 10,
        ..Draft::default()
    };
    enqueue(&mut queue, at(0), &delayed);
    plain(&mut queue, 2);
    assert_eq!((queue.ready_count(), queue.deadline()), (3, Some(at(10))));
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    assert_eq!(pumped(&mut queue, at(9)), [(1, 2)]);
    assert!(ticked(&mut queue, at(10)).is_empty());
    queue.grant(subscriber(1), 9);
    assert_eq!(pumped(&mut queue, at(10)), [(1, 1), (1, 3)]);
}

#[test]
fn a_full_queue_drops_the_oldest_of_the_lowest_priority() {
    let mut queue = queue(|rules| {
        rules.length_max = Some(2);
        rules.priority_max = 1;
    });
    let (low, high) = (
        Draft::default(),
        Draft {
            priority: 1,
            ..Draft::default()
        },
    );
    for (draft, dropped) in [(&low, 0), (&high, 0), (&high, 1), (&high, 2), (&low, 5)] {
        let left = enqueue(&mut queue, at(0), draft);
        assert_eq!(left.first().copied().unwrap_or(0), dropped);
    }
    assert_eq!(
        queue.check_room(&low.message()),
        Ok(()),
        "it drops and does not refuse"
    );
}

#[test]
fn a_message_beyond_all_bounds_drops_everything_and_itself() {
    let mut queue = queue(|rules| rules.bytes_max = Some(10));
    let draft = |body_len| Draft {
        body_len,
        ..Draft::default()
    };
    assert!(enqueue(&mut queue, at(0), &draft(10)).is_empty());
    assert_eq!(enqueue(&mut queue, at(0), &draft(11)), [1, 2]);
    assert!(queue.is_empty());
}

#[test]
fn a_full_queue_that_refuses_counts_only_what_waits() {
    let mut queue = queue(|rules| {
        rules.overflow = Some(Overflow::RejectPublish);
        rules.length_max = Some(1);
    });
    let message = Draft::default().message();
    plain(&mut queue, 1);
    assert_eq!(queue.check_room(&message), Err(Full));
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    assert_eq!(pumped(&mut queue, at(0)), [(1, 1)]);
    assert_eq!(queue.check_room(&message), Ok(()));
    assert_eq!((queue.ready_count(), queue.unsettled_count()), (0, 1));
}

#[test]
fn a_newer_message_about_the_same_replaces_what_waits() {
    let mut queue = queue(|rules| rules.last_value_header = Some(Box::from(*b"about")));
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    let about = |value, delay_ms| Draft {
        value,
        delay_ms,
        ..Draft::default()
    };
    assert!(enqueue(&mut queue, at(0), &about(Some(0), 0)).is_empty());
    assert_eq!(pumped(&mut queue, at(0)), [(1, 1)]);
    let second = enqueue(&mut queue, at(0), &about(Some(0), 5));
    assert!(second.is_empty(), "what is delivered is not replaced");
    assert!(enqueue(&mut queue, at(0), &about(Some(1), 0)).is_empty());
    assert!(enqueue(&mut queue, at(0), &about(None, 0)).is_empty());
    let third = enqueue(&mut queue, at(0), &about(Some(0), 0));
    assert_eq!(third, [2], "though it is delayed");
    let left = settle(&mut queue, at(0), 1, 1, Outcome::Release);
    assert_eq!(left, [(1, LeaveReason::Superseded)]);
    assert_eq!(queue.len(), 3);
}

#[test]
fn a_purge_spares_what_is_delivered() {
    let mut queue = queue(|_| {});
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    plain(&mut queue, 3);
    let delayed = Draft {
        delay_ms: 9,
        ..Draft::default()
    };
    enqueue(&mut queue, at(0), &delayed);
    assert_eq!(pumped(&mut queue, at(0)), [(1, 1)]);
    let mut left = Vec::new();
    queue.purge(&mut left, &mut Vec::new());
    assert!(left.iter().all(|left| left.reason == LeaveReason::Purged));
    assert_eq!((left.len(), queue.len(), queue.deadline()), (3, 1, None));
}

#[test]
fn much_is_dropped_piece_by_piece_before_anything_is_delivered() {
    let mut queue = queue(|rules| {
        (rules.bytes_max, rules.overflow) = (Some(5000), Some(Overflow::DropHead));
    });
    let short = Draft {
        body_len: 1,
        ..Draft::default()
    };
    let long = Draft {
        body_len: 4999,
        ..Draft::default()
    };
    let shorts: Vec<_> = (0..5000)
        .flat_map(|_| enqueue(&mut queue, at(0), &short))
        .collect();
    assert_eq!(shorts, []);
    subscribe(&mut queue, 1, SubscriptionOptions::competing(100));
    let mut dropped = enqueue(&mut queue, at(0), &long);
    assert!(!dropped.is_empty() && queue.is_shrinking());
    // One that is not pumped shrinks, too, as others come.
    let more = enqueue(&mut queue, at(0), &short);
    assert_eq!(more.len(), 2);
    dropped.extend(more);
    let mut port = Taken::default();
    while queue.is_shrinking() {
        let (stop, left) = pump(&mut queue, at(0), &mut port);
        assert!((1..=1024).contains(&left.len()));
        assert_eq!(stop == Stop::Busy, queue.is_shrinking());
        assert!(port.deliveries.is_empty() || !queue.is_shrinking());
        dropped.extend(left);
    }
    assert!(dropped.into_iter().eq(1..=5000));
    assert_eq!(port.drain(), [(1, 5001), (1, 5002)]);
}
