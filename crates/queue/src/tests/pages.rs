//! Pages, feature by feature.

use super::{
    COMPETING, Draft, Taken, at, enqueue, keys, options, plain, pump, queue, subscribe, subscriber,
};
use crate::{
    Logging, PageLimits, PageMismatch, PageOut, PageReach, PageSaved, Paged, Placement, PurgedPage,
    Queue, RecoveredQueue, Stop, SubscriptionOptions,
};
use model::{Instant, LogIndex, Outcome, Overflow, PageNumber, QueueRules, Redelivery, Sequence};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const LIMITS: PageLimits = PageLimits {
    bytes_max: usize::MAX,
    bytes_min: 0,
    keep_bytes: 0,
    reach: PageReach::Waiting,
    logging: Logging::Unlogged,
};

/// What was written.
pub(super) type Files = BTreeMap<PageNumber, Vec<Paged>>;

/// Writes pages of so many messages each while there are any.
pub(super) fn page_out_all(queue: &mut Queue, per_page: usize) -> Files {
    let mut files = Files::new();
    let bytes_max = per_page * Draft::default().message().cost_bytes();
    let limits = PageLimits {
        bytes_max,
        ..LIMITS
    };
    for number in 1.. {
        let Some(PageOut { page, messages }) = queue.page_out(PageNumber(number), limits) else {
            break;
        };
        files.insert(page, messages);
        assert!(matches!(queue.page_saved(page, 1000), PageSaved::Log(_)));
    }
    queue.shed(0);
    files
}

pub(super) fn paged_queue(
    count: usize,
    per_page: usize,
    change: impl FnOnce(&mut QueueRules),
) -> (Queue, Files) {
    let mut queue = queue(change);
    plain(&mut queue, count);
    let files = page_out_all(&mut queue, per_page);
    assert_eq!((queue.len(), queue.resident_bytes()), (count, 0));
    (queue, files)
}

pub(super) fn wanted(queue: &mut Queue, now: Instant, read_ahead_bytes: usize) -> Vec<u64> {
    let mut wanted = Vec::new();
    queue.wanted_pages(now, read_ahead_bytes, &mut wanted);
    wanted.into_iter().map(|page| page.0).collect()
}

pub(super) fn read(queue: &mut Queue, files: &Files, page: u64) {
    let page = PageNumber(page);
    let is_read = queue.page_read(page, files[&page].clone(), &mut keys, &mut Vec::new());
    assert_eq!(is_read, Ok(Vec::new()));
}

/// The sequences that a pump delivers, and why it stops.
pub(super) fn deliveries(queue: &mut Queue, now: Instant) -> (Stop, Vec<u64>) {
    let mut port = Taken::default();
    let (stop, _) = pump(queue, now, &mut port);
    let sequences = port.deliveries.iter().map(|(_, sequence, ..)| sequence.0);
    (stop, sequences.collect())
}

#[test]
fn pages_are_read_when_somebody_takes_and_only_so_far_ahead() {
    let (mut queue, files) = paged_queue(100, 10, |_| {});
    let cost = Draft::default().message().cost_bytes();
    assert_eq!(wanted(&mut queue, at(0), 25 * cost), []);
    subscribe(&mut queue, 1, SubscriptionOptions::competing(12));
    assert_eq!(deliveries(&mut queue, at(0)), (Stop::Cold, vec![]));
    assert_eq!(wanted(&mut queue, at(0), 25 * cost), [1, 2, 3]);
    assert_eq!(wanted(&mut queue, at(0), 25 * cost), [], "told once");
    for page in [3, 1] {
        read(&mut queue, &files, page);
    }
    let first: Vec<_> = (1..=10).collect();
    assert_eq!(deliveries(&mut queue, at(0)), (Stop::Cold, first));
    assert_eq!(
        queue.resident_bytes(),
        10 * cost,
        "bodies go with deliveries"
    );
    assert_eq!(wanted(&mut queue, at(0), 20 * cost), [], "that is ahead");
    assert_eq!(wanted(&mut queue, at(0), 21 * cost), [4]);
    read(&mut queue, &files, 2);
    assert_eq!(deliveries(&mut queue, at(0)), (Stop::NoTaker, vec![11, 12]));
    assert_eq!(wanted(&mut queue, at(0), 20 * cost), []);
}

