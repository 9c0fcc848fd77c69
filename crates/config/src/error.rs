//! What can be wrong with the settings, in words that let the operator put it right.

use std::fmt;
use std::path::PathBuf;

/// Why there is no [`Config`](crate::Config).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line makes no sense; the text says why and ends with a hint at `--help`.
    #[error("{0}")]
    Usage(String),
    /// The file cannot be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {path} is not TOML: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        message: String,
    },
    /// Keys that do not exist or have values that they cannot have; all of them.
    #[error("{}", lines(.0))]
    Keys(Vec<BadKey>),
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// This file.
    File(PathBuf),
    /// This environment variable.
    Env(String),
    /// This flag, without the dashes.
    Flag(String),
    /// The table of keys.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// One key that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// There is no such key.
    #[error("unknown key {key} ({origin}){}", hint(.nearest.as_deref()))]
    Unknown {
        /// What was given.
        key: String,
        /// Where it came from.
        origin: Origin,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// The key cannot have this value.
    #[error("{key} = {value:?} ({origin}): allowed is {allowed}")]
    Value {
        /// The key's path.
        key: String,
        /// Where the value came from.
        origin: Origin,
        /// The value.
        value: String,
        /// What it may be.
        allowed: String,
    },
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!("; did you mean {nearest}?"))
}

fn lines(bad: &[BadKey]) -> String {
    let lines: Vec<_> = bad.iter().map(ToString::to_string).collect();
    lines.join("\n")
}
