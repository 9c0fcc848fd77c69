//! `kill --count 20 --seed 1`: that many rounds, each with the seed behind the one before.

#![expect(clippy::print_stdout, reason = "a command line tool")]

use anyhow::{Context as _, Result};
use clap::Parser;
use kill::{Protocol, Summary, round};
use std::hash::{BuildHasher as _, RandomState};

/// Kills the real binary under load and checks what it promised.
#[derive(Debug, Parser)]
struct Args {
    /// Kills, at least.
    #[arg(long, default_value_t = 20)]
    count: usize,
    /// Seed of the first round; a random one by default.
    #[arg(long)]
    seed: Option<u64>,
    /// Most clients speak AMQP.
    #[arg(long)]
    amqp: bool,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let first = args
        .seed
        .unwrap_or_else(|| RandomState::new().hash_one(0) % 1_000_000);
    let (protocol, flag) = if args.amqp {
        (Protocol::Amqp, " --amqp")
    } else {
        (Protocol::Stomp, "")
    };
    let mut sum = Summary::default();
    let mut seed = first;
    while sum.kills < args.count {
        println!("seed {seed}");
        let summary = round(seed, protocol)
            .with_context(|| format!("again: cargo xtask kill --count 1 --seed {seed}{flag}"))?;
        sum.add(&summary);
        seed += 1;
    }
    let Summary {
        kills,
        paged_kills,
        published,
        confirmed,
        delivered,
        redelivered,
    } = sum;
    println!(
        "{kills} kills, {paged_kills} of them with messages in pages, {published} messages published, {confirmed} confirmed, {delivered} \
         delivered, {redelivered} of them marked as redelivered, 0 promises broken (seeds {first} \
         to {})",
        seed - 1
    );
    Ok(())
}
