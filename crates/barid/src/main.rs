//! The broker's program: wiring only.
//!
//! `barid serve` reads the settings, opens the store, starts the executors and the journal, listens,
//! and stops gracefully. The other commands ask a broker that runs. What it wires is in the other crates; what is here knows all of them and
//! decides nothing.

mod admin;
mod curve;
mod destinations;
mod entropy;
mod executors;
mod listeners;
mod logins;
mod maintenance;
mod protocols;
mod serve;
mod store;
mod sys_topics;
mod users;

use config::Invocation;
use std::io::Write as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "a program talks to its user")]
fn main() -> ExitCode {
    let done = match config::from_process() {
        Ok(Invocation::Serve(config)) => serve::serve(&config),
        Ok(Invocation::Store(invocation)) => maintenance::run(&invocation).map(|text| print(&text)),
        Ok(Invocation::Admin(invocation)) => admin::run(invocation).map(|text| print(&text)),
        Ok(Invocation::Print(text)) => {
            print(&text);
            Ok(())
        }
        Err(error) => {
            eprintln!("barid: {error}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barid: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Tells the user what was asked for, who may have read enough before the end of it.
fn print(text: &str) {
    let _is_read = writeln!(std::io::stdout(), "{}", text.trim_end());
}
