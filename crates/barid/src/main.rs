//! The broker's program: wiring only.
//!
//! `barid serve` reads the settings, opens the store, starts the executors and the journal, listens,
//! and stops gracefully. What it wires is in the other crates; what is here knows all of them and
//! decides nothing.

mod executors;
mod listeners;
mod serve;
mod stomp_frame;
mod store;

use config::Invocation;
use std::io::Write as _;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(clippy::print_stderr, reason = "a program talks to its user")]
fn main() -> ExitCode {
    let config = match config::from_process() {
        Ok(Invocation::Serve(config)) => config,
        Ok(Invocation::Print(text)) => {
            // Whoever asked may have read enough.
            let _is_read = writeln!(std::io::stdout(), "{}", text.trim_end());
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("barid: {error}");
            return ExitCode::from(2);
        }
    };
    match serve::serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("barid: {error:#}");
            ExitCode::FAILURE
        }
    }
}
