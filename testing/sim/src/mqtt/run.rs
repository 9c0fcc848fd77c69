//! One run: clients, crashes, an end in peace, and what must hold then.

use super::check::{self, Clients};
use super::client::{Client, Fault, Habits, SHARED};
use crate::store::{Kind, Store};
use crate::world::{Bounds, World};
use fastrand::Rng;
use log_store::MemoryDisk;
use model::Instant;
use proto_mqtt::{Qos, Version};
use std::num::NonZeroU16;
use std::time::Duration;

/// A workload takes no more steps than this.
const STEPS_MAX: u64 = 400_000;

/// Rounds in which everything comes to its end.
const ROUNDS_MAX: u32 = 60_000;

/// What a run amounted to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Times that the broker ended.
    pub crashes: u32,
    /// Of them, in order.
    pub stops: u32,
    /// Messages published.
    pub sent: usize,
    /// Messages that clients were given.
    pub got: usize,
    /// Steps.
    pub steps: u64,
}

struct Run {
    rng: Rng,
    bounds: Bounds,
    store: Store,
    world: World,
    clients: Clients,
    report: Report,
    connections: u32,
    now: Instant,
}

/// Makes one run and checks what came of it.
///
/// # Errors
/// What is wrong.
pub fn run(seed: u64, kind: Kind) -> Result<Report, Fault> {
    let mut run = Run::new(seed, kind)?;
    run.work()?;
    run.end_in_peace()?;
    check::all(&run.clients)?;
    run.show()?;
    let clients = run.clients.values();
    run.report.sent = clients.clone().map(|client| client.sent.len()).sum();
    run.report.got = clients.map(|client| client.got.len()).sum();
    Ok(run.report)
}

impl Run {
    fn new(seed: u64, kind: Kind) -> Result<Self, Fault> {
        let mut rng = Rng::with_seed(seed);
        let store = Store::new(kind);
        let bounds = Bounds {
            outbox_bytes: rng.usize(500..8000),
            queued_bytes: rng.usize(4000..60_000),
            merged_pages_min: 2 + (seed % 3) as usize,
            send_max: NonZeroU16::new(rng.u16(1..6)).unwrap_or(NonZeroU16::MIN),
        };
        let now = Instant::default();
        let world = start(&store, now, bounds)?;
        let mut clients = Clients::new();
        let count = rng.u32(2..5);
        for number in 0..count {
            let name = format!("c{number}");
            let client = Client::new(&name, habits(&mut rng));
            clients.insert(name, client);
        }
        let watcher = Habits {
            version: Version::V5,
            messages_max: 0,
            filters: vec![("will/+".into(), Qos::ExactlyOnce)],
            will: None,
            is_clean: false,
            retained_qos: Qos::ExactlyOnce,
        };
        clients.insert("watcher".into(), Client::new("watcher", watcher));
        Ok(Self {
            rng,
            bounds,
            store,
            world,
            clients,
            report: Report::default(),
            connections: 0,
            now,
        })
    }

    fn work(&mut self) -> Result<(), Fault> {
        let mut crashes_left = self.rng.u32(..4);
        if self.rng.bool() {
            self.store.crash_at(self.rng.u64(1..400));
        }
        let steps_min = self.rng.u64(2000..12_000);
        loop {
            self.report.steps += 1;
            let is_over = self.clients.values().all(Client::has_published);
            if is_over && self.report.steps > steps_min {
                return Ok(());
            }
            if self.report.steps > STEPS_MAX {
                // A bad network may keep everybody from coming to an end.
                return Ok(());
            }
            let is_due = crashes_left > 0 && self.rng.u32(..2500) == 0;
            let is_alive = self.step()?;
            if is_due || !is_alive {
                crashes_left = crashes_left.saturating_sub(1);
                self.end(is_alive)?;
            }
        }
    }

    /// One step of something. Returns false when the store has failed.
    fn step(&mut self) -> Result<bool, Fault> {
        let steps = self.report.steps;
        match self.rng.u32(..10) {
            0..=4 => {
                let part = self.rng.usize(..self.world.parts());
                let stepped = self.world.step(part);
                let disk = self.store.disk();
                return Ok(stepped.is_ok() && !disk.is_some_and(MemoryDisk::is_crashed));
            }
            5 => {
                let pass = Duration::from_millis(self.rng.u64(..30));
                self.pass(pass);
            }
            6 | 7 => {
                let bytes = self.rng.usize(1..400);
                let client = self.rng.usize(..self.clients.len());
                if let Some(client) = self.clients.values_mut().nth(client) {
                    client.carry(&self.world, bytes, steps)?;
                }
            }
            _ => {
                self.connections += 1;
                let client = self.rng.usize(..self.clients.len());
                let (rng, world) = (&mut self.rng, &mut self.world);
                if let Some(client) = self.clients.values_mut().nth(client) {
                    client.act(rng, world, self.connections, steps);
                }
            }
        }
        Ok(true)
    }

    fn pass(&mut self, duration: Duration) {
        self.world.pass(duration);
        self.now = self.world.now;
    }

