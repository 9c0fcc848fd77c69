//! The ratios of medians that Barid aims at, and whether they are met.

use std::fmt;

use crate::{
    campaign::Campaign,
    cell::Shape,
    load::Sample,
    ratios::{self, text},
    report::{line, plain},
    systems::System,
};

/// A ratio of medians that Barid aims at.
pub(crate) struct Aim {
    /// In the cells of this shape.
    pub(crate) shape: Shape,
    /// To this system.
    pub(crate) peer: System,
    /// What the figure is called.
    pub(crate) what: &'static str,
    /// How it is read, where a run has it.
    pub(crate) value: fn(&Sample) -> Option<f64>,
    /// When the ratio is good.
    pub(crate) bound: Bound,
}

/// When a ratio is good.
#[derive(Clone, Copy)]
pub(crate) enum Bound {
    /// If it is that or more.
    AtLeast(f64),
    /// If it is that or less.
    AtMost(f64),
    /// If it is the inverse of that or less.
    OneIn(f64),
}

impl Bound {
    /// Whether a ratio is good.
    pub(crate) fn is_met(self, ratio: f64) -> bool {
        match self {
            Self::AtLeast(bound) => ratio >= bound,
            Self::AtMost(bound) => ratio <= bound,
            Self::OneIn(bound) => ratio * bound <= 1.0,
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(bound) => write!(out, "≥ {bound}"),
            Self::AtMost(bound) => write!(out, "≤ {bound}"),
            Self::OneIn(bound) => write!(out, "≤ 1/{bound}"),
        }
    }
}

/// A row per aim and cell.
pub(crate) fn table(campaign: &Campaign, aims: &[Aim]) -> String {
    let mut out = String::from(
        "| ratio of medians | body | Barid | peer | ratio | aim | |\n|---|---|---|---|---|---|---|\n",
    );
    for aim in aims {
        for cell in campaign.cells.iter().filter(|cell| cell.shape == aim.shape) {
            let median = |system| {
                let result = ratios::find(campaign, cell, system);
                result.and_then(|result| result.median(aim.value))
            };
            let (ours, theirs) = (median(System::Barid), median(aim.peer));
            let ratio = ours.zip(theirs).map(|(ours, theirs)| ours / theirs);
            let verdict = match ratio {
                None => "not measured",
                Some(ratio) if aim.bound.is_met(ratio) => "met",
                Some(_) => "missed",
            };
            line(
                &mut out,
                format_args!(
                    "| {}, {}, Barid / {} | {} | {} | {} | {} | {} | {verdict} |",
                    aim.shape.name(),
                    aim.what,
                    aim.peer,
                    cell.body_bytes,
                    text(ours, plain),
                    text(theirs, plain),
                    text(ratio, ratios::plain),
                    aim.bound,
                ),
            );
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cell::Cell, cell_result::CellResult};

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

    fn sample(delivered_per_second: f64, missing: u64) -> Sample {
        let mut sample = Sample {
            delivered_per_second,
            ..Sample::example()
        };
        sample.loss.missing = missing;
        sample
    }

    #[test]
    fn an_aim_is_met_missed_or_not_measured() {
        let check = |ours: Vec<Sample>, bound, expect: &str| {
            let aim = Aim {
                shape: Shape::TransientQueue,
                peer: System::Rabbitmq,
                what: "msg/s",
                value: |sample| Some(sample.delivered_per_second),
                bound,
            };
            let theirs = result(System::Rabbitmq, vec![sample(10.0, 0)]);
            let campaign = Campaign::example(vec![result(System::Barid, ours), theirs]);
            let text = table(&campaign, &[aim]);
            let row = text.lines().nth(2).unwrap();
            assert!(row.starts_with("| transient-queue, msg/s, Barid / RabbitMQ | 100 | "));
            assert!(row.ends_with(expect), "{row}");
        };
        let least = Bound::AtLeast(30.0);
        check(
            vec![sample(300.0, 0)],
            least,
            "| 300 | 10.00 | 30.00 | ≥ 30 | met |",
        );
        check(
            vec![sample(299.0, 0)],
            least,
            "| 299 | 10.00 | 29.90 | ≥ 30 | missed |",
        );
        check(
            vec![sample(300.0, 1)],
            least,
            "| – | 10.00 | – | ≥ 30 | not measured |",
        );
        check(Vec::new(), least, "not measured |");
        let part = Bound::OneIn(15.0);
        check(
            vec![sample(0.6, 0)],
            part,
            "| 0.60 | 10.00 | 0.0600 | ≤ 1/15 | met |",
        );
        check(vec![sample(0.7, 0)], part, "| ≤ 1/15 | missed |");
        check(vec![sample(5.0, 0)], Bound::AtMost(0.5), "| ≤ 0.5 | met |");
    }
}
