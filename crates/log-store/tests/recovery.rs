//! Random work, random power failures, at every operation of the disk: what comes back is what was
//! confirmed, in order, and nothing that was not submitted.

#![expect(clippy::unwrap_used, reason = "a test")]

use log_store::{
    Disk, Fault, Local, LocalLog, MemoryDisk, Options, Replayed, ShardLog, SnapshotSource, Space,
    Step,
};
use model::LogIndex;

const SHARDS: u16 = 3;

/// A small generator of chance, the same for the same seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }

    fn one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

/// A machine whose state is the number of its records and a hash over all of them.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Machine {
    count: u64,
    hash: u64,
}

impl Machine {
    fn apply(&mut self, kind: u8, payload: &[u8]) {
        self.count += 1;
        let mut hash = self.hash ^ u64::from(kind) ^ self.count;
        for byte in payload {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(17);
    }
}

/// The kind of the records of snapshots.
const SNAPSHOT: u8 = 200;

struct Source {
    machine: Machine,
    /// Records that only make the snapshot longer, still to come.
    filling: u64,
}

impl SnapshotSource for Source {
    fn next_record(&mut self, payload: &mut Vec<u8>) -> Option<u8> {
        if self.filling == 0 {
            return None;
        }
        self.filling -= 1;
        payload.extend_from_slice(&self.machine.count.to_le_bytes());
        payload.extend_from_slice(&self.machine.hash.to_le_bytes());
        Some(SNAPSHOT)
    }
}

/// What one shard was given, and what it must not lose.
#[derive(Default)]
struct Expected {
    /// The machine after each index that was submitted.
    states: Vec<Machine>,
    committed: u64,
}

struct World {
    disk: MemoryDisk,
    chance: Chance,
    options: Options,
    shards: Vec<Expected>,
    /// Whether a segment was used for the second time.
    reused: bool,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let segment_bytes = 1024 << chance.below(4);
        let expected = || Expected {
            states: vec![Machine::default()],
            committed: 0,
        };
        Self {
            disk: MemoryDisk::new(),
            chance,
            options: Options {
                shards: SHARDS,
                segment_bytes,
                free_bytes_min: 0,
                ..Options::default()
            },
            shards: (0..SHARDS).map(|_| expected()).collect(),
            reused: false,
        }
    }

    /// Opens until it succeeds, with a power failure now and then; checks what comes back.
    fn open(&mut self) -> Local<MemoryDisk> {
        loop {
            if self.chance.one_in(3) {
                let nth = 1 + self.chance.below(20);
                self.disk.crash_at(nth);
            }
            let mut machines = [Machine::default(); SHARDS as usize];
            let opened = Local::open(self.disk.clone(), self.options, &mut |record| {
                replay(&mut machines, record);
            });
            let local = match opened {
                Ok(local) => local,
                Err(error) => {
                    // There is no room for a new store, or for what makes an end of the old journal.
                    let is_full = self.disk.free_bytes().is_ok_and(|free| free < 8192);
                    assert!(self.disk.is_crashed() || is_full, "{error:?}");
                    self.disk.set_capacity(None);
                    self.crash();
                    continue;
                }
            };
            assert_eq!(local.recovered.damaged, [], "a crash is no damage");
            assert_eq!(local.recovered.harmless, []);
            for ((expected, machine), log) in self.shards.iter_mut().zip(machines).zip(&local.logs)
            {
                assert!(
                    machine.count >= expected.committed,
                    "something confirmed is lost"
                );
                let submitted = expected.states.get(usize::try_from(machine.count).unwrap());
                assert_eq!(
                    Some(&machine),
                    submitted,
                    "what came back is what was submitted"
                );
                assert_eq!(log.next_index(), LogIndex(machine.count + 1));
                assert_eq!(log.committed(), LogIndex(machine.count));
                expected
                    .states
                    .truncate(usize::try_from(machine.count).unwrap() + 1);
                expected.committed = machine.count;
            }
            return local;
        }
    }

    fn crash(&mut self) {
        let chance = &mut self.chance;
        match chance.below(4) {
            0 => self.disk.crash(&mut |_| 0),
            1 => self.disk.crash(&mut |limit| limit - 1),
            _ => self.disk.crash(&mut |limit| chance.below(limit)),
        }
    }

