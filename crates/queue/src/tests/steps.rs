//! What may happen to a queue.

use super::Draft;
use crate::{Age, CancelCause, PageReach, Sharing};
use model::{DeadLetter, ExchangeName, Outcome, Overflow, QueueRules, Redelivery};
use proptest::option;
use proptest::prelude::*;

#[derive(Clone, Debug)]
pub(super) enum Step {
    Enqueue {
        draft: Draft,
        is_logged: bool,
    },
    Subscribe {
        credit: u64,
        filter: Option<u8>,
        sharing: Sharing,
    },
    Cancel(usize, CancelCause),
    Retire(usize),
    Grant(usize, u64),
    UseUp(usize),
    Settle(usize, usize, Outcome),
    Prepare(usize, usize),
    SettlePrepared(usize, Outcome),
    ReleasePrepared(usize),
    Purge,
    DropOldest,
    Wait(u64),
    Tick(usize),
    Commit(u64),
    Mark,
    LogUnlogged(Age),
    Fill(usize),
    Restart,
    Snapshot,
    PageOut {
        bytes: (usize, usize, usize),
        reach: PageReach,
    },
    /// A page that is being written is saved, or not.
    Saved(usize, bool),
    Shed(usize),
    Strip,
    Await(usize, Outcome),
    Want(usize),
    Read(usize),
    Compact,
    ChooseMerge(usize, u64),
    Merge(bool),
    Rewrite(bool),
    Free,
}

fn draft() -> impl Strategy<Value = Draft> {
    (
        0u8..6,
        option::weighted(0.2, 0u64..40),
        prop_oneof![4 => Just(0), 1 => 1u64..30],
        option::weighted(0.3, 0u8..3),
        option::weighted(0.4, 0u8..3),
        0u8..4,
        0usize..12,
    )
        .prop_map(
            |(priority, ttl_ms, delay_ms, group, value, tag, body_len)| Draft {
                priority,
                ttl_ms,
                delay_ms,
                group,
                value,
                tag,
                body_len,
            },
        )
}

/// A message of a plain queue.
fn plain_draft() -> impl Strategy<Value = Draft> {
    (0u8..6, 0usize..12).prop_map(|(priority, body_len)| Draft {
        priority,
        body_len,
        ..Draft::default()
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(Outcome::Accept),
        Just(Outcome::Reject),
        Just(Outcome::Release),
        Just(Outcome::Fail)
    ]
}

fn sharing() -> impl Strategy<Value = Sharing> {
    prop_oneof![
        6 => Just(Sharing::Competing { priority: 0 }),
        2 => (-1i32..3).prop_map(|priority| Sharing::Competing { priority }),
        1 => Just(Sharing::Exclusive),
        2 => Just(Sharing::Browse),
        2 => Just(Sharing::Get),
    ]
}

pub(super) fn rules() -> impl Strategy<Value = QueueRules> {
    let overflow = prop_oneof![
        2 => Just(Overflow::DropHead),
        1 => Just(Overflow::RejectPublish),
        1 => Just(Overflow::RejectPublishDeadLetter)
    ];
    let redelivery =
        (0u64..12, prop_oneof![Just(100), Just(200)]).prop_map(|(delay_ms, multiplier_percent)| {
            Redelivery {
                delay_ms,
                multiplier_percent,
                delay_ms_max: 40,
                jitter_percent: 0,
            }
        });
    let rules = (
        option::weighted(0.2, 0u64..50),
        option::weighted(0.3, 0u64..8),
        option::weighted(0.3, 0u64..60),
        overflow,
        prop_oneof![3 => Just(0u8), 2 => Just(3), 1 => Just(u8::MAX)],
        option::weighted(0.4, 0u32..3),
        option::weighted(0.3, redelivery),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.3),
    );
    let ruled = rules.prop_map(|rules| QueueRules {
        message_ttl_ms: rules.0,
        length_max: rules.1,
        bytes_max: rules.2,
        overflow: Some(rules.3),
        dead_letter: rules.9.then(|| DeadLetter {
            exchange: ExchangeName::new(b"dead").expect("it is short"),
            key: None,
        }),
        priority_max: rules.4,
        delivery_limit: rules.5,
        redelivery: rules.6,
        single_active: rules.7,
        last_value_header: rules.8.then(|| Box::from(*b"about")),
        settle_ms: None,
    });
    (ruled, 0u8..8).prop_map(|(ruled, kind)| match kind {
        0 => QueueRules::PLAIN,
        // Without bounds, so that there is a backlog.
        1..4 => QueueRules {
            length_max: None,
            bytes_max: None,
            last_value_header: None,
            settle_ms: None,
            ..ruled
        },
        4.. => ruled,
    })
}

