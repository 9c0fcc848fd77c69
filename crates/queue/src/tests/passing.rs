//! What passes through.

use super::{
    COMPETING, Draft, Taken, at, cancel, enqueue, options, plain, pump, queue, settle, subscribe,
    subscriber, taken_queue,
};
use crate::{Port as _, Queue, Sharing, SubscriptionOptions};
use model::{Outcome, QueueRules, Sequence};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

/// Whether a plain message passes, and to whom.
fn passed(queue: &mut Queue) -> Option<(u32, u64)> {
    let passed = queue.pass(&Draft::default().message(), |_| true);
    passed.map(|(id, Sequence(sequence))| (id.subscription.0, sequence))
}

#[test]
fn subscriptions_take_turns_and_use_up_what_they_are_granted() {
    let mut queue = queue(|_| {});
    assert_eq!(passed(&mut queue), None, "nobody is there");
    subscribe(&mut queue, 1, SubscriptionOptions::competing(1));
    subscribe(&mut queue, 2, SubscriptionOptions::competing(3));
    let order: Vec<_> = std::iter::from_fn(|| passed(&mut queue)).collect();
    assert_eq!(order, [(1, 1), (2, 2), (2, 3), (2, 4)]);
    assert_eq!((queue.len(), queue.bytes()), (0, 0));
    assert_eq!(queue.next_sequence(), Sequence(5));
}

#[test]
fn nothing_passes_where_a_message_might_wait_or_somebody_chooses() {
    let check = |change: fn(&mut QueueRules), prepare: fn(&mut Queue)| {
        let mut queue = taken_queue(change);
        prepare(&mut queue);
        assert_eq!(passed(&mut queue), None);
    };
    check(|rules| rules.length_max = Some(1), |_| {});
    check(|rules| rules.bytes_max = Some(1), |_| {});
    check(|rules| rules.message_ttl_ms = Some(1), |_| {});
    check(
        |rules| rules.last_value_header = Some(b"v".as_slice().into()),
        |_| {},
    );
    check(|_| {}, |queue| plain(queue, 1));
    let filtered = |queue: &mut Queue| subscribe(queue, 2, options(9, Some(1), COMPETING));
    check(|_| {}, filtered);
    let getting = |queue: &mut Queue| subscribe(queue, 2, options(1, None, Sharing::Get));
    check(|_| {}, getting);
}

#[test]
fn a_message_that_may_wait_does_not_pass() {
    let mut queue = taken_queue(|_| {});
    for draft in [
        Draft {
            ttl_ms: Some(5),
            ..Draft::default()
        },
        Draft {
            delay_ms: 5,
            ..Draft::default()
        },
        Draft {
            group: Some(1),
            ..Draft::default()
        },
    ] {
        assert_eq!(queue.pass(&draft.message(), |_| true), None);
    }
    assert_eq!(queue.pass(&Draft::default().message(), |_| false), None);
    assert_eq!(passed(&mut queue), Some((1, 1)), "nothing has changed");
}

#[derive(Clone, Debug)]
enum Step {
    Publish(Draft),
    /// Number, deliveries granted beyond those so far, priority.
    Subscribe(u32, u64, i32),
    Cancel(u32),
    Grant(u32, u64),
    /// Has room, or not. Nobody looks at once whether anything waits.
    Room(u32, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let draft = (0_u8..3, prop_oneof![3 => Just(None), 1 => Just(Some(1))]);
    let draft = draft.prop_map(|(priority, group)| Draft {
        priority,
        group,
        ..Draft::default()
    });
    prop_oneof![
        6 => draft.prop_map(Step::Publish),
        1 => (1_u32..4, 0_u64..9, 0_i32..2).prop_map(|(id, more, level)| Step::Subscribe(id, more, level)),
        1 => (1_u32..4).prop_map(Step::Cancel),
        2 => (1_u32..4, 0_u64..30).prop_map(|(id, total)| Step::Grant(id, total)),
        2 => (1_u32..4, any::<bool>()).prop_map(|(id, has_room)| Step::Room(id, has_room)),
    ]
}

/// Takes a step; returns who was delivered what, which is accepted at once.
fn take(queue: &mut Queue, step: &Step, passes: bool, port: &mut Taken) -> Vec<(u32, u64)> {
    match step {
        Step::Publish(draft) => {
            let message = draft.message();
            let has_room = |id| port.has_room(id);
            let passed = passes.then(|| queue.pass(&message, has_room)).flatten();
            if let Some((id, sequence)) = passed {
                return vec![(id.subscription.0, sequence.0)];
            }
            enqueue(queue, at(0), draft);
        }
        Step::Subscribe(id, granted, priority) => {
            let sharing = Sharing::Competing {
                priority: *priority,
            };
            if !queue.subscribers().any(|it| it == subscriber(*id)) {
                subscribe(queue, *id, options(*granted, None, sharing));
            }
        }
        Step::Cancel(id) => {
            if queue.subscribers().any(|it| it == subscriber(*id)) {
                cancel(queue, *id);
            }
        }
        Step::Grant(id, total) => {
            queue.grant(subscriber(*id), *total);
        }
        Step::Room(id, has_room) => {
            port.full.retain(|it| *it != subscriber(*id));
            if !has_room {
                port.full.push(subscriber(*id));
            }
            return Vec::new();
        }
    }
    pump(queue, at(0), port);
    let delivered = port.drain();
    for (id, sequence) in &delivered {
        settle(queue, at(0), *id, *sequence, Outcome::Accept);
    }
    delivered
}

proptest! {
    #[test]
    fn passing_is_as_good_as_taking_in(
        single_active in any::<bool>(),
        priority_max in 0_u8..3,
        steps in vec(step(), 0..60),
    ) {
        let change = |rules: &mut QueueRules| {
            rules.single_active = single_active;
            rules.priority_max = priority_max;
        };
        let (mut one, mut other) = (queue(change), queue(change));
        let (mut port, mut other_port) = (Taken::default(), Taken::default());
        for step in steps {
            let passed = take(&mut one, &step, true, &mut port);
            assert_eq!(passed, take(&mut other, &step, false, &mut other_port));
            assert_eq!(one.next_sequence(), other.next_sequence());
            assert_eq!((one.len(), one.ready_count()), (other.len(), other.ready_count()));
        }
    }
}
