//! The table.

use std::fmt::{self, Write as _};

use anyhow::Result;

use super::{
    run::Sample,
    shape::{Dimension, Shape},
};
use crate::{measure::Machine, systems::System};

/// A shape and what became of it.
pub(super) struct Row {
    shape: Shape,
    outcome: Result<Sample, String>,
}

impl Row {
    pub(super) fn new(shape: &Shape, outcome: Result<Sample>) -> Self {
        Self {
            shape: *shape,
            outcome: outcome.map_err(|error| format!("{error:#}")),
        }
    }

    fn cpu_us(&self) -> Option<f64> {
        let sample = self.outcome.as_ref().ok()?;
        (sample.is_whole && self.shape.dimension != Dimension::Idle).then_some(sample.broker_cpu_us)
    }
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Err(error) => write!(out, "failed: {error}"),
            Ok(sample) => write!(
                out,
                "{:.0} deliveries/s, CPU {:.2} µs each ({:.2} cores, generator {:.2}), \
                 RSS {:.0} MiB, set up in {:.1} s{}",
                sample.delivered_per_second,
                sample.broker_cpu_us,
                sample.broker_cores,
                sample.generator_cores,
                mib(sample.resident_bytes[2]),
                sample.setup_seconds,
                if sample.is_whole {
                    String::new()
                } else {
                    format!(", NOT WHOLE: {} missing", sample.missing)
                }
            ),
        }
    }
}

/// The whole report.
pub(super) fn render(machine: &Machine, system: System, rows: &[Row]) -> String {
    let mut out = format!("# {system} from one to ten thousand\n\n{machine}\n");
    out += "| shape | deliveries/s | broker CPU µs | to the smallest | broker cores | generator cores \
            | RSS MiB | RSS KiB each | opened in s |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    for row in rows {
        let first = rows
            .iter()
            .find(|first| first.shape.dimension == row.shape.dimension);
        let ratio = first.and_then(Row::cpu_us).zip(row.cpu_us());
        let ratio = ratio.map_or("-".to_owned(), |(first, own)| {
            format!("×{:.2}", own / first)
        });
        writeln!(out, "{}", line(row, &ratio)).expect("writing to a string cannot fail");
    }
    out += "\nRSS each: what resident memory grew by until all stood, per connection (or per subscription, \
            if they are more).\n";
    out
}

fn line(row: &Row, ratio: &str) -> String {
    let name = row.shape.name();
    let sample = match &row.outcome {
        Err(error) => return format!("| `{name}` | failed: {error} |"),
        Ok(sample) if !sample.is_whole => {
            return format!("| `{name}` | not whole: {} missing |", sample.missing);
        }
        Ok(sample) => sample,
    };
    let [before, standing, after] = sample.resident_bytes;
    let connections = row.shape.receivers() + row.shape.publishers();
    let count = connections.max(row.shape.subscriptions());
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52")]
    let each_kib = standing.saturating_sub(before) as f64 / 1024.0 / count as f64;
    format!(
        "| `{name}` | {:.0} | {:.2} | {ratio} | {:.2} | {:.2} | {:.0} | {each_kib:.1} | {:.1} |",
        sample.delivered_per_second,
        sample.broker_cpu_us,
        sample.broker_cores,
        sample.generator_cores,
        mib(after),
        sample.setup_seconds,
    )
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
