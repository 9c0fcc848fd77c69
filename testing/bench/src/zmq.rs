//! The suite `zmq`: Barid's library for programs without a broker beside libzmq.
//!
//! Who is measured are programs of their own that take the same arguments: `crates/barid-zmq/examples/perf.rs`, and
//! `perf.c`, which is compiled against libzmq, or another library with its interface, when the suite runs. `cell` has
//! what is measured, `party` starts the programs and reads their figures, `report` makes Markdown of them.

mod cell;
mod party;
mod report;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;

use crate::{DataDir, check_interrupted, measure::Machine, progress};
use cell::{Cell, Selection};
use party::{Program, Sample};
use report::Row;

/// Part of the messages that are counted which go before them.
const WARM_UP: u64 = 10;

/// Fewest messages that are counted.
const COUNT_MIN: u64 = 1000;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Library {
    /// libzmq, over its C interface.
    Libzmq,
    /// Barid's library, in Rust, one message per call.
    Barid,
    /// The same, whose receivers may take many messages per call.
    BaridBatch,
    /// Another library with libzmq's C interface.
    C,
}

impl Library {
    const ALL: [Self; 4] = [Self::Libzmq, Self::Barid, Self::BaridBatch, Self::C];

    /// As `--only` calls it.
    const fn word(self) -> &'static str {
        match self {
            Self::Libzmq => "libzmq",
            Self::Barid => "barid",
            Self::BaridBatch => "barid-256",
            Self::C => "c-library",
        }
    }
}

impl fmt::Display for Library {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Libzmq => "libzmq",
            Self::Barid => "Barid",
            Self::BaridBatch => "Barid, 256 at once",
            Self::C => "C library",
        })
    }
}

/// The options of `bench zmq`.
#[derive(Debug, Args)]
pub(crate) struct ZmqOptions {
    /// The program over Barid's library.
    #[arg(long, value_name = "PATH", default_value_os_t = default_perf())]
    barid: PathBuf,
    /// A further library with libzmq's C interface, to measure beside the others.
    #[arg(long, value_name = "PATH")]
    c_library: Option<PathBuf>,
    /// What to measure, by comma: libraries (libzmq, barid, barid-256: up to 256 messages per call, c-library), patterns
    /// (push-pull, pub-sub, fan-out, req-rep), transports (tcp, ipc, inproc), sizes of bodies [default: libzmq and barid,
    /// all cells].
    #[arg(long, value_name = "WORDS", default_value = "")]
    only: Selection,
    /// About how long a round takes with libzmq. Barid's has as many messages.
    #[arg(long, value_name = "SECONDS", default_value_t = 0.6)]
    seconds: f64,
    /// Rounds of each cell with each library; medians are reported.
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    rounds: usize,
    /// One round of a fifth of a second each: to see that it runs, not to quote.
    #[arg(long, conflicts_with_all = ["seconds", "rounds"])]
    quick: bool,
    /// Folder below which the programs keep their sockets while this runs.
    #[arg(long, value_name = "DIR", default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
    /// File for the report, besides standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print the names of the cells and end.
    #[arg(long)]
    list: bool,
}

/// `release/examples/perf` in the folder of build profiles that this program lies in.
fn default_perf() -> PathBuf {
    crate::default_barid()
        .with_file_name("examples")
        .join("perf")
}

/// Runs `bench zmq`.
///
/// # Errors
/// If nothing matches, a program cannot be made or found, or a signal asks to end. A run that fails is told in the report.
pub(crate) fn zmq(options: &ZmqOptions) -> Result<()> {
    let cells = options.only.cells();
    ensure!(
        !cells.is_empty(),
        "no cell has all that --only asks for; see --list"
    );
    if options.list {
        let names = cells.iter().map(|cell| format!("{cell}\n"));
        return crate::print(&names.collect::<String>());
    }
    let (seconds, rounds) = if options.quick {
        (0.2, 1)
    } else {
        (options.seconds, options.rounds)
    };
    ensure!(
        (0.05..=60.0).contains(&seconds),
        "--seconds {seconds}: 0.05 to 60"
    );
    ensure!(rounds > 0, "--rounds 0: at least one");
    crate::watch_for_signals()?;
    let dir = DataDir::create(&options.dir)?;
    let machine = Machine::describe(&dir.path)?;
    let programs = programs(options, &dir.path)?;
    let mut suite = Suite {
        programs,
        seconds,
        rounds,
        dir: &dir.path,
        rows: Vec::new(),
    };
    // What was measured until a signal came is worth a report.
    let outcome = suite.run(&cells);
    let text = report::render(&machine, &suite);
    crate::print(&text)?;
    if let Some(out) = &options.out {
        std::fs::write(out, &text).with_context(|| format!("writing {}", out.display()))?;
    }
    outcome
}

