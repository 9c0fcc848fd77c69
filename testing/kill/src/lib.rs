//! Kills the real binary under load, starts it again, and checks what it promised.
//!
//! 1. Publishers and consumers work on queues of their own and on one that all share, by STOMP or by AMQP
//!    (`load.rs`). In half of the rounds there is so little memory that most of the backlog goes to pages and comes back.
//! 2. At the nth event of a kind, both drawn from the seed, the broker gets SIGKILL.
//! 3. It starts again on the same folder; perhaps 1 and 2 once more.
//! 4. One consumer per queue takes all that is left (`drain.rs`).
//! 5. Everything that was published, confirmed, delivered and acknowledged in all lives of the
//!    broker stands in one [`History`]; [`check`] holds it against the promises.
//!
//! Threads race with the kill, so a seed fixes the plan of a round, not its every event.

pub mod bound;
mod check;
pub mod dead_letters;
mod drain;
pub mod flood;
mod history;
mod load;
mod plan;
pub mod sessions;
pub mod transactions;

pub use check::check;
pub use history::{Ack, Delivery, History, Id, Publication, Queue};
pub use plan::{Backlog, Consumers, Plan, Protocol, Random, Trigger};

use anyhow::{Context as _, Result};
use client::Broker;

/// What one or several rounds came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Times that the broker was killed.
    pub kills: usize,
    /// Times among them that it had messages in pages.
    pub paged_kills: usize,
    /// Messages sent.
    pub published: usize,
    /// Messages confirmed by a receipt.
    pub confirmed: usize,
    /// Deliveries seen, those after restarts included.
    pub delivered: usize,
    /// Deliveries among them that were marked as possibly not the first.
    pub redelivered: usize,
}

impl Summary {
    /// Adds another round.
    pub const fn add(&mut self, other: &Self) {
        self.kills += other.kills;
        self.paged_kills += other.paged_kills;
        self.published += other.published;
        self.confirmed += other.confirmed;
        self.delivered += other.delivered;
        self.redelivered += other.redelivered;
    }
}

/// One round: load and kill, as often as the plan says, then drain and check.
///
/// # Errors
/// When the broker breaks a promise or does not come up. Its folder is then kept and named.
pub fn round(seed: u64, protocol: Protocol) -> Result<Summary> {
    let folder = tempfile::Builder::new().prefix("barid-kill-").tempdir()?;
    let result = round_in(seed, protocol, &folder.path().join("data"));
    if result.is_err() {
        let kept = folder.keep();
        return result.with_context(|| format!("seed {seed}, data kept in {}", kept.display()));
    }
    result
}

fn round_in(seed: u64, protocol: Protocol, data_dir: &std::path::Path) -> Result<Summary> {
    let mut random = Random::new(seed);
    let plan = Plan::draw(&mut random, protocol);
    let args: Vec<&str> = plan.broker_args.iter().map(String::as_str).collect();
    let mut broker = Broker::start_with(data_dir, &args)?;
    let mut history = History::new(&plan);
    let mut paged_kills = 0;
    for _ in 0..plan.lives {
        load::run(&plan, &mut random, &mut broker, &mut history)?;
        paged_kills += usize::from(has_pages(data_dir)?);
        broker.restart().context("starting again after a kill")?;
    }
    drain::run(&plan, &broker, &mut history)?;
    check(&history)?;
    let publications = history.publications.values();
    Ok(Summary {
        kills: plan.lives,
        paged_kills,
        published: history.publications.len(),
        confirmed: publications
            .filter(|publication| publication.is_confirmed)
            .count(),
        delivered: history.deliveries.len(),
        redelivered: history
            .deliveries
            .iter()
            .filter(|delivery| delivery.redelivered)
            .count(),
    })
}

/// Whether pages were written that are still needed: a file of them is deleted when it holds none.
fn has_pages(data_dir: &std::path::Path) -> Result<bool> {
    /// What every file of the store begins with.
    const HEADER_BYTES: u64 = 40;
    for entry in std::fs::read_dir(data_dir.join("store"))? {
        let entry = entry?;
        let is_of_pages = entry.file_name().to_string_lossy().starts_with("pages-");
        if is_of_pages && entry.metadata()?.len() > HEADER_BYTES {
            return Ok(true);
        }
    }
    Ok(false)
}
