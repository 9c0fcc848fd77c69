//! Evaluates a program for one message: a walk over its operations with a stack of values.
//!
//! The value of a condition is true, false or unknown (`None`), by the tables of JMS 2.0 section
//! 3.8.1.2.
//!
//! A [`Meter`] counts what the walk costs. It is asked before whatever may be long, so that no evaluation costs
//! more than its limit.

use crate::meter::{Meter, TooMuch, text_work};
use crate::number::Number;
use crate::program::{Comparison, Conversion, Op, Program, Sense, Sign};
use crate::value::{Properties, Value};
use std::borrow::Cow;
use std::cmp::Ordering;

/// The most values on the stack for which nothing is allocated.
const INLINE_VALUES: usize = 8;

/// A value, or NULL, which for a condition means unknown.
type Slot<'v> = Option<Value<'v>>;

/// Whether the program's condition is true. It is not when finding out costs more than the meter allows.
pub(crate) fn evaluate(
    program: &Program,
    properties: &(impl Properties + ?Sized),
    meter: &mut Meter,
) -> bool {
    if program.ops.is_empty() {
        return true;
    }
    let result = if program.stack_max <= INLINE_VALUES {
        let slots = &mut [const { None }; INLINE_VALUES];
        run(program, properties, slots, meter)
    } else {
        let slots = &mut vec![None; program.stack_max];
        run(program, properties, slots, meter)
    };
    result == Ok(Some(true))
}

fn run<'v>(
    program: &'v Program,
    properties: &'v (impl Properties + ?Sized),
    slots: &mut [Slot<'v>],
    meter: &mut Meter,
) -> Result<Option<bool>, TooMuch> {
    let conversion = program.conversion;
    let mut stack = Stack { slots, len: 0 };
    let mut at = 0;
    while let Some(op) = program.ops.get(at) {
        at += 1;
        meter.charge(1)?;
        match op {
            Op::Property(name) => {
                meter.charge(properties.look_up_work())?;
                let value = properties.value(name);
                if let Some(Value::Text(text)) = &value {
                    meter.charge(conversion.text_work(text))?;
                }
                stack.push(value);
            }
            Op::Text(text) => stack.push(Some(Value::Text(Cow::Borrowed(text)))),
            Op::Integer(integer) => stack.push(Some(Value::Integer(*integer))),
            Op::Float(float) => stack.push(Some(Value::Float(*float))),
            Op::Boolean(boolean) => stack.push(Some(Value::Boolean(*boolean))),
            Op::Sign(sign) => {
                let number = conversion.number(&stack.pop());
                let signed = number.map(|number| match sign {
                    Sign::Plus => number,
                    Sign::Minus => number.negated(),
                });
                stack.push_number(signed);
            }
            Op::Arithmetic(operator) => {
                let right = conversion.number(&stack.pop());
                let left = conversion.number(&stack.pop());
                let both = left.zip(right);
                stack.push_number(both.and_then(|(left, right)| left.apply(*operator, right)));
            }
            Op::Compare(comparison) => {
                let right = stack.pop();
                let left = stack.pop();
                if let (Some(Value::Text(left)), Some(Value::Text(right))) = (&left, &right) {
                    meter.charge(text_work(left.len().min(right.len())))?;
                }
                stack.push_truth(conversion.compare(&left, *comparison, &right));
            }
            Op::Between(sense) => {
                let high = stack.pop();
                let low = stack.pop();
                let value = stack.pop();
                stack.push_truth(conversion.between(*sense, &value, &low, &high));
            }
            Op::In(texts, sense) => {
                let found = match stack.pop() {
                    Some(Value::Text(text)) => {
                        let steps = u64::from(texts.len().max(1).ilog2()) + 1;
                        meter.charge(steps * (1 + text_work(text.len())))?;
                        let found = texts.binary_search_by(|known| (**known).cmp(&*text));
                        Some(found.is_ok())
                    }
                    Some(Value::Integer(_) | Value::Float(_) | Value::Boolean(_)) | None => None,
                };
                stack.push_truth(found.map(|found| sense.of(found)));
            }
            Op::Like(pattern, sense) => {
                let matched = match stack.pop() {
                    Some(Value::Text(text)) => Some(pattern.matches(&text, meter)?),
                    Some(Value::Integer(_) | Value::Float(_) | Value::Boolean(_)) => Some(false),
                    None => None,
                };
                stack.push_truth(matched.map(|matched| sense.of(matched)));
            }
            Op::IsNull(sense) => {
                let is_null = stack.pop().is_none();
                stack.push_truth(Some(sense.of(is_null)));
            }
            Op::Not => {
                let truth = conversion.truth(&stack.pop());
                stack.push_truth(truth.map(|truth| !truth));
            }
            Op::SkipIfFalse(target) => {
                let left = conversion.truth(&stack.pop());
                stack.push_truth(left);
                if left == Some(false) {
                    at = *target;
                }
            }
            Op::SkipIfTrue(target) => {
                let left = conversion.truth(&stack.pop());
                stack.push_truth(left);
                if left == Some(true) {
                    at = *target;
                }
            }
            Op::And => {
                let right = conversion.truth(&stack.pop());
                let left = conversion.truth(&stack.pop());
                stack.push_truth(and(left, right));
            }
            Op::Or => {
                let right = conversion.truth(&stack.pop());
                let left = conversion.truth(&stack.pop());
                stack.push_truth(or(left, right));
            }
        }
    }
    Ok(conversion.truth(&stack.pop()))
}

