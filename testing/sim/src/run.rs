//! One run: a workload, crashes, a drain, and the invariants.

mod ends;
mod people;
mod trouble;

use crate::actor::{Ack, Actor, Habit, Role, Script};
use crate::history::{History, Memory};
use crate::invariant;
use crate::scene::Scene;
use crate::store::{Kind, Store};
use crate::world::{Bounds, World};
use ends::Ending;
use fastrand::Rng;
use log_store::MemoryDisk;
use model::Instant;
use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::time::Duration;
pub use trouble::Tally;
use trouble::Trouble;

/// What one run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Drives everything that is left to chance.
    pub seed: u64,
    /// How large the workload is.
    pub size: Size,
    /// What the clients speak.
    pub speech: Speech,
    /// What keeps the logs.
    pub store: Kind,
    /// Where the broker crashes.
    pub crash: Crash,
}

/// What the clients of a run speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// All of them STOMP.
    Stomp,
    /// Most of those that can AMQP 0-9-1, the others STOMP.
    Mixed,
}

/// How large the workload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// One publisher, one queue, a dozen messages.
    Small,
    /// One publisher and one processor, two queues on two shards, dead letters, and transactions.
    Transactions,
    /// Some of each, a few hundred messages.
    Large,
}

/// Where the broker crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Up to three times, between steps or within a write, as the seed has it; or in order, or by another fault of
    /// the disk.
    Random,
    /// Once, before this step.
    BeforeStep(u64),
    /// Once, in this operation of the disk. Not at all where there is none.
    InOperation(u64),
    /// Not at all.
    Never,
}

/// What a run amounted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What the clients did and saw.
    pub history: History,
    /// Steps made before the drain.
    pub steps: u64,
    /// Operations of the disk before the drain.
    pub operations: u64,
    /// What went wrong.
    pub tally: Tally,
}

/// What is outstanding is answered within so many rounds.
const ROUNDS_MAX: u32 = 20_000;

/// A workload takes no more steps than this; one that does is stuck.
const STEPS_MAX: u64 = 2_000_000;

struct Run {
    rng: Rng,
    speech: Speech,
    bounds: Bounds,
    store: Store,
    /// A part of the world that is seldom stepped: once when so many others are.
    laggard: Option<(usize, u32)>,
    trouble: Trouble,
    tally: Tally,
    world: World,
    actors: Vec<Actor>,
    script: Script,
    is_set_up: bool,
    publishers: u32,
    processors: u32,
    history: History,
    life: u32,
    steps: u64,
    connections: u32,
    /// What the queues held in memory when it became full, with the dead letters that were on their way then.
    full_from: usize,
    /// Shards are out of service until the store is repaired.
    needs_repair: bool,
    /// What is so damaged that nothing is left to be checked.
    is_over: bool,
}

/// Makes one run and checks every invariant of its history.
///
/// # Errors
/// What went wrong: an invariant with what breaks it, or a broker that does not start or is stuck.
pub fn run(plan: Plan) -> Result<Report, String> {
    let mut run = Run::new(plan)?;
    run.people();
    run.work(plan.crash)?;
    if !run.is_over {
        run.answer()?;
    }
    let (steps, operations) = (run.steps, run.store.operations());
    if !run.is_over {
        run.drain()?;
    }
    let is_out_of_service = !run.history.tainted.is_empty() || run.history.refused > 0;
    if is_out_of_service && run.tally.rotten == 0 {
        return Err(format!(
            "{:?} out of service, and nothing has rotted: {}",
            run.history.tainted, run.history.refusal
        ));
    }
    if !run.is_over {
        let healthy = run.history.without_tainted();
        for (name, check) in invariant::ALL {
            check(&healthy).map_err(|broken| format!("{name}: {broken}"))?;
        }
    }
    run.tally.crashes = run.life;
    if run.tally.shards == 0 && !run.history.tainted.is_empty() {
        run.tally.pages += 1;
    }
    Ok(Report {
        history: run.history,
        steps,
        operations,
        tally: run.tally,
    })
}

impl Script {
    fn draw(rng: &mut Rng, size: Size, processors: u32, is_hoarded: bool) -> Self {
        let is_large = size == Size::Large;
        // Some runs have so many messages that there are many pages.
        let is_long = is_large && (is_hoarded || rng.u32(..12) == 0);
        Self {
            messages_max: match size {
                Size::Small => 12,
                Size::Transactions => 10,
                Size::Large if is_long => rng.u32(200..600),
                Size::Large => rng.u32(20..150),
            },
            body_bytes_max: match size {
                Size::Small | Size::Transactions => 20,
                Size::Large if is_long && !is_hoarded => 30,
                Size::Large => 400,
            },
            transaction_chance: match size {
                Size::Small => 0,
                Size::Transactions => 3,
                Size::Large if is_hoarded => 0,
                Size::Large if processors == 0 => [0, rng.u32(..8)][rng.usize(..2)],
                Size::Large => rng.u32(..8),
            },
            delay_chance: if is_large { rng.u32(8..60) } else { u32::MAX },
            expires: !is_hoarded,
            last: BTreeMap::default(),
        }
    }
}

