//! What `check`, `lint` and `test` consist of.

use crate::count::Count;
use crate::run::{cargo, each_line, in_root, root};
use crate::tidy;
use anyhow::{Context as _, Result};
use std::process::Command;
use std::time::{Duration, Instant};

/// Packages whose tests are stages of their own: they take long or need the binary.
const HEAVY: &[&str] = &["fuzz", "interop", "kill", "sim"];

/// Simulations of `cargo xtask test`.
const SIMULATIONS: &str = "3000";

/// Of these, more in which most clients speak AMQP.
const SIMULATIONS_OF_AMQP: &str = "500";

/// One part of `cargo xtask test`: what it is called, and what it does. It counts its tests; one
/// that runs none counts as one.
type Stage = (&'static str, fn(&mut Count) -> Result<()>);

const STAGES: &[Stage] = &[
    ("format", |_| format()),
    ("clippy", |_| clippy()),
    ("rustdoc", |_| rustdoc()),
    ("tidy", |_| tidy::tidy()),
    ("unit, property and conformance tests", |count| {
        tests(count, &[])
    }),
    ("simulation", simulation),
    ("fuzz corpora", |count| package(count, "fuzz", None)),
    ("build of the binary", |_| build_binary()),
    ("kills", |count| package(count, "kill", None)),
    ("installation of real clients", |_| install_clients(None)),
    ("real clients", |count| package(count, "interop", None)),
];

/// Everything that CI checks.
pub(crate) fn test() -> Result<()> {
    let start = now();
    let mut sum = Count::default();
    let mut times = Vec::new();
    for (name, run) in STAGES {
        println!("--- {name}");
        let stage_start = now();
        let mut count = Count::default();
        let result = run(&mut count);
        let time = stage_start.elapsed();
        println!("--- {name}: {}", seconds(time));
        times.push((name, time));
        if result.is_err() {
            count.failed = count.failed.max(1);
            sum.add(count);
            println!("{} passed, {} failed", sum.passed, sum.failed);
            return result.with_context(|| format!("stage `{name}` failed"));
        }
        count.passed = count.passed.max(1);
        sum.add(count);
    }
    for (name, time) in times {
        println!("{:>8}  {name}", seconds(time));
    }
    println!("{:>8}  in all", seconds(start.elapsed()));
    println!("{} passed, {} failed", sum.passed, sum.failed);
    Ok(())
}

/// The inner loop.
pub(crate) fn check() -> Result<()> {
    format()?;
    clippy()?;
    let mut count = Count::default();
    tests(&mut count, &["--lib", "--bins"])?;
    println!("{} passed, {} failed", count.passed, count.failed);
    Ok(())
}

/// Clippy and rustdoc.
pub(crate) fn lint() -> Result<()> {
    clippy()?;
    rustdoc()
}

fn format() -> Result<()> {
    in_root(cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    in_root(cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-Dwarnings",
    ]))
}

fn rustdoc() -> Result<()> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps"]);
    in_root(command.arg("--quiet").env("RUSTDOCFLAGS", "-Dwarnings"))
}

/// All tests but the heavy ones.
fn tests(count: &mut Count, targets: &[&str]) -> Result<()> {
    let mut command = cargo(&["test", "--workspace", "--quiet"]);
    for package in HEAVY {
        command.args(["--exclude", package]);
    }
    command.args(targets);
    each_line(command, |line| count.add_line(line))
}

/// All tests of one package.
fn package(count: &mut Count, name: &str, filter: Option<&str>) -> Result<()> {
    let mut command = cargo(&["test", "--quiet", "--package", name]);
    command.args(filter);
    each_line(command, |line| count.add_line(line))
}

fn simulation(count: &mut Count) -> Result<()> {
    package(count, "sim", None)?;
    for args in [
        &["--count", SIMULATIONS][..],
        &["--amqp", "--count", SIMULATIONS_OF_AMQP],
    ] {
        let mut command = sim();
        command.arg("--").args(args);
        each_line(command, |line| count.add_line(line))?;
    }
    Ok(())
}

/// The simulator, optimized but with assertions.
pub(crate) fn sim() -> Command {
    cargo(&["run", "--quiet", "--profile", "sim", "--package", "sim"])
}

/// The binary that real clients and kills use, and the library that takes libzmq's place, where they look for them.
pub(crate) fn build_binary() -> Result<()> {
    in_root(cargo(&[
        "build",
        "--quiet",
        "--package",
        "barid",
        "--package",
        "barid-zmq-c",
    ]))
}

/// Installs the real clients that are missing.
pub(crate) fn install_clients(client: Option<&str>) -> Result<()> {
    in_root(cargo(&["run", "--quiet", "--package", "interop", "--"]).args(client))
}

/// Real clients against the real binary.
pub(crate) fn interop(client: Option<&str>) -> Result<()> {
    build_binary()?;
    install_clients(None)?;
    package(&mut Count::default(), "interop", client)
}

/// Replays the corpora, or fuzzes one target.
pub(crate) fn fuzz(args: &[String]) -> Result<()> {
    if args.is_empty() {
        return package(&mut Count::default(), "fuzz", None);
    }
    let mut command = cargo(&["+nightly", "fuzz", "run"]);
    // Through rustup's proxy, as `+nightly` is not for cargo itself.
    command = with_program(&command, "cargo");
    // What is found goes to a folder that git ignores; it starts from the checked-in corpus.
    let target = args[0].as_str();
    let found = root().join("testing/fuzz/fuzz/corpus").join(target);
    std::fs::create_dir_all(&found).context("making the folder for what is found")?;
    command
        .arg(target)
        .arg(found)
        .arg(root().join("testing/fuzz/corpus").join(target));
    command
        .args(&args[1..])
        .current_dir(root().join("testing/fuzz"));
    let status = command.status().context("starting cargo fuzz")?;
    anyhow::ensure!(
        status.success(),
        "cargo fuzz failed: {status} (it needs `rustup toolchain install nightly` and `cargo \
         install cargo-fuzz`)"
    );
    Ok(())
}

/// Builds the broker, or the library, as users run it and measures it.
pub(crate) fn bench(args: &[String]) -> Result<()> {
    // The library for programs without a broker is measured by a program of its own.
    let measured: &[&str] = match args.first().map(String::as_str) {
        Some("zmq") => &["barid-zmq", "--example", "perf"],
        _ => &["barid"],
    };
    in_root(cargo(&["build", "--release", "--package"]).args(measured))?;
    in_root(cargo(&["run", "--quiet", "--release", "--package", "bench", "--"]).args(args))
}

fn with_program(command: &Command, program: &str) -> Command {
    let mut other = Command::new(program);
    other.args(command.get_args());
    other
}

#[expect(
    clippy::disallowed_methods,
    reason = "a command line tool tells how long it took"
)]
fn now() -> Instant {
    Instant::now()
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
