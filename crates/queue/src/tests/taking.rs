//! Who gets what.

use super::{
    COMPETING, Draft, Taken, at, cancel, enqueue, enqueue_logged, options, plain, pump, pumped,
    queue, settle, subscribe, subscriber, taken_queue,
};
use crate::{Answer, Filter, InUse, Sharing, Stop, SubscriptionOptions};
use model::{LogIndex, Message, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn subscriptions_take_turns() {
    let mut queue = taken_queue(|_| {});
    subscribe(&mut queue, 2, SubscriptionOptions::competing(u64::MAX));
    plain(&mut queue, 4);
    assert_eq!(pumped(&mut queue, at(0)), [(1, 1), (2, 2), (1, 3), (2, 4)]);
}

#[test]
fn one_active_subscription_hands_over_when_it_ends() {
    let mut queue = taken_queue(|rules| rules.single_active = true);
    subscribe(&mut queue, 2, SubscriptionOptions::competing(u64::MAX));
    plain(&mut queue, 2);
    assert_eq!(pumped(&mut queue, at(0)), [(1, 1), (1, 2)]);
    cancel(&mut queue, 1);
    assert_eq!(pumped(&mut queue, at(0)), [(2, 1), (2, 2)]);
    let higher = Sharing::Competing { priority: 1 };
    subscribe(&mut queue, 3, options(u64::MAX, None, higher));
    plain(&mut queue, 1);
    assert_eq!(pumped(&mut queue, at(0)), [(3, 3)]);
}

#[test]
fn an_exclusive_subscription_is_alone_but_for_those_that_browse() {
    let mut queue = taken_queue(|_| {});
    let exclusive = || options(1, None, Sharing::Exclusive);
    assert_eq!(queue.subscribe(subscriber(2), exclusive()), Err(InUse));
    cancel(&mut queue, 1);
    subscribe(&mut queue, 2, exclusive());
    let another = SubscriptionOptions::competing(1);
    assert_eq!(queue.subscribe(subscriber(3), another), Err(InUse));
    subscribe(&mut queue, 4, options(1, None, Sharing::Browse));
    assert_eq!(queue.subscription_count(), 1);
    cancel(&mut queue, 2);
    subscribe(&mut queue, 3, SubscriptionOptions::competing(1));
}

#[test]
fn lower_priorities_get_what_higher_ones_cannot_take() {
    let mut queue = queue(|_| {});
    let sharing = |priority| Sharing::Competing { priority };
    subscribe(&mut queue, 1, options(9, None, sharing(-1)));
    subscribe(&mut queue, 2, options(1, None, sharing(5)));
    subscribe(&mut queue, 3, options(2, None, sharing(5)));
    plain(&mut queue, 5);
    let expected = [(2, 1), (3, 2), (3, 3), (1, 4), (1, 5)];
    assert_eq!(pumped(&mut queue, at(0)), expected);
}

#[test]
fn a_group_stays_with_its_owner_until_that_ends() {
    let mut queue = queue(|_| {});
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    subscribe(&mut queue, 2, SubscriptionOptions::competing(9));
    for group in [Some(0), Some(0), Some(1), None, Some(1)] {
        let draft = Draft {
            group,
            ..Draft::default()
        };
        enqueue(&mut queue, at(0), &draft);
    }
    let expected = [(1, 1), (2, 3), (2, 4), (2, 5)];
    assert_eq!(
        pumped(&mut queue, at(0)),
        expected,
        "2 waits for credit of its owner"
    );
    assert_eq!(settle(&mut queue, at(0), 1, 1, Outcome::Accept).len(), 1);
    assert_eq!(pumped(&mut queue, at(0)), []);
    cancel(&mut queue, 1);
    assert_eq!(pumped(&mut queue, at(0)), [(2, 2)]);
}

#[test]
fn the_owner_of_a_group_without_messages_is_remembered() {
    let mut queue = taken_queue(|_| {});
    let draft = Draft {
        group: Some(0),
        ..Draft::default()
    };
    enqueue(&mut queue, at(0), &draft);
    assert_eq!(pumped(&mut queue, at(0)), [(1, 1)]);
    settle(&mut queue, at(0), 1, 1, Outcome::Accept);
    subscribe(&mut queue, 2, SubscriptionOptions::competing(9));
    enqueue(&mut queue, at(0), &draft);
    assert_eq!(pumped(&mut queue, at(0)), [(1, 2)]);
}

#[test]
fn what_no_filter_matches_holds_back_nobody() {
    let mut queue = queue(|_| {});
    subscribe(&mut queue, 1, options(9, Some(0b0001), COMPETING));
    subscribe(&mut queue, 2, options(9, Some(0b0010), COMPETING));
    for tag in [2, 1, 0, 2, 0] {
        let draft = Draft {
            tag,
            ..Draft::default()
        };
        enqueue(&mut queue, at(0), &draft);
    }
    let mut port = Taken::default();
    let (stop, _) = pump(&mut queue, at(0), &mut port);
    assert_eq!(stop, Stop::NoTaker);
    assert_eq!(port.drain(), [(1, 3), (2, 2), (1, 5)]);
    subscribe(&mut queue, 3, SubscriptionOptions::competing(9));
    assert_eq!(pumped(&mut queue, at(0)), [(3, 1), (3, 4)]);
}

/// Matches nothing and counts how often it is asked. Each answer costs so much.
#[derive(Default)]
struct Counting {
    asked_count: AtomicUsize,
    work: u64,
}

impl Filter for Counting {
    fn ask(&self, _: &Message) -> Answer {
        self.asked_count.fetch_add(1, Ordering::Relaxed);
        Answer {
            is_match: false,
            work: self.work,
        }
    }
}

#[test]
fn a_filter_is_asked_once_for_each_message() {
    let mut queue = queue(|_| {});
    let counting = Arc::new(Counting::default());
    let filter: Arc<dyn Filter> = Arc::<Counting>::clone(&counting);
    let filtered = SubscriptionOptions {
        filter: Some(filter),
        ..SubscriptionOptions::competing(9)
    };
    subscribe(&mut queue, 1, filtered);
    for _ in 0..10 {
        plain(&mut queue, 1);
        assert_eq!(pumped(&mut queue, at(0)), []);
        assert_eq!(pumped(&mut queue, at(0)), []);
    }
    assert_eq!(counting.asked_count.load(Ordering::Relaxed), 10);
    subscribe(&mut queue, 2, SubscriptionOptions::competing(1));
    assert_eq!(pumped(&mut queue, at(0)), [(2, 1)]);
    settle(&mut queue, at(0), 2, 1, Outcome::Release);
    assert_eq!(pumped(&mut queue, at(0)), []);
    let asked = counting.asked_count.load(Ordering::Relaxed);
    assert!(
        (11..=20).contains(&asked),
        "again for what came back: {asked}"
    );
}

#[test]
fn a_long_look_is_interrupted_and_goes_on() {
    let mut queue = queue(|_| {});
    plain(&mut queue, 10_000);
    let draft = Draft {
        tag: 1,
        ..Draft::default()
    };
    enqueue(&mut queue, at(0), &draft);
    subscribe(&mut queue, 1, options(9, Some(0b0010), COMPETING));
    let mut port = Taken::default();
    let expected = [Stop::Busy, Stop::Busy, Stop::NoTaker];
    let stops = [(); 3].map(|()| pump(&mut queue, at(0), &mut port).0);
    assert_eq!(stops, expected);
    assert_eq!(port.drain(), [(1, 10_001)]);
    subscribe(&mut queue, 2, options(9, Some(0b0010), Sharing::Browse));
    let stops = [(); 3].map(|()| pump(&mut queue, at(0), &mut port).0);
    assert_eq!(stops, expected);
    assert_eq!(port.browsed, [subscriber(2)]);
}

#[test]
fn costly_filters_interrupt_a_pump_and_it_goes_on() {
    for sharing in [COMPETING, Sharing::Browse] {
        // A second of work, were it done at once.
        let counting = Arc::new(Counting {
            asked_count: AtomicUsize::new(0),
            work: 50_000,
        });
        let mut queue = queue(|_| {});
        plain(&mut queue, 2_000);
        for number in 1..=3 {
            let filter: Arc<dyn Filter> = Arc::<Counting>::clone(&counting);
            let filtered = SubscriptionOptions {
                filter: Some(filter),
                sharing,
                ..SubscriptionOptions::competing(9)
            };
            subscribe(&mut queue, number, filtered);
        }
        let (mut asked, mut pump_count) = (0, 0);
        loop {
            let stop = pump(&mut queue, at(0), &mut Taken::default()).0;
            let newly = counting.asked_count.load(Ordering::Relaxed) - asked;
            assert!(newly <= 2, "{newly} answers in one pump");
            asked += newly;
            pump_count += 1;
            if stop != Stop::Busy {
                break;
            }
            assert!(newly > 0, "it gets on");
        }
        assert_eq!(asked, 6_000);
        assert!(pump_count >= 3_000);
    }
}

#[test]
fn who_browses_sees_what_is_ready_once_and_takes_nothing() {
    let mut queue = queue(|rules| rules.priority_max = 1);
    for (priority, delay_ms) in [(0, 0), (1, 0), (0, 9), (0, 0)] {
        let draft = Draft {
            priority,
            delay_ms,
            ..Draft::default()
        };
        enqueue(&mut queue, at(0), &draft);
    }
    subscribe(&mut queue, 1, options(2, None, Sharing::Browse));
    plain(&mut queue, 1);
    let mut port = Taken::default();
    assert_eq!(pump(&mut queue, at(0), &mut port).0, Stop::NoTaker);
    assert_eq!(port.drain(), [(1, 2), (1, 1)]);
    assert!(queue.grant(subscriber(1), 3));
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.drain(), [(1, 4)]);
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.browsed, [subscriber(1)], "told once");
    assert_eq!((queue.len(), queue.unsettled_count()), (5, 0));
    assert!(!queue.grant(subscriber(1), 9), "it has ended");
}

#[test]
fn who_browses_waits_for_the_log() {
    let mut queue = queue(|_| {});
    enqueue_logged(&mut queue, 1, 3, &Draft::default());
    subscribe(&mut queue, 1, options(9, None, Sharing::Browse));
    let (mut port, mut left) = (Taken::default(), Vec::new());
    let stop = queue.pump(at(0), LogIndex(2), &mut port, &mut left);
    assert_eq!(stop, Stop::Uncommitted(LogIndex(3)));
    assert!(port.browsed.is_empty());
    queue.pump(at(0), LogIndex(3), &mut port, &mut left);
    assert_eq!((port.drain(), port.browsed.len()), (vec![(1, 1)], 1));
}
