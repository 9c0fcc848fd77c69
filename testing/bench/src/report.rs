//! Markdown of what was measured: the machine, a row per cell and system, and the ratios aimed at.

use std::fmt::Write as _;

use crate::{
    aims::{self, Aim, Bound},
    campaign::Campaign,
    cell::{Shape, Way},
    cell_result::CellResult,
    load::Sample,
    measure::{Machine, Quantiles},
    systems::System,
    tally::Loss,
};

/// The whole report.
pub(crate) fn render(machine: &Machine, campaign: &Campaign) -> String {
    let mut out = heading("Barid beside its peers", machine, campaign);
    out += "- One publisher; CPU per delivery; latency from send (at a fixed rate: from when it \
            was due) to delivery, at full speed mostly queueing\n\n";
    out += &cells(&campaign.results);
    out += &notes(&campaign.results);
    out += &aims::table(campaign, &aims());
    out
}

/// What comes before the figures: the machine, the systems, the rounds.
pub(crate) fn heading(title: &str, machine: &Machine, campaign: &Campaign) -> String {
    let mut out = format!("# {title}\n\n{machine}");
    for system in &campaign.systems {
        let server = campaign.results.iter().find_map(|result| {
            let sample = result
                .samples
                .first()
                .filter(|_| result.system == *system)?;
            Some(sample.server.as_str()).filter(|server| !server.is_empty())
        });
        line(
            &mut out,
            format_args!("- {system}: {}", server.unwrap_or("version not told")),
        );
    }
    line(
        &mut out,
        format_args!(
            "- Medians of {} rounds, one round of each system after the other; window {:?} after a \
             warm-up of {:?}",
            campaign.rounds, campaign.window, campaign.warm_up
        ),
    );
    out
}

/// One row per cell and system.
fn cells(results: &[CellResult]) -> String {
    let mut out = String::from(
        "| cell | body | system | msg/s | broker CPU µs | generator CPU µs | latency µs p50 / p99 / \
         p99.9 | confirm µs p50 / p99 / p99.9 | RSS MiB | lost / expected | runs |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for result in results.iter().filter(|result| !result.is_empty()) {
        let (cell, system) = (&result.cell, result.system);
        let number = |value: fn(&Sample) -> Option<f64>, decimals| {
            let median = result.median(value);
            median.map_or("–".to_owned(), |median| format!("{median:.decimals$}"))
        };
        line(
            &mut out,
            format_args!(
                "| {} | {} | {system} | {} | {} | {}{} | {} | {} | {} | {} | {} |",
                cell.shape.name(),
                cell.body_bytes,
                number(|sample| Some(sample.delivered_per_second), 0),
                number(|sample| Some(sample.broker_cpu_us), 2),
                number(|sample| Some(sample.generator_cpu_us), 2),
                if result.is_generator_bound() {
                    " (bound)"
                } else {
                    ""
                },
                result.quantiles(|sample| sample.latency),
                result.quantiles(|sample| sample.confirm),
                number(|sample| Some(mib(sample.resident_bytes)), 0),
                losses(&result.loss()),
                result.runs(),
            ),
        );
    }
    out.push('\n');
    out
}

/// What is missing of what was expected, and what else is wrong.
pub(crate) fn losses(loss: &Loss) -> String {
    let mut out = format!("{} / {}", loss.missing, loss.expected);
    if loss.misplaced > 0 {
        out += &format!(", {} misplaced", loss.misplaced);
    }
    if loss.unconfirmed > 0 {
        out += &format!(", {} unconfirmed", loss.unconfirmed);
    }
    out
}

/// What a reader of the table should know of its rows.
pub(crate) fn notes(results: &[CellResult]) -> String {
    let mut out = String::new();
    let late = results
        .iter()
        .flat_map(CellResult::valid)
        .filter_map(|sample| sample.lateness);
    let late = late.fold(None, |worst: Option<Quantiles>, late| match worst {
        Some(worst) if worst.p50 >= late.p50 => Some(worst),
        _ => Some(late),
    });
    if let Some(late) = late {
        line(
            &mut out,
            format_args!(
                "The generator's own lateness at fixed rates, in its worst run: p50 {:.0} µs, p99 \
                 {:.0} µs. It is part of the latencies above.\n",
                late.p50, late.p99
            ),
        );
    }
    for result in results {
        for failure in &result.failures {
            let (name, system) = (result.cell.name(), result.system);
            line(
                &mut out,
                format_args!("- {name} on {system} failed: {failure}"),
            );
        }
    }
    if !out.is_empty() && !out.ends_with("\n\n") {
        out.push('\n');
    }
    out
}

fn aims() -> Vec<Aim> {
    let mut aims = Vec::new();
    let throughput = |shape, bound| Aim {
        shape,
        peer: System::Rabbitmq,
        what: "msg/s",
        value: |sample| Some(sample.delivered_per_second),
        bound: Bound::AtLeast(bound),
    };
    aims.push(throughput(Shape::TransientQueue, 30.0));
    aims.extend([1, 16, 1000].map(|count| throughput(Shape::Receipts(count), 12.0)));
    aims.extend([1, 100].map(|count| Aim {
        shape: Shape::Topic(count),
        peer: System::Nats,
        what: "broker CPU per delivery",
        value: |sample| Some(sample.broker_cpu_us),
        bound: Bound::AtMost(1.0),
    }));
    aims.extend([Way::Queue, Way::Persistent, Way::Topic].map(|way| Aim {
        shape: Shape::Rate(1000, way),
        peer: System::Rabbitmq,
        what: "p50",
        value: |sample| sample.latency.map(|latency| latency.p50),
        bound: Bound::AtMost(0.5),
    }));
    aims
}

/// A number with as many decimals as it needs to be told from its neighbors.
pub(crate) fn plain(value: f64) -> String {
    if value < 100.0 {
        format!("{value:.2}")
    } else {
        format!("{value:.0}")
    }
}

/// Bytes as MiB.
#[expect(
    clippy::cast_precision_loss,
    reason = "a resident size is far below 2^52"
)]
pub(crate) fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Appends a line.
pub(crate) fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a String does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Cell;

    fn sample(delivered_per_second: f64, missing: u64, rate_held: bool) -> Sample {
        let mut sample = Sample {
            delivered_per_second,
            rate_held,
            ..Sample::example()
        };
        sample.loss.missing = missing;
        sample
    }

    fn result(system: System, samples: Vec<Sample>) -> CellResult {
        let cell = Cell {
            shape: Shape::TransientQueue,
            body_bytes: 100,
        };
        CellResult {
            cell,
            system,
            samples,
            failures: Vec::new(),
            refusal: None,
        }
    }

    #[test]
    fn the_row_shows_the_median_of_the_rounds_that_count() {
        let rounds = [(5.0, 0), (9.0, 1), (7.0, 0), (6.0, 0)];
        let samples = rounds
            .map(|(rate, missing)| sample(rate, missing, true))
            .to_vec();
        let text = cells(&[result(System::Barid, samples)]);
        let row = text.lines().nth(2).unwrap();
        assert_eq!(
            row,
            "| transient-queue | 100 | Barid | 6 | 2.00 | 0.50 | 50 / 99 / 100 | – | 3 | 1 / 400 \
             | 3/4, 1 with losses |"
        );
    }

    #[test]
    fn a_rate_that_is_not_held_does_not_count() {
        let text = cells(&[result(System::Barid, vec![sample(5.0, 0, false)])]);
        assert!(text.contains("| – | – | – | – | – | – | 0 / 100 | 0/1, 1 rate not held |"));
    }
}
