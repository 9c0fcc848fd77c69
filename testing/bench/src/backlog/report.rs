//! The table.

use std::fmt::{self, Write as _};

use super::{
    BacklogOptions,
    broker::{MEMORY, Weight},
    meter::Span,
    seconds,
};
use crate::measure::Machine;

/// What one step, or a part of it, gave.
#[derive(Debug, Default, Clone)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// What it took, where it was measured.
    pub(super) span: Option<Span>,
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

impl Row {
    /// The columns behind the name, in the order of [`HEAD`].
    fn columns(&self) -> [String; 11] {
        let rate = |count: u64| {
            let span = self.span.filter(|span| count > 0 && span.ns > 0);
            text(span, |span| {
                format!("{:.0}", float(count) / seconds(span.ns))
            })
        };
        let cores = |cpu_ns: fn(&Span) -> u64| {
            text(self.span, |span| {
                format!("{:.2}", float(cpu_ns(&span)) / float(span.ns.max(1)))
            })
        };
        let moved = self.published + self.consumed;
        let each = self.span.filter(|_| moved > 0);
        let Weight {
            resident_bytes,
            resident_bytes_max,
            disk_bytes,
        } = self.weight;
        let ratio = (self.live_bytes > 0).then(|| float(disk_bytes) / float(self.live_bytes));
        [
            rate(self.published),
            rate(self.consumed),
            text(each, |span| {
                format!("{:.2}", float(span.broker_ns) / 1e3 / float(moved))
            }),
            cores(|span| span.broker_ns),
            cores(|span| span.generator_ns),
            text(self.span, |span| format!("{:.1}", seconds(span.ns))),
            mib(resident_bytes),
            mib(resident_bytes_max),
            mib(disk_bytes),
            mib(self.live_bytes),
            text(ratio, |ratio| format!("{ratio:.2}")),
        ]
    }
}

const HEAD: &str = "| step | published/s | consumed/s | broker CPU µs | broker cores | generator cores | s \
                    | RSS MiB | highest RSS MiB | disk MiB | bodies MiB | disk / bodies | |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n";

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
            bodies,
            ratio,
        ] = self.columns();
        write!(
            out,
            "{}: published {published}/s, consumed {consumed}/s, CPU {cpu} µs each ({cores} cores, \
             generator {own}), {time} s, RSS {now} MiB (highest {highest}), disk {disk} MiB, \
             bodies {bodies} MiB, ratio {ratio}",
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
    out += "\nCPU per message published or consumed: one that was both counts twice. RSS since the last start. \
            Bodies: of all messages that wait.\n";
    if let Some(failure) = failure {
        writeln!(out, "\n**FAILED: {failure}**").expect("writing to a string cannot fail");
    }
    out
}

fn text<T>(value: Option<T>, render: impl FnOnce(T) -> String) -> String {
    value.map_or("-".to_owned(), render)
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", float(bytes) / float(1 << 20))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts, bytes and times of one run are below 2^52"
)]
fn float(number: u64) -> f64 {
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
            published: 300_000,
            consumed: 100_000,
            weight: Weight {
                resident_bytes: 3 << 20,
                resident_bytes_max: 4 << 20,
                disk_bytes: 6 << 20,
            },
            live_bytes: 4 << 20,
            note: String::new(),
        };
        let columns = [
            "150000", "50000", "2.50", "0.50", "0.25", "2.0", "3.0", "4.0", "6.0", "4.0", "1.50",
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
        assert_eq!(columns[10], "-");
    }
}