/// The programs of all libraries that are asked for.
fn programs(options: &ZmqOptions, dir: &Path) -> Result<Vec<Program>> {
    let mut default = vec![Library::Libzmq, Library::Barid];
    default.extend(options.c_library.is_some().then_some(Library::C));
    let program = |library| match library {
        Library::Libzmq => Program::c(library, None, dir),
        Library::Barid | Library::BaridBatch => Program::barid(library, &options.barid),
        Library::C => {
            let named = options.c_library.as_deref();
            Program::c(
                library,
                Some(named.context("c-library needs --c-library PATH")?),
                dir,
            )
        }
    };
    let libraries = options.only.libraries(&default);
    libraries.into_iter().map(program).collect()
}

/// All runs, and what they gave.
struct Suite<'a> {
    /// In the order of the report, and of the runs of a round.
    programs: Vec<Program>,
    seconds: f64,
    rounds: usize,
    dir: &'a Path,
    rows: Vec<Row>,
}

impl Suite<'_> {
    /// Measures every cell, leaving what it got in `rows` however it ends.
    fn run(&mut self, cells: &[Cell]) -> Result<()> {
        for (at, cell) in cells.iter().enumerate() {
            progress(format_args!("[{}/{}] {cell}", at + 1, cells.len()));
            let libraries = self.programs.iter().map(|program| program.library);
            self.rows.push(Row::new(*cell, libraries));
            self.run_cell(cell, self.rows.len() - 1)?;
        }
        Ok(())
    }

    /// Rounds of one cell, of the libraries in turn.
    fn run_cell(&mut self, cell: &Cell, row: usize) -> Result<()> {
        // Of the first library, so that it does not depend on what the others do.
        let pilot = self.programs[0].run(cell, cell.pilot() / WARM_UP, cell.pilot(), self.dir);
        check_interrupted()?;
        let count = match pilot {
            Ok(pilot) => count(cell, &pilot, self.seconds),
            Err(error) => {
                self.rows[row]
                    .failures
                    .push(format!("the pilot: {error:#}"));
                return Ok(());
            }
        };
        self.rows[row].count = count;
        for round in 1..=self.rounds {
            for program in &self.programs {
                let outcome = program.run(cell, count / WARM_UP, count, self.dir);
                check_interrupted()?;
                let library = program.library;
                match outcome {
                    Ok(sample) => {
                        tell(library, &sample);
                        self.rows[row].add(library, sample);
                    }
                    Err(error) => {
                        let text = format!("{library}, round {round}: {error:#}");
                        progress(format_args!("    failed: {text}"));
                        self.rows[row].failures.push(text);
                    }
                }
            }
        }
        Ok(())
    }
}

/// How many messages take about that long.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a number of messages that is rounded"
)]
fn count(cell: &Cell, pilot: &Sample, seconds: f64) -> u64 {
    let sent_per_second = pilot.per_second / cell.pattern.receivers() as f64;
    ((sent_per_second * seconds) as u64).max(COUNT_MIN)
}

/// One line on a run.
fn tell(library: Library, sample: &Sample) {
    let trips = sample.round_trip_us.map_or(String::new(), |[p50, p99]| {
        format!(", round trip p50 {p50:.1} µs, p99 {p99:.1} µs")
    });
    progress(format_args!(
        "    {:<18} {:>9.0} msg/s, CPU {:.3} µs each{trips}",
        library.to_string(),
        sample.per_second,
        sample.cpu_us
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_as_many_messages_as_the_pilot_tells() {
        let check = |only: &str, per_second, expect| {
            let selection: Selection = only.parse().unwrap();
            let pilot = Sample {
                per_second,
                cpu_us: 1.0,
                round_trip_us: None,
            };
            assert_eq!(count(&selection.cells()[0], &pilot, 0.5), expect, "{only}");
        };
        check("push-pull,tcp,16", 4e6, 2_000_000);
        check("fan-out,tcp,16", 4e6, 20_000);
        check("req-rep,tcp,16", 100.0, COUNT_MIN);
    }
}
