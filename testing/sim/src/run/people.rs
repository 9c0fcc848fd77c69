//! Who connects in a life, and who comes for those that have left.

use super::{Run, Speech};
use crate::actor::{Ack, Actor, Habit, Role};
use crate::scene::Reading;

impl Run {
    /// Connects the clients of a life: first, who makes what they use.
    pub(super) fn people(&mut self) {
        for actor in self.actors.drain(..) {
            actor.vanish(&mut self.history);
        }
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
        if self.rng.u32(..3) == 0 {
            let queue = self.queue();
            self.connect(Role::Browser(queue));
        }
    }

    pub(super) fn connect(&mut self, role: Role) {
        self.connections += 1;
        let is_amqp = self.speech == Speech::Mixed && role.is_of_amqp() && self.rng.u32(..4) > 0;
        let amqp_seed = is_amqp.then(|| self.rng.u64(..));
        let (world, history) = (&mut self.world, &mut self.history);
        let actor = Actor::new(role, self.connections, amqp_seed, world, history);
        self.actors.push(actor);
    }

    fn queue(&mut self) -> Reading {
        let queues = self.history.scene.queues();
        queues[self.rng.usize(..queues.len())]
    }

    fn reading(&mut self) -> Reading {
        let readings = self.history.scene.readings();
        readings[self.rng.usize(..readings.len())]
    }

    fn consumer(&mut self, reading: Reading) {
        let ack = match self.rng.u32(..4) {
            0 => Ack::Cumulative,
            1 => Ack::Auto,
            _ => Ack::Individual,
        };
        let can_select = self.history.scene.queues().contains(&reading);
        let (ack, habit) = match self.rng.u32(..20) {
            0 => (Ack::Individual, Habit::KeepsOne),
            1..4 if can_select => (ack, Habit::Selects),
            4..10 if self.has_dead_letters(reading) => {
                let ack = if ack == Ack::Auto {
                    Ack::Individual
                } else {
                    ack
                };
                (ack, Habit::Hoards)
            }
            _ => (ack, Habit::Plain),
        };
        self.connect(Role::Consumer {
            reading,
            ack,
            habit,
        });
    }

    fn has_dead_letters(&self, reading: Reading) -> bool {
        match reading {
            Reading::From(source) => self.history.rules(source).dead_letter,
            Reading::DeadLetters => false,
        }
    }

    fn processor(&mut self, publisher: u32) {
        let reading = self.reading();
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
    pub(super) fn replace(&mut self, actor: &Actor) {
        match actor.role() {
            Role::SetUp => {
                self.is_set_up = true;
                self.people();
            }
            Role::Publisher(_) => self.connect(actor.role()),
            Role::Processor { publisher, .. } => self.processor(publisher),
            Role::Consumer { .. } | Role::Drain(_) => {
                let reading = self.reading();
                self.consumer(reading);
            }
            Role::Browser(_) => {
                let queue = self.queue();
                self.connect(Role::Browser(queue));
            }
            Role::Probe(_) => {}
        }
    }

    /// Finds out what is out of service.
    pub(super) fn probe(&mut self) -> Result<(), String> {
        let before = self.actors.len();
        for reading in self.history.scene.readings() {
            self.connect(Role::Probe(reading));
        }
        self.until_answered()?;
        self.actors.truncate(before);
        Ok(())
    }
}
