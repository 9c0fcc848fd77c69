//! What is read at both ends of the window, and what that comes to.

use anyhow::Result;

use super::Run;
use crate::{disk_sync::FlushCounter, load::Sample, measure::CpuTime, tally::Loss};

/// Readings at one end of the window.
pub(super) struct Reading {
    pub(super) at: u64,
    delivered: u64,
    confirmed: u64,
    flushes: Option<u64>,
    broker: CpuTime,
    generator: CpuTime,
}

impl Run<'_> {
    pub(super) fn read_meters(&self) -> Result<Reading> {
        let broker = CpuTime::of(self.load.broker_pid)?;
        let generator = CpuTime::of(std::process::id())?;
        let senders = self.publishers.iter();
        let confirmed = senders.map(|sender| sender.publisher.confirmed).sum();
        Ok(Reading {
            at: self.clock.now_ns(),
            delivered: self.delivered,
            confirmed,
            flushes: self.load.flushes.as_ref().and_then(FlushCounter::read),
            broker,
            generator,
        })
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "counts and times of one run are below 2^52"
    )]
    pub(super) fn sample(&self, first: &Reading, last: &Reading, resident_bytes: u64) -> Sample {
        let mut loss = Loss::default();
        for (index, sender) in self.publishers.iter().enumerate() {
            loss.unconfirmed += self.progress(index).unconfirmed;
            for subscriber in self.receivers(index) {
                subscriber.tallies[index].add_to(&mut loss, sender.publisher.sent);
            }
        }
        let window_ns = (last.at - first.at) as f64;
        let deliveries = (last.delivered - first.delivered).max(1) as f64;
        let generator_ns = last.generator.since(&first.generator) as f64;
        let per_second = |count: u64| count as f64 * 1e9 / window_ns;
        let flushes = last.flushes.zip(first.flushes);
        Sample {
            delivered_per_second: per_second(last.delivered - first.delivered),
            confirmed_per_second: per_second(last.confirmed - first.confirmed),
            flushed_per_second: flushes.map(|(last, first)| per_second(last - first)),
            disk: None,
            broker_cpu_us: last.broker.since(&first.broker) as f64 / 1e3 / deliveries,
            generator_cpu_us: generator_ns / 1e3 / deliveries,
            generator_cores: generator_ns / window_ns,
            latency: self.latency.quantiles(),
            confirm: self.confirm.quantiles(),
            lateness: self.lateness.quantiles(),
            resident_bytes,
            loss,
            rate_held: self.rate_held,
            server: String::new(),
        }
    }
}
