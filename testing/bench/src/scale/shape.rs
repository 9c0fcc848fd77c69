//! The shapes: each a dimension at one size.

use crate::wire::{Protocol, Safety, Target};

/// Sizes of each dimension.
const SIZES: [usize; 3] = [1, 100, 10_000];

/// Numbers of subscriptions with wildcards. A single one has one connection, all others have the same number.
const WILDCARD_SIZES: [usize; 4] = [1, 10, 1000, 100_000];

/// Connections that many subscriptions are spread over, where it is not they that are counted.
const SHARED_CONNECTIONS: usize = 10;

/// Messages per second where the rate is fixed: each goes by itself, however few connections there are.
const RATE: u64 = 10_000;

/// Most messages in flight where one subscription gets each.
const IN_FLIGHT: u64 = 10_000;

/// Receipts outstanding where messages are persistent.
const RECEIPTS: u64 = 1000;

/// Messages in flight where all subscriptions get each: the same number at every size, since what is
/// delivered together is cheaper.
const FAN_OUT_IN_FLIGHT: u64 = 20;

/// What grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dimension {
    /// Durable queues with one consumer each, on one connection; transient messages in turn.
    Queues,
    /// The same with persistent messages, 1,000 receipts outstanding, each delivery acknowledged.
    PersistentQueues,
    /// Consumers that share one queue.
    Consumers,
    /// Topic subscriptions, each with a key of its own; a message is for one of them.
    Keys,
    /// The same, each with a connection of its own.
    Subscribers,
    /// The same at a fixed rate.
    SubscribersAtRate,
    /// Connections that publish in turn, to one topic with one subscriber.
    Publishers,
    /// The same at a fixed rate.
    PublishersAtRate,
    /// Subscribers to one topic, each with a connection of its own.
    FanOut,
    /// The same, a hundred to a connection.
    FanOutShared,
    /// Connections with a subscription each, and nothing to do.
    Idle,
    /// Connections without one.
    IdleBare,
    /// Subscriptions each to topics of its own, every second of whose levels is open; a message is for one of them,
    /// and no topic is like one before.
    Wildcards { levels: usize },
}

/// A dimension at one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) protocol: Protocol,
    pub(super) dimension: Dimension,
    pub(super) size: usize,
}

/// How messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Not at all.
    None,
    /// As long as fewer than that many are on their way, or wait for a receipt.
    InFlight(u64),
    /// That many per second.
    Rate(u64),
}

impl Dimension {
    const STOMP: [Self; 11] = [
        Self::Queues,
        Self::PersistentQueues,
        Self::Consumers,
        Self::Keys,
        Self::Subscribers,
        Self::SubscribersAtRate,
        Self::Publishers,
        Self::PublishersAtRate,
        Self::FanOut,
        Self::FanOutShared,
        Self::Idle,
    ];

    const MQTT: [Self; 6] = [
        Self::FanOut,
        Self::IdleBare,
        Self::Idle,
        Self::Wildcards { levels: 2 },
        Self::Wildcards { levels: 4 },
        Self::Wildcards { levels: 8 },
    ];

    pub(super) fn name(self) -> String {
        match self {
            Self::Queues => "queues".to_owned(),
            Self::PersistentQueues => "persistent-queues".to_owned(),
            Self::Consumers => "consumers".to_owned(),
            Self::Keys => "subscriptions".to_owned(),
            Self::Subscribers => "subscribers".to_owned(),
            Self::SubscribersAtRate => "subscribers-at-rate".to_owned(),
            Self::Publishers => "publishers".to_owned(),
            Self::PublishersAtRate => "publishers-at-rate".to_owned(),
            Self::FanOut => "fan-out".to_owned(),
            Self::FanOutShared => "fan-out-shared".to_owned(),
            Self::Idle => "idle".to_owned(),
            Self::IdleBare => "idle-bare".to_owned(),
            Self::Wildcards { levels } => format!("wildcards-{levels}-levels"),
        }
    }

    /// Whether nothing happens once all connections stand.
    pub(super) fn is_idle(self) -> bool {
        matches!(self, Self::Idle | Self::IdleBare)
    }

    fn sizes(self) -> &'static [usize] {
        match self {
            Self::Queues
            | Self::PersistentQueues
            | Self::Consumers
            | Self::Keys
            | Self::Subscribers
            | Self::SubscribersAtRate
            | Self::Publishers
            | Self::PublishersAtRate
            | Self::FanOut => &SIZES,
            Self::FanOutShared => &[100, 10_000],
            Self::Idle | Self::IdleBare => &[10_000],
            Self::Wildcards { .. } => &WILDCARD_SIZES,
        }
    }
}

impl Shape {
    /// All of a protocol whose name holds one of the comma-separated parts of `filter`.
    pub(super) fn matching(protocol: Protocol, filter: &str) -> Vec<Self> {
        let dimensions: &[Dimension] = match protocol {
            Protocol::Stomp => &Dimension::STOMP,
            Protocol::Mqtt => &Dimension::MQTT,
            Protocol::Amqp => &[],
        };
        let shapes = dimensions.iter().copied().flat_map(|dimension| {
            let sizes = dimension.sizes().iter();
            sizes.map(move |size| Self {
                protocol,
                dimension,
                size: *size,
            })
        });
        let wanted = |shape: &Self| {
            filter
                .split(',')
                .any(|part| shape.name().contains(part.trim()))
        };
        shapes.filter(wanted).collect()
    }

    pub(super) fn name(&self) -> String {
        format!("{}-{}", self.dimension.name(), self.size)
    }

