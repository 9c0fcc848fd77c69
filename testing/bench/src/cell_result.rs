//! All rounds of one cell on one system, and what they come to.

use crate::{
    cell::Cell,
    load::Sample,
    measure::{Quantiles, median},
    systems::System,
    tally::Loss,
};

/// Above this share of a core, the generator itself may have been what held a run back.
const GENERATOR_CORES_MAX: f64 = 0.95;

/// All rounds of one cell on one system.
#[derive(Debug, Clone)]
pub(crate) struct CellResult {
    /// The cell.
    pub(crate) cell: Cell,
    /// The system.
    pub(crate) system: System,
    /// What each round that came to its end gave.
    pub(crate) samples: Vec<Sample>,
    /// Why the others did not.
    pub(crate) failures: Vec<String>,
    /// What the system said instead of doing it.
    pub(crate) refusal: Option<String>,
}

impl CellResult {
    /// Whether no round was begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.failures.is_empty() && self.refusal.is_none()
    }

    /// Rounds that count.
    pub(crate) fn valid(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.is_valid())
    }

    /// Median of a value over the rounds that count.
    pub(crate) fn median(&self, value: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(self.valid().filter_map(value))
    }

    /// Medians of the three quantiles, or a dash.
    pub(crate) fn quantiles(&self, of: fn(&Sample) -> Option<Quantiles>) -> String {
        let part = |value: fn(Quantiles) -> f64| self.median(|sample| of(sample).map(value));
        match (
            part(|all| all.p50),
            part(|all| all.p99),
            part(|all| all.p999),
        ) {
            (Some(p50), Some(p99), Some(p999)) => format!("{p50:.0} / {p99:.0} / {p999:.0}"),
            _ => "–".to_owned(),
        }
    }

    /// Whether the generator used up a core of its own.
    pub(crate) fn is_generator_bound(&self) -> bool {
        let cores = self.median(|sample| Some(sample.generator_cores));
        cores.is_some_and(|cores| cores > GENERATOR_CORES_MAX)
    }

    /// What went wrong in all rounds together.
    pub(crate) fn loss(&self) -> Loss {
        let mut loss = Loss::default();
        self.samples.iter().for_each(|sample| loss += sample.loss);
        loss
    }

    /// How many rounds count, and why the others do not.
    pub(crate) fn runs(&self) -> String {
        if let Some(refusal) = &self.refusal {
            return refusal.clone();
        }
        let rounds = self.samples.len() + self.failures.len();
        let mut out = format!("{}/{rounds}", self.valid().count());
        let lossy = self
            .samples
            .iter()
            .filter(|sample| !sample.loss.is_none())
            .count();
        let behind = self
            .samples
            .iter()
            .filter(|sample| !sample.rate_held)
            .count();
        for (count, why) in [
            (lossy, "with losses"),
            (behind, "rate not held"),
            (self.failures.len(), "failed"),
        ] {
            if count > 0 {
                out += &format!(", {count} {why}");
            }
        }
        out
    }

    /// Whether another round would only show again that the rate is too high, or that the system does not offer it.
    pub(crate) fn is_final(&self) -> bool {
        self.refusal.is_some() || self.samples.iter().any(|sample| !sample.rate_held)
    }
}