#[test]
fn who_chooses_reads_the_backlog_once_and_keeps_little_of_it() {
    let mut queue = queue(|_| {});
    plain(&mut queue, 999);
    let chosen = Draft {
        tag: 1,
        ..Draft::default()
    };
    enqueue(&mut queue, at(0), &chosen);
    let files = page_out_all(&mut queue, 10);
    subscribe(&mut queue, 1, options(5, Some(0b10), COMPETING));
    let cost = chosen.message().cost_bytes();
    let mut read_count = 0;
    loop {
        let (stop, got) = deliveries(&mut queue, at(0));
        queue.shed(0);
        assert!(queue.resident_bytes() <= 20 * cost);
        if !got.is_empty() {
            assert_eq!((got, stop), (vec![1000], Stop::NoTaker));
            break;
        }
        let wanted = wanted(&mut queue, at(0), 10 * cost);
        for page in &wanted {
            read(&mut queue, &files, *page);
        }
        read_count += wanted.len();
    }
    assert_eq!(read_count, 100);
}

#[test]
fn a_page_that_does_not_hold_what_it_should_is_damaged() {
    for twice in [false, true] {
        let (mut queue, files) = paged_queue(20, 10, |_| {});
        subscribe(&mut queue, 1, SubscriptionOptions::competing(100));
        assert_eq!(wanted(&mut queue, at(0), usize::MAX), [1, 2]);
        let mut messages = files[&PageNumber(1)].clone();
        let one = messages.remove(3);
        if twice {
            messages.extend([one.clone(), one]);
        }
        let mismatch = PageMismatch {
            sequence: Sequence(4),
        };
        let is_read = queue.page_read(PageNumber(1), messages, &mut keys, &mut Vec::new());
        assert_eq!(is_read, Err(mismatch));
        assert!(queue.page_damaged(PageNumber(1), &mut Vec::new()));
        read(&mut queue, &files, 2);
        assert_eq!(deliveries(&mut queue, at(0)), (Stop::Cold, vec![]));
        assert_eq!(wanted(&mut queue, at(0), usize::MAX), []);
        let (mut left, mut purged, mut freed) = (Vec::new(), Vec::new(), Vec::new());
        queue.purge(&mut left, &mut purged);
        assert_eq!((left.len(), purged.len(), purged[0].count), (10, 1, 10));
        queue.take_freed_pages(&mut freed);
        freed.sort_unstable();
        assert_eq!(freed, [PageNumber(1), PageNumber(2)]);
        assert!(queue.is_empty() && queue.bytes() == 0);
    }
}

#[test]
fn a_page_is_read_for_what_expires_now_and_then() {
    let mut queue = queue(|_| {});
    for ttl_ms in [5, 6, 60_000] {
        let draft = Draft {
            ttl_ms: Some(ttl_ms),
            ..Draft::default()
        };
        enqueue(&mut queue, at(0), &draft);
    }
    let files = page_out_all(&mut queue, 10);
    assert_eq!(queue.deadline(), Some(at(5)));
    assert_eq!(wanted(&mut queue, at(4), 1), []);
    assert_eq!(wanted(&mut queue, at(5), 1), [1]);
    assert_eq!(queue.deadline(), None, "it is on its way");
    read(&mut queue, &files, 1);
    assert_eq!(super::ticked(&mut queue, at(5)), [1]);
    queue.shed(0);
    assert_eq!(queue.deadline(), Some(at(10_005)), "not again so soon");
    assert_eq!(wanted(&mut queue, at(6), 1), []);
    assert_eq!(wanted(&mut queue, at(10_005), 1), [1]);
    read(&mut queue, &files, 1);
    assert_eq!(super::ticked(&mut queue, at(10_005)), [2]);
    queue.shed(0);
    assert_eq!(queue.deadline(), Some(at(60_000)));
}