/// Rules of queues with dead letters that page what is in hands.
pub(super) fn rules_with_letters() -> impl Strategy<Value = QueueRules> {
    rules().prop_map(|rules| QueueRules {
        dead_letter: Some(DeadLetter {
            exchange: ExchangeName::new(b"dead").expect("it is short"),
            key: None,
        }),
        message_ttl_ms: rules.message_ttl_ms.map(|ttl_ms| ttl_ms / 2 + 10),
        length_max: rules.length_max.map(|max| max + 2),
        bytes_max: None,
        last_value_header: None,
        settle_ms: None,
        ..rules
    })
}

/// Steps; those of a plain queue make no message and no subscription special.
pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    prop_oneof![
        1 => prop::collection::vec(step(plain_draft().boxed(), Just(None).boxed()), 1..150),
        4 => prop::collection::vec(step(draft().boxed(), option::of(0u8..16).boxed()), 1..150),
        2 => prop::collection::vec(backlog_step(plain_draft().boxed(), Just(None).boxed()), 1..200),
        3 => prop::collection::vec(backlog_step(draft().boxed(), option::of(0u8..16).boxed()), 1..200),
        2 => prop::collection::vec(merge_step(plain_draft().boxed()), 1..200),
        1 => prop::collection::vec(merge_step(draft().boxed()), 1..200),
    ]
}

fn step(
    draft: BoxedStrategy<Draft>,
    filter: BoxedStrategy<Option<u8>>,
) -> impl Strategy<Value = Step> {
    let cause = prop_oneof![Just(CancelCause::Asked), Just(CancelCause::ConnectionLost)];
    let nth = any::<usize>;
    prop_oneof![
        16 => (draft, prop::bool::weighted(0.6)).prop_map(|(draft, is_logged)| Step::Enqueue { draft, is_logged }),
        4 => (0u64..8, filter, sharing())
            .prop_map(|(credit, filter, sharing)| Step::Subscribe { credit, filter, sharing }),
        2 => (nth(), cause).prop_map(|(nth, cause)| Step::Cancel(nth, cause)),
        1 => nth().prop_map(Step::Retire),
        5 => (nth(), 0u64..40).prop_map(|(who, total)| Step::Grant(who, total)),
        1 => nth().prop_map(Step::UseUp),
        10 => (nth(), 1usize..4, outcome()).prop_map(|(which, count, outcome)| Step::Settle(which, count, outcome)),
        2 => (nth(), 1usize..4).prop_map(|(which, count)| Step::Prepare(which, count)),
        2 => (1usize..4, outcome()).prop_map(|(count, outcome)| Step::SettlePrepared(count, outcome)),
        1 => (1usize..4).prop_map(Step::ReleasePrepared),
        1 => prop_oneof![1 => Just(Step::Purge), 2 => Just(Step::DropOldest)],
        4 => (0u64..20).prop_map(Step::Wait),
        4 => (1usize..4).prop_map(Step::Tick),
        8 => prop_oneof![Just(u64::MAX), 1u64..4].prop_map(Step::Commit),
        6 => Just(Step::Mark),
        1 => prop_oneof![Just(Age::Any), Just(Age::Known)].prop_map(Step::LogUnlogged),
        2 => nth().prop_map(Step::Fill),
        1 => prop_oneof![1 => Just(Step::Restart), 1 => Just(Step::Snapshot), 2 => Just(Step::Mark)],
        16 => page_step(),
    ]
}

