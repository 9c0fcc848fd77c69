//! The table.

use std::fmt::{self, Write as _};

use super::{
    BacklogOptions,
    broker::{MEMORY, Weight},
    meter::Span,
    seconds, summary,
};
use crate::measure::Machine;

/// The names of the rows that others are compared with.
pub(super) mod name {
    pub(crate) const EMPTY: &str = "empty queue, both ways";
    pub(crate) const SHORT: &str = "short queue, consumed";
    pub(crate) const EMPTY_ALL: &str = "all queues empty, both ways";
    pub(crate) const SHORT_ALL: &str = "all queues short, consumed";
    pub(crate) const FILL_BEGIN: &str = "fill, its begin";
    pub(crate) const FILL_END: &str = "fill, its last tenth";
    pub(crate) const FILL: &str = "fill";
    pub(crate) const DEPTH: &str = "at depth, both ways";
    pub(crate) const DEPTH_FILL: &str = "at depth, published again";
    pub(crate) const TERM: &str = "restart after SIGTERM";
    pub(crate) const KILL: &str = "restart after SIGKILL";
    pub(crate) const ACKS: &str = "random acks";
    pub(crate) const ACKS_SETTLED: &str = "random acks, settled";
    pub(crate) const DRAIN: &str = "drain";
    pub(crate) const DRAINED: &str = "drained, settled";
}

/// What one step, or a part of it, gave.
#[derive(Debug, Default, Clone)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// What it took, where it was measured.
    pub(super) span: Option<Span>,
    /// How the broker came back, where it did.
    pub(super) restart: Option<RestartTimes>,
    /// Messages published and confirmed.
    pub(super) published: u64,
    /// Messages delivered and acknowledged.
    pub(super) consumed: u64,
    /// What the broker took of the machine at the end.
    pub(super) weight: Weight,
    /// Bytes of the bodies that waited at the end.
    pub(super) live_bytes: u64,
    /// What else is to be said.
    pub(super) note: String,
}

/// How long it took until a broker was back.
#[derive(Debug, Clone, Copy)]
pub(super) struct RestartTimes {
    /// Until the one before had ended.
    pub(super) stop_ns: u64,
    /// From the start until it listened.
    pub(super) ready_ns: u64,
    /// From the start until the first delivery.
    pub(super) first_ns: u64,
}

impl Row {
    /// Messages published per second.
    pub(super) fn published_per_second(&self) -> Option<f64> {
        self.per_second(self.published)
    }

    /// Messages consumed per second.
    pub(super) fn consumed_per_second(&self) -> Option<f64> {
        self.per_second(self.consumed)
    }

    fn per_second(&self, count: u64) -> Option<f64> {
        let span = self.span.filter(|span| count > 0 && span.ns > 0)?;
        Some(float(count) / seconds(span.ns))
    }

    /// Microseconds of the broker's CPU per message published or consumed.
    pub(super) fn broker_us(&self) -> Option<f64> {
        let moved = self.published + self.consumed;
        let span = self.span.filter(|_| moved > 0)?;
        Some(float(span.broker_ns) / 1e3 / float(moved))
    }

    /// Bytes on disk to bytes of the bodies that wait.
    pub(super) fn disk_ratio(&self) -> Option<f64> {
        let is_any = self.live_bytes > 0;
        is_any.then(|| float(self.weight.disk_bytes) / float(self.live_bytes))
    }

    /// The columns behind the name, in the order of [`HEAD`].
    fn columns(&self) -> [String; 12] {
        let rate = |rate: Option<f64>| text(rate, |rate| format!("{rate:.0}"));
        let cores = |cpu_ns: fn(&Span) -> u64| {
            text(self.span, |span| {
                format!("{:.2}", float(cpu_ns(&span)) / float(span.ns.max(1)))
            })
        };
        let Weight {
            resident_bytes,
            resident_bytes_max,
            disk_bytes,
            disk_bytes_max,
        } = self.weight;
        [
            rate(self.published_per_second()),
            rate(self.consumed_per_second()),
            text(self.broker_us(), |us| format!("{us:.2}")),
            cores(|span| span.broker_ns),
            cores(|span| span.generator_ns),
            text(self.span, |span| format!("{:.1}", seconds(span.ns))),
            mib(resident_bytes),
            mib(resident_bytes_max),
            mib(disk_bytes),
            mib(disk_bytes_max),
            mib(self.live_bytes),
            text(self.disk_ratio(), |ratio| format!("{ratio:.2}")),
        ]
    }
}

