//! What the rows come to: how much slower it is at depth, the peaks, the restarts.

use std::fmt::Write as _;

use super::{
    report::{RestartTimes, Row, float, mib, name},
    seconds,
};
use crate::report::plain;

/// A small table over `rows`, of a backlog of that many bytes. What was not measured is not in it.
pub(super) fn render(rows: &[Row], backlog_bytes: u64) -> String {
    let mut lines = Vec::new();
    comparisons(rows, &mut lines);
    peaks(rows, backlog_bytes, &mut lines);
    restarts(rows, &mut lines);
    let mut out = String::from("| in short | | |\n|---|--:|---|\n");
    for [what, figure, note] in lines {
        writeln!(out, "| {what} | {figure} | {note} |").expect("writing to a string cannot fail");
    }
    out
}

/// A row, and what is asked of it.
type Side = (&'static str, fn(&Row) -> Option<f64>);

/// Rates with the backlog in place to those without.
fn comparisons(rows: &[Row], lines: &mut Vec<[String; 3]>) {
    let published: fn(&Row) -> Option<f64> = Row::published_per_second;
    let consumed: fn(&Row) -> Option<f64> = Row::consumed_per_second;
    let all: [(&str, Side, Side); 8] = [
        (
            "published/s, both ways",
            (name::DEPTH, published),
            (name::EMPTY, published),
        ),
        (
            "consumed/s, both ways",
            (name::DEPTH, consumed),
            (name::EMPTY, consumed),
        ),
        (
            "broker CPU, both ways",
            (name::DEPTH, Row::broker_us),
            (name::EMPTY, Row::broker_us),
        ),
        (
            "published/s alone",
            (name::FILL_END, published),
            (name::FILL_BEGIN, published),
        ),
        (
            "consumed/s alone",
            (name::DRAIN, consumed),
            (name::SHORT, consumed),
        ),
        (
            "published/s alone",
            (name::FILL_END, published),
            (name::EMPTY_ALL, published),
        ),
        (
            "consumed/s alone",
            (name::DRAIN, consumed),
            (name::EMPTY_ALL, consumed),
        ),
        (
            "consumed/s alone",
            (name::DRAIN, consumed),
            (name::SHORT_ALL, consumed),
        ),
    ];
    for (what, deep, shallow) in all {
        let value = |(name, of): Side| find(rows, name).and_then(of);
        if let Some((ours, yardstick)) = value(deep).zip(value(shallow)) {
            let both = [ours, yardstick].map(plain).join(" to ");
            let note = format!("{} to {}: {both}", deep.0, shallow.0);
            lines.push([
                format!("{what}, with the backlog to without"),
                format!("×{:.2}", ours / yardstick),
                note,
            ]);
        }
    }
}

/// The most that was taken of memory and disk, and what the disk comes to.
fn peaks(rows: &[Row], backlog_bytes: u64, lines: &mut Vec<[String; 3]>) {
    if let Some(row) = rows.iter().max_by_key(|row| row.weight.resident_bytes_max) {
        lines.push([
            "highest RSS of all steps, MiB".to_owned(),
            mib(row.weight.resident_bytes_max),
            row.name.to_owned(),
        ]);
    }
    if let Some(row) = rows.iter().max_by_key(|row| row.weight.disk_bytes_max) {
        let bytes = row.weight.disk_bytes_max;
        let ratio = float(bytes) / float(backlog_bytes.max(1));
        lines.push([
            "highest disk of all steps, MiB".to_owned(),
            mib(bytes),
            format!(
                "{}; {ratio:.2} of the bodies of the whole backlog",
                row.name
            ),
        ]);
    }
    for name in [name::FILL, name::DEPTH, name::ACKS, name::ACKS_SETTLED] {
        if let Some(ratio) = find(rows, name).and_then(Row::disk_ratio) {
            lines.push([
                "disk / bodies that wait".to_owned(),
                format!("{ratio:.2}"),
                name.to_owned(),
            ]);
        }
    }
    if let Some(row) = find(rows, name::DRAINED) {
        let disk = mib(row.weight.disk_bytes);
        lines.push([
            "disk without a backlog, MiB".to_owned(),
            disk,
            row.name.to_owned(),
        ]);
    }
}

/// From the start of the process.
fn restarts(rows: &[Row], lines: &mut Vec<[String; 3]>) {
    for row in rows {
        let Some(RestartTimes {
            ready_ns, first_ns, ..
        }) = row.restart
        else {
            continue;
        };
        for (what, ns) in [("it listens", ready_ns), ("the first delivery", first_ns)] {
            lines.push([
                format!("start until {what}, s"),
                format!("{:.3}", seconds(ns)),
                row.name.to_owned(),
            ]);
        }
    }
}

fn find<'a>(rows: &'a [Row], name: &str) -> Option<&'a Row> {
    rows.iter().find(|row| row.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backlog::{broker::Weight, meter::Span};

    fn row(name: &'static str, published: u64, consumed: u64, highest: u64) -> Row {
        Row {
            name,
            span: Some(Span {
                ns: 1_000_000_000,
                broker_ns: 500_000_000,
                generator_ns: 0,
            }),
            published,
            consumed,
            weight: Weight {
                resident_bytes_max: highest << 20,
                disk_bytes: 30 << 20,
                disk_bytes_max: (highest + 1) << 20,
                ..Weight::default()
            },
            live_bytes: 20 << 20,
            ..Row::default()
        }
    }

    #[test]
    fn depth_is_set_beside_emptiness_and_peaks_are_of_all_steps() {
        let restart = RestartTimes {
            stop_ns: 0,
            ready_ns: 12_000_000,
            first_ns: 1_500_000_000,
        };
        let rows = [
            row(name::EMPTY, 1000, 500, 10),
            row(name::DEPTH, 900, 600, 39),
            Row {
                restart: Some(restart),
                span: None,
                ..row(name::KILL, 0, 0, 12)
            },
        ];
        let text = render(&rows, 20 << 20);
        let expected = [
            "| in short | | |",
            "|---|--:|---|",
            "| published/s, both ways, with the backlog to without | ×0.90 | at depth, both ways to empty queue, both \
             ways: 900 to 1000 |",
            "| consumed/s, both ways, with the backlog to without | ×1.20 | at depth, both ways to empty queue, both \
             ways: 600 to 500 |",
            "| broker CPU, both ways, with the backlog to without | ×1.00 | at depth, both ways to empty queue, both \
             ways: 333 to 333 |",
            "| highest RSS of all steps, MiB | 39.0 | at depth, both ways |",
            "| highest disk of all steps, MiB | 40.0 | at depth, both ways; 2.00 of the bodies of the whole backlog |",
            "| disk / bodies that wait | 1.50 | at depth, both ways |",
            "| start until it listens, s | 0.012 | restart after SIGKILL |",
            "| start until the first delivery, s | 1.500 | restart after SIGKILL |",
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_was_not_measured_is_left_out() {
        assert_eq!(render(&[], 1).lines().count(), 2);
    }
}
