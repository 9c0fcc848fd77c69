//! The selector and its limits.

use crate::error::ParseError;
use crate::evaluate::evaluate;
use crate::parse::parse;
use crate::program::Program;
use crate::value::Properties;
use std::fmt;
use std::sync::Arc;

/// How large a selector may be. Each is checked before anything is allocated for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of the text, prefixes included. Default 64 KiB.
    pub text_bytes_max: usize,
    /// Names, literals, operators, strings of IN lists and parts of LIKE patterns, together: what an
    /// evaluation may cost. Default 4,096.
    pub nodes_max: usize,
    /// Brackets and operators that are open at once. Default 128.
    pub depth_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            text_bytes_max: 64 * 1024,
            nodes_max: 4_096,
            depth_max: 128,
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
}

impl Selector {
    /// Parses a text, which may begin with prefixes (see the crate's page).
    ///
    /// # Errors
    /// [`ParseError`] when the text is not a selector or is over a limit.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, ParseError> {
        let program = parse(text, limits)?;
        let text = text.into();
        Ok(Self(Arc::new(Parsed { text, program })))
    }

    /// Whether the condition is true for these properties: neither false nor unknown.
    ///
    /// Allocates nothing, unless more than eight values have to be held at once or `properties` does.
    #[must_use]
    pub fn matches(&self, properties: &(impl Properties + ?Sized)) -> bool {
        evaluate(&self.0.program, properties)
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