    fn submit(&mut self, log: &mut LocalLog) {
        let expected = &mut self.shards[usize::from(log.shard().0)];
        let mut states = Vec::new();
        let mut batch = log.batch();
        for _ in 0..=self.chance.below(4) {
            let len = match self.chance.below(20) {
                0 => self.chance.below(5000),
                1..10 => self.chance.below(16),
                _ => self.chance.below(300),
            };
            let payload: Vec<u8> = (0..len)
                .map(|_| self.chance.below(256).to_le_bytes()[0])
                .collect();
            let kind = self.chance.below(100).to_le_bytes()[0];
            let mut machine = *states.last().or(expected.states.last()).unwrap();
            machine.apply(kind, &payload);
            states.push(machine);
            let index = batch.push(kind, |out| out.extend_from_slice(&payload));
            assert_eq!(index, LogIndex(machine.count));
        }
        if log.submit(batch).is_ok() {
            expected.states.append(&mut states);
        } else {
            assert!(log.is_failed());
        }
    }

    fn save(&mut self, log: &mut LocalLog) {
        let machine = *self.shards[usize::from(log.shard().0)]
            .states
            .last()
            .unwrap();
        let filling = 1 + self.chance.below(40);
        log.save_snapshot(Box::new(Source { machine, filling }));
    }

    /// Works until the disk fails or chance ends it.
    fn live(&mut self) {
        let mut local = self.open();
        let steps = self.chance.below(150);
        for _ in 0..steps {
            let shard = usize::try_from(self.chance.below(u64::from(SHARDS))).unwrap();
            match self.chance.below(20) {
                0..9 => self.submit(&mut local.logs[shard]),
                9..14 => {
                    // What was refused for want of room before, and what came since.
                    let mut round = local.journal.round();
                    for _ in 0..2 {
                        round = round.and_then(|_| local.journal.round());
                    }
                    let is_done = local.logs[0].space() == Space::Enough;
                    for (log, expected) in local.logs.iter().zip(&mut self.shards) {
                        let committed = log.committed().0;
                        assert!(committed >= expected.committed);
                        expected.committed = committed;
                        if round.is_ok() && is_done {
                            assert_eq!(committed + 1, log.next_index().0);
                        }
                    }
                    if round.is_err() {
                        break;
                    }
                }
                14..18 => {
                    if local.housekeeper.step().is_err() {
                        break;
                    }
                }
                18 => {
                    if local.logs[shard].wants_snapshot() || self.chance.one_in(4) {
                        self.save(&mut local.logs[shard]);
                    }
                }
                _ => {
                    let nth = 1 + self.chance.below(40);
                    if self.chance.one_in(4) {
                        let room = self.disk.used_bytes() + self.chance.below(4000);
                        self.disk.set_capacity(Some(room));
                    } else if self.chance.one_in(4) {
                        self.disk.set_capacity(None);
                    } else if self.chance.one_in(6) {
                        self.disk.fail_sync(nth, Fault::Io);
                    } else if self.chance.one_in(6) {
                        self.disk.fail_write(nth, Fault::NoSpace);
                    } else if self.chance.one_in(3) {
                        self.disk.crash_at(nth);
                    }
                }
            }
            for log in &mut local.logs {
                if log.wants_snapshot() && self.chance.one_in(3) {
                    self.save(log);
                }
            }
        }
        self.reused |= has_reused(&self.disk);
        if self.chance.one_in(8) {
            let closed = local.journal.close().is_ok();
            for (log, expected) in local.logs.iter().zip(&mut self.shards) {
                expected.committed = log.committed().0;
                assert!(!closed || log.committed().0 + 1 == log.next_index().0);
            }
        }
        // The end of the process, or a power failure with it.
        if self.disk.is_crashed() || self.chance.one_in(2) {
            self.crash();
        } else {
            // Faults that were set for later do not outlive the process here.
            self.disk.fail_sync(u64::MAX, Fault::Io);
            self.disk.fail_write(u64::MAX, Fault::Io);
        }
    }
}

/// Whether a segment was used for the second time.
fn has_reused(disk: &MemoryDisk) -> bool {
    let names = disk.list().unwrap_or_default();
    let mut segments = names.iter().filter(|name| name.starts_with("journal-"));
    segments.any(|name| {
        let bytes = disk.content(name).unwrap_or_default();
        !name.ends_with(".tmp") && bytes.get(32) == Some(&1)
    })
}

fn replay(machines: &mut [Machine], record: Replayed<'_>) {
    let machine = &mut machines[usize::from(record.shard.0)];
    if record.kind == SNAPSHOT {
        machine.count = u64::from_le_bytes(*record.payload.first_chunk().unwrap());
        machine.hash = u64::from_le_bytes(*record.payload.last_chunk().unwrap());
        assert_eq!(record.index, LogIndex(machine.count));
    } else {
        assert_eq!(
            record.index,
            LogIndex(machine.count + 1),
            "the log is dense"
        );
        machine.apply(record.kind, record.payload);
    }
}

