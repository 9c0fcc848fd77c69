//! The shapes of the suite `mqtt`.

use super::Shape;
use crate::{
    load::Pace,
    wire::{Safety, Session},
};

/// Messages with QoS 1 or 2 whose exchange may be open, of all publishers together.
const OUTSTANDING: u64 = 1000;

/// Messages per second where that is fixed.
const RATE: u64 = 1000;

/// A shape over MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mqtt {
    /// QoS 0, 1 or 2, of the messages and of the subscriptions.
    pub(crate) safety: Safety,
    /// Publishers.
    pub(crate) publishers: usize,
    /// Subscribers, each of which gets every message.
    pub(crate) subscribers: usize,
    /// How fast messages are sent.
    pub(crate) speed: Speed,
    /// Of the subscribers.
    pub(crate) session: Session,
}

/// How fast messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speed {
    /// As fast as the bounds allow.
    Full,
    /// So many per second.
    Rate(u64),
}

impl Shape {
    /// All that the suite `mqtt` measures, in the order of its report.
    pub(crate) fn mqtt() -> Vec<Self> {
        let mut shapes = Vec::new();
        for speed in [Speed::Full, Speed::Rate(RATE)] {
            for safety in [Safety::Transient, Safety::Confirmed, Safety::Once] {
                for (publishers, subscribers) in [(1, 1), (1, 10), (1, 100), (100, 1)] {
                    shapes.push(Mqtt {
                        safety,
                        publishers,
                        subscribers,
                        speed,
                        session: Session::Clean,
                    });
                }
            }
            for subscribers in [1, 10] {
                shapes.push(Mqtt {
                    safety: Safety::Confirmed,
                    publishers: 1,
                    subscribers,
                    speed,
                    session: Session::Kept,
                });
            }
        }
        shapes.into_iter().map(Self::Mqtt).collect()
    }

    /// From one to one with nothing asked.
    pub(crate) const MQTT_FIRST: Self = Self::Mqtt(MQTT_FIRST);
}

const MQTT_FIRST: Mqtt = Mqtt {
    safety: Safety::Transient,
    publishers: 1,
    subscribers: 1,
    speed: Speed::Full,
    session: Session::Clean,
};

impl Mqtt {
    pub(super) fn name(self) -> String {
        let rate = match self.speed {
            Speed::Full => String::new(),
            Speed::Rate(per_second) => format!("rate-{per_second}-"),
        };
        let session = match self.session {
            Session::Clean => "",
            Session::Kept => "session-",
        };
        let quality = match self.safety {
            Safety::Transient => 0,
            Safety::Confirmed => 1,
            Safety::Once => 2,
        };
        let (from, to) = (self.publishers, self.subscribers);
        format!("{rate}{session}qos{quality}-{from}-{to}")
    }

    pub(super) fn pace(self) -> Pace {
        match (self.speed, self.safety) {
            (Speed::Rate(per_second), _) => Pace::Rate(per_second),
            (Speed::Full, Safety::Transient) => Pace::Full,
            (Speed::Full, Safety::Confirmed | Safety::Once) => Pace::Outstanding(OUTSTANDING),
        }
    }

    pub(super) fn bodies(self) -> &'static [usize] {
        let first = Self {
            safety: self.safety,
            ..MQTT_FIRST
        };
        if self == first {
            &[16, 100, 1024]
        } else {
            &[100]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;

    #[test]
    fn small_and_large_bodies_go_from_one_to_one_at_full_speed() {
        let count = |bodies: &[usize], filter| Cell::matching(&Shape::mqtt(), bodies, filter).len();
        assert_eq!(count(&[], ""), 28 + 2 * 3);
        assert_eq!(count(&[], "/16"), 3);
        assert_eq!(count(&[], "rate-1000-"), 14);
        assert_eq!(count(&[], "session-"), 4);
        assert_eq!(count(&[], "qos2-100-1/"), 2);
        assert_eq!(count(&[50], "/50"), 28);
    }
}
