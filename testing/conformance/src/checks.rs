//! The promises of a shard's log, one function each.

use crate::provider::{Failing, Opened, Provider};
use crate::recorder::{Record, Saved, Woken};
use log_store::ShardLog;
use model::{Dialect, Envelope, LogIndex, Message, Parts, Persistence, ShardId};

const SHARDS: u16 = 3;

/// The kind of the records of logs, and of those of snapshots.
const LOGGED: u8 = 1;
const SAVED: u8 = 2;

/// Runs every check, each against a new store that `provider` makes.
///
/// # Panics
/// When the provider breaks a promise.
pub fn check_all<P: Provider>(mut provider: impl FnMut() -> P) {
    records_come_back_in_order(&mut provider());
    indexes_are_dense(&mut provider());
    committed_never_goes_back(&mut provider());
    nothing_is_committed_before_its_round(&mut provider());
    wakers_are_called(&mut provider());
    a_snapshot_replaces_what_is_before_it(&mut provider());
    a_snapshot_waits_for_its_log(&mut provider());
    an_older_snapshot_is_replaced(&mut provider());
    a_failure_is_final(&mut provider());
    for seed in 1..=50 {
        a_crash_keeps_a_prefix_of_each_shard(&mut provider(), seed);
    }
    crate::pages::check_pages(provider);
}

fn records_come_back_in_order<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    let mut expected = Vec::new();
    for turn in 0..20 {
        for log in &mut logs {
            for _ in 0..turn % 3 {
                expected.push(submit(log, turn));
            }
        }
        if turn % 4 == 0 {
            provider.round();
        }
    }
    provider.round();
    drop(logs);
    provider.crash(&mut |_| 0);
    let Opened { logs, replayed } = provider.open(SHARDS);
    for log in &logs {
        let shard = log.shard();
        let of = |records: &[Record]| -> Vec<Record> {
            let of_shard = records.iter().filter(|record| record.shard == shard);
            of_shard.cloned().collect()
        };
        assert_eq!(of(&replayed), of(&expected), "shard {shard}");
    }
}

fn indexes_are_dense<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    let log = &mut logs[1];
    assert_eq!(log.next_index(), LogIndex(1), "an empty log begins at 1");
    let mut batch = log.batch();
    assert!(batch.is_empty());
    for index in 1..=5 {
        assert_eq!(batch.push(LOGGED, |_| {}), LogIndex(index));
    }
    assert_eq!(log.submit(batch), Ok(LogIndex(5)));
    assert_eq!(log.next_index(), LogIndex(6));
    let nothing = log.batch();
    assert_eq!(log.submit(nothing), Ok(LogIndex(5)), "an empty batch");
    let mut dropped = log.batch();
    dropped.push(LOGGED, |_| {});
    drop(dropped);
    assert_eq!(log.next_index(), LogIndex(6), "a dropped batch never was");
    assert_eq!(submit(log, 0).index, LogIndex(6));
    provider.round();
    assert_eq!(logs[1].committed(), LogIndex(6));
    assert_eq!(logs[0].committed(), LogIndex(0), "another shard");
    drop(logs);
    provider.crash(&mut |_| 0);
    let opened = provider.open(SHARDS);
    assert_eq!(opened.logs[1].next_index(), LogIndex(7));
    assert_eq!(opened.logs[1].committed(), LogIndex(6));
}

fn committed_never_goes_back<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    let mut before = vec![LogIndex(0); logs.len()];
    for turn in 0..50_usize {
        let shard = turn % logs.len();
        submit(&mut logs[shard], turn);
        if turn % 7 == 3 {
            logs[shard].save_snapshot(Saved::new(SAVED, vec![]));
        }
        if turn % 5 == 0 {
            provider.round();
        }
        provider.keep_house();
        for (log, before) in logs.iter().zip(&mut before) {
            assert!(log.committed() >= *before);
            assert!(log.committed() < log.next_index());
            *before = log.committed();
        }
    }
}

