//! What one run does and what it gives. How it is done stands in `run`.

use std::{net::SocketAddr, time::Duration};

use crate::{
    disk_sync::{FlushCounter, SyncReading},
    measure::Quantiles,
    stamp::Form,
    tally::Loss,
    wire::{Acks, Safety, Session, Target, Wire},
};

/// How fast messages are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// As fast as the window allows.
    Full,
    /// As fast as that many outstanding receipts, and the window, allow.
    Outstanding(u64),
    /// That many per second by the clock, whatever the broker does.
    Rate(u64),
}

/// What one run does.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Protocol.
    pub(crate) wire: Wire,
    /// Where the broker listens.
    pub(crate) address: SocketAddr,
    /// The process whose CPU time and memory count.
    pub(crate) broker_pid: u32,
    /// Counts the flushes of the disk with its data, where that can be told.
    pub(crate) flushes: Option<FlushCounter>,
    /// Queue, queues or topic.
    pub(crate) target: Target,
    /// Name of a queue or topic nobody has used.
    pub(crate) name: String,
    /// Publishers, each with a connection.
    pub(crate) publishers: usize,
    /// Subscribers, each with a connection.
    pub(crate) subscribers: usize,
    /// What becomes of a subscriber's session when its connection ends.
    pub(crate) session: Session,
    /// Size of each body.
    pub(crate) body_bytes: usize,
    /// How what each body begins with is written.
    pub(crate) stamp: Form,
    /// What is asked of the broker.
    pub(crate) safety: Safety,
    /// How subscribers acknowledge.
    pub(crate) acks: Acks,
    /// How fast.
    pub(crate) pace: Pace,
    /// Time before the window.
    pub(crate) warm_up: Duration,
    /// Time that is measured.
    pub(crate) window: Duration,
}

/// What one run gave.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Deliveries per second within the window.
    pub(crate) delivered_per_second: f64,
    /// Receipts per second within the window.
    pub(crate) confirmed_per_second: f64,
    /// Flushes of the disk per second within the window, whoever asked for them.
    pub(crate) flushed_per_second: Option<f64>,
    /// What the disk did by itself, right before and right after.
    pub(crate) disk: Option<SyncReading>,
    /// CPU time of the broker per delivery, in microseconds.
    pub(crate) broker_cpu_us: f64,
    /// CPU time of the generator per delivery, sending included, in microseconds.
    pub(crate) generator_cpu_us: f64,
    /// Share of one core that the generator used.
    pub(crate) generator_cores: f64,
    /// From send to delivery, of the messages sent within the window.
    pub(crate) latency: Option<Quantiles>,
    /// From send to receipt, of the same.
    pub(crate) confirm: Option<Quantiles>,
    /// By how much the generator itself was late on its schedule.
    pub(crate) lateness: Option<Quantiles>,
    /// Resident memory of the broker at the end of the window.
    pub(crate) resident_bytes: u64,
    /// What went wrong.
    pub(crate) loss: Loss,
    /// Whether the broker kept up with a fixed rate.
    pub(crate) rate_held: bool,
    /// What the broker calls itself.
    pub(crate) server: String,
}

impl Sample {
    /// Whether the run counts.
    pub(crate) fn is_valid(&self) -> bool {
        self.loss.is_none() && self.rate_held
    }

    /// Receipts for each sync that the disk could have done by itself in the same time.
    pub(crate) fn confirmed_per_sync(&self) -> Option<f64> {
        let syncs = self.disk?.per_second();
        (syncs > 0.0).then(|| self.confirmed_per_second / syncs)
    }

    /// Receipts for each flush that the disk did, if that is counted and there was any.
    pub(crate) fn confirmed_per_flush(&self) -> Option<f64> {
        self.disk?.flushes_per_sync()?;
        let flushed = self.flushed_per_second?;
        (flushed > 0.0).then(|| self.confirmed_per_second / flushed)
    }
}

/// Messages that are due after `elapsed_ns` of a fixed rate, the first of them at once.
pub(crate) fn due_count(elapsed_ns: u64, per_second: u64) -> u64 {
    let due = u128::from(elapsed_ns) * u128::from(per_second) / 1_000_000_000;
    u64::try_from(due).unwrap_or(u64::MAX) + 1
}

/// When a sequence is due, in nanoseconds after the first.
pub(crate) fn due_ns(sequence: u64, per_second: u64) -> u64 {
    let due = u128::from(sequence) * 1_000_000_000;
    u64::try_from(due.div_ceil(u128::from(per_second))).unwrap_or(u64::MAX)
}

#[cfg(test)]
impl Load {
    /// A load that goes nowhere.
    pub(crate) fn example() -> Self {
        Self {
            wire: Wire::Mqtt,
            address: ([127, 0, 0, 1], 0).into(),
            broker_pid: 0,
            flushes: None,
            target: Target::Topic,
            name: "name".to_owned(),
            publishers: 1,
            subscribers: 1,
            session: Session::Clean,
            body_bytes: 100,
            stamp: Form::Short,
            safety: Safety::Transient,
            acks: Acks::Each,
            pace: Pace::Full,
            warm_up: Duration::ZERO,
            window: Duration::ZERO,
        }
    }
}

#[cfg(test)]
impl Sample {
    /// Some figures of a run that counts.
    pub(crate) fn example() -> Self {
        Self {
            delivered_per_second: 5.0,
            confirmed_per_second: 5.0,
            flushed_per_second: None,
            disk: None,
            broker_cpu_us: 2.0,
            generator_cpu_us: 0.5,
            generator_cores: 0.5,
            latency: Some(Quantiles {
                p50: 50.0,
                p99: 99.0,
                p999: 100.0,
            }),
            confirm: None,
            lateness: None,
            resident_bytes: 3 << 20,
            loss: Loss {
                expected: 100,
                ..Loss::default()
            },
            rate_held: true,
            server: "X/1".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_due_exactly_when_it_is_counted() {
        for rate in [1, 3, 1000, 7777, 10_000] {
            for sequence in [0, 1, 2, 100, 12_345] {
                let due = due_ns(sequence, rate);
                assert_eq!(due_count(due, rate), sequence + 1, "{sequence} at {rate}/s");
                assert!(
                    due == 0 || due_count(due - 1, rate) == sequence,
                    "{sequence} at {rate}/s"
                );
            }
        }
    }
}
