//! The programs that are measured: a process for each end, or one for both where messages stay within one.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    Library,
    cell::{Cell, Transport},
};
use crate::{
    install,
    measure::{us, wait_for},
    process::Owned,
};

/// The program over libzmq's C interface.
const SOURCE: &str = include_str!("perf.c");

/// Debian's package of libzmq, and what it is there by.
const PACKAGE: (&str, &str) = ("libzmq3-dev", "/usr/include/zmq.h");

/// What programs know libzmq by.
const SONAME: &str = "libzmq.so.5";

/// Messages that may wait on either side of a connection: what libzmq has by default.
pub(super) const HWM: u32 = 1000;

/// Messages that Barid's library takes at once where it is measured by that.
const BATCH: u32 = 256;

/// How long an end may take to be there.
const START: Duration = Duration::from_secs(10);

/// How long a run may take.
const RUN: Duration = Duration::from_mins(1);

/// A program of one library.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) library: Library,
    pub(super) version: String,
    path: PathBuf,
}

/// What a run gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// Deliveries, or round trips.
    pub(super) per_second: f64,
    /// Of both ends, for each delivery or round trip.
    pub(super) cpu_us: f64,
    /// Median round trip, and that of which one in a hundred is slower.
    pub(super) round_trip_us: Option<[f64; 2]>,
}

/// What one process told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    messages: u64,
    elapsed_ns: u64,
    cpu_ns: u64,
    round_trip_ns: Option<[u64; 2]>,
}

impl Program {
    /// That of Barid's library, which was built before.
    ///
    /// # Errors
    /// If it is not there or does not run.
    pub(super) fn barid(library: Library, path: &Path) -> Result<Self> {
        let version = version(path).with_context(|| {
            format!(
                "{}: build it by `cargo build --release -p barid-zmq --example perf`",
                path.display()
            )
        })?;
        Ok(Self {
            library,
            version: format!("barid-zmq {version}"),
            path: path.to_owned(),
        })
    }

    /// That over a C library: libzmq, which is installed if need be, or the one that is named.
    ///
    /// # Errors
    /// If libzmq cannot be installed, the compiler fails, or the program does not run.
    pub(super) fn c(library: Library, named: Option<&Path>, dir: &Path) -> Result<Self> {
        let (package, header) = PACKAGE;
        install::ensure_installed(Path::new(header), package)?;
        let path = dir.join(format!("perf-{}", library.word()));
        compile(named, dir, &path)?;
        let mut told = version(&path)?;
        if named.is_none() {
            told = format!("{told} ({})", install::version(package));
        }
        Ok(Self {
            library,
            version: format!("zmq_version {told}"),
            path,
        })
    }

    /// Sends `warm_up` messages and measures the `count` after them.
    ///
    /// # Errors
    /// If a process does, does not end, or a signal asks to end.
    pub(super) fn run(&self, cell: &Cell, warm_up: u64, count: u64, dir: &Path) -> Result<Sample> {
        let start = |role: &'static str, endpoint: &str| {
            let mut command = Command::new(&self.path);
            let sockets = cell.pattern.receivers();
            command.args([role, endpoint]);
            command.args(
                [
                    cell.size as u64,
                    warm_up,
                    count,
                    u64::from(HWM),
                    sockets as u64,
                ]
                .map(|number| number.to_string()),
            );
            if self.library == Library::BaridBatch {
                command.arg(BATCH.to_string());
            }
            Owned::spawn_held(role, dir, &mut command)
        };
        let [binder, connecter, both] = cell.pattern.roles();
        let listen = match cell.transport {
            Transport::Tcp => "tcp://127.0.0.1:*".to_owned(),
            Transport::Ipc => format!("ipc://{}/perf.socket", dir.display()),
            Transport::Inproc => return sample(&finish(vec![start(both, "inproc://perf")?])?),
        };
        let mut binder = start(binder, &listen)?;
        let endpoint = wait_for("an endpoint", START, || {
            binder.check_alive()?;
            let said = binder.said();
            let bound = said.lines().find_map(|line| line.strip_prefix("bound "));
            Ok(bound.map(str::to_owned))
        })?;
        let connecter = start(connecter, &endpoint)?;
        sample(&finish(vec![binder, connecter])?)
    }
}