fn nothing_is_committed_before_its_round<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    submit(&mut logs[0], 0);
    assert_eq!(logs[0].committed(), LogIndex(0));
    provider.round();
    assert_eq!(logs[0].committed(), LogIndex(1));
    provider.round();
    assert_eq!(logs[0].committed(), LogIndex(1), "an empty round");
}

fn wakers_are_called<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    let (first, waker) = Woken::new();
    logs[0].wake_on_commit(waker);
    let (second, waker) = Woken::new();
    logs[1].wake_on_commit(waker);
    for turn in 1..=3 {
        submit(&mut logs[0], turn);
        provider.round();
        assert!(first.count() >= turn, "on every commit");
    }
    assert_eq!(second.count(), 0, "another shard's commit");
    let (replaced, waker) = Woken::new();
    logs[0].wake_on_commit(waker);
    let before = first.count();
    submit(&mut logs[0], 0);
    provider.round();
    assert!(replaced.count() > 0);
    assert_eq!(first.count(), before, "a waker that was replaced");
}

fn a_snapshot_replaces_what_is_before_it<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    for turn in 0..10 {
        submit(&mut logs[0], turn);
        submit(&mut logs[1], turn);
    }
    let state = vec![b"a".to_vec(), Vec::new(), b"c".to_vec()];
    logs[0].save_snapshot(Saved::new(SAVED, state.clone()));
    let behind = submit(&mut logs[0], 77);
    provider.round();
    provider.keep_house();
    provider.round();
    drop(logs);
    provider.crash(&mut |_| 0);
    let Opened { logs, replayed } = provider.open(SHARDS);
    let of_shard: Vec<Record> = of(&replayed, 0);
    let snapshot = state.into_iter().map(|payload| Record {
        shard: ShardId(0),
        index: LogIndex(10),
        kind: SAVED,
        payload,
    });
    let expected: Vec<Record> = snapshot.chain([behind]).collect();
    assert_eq!(of_shard, expected);
    assert_eq!(
        of(&replayed, 1).len(),
        10,
        "another shard keeps its records"
    );
    assert_eq!(logs[0].next_index(), LogIndex(12));
    assert_eq!(logs[0].committed(), LogIndex(11));
}

fn a_snapshot_waits_for_its_log<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    let first = submit(&mut logs[0], 1);
    provider.round();
    submit(&mut logs[0], 2);
    logs[0].save_snapshot(Saved::new(SAVED, vec![b"both".to_vec()]));
    provider.keep_house();
    drop(logs);
    provider.crash(&mut |_| 0);
    let Opened { replayed, .. } = provider.open(SHARDS);
    assert_eq!(replayed, [first], "the second record was never durable");
}

fn an_older_snapshot_is_replaced<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    for turn in 0..5_u8 {
        submit(&mut logs[0], usize::from(turn));
        logs[0].save_snapshot(Saved::new(SAVED, vec![vec![turn]]));
        assert!(!logs[0].wants_snapshot(), "it was saved");
        provider.round();
        provider.keep_house();
    }
    drop(logs);
    provider.crash(&mut |_| 0);
    let Opened { replayed, .. } = provider.open(SHARDS);
    assert_eq!(replayed.len(), 1);
    assert_eq!(
        (replayed[0].payload.as_slice(), replayed[0].index),
        (&[4][..], LogIndex(5))
    );
}

fn a_failure_is_final<P: Provider>(provider: &mut P) {
    let mut logs = open_empty(provider);
    let kept = submit(&mut logs[0], 1);
    provider.round();
    let (woken, waker) = Woken::new();
    logs[1].wake_on_commit(waker);
    submit(&mut logs[0], 2);
    if provider.fail() == Failing::Unable {
        return;
    }
    provider.round();
    assert!(woken.count() > 0, "every shard is told");
    for _ in 0..3 {
        for log in &mut logs {
            assert!(log.is_failed());
            let mut batch = log.batch();
            batch.push(LOGGED, |_| {});
            log.submit(batch).expect_err("it has failed");
        }
        provider.round();
        provider.keep_house();
        assert_eq!(logs[0].committed(), LogIndex(1));
    }
    drop(logs);
    provider.crash(&mut |_| 0);
    let Opened { replayed, .. } = provider.open(SHARDS);
    assert_eq!(replayed[0], kept, "what was committed before");
}

