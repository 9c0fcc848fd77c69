//! The selector and its limits.

use crate::error::ParseError;
use crate::evaluate::evaluate;
use crate::meter::Meter;
use crate::parse::parse;
use crate::program::Program;
use crate::value::Properties;
use std::fmt;
use std::sync::Arc;

/// How large a selector may be, and what it may cost. Sizes are checked before anything is allocated for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of the text, prefixes included. Default 4 KiB.
    pub text_bytes_max: usize,
    /// Names, literals, operators, strings of IN lists and parts of LIKE patterns, together: what an
    /// evaluation may cost. Default 256.
    pub nodes_max: usize,
    /// Brackets and operators that are open at once. Default 128.
    pub depth_max: usize,
    /// What one evaluation may cost, in the units of [`Evaluation::work`]; the condition counts as not true for
    /// a message for which it would cost more. Default 65,536: about a megabyte of text compared.
    pub work_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes_max: 4 * 1024,
            nodes_max: 256,
            depth_max: 128,
            work_max: 64 * 1024,
        }
    }
}

/// A condition on the properties of a message. Immutable; a clone costs one reference count.
///
/// A text without anything but blanks, with or without prefixes, matches every message.
#[derive(Clone)]
pub struct Selector(Arc<Parsed>);

struct Parsed {
    text: Box<str>,
    program: Program,
    work_max: u64,
}

/// What came of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// Whether the condition is true: neither false nor unknown, and found out within
    /// [`Limits::work_max`].
    pub is_match: bool,
    /// What it cost, at most [`Limits::work_max`]. One unit, up to about ten nanoseconds, is an operation, 16 bytes of
    /// text that are compared, or 2 bytes that are searched for a part of a pattern with `_`. Depends on the
    /// selector and the message alone.
    pub work: u64,
}

/// What a selector takes beside its text and its program, in bytes.
const SELECTOR_BYTES: usize = size_of::<Parsed>() + 2 * size_of::<usize>();

impl Selector {
    /// Parses a text, which may begin with prefixes (see the crate's page).
    ///
    /// # Errors
    /// [`ParseError`] when the text is not a selector or is over a limit.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, ParseError> {
        let program = parse(text, limits)?;
        let text = text.into();
        let work_max = limits.work_max;
        Ok(Self(Arc::new(Parsed {
            text,
            program,
            work_max,
        })))
    }

    /// Whether the condition is true for these properties: neither false nor unknown, nor too costly to be found
    /// out ([`Limits::work_max`]).
    ///
    /// Allocates nothing, unless more than eight values have to be held at once or `properties` does.
    #[must_use]
    pub fn matches(&self, properties: &(impl Properties + ?Sized)) -> bool {
        self.evaluate(properties).is_match
    }

    /// As [`matches`](Self::matches), and what it cost.
    #[must_use]
    pub fn evaluate(&self, properties: &(impl Properties + ?Sized)) -> Evaluation {
        let mut meter = Meter::new(self.0.work_max);
        let is_match = evaluate(&self.0.program, properties, &mut meter);
        Evaluation {
            is_match,
            work: meter.spent(),
        }
    }

    /// What it takes in memory, in bytes, text included; the allocator's own share is not counted. Walks over
    /// the whole selector.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        SELECTOR_BYTES + self.0.text.len() + self.0.program.heap_bytes()
    }

    /// The text that it was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }
}

impl fmt::Debug for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Selector").field(&self.text()).finish()
    }
}
