//! Why a text is not a selector.

use std::fmt;

/// The most characters of the text that an error repeats.
const FOUND_CHARS_MAX: usize = 40;

/// Why a text is not a selector. Positions count bytes from the start of the text, prefixes included.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Something else has to stand there.
    #[error("at byte {position}: found {found}, expected {expected}")]
    Unexpected {
        /// Where what was found begins.
        position: usize,
        /// What stands there.
        found: Found,
        /// What may stand there.
        expected: Expected,
    },
    /// The text is too long to be looked at.
    #[error("the selector has {bytes} bytes, the limit is {limit}")]
    TextTooLong {
        /// The bytes that it has.
        bytes: usize,
        /// The bytes that it may have.
        limit: usize,
    },
    /// The selector has too many parts, so evaluating it would cost too much.
    #[error(
        "at byte {position}: the selector has more names, literals and operators than the limit of {limit}"
    )]
    TooManyNodes {
        /// Where the first one too many begins.
        position: usize,
        /// How many it may have.
        limit: usize,
    },
    /// Too many brackets and operators wait for their end.
    #[error("at byte {position}: the selector is nested deeper than the limit of {limit}")]
    TooDeep {
        /// Where the first one too many begins.
        position: usize,
        /// How deep it may be.
        limit: usize,
    },
    /// A part of a pattern that holds `_` and stands between two `%` is too long.
    #[error(
        "at byte {position}: a part with _ between two % has {characters} characters, the limit is {limit}"
    )]
    PatternPartTooLong {
        /// Where the pattern begins.
        position: usize,
        /// The characters that the part has.
        characters: usize,
        /// The characters that it may have.
        limit: usize,
    },
}

/// What was found in place of what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The text ends there.
    End,
    /// These characters; of a longer piece, the first 40.
    Fragment(Box<str>),
    /// An expression whose value is of this kind.
    Kind(Kind),
}

/// What an expression gives, as far as it is known before there is a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Whatever the property with this name has.
    Name,
    /// A number.
    Number,
    /// A string.
    Text,
    /// A truth value.
    Boolean,
}

/// What may stand at a position of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The beginning of an expression.
    Operand,
    /// An operator, or the end of the selector.
    Operator,
    /// An operator, or the `)` that closes what is open.
    OperatorOrClose,
    /// The AND between the two bounds of BETWEEN.
    BetweenAnd,
    /// LIKE, BETWEEN or IN, after a NOT that follows an expression.
    NegatedOperator,
    /// NULL or NOT NULL, after IS.
    Null,
    /// The list of IN.
    OpenList,
    /// What follows a string in the list of IN.
    CommaOrClose,
    /// A string in quotes.
    TextLiteral,
    /// A string of one character, after ESCAPE.
    EscapeCharacter,
    /// The quote that ends the string or name which begins at this position.
    ClosingQuote(usize),
    /// A name that has characters.
    QuotedName,
    /// A number as Java spells it.
    NumberLiteral,
    /// A number that fits in 64 bits with a sign.
    IntegerInRange,
    /// A number that fits in a double.
    FloatInRange,
    /// The name of a property, to the left of LIKE, IN and IS.
    Name,
    /// An expression that gives a number.
    Number,
    /// An expression that gives a truth value.
    Condition,
}

impl Found {
    pub(crate) fn fragment(text: &str) -> Self {
        match text.char_indices().nth(FOUND_CHARS_MAX) {
            Some((end, _)) => Self::Fragment(text[..end].into()),
            None if text.is_empty() => Self::End,
            None => Self::Fragment(text.into()),
        }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::End => f.write_str("the end of the selector"),
            Self::Fragment(text) => write!(f, "`{text}`"),
            Self::Kind(kind) => kind.fmt(f),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "a name",
            Self::Number => "a number",
            Self::Text => "a string",
            Self::Boolean => "a condition",
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Operand => "a name, a literal, NOT, a sign or (",
            Self::Operator => "an operator or the end of the selector",
            Self::OperatorOrClose => "an operator or )",
            Self::BetweenAnd => "the AND that belongs to BETWEEN",
            Self::NegatedOperator => "LIKE, BETWEEN or IN",
            Self::Null => "NULL or NOT NULL",
            Self::OpenList => "( and a list of strings",
            Self::CommaOrClose => ", or )",
            Self::TextLiteral => "a string in single quotes",
            Self::EscapeCharacter => "a string of one character",
            Self::ClosingQuote(opened) => {
                return write!(f, "the quote that closes the one at byte {opened}");
            }
            Self::QuotedName => "a name that is not empty",
            Self::NumberLiteral => "a number",
            Self::IntegerInRange => "an integer of at most 64 bits with its sign",
            Self::FloatInRange => "a number in the range of a double",
            Self::Name => "the name of a property before LIKE, IN or IS",
            Self::Number => "a number or the name of a property",
            Self::Condition => "a condition or the name of a property",
        })
    }
}