/// Crashes with records under way, again and again. What each shard keeps is looked at on its own.
fn a_crash_keeps_a_prefix_of_each_shard<P: Provider>(provider: &mut P, seed: u64) {
    let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut submitted: Vec<Vec<Record>> = vec![Vec::new(); usize::from(SHARDS)];
    let mut committed = vec![LogIndex(0); usize::from(SHARDS)];
    for _ in 0..6 {
        let Opened { mut logs, replayed } = provider.open(SHARDS);
        for (shard, log) in (0..SHARDS).zip(&logs) {
            let place = usize::from(shard);
            let found = of(&replayed, shard);
            assert!(
                last(&found) >= committed[place],
                "something committed is lost"
            );
            assert!(
                submitted[place].starts_with(&found),
                "a prefix of what was submitted"
            );
            assert_eq!(log.next_index(), last(&found).next());
            assert_eq!(
                log.committed(),
                last(&found),
                "what was replayed is durable"
            );
            committed[place] = last(&found);
            submitted[place] = found;
        }
        for _ in 0..chance.below(30) {
            let shard = usize::try_from(chance.below(u64::from(SHARDS))).expect("it is small");
            let turn = usize::try_from(chance.below(400)).expect("it is small");
            submitted[shard].push(submit(&mut logs[shard], turn));
            if chance.below(6) == 0 {
                provider.round();
                for (committed, log) in committed.iter_mut().zip(&logs) {
                    *committed = log.committed();
                }
            }
        }
        drop(logs);
        provider.crash(&mut |limit| chance.below(limit));
    }
}

/// A small generator of chance, the same for the same seed.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

fn open_empty<P: Provider>(provider: &mut P) -> Vec<P::Log> {
    let Opened { logs, replayed } = provider.open(SHARDS);
    assert!(replayed.is_empty(), "a new store is empty");
    for (shard, log) in (0..SHARDS).zip(&logs) {
        assert_eq!(log.shard(), ShardId(shard));
        assert_eq!(log.committed(), LogIndex(0));
        assert!(!log.is_failed());
        assert!(!log.wants_snapshot());
    }
    assert_eq!(logs.len(), usize::from(SHARDS));
    logs
}

/// Submits one record whose bytes tell it from others.
fn submit(log: &mut impl ShardLog, turn: usize) -> Record {
    let index = log.next_index();
    let mut payload = format!("{turn} of {} ", log.shard())
        .repeat(turn % 50)
        .into_bytes();
    let mut batch = log.batch();
    if turn % 8 == 7 {
        let message = large(turn);
        batch.push_with_content(LOGGED, &message, |out| out.extend_from_slice(&payload));
        payload.extend_from_slice(message.content());
    } else {
        batch.push(LOGGED, |out| out.extend_from_slice(&payload));
    }
    assert_eq!(log.submit(batch), Ok(index));
    Record {
        shard: log.shard(),
        index,
        kind: LOGGED,
        payload,
    }
}

/// A message whose content is large enough to be written from where it is.
fn large(turn: usize) -> Message {
    Message::new(&Parts {
        envelope: Envelope::new(Dialect::Stomp12, Persistence::Persistent),
        exchange: b"",
        key: b"q",
        annotations: b"",
        head: &[],
        body: &turn.to_le_bytes().repeat(5000 + turn),
    })
}

fn of(records: &[Record], shard: u16) -> Vec<Record> {
    let of_shard = records
        .iter()
        .filter(|record| record.shard == ShardId(shard));
    of_shard.cloned().collect()
}

fn last(records: &[Record]) -> LogIndex {
    records.last().map_or(LogIndex(0), |record| record.index)
}
