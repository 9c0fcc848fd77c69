//! Log lines on standard error.

use std::io::IsTerminal as _;
use tracing::Level;
use tracing_subscriber::filter::LevelFilter;

/// The process has a receiver of log lines already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadySet;

impl std::fmt::Display for AlreadySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("log lines of this process go elsewhere already")
    }
}

impl std::error::Error for AlreadySet {}

/// Sends log lines of at least this importance to standard error, colored if that is a terminal.
///
/// # Errors
/// [`AlreadySet`] when the process called this before.
pub fn init(level: Level) -> Result<(), AlreadySet> {
    // NO_COLOR is honored by the subscriber itself unless colors are set by hand.
    let is_colored = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from_level(level))
        .with_writer(std::io::stderr)
        .with_ansi(is_colored)
        .with_target(false)
        .try_init()
        .map_err(|_| AlreadySet)
}
