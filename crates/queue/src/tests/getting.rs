//! Subscriptions that take one message.

use super::property::Pair;
use super::{
    COMPETING, Draft, Taken, at, cancel, enqueue, options, plain, pump, pumped, queue, settle,
    subscribe, subscriber, taken_queue,
};
use crate::{InUse, LeaveReason, Sharing, Stop, SubscriberId, SubscriptionOptions};
use model::Outcome;

impl Pair {
    /// Who has got a message was told so, and so was who waited for nothing.
    pub(super) fn check_got(&mut self, got: &[(SubscriberId, Option<usize>)]) {
        let naive = &self.naive;
        for (id, one) in naive.subscribers.iter().filter(|(_, one)| one.is_getting()) {
            let told = got.iter().find(|(other, _)| other == id);
            if !one.has_credit() {
                assert_eq!(told, Some(&(*id, Some(naive.waiting().count()))));
                continue;
            }
            let is_here = |sequence| !naive.cold.contains(&sequence);
            let mut ready = naive.ready().into_iter();
            let waits = ready.any(|it| is_here(it.sequence) && naive.may_have(*id, one, it));
            match told {
                Some(told) => assert!(told.1.is_none() && !waits, "{id:?} waits"),
                None => assert!(waits || !naive.cold.is_empty(), "{id:?} waits for nothing"),
            }
        }
        for (id, _) in got {
            self.naive.step_aside(*id);
        }
    }
}

fn get() -> SubscriptionOptions {
    options(1, None, Sharing::Get)
}

#[test]
fn one_message_is_taken_ahead_of_others() {
    let mut queue = taken_queue(|_| {});
    plain(&mut queue, 3);
    subscribe(&mut queue, 2, get());
    assert_eq!(queue.subscription_count(), 1);
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.drain(), [(2, 1), (1, 2), (1, 3)]);
    assert_eq!(port.got, [(subscriber(2), Some(0))]);
    // It gets no more.
    queue.grant(subscriber(2), 9);
    settle(&mut queue, at(0), 2, 1, Outcome::Release);
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.drain(), [(1, 1)]);
    assert_eq!(port.got.len(), 1);
}

#[test]
fn how_many_are_ready_behind_is_told() {
    let mut queue = queue(|_| {});
    plain(&mut queue, 3);
    subscribe(&mut queue, 1, get());
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.drain(), [(1, 1)]);
    assert_eq!(port.got, [(subscriber(1), Some(2))]);
    assert_eq!((queue.ready_count(), queue.unsettled_count()), (2, 1));
    cancel(&mut queue, 1);
    assert_eq!((queue.ready_count(), queue.unsettled_count()), (3, 0));
}

#[test]
fn there_may_be_none() {
    let mut queue = queue(|_| {});
    subscribe(&mut queue, 1, get());
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.got, [(subscriber(1), None)]);
    // What comes later is not for it.
    plain(&mut queue, 1);
    let (stop, _) = pump(&mut queue, at(0), &mut port);
    assert_eq!((stop, port.drain()), (Stop::NoTaker, Vec::new()));
}

#[test]
fn what_belongs_to_others_is_not_taken() {
    let mut queue = queue(|_| {});
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    let of_group = Draft {
        group: Some(1),
        ..Draft::default()
    };
    enqueue(&mut queue, at(0), &of_group);
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    enqueue(&mut queue, at(0), &of_group);
    subscribe(&mut queue, 2, get());
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.drain(), [(1, 1)]);
    assert_eq!(port.got, [(subscriber(2), None)]);
}

#[test]
fn one_message_of_a_group_is_not_the_others() {
    let mut queue = queue(|_| {});
    let of_group = Draft {
        group: Some(1),
        ..Draft::default()
    };
    for _ in 0..3 {
        enqueue(&mut queue, at(0), &of_group);
    }
    subscribe(&mut queue, 1, SubscriptionOptions::competing(9));
    subscribe(&mut queue, 2, get());
    assert_eq!(pumped(&mut queue, at(0)), [(2, 1), (1, 2), (1, 3)]);
}

#[test]
fn who_is_to_be_the_only_one_is() {
    let mut queue = queue(|_| {});
    subscribe(&mut queue, 1, options(1, None, Sharing::Exclusive));
    assert_eq!(queue.subscribe(subscriber(2), get()), Err(InUse));
    cancel(&mut queue, 1);
    subscribe(&mut queue, 2, get());
    // It is no subscription that others would have to share with.
    subscribe(&mut queue, 3, options(1, None, Sharing::Exclusive));

    let mut queue = super::queue(|rules| rules.single_active = true);
    subscribe(&mut queue, 1, get());
    subscribe(&mut queue, 2, SubscriptionOptions::competing(1));
    assert_eq!(queue.subscribe(subscriber(3), get()), Err(InUse));
}

#[test]
fn who_steps_aside_keeps_what_it_has() {
    let mut queue = queue(|_| {});
    plain(&mut queue, 3);
    subscribe(&mut queue, 1, options(2, None, Sharing::Exclusive));
    let mut port = Taken::default();
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.drain(), [(1, 1), (1, 2)]);
    assert!(queue.step_aside(subscriber(1)));
    assert_eq!(queue.subscription_count(), 0);
    assert_eq!(queue.unsettled_count(), 2);
    queue.grant(subscriber(1), 9);
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.drain(), []);
    let left = settle(&mut queue, at(0), 1, 1, Outcome::Accept);
    assert_eq!(left, [(1, LeaveReason::Accepted)]);
    subscribe(&mut queue, 2, options(9, None, COMPETING));
    cancel(&mut queue, 1);
    pump(&mut queue, at(0), &mut port);
    assert_eq!(port.drain(), [(2, 2), (2, 3)]);
    assert_eq!(queue.subscription_count(), 1);
}