#[test]
fn a_full_queue_drops_its_head_when_it_is_read() {
    let (mut queue, files) = paged_queue(20, 10, |rules| {
        (rules.length_max, rules.overflow) = (Some(20), Some(Overflow::DropHead));
    });
    assert_eq!(enqueue(&mut queue, at(0), &Draft::default()), []);
    assert_eq!(queue.ready_count(), 21);
    assert_eq!(wanted(&mut queue, at(0), 1), [1]);
    read(&mut queue, &files, 1);
    assert_eq!(pump(&mut queue, at(0), &mut Taken::default()).1, [1]);
    assert_eq!(enqueue(&mut queue, at(0), &Draft::default()), [2]);
    assert_eq!(queue.ready_count(), 20);
}

#[test]
fn the_longest_delays_are_paged_and_come_in_time() {
    let mut queue = queue(|_| {});
    for delay_ms in [50, 10, 40, 20, 30] {
        let draft = Draft {
            delay_ms,
            ..Draft::default()
        };
        enqueue(&mut queue, at(0), &draft);
    }
    let cost = Draft::default().message().cost_bytes();
    let limits = PageLimits {
        bytes_max: 2 * cost,
        ..LIMITS
    };
    let out = queue.page_out(PageNumber(1), limits).expect("some wait");
    let sequences = out.messages.iter().map(|one| one.placement.sequence.0);
    assert_eq!(sequences.collect::<Vec<_>>(), [1, 3]);
    let PageSaved::Log(record) = queue.page_saved(PageNumber(1), 1000) else {
        panic!("it is needed");
    };
    assert_eq!(record.available_first, Some(at(40)));
    assert_eq!(queue.shed(0), 2 * cost);
    assert_eq!((queue.ready_count(), queue.deadline()), (5, Some(at(10))));
    assert_eq!(super::ticked(&mut queue, at(30)), []);
    assert_eq!(wanted(&mut queue, at(39), 1), []);
    assert_eq!(queue.deadline(), Some(at(40)));
    assert_eq!(wanted(&mut queue, at(40), 1), [1]);
    read(&mut queue, &Files::from([(PageNumber(1), out.messages)]), 1);
    subscribe(&mut queue, 1, SubscriptionOptions::competing(100));
    assert_eq!(super::ticked(&mut queue, at(40)), []);
    assert_eq!(deliveries(&mut queue, at(40)).1, [2, 3, 4, 5]);
    assert_eq!(queue.deadline(), Some(at(50)));
}

#[test]
fn a_queue_that_keeps_last_values_is_not_paged() {
    let mut queue = queue(|rules| rules.last_value_header = Some(Box::from(*b"about")));
    plain(&mut queue, 10);
    assert!(queue.page_out(PageNumber(1), LIMITS).is_none());
}

#[test]
fn only_what_is_durable_is_paged_and_stays_in_order() {
    let mut queue = queue(|_| {});
    for number in 1..=9 {
        super::enqueue_logged(&mut queue, number, number, &Draft::default());
    }
    let limits = PageLimits {
        logging: Logging::Logged {
            committed: LogIndex(6),
        },
        keep_bytes: 1,
        ..LIMITS
    };
    let out = queue.page_out(PageNumber(1), limits).expect("some are");
    let sequences = out.messages.iter().map(|one| one.placement.sequence.0);
    assert_eq!(sequences.collect::<Vec<_>>(), [2, 3, 4, 5, 6]);
    assert!(queue.page_out(PageNumber(2), limits).is_none());
    queue.page_saved(PageNumber(1), 1000);
    assert_eq!(queue.messages().count(), 4);
    let states: Vec<_> = queue.page_states().collect();
    assert_eq!(states[0].record.members.len(), 5);
    assert!(states[0].gone.is_empty() && states[0].returned.is_empty());
}

