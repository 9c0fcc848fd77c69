//! What a selector is compiled to: operations in postfix order, over a stack of values.

use crate::like::Pattern;

/// The operations of a selector, first to last.
///
/// Invariants: skips lead forward; no operation takes more from the stack than is there, and at most
/// `stack_max` values are on it; one value is left at the end. A selector that matches everything has
/// no operations.
pub(crate) struct Program {
    pub(crate) ops: Box<[Op]>,
    pub(crate) stack_max: usize,
    pub(crate) conversion: Conversion,
}

/// Whether a text stands for the number or truth value that it spells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conversion {
    /// Never (the rule of JMS).
    None,
    /// Where a number or truth value is asked for.
    Text,
}

/// One operation. Those without a comment take their operands from the stack and leave the result.
#[derive(Debug)]
pub(crate) enum Op {
    /// Puts the property's value, or NULL.
    Property(Box<str>),
    /// Puts the literal, as do the three after it.
    Text(Box<str>),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Sign(Sign),
    Arithmetic(Arithmetic),
    Compare(Comparison),
    /// Takes value, low and high.
    Between(Sense),
    /// The strings are in order.
    In(Box<[Box<str>]>, Sense),
    Like(Box<Pattern>, Sense),
    IsNull(Sense),
    Not,
    /// Goes on at this operation if the value on top is false, which is then the result of the AND.
    SkipIfFalse(usize),
    /// Goes on at this operation if the value on top is true, which is then the result of the OR.
    SkipIfTrue(usize),
    And,
    Or,
}

/// Whether an operator was written with NOT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sense {
    Is,
    IsNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Plus,
    Minus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arithmetic {
    Add,
    Subtract,
    Multiply,
    Divide,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Program {
    /// What it takes on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let ops = self.ops.iter().map(Op::heap_bytes).sum::<usize>();
        size_of_val(&self.ops[..]) + ops
    }
}

impl Op {
    fn heap_bytes(&self) -> usize {
        match self {
            Self::Property(text) | Self::Text(text) => text.len(),
            Self::In(texts, _) => {
                size_of_val(&texts[..]) + texts.iter().map(|text| text.len()).sum::<usize>()
            }
            Self::Like(pattern, _) => pattern.heap_bytes(),
            Self::Integer(_)
            | Self::Float(_)
            | Self::Boolean(_)
            | Self::Sign(_)
            | Self::Arithmetic(_)
            | Self::Compare(_)
            | Self::Between(_)
            | Self::IsNull(_)
            | Self::Not
            | Self::SkipIfFalse(_)
            | Self::SkipIfTrue(_)
            | Self::And
            | Self::Or => 0,
        }
    }
}

impl Sense {
    /// What the operator gives, when without NOT it gives `value`.
    pub(crate) fn of(self, value: bool) -> bool {
        match self {
            Self::Is => value,
            Self::IsNot => !value,
        }
    }
}