/// What all processes told, once they are over.
fn finish(mut processes: Vec<Owned>) -> Result<Vec<Told>> {
    let said = wait_for("the end of a run", RUN, || {
        crate::check_interrupted()?;
        let mut said = Vec::new();
        for process in &mut processes {
            said.extend(process.poll_end()?);
        }
        // Who measures ends first. Who closes before all is received may lose what is on its way.
        if !said.is_empty() {
            processes.iter_mut().for_each(Owned::release);
        }
        Ok((said.len() == processes.len()).then_some(said))
    })?;
    said.iter().map(|said| told(said)).collect()
}

/// Reads the figures in the last line.
fn told(said: &str) -> Result<Told> {
    let line = said.lines().last().unwrap_or_default();
    let mut told = Told::default();
    let mut quantiles = [None; 2];
    for figure in line.split(' ') {
        let (name, value) = figure
            .split_once('=')
            .with_context(|| format!("no figures in {line:?}"))?;
        let value = value
            .parse()
            .with_context(|| format!("no number: {figure:?}"))?;
        match name {
            "messages" => told.messages = value,
            "elapsed_ns" => told.elapsed_ns = value,
            "cpu_ns" => told.cpu_ns = value,
            "p50_ns" => quantiles[0] = Some(value),
            "p99_ns" => quantiles[1] = Some(value),
            _ => anyhow::bail!("an unknown figure: {figure:?}"),
        }
    }
    told.round_trip_ns = quantiles[0].zip(quantiles[1]).map(|(p50, p99)| [p50, p99]);
    Ok(told)
}

/// The time of who measured, and the CPU time of all.
#[expect(
    clippy::cast_precision_loss,
    reason = "messages and ns of a run are far below 2^52"
)]
fn sample(all: &[Told]) -> Result<Sample> {
    let measured = all.iter().find(|told| told.messages > 0);
    let measured = measured.context("nobody has measured")?;
    ensure!(measured.elapsed_ns > 0, "the run took no time");
    let cpu_ns = all.iter().map(|told| told.cpu_ns).sum::<u64>();
    let messages = measured.messages as f64;
    Ok(Sample {
        per_second: messages * 1e9 / measured.elapsed_ns as f64,
        cpu_us: us(cpu_ns) / messages,
        round_trip_us: measured.round_trip_ns.map(|times| times.map(us)),
    })
}

