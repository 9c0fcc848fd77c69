//! Any records through the broker's recovery.

use crate::input::Input;
use broker::{Broker, Executor, Recovery, Settings, Step};
use log_store::{MemoryStore, Replayed, ShardLog};
use model::{Instant, LogIndex, ShardId};
use std::task::{Context, Waker};
use std::time::Duration;

/// How many shards there are; records may name one more.
const SHARDS: u16 = 2;

/// The most records that are read.
const RECORDS_MAX: usize = 256;

/// It is at rest after so many rounds.
const ROUNDS_MAX: usize = 1000;

/// The fewest bytes that put a message into a queue.
const PLACE_BYTES: usize = 17;

/// Replays records: the broker opens, does what it finds to be done and comes to rest, or says why it does not.
///
/// Bytes, again and again: 1, whose bits 0-4 are the kind above 16, bits 5-6 the shard, and bit 7 asks for a
/// kind above all known; 2, the length; the payload.
///
/// # Panics
/// When it does neither.
pub fn broker_entry(data: &[u8]) {
    let mut input = Input::new(data);
    let mut recovery = Recovery::default();
    let mut records = 0;
    for index in (1..).map(LogIndex) {
        if input.is_empty() || records == RECORDS_MAX {
            break;
        }
        records += 1;
        let tag = input.u8();
        let length = usize::from(input.u16());
        let payload = input.bytes(length);
        let kind = 16 + (tag & 0x9F);
        recovery.replay(Replayed {
            shard: ShardId(u16::from(tag >> 5 & 3)),
            index,
            kind,
            payload,
        });
    }
    let store = MemoryStore::new();
    let logs = store.open(SHARDS, &mut |_| {});
    let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
    let logs = logs.into_iter().map(boxed).collect();
    match Broker::open(Settings::default(), Instant::default(), logs, recovery) {
        Ok((_, mut executors, recovered)) => {
            assert!(recovered.queue_count <= records);
            assert!(recovered.message_count <= data.len() / PLACE_BYTES);
            assert!(!executors.is_empty());
            go_on(&store, &mut executors);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Lets the broker do what it finds to be done: it comes to rest.
fn go_on(store: &MemoryStore, executors: &mut [Executor]) {
    let context = Context::from_waker(Waker::noop());
    let mut now = Instant::default();
    for _ in 0..ROUNDS_MAX {
        let mut is_busy = false;
        for executor in &mut *executors {
            let step = executor.step(now, &context);
            is_busy |= step.expect("the store does not fail") == Step::Worked;
        }
        is_busy |= store.round() > 0;
        if !is_busy {
            return;
        }
        now = now + Duration::from_secs(1);
    }
    panic!("it does not come to rest");
}
