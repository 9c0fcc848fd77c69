//! The table of suites in which a message may have several deliveries: a row per cell and system.

use crate::{
    cell_result::CellResult,
    load::Sample,
    ratios::text,
    report::{line, losses, mib, plain},
};

/// One row per cell and system, what a message costs beside what a delivery does.
pub(crate) fn cells(results: &[CellResult]) -> String {
    let mut out = String::from(
        "| cell | body | system | msg/s | deliveries/s | broker CPU µs per message | per delivery | generator CPU µs per \
         delivery | latency µs p50 / p99 / p99.9 | confirm µs p50 / p99 / p99.9 | RSS MiB | lost / expected | runs |\n\
         |---|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for result in results.iter().filter(|result| !result.is_empty()) {
        let number = |value: fn(&Sample) -> Option<f64>| text(result.median(value), plain);
        let whole = |value: fn(&Sample) -> Option<f64>| {
            text(result.median(value), |median| format!("{median:.0}"))
        };
        let per_second = result.median(|sample| Some(sample.delivered_per_second));
        let cpu_us = result.median(|sample| Some(sample.broker_cpu_us));
        #[expect(clippy::cast_precision_loss, reason = "there are a hundred at most")]
        let copies = result.cell.shape.copies() as f64;
        let columns = [
            result.cell.shape.name(),
            result.cell.body_bytes.to_string(),
            result.system.to_string(),
            text(per_second.map(|rate| rate / copies), plain),
            text(per_second, |rate| format!("{rate:.0}")),
            text(cpu_us.map(|cpu_us| cpu_us * copies), plain),
            text(cpu_us, plain),
            format!(
                "{}{}",
                number(|sample| Some(sample.generator_cpu_us)),
                if result.is_generator_bound() {
                    " (bound)"
                } else {
                    ""
                }
            ),
            result.quantiles(|sample| sample.latency),
            result.quantiles(|sample| sample.confirm),
            whole(|sample| Some(mib(sample.resident_bytes))),
            losses(&result.loss()),
            result.runs(),
        ];
        line(&mut out, format_args!("| {} |", columns.join(" | ")));
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cell::{Cell, Shape},
        systems::System,
    };

    fn result(
        shape: Shape,
        system: System,
        samples: Vec<Sample>,
        refusal: Option<&str>,
    ) -> CellResult {
        CellResult {
            cell: Cell {
                shape,
                body_bytes: 16,
            },
            system,
            samples,
            failures: Vec::new(),
            refusal: refusal.map(str::to_owned),
        }
    }

    #[test]
    fn what_a_system_refuses_has_a_row_that_says_so() {
        let sample = Sample {
            delivered_per_second: 70.0,
            broker_cpu_us: 0.5,
            ..Sample::example()
        };
        let fan_out = Shape::mqtt()[1];
        assert_eq!(fan_out.copies(), 10);
        let results = [
            result(fan_out, System::Barid, vec![sample], None),
            result(
                fan_out,
                System::Rabbitmq,
                Vec::new(),
                Some("not offered: because"),
            ),
        ];
        let text = cells(&results);
        let rows = text.lines().skip(2).collect::<Vec<_>>();
        assert_eq!(
            rows[0],
            "| qos0-1-10 | 16 | Barid | 7.00 | 70 | 5.00 | 0.50 | 0.50 | 50 / 99 / 100 | – | 3 | 0 / 100 | 1/1 |"
        );
        assert_eq!(
            rows[1],
            "| qos0-1-10 | 16 | RabbitMQ | – | – | – | – | – | – | – | – | 0 / 0 | not offered: because |"
        );
        let columns = |line: &str| line.split('|').count();
        let mut lines = text.lines().filter(|line| !line.is_empty());
        assert!(lines.all(|line| columns(line) == columns(rows[0])));
    }
}