    pub(super) fn target(self) -> Target {
        match self.dimension {
            Dimension::Queues | Dimension::PersistentQueues | Dimension::Consumers => Target::Queue,
            Dimension::Keys
            | Dimension::Subscribers
            | Dimension::SubscribersAtRate
            | Dimension::Publishers
            | Dimension::PublishersAtRate
            | Dimension::FanOut
            | Dimension::FanOutShared
            | Dimension::Idle
            | Dimension::IdleBare
            | Dimension::Wildcards { .. } => Target::Topic,
        }
    }

    pub(super) fn safety(self) -> Safety {
        if self.dimension == Dimension::PersistentQueues {
            Safety::Confirmed
        } else {
            Safety::Transient
        }
    }

    pub(super) fn pace(self) -> Pace {
        match self.dimension {
            Dimension::Queues
            | Dimension::Consumers
            | Dimension::Keys
            | Dimension::Subscribers
            | Dimension::Publishers
            | Dimension::Wildcards { .. } => Pace::InFlight(IN_FLIGHT),
            Dimension::PersistentQueues => Pace::InFlight(RECEIPTS),
            Dimension::SubscribersAtRate | Dimension::PublishersAtRate => Pace::Rate(RATE),
            Dimension::FanOut | Dimension::FanOutShared => Pace::InFlight(FAN_OUT_IN_FLIGHT),
            Dimension::Idle | Dimension::IdleBare => Pace::None,
        }
    }

    /// Different queues or topics; subscription `i` is to the one numbered `i` modulo this.
    pub(super) fn destinations(self) -> usize {
        match self.dimension {
            Dimension::Queues
            | Dimension::PersistentQueues
            | Dimension::Keys
            | Dimension::Subscribers
            | Dimension::SubscribersAtRate
            | Dimension::Idle
            | Dimension::IdleBare
            | Dimension::Wildcards { .. } => self.size,
            Dimension::Consumers
            | Dimension::Publishers
            | Dimension::PublishersAtRate
            | Dimension::FanOut
            | Dimension::FanOutShared => 1,
        }
    }

    pub(super) fn subscriptions(self) -> usize {
        match self.dimension {
            Dimension::IdleBare => 0,
            Dimension::Publishers | Dimension::PublishersAtRate => 1,
            Dimension::Queues
            | Dimension::PersistentQueues
            | Dimension::Consumers
            | Dimension::Keys
            | Dimension::Subscribers
            | Dimension::SubscribersAtRate
            | Dimension::FanOut
            | Dimension::FanOutShared
            | Dimension::Idle
            | Dimension::Wildcards { .. } => self.size,
        }
    }

    /// Connections that subscriptions are spread over.
    pub(super) fn receivers(self) -> usize {
        match self.dimension {
            Dimension::Queues
            | Dimension::PersistentQueues
            | Dimension::Publishers
            | Dimension::PublishersAtRate => 1,
            Dimension::Consumers | Dimension::Keys | Dimension::Wildcards { .. } => {
                self.size.min(SHARED_CONNECTIONS)
            }
            Dimension::FanOutShared => self.size / 100,
            Dimension::Subscribers
            | Dimension::SubscribersAtRate
            | Dimension::FanOut
            | Dimension::Idle
            | Dimension::IdleBare => self.size,
        }
    }

    /// Connections that publish in turn.
    pub(super) fn publishers(self) -> usize {
        match self.dimension {
            Dimension::Idle | Dimension::IdleBare => 0,
            Dimension::Publishers | Dimension::PublishersAtRate => self.size,
            Dimension::Queues
            | Dimension::PersistentQueues
            | Dimension::Consumers
            | Dimension::Keys
            | Dimension::Subscribers
            | Dimension::SubscribersAtRate
            | Dimension::FanOut
            | Dimension::FanOutShared
            | Dimension::Wildcards { .. } => 1,
        }
    }

    /// Deliveries that become of one message.
    pub(super) fn deliveries_per_message(self) -> u64 {
        match self.target() {
            Target::Queue | Target::Queues => 1,
            // Where nobody is subscribed, nobody publishes.
            Target::Topic => (self.subscriptions() / self.destinations()).max(1) as u64,
        }
    }

    /// The destination of a message. Each has its turn first; then those of queues go on in turn, and those of
    /// topics without an order.
    pub(super) fn destination_of(self, sequence: u64) -> u64 {
        let count = self.destinations() as u64;
        if self.target() == Target::Queue || sequence < count {
            return sequence % count;
        }
        (sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_has_a_destination_that_is_subscribed() {
        let both = [Protocol::Stomp, Protocol::Mqtt].into_iter();
        let shapes = both.flat_map(|protocol| Shape::matching(protocol, ""));
        for shape in shapes {
            assert!(shape.deliveries_per_message() > 0, "{}", shape.name());
            if shape.publishers() == 0 {
                continue;
            }
            let count = shape.destinations() as u64;
            assert!(count <= shape.subscriptions() as u64, "{}", shape.name());
            assert!((0..30_000).all(|sequence| shape.destination_of(sequence) < count));
            assert!(shape.receivers() <= shape.subscriptions());
        }
    }

    #[test]
    fn a_filter_takes_the_shapes_that_hold_one_of_its_parts() {
        let count = |protocol, filter| Shape::matching(protocol, filter).len();
        assert_eq!(count(Protocol::Stomp, ""), 30);
        assert_eq!(count(Protocol::Stomp, "idle, fan-out-10000"), 2);
        assert_eq!(count(Protocol::Stomp, "none"), 0);
        assert_eq!(count(Protocol::Mqtt, ""), 17);
        assert_eq!(count(Protocol::Mqtt, "wildcards-8"), 4);
    }
}
