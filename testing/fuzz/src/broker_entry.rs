//! Any records through the broker's recovery.

use crate::input::Input;
use broker::{Broker, Recovery, Settings};
use log_store::{MemoryStore, Replayed, ShardLog};
use model::{LogIndex, ShardId};

/// How many shards there are; records may name one more.
const SHARDS: u16 = 2;

/// The most records that are read.
const RECORDS_MAX: usize = 256;

/// Replays records: the broker opens or says why it does not.
///
/// Bytes, again and again: 1, whose bits 0-3 are the kind, bits 4-5 the shard, and bit 7 asks for a kind
/// above all known; 2, the length; the payload.
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
        let kind = tag & 0x8F;
        recovery.replay(Replayed {
            shard: ShardId(u16::from(tag >> 4 & 3)),
            index,
            kind,
            payload,
        });
    }
    let logs = MemoryStore::new().open(SHARDS, &mut |_| {});
    let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
    let logs = logs.into_iter().map(boxed).collect();
    match Broker::open(Settings::default(), logs, recovery) {
        Ok((_, executors, recovered)) => {
            assert!(recovered.message_count <= records && recovered.queue_count <= records);
            assert!(!executors.is_empty());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