/// `SEEDS=100000 SEED=1` runs so many worlds from that one on.
#[test]
fn nothing_confirmed_is_lost() {
    let seeds = std::env::var("SEEDS").map_or(100, |seeds| seeds.parse().unwrap());
    let first = std::env::var("SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut reused = 0;
    for seed in first..first + seeds {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..30 {
                world.live();
            }
            world.open();
            world.reused
        });
        match outcome {
            Ok(was_reused) => reused += u64::from(was_reused),
            Err(panic) => {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(
        reused * 2 > seeds,
        "only {reused} of {seeds} runs used a segment again"
    );
}

/// The same work, with the power failing at each operation in turn.
#[test]
fn a_crash_at_every_operation_is_survived() {
    for nth in 1.. {
        for survival in 0..3 {
            let mut world = World::new(7);
            world.options.segment_bytes = 2048;
            let mut local = Local::open(world.disk.clone(), world.options, &mut |_| {}).unwrap();
            world.disk.crash_at(nth);
            let ended = work(&mut world, &mut local);
            drop(local);
            if ended == Ended::Well {
                assert!(nth > 100, "the work has {nth} operations");
                assert!(has_reused(&world.disk), "no segment was used again");
                return;
            }
            let chance = &mut world.chance;
            match survival {
                0 => world.disk.crash(&mut |_| 0),
                1 => world.disk.crash(&mut |limit| limit - 1),
                _ => world.disk.crash(&mut |limit| chance.below(limit)),
            }
            world.open();
        }
    }
}

/// The power fails at each operation in turn while the journal leaves a segment that has grown.
#[test]
fn a_crash_while_a_grown_segment_is_left_is_survived() {
    let record = vec![3; 200_000];
    let submit = |world: &mut World, log: &mut LocalLog, payload: &[u8]| {
        let mut batch = log.batch();
        batch.push(1, |out| out.extend_from_slice(payload));
        log.submit(batch).unwrap();
        let states = &mut world.shards[usize::from(log.shard().0)].states;
        let mut machine = *states.last().unwrap();
        machine.apply(1, payload);
        states.push(machine);
    };
    let grown = || {
        let mut world = World::new(11);
        world.options.segment_bytes = 3 << 20;
        let mut local = Local::open(world.disk.clone(), world.options, &mut |_| {}).unwrap();
        for _ in 0..2 {
            for log in &mut local.logs {
                submit(&mut world, log, &record);
            }
            local.journal.round().unwrap();
        }
        (world, local)
    };
    let is_there = |disk: &MemoryDisk, name: &str| disk.content(name).is_some();
    for nth in 1.. {
        for survival in 0..3 {
            let (mut world, mut local) = grown();
            world.disk.crash_at(nth);
            let mut went_well = true;
            while went_well && !is_there(&world.disk, "journal-0000000000000002") {
                submit(&mut world, &mut local.logs[0], b"a record");
                went_well = local.journal.round().is_ok() && local.housekeeper.step().is_ok();
            }
            for _ in 0..2 {
                if went_well {
                    submit(&mut world, &mut local.logs[1], b"behind");
                    went_well = local.journal.round().is_ok();
                }
            }
            for (log, expected) in local.logs.iter().zip(&mut world.shards) {
                expected.committed = log.committed().0;
            }
            drop(local);
            if went_well {
                let names = world.disk.list().unwrap();
                let [_, grown, filled] = names.as_slice() else {
                    panic!("{names:?}");
                };
                assert!(world.disk.content(grown).unwrap().len() < 2 << 20);
                assert_eq!(world.disk.content(filled).unwrap().len(), 3 << 20);
                assert!(nth > 15, "there are {nth} operations");
                return;
            }
            let chance = &mut world.chance;
            match survival {
                0 => world.disk.crash(&mut |_| 0),
                1 => world.disk.crash(&mut |limit| limit - 1),
                _ => world.disk.crash(&mut |limit| chance.below(limit)),
            }
            world.open();
        }
    }
}

#[derive(PartialEq, Eq)]
enum Ended {
    Well,
    Crashed,
}

fn work(world: &mut World, local: &mut Local<MemoryDisk>) -> Ended {
    for turn in 0..60 {
        for log in &mut local.logs {
            world.submit(log);
        }
        if local.journal.round().is_err() {
            return Ended::Crashed;
        }
        for (log, expected) in local.logs.iter().zip(&mut world.shards) {
            expected.committed = log.committed().0;
        }
        if turn % 5 == 4 {
            for log in &mut local.logs {
                world.save(log);
            }
        }
        loop {
            match local.housekeeper.step() {
                Ok(Step::Worked) => {}
                Ok(Step::Idle) => break,
                Err(_) => return Ended::Crashed,
            }
        }
    }
    Ended::Well
}