impl Run {
    fn new(plan: Plan) -> Result<Self, String> {
        let mut rng = Rng::with_seed(plan.seed);
        let store = Store::new(plan.store);
        let bounds = Bounds {
            outbox_bytes: rng.usize(500..8000),
            // Half of the runs have so little memory that queues go to pages.
            queued_bytes: if rng.bool() {
                rng.usize(3000..8000)
            } else {
                rng.usize(8000..60_000)
            },
            merged_pages_min: 2 + (plan.seed % 3) as usize,
            send_max: NonZeroU16::MIN,
        };
        let now = Instant::default();
        let world = World::start(&store, now, bounds).map_err(|error| format!("{error:?}"))?;
        let (scene, publishers, processors) = match plan.size {
            Size::Small => (Scene::plain(1), 1, 0),
            Size::Transactions => (Scene::transacted(), 1, 1),
            // What can be said of its memory is more.
            Size::Large if rng.u32(..6) == 0 => (Scene::plain(rng.usize(1..4)), rng.u32(1..4), 0),
            Size::Large if rng.u32(..8) == 0 => (Scene::hoarded(&mut rng), rng.u32(1..4), 0),
            Size::Large => {
                let scene = Scene::draw(&mut rng);
                let processors = rng.u32(..3);
                (scene, rng.u32(1..4), processors)
            }
        };
        let laggard = rng.usize(..2 * world.parts());
        let laggard = (laggard < world.parts()).then(|| (laggard, [30, 30, 300][rng.usize(..3)]));
        let script = Script::draw(&mut rng, plan.size, processors, scene.is_hoarded());
        let trouble = if plan.size == Size::Large && plan.crash == Crash::Random {
            Trouble::draw(&mut rng)
        } else {
            Trouble::default()
        };
        Ok(Self {
            rng,
            speech: plan.speech,
            bounds,
            store,
            laggard,
            trouble,
            tally: Tally::default(),
            world,
            actors: Vec::new(),
            script,
            is_set_up: !scene.needs_set_up(),
            publishers,
            processors,
            history: History {
                scene,
                now,
                memory: Memory {
                    limit: bounds.queued_bytes,
                    excess: 0,
                },
                ..History::default()
            },
            life: 0,
            steps: 0,
            connections: 0,
            full_from: 0,
            needs_repair: false,
            is_over: false,
        })
    }