/// Steps of consumers that take much and settle little of it, most of it badly.
pub(super) fn hoarding_steps() -> impl Strategy<Value = Vec<Step>> {
    let nth = any::<usize>;
    let bad = || prop_oneof![4 => Just(Outcome::Reject), 3 => Just(Outcome::Fail), 1 => outcome()];
    let enqueue = (draft(), prop::bool::weighted(0.97));
    let subscribe = (5u64..60, option::weighted(0.1, 0u8..16));
    let cause = prop_oneof![Just(CancelCause::Asked), Just(CancelCause::ConnectionLost)];
    let settling = prop_oneof![
        5 => (nth(), 1usize..6, bad()).prop_map(|(which, count, outcome)| Step::Settle(which, count, outcome)),
        2 => (nth(), 1usize..4).prop_map(|(which, count)| Step::Prepare(which, count)),
        2 => (1usize..4, bad()).prop_map(|(count, outcome)| Step::Await(count, outcome)),
        2 => (1usize..4, bad()).prop_map(|(count, outcome)| Step::SettlePrepared(count, outcome)),
        1 => (1usize..4).prop_map(Step::ReleasePrepared),
    ];
    let bytes = (
        prop_oneof![Just(usize::MAX), 200usize..2000],
        Just(0),
        Just(0),
    );
    let paging = prop_oneof![
        5 => bytes.prop_map(|bytes| Step::PageOut { bytes, reach: PageReach::InHands }),
        5 => Just(Step::Saved(0, true)),
        2 => Just(Step::Strip),
        3 => (1usize..800).prop_map(Step::Want),
        4 => nth().prop_map(Step::Read),
        4 => page_step(),
    ];
    let step = prop_oneof![
        16 => enqueue.prop_map(|(draft, is_logged)| Step::Enqueue { draft, is_logged }),
        2 => subscribe.prop_map(|(credit, filter)| Step::Subscribe {
            credit,
            filter,
            sharing: Sharing::Competing { priority: 0 },
        }),
        1 => (nth(), cause).prop_map(|(nth, cause)| Step::Cancel(nth, cause)),
        1 => nth().prop_map(Step::Retire),
        12 => settling,
        4 => prop_oneof![(0u64..20).prop_map(Step::Wait), (1usize..4).prop_map(Step::Tick)],
        6 => Just(Step::Commit(u64::MAX)),
        6 => Just(Step::Mark),
        2 => prop_oneof![1 => Just(Step::Purge), 3 => Just(Step::Restart), 3 => Just(Step::Snapshot)],
        30 => paging,
    ];
    prop::collection::vec(step, 1..200)
}

/// What happens to a queue of which most is in pages.
fn backlog_step(
    draft: BoxedStrategy<Draft>,
    filter: BoxedStrategy<Option<u8>>,
) -> impl Strategy<Value = Step> {
    let nth = any::<usize>;
    let enqueue = (draft, prop::bool::weighted(0.9));
    prop_oneof![
        20 => enqueue.prop_map(|(draft, is_logged)| Step::Enqueue { draft, is_logged }),
        1 => (0u64..4, filter, sharing())
            .prop_map(|(credit, filter, sharing)| Step::Subscribe { credit, filter, sharing }),
        1 => (nth(), Just(CancelCause::ConnectionLost)).prop_map(|(nth, cause)| Step::Cancel(nth, cause)),
        1 => prop_oneof![3 => Just(Step::Subscribe { credit: 1, filter: None, sharing: Sharing::Get }), 1 => nth().prop_map(Step::Retire)],
        4 => (nth(), 0u64..30).prop_map(|(who, total)| Step::Grant(who, total)),
        8 => (nth(), 1usize..8, outcome()).prop_map(|(which, count, outcome)| Step::Settle(which, count, outcome)),
        1 => (nth(), 1usize..4).prop_map(|(which, count)| Step::Prepare(which, count)),
        1 => (1usize..4, outcome()).prop_map(|(count, outcome)| Step::SettlePrepared(count, outcome)),
        1 => (0u64..20).prop_map(Step::Wait),
        2 => (1usize..4).prop_map(Step::Tick),
        5 => Just(Step::Commit(u64::MAX)),
        5 => Just(Step::Mark),
        2 => prop_oneof![2 => Just(Step::Purge), 3 => Just(Step::Restart), 1 => Just(Step::Snapshot)],
        1 => Just(Step::LogUnlogged(Age::Any)),
        30 => page_step(),
    ]
}

