//! One run: a workload, crashes, a drain, and the invariants.

use crate::actor::{Ack, Actor, Role, Script};
use crate::history::History;
use crate::invariant;
use crate::scene::{Reading, Scene};
use crate::store::{Kind, Store};
use crate::world::{Bounds, World};
use fastrand::Rng;
use model::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// What one run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Drives everything that is left to chance.
    pub seed: u64,
    /// How large the workload is.
    pub size: Size,
    /// What keeps the logs.
    pub store: Kind,
    /// Where the broker crashes.
    pub crash: Crash,
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
    /// Up to three times, between steps or within a write, as the seed has it.
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
    /// Crashes.
    pub crashes: u32,
}

/// What is outstanding is answered within so many rounds.
const ROUNDS_MAX: u32 = 20_000;

/// A workload takes no more steps than this; one that does is stuck.
const STEPS_MAX: u64 = 2_000_000;

struct Run {
    rng: Rng,
    bounds: Bounds,
    store: Store,
    /// A part of the world that is seldom stepped.
    laggard: Option<usize>,
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
}

/// Makes one run and checks every invariant of its history.
///
/// # Errors
/// What went wrong: an invariant with what breaks it, or a broker that does not start or is stuck.
pub fn run(plan: Plan) -> Result<Report, String> {
    let mut rng = Rng::with_seed(plan.seed);
    let store = Store::new(plan.store);
    let bounds = Bounds {
        outbox_bytes: rng.usize(500..8000),
        queued_bytes: rng.usize(3000..60_000),
    };
    let world =
        World::start(&store, Instant::default(), bounds).map_err(|error| format!("{error:#}"))?;
    let (scene, publishers, processors, messages_max) = match plan.size {
        Size::Small => (Scene::plain(1), 1, 0, 12),
        Size::Transactions => (Scene::transacted(), 1, 1, 10),
        Size::Large => {
            let scene = Scene::draw(&mut rng);
            let processors = rng.u32(..3);
            (scene, rng.u32(1..4), processors, rng.u32(20..150))
        }
    };
    let laggard = rng.usize(..2 * world.parts());
    let script = Script {
        messages_max,
        body_bytes_max: if plan.size == Size::Large { 400 } else { 20 },
        transaction_chance: match plan.size {
            Size::Small => 0,
            Size::Transactions => 3,
            Size::Large => rng.u32(..8),
        },
        last: BTreeMap::default(),
    };
    let mut run = Run {
        rng,
        bounds,
        store,
        laggard: (laggard < world.parts()).then_some(laggard),
        world,
        actors: Vec::new(),
        script,
        is_set_up: !scene.needs_set_up(),
        publishers,
        processors,
        history: History {
            scene,
            ..History::default()
        },
        life: 0,
        steps: 0,
        connections: 0,
    };
    run.people();
    run.work(plan.crash)?;
    run.answer()?;
    let (steps, operations) = (run.steps, run.store.operations());
    run.drain()?;
    for (name, check) in invariant::ALL {
        check(&run.history).map_err(|broken| format!("{name}: {broken}"))?;
    }
    Ok(Report {
        history: run.history,
        steps,
        operations,
        crashes: run.life,
    })
}

impl Run {
    /// Connects the clients of a life: first, who makes what they use.
    fn people(&mut self) {
        self.actors.clear();
        if !self.is_set_up {
            self.connect(Role::SetUp);
            return;
        }
        for publisher in 0..self.publishers {
            self.connect(Role::Publisher(publisher));
        }
        for processor in 0..self.processors {
            self.processor(self.publishers + processor);
        }
        for reading in self.history.scene.readings() {
            self.consumer(reading);
        }
    }

    fn connect(&mut self, role: Role) {
        self.connections += 1;
        let scene = &self.history.scene;
        let actor = Actor::new(role, self.connections, &mut self.world, scene);
        self.actors.push(actor);
    }

    fn consumer(&mut self, reading: Reading) {
        let ack = match self.rng.u32(..4) {
            0 => Ack::Cumulative,
            1 => Ack::Auto,
            _ => Ack::Individual,
        };
        self.connect(Role::Consumer { reading, ack });
    }

    fn processor(&mut self, publisher: u32) {
        let readings = self.history.scene.readings();
        let reading = readings[self.rng.usize(..readings.len())];
        let ack = if self.rng.bool() {
            Ack::Individual
        } else {
            Ack::Cumulative
        };
        self.connect(Role::Processor {
            publisher,
            reading,
            ack,
        });
    }

    /// Somebody comes for who has left.
    fn replace(&mut self, role: Role) {
        match role {
            Role::SetUp => {
                self.is_set_up = true;
                self.people();
            }
            Role::Publisher(_) => self.connect(role),
            Role::Processor { publisher, .. } => self.processor(publisher),
            Role::Consumer { .. } | Role::Drain(_) => {
                let readings = self.history.scene.readings();
                let reading = readings[self.rng.usize(..readings.len())];
                self.consumer(reading);
            }
        }
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
        while idle_steps < settle_steps {
            self.steps += 1;
            if self.steps > STEPS_MAX {
                return Err("the workload is stuck".into());
            }
            let is_due = match crash {
                Crash::BeforeStep(step) => self.steps == step,
                Crash::Random => self.rng.u32(..2000) == 0,
                Crash::InOperation(_) | Crash::Never => false,
            };
            let is_alive = self.step();
            if crashes_left > 0 && (is_due || !is_alive) {
                crashes_left -= 1;
                self.crash()?;
                if crash == Crash::Random && self.rng.bool() {
                    self.store.crash_at(self.rng.u64(1..200));
                }
            } else if !is_alive {
                self.crash()?;
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
        self.store.crash_at(u64::MAX / 2);
        // A queue that nobody reads may rightly hold its publishers for ever.
        for reading in self.history.scene.readings() {
            let ack = Ack::Individual;
            self.connect(Role::Consumer { reading, ack });
        }
        for _ in 0..ROUNDS_MAX {
            if self.actors.iter().all(Actor::is_answered) {
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
            self.world.pass(Duration::from_millis(1));
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
                if Some(part) == self.laggard && self.rng.u32(..30) > 0 {
                    return true;
                }
                return self.world.step(part).is_ok();
            }
            5 => {
                let pass = Duration::from_millis(self.rng.u64(..30));
                self.world.pass(pass);
            }
            6 | 7 => self.carry_one(),
            _ => self.act_one(),
        }
        true
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
            let role = self.actors.remove(index).role();
            self.replace(role);
        }
    }

    /// Power loss: the disk keeps what was synced and some of the rest; the broker starts again.
    fn crash(&mut self) -> Result<(), String> {
        // What the transport has taken reaches the clients.
        for actor in &mut self.actors {
            actor.read(self.life, &mut self.history);
        }
        let rng = &mut self.rng;
        self.actors.clear();
        self.store.crash(&mut |below| rng.u64(..below));
        self.life += 1;
        self.world = World::start(&self.store, self.world.now, self.bounds)
            .map_err(|error| format!("does not start after crash {}: {error:#}", self.life))?;
        self.people();
        Ok(())
    }

    /// No more faults: everything that the queues hold comes out.
    fn drain(&mut self) -> Result<(), String> {
        self.crash()?;
        self.actors.clear();
        self.history.drained_in = Some(self.life);
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
            self.world.pass(Duration::from_millis(1));
            quiet = if any { 0 } else { quiet + 1 };
            if quiet > 300 {
                return Ok(());
            }
        }
        Err("the drain is stuck".into())
    }
}
