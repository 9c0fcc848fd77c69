//! Message selectors: the conditional expressions of SQL-92 that JMS lets a subscriber filter by.
//!
//! A [`Selector`] is parsed once, when somebody subscribes, and evaluated for every message. The text
//! comes from untrusted peers: parsing, evaluating and dropping never recurse, everything is limited
//! by [`Limits`].
//!
//! **What it costs.** An evaluation counts what it does, in units of about ten nanoseconds, and says so
//! ([`Evaluation::work`]), so that a caller can bound what many of them cost together. One that would cost more
//! than [`Limits::work_max`] ends there, and the selector does not match, `NOT` or not: it is always the same for
//! the same message. By default that is 65,536 units: many `LIKE` over headers of many kilobytes come to it.
//!
//! This crate knows no message and no protocol: names are looked up through [`Properties`], which the
//! caller implements over its headers, and only values ([`Value`]) come back. It reads no clock and
//! keeps no state between evaluations. What `JMSPriority` and its like mean is the caller's matter.
//!
//! ```text
//! text -> token.rs -> parse.rs -> program.rs (postfix) -> evaluate.rs + Properties -> true or not
//! ```
//!
//! The rules are those of JMS 2.0 section 3.8.1; where it is silent, those of Artemis. What it does
//! not define and a user may meet:
//!
//! - Prefixes as in Artemis, any number, the last of a kind wins: `convert_string_expressions:` (a
//!   text counts as the number or truth value that it spells, where one is asked for),
//!   `hyphenated_props:` (`-` belongs to a name), and each with `no_` before it.
//! - `"quoted names"` may hold any character; `""` stands for one quote.
//! - Types that are known are checked when parsing: `'a' < 1`, `NOT 5` and `a AND 'b'` are refused.
//!   The value of a property is not known then; where it does not fit, comparisons are false,
//!   arithmetic and `IN` are unknown, `LIKE` and logic take it as false.
//! - Integers wrap on overflow and divide without remainder, as in Java. An integer divided by zero
//!   is unknown; a float divided by zero is infinite or not a number.
//! - `_` in `LIKE` stands for one Unicode scalar value; names are made of Unicode letters and digits.
//! - Not taken from Artemis: `%` as an operator, comments, `XPATH`, `XQUERY`, `+` on texts, order
//!   of texts, `NULL` as a literal.
//!
//! Read first: [`Selector`], then `parse.rs` for how the program comes about.

mod error;
mod evaluate;
mod like;
mod meter;
mod number;
mod parse;
mod program;
mod selector;
mod token;
mod value;

pub use error::{Expected, Found, Kind, ParseError};
pub use selector::{Evaluation, Limits, Selector};
pub use value::{Properties, Value};
