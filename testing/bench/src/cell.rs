//! The cells: each a shape of load that is measured on every system that can do it.

use std::time::Duration;

use crate::{
    load::{Load, Pace},
    systems::{Running, System},
    wire::{Safety, Target},
};

/// Bodies that are measured unless others are asked for.
pub(crate) const BODY_BYTES: [usize; 2] = [100, 1024];

/// One shape of load with one body size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    /// What it is called in filters and reports.
    pub(crate) shape: Shape,
    /// Size of each body.
    pub(crate) body_bytes: usize,
}

/// One shape of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One publisher, one consumer, nothing asked, full speed.
    TransientQueue,
    /// Persistent, with that many receipts outstanding, each delivery acknowledged.
    Receipts(u64),
    /// One publisher, that many subscribers, full speed.
    Topic(usize),
    /// A fixed rate over one of the three ways.
    Rate(u64, Way),
}

/// The ways that are measured at a fixed rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As in [`Shape::TransientQueue`].
    Queue,
    /// As in [`Shape::Receipts`], however many are outstanding.
    Persistent,
    /// As in [`Shape::Topic`] with one subscriber.
    Topic,
}

impl Shape {
    /// All that the suite `stomp` measures, in the order of its report.
    pub(crate) const STOMP: [Self; 13] = [
        Self::TransientQueue,
        Self::Receipts(1),
        Self::Receipts(16),
        Self::Receipts(1000),
        Self::Topic(1),
        Self::Topic(10),
        Self::Topic(100),
        Self::Rate(1000, Way::Queue),
        Self::Rate(1000, Way::Persistent),
        Self::Rate(1000, Way::Topic),
        Self::Rate(10_000, Way::Queue),
        Self::Rate(10_000, Way::Persistent),
        Self::Rate(10_000, Way::Topic),
    ];

    /// All that the suite `durable` measures, in the order of its report.
    pub(crate) const DURABLE: [Self; 3] =
        [Self::Receipts(1), Self::Receipts(16), Self::Receipts(1024)];

    /// Its name in filters and reports.
    pub(crate) fn name(self) -> String {
        match self {
            Self::TransientQueue => "transient-queue".to_owned(),
            Self::Receipts(count) => format!("receipts-{count}"),
            Self::Topic(count) => format!("topic-1-{count}"),
            Self::Rate(per_second, Way::Queue) => format!("rate-{per_second}-queue"),
            Self::Rate(per_second, Way::Persistent) => format!("rate-{per_second}-persistent"),
            Self::Rate(per_second, Way::Topic) => format!("rate-{per_second}-topic"),
        }
    }

    fn target(self) -> Target {
        match self {
            Self::TransientQueue
            | Self::Receipts(_)
            | Self::Rate(_, Way::Queue | Way::Persistent) => Target::Queue,
            Self::Topic(_) | Self::Rate(_, Way::Topic) => Target::Topic,
        }
    }

    fn safety(self) -> Safety {
        match self {
            Self::Receipts(_) | Self::Rate(_, Way::Persistent) => Safety::Confirmed,
            Self::TransientQueue | Self::Topic(_) | Self::Rate(_, Way::Queue | Way::Topic) => {
                Safety::Transient
            }
        }
    }

    fn pace(self) -> Pace {
        match self {
            Self::TransientQueue | Self::Topic(_) => Pace::Full,
            Self::Receipts(count) => Pace::Outstanding(count),
            Self::Rate(per_second, _) => Pace::Rate(per_second),
        }
    }

    fn subscribers(self) -> usize {
        match self {
            Self::Topic(count) => count,
            Self::TransientQueue | Self::Receipts(_) | Self::Rate(_, _) => 1,
        }
    }
}

impl Cell {
    /// All cells of these shapes with these bodies whose name holds one of the comma-separated parts of `filter`.
    pub(crate) fn matching(shapes: &[Shape], bodies: &[usize], filter: &str) -> Vec<Self> {
        let cells = shapes.iter().copied().flat_map(|shape| {
            bodies.iter().map(move |body_bytes| Self {
                shape,
                body_bytes: *body_bytes,
            })
        });
        let wanted = |cell: &Self| {
            filter
                .split(',')
                .any(|part| cell.name().contains(part.trim()))
        };
        cells.filter(wanted).collect()
    }

    /// Shape and body size.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}", self.shape.name(), self.body_bytes)
    }

    /// Whether `system` can do it.
    pub(crate) fn suits(&self, system: System) -> bool {
        match system {
            System::Barid | System::Rabbitmq | System::Activemq => true,
            System::RabbitmqQuorum => self.shape.safety() == Safety::Confirmed,
            System::Nats => self.shape.target() == Target::Topic,
        }
    }

    /// One run of it on `running`, to a destination called `name`.
    pub(crate) fn load(
        &self,
        system: System,
        running: &Running,
        name: String,
        warm_up: Duration,
        window: Duration,
    ) -> Load {
        Load {
            wire: system.wire(),
            address: running.address,
            broker_pid: running.pid,
            flushes: running.flushes.clone(),
            target: self.shape.target(),
            name,
            subscribers: self.shape.subscribers(),
            body_bytes: self.body_bytes,
            safety: self.shape.safety(),
            pace: self.shape.pace(),
            warm_up,
            window,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(filter: &str, count: usize) {
        assert_eq!(
            Cell::matching(&Shape::STOMP, &BODY_BYTES, filter).len(),
            count,
            "{filter:?}"
        );
    }

    #[test]
    fn a_filter_takes_the_cells_that_hold_one_of_its_parts() {
        check("", 26);
        check("transient-queue", 2);
        check("receipts-1/", 2);
        check("topic-1-1/100", 1);
        check("rate-1000-, transient", 8);
        check("none", 0);
    }

    #[test]
    fn a_system_is_given_only_what_it_can_do() {
        let count = |shapes: &[Shape], system| {
            let cells = Cell::matching(shapes, &[100], "");
            cells.iter().filter(|cell| cell.suits(system)).count()
        };
        assert_eq!(count(&Shape::STOMP, System::Barid), 13);
        assert_eq!(count(&Shape::STOMP, System::Nats), 5);
        assert_eq!(count(&Shape::STOMP, System::RabbitmqQuorum), 5);
        assert_eq!(count(&Shape::DURABLE, System::RabbitmqQuorum), 3);
        assert_eq!(count(&Shape::DURABLE, System::Nats), 0);
    }
}
