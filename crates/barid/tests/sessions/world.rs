//! The core on a store in memory, stepped by hand.

use broker::{Broker, Executor, Recovery, Settings};
use broker_api::Peer;
use log_store::{MemoryStore, ShardLog};
use model::{ConnectionId, Instant, ShardId};
use std::net::{IpAddr, Ipv4Addr};
use std::task::{Context, Waker};
use std::time::Duration;

const SHARDS: u16 = 4;

/// A small generator.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

pub(crate) struct World {
    broker: Broker,
    executors: Vec<Executor>,
    store: MemoryStore,
    pub(crate) now: Instant,
    last_connection: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        let store = MemoryStore::new();
        let now = Instant::from_millis(1);
        let (broker, executors) = open(&store, now);
        Self {
            broker,
            executors,
            store,
            now,
            last_connection: 0,
        }
    }

    pub(crate) fn attach(&mut self) -> (ConnectionId, broker::Connection) {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let peer = Peer {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        (id, self.broker.attach(id, peer))
    }

    pub(crate) fn step_executor(&mut self, index: u64) {
        let cx = Context::from_waker(Waker::noop());
        let executor = &mut self.executors[usize::try_from(index).unwrap()];
        executor.step(self.now, &cx).unwrap();
    }

    pub(crate) fn round_of(&mut self, shard: u64) -> bool {
        self.store.round_of(ShardId(u16::try_from(shard).unwrap())) > 0
    }

    pub(crate) fn pass(&mut self, ms: u64) {
        self.now = self.now + Duration::from_millis(ms);
    }

    pub(crate) fn snapshot(&self, shard: u64) {
        self.store
            .want_snapshot(ShardId(u16::try_from(shard).unwrap()));
    }

    /// Steps everything until nothing is written any more. Returns whether anything was.
    pub(crate) fn settle(&mut self) -> bool {
        let mut any = false;
        loop {
            for _ in 0..4 {
                (0..2).for_each(|index| self.step_executor(index));
            }
            let mut moved = false;
            for shard in 0..u64::from(SHARDS) {
                moved |= self.round_of(shard);
            }
            any |= moved;
            if !moved {
                return any;
            }
        }
    }

    /// Power is lost: of what is not synced, each shard keeps a part.
    pub(crate) fn crash(&mut self, random: &mut Random) {
        self.executors.clear();
        self.store.crash(&mut |_, unsynced| match random.below(3) {
            0 => 0,
            1 => unsynced,
            _ => random.below(unsynced + 1),
        });
        (self.broker, self.executors) = open(&self.store, self.now);
    }
}

fn open(store: &MemoryStore, now: Instant) -> (Broker, Vec<Executor>) {
    let mut recovery = Recovery::default();
    let logs = store.open(SHARDS, &mut |record| recovery.replay(record));
    let boxed = |log| -> Box<dyn ShardLog> { Box::new(log) };
    let logs = logs.into_iter().map(boxed).collect();
    let settings = Settings {
        heads: |_| &proto_mqtt::MqttHeads,
        ..Settings::default()
    };
    let (broker, executors, _) = Broker::open(settings, now, logs, recovery).unwrap();
    (broker, executors)
}
