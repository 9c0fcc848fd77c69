//! One setting: its names, its meaning and its limits.

use crate::settings::Config;
use crate::table::KEYS;
use crate::value::{Unit, spell};

/// One setting. All of them stand in one table ([`keys`]).
#[derive(Debug)]
pub struct Key {
    /// Its place in the file, such as `stomp.head_bytes_max`.
    pub path: &'static str,
    /// Its flag, where that is not simply made from the path.
    pub(crate) flag: Option<&'static str>,
    /// The heading that `--help` lists it under.
    pub group: &'static str,
    /// What it means, as a sentence without a full stop.
    pub doc: &'static str,
    pub(crate) kind: Kind,
    /// Its default, as if it stood in the file.
    pub(crate) default: &'static str,
}

/// What values a key takes, and where they go.
#[derive(Debug)]
pub(crate) enum Kind {
    Text {
        /// What `--help` calls the value.
        placeholder: &'static str,
        /// What is allowed, in words.
        allowed: &'static str,
        empty: Empty,
        set: fn(&mut Config, &str),
    },
    Number {
        unit: Unit,
        min: u64,
        max: u64,
        set: fn(&mut Config, u64),
    },
    Choice(&'static [Choice]),
}

/// Whether a text may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Empty {
    Allowed,
    Refused,
}

/// A word, and what it does.
pub(crate) type Choice = (&'static str, fn(&mut Config));

/// Every setting, in the order of `--help`.
#[must_use]
pub fn keys() -> &'static [Key] {
    KEYS
}

impl Key {
    /// Its environment variable, such as `BARID_STOMP_HEAD_BYTES_MAX`.
    #[must_use]
    pub fn env(&self) -> String {
        format!("BARID_{}", self.path.replace('.', "_").to_uppercase())
    }

    /// Its flag without the dashes, such as `stomp-head-bytes-max`.
    #[must_use]
    pub fn flag(&self) -> String {
        self.flag
            .map_or_else(|| self.path.replace(['.', '_'], "-"), str::to_owned)
    }

    /// Its default, in words.
    #[must_use]
    pub fn default_text(&self) -> String {
        self.default.to_owned()
    }

    /// What values it takes, in words.
    #[must_use]
    pub fn allowed(&self) -> String {
        match self.kind {
            Kind::Text { allowed, .. } => allowed.to_owned(),
            Kind::Number { unit, min, max, .. } => {
                let (min, max) = (spell(unit, min), spell(unit, max));
                match unit {
                    Unit::Bytes => format!("{min} to {max}"),
                    Unit::Millis => format!("{min} to {max} ms"),
                    Unit::Count => format!("{min} to {max}"),
                }
            }
            Kind::Choice(options) => {
                let names: Vec<_> = options.iter().map(|(name, _)| *name).collect();
                names.join(", ")
            }
        }
    }

    pub(crate) fn placeholder(&self) -> &'static str {
        match self.kind {
            Kind::Text { placeholder, .. } => placeholder,
            Kind::Number { unit, .. } => match unit {
                Unit::Bytes => "BYTES",
                Unit::Millis => "MS",
                Unit::Count => "COUNT",
            },
            Kind::Choice(_) => "CHOICE",
        }
    }

    pub(crate) fn help(&self) -> String {
        format!(
            "{}. Takes {}; default: {}. [{}, {}]",
            self.doc,
            self.allowed(),
            self.default_text(),
            self.path,
            self.env(),
        )
    }
}

/// The table as the README shows it, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(
        "| Key | Flag | Default | Takes | Meaning |\n| --- | --- | --- | --- | --- |\n",
    );
    for key in keys() {
        text.push_str(&format!(
            "| `{}` | `--{}` | {} | {} | {} |\n",
            key.path,
            key.flag(),
            key.default_text(),
            key.allowed(),
            key.doc
        ));
    }
    text
}