const HEAD: &str = "| step | published/s | consumed/s | broker CPU µs | broker cores | generator cores | s \
                    | RSS MiB | highest RSS MiB | disk MiB | highest disk MiB | bodies MiB | disk / bodies | |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n";

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [
            published,
            consumed,
            cpu,
            cores,
            own,
            time,
            now,
            highest,
            disk,
            disk_highest,
            bodies,
            ratio,
        ] = self.columns();
        write!(
            out,
            "{}: published {published}/s, consumed {consumed}/s, CPU {cpu} µs each ({cores} cores, \
             generator {own}), {time} s, RSS {now} MiB (highest {highest}), disk {disk} MiB \
             (highest {disk_highest}), bodies {bodies} MiB, ratio {ratio}",
            self.name
        )?;
        if !self.note.is_empty() {
            write!(out, "; {}", self.note)?;
        }
        Ok(())
    }
}

/// The whole report. `failure` says why there are no more rows.
pub(super) fn render(
    machine: &Machine,
    options: &BacklogOptions,
    rows: &[Row],
    failure: Option<&str>,
) -> String {
    let given = options.memory.clone();
    let memory = given.or_else(|| std::env::var(MEMORY).ok());
    let memory = memory.as_deref().unwrap_or("its default");
    let mut out = format!(
        "# Barid with a backlog\n\n{machine}- {} persistent messages of {} bytes in {} queues, spread {}; a \
         receipt for 1 in {}, 1,000 outstanding\n- The broker's bound on the memory of queues: {memory}\n\n{HEAD}",
        options.messages, options.body, options.queues, options.spread, options.receipt_every,
    );
    for row in rows {
        let columns = row.columns().join(" | ");
        writeln!(out, "| {} | {columns} | {} |", row.name, row.note)
            .expect("writing to a string cannot fail");
    }
    out += "\nCPU per message published or consumed: one that was both counts twice. Highest: within the step, \
            or since the start of the broker if that was within it. Bodies: of all messages that wait.\n\n";
    out += &summary::render(rows, options.messages * options.body as u64);
    if let Some(failure) = failure {
        writeln!(out, "\n**FAILED: {failure}**").expect("writing to a string cannot fail");
    }
    out
}

fn text<T>(value: Option<T>, render: impl FnOnce(T) -> String) -> String {
    value.map_or("-".to_owned(), render)
}

pub(super) fn mib(bytes: u64) -> String {
    format!("{:.1}", float(bytes) / float(1 << 20))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts, bytes and times of one run are below 2^52"
)]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_and_cpu_per_message() {
        let row = Row {
            name: "both",
            span: Some(Span {
                ns: 2_000_000_000,
                broker_ns: 1_000_000_000,
                generator_ns: 500_000_000,
            }),
            restart: None,
            published: 300_000,
            consumed: 100_000,
            weight: Weight {
                resident_bytes: 3 << 20,
                resident_bytes_max: 4 << 20,
                disk_bytes: 6 << 20,
                disk_bytes_max: 7 << 20,
            },
            live_bytes: 4 << 20,
            note: String::new(),
        };
        let columns = [
            "150000", "50000", "2.50", "0.50", "0.25", "2.0", "3.0", "4.0", "6.0", "7.0", "4.0",
            "1.50",
        ];
        assert_eq!(row.columns(), columns);
        assert_eq!(
            HEAD.lines().next().unwrap().split('|').count(),
            columns.len() + 4
        );
    }

    #[test]
    fn what_was_not_measured_is_a_dash() {
        let columns = Row::default().columns();
        assert_eq!(&columns[..6], ["-"; 6]);
        assert_eq!(columns[11], "-");
    }
}
