//! The shapes of the suite `amqp`.

use super::Shape;
use crate::{
    load::Pace,
    wire::{Acks, Safety, Target},
};

/// Confirms that may be outstanding, of all publishers together.
const OUTSTANDING: [u64; 3] = [1, 16, 1024];

/// Messages per second where that is fixed.
const RATES: [u64; 2] = [1000, 10_000];

/// Queues that a message of a fan-out goes to.
const FAN_OUT: usize = 10;

/// A shape over AMQP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amqp {
    /// Transient, or persistent with confirms.
    pub(crate) safety: Safety,
    /// Of the consumers.
    pub(crate) acks: Acks,
    /// Between whom.
    pub(crate) way: Way,
    /// How fast messages are sent.
    pub(crate) speed: Speed,
}

/// Who sends to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// So many publishers, each to a queue of its own with one consumer.
    Queues(usize),
    /// One publisher, and so many exclusive queues with one consumer each, which get every message.
    FanOut(usize),
}

/// How fast messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speed {
    /// As fast as what may be in flight allows.
    Full,
    /// With so many confirms outstanding.
    Outstanding(u64),
    /// So many per second.
    Rate(u64),
}

/// From one to one, transient and as fast as it goes.
const ONE: Amqp = Amqp {
    safety: Safety::Transient,
    acks: Acks::Never,
    way: Way::Queues(1),
    speed: Speed::Full,
};

/// The same, persistent and confirmed.
const SAFE: Amqp = Amqp {
    safety: Safety::Confirmed,
    acks: Acks::Together,
    speed: Speed::Outstanding(1024),
    ..ONE
};

impl Shape {
    /// All that the suite `amqp` measures, in the order of its report.
    pub(crate) fn amqp() -> Vec<Self> {
        let mut shapes = Vec::new();
        for way in [Way::Queues(1), Way::Queues(4), Way::FanOut(FAN_OUT)] {
            for acks in [Acks::Never, Acks::Together, Acks::Each] {
                if way == Way::Queues(1) || acks != Acks::Each {
                    shapes.push(Amqp { acks, way, ..ONE });
                }
            }
        }
        for outstanding in OUTSTANDING {
            let speed = Speed::Outstanding(outstanding);
            shapes.push(Amqp { speed, ..SAFE });
        }
        let way = Way::Queues(4);
        shapes.push(Amqp { way, ..SAFE });
        for speed in RATES.map(Speed::Rate) {
            let way = Way::FanOut(FAN_OUT);
            shapes.push(Amqp { speed, ..ONE });
            shapes.push(Amqp { speed, ..SAFE });
            shapes.push(Amqp { speed, way, ..ONE });
        }
        shapes.into_iter().map(Self::Amqp).collect()
    }

    /// From one to one with everything asked: what leaves a durable queue behind.
    pub(crate) const AMQP_FIRST: Self = Self::Amqp(SAFE);
}

impl Amqp {
    pub(super) fn name(self) -> String {
        let speed = match self.speed {
            Speed::Full => String::new(),
            Speed::Outstanding(count) => format!("confirms-{count}-"),
            Speed::Rate(per_second) => format!("rate-{per_second}-"),
        };
        let safety = match (self.safety, self.speed) {
            (Safety::Transient, _) => "transient-",
            (Safety::Confirmed | Safety::Once, Speed::Outstanding(_)) => "",
            (Safety::Confirmed | Safety::Once, Speed::Full | Speed::Rate(_)) => "confirms-",
        };
        let acks = match self.acks {
            Acks::Never => "auto",
            Acks::Together => "ack",
            Acks::Each => "ack-each",
        };
        let way = match self.way {
            Way::Queues(count) => format!("{count}-{count}"),
            Way::FanOut(count) => format!("1-{count}"),
        };
        format!("{speed}{safety}{acks}-{way}")
    }

    pub(super) fn target(self) -> Target {
        match self.way {
            Way::Queues(_) => Target::Queues,
            Way::FanOut(_) => Target::Topic,
        }
    }

    pub(super) fn pace(self) -> Pace {
        match self.speed {
            Speed::Full => Pace::Full,
            Speed::Outstanding(count) => Pace::Outstanding(count),
            Speed::Rate(per_second) => Pace::Rate(per_second),
        }
    }

    pub(super) fn publishers(self) -> usize {
        match self.way {
            Way::Queues(count) => count,
            Way::FanOut(_) => 1,
        }
    }

    pub(super) fn subscribers(self) -> usize {
        match self.way {
            Way::Queues(count) | Way::FanOut(count) => count,
        }
    }

    pub(super) fn bodies(self) -> &'static [usize] {
        match (self.speed, self.acks, self.way) {
            (_, Acks::Each, _) | (Speed::Rate(_), _, _) => &[100],
            (Speed::Outstanding(1 | 16), _, _) | (_, _, Way::Queues(2..)) => &[100, 1024],
            (_, Acks::Together, Way::FanOut(_)) => &[100, 1024],
            (Speed::Full | Speed::Outstanding(_), _, _) => &[16, 100, 1024, 16_384],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cell::Cell, systems::System};

    #[test]
    fn each_cell_has_a_name_that_says_what_it_is() {
        let names = Shape::amqp().into_iter().map(Shape::name);
        assert_eq!(
            names.collect::<Vec<_>>(),
            [
                "transient-auto-1-1",
                "transient-ack-1-1",
                "transient-ack-each-1-1",
                "transient-auto-4-4",
                "transient-ack-4-4",
                "transient-auto-1-10",
                "transient-ack-1-10",
                "confirms-1-ack-1-1",
                "confirms-16-ack-1-1",
                "confirms-1024-ack-1-1",
                "confirms-1024-ack-4-4",
                "rate-1000-transient-auto-1-1",
                "rate-1000-confirms-ack-1-1",
                "rate-1000-transient-auto-1-10",
                "rate-10000-transient-auto-1-1",
                "rate-10000-confirms-ack-1-1",
                "rate-10000-transient-auto-1-10",
            ]
        );
    }

    #[test]
    fn small_and_large_bodies_go_where_the_bytes_may_matter() {
        let count = |bodies: &[usize], filter| Cell::matching(&Shape::amqp(), bodies, filter).len();
        assert_eq!(count(&[], ""), 35);
        assert_eq!(count(&[], "/16384"), 4);
        assert_eq!(count(&[], "rate-"), 6);
        assert_eq!(count(&[], "-4-4/"), 6);
        assert_eq!(count(&[50], "/50"), 17);
    }

    #[test]
    fn quorum_queues_are_for_what_is_confirmed() {
        let cells = Cell::matching(&Shape::amqp(), &[100], "");
        let count = |system| cells.iter().filter(|cell| cell.suits(system)).count();
        assert_eq!(count(System::Barid), 17);
        assert_eq!(count(System::Rabbitmq), 17);
        assert_eq!(count(System::RabbitmqQuorum), 6);
        assert_eq!(count(System::Mosquitto), 0);
    }
}
