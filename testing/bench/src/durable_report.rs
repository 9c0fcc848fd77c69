//! Markdown of the suite `durable`: what the disk does by itself, a row per cell and system, and Barid's ratios to each
//! peer.

use crate::{
    campaign::{Campaign, PROBE},
    cell_result::CellResult,
    disk_sync::SyncSummary,
    load::Sample,
    measure::{Machine, Quantiles},
    ratios::{Figure, ratios, text},
    report::{heading, line, losses, mib, notes, plain},
};

/// In the order of the columns.
const FIGURES: [Figure; 5] = [
    Figure {
        name: "msg/s",
        value: |sample| Some(sample.confirmed_per_second),
    },
    Figure {
        name: "broker CPU",
        value: |sample| Some(sample.broker_cpu_us),
    },
    Figure {
        name: "confirm p50",
        value: |sample| sample.confirm.map(|confirm| confirm.p50),
    },
    Figure {
        name: "confirm p99",
        value: |sample| sample.confirm.map(|confirm| confirm.p99),
    },
    Figure {
        name: "RSS",
        value: |sample| Some(mib(sample.resident_bytes)),
    },
];

/// The whole report.
pub(crate) fn render(machine: &Machine, campaign: &Campaign) -> String {
    let mut out = heading("Confirmed and durable", machine, campaign);
    if let Some(summary) = campaign.probe.as_ref().and_then(|probe| probe.summary()) {
        out += &disk(&summary);
    }
    out += "- Persistent messages, a receipt for each, `receipts-N`: at most N outstanding; one publisher, one consumer that \
            acknowledges each delivery\n\
            - RabbitMQ: classic durable queues; RabbitMQ quorum: quorum queues; each as its own `rabbitmqctl` tells, or \
            there would be no figures\n\n";
    out += &cells(&campaign.results);
    out += &notes(&campaign.results);
    out += &ratios(campaign, &FIGURES);
    out
}

/// What the disk does by itself.
fn disk(summary: &SyncSummary) -> String {
    let [median, least, most] = summary.per_second;
    let Quantiles { p50, p99, .. } = summary.quantiles;
    let counted = summary.flushes_per_sync.map_or(
        "the kernel does not count the flushes of this disk".to_owned(),
        |ratio| format!("the kernel counts {ratio:.2} flushes of the disk for each"),
    );
    format!(
        "- The disk by itself, 4 KiB after 4 KiB in a file that is there already, each with its fdatasync, {PROBE:?} before \
         and after each run ({} readings): **{median:.0} fdatasyncs/s** (median; {least:.0} to {most:.0}), one takes p50 \
         {p50:.0} µs, p99 {p99:.0} µs; {counted}\n",
        summary.readings
    )
}

/// One row per cell and system.
fn cells(results: &[CellResult]) -> String {
    let mut out = String::from(
        "| cell | body | system | confirmed msg/s | disk fdatasyncs/s | msg per fdatasync | msg per disk flush \
         | broker CPU µs | confirm µs p50 / p99 | RSS MiB | generator cores | lost / expected | runs |\n\
         |---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for result in results.iter().filter(|result| !result.is_empty()) {
        let number = |value: fn(&Sample) -> Option<f64>| text(result.median(value), plain);
        let whole = |value: fn(&Sample) -> Option<f64>| {
            text(result.median(value), |median| format!("{median:.0}"))
        };
        let columns = [
            result.cell.shape.name(),
            result.cell.body_bytes.to_string(),
            result.system.to_string(),
            whole(|sample| Some(sample.confirmed_per_second)),
            whole(|sample| Some(sample.disk?.per_second())),
            number(Sample::confirmed_per_sync),
            number(Sample::confirmed_per_flush),
            number(|sample| Some(sample.broker_cpu_us)),
            confirm(result),
            whole(|sample| Some(mib(sample.resident_bytes))),
            format!(
                "{}{}",
                number(|sample| Some(sample.generator_cores)),
                if result.is_generator_bound() {
                    " (bound)"
                } else {
                    ""
                }
            ),
            losses(&result.loss()),
            result.runs(),
        ];
        line(&mut out, format_args!("| {} |", columns.join(" | ")));
    }
    out.push('\n');
    out
}

fn confirm(result: &CellResult) -> String {
    let part = |value: fn(Quantiles) -> f64| result.median(move |sample| sample.confirm.map(value));
    match (part(|all| all.p50), part(|all| all.p99)) {
        (Some(p50), Some(p99)) => format!("{p50:.0} / {p99:.0}"),
        _ => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cell::{Cell, Shape},
        disk_sync::SyncReading,
        systems::System,
    };

    fn result(system: System, per_second: f64, flushed_per_second: Option<f64>) -> CellResult {
        let sample = Sample {
            confirmed_per_second: per_second,
            flushed_per_second,
            disk: Some(SyncReading::example(4000)),
            confirm: Some(Quantiles {
                p50: 200.0,
                p99: 1e6 / per_second,
                p999: 0.0,
            }),
            ..Sample::example()
        };
        CellResult {
            cell: Cell {
                shape: Shape::Receipts(16),
                body_bytes: 100,
            },
            system,
            samples: vec![sample],
            failures: Vec::new(),
            refusal: None,
        }
    }

    #[test]
    fn confirms_are_set_beside_the_syncs_of_the_disk() {
        let results = [
            result(System::Barid, 40_000.0, Some(3500.0)),
            result(System::RabbitmqQuorum, 10_000.0, None),
        ];
        let text = cells(&results);
        let rows = text.lines().skip(2).collect::<Vec<_>>();
        assert_eq!(
            rows[0],
            "| receipts-16 | 100 | Barid | 40000 | 4000 | 10.00 | 11.43 | 2.00 | 200 / 25 | 3 | 0.50 | 0 / 100 | 1/1 |"
        );
        assert!(
            rows[1].contains("| RabbitMQ quorum | 10000 | 4000 | 2.50 | – | 2.00 | 200 / 100 |")
        );
        let columns = |line: &str| line.split('|').count();
        assert!(
            text.lines()
                .filter(|line| !line.is_empty())
                .all(|line| columns(line) == columns(rows[0])),
            "{text}"
        );
    }
}
