//! One bound for all consumers of a channel, before queues that keep to what is granted.

use super::Driven;
use super::consumers::{ack, consume, deliver, qos, start};
use super::pools::global;
use crate::wire::frame;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;

#[derive(Clone, Debug)]
enum Step {
    Deliver(Index),
    AckFirst,
    AckAll,
    Bound(u16),
    Wait,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => any::<Index>().prop_map(Step::Deliver),
        4 => Just(Step::AckFirst),
        1 => Just(Step::AckAll),
        1 => (1..9_u16).prop_map(Step::Bound),
        2 => Just(Step::Wait),
    ]
}

/// A consumer's queue.
#[derive(Default)]
struct Queue {
    ready: u64,
    delivered: u64,
    granted: u64,
}

struct Run {
    driven: Driven,
    queues: Vec<Queue>,
    bound: u64,
    /// What the client has in hand.
    in_hand: u64,
    first_tag: u64,
}

impl Run {
    /// One with consumers of so many messages each, and with a prefetch of their own.
    fn new(bound: u16, consumers: &[(u64, u16)]) -> Self {
        let mut run = Self {
            driven: Driven::with_channel(),
            queues: Vec::new(),
            bound: bound.into(),
            in_hand: 0,
            first_tag: 1,
        };
        run.driven.send(1, &global(bound));
        for (nth, (ready, prefetch)) in consumers.iter().enumerate() {
            run.queues.push(Queue {
                ready: *ready,
                ..Queue::default()
            });
            run.driven.send(1, &qos(*prefetch));
            start(&mut run.driven, consume(&format!("t{nth}")));
            run.obey();
        }
        run
    }

    /// Does what the queues are told.
    fn obey(&mut self) {
        for line in self.driven.take_log() {
            let number = |name: &str| {
                let (_, behind) = line.split_once(name)?;
                let digits = behind.split(|it: char| !it.is_ascii_digit()).next();
                digits?.parse::<u64>().ok()
            };
            let queue = number("SubscriptionId(").and_then(|id| {
                let at = usize::try_from(id).ok()?.checked_sub(1)?;
                self.queues.get_mut(at)
            });
            let Some(queue) = queue else {
                continue;
            };
            if line.contains("Grant(") {
                queue.granted = number("count: ").unwrap() + number("limit: ").unwrap();
            } else if line.contains("Release") {
                queue.ready += line.matches("Sequence(").count() as u64;
            }
        }
    }

    fn note_read(&mut self, read: &[String]) {
        let count = read.iter().filter(|it| it.contains("BasicDeliver"));
        self.in_hand += count.count() as u64;
        self.obey();
    }

    /// Whether there was something that may be delivered.
    fn deliver(&mut self, at: usize) -> bool {
        let queue = &mut self.queues[at];
        if queue.ready == 0 || queue.delivered >= queue.granted {
            return false;
        }
        queue.ready -= 1;
        queue.delivered += 1;
        let sequence = queue.delivered;
        let had = self.in_hand;
        let read = deliver(
            &mut self.driven,
            u32::try_from(at).unwrap() + 1,
            sequence,
            b"",
        );
        self.note_read(&read);
        assert!(self.in_hand == had || self.in_hand <= self.bound);
        true
    }

    fn ack(&mut self, count: u64) {
        if count > 0 {
            self.first_tag += count;
            self.in_hand -= count;
            let read = self.driven.send(1, &ack(self.first_tag - 1, true));
            self.note_read(&read);
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Deliver(index) => {
                self.deliver(index.index(self.queues.len()));
            }
            Step::AckFirst => self.ack(self.in_hand.min(1)),
            Step::AckAll => self.ack(self.in_hand),
            Step::Bound(bound) => {
                self.bound = u64::from(*bound);
                let read = self.driven.send(1, &global(*bound));
                self.note_read(&read);
            }
            Step::Wait => {
                self.driven.feed(&frame(8, 0, &[]));
                self.driven.wait_for_deadline();
                let read = self.driven.read();
                self.note_read(&read);
            }
        }
    }
}

proptest! {
    #[test]
    fn reach_all_who_have_something(
        bound in 1..9_u16,
        consumers in vec((0..12_u64, 0..4_u16), 1..6),
        steps in vec(any_step(), 0..60),
    ) {
        let mut run = Run::new(bound, &consumers);
        for step in &steps {
            run.step(step);
        }
        // A client that settles all that it has has everything in the end.
        loop {
            let count = (0..consumers.len()).filter(|at| run.deliver(*at)).count();
            if count == 0 && run.in_hand == 0 {
                break;
            }
            run.ack(run.in_hand);
        }
        let count = consumers.iter().map(|(count, _)| count).sum::<u64>();
        assert_eq!(run.first_tag - 1, count);
    }
}
