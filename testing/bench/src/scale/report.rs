//! The table.

use std::fmt::{self, Write as _};

use anyhow::Result;

use super::{run::Sample, shape::Shape};
use crate::{measure::Machine, systems::System};

/// A shape and what became of it.
pub(super) struct Row {
    shape: Shape,
    system: System,
    /// Of the system.
    version: String,
    outcome: Result<Sample, String>,
}

impl Row {
    pub(super) fn new(
        shape: &Shape,
        system: System,
        version: String,
        outcome: Result<Sample>,
    ) -> Self {
        Self {
            shape: *shape,
            system,
            version,
            outcome: outcome.map_err(|error| format!("{error:#}")),
        }
    }

    /// What the run gave, if nothing was lost.
    fn sample(&self) -> Option<&Sample> {
        self.outcome.as_ref().ok().filter(|sample| sample.is_whole)
    }

    fn cpu_us(&self) -> Option<f64> {
        let sample = self.sample()?;
        (!self.shape.dimension.is_idle()).then_some(sample.broker_cpu_us)
    }

    /// What resident memory grew by, per connection, or per subscription if they are more.
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52")]
    fn each_kib(&self) -> Option<f64> {
        let [before, standing, after] = self.sample()?.resident_bytes;
        // At rest a while later, where nothing else happens.
        let then = if self.shape.dimension.is_idle() {
            after
        } else {
            standing
        };
        let connections = self.shape.receivers() + self.shape.publishers();
        let count = connections.max(self.shape.subscriptions());
        Some(then.saturating_sub(before) as f64 / 1024.0 / count as f64)
    }

    fn is_of(&self, other: &Self) -> bool {
        self.shape.dimension == other.shape.dimension && self.system == other.system
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
pub(super) fn render(machine: &Machine, rows: &[Row]) -> String {
    let mut systems = rows.iter().map(|row| row.system).collect::<Vec<_>>();
    systems.sort_unstable();
    systems.dedup();
    let names = systems.iter().map(System::to_string);
    let names = names.collect::<Vec<_>>().join(" and ");
    let mut out = format!("# {names} from one to ten thousand\n\n{machine}");
    for system in &systems {
        let row = rows.iter().find(|row| row.system == *system);
        let version = row.map_or("", |row| row.version.as_str());
        put(&mut out, format_args!("- {system}: {version}"));
    }
    out += "\n| shape | system | deliveries/s | broker CPU µs | to the smallest | broker cores | generator cores \
            | RSS MiB | RSS KiB each | opened in s |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|\n";
    for row in rows {
        let first = rows.iter().find(|first| first.is_of(row));
        let ratio = first.and_then(Row::cpu_us).zip(row.cpu_us());
        let ratio = ratio.map_or("-".to_owned(), |(first, own)| {
            format!("×{:.2}", own / first)
        });
        put(&mut out, format_args!("{}", line(row, &ratio)));
    }
    out += "\nRSS each: what resident memory grew by until all stood (of idle ones until the end), per connection (or per \
            subscription, if they are more).\n";
    if systems.len() > 1 {
        out += &ratios(rows);
    }
    out
}

/// Barid's figures to those of each peer.
fn ratios(rows: &[Row]) -> String {
    let mut out = String::from(
        "\n| shape | ratio | broker CPU | RSS each | opened in |\n|---|---|--:|--:|--:|\n",
    );
    for ours in rows.iter().filter(|row| row.system == System::Barid) {
        let peers = rows.iter().filter(|row| row.system != System::Barid);
        for theirs in peers.filter(|row| row.shape == ours.shape) {
            let ratio = |value: fn(&Row) -> Option<f64>| {
                let both = value(ours).zip(value(theirs));
                both.map_or("-".to_owned(), |(ours, theirs)| {
                    format!("{:.2}", ours / theirs)
                })
            };
            let opened = ratio(|row| row.sample().map(|sample| sample.setup_seconds));
            put(
                &mut out,
                format_args!(
                    "| `{}` | Barid / {} | {} | {} | {opened} |",
                    ours.shape.name(),
                    theirs.system,
                    ratio(Row::cpu_us),
                    ratio(Row::each_kib),
                ),
            );
        }
    }
    out
}

fn line(row: &Row, ratio: &str) -> String {
    let (name, system) = (row.shape.name(), row.system);
    let sample = match &row.outcome {
        Err(error) => return format!("| `{name}` | {system} | failed: {error} |"),
        Ok(sample) if !sample.is_whole => {
            return format!(
                "| `{name}` | {system} | not whole: {} missing |",
                sample.missing
            );
        }
        Ok(sample) => sample,
    };
    format!(
        "| `{name}` | {system} | {:.0} | {} | {ratio} | {:.2} | {:.2} | {:.0} | {:.1} | {:.1} |",
        sample.delivered_per_second,
        row.cpu_us()
            .map_or("-".to_owned(), |cpu_us| format!("{cpu_us:.2}")),
        sample.broker_cores,
        sample.generator_cores,
        mib(sample.resident_bytes[2]),
        row.each_kib().unwrap_or_default(),
        sample.setup_seconds,
    )
}

fn put(out: &mut String, text: fmt::Arguments<'_>) {
    writeln!(out, "{text}").expect("writing to a string cannot fail");
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Protocol;

    fn row(system: System, broker_cpu_us: f64, is_whole: bool) -> Row {
        let shape = Shape::matching(Protocol::Mqtt, "fan-out-100")[0];
        let sample = Sample {
            delivered_per_second: 10.0,
            broker_cpu_us,
            broker_cores: 0.5,
            generator_cores: 0.25,
            resident_bytes: [1 << 20, 3 << 20, 4 << 20],
            setup_seconds: 0.5,
            missing: 7,
            is_whole,
        };
        Row::new(&shape, system, String::new(), Ok(sample))
    }

    #[test]
    fn barid_is_compared_with_what_lost_nothing() {
        let rows = [
            row(System::Barid, 2.0, true),
            row(System::Mosquitto, 4.0, true),
        ];
        assert_eq!(
            ratios(&rows).lines().last(),
            Some("| `fan-out-100` | Barid / Mosquitto | 0.50 | 1.00 | 1.00 |")
        );
        let rows = [
            row(System::Barid, 2.0, true),
            row(System::Mosquitto, 4.0, false),
        ];
        assert_eq!(
            ratios(&rows).lines().last(),
            Some("| `fan-out-100` | Barid / Mosquitto | - | - | - |")
        );
        assert_eq!(
            line(&rows[1], "-"),
            "| `fan-out-100` | Mosquitto | not whole: 7 missing |"
        );
    }

    #[test]
    fn an_idle_broker_has_no_cost_per_delivery() {
        let busy = row(System::Barid, 2.0, true);
        let idle = Row {
            shape: Shape::matching(Protocol::Mqtt, "idle-bare")[0],
            ..row(System::Barid, 2.0, true)
        };
        assert!(line(&busy, "-").contains("| 10 | 2.00 | - | 0.50 |"));
        assert!(line(&idle, "-").contains("| 10 | - | - | 0.50 |"));
    }

    #[test]
    fn memory_is_shared_out_among_connections() {
        // 100 that receive and one that publishes.
        assert_eq!(
            row(System::Barid, 1.0, true).each_kib(),
            Some(2048.0 / 101.0)
        );
    }
}
