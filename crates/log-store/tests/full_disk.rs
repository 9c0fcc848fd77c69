//! Others take all the room of the disk: what takes away from the store goes on, and is durable.

#![expect(clippy::unwrap_used, reason = "a test")]

use log_store::{Local, MemoryDisk, Options, Replayed, ShardLog, SnapshotSource, Space, Step};
use std::collections::BTreeSet;

const SHARDS: u16 = 3;
const SEGMENT_BYTES: u64 = 16 << 10;
const MESSAGE_BYTES: usize = 300;

const OPTIONS: Options = Options {
    shards: SHARDS,
    segment_bytes: SEGMENT_BYTES,
    page_segment_bytes: SEGMENT_BYTES,
    free_bytes_min: 2 * SEGMENT_BYTES,
};

/// What records mean: a message, or the end of one.
const PUT: u8 = 1;
const TAKEN: u8 = 2;
/// Something else that is to be known, and that leaves the machine as large as it is.
const NOTED: u8 = 3;

/// One shard's machine: the messages that are there.
type Machine = BTreeSet<u64>;

struct World {
    disk: MemoryDisk,
    local: Local<MemoryDisk>,
    machines: Vec<Machine>,
    next: u64,
}

/// A machine's messages, as they were at some moment.
struct Saved(Vec<u64>);

impl SnapshotSource for Saved {
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8> {
        payload.extend_from_slice(&message(self.0.pop()?));
        Some(PUT)
    }
}

fn message(number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(MESSAGE_BYTES, 0xEE);
    bytes
}

fn apply(machines: &mut [Machine], record: Replayed<'_>) {
    let machine = &mut machines[usize::from(record.shard.0)];
    let number = u64::from_le_bytes(*record.payload.first_chunk().unwrap());
    match record.kind {
        PUT => assert!(machine.insert(number)),
        TAKEN => assert!(machine.remove(&number)),
        NOTED => {}
        kind => panic!("a record of kind {kind}"),
    }
}

fn open(disk: &MemoryDisk) -> (Local<MemoryDisk>, Vec<Machine>) {
    let mut machines = vec![Machine::new(); usize::from(SHARDS)];
    let local = Local::open(disk.clone(), OPTIONS, &mut |record| {
        apply(&mut machines, record);
    })
    .unwrap();
    assert_eq!(local.recovered.damaged, []);
    (local, machines)
}

impl World {
    fn new() -> Self {
        let disk = MemoryDisk::new();
        disk.set_capacity(Some(100 * SEGMENT_BYTES));
        let (local, machines) = open(&disk);
        let mut world = Self {
            disk,
            local,
            machines,
            next: 0,
        };
        world.keep_house();
        world
    }

    fn space(&self) -> Space {
        self.local.logs[0].space()
    }

    /// Others take all that is free.
    fn fill(&self) {
        self.disk.set_capacity(Some(self.disk.used_bytes()));
    }

    fn submit(&mut self, shard: usize, kind: u8, payload: &[u8]) {
        let log = &mut self.local.logs[shard];
        let mut batch = log.batch();
        batch.push(kind, |out| out.extend_from_slice(payload));
        log.submit(batch).unwrap();
    }

    fn put(&mut self) {
        let shard = usize::try_from(self.next % u64::from(SHARDS)).unwrap();
        self.machines[shard].insert(self.next);
        self.submit(shard, PUT, &message(self.next));
        self.next += 1;
        self.run();
    }

    /// Takes the oldest message of a shard away. Returns whether there was one.
    fn take(&mut self, shard: usize) -> bool {
        let Some(number) = self.machines[shard].pop_first() else {
            return false;
        };
        self.submit(shard, TAKEN, &number.to_le_bytes());
        self.run();
        true
    }

    fn keep_house(&mut self) {
        while self.local.housekeeper.step().unwrap() == Step::Worked {}
    }

    /// Lets everything happen that can happen.
    fn run(&mut self) {
        for _ in 0..3 {
            self.local.journal.round().unwrap();
            self.keep_house();
            self.save_snapshots();
        }
        self.keep_house();
    }

    fn save_snapshots(&mut self) {
        for (log, machine) in self.local.logs.iter_mut().zip(&self.machines) {
            if log.wants_snapshot() {
                log.save_snapshot(Box::new(Saved(machine.iter().copied().collect())));
            }
        }
    }

