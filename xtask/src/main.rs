//! The project's own commands: `cargo xtask <verb>`.
//!
//! `check` is the inner loop, `test` is everything that must hold before a change is taken. Nothing
//! here is part of the product, and nothing of the product depends on it.

#![expect(clippy::print_stdout, reason = "a command line tool")]

mod adr;
mod count;
mod layers;
mod run;
mod stages;
mod tidy;
mod words;

use anyhow::Result;
use clap::{Parser, Subcommand};
use run::{cargo, in_root};

/// The project's own commands.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// The inner loop: format, clippy, unit tests.
    Check,
    /// Format all code.
    Fmt,
    /// Clippy and rustdoc, warnings are errors.
    Lint,
    /// Everything that CI checks; installs what it needs.
    Test,
    /// The house rules: layers, wire words, the map of crates.
    Tidy,
    /// Simulations: `sim [SEED] [--count N] [--mqtt | --amqp]`.
    Sim(Rest),
    /// Guided fuzzing of one target: `fuzz TARGET`; without a target, the corpora are replayed.
    Fuzz(Rest),
    /// Real clients: `interop [CLIENT]`.
    Interop {
        /// Only install the clients.
        #[arg(long)]
        install: bool,
        /// Only the tests whose name has this.
        client: Option<String>,
    },
    /// A benchmark: `bench NAME`.
    Bench(Rest),
    /// Kills of the real binary: `kill [--count N] [--seed N] [--amqp]`.
    Kill(Rest),
    /// A new record of a decision: `adr "title"`.
    Adr {
        /// What was decided, in a few words.
        title: String,
    },
}

/// What goes on to the program behind the verb.
#[derive(Debug, clap::Args)]
struct Rest {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

fn main() -> Result<()> {
    match Args::parse().verb {
        Verb::Check => stages::check(),
        Verb::Fmt => in_root(cargo(&["fmt", "--all"])),
        Verb::Lint => stages::lint(),
        Verb::Test => stages::test(),
        Verb::Tidy => tidy::tidy(),
        Verb::Sim(rest) => in_root(stages::sim().arg("--").args(rest.args)),
        Verb::Fuzz(rest) => stages::fuzz(&rest.args),
        Verb::Interop {
            install: true,
            client,
        } => stages::install_clients(client.as_deref()),
        Verb::Interop {
            install: false,
            client,
        } => stages::interop(client.as_deref()),
        Verb::Bench(rest) => stages::bench(&rest.args),
        Verb::Kill(rest) => {
            stages::build_binary()?;
            in_root(cargo(&["run", "--quiet", "--package", "kill", "--"]).args(rest.args))
        }
        Verb::Adr { title } => adr::create(&title),
    }
}