#[test]
fn what_fails_waits_for_its_new_moment_whatever_its_page_says() {
    let mut queue = queue(|rules| {
        rules.redelivery = Some(Redelivery {
            delay_ms: 1000,
            multiplier_percent: 100,
            delay_ms_max: 1000,
            jitter_percent: 0,
        });
    });
    let delayed = Draft {
        delay_ms: 10,
        ..Draft::default()
    };
    enqueue(&mut queue, at(0), &delayed);
    let files = page_out_all(&mut queue, 10);
    subscribe(&mut queue, 1, SubscriptionOptions::competing(100));
    let id = subscriber(1);
    for (now, count) in [(10, 0), (1010, 1), (2010, 2)] {
        assert_eq!((queue.deadline(), queue.ready_count()), (Some(at(now)), 1));
        assert_eq!(wanted(&mut queue, at(now - 1), 1), []);
        assert_eq!(wanted(&mut queue, at(now), 1), [1]);
        read(&mut queue, &files, 1);
        assert_eq!(super::ticked(&mut queue, at(now)), []);
        let mut port = Taken::default();
        pump(&mut queue, at(now), &mut port);
        let seen = (id, Sequence(1), count > 0, (count, count));
        assert_eq!(port.deliveries, [seen]);
        let (mut left, mut returned) = (Vec::new(), Vec::new());
        let sequences = [Sequence(1)];
        queue.settle(
            at(now),
            id,
            &sequences,
            Outcome::Fail,
            &mut left,
            &mut returned,
        );
        assert_eq!((left.len(), queue.resident_bytes()), (0, 0));
        queue.shed(0);
    }
}

#[test]
fn what_was_in_hands_at_a_purge_is_there_after_a_restart() {
    let mut queue = queue(|_| {});
    for number in 1..=10 {
        super::enqueue_logged(&mut queue, number, 1, &Draft::default());
    }
    let committed = LogIndex(1);
    let limits = PageLimits {
        logging: Logging::Logged { committed },
        ..LIMITS
    };
    let page = PageNumber(1);
    let out = queue.page_out(page, limits).expect("all are durable");
    let files = Files::from([(page, out.messages)]);
    let PageSaved::Log(record) = queue.page_saved(page, 1000) else {
        panic!("it is needed");
    };
    subscribe(&mut queue, 1, SubscriptionOptions::competing(3));
    let mark = queue.wanted_mark().expect("somebody takes");
    queue.mark_logged(mark, committed);
    let (mut port, mut left, mut returned) = (Taken::default(), Vec::new(), Vec::new());
    queue.pump(at(0), committed, &mut port, &mut left);
    queue.shed(0);
    let id = subscriber(1);
    queue.settle(
        at(0),
        id,
        &[Sequence(2)],
        Outcome::Accept,
        &mut left,
        &mut returned,
    );
    let state: Vec<_> = queue.page_states().collect();
    assert_eq!(state[0].gone, [(Sequence(2), Sequence(2))]);
    let (mut others, mut purged) = (Vec::new(), Vec::new());
    queue.purge(&mut others, &mut purged);
    let except = vec![Sequence(1), Sequence(3)];
    let count = 7;
    assert_eq!(
        purged,
        [PurgedPage {
            page,
            count,
            except
        }]
    );
    assert!(others.is_empty() && queue.len() == 2 && queue.ready_count() == 0);

    let mut from_log = RecoveredQueue::new();
    for number in 1..=10 {
        from_log.enqueued(Placement::at(Sequence(number)), Draft::default().message());
    }
    from_log.paged(record);
    assert_eq!((from_log.len(), from_log.resident_bytes()), (10, 0));
    from_log.settled(Sequence(2), Sequence(2));
    let mut from_snapshot = RecoveredQueue::new();
    from_snapshot.page(state[0].clone());
    for mut recovered in [from_log, from_snapshot] {
        assert_eq!(recovered.len(), 9);
        recovered.page_left(page, &purged[0].except);
        let mut queue = recovered.into_queue(Arc::new(QueueRules::PLAIN), 7, keys);
        subscribe(&mut queue, 1, SubscriptionOptions::competing(9));
        assert_eq!(wanted(&mut queue, at(0), 1), [1]);
        read(&mut queue, &files, 1);
        let mark = queue.wanted_mark().expect("somebody takes");
        queue.mark_logged(mark, LogIndex(0));
        assert_eq!(deliveries(&mut queue, at(0)).1, [1, 3]);
    }
}
