//! Java's arithmetic on `long` and `double`.

use crate::program::Arithmetic;
use std::cmp::Ordering;

/// A number of either kind. With a float on either side, both are floats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Integer(i64),
    Float(f64),
}

impl Number {
    /// The number that a text spells: sign, digits, fraction, exponent, and nothing else.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
        let begins = unsigned.bytes().next()?;
        if !begins.is_ascii_digit() && begins != b'.' {
            // Rust would take `inf` and `nan` too.
            return None;
        }
        let integer = text.parse().map(Self::Integer);
        integer.or_else(|_| text.parse().map(Self::Float)).ok()
    }

    /// The order of two numbers; none when one of them is not a number.
    pub(crate) fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => Some(left.cmp(&right)),
            (left, right) => left.to_float().partial_cmp(&right.to_float()),
        }
    }

    /// The result of an operator; none when an integer is divided by zero.
    pub(crate) fn apply(self, operator: Arithmetic, other: Self) -> Option<Self> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => match operator {
                Arithmetic::Add => Some(left.wrapping_add(right)),
                Arithmetic::Subtract => Some(left.wrapping_sub(right)),
                Arithmetic::Multiply => Some(left.wrapping_mul(right)),
                Arithmetic::Divide => (right != 0).then(|| left.wrapping_div(right)),
            }
            .map(Self::Integer),
            (left, right) => {
                let (left, right) = (left.to_float(), right.to_float());
                Some(Self::Float(match operator {
                    Arithmetic::Add => left + right,
                    Arithmetic::Subtract => left - right,
                    Arithmetic::Multiply => left * right,
                    Arithmetic::Divide => left / right,
                }))
            }
        }
    }

    /// The number with the other sign. The least integer is its own, as in Java.
    pub(crate) fn negated(self) -> Self {
        match self {
            Self::Integer(integer) => Self::Integer(integer.wrapping_neg()),
            Self::Float(float) => Self::Float(-float),
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "Java's numeric promotion rounds a long to a double"
    )]
    fn to_float(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Float(float) => float,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_look_like_numbers_are_numbers() {
        let integer = |integer| Some(Number::Integer(integer));
        let float = |float| Some(Number::Float(float));
        let rows = [
            ("0", integer(0)),
            ("-7", integer(-7)),
            ("+7", integer(7)),
            ("007", integer(7)),
            ("-9223372036854775808", integer(i64::MIN)),
            ("9223372036854775808", float(9_223_372_036_854_775_808.0)),
            ("1.5", float(1.5)),
            (".5", float(0.5)),
            ("5.", float(5.0)),
            ("-5E-1", float(-0.5)),
            ("", None),
            ("-", None),
            (".", None),
            ("+-1", None),
            (" 1", None),
            ("1 ", None),
            ("1l", None),
            ("0x10", None),
            ("inf", None),
            ("-infinity", None),
            ("NaN", None),
            ("1e", None),
            ("one", None),
        ];
        for (text, expected) in rows {
            assert_eq!(Number::from_text(text), expected, "{text:?}");
        }
    }
}