fn page_step() -> impl Strategy<Value = Step> {
    let nth = any::<usize>;
    let bytes = (
        1usize..1500,
        prop_oneof![3 => Just(0), 1 => 1usize..300],
        prop_oneof![2 => Just(0), 1 => 1usize..500],
    );
    let reach = prop_oneof![2 => Just(PageReach::Waiting), 1 => Just(PageReach::InHands)];
    prop_oneof![
        7 => (bytes, reach).prop_map(|(bytes, reach)| Step::PageOut { bytes, reach }),
        7 => (nth(), prop::bool::weighted(0.9)).prop_map(|(nth, is)| Step::Saved(nth, is)),
        4 => prop_oneof![2 => Just(0), 1 => 1usize..600].prop_map(Step::Shed),
        3 => prop_oneof![2 => Just(Step::Strip), 1 => (1usize..4, outcome()).prop_map(|(count, outcome)| Step::Await(count, outcome))],
        3 => prop_oneof![1 => Just(0), 1 => 1usize..800].prop_map(Step::Want),
        3 => nth().prop_map(Step::Read),
        2 => Just(Step::Compact),
        2 => (2usize..5, 300u64..3000).prop_map(|(pages, bytes)| Step::ChooseMerge(pages, bytes)),
        2 => prop::bool::weighted(0.9).prop_map(Step::Merge),
        2 => prop::bool::weighted(0.8).prop_map(Step::Rewrite),
        1 => Just(Step::Free),
    ]
}

/// What happens to a queue whose pages are small, and become fewer.
fn merge_step(draft: BoxedStrategy<Draft>) -> impl Strategy<Value = Step> {
    let nth = any::<usize>;
    let enqueue = (draft, prop::bool::weighted(0.95));
    let small = (1usize..300, Just(0), Just(0));
    let page_out = small.prop_map(|bytes| Step::PageOut {
        bytes,
        reach: PageReach::Waiting,
    });
    let choose = (2usize..5, 600u64..5000);
    prop_oneof![
        14 => enqueue.prop_map(|(draft, is_logged)| Step::Enqueue { draft, is_logged }),
        10 => Just(Step::Commit(u64::MAX)),
        14 => page_out,
        14 => nth().prop_map(|nth| Step::Saved(nth, true)),
        12 => Just(Step::Shed(0)),
        10 => choose.prop_map(|(pages, bytes)| Step::ChooseMerge(pages, bytes)),
        10 => prop::bool::weighted(0.9).prop_map(Step::Merge),
        1 => nth().prop_map(|nth| Step::Saved(nth, false)),
        1 => Just(Step::Subscribe { credit: 2, filter: None, sharing: Sharing::Competing { priority: 0 } }),
        1 => (nth(), Just(CancelCause::ConnectionLost)).prop_map(|(nth, cause)| Step::Cancel(nth, cause)),
        2 => (nth(), 0u64..20).prop_map(|(who, total)| Step::Grant(who, total)),
        2 => (nth(), 1usize..4, outcome()).prop_map(|(which, count, outcome)| Step::Settle(which, count, outcome)),
        2 => Just(Step::Want(1)),
        2 => nth().prop_map(Step::Read),
        2 => Just(Step::Mark),
        1 => (0u64..20).prop_map(Step::Wait),
        1 => (1usize..4).prop_map(Step::Tick),
        1 => Just(Step::Compact),
        1 => Just(Step::Rewrite(true)),
        2 => prop_oneof![1 => Just(Step::Purge), 6 => Just(Step::Restart), 3 => Just(Step::Snapshot)],
        2 => Just(Step::Free),
    ]
}