    /// The broker ends, in one way or another, and begins again.
    fn end(&mut self, is_alive: bool) -> Result<(), Fault> {
        self.report.crashes += 1;
        let steps = self.report.steps;
        let rng = &mut self.rng;
        let has_power = !self.store.disk().is_some_and(MemoryDisk::is_crashed);
        match rng.u32(..5) {
            0 if is_alive && has_power => {
                self.report.stops += 1;
                for client in self.clients.values_mut() {
                    client.hang_up(&self.world, steps)?;
                }
                // Something stands in for it until the next life.
                let stand_in = start(&Store::new(Kind::Apart), self.now, self.bounds)?;
                let world = std::mem::replace(&mut self.world, stand_in);
                let stopped = world.stop();
                if self.store.disk().is_some_and(MemoryDisk::is_crashed) {
                    let rng = &mut self.rng;
                    self.store.crash(&mut |below| rng.u64(..below));
                } else {
                    stopped.map_err(|error| format!("does not stop: {error:#}"))?;
                }
            }
            1 if has_power => {
                self.lose(steps)?;
                self.store.end_process();
            }
            _ => {
                self.lose(steps)?;
                let rng = &mut self.rng;
                self.store.crash(&mut |below| rng.u64(..below));
            }
        }
        self.world = match World::start(&self.store, self.now, self.bounds) {
            Ok(world) => world,
            // The power has failed again meanwhile.
            Err(_) if self.store.disk().is_some_and(MemoryDisk::is_crashed) => {
                let rng = &mut self.rng;
                self.store.crash(&mut |below| rng.u64(..below));
                start(&self.store, self.now, self.bounds)?
            }
            Err(error) => return Err(format!("does not start: {error:?}")),
        };
        if self.rng.u32(..3) == 0 {
            self.store.crash_at(self.rng.u64(1..400));
        }
        Ok(())
    }

    fn lose(&mut self, steps: u64) -> Result<(), Fault> {
        let mut clients = self.clients.values_mut();
        clients.try_for_each(|client| client.lose(steps))
    }

    /// No more faults: everything comes to its end.
    fn end_in_peace(&mut self) -> Result<(), Fault> {
        if self.store.disk().is_some_and(MemoryDisk::is_crashed) {
            self.end(false)?;
        }
        if let Some(disk) = self.store.disk() {
            disk.heal();
        }
        let mut quiet = 0;
        for _ in 0..ROUNDS_MAX {
            let moved = self.round()?;
            let is_idle = self.clients.values().all(Client::is_idle);
            quiet = if moved || !is_idle { 0 } else { quiet + 1 };
            self.pass(Duration::from_millis(if quiet > 50 { 100 } else { 1 }));
            if quiet > 150 {
                self.clients.values_mut().for_each(Client::is_present);
                return Ok(());
            }
        }
        let busy = self.clients.values().find(|client| !client.is_idle());
        Err(format!(
            "does not come to its end: {}",
            busy.map_or("something moves", |client| client.name.as_str())
        ))
    }

    fn round(&mut self) -> Result<bool, Fault> {
        self.report.steps += 1;
        let steps = self.report.steps;
        let mut moved = false;
        for part in 0..self.world.parts() {
            let stepped = self.world.step(part);
            moved |= stepped.map_err(|error| format!("{error:#}"))?;
        }
        for client in self.clients.values_mut() {
            self.connections += 1;
            moved |= client.carry(&self.world, usize::MAX, steps)?;
            let (rng, world) = (&mut self.rng, &mut self.world);
            client.act_calmly(rng, world, self.connections, steps);
        }
        Ok(moved)
    }

    /// Somebody comes late, and is shown what is retained.
    fn show(&mut self) -> Result<(), Fault> {
        let habits = Habits {
            version: Version::V5,
            messages_max: 0,
            filters: vec![("last/+".into(), Qos::AtLeastOnce)],
            will: None,
            is_clean: true,
            retained_qos: Qos::ExactlyOnce,
        };
        let publishers = std::mem::take(&mut self.clients);
        self.clients
            .insert("late".into(), Client::new("late", habits));
        self.end_in_peace()?;
        let late = self.clients.remove("late").ok_or("nobody came late")?;
        self.clients = publishers;
        check::retained(&self.clients, &late)
    }
}

fn start(store: &Store, now: Instant, bounds: Bounds) -> Result<World, Fault> {
    World::start(store, now, bounds).map_err(|error| format!("does not start: {error:?}"))
}

fn habits(rng: &mut Rng) -> Habits {
    let qos = [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::ExactlyOnce];
    let mut filters = Vec::new();
    for filter in ["t/+", "last/+", "t/1"] {
        // Two that overlap are seldom had by one client.
        let has_overlap = filter == "t/1" && !filters.is_empty();
        if rng.u32(..if has_overlap { 8 } else { 2 }) == 0 {
            filters.push((filter.to_owned(), qos[rng.usize(..3)]));
        }
    }
    if rng.bool() {
        filters.push((format!("{SHARED}g/+"), qos[rng.usize(..3)]));
    }
    Habits {
        version: [Version::V311, Version::V5][rng.usize(..2)],
        messages_max: rng.usize(..60),
        filters,
        will: (rng.u32(..2) == 0).then_some(false),
        is_clean: false,
        retained_qos: qos[rng.usize(..2)],
    }
}
