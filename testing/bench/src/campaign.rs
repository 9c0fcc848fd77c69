//! The whole of a benchmark: every cell, round by round, on each system in turn.
//!
//! The systems stay up from the first run that needs them to the end, but only the one that is
//! measured runs: the others are stopped from running meanwhile.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context as _, Result};

use crate::{
    cell::{Cell, Shape},
    cell_result::CellResult,
    connection::Refused,
    disk_sync::{SyncProbe, SyncReading},
    load::Sample,
    progress,
    systems::{Running, System},
};

/// Load on a system that was just started, before its first run: what is compiled as it runs
/// should not be in the first cell only.
const BREAK_IN: Duration = Duration::from_secs(3);

/// Length of each reading of the disk: one before and one after each run.
pub(crate) const PROBE: Duration = Duration::from_millis(500);

/// What is to be measured, and what was.
pub(crate) struct Campaign {
    /// Systems, in the order of the report.
    pub(crate) systems: Vec<System>,
    /// Cells, in the order of the report.
    pub(crate) cells: Vec<Cell>,
    /// Rounds of each.
    pub(crate) rounds: usize,
    /// Time under load before each window.
    pub(crate) warm_up: Duration,
    /// Length of each window.
    pub(crate) window: Duration,
    /// What a system that was just started is broken in by, if it can do it.
    pub(crate) break_in: Shape,
    /// Reads what the disk does by itself, around each run.
    pub(crate) probe: Option<SyncProbe>,
    /// Barid's binary.
    pub(crate) barid: PathBuf,
    /// Folder for all data.
    pub(crate) dir: PathBuf,
    /// One per cell and system that can do it.
    pub(crate) results: Vec<CellResult>,
}

impl Campaign {
    /// Measures everything, leaving what it got in `results` however it ends.
    ///
    /// # Errors
    /// If a system cannot be started, or a signal asks to end.
    pub(crate) fn run(&mut self) -> Result<()> {
        let mut running = BTreeMap::new();
        let (mut done, total) = (0, self.run_count());
        for cell in self.cells.clone() {
            let mut results = self.empty_results(&cell);
            let mut outcome = Ok(());
            for round in 1..=self.rounds {
                for result in &mut results {
                    done += 1;
                    if outcome.is_err() || result.is_final() {
                        continue;
                    }
                    let (name, system) = (cell.name(), result.system);
                    progress(format_args!(
                        "[{done}/{total}] {name} on {system}, round {round}"
                    ));
                    outcome = self.run_once(&mut running, result, round);
                }
            }
            self.results.append(&mut results);
            outcome?;
        }
        Ok(())
    }

    fn run_count(&self) -> usize {
        let pairs = self
            .cells
            .iter()
            .flat_map(|cell| self.systems.iter().filter(|system| cell.suits(**system)));
        pairs.count() * self.rounds
    }

    fn empty_results(&self, cell: &Cell) -> Vec<CellResult> {
        let systems = self
            .systems
            .iter()
            .copied()
            .filter(|system| cell.suits(*system));
        systems
            .map(|system| CellResult {
                cell: cell.clone(),
                system,
                samples: Vec::new(),
                failures: Vec::new(),
                refusal: None,
            })
            .collect()
    }

    /// One round of a cell on a system, which is started if it is not up.
    fn run_once(
        &mut self,
        running: &mut BTreeMap<System, Running>,
        result: &mut CellResult,
        round: usize,
    ) -> Result<()> {
        let (cell, system) = (&result.cell, result.system);
        let target = match running.entry(system) {
            Entry::Occupied(up) => up.into_mut(),
            Entry::Vacant(down) => down.insert(self.start(system)?),
        };
        let before = self.read_disk()?;
        target.resume();
        let name = format!("bench.{}.{}.{round}", cell.shape.name(), cell.body_bytes);
        let outcome = cell
            .load(system, target, name, self.warm_up, self.window)
            .run();
        target.pause();
        match outcome {
            Ok(mut sample) => {
                let around = before.zip(self.read_disk()?);
                sample.disk = around.map(|(before, after)| before + after);
                if sample.server.is_empty() {
                    sample.server.clone_from(&target.version);
                }
                tell(&sample);
                result.samples.push(sample);
            }
            Err(error) => {
                crate::check_interrupted()?;
                if let Some(refused) = error.downcast_ref::<Refused>() {
                    progress(format_args!("    {refused}"));
                    result.refusal = Some(refused.to_string());
                    return Ok(());
                }
                progress(format_args!("    failed: {error:#}"));
                result.failures.push(format!("{error:#}"));
                // It may be dead, or busy with what the run left behind.
                running.remove(&system);
            }
        }
        Ok(())
    }

    /// What the disk does by itself, while no system runs.
    fn read_disk(&mut self) -> Result<Option<SyncReading>> {
        let probe = self.probe.as_mut();
        probe.map(|probe| probe.read(PROBE)).transpose()
    }

    /// Starts a system and breaks it in.
    fn start(&self, system: System) -> Result<Running> {
        progress(format_args!("    starting {system}"));
        let protocol = self.break_in.protocol();
        let running = Running::start(system, protocol, &self.dir, &self.barid)?;
        let all = [self.break_in, Shape::Receipts(1000), Shape::Topic(1)];
        let all = all.map(|shape| Cell {
            shape,
            body_bytes: 100,
        });
        let cell = all.iter().find(|cell| cell.suits(system));
        let cell = cell.context("no load suits the system")?;
        let name = "bench.break-in".to_owned();
        let outcome = cell
            .load(system, &running, name, BREAK_IN, Duration::from_millis(100))
            .run();
        if let Err(error) = outcome {
            crate::check_interrupted()?;
            progress(format_args!("    breaking in {system} failed: {error:#}"));
        }
        running.check_queues(system, protocol)?;
        running.pause();
        Ok(running)
    }
}

/// One line on a run.
fn tell(sample: &Sample) {
    let latency = sample
        .latency
        .map_or("-".to_owned(), |latency| format!("{:.0}", latency.p50));
    let verdict = match (sample.loss.is_none(), sample.rate_held) {
        (true, true) => "",
        (false, _) => ", WITH LOSSES: does not count",
        (true, false) => ", rate not held: does not count",
    };
    let disk = sample.disk.map_or(String::new(), |disk| {
        let per_sync = sample.confirmed_per_sync().unwrap_or_default();
        format!(
            ", {per_sync:.2} for each of the disk's {:.0} fdatasyncs/s",
            disk.per_second()
        )
    });
    progress(format_args!(
        "    {:.0} msg/s, CPU broker {:.2} µs/msg, generator {:.2} ({:.2} cores), p50 {latency} µs{disk}{verdict}",
        sample.delivered_per_second,
        sample.broker_cpu_us,
        sample.generator_cpu_us,
        sample.generator_cores
    ));
}

#[cfg(test)]
impl Campaign {
    /// A campaign that came to these results.
    pub(crate) fn example(results: Vec<CellResult>) -> Self {
        let cells = results.first().map(|result| result.cell.clone());
        Self {
            systems: results.iter().map(|result| result.system).collect(),
            cells: cells.into_iter().collect(),
            rounds: 3,
            warm_up: Duration::from_secs(1),
            window: Duration::from_secs(3),
            break_in: Shape::TransientQueue,
            probe: None,
            barid: "barid".into(),
            dir: "dir".into(),
            results,
        }
    }
}