/// What a program says of itself.
fn version(path: &Path) -> Result<String> {
    let output = Command::new(path)
        .arg("version")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {}", path.display()))?;
    ensure!(
        output.status.success(),
        "{} version: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Compiles the C program against a library: a file, or libzmq where the compiler finds it.
fn compile(library: Option<&Path>, dir: &Path, program: &Path) -> Result<()> {
    let source = dir.join("perf.c");
    fs::write(&source, SOURCE).context("writing the C program")?;
    let mut command = Command::new("cc");
    command
        .args([
            "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-pthread", "-o",
        ])
        .arg(program)
        .arg(source);
    match library {
        None => command.arg("-lzmq"),
        Some(library) => {
            let library = library
                .canonicalize()
                .with_context(|| format!("looking for {}", library.display()))?;
            let folder = dir.join("c-library");
            fs::create_dir_all(&folder).context("making a folder for the library")?;
            // One that takes libzmq's place has its name, and is not to be mistaken for it.
            symlink(&library, folder.join(SONAME)).context("linking the library")?;
            command
                .arg(format!("-Wl,-rpath,{}", folder.display()))
                .arg(&library)
                // What a library that is linked in whole needs of the system.
                .args(["-lm", "-ldl"])
        }
    };
    let output = command.stdin(Stdio::null()).output();
    let output = output.context("starting cc, the C compiler")?;
    ensure!(
        output.status.success(),
        "cc failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{super::cell::Selection, *};
    use std::sync::LazyLock;

    #[test]
    fn figures_are_read_from_the_last_line() {
        let receiver =
            told("bound tcp://127.0.0.1:1\nmessages=2000 elapsed_ns=1000000 cpu_ns=500000\n")
                .unwrap();
        let sender = told("cpu_ns=1500000\n").unwrap();
        let expect = Sample {
            per_second: 2e6,
            cpu_us: 1.0,
            round_trip_us: None,
        };
        assert_eq!(sample(&[receiver, sender]).unwrap(), expect);
        let trips =
            told("messages=10 elapsed_ns=100000 cpu_ns=1 p50_ns=9000 p99_ns=12500").unwrap();
        let trips = sample(&[trips]).unwrap();
        assert_eq!(trips.round_trip_us, Some([9.0, 12.5]));
    }

    #[test]
    fn a_process_that_told_nothing_is_an_error() {
        for said in ["", "bound x", "messages=many", "luck=1"] {
            assert!(told(said).is_err(), "{said:?}");
        }
        assert!(sample(&[told("cpu_ns=1").unwrap()]).is_err());
    }

    /// As `bench zmq` does it; once, since the package manager lets nobody wait.
    fn install_libzmq() {
        static INSTALLED: LazyLock<()> = LazyLock::new(|| {
            let (package, header) = PACKAGE;
            install::ensure_installed(Path::new(header), package).expect("libzmq is there");
        });
        LazyLock::force(&INSTALLED);
    }

    #[test]
    fn the_c_program_compiles_without_a_warning_and_measures_each_pattern() {
        install_libzmq();
        let dir = crate::DataDir::create(&std::env::temp_dir()).unwrap();
        let path = dir.path.join("perf");
        compile(None, &dir.path, &path).unwrap();
        let program = Program {
            library: Library::Libzmq,
            version: version(&path).unwrap(),
            path,
        };
        for cell in "16".parse::<Selection>().unwrap().cells() {
            // More than may wait, so that who sends has to wait, too.
            let sample = program.run(&cell, 100, 3000, &dir.path).unwrap();
            assert!(sample.per_second > 0.0 && sample.cpu_us > 0.0, "{cell}");
            let has_trips = sample.round_trip_us.is_some();
            assert_eq!(has_trips, cell.to_string().starts_with("req-rep"), "{cell}");
        }
    }

    /// All that the C program calls, as a library that only knows its version.
    fn stub() -> String {
        let names = SOURCE.split(|c: char| c != '_' && !c.is_ascii_alphanumeric());
        let names = names.filter(|name| name.starts_with("zmq_") && !name.ends_with("_t"));
        let names = names.collect::<std::collections::BTreeSet<_>>();
        let version = "void zmq_version(int *a, int *b, int *c) { *a = 9; *b = *c = 0; }\n";
        let others = names.iter().filter(|name| **name != "zmq_version");
        let others = others.map(|name| format!("int {name}(void) {{ return 0; }}\n"));
        others.fold(version.to_owned(), |stub, other| stub + &other)
    }

    #[test]
    fn a_library_with_the_name_of_libzmq_is_the_one_that_is_measured() {
        install_libzmq();
        let parent = std::env::temp_dir();
        let dir = parent.join(format!("barid-bench-stub-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (source, library, program) = (
            dir.join("stub.c"),
            dir.join("libother.so"),
            dir.join("perf"),
        );
        fs::write(&source, stub()).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-Wl,-soname,libzmq.so.5", "-o"]);
        assert!(cc.args([&library, &source]).status().unwrap().success());
        compile(Some(&library), &dir, &program).unwrap();
        assert_eq!(version(&program).unwrap(), "9.0.0");
        fs::remove_dir_all(&dir).unwrap();
    }
}