    fn is_committed(&self) -> bool {
        let is_committed = |log: &dyn ShardLog| log.committed().next() == log.next_index();
        self.local.logs.iter().all(|log| is_committed(log))
    }

    /// Writes several times what was left for it, while the machines stay as they are.
    fn note(&mut self) {
        for noted in 0..1000 {
            self.submit(noted % self.machines.len(), NOTED, &[0; 8]);
            self.run();
            assert!(self.is_committed(), "after {noted} were noted");
        }
    }

    /// Takes everything away, the shards in turns; each time it is durable at once.
    fn drain(&mut self) -> u64 {
        let mut taken = 0;
        loop {
            let before = taken;
            for shard in 0..self.machines.len() {
                taken += u64::from(self.take(shard));
                assert!(self.is_committed(), "after {taken} were taken");
            }
            if taken == before {
                return taken;
            }
        }
    }

    fn reopen(self) -> Self {
        let Self {
            disk,
            local,
            machines,
            next,
        } = self;
        drop(local);
        let (local, found) = open(&disk);
        assert_eq!(found, machines);
        let mut world = Self {
            disk,
            local,
            machines,
            next,
        };
        world.keep_house();
        world
    }

    fn crash(self, chance: u64) -> Self {
        let mut turn = chance;
        self.disk.crash(&mut |limit| {
            turn += 1;
            turn % limit
        });
        self.reopen()
    }
}

/// Fills a disk with so many messages in the store, takes them all away, crashes, and makes room.
fn drain_on_a_full_disk(messages: u64, crashes: bool) {
    let mut world = World::new();
    for _ in 0..messages {
        world.put();
    }
    assert_eq!(world.space(), Space::Enough);
    world.fill();
    if crashes {
        world = world.crash(messages);
        // What was not in use has no room any more that others might take.
        world.fill();
    }
    let half = messages / 2;
    for taken in 0..half {
        assert!(world.take(usize::try_from(taken % u64::from(SHARDS)).unwrap()));
        assert!(world.is_committed(), "after {taken} were taken");
    }
    if crashes {
        world = world.crash(half);
    }
    let is_small = world.machines.iter().all(|machine| machine.len() < 10);
    if is_small {
        world.note();
    }
    assert_eq!(half + world.drain(), messages);
    world.note();
    let mut world = world.crash(messages);
    assert!(world.machines.iter().all(BTreeSet::is_empty));
    // Everything goes on by itself when there is room.
    world.disk.set_capacity(Some(100 * SEGMENT_BYTES));
    world.run();
    assert_eq!(world.space(), Space::Enough);
    for _ in 0..messages.max(100) {
        world.put();
        assert!(world.is_committed());
    }
    world.drain();
    world.reopen();
}

#[test]
fn what_takes_away_goes_on_without_room() {
    for messages in [2, 10, 50, 100, 150, 200, 250] {
        for crashes in [false, true] {
            drain_on_a_full_disk(messages, crashes);
        }
    }
}

/// The same in any order: rounds and housekeeping go on at any moment, while a snapshot waits for them, too.
fn go_on_in_any_order(seed: u64) {
    let mut state = seed;
    let mut draw = |below: u64| {
        // The constants of Knuth's MMIX.
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut world = World::new();
    for _ in 0..30 + draw(200) {
        world.put();
    }
    world.fill();
    for _ in 0..3000 {
        match draw(10) {
            0..2 => {
                let shard = usize::try_from(draw(u64::from(SHARDS))).unwrap();
                let Some(number) = world.machines[shard].pop_first() else {
                    continue;
                };
                world.submit(shard, TAKEN, &number.to_le_bytes());
            }
            2 => {
                let shard = usize::try_from(draw(u64::from(SHARDS))).unwrap();
                world.submit(shard, NOTED, &[0; 400]);
            }
            3..6 => drop(world.local.journal.round().unwrap()),
            6..9 => drop(world.local.housekeeper.step().unwrap()),
            _ => world.save_snapshots(),
        }
    }
    world.disk.set_capacity(Some(1000 * SEGMENT_BYTES));
    world.run();
    assert!(world.is_committed(), "seed {seed}");
    world.crash(seed);
}

#[test]
fn whatever_comes_between_nothing_is_damaged() {
    (0..200).for_each(go_on_in_any_order);
}
