//! The cells: each a shape of load that is measured on every system that can do it.

use std::time::Duration;

use crate::{
    load::{Load, Pace},
    stamp::Form,
    systems::{Running, System},
    wire::{Acks, Protocol, Safety, Session, Target, amqp as amqp_wire},
};

mod amqp;
mod mqtt;

pub(crate) use amqp::{Amqp, Speed};
pub(crate) use mqtt::Mqtt;

/// Bodies that are measured unless others are asked for.
const BODY_BYTES: [usize; 2] = [100, 1024];

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
    /// One of those over MQTT.
    Mqtt(Mqtt),
    /// One of those over AMQP.
    Amqp(Amqp),
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
            Self::Mqtt(mqtt) => mqtt.name(),
            Self::Amqp(amqp) => amqp.name(),
        }
    }

    fn target(self) -> Target {
        match self {
            Self::TransientQueue
            | Self::Receipts(_)
            | Self::Rate(_, Way::Queue | Way::Persistent) => Target::Queue,
            Self::Topic(_) | Self::Rate(_, Way::Topic) | Self::Mqtt(_) => Target::Topic,
            Self::Amqp(amqp) => amqp.target(),
        }
    }

    fn safety(self) -> Safety {
        match self {
            Self::Receipts(_) | Self::Rate(_, Way::Persistent) => Safety::Confirmed,
            Self::TransientQueue | Self::Topic(_) | Self::Rate(_, Way::Queue | Way::Topic) => {
                Safety::Transient
            }
            Self::Mqtt(mqtt) => mqtt.safety,
            Self::Amqp(amqp) => amqp.safety,
        }
    }

    fn acks(self) -> Acks {
        match self {
            Self::Amqp(amqp) => amqp.acks,
            Self::TransientQueue
            | Self::Receipts(_)
            | Self::Topic(_)
            | Self::Rate(_, _)
            | Self::Mqtt(_) => Acks::Each,
        }
    }

    fn pace(self) -> Pace {
        match self {
            Self::TransientQueue | Self::Topic(_) => Pace::Full,
            Self::Receipts(count) => Pace::Outstanding(count),
            Self::Rate(per_second, _) => Pace::Rate(per_second),
            Self::Mqtt(mqtt) => mqtt.pace(),
            Self::Amqp(amqp) => amqp.pace(),
        }
    }

    fn publishers(self) -> usize {
        match self {
            Self::Mqtt(mqtt) => mqtt.publishers,
            Self::Amqp(amqp) => amqp.publishers(),
            Self::TransientQueue | Self::Receipts(_) | Self::Topic(_) | Self::Rate(_, _) => 1,
        }
    }

    /// Subscribers.
    fn subscribers(self) -> usize {
        match self {
            Self::Topic(count) => count,
            Self::TransientQueue | Self::Receipts(_) | Self::Rate(_, _) => 1,
            Self::Mqtt(mqtt) => mqtt.subscribers,
            Self::Amqp(amqp) => amqp.subscribers(),
        }
    }

    /// Deliveries that a message becomes: each subscriber gets every message that is sent to a topic.
    pub(crate) fn copies(self) -> usize {
        match self.target() {
            Target::Queue | Target::Queues => 1,
            Target::Topic => self.subscribers(),
        }
    }

    fn session(self) -> Session {
        match self {
            Self::Mqtt(mqtt) => mqtt.session,
            Self::TransientQueue
            | Self::Receipts(_)
            | Self::Topic(_)
            | Self::Rate(_, _)
            | Self::Amqp(_) => Session::Clean,
        }
    }

    /// The protocol that those speak which have no other.
    pub(crate) fn protocol(self) -> Protocol {
        match self {
            Self::Mqtt(_) => Protocol::Mqtt,
            Self::Amqp(_) => Protocol::Amqp,
            Self::TransientQueue | Self::Receipts(_) | Self::Topic(_) | Self::Rate(_, _) => {
                Protocol::Stomp
            }
        }
    }

    /// How its bodies begin.
    pub(crate) fn stamp(self) -> Form {
        match self.protocol() {
            Protocol::Stomp => Form::Text,
            Protocol::Mqtt | Protocol::Amqp => Form::Short,
        }
    }

    /// The smallest and the largest body it can have.
    pub(crate) fn body_bounds(self) -> (usize, usize) {
        let largest = match self.protocol() {
            Protocol::Stomp | Protocol::Mqtt => 1 << 20,
            Protocol::Amqp => amqp_wire::BODY_BYTES_MAX,
        };
        (self.stamp().bytes(), largest)
    }

    /// Sizes of bodies that it is measured with unless others are asked for.
    fn bodies(self) -> &'static [usize] {
        match self {
            Self::Mqtt(mqtt) => mqtt.bodies(),
            Self::Amqp(amqp) => amqp.bodies(),
            Self::TransientQueue | Self::Receipts(_) | Self::Topic(_) | Self::Rate(_, _) => {
                &BODY_BYTES
            }
        }
    }
}

impl Cell {
    /// All cells of these shapes whose name holds one of the comma-separated parts of `filter`, with these bodies, or
    /// with their own if there are none.
    pub(crate) fn matching(shapes: &[Shape], bodies: &[usize], filter: &str) -> Vec<Self> {
        let cells = shapes.iter().copied().flat_map(|shape| {
            let bodies = if bodies.is_empty() {
                shape.bodies()
            } else {
                bodies
            };
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
        match (self.shape.protocol(), system) {
            (_, System::Barid | System::Rabbitmq) | (Protocol::Stomp, System::Activemq) => true,
            (Protocol::Stomp | Protocol::Amqp, System::RabbitmqQuorum) => {
                self.shape.safety() == Safety::Confirmed
            }
            (Protocol::Stomp, System::Nats) => self.shape.target() == Target::Topic,
            (Protocol::Stomp, System::Mosquitto) => false,
            (Protocol::Mqtt, System::Mosquitto) => true,
            // Its own protocol has nothing of the others.
            (Protocol::Mqtt, System::Nats) => self.shape.safety() == Safety::Transient,
            (Protocol::Mqtt, System::Activemq | System::RabbitmqQuorum)
            | (Protocol::Amqp, System::Activemq | System::Nats | System::Mosquitto) => false,
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
            wire: system.wire(self.shape.protocol()),
            address: running.address,
            broker_pid: running.pid,
            flushes: running.flushes.clone(),
            target: self.shape.target(),
            name,
            publishers: self.shape.publishers(),
            subscribers: self.shape.subscribers(),
            session: self.shape.session(),
            body_bytes: self.body_bytes,
            stamp: self.shape.stamp(),
            safety: self.shape.safety(),
            acks: self.shape.acks(),
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
            Cell::matching(&Shape::STOMP, &[], filter).len(),
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
        assert_eq!(count(&Shape::STOMP, System::Mosquitto), 0);
        let mqtt = Shape::mqtt();
        assert_eq!(count(&mqtt, System::Barid), mqtt.len());
        assert_eq!(count(&mqtt, System::Mosquitto), mqtt.len());
        assert_eq!(count(&mqtt, System::Rabbitmq), mqtt.len());
        assert_eq!(count(&mqtt, System::Nats), 8);
        assert_eq!(count(&mqtt, System::Activemq), 0);
    }
}