/// The values that wait for their operator. A program never takes more than is there.
struct Stack<'s, 'v> {
    slots: &'s mut [Slot<'v>],
    len: usize,
}

impl<'v> Stack<'_, 'v> {
    fn push(&mut self, slot: Slot<'v>) {
        self.slots[self.len] = slot;
        self.len += 1;
    }

    fn push_truth(&mut self, truth: Option<bool>) {
        self.push(truth.map(Value::Boolean));
    }

    fn push_number(&mut self, number: Option<Number>) {
        self.push(number.map(|number| match number {
            Number::Integer(integer) => Value::Integer(integer),
            Number::Float(float) => Value::Float(float),
        }));
    }

    fn pop(&mut self) -> Slot<'v> {
        self.len -= 1;
        self.slots[self.len].take()
    }
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        (None, _) | (_, None) => None,
    }
}

fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        (None, _) | (_, None) => None,
    }
}

impl Conversion {
    /// What a text costs beside being compared: it was checked to be text, and may be read as a number.
    fn text_work(self, text: &str) -> u64 {
        match self {
            Self::None => text_work(text.len()),
            Self::Text => text.len() as u64,
        }
    }

    /// The value as a number; NULL if it is none.
    fn number(self, slot: &Slot<'_>) -> Option<Number> {
        match slot {
            Some(Value::Integer(integer)) => Some(Number::Integer(*integer)),
            Some(Value::Float(float)) => Some(Number::Float(*float)),
            Some(Value::Text(text)) if self == Self::Text => Number::from_text(text),
            Some(Value::Text(_) | Value::Boolean(_)) | None => None,
        }
    }

    /// The truth value that a value is or spells.
    fn boolean(self, value: &Value<'_>) -> Option<bool> {
        match value {
            Value::Boolean(boolean) => Some(*boolean),
            Value::Text(text) if self == Self::Text => {
                let spells = |word| text.eq_ignore_ascii_case(word);
                if spells("true") {
                    Some(true)
                } else {
                    spells("false").then_some(false)
                }
            }
            Value::Text(_) | Value::Integer(_) | Value::Float(_) => None,
        }
    }

    /// The value as a condition; one that is no truth value is false, as in Artemis.
    fn truth(self, slot: &Slot<'_>) -> Option<bool> {
        slot.as_ref()
            .map(|value| self.boolean(value).unwrap_or(false))
    }

    /// Values of unlike types are neither equal nor unequal nor in any order: the comparison is false
    /// (JMS 2.0 section 3.8.1.1).
    fn compare(self, left: &Slot<'_>, comparison: Comparison, right: &Slot<'_>) -> Option<bool> {
        let (left_value, right_value) = left.as_ref().zip(right.as_ref())?;
        let equality = |is_equal: bool| match comparison {
            Comparison::Equal => is_equal,
            Comparison::NotEqual => !is_equal,
            Comparison::Less
            | Comparison::LessOrEqual
            | Comparison::Greater
            | Comparison::GreaterOrEqual => false,
        };
        let is_equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
        Some(match (left_value, right_value) {
            (Value::Text(left), Value::Text(right)) if is_equality => equality(left == right),
            (Value::Boolean(_), _) | (_, Value::Boolean(_)) => {
                let both = self.boolean(left_value).zip(self.boolean(right_value));
                both.is_some_and(|(left, right)| equality(left == right))
            }
            _ => {
                let both = self.number(left).zip(self.number(right));
                both.is_some_and(|(left, right)| comparison.holds(left.order(right)))
            }
        })
    }

    /// `low <= value AND value <= high`; with NOT, `value < low OR value > high`.
    fn between(
        self,
        sense: Sense,
        value: &Slot<'_>,
        low: &Slot<'_>,
        high: &Slot<'_>,
    ) -> Option<bool> {
        match sense {
            Sense::Is => and(
                self.compare(value, Comparison::GreaterOrEqual, low),
                self.compare(value, Comparison::LessOrEqual, high),
            ),
            Sense::IsNot => or(
                self.compare(value, Comparison::Less, low),
                self.compare(value, Comparison::Greater, high),
            ),
        }
    }
}

impl Comparison {
    /// Whether it holds between two numbers in this order; without one, they are only unequal.
    fn holds(self, order: Option<Ordering>) -> bool {
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => order.is_some_and(Ordering::is_le),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => order.is_some_and(Ordering::is_ge),
        }
    }
}