    fn work(&mut self, crash: Crash) -> Result<(), String> {
        let mut crashes_left = match crash {
            Crash::Random => self.rng.u32(0..4),
            Crash::BeforeStep(_) | Crash::InOperation(_) => 1,
            Crash::Never => 0,
        };
        if let Crash::InOperation(nth) = crash {
            self.store.crash_at(nth);
        }
        let settle_steps = 200;
        let mut idle_steps = 0;
        while idle_steps < settle_steps && !self.is_over {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err("the workload is stuck".into());
            }
            let is_due = match crash {
                Crash::BeforeStep(step) => self.steps == step,
                Crash::Random => self.rng.u32(..2000) == 0,
                Crash::InOperation(_) | Crash::Never => false,
            };
            self.make_trouble();
            let is_alive = self.step();
            let has_power = self.store.disk().is_some_and(|disk| !disk.is_crashed());
            self.tally.failed += u32::from(!is_alive && has_power);
            if crashes_left > 0 && (is_due || !is_alive) {
                crashes_left -= 1;
                let ending = if crash == Crash::Random {
                    Ending::draw(&mut self.rng, is_alive)
                } else {
                    Ending::Power
                };
                self.end(ending)?;
                if crash == Crash::Random && self.rng.bool() {
                    self.store.crash_at(self.rng.u64(1..200));
                }
            } else if !is_alive {
                self.end(Ending::Power)?;
            }
            idle_steps = if self.script.is_done(self.publishers) {
                idle_steps + 1
            } else {
                0
            };
        }
        Ok(())
    }

    /// Nobody crashes or leaves any more: every receipt that was asked for comes.
    fn answer(&mut self) -> Result<(), String> {
        self.end_trouble();
        // A queue that nobody reads may rightly hold its publishers for ever.
        for reading in self.history.scene.readings() {
            self.connect(Role::Consumer {
                reading,
                ack: Ack::Individual,
                habit: Habit::Plain,
            });
        }
        self.until_answered()
    }

    /// Everything goes on until every receipt that was asked for has come, but for those of connections that the
    /// broker has ended.
    fn until_answered(&mut self) -> Result<(), String> {
        for round in 0..ROUNDS_MAX {
            if self.actors.iter().all(|it| it.is_answered() || it.is_cut()) {
                return Ok(());
            }
            for part in 0..self.world.parts() {
                self.world
                    .step(part)
                    .map_err(|error| format!("{error:#}"))?;
            }
            for actor in &mut self.actors {
                actor.carry(&self.world, usize::MAX, self.life, &mut self.history);
                actor.settle_all(&mut self.history);
            }
            // Dead letters for a shard that is out of service stay in memory: where that is full, rejected messages are
            // read a page a second. In AMQP each may be a transaction, behind which the connection waits.
            let may_be_slow = self.needs_repair || self.speech == Speech::Mixed;
            let is_slow = may_be_slow && round > ROUNDS_MAX / 2;
            self.pass(Duration::from_millis(if is_slow { 100 } else { 1 }));
        }
        Err("a receipt does not come: a wake-up was missed".into())
    }

    /// One step of something. Returns false when the store has failed.
    fn step(&mut self) -> bool {
        let choice = self.rng.u32(..10);
        match choice {
            0..=4 => {
                let part = self.rng.usize(..self.world.parts());
                // What others do with what it has not made durable yet must bear its loss.
                if let Some((laggard, slowness)) = self.laggard
                    && part == laggard
                    && self.rng.u32(..slowness) > 0
                {
                    return true;
                }
                let before = self.world.queued_bytes();
                let stepped = self.world.step(part);
                self.note_memory(before);
                // Without power nothing goes on, whether the step has met the disk or not.
                let disk = self.store.disk();
                return stepped.is_ok() && !disk.is_some_and(MemoryDisk::is_crashed);
            }
            5 => {
                let pass = Duration::from_millis(self.rng.u64(..30));
                self.pass(pass);
            }
            6 | 7 => self.carry_one(),
            _ => self.act_one(),
        }
        true
    }

    /// Notes by how much memory grows while it is full. What transactions and dead letters bring is always taken
    /// in, and not counted, unless the dead letters are only what is rejected: then those count that were made since,
    /// beside what the rejections have freed.
    fn note_memory(&mut self, before: usize) {
        let after = self.world.queued_bytes();
        if before < self.bounds.queued_bytes {
            if after >= self.bounds.queued_bytes {
                self.note_full();
            }
            return;
        }
        let is_bounded = self.processors == 0
            && self.script.transaction_chance == 0
            && (!self.history.scene.has_dead_letters() || self.history.scene.is_hoarded());
        if is_bounded {
            let memory = &mut self.history.memory;
            memory.excess = memory.excess.max(after.saturating_sub(self.full_from));
        }
    }

    /// Memory may be full from now on.
    fn note_full(&mut self) {
        self.full_from = self.world.queued_bytes() + self.world.forwarded_bytes();
    }

    fn carry_one(&mut self) {
        let actor = self.rng.usize(..self.actors.len());
        let bytes = self.rng.usize(1..600);
        self.actors[actor].carry(&self.world, bytes, self.life, &mut self.history);
    }

    fn act_one(&mut self) {
        let index = self.rng.usize(..self.actors.len());
        let actor = &mut self.actors[index];
        let (script, history) = (&mut self.script, &mut self.history);
        if !actor.act(&mut self.rng, &self.world, self.life, script, history) {
            let actor = self.actors.remove(index);
            self.replace(&actor);
        }
    }

    fn pass(&mut self, duration: Duration) {
        self.world.pass(duration);
        self.history.now = self.world.now;
    }

    /// No more faults: everything that the queues hold comes out.
    fn drain(&mut self) -> Result<(), String> {
        let ending = if self.rng.u32(..3) == 0 {
            Ending::Order
        } else {
            Ending::Power
        };
        self.history.drained_in = Some(self.life + 1);
        self.end(ending)?;
        self.actors.clear();
        for reading in self.history.scene.readings() {
            self.connect(Role::Drain(reading));
        }
        let mut quiet = 0;
        for _ in 0..STEPS_MAX {
            let mut any = false;
            for part in 0..self.world.parts() {
                any |= self
                    .world
                    .step(part)
                    .map_err(|error| format!("drain: {error:#}"))?;
            }
            for actor in &mut self.actors {
                any |= actor.carry(&self.world, usize::MAX, self.life, &mut self.history);
                let (script, history) = (&mut self.script, &mut self.history);
                actor.act(&mut self.rng, &self.world, self.life, script, history);
            }
            // What is delayed and stands in a page comes some seconds late.
            let is_quiet = quiet > 50;
            self.pass(Duration::from_millis(if is_quiet { 100 } else { 1 }));
            quiet = if any { 0 } else { quiet + 1 };
            if quiet > 300 {
                return self.probe();
            }
        }
        Err("the drain is stuck".into())
    }
}
