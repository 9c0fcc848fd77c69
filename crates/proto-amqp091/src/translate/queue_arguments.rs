//! RabbitMQ's queue arguments.

mod inert;
mod problem;

pub(super) use problem::{Problem, Reason};

use super::value::value_of;
use crate::violation::Excerpt;
use crate::{FieldValue, Table};
use model::{DeadLetter, ExchangeName, Overflow, QueueKind, QueueRules, Redelivery, Value};

/// The longest routing key of a dead letter, and name of a header to tell last values by, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// The longest time that RabbitMQ takes, in milliseconds: ten years.
pub(crate) const MILLISECONDS_MAX: u64 = 315_360_000_000;

/// What the arguments of `queue.declare` say. Those that are not known mean nothing, as in RabbitMQ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct QueueArguments {
    pub(super) expires_ms: Option<u64>,
    /// If it is said.
    pub(super) kind: Option<QueueKind>,
    pub(super) rules: QueueRules,
}

/// Arguments on the way to their rules.
#[derive(Default)]
struct Reading {
    expires_ms: Option<u64>,
    dead_letter_exchange: Option<ExchangeName>,
    dead_letter_key: Option<Box<[u8]>>,
    redelivery_delay_ms: Option<u64>,
    multiplier_percent: Option<u32>,
    delay_ms_max: Option<u64>,
    jitter_percent: Option<u8>,
}

const MILLISECONDS: &str = "a number of milliseconds";

impl QueueArguments {
    pub(super) fn read(table: Table<'_>) -> Result<Self, Problem> {
        let kind = table.find(b"x-queue-type");
        let kind = kind.map(|raw| kind_of(&Argument::new(b"x-queue-type", raw)));
        let kind = kind.transpose()?;
        let mut reading = Reading::default();
        let mut rules = QueueRules::PLAIN;
        for (name, value) in table.iter() {
            let argument = Argument::new(name, value);
            inert::check_kind(&argument, kind)?;
            reading.take(&argument, &mut rules)?;
        }
        reading.finish(kind, rules)
    }
}

struct Argument<'a> {
    name: &'a [u8],
    value: Value<'a>,
    raw: FieldValue<'a>,
}

impl<'a> Argument<'a> {
    fn new(name: &'a [u8], raw: FieldValue<'a>) -> Self {
        let value = value_of(&raw);
        Self { name, value, raw }
    }

    fn problem(&self, expected: &'static str) -> Problem {
        let value = match &self.value {
            Value::Text(text) => format!("'{}'", Excerpt::of(text)),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => number.number().to_string(),
            Value::Bool(it) => it.to_string(),
            Value::Void => "nothing".to_owned(),
            Value::Opaque(_) => format!("of type '{}'", char::from(self.raw.tag())),
        };
        self.refused(Reason::Value { value, expected })
    }

    fn refused(&self, reason: Reason) -> Problem {
        Problem {
            name: Excerpt::of(self.name),
            reason,
        }
    }

    fn count(&self, min: u64, expected: &'static str) -> Result<u64, Problem> {
        let number = match &self.value {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::Void | Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::Opaque(_) => {
                None
            }
        };
        number
            .filter(|number| *number >= min)
            .ok_or_else(|| self.problem(expected))
    }

    /// A time that RabbitMQ takes.
    fn milliseconds(&self, min: u64, expected: &'static str) -> Result<u64, Problem> {
        let number = self.count(min, expected)?;
        if number > MILLISECONDS_MAX {
            return Err(self.problem(expected));
        }
        Ok(number)
    }

    fn text(&self, expected: &'static str) -> Result<&[u8], Problem> {
        match &self.value {
            Value::Text(text) if text.len() <= TEXT_BYTES_MAX => Ok(text),
            Value::Text(_)
            | Value::Void
            | Value::Bool(_)
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Opaque(_) => Err(self.problem(expected)),
        }
    }

    fn boolean(&self) -> Result<bool, Problem> {
        match &self.value {
            Value::Bool(it) => Ok(*it),
            Value::Void
            | Value::Integer(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Opaque(_) => Err(self.problem("true or false")),
        }
    }
}

impl Reading {
    fn take(&mut self, it: &Argument<'_>, rules: &mut QueueRules) -> Result<(), Problem> {
        match it.name {
            b"x-message-ttl" => {
                let expected = "a number of milliseconds, 0 to 315360000000";
                rules.message_ttl_ms = Some(it.milliseconds(0, expected)?);
            }
            b"x-expires" => {
                let expected = "a number of milliseconds, 1 to 315360000000";
                self.expires_ms = Some(it.milliseconds(1, expected)?);
            }
            b"x-max-length" => rules.length_max = Some(it.count(0, "a number of messages")?),
            b"x-max-length-bytes" => rules.bytes_max = Some(it.count(0, "a number of bytes")?),
            b"x-overflow" => rules.overflow = Some(overflow(it)?),
            b"x-max-priority" => {
                // 0 is none, as in RabbitMQ.
                let expected = "a number from 0 to 255";
                let number = u8::try_from(it.count(0, expected)?);
                rules.priority_max = number.map_err(|_| it.problem(expected))?;
            }
            b"x-delivery-limit" => rules.delivery_limit = Some(delivery_limit(it)?),
            b"x-consumer-timeout" => {
                let expected = "a number of milliseconds, 0 to 315360000000";
                rules.settle_ms = Some(it.milliseconds(0, expected)?);
            }
            b"x-single-active-consumer" => rules.single_active = it.boolean()?,
            _ => self.take_compound(it, rules)?,
        }
        Ok(())
    }

    /// Arguments of which several make one rule.
    fn take_compound(&mut self, it: &Argument<'_>, rules: &mut QueueRules) -> Result<(), Problem> {
        match it.name {
            b"x-dead-letter-exchange" => {
                let expected = "the name of an exchange, at most 255 bytes";
                let name = ExchangeName::new(it.text(expected)?);
                self.dead_letter_exchange = Some(name.map_err(|_| it.problem(expected))?);
            }
            b"x-dead-letter-routing-key" => {
                let expected = "a routing key, at most 255 bytes";
                self.dead_letter_key = Some(it.text(expected)?.into());
            }
            b"x-last-value-key" => {
                let expected = "the name of a header, 1 to 255 bytes";
                let name = it.text(expected)?;
                if name.is_empty() {
                    return Err(it.problem(expected));
                }
                rules.last_value_header = Some(name.into());
            }
            b"x-redelivery-delay" => {
                self.redelivery_delay_ms = Some(it.count(0, MILLISECONDS)?);
            }
            b"x-redelivery-delay-max" => self.delay_ms_max = Some(it.count(0, MILLISECONDS)?),
            b"x-redelivery-multiplier" => self.multiplier_percent = Some(percent(it)?),
            b"x-redelivery-jitter" => {
                let expected = "a percentage from 0 to 100";
                let number = u8::try_from(it.count(0, expected)?).ok();
                let number = number.filter(|percent| *percent <= 100);
                self.jitter_percent = Some(number.ok_or_else(|| it.problem(expected))?);
            }
            _ => inert::check(it)?,
        }
        Ok(())
    }

    /// Puts together what more than one argument says.
    fn finish(
        self,
        kind: Option<QueueKind>,
        mut rules: QueueRules,
    ) -> Result<QueueArguments, Problem> {
        rules.dead_letter = match (self.dead_letter_exchange, self.dead_letter_key) {
            (Some(exchange), key) => Some(DeadLetter { exchange, key }),
            (None, None) => None,
            (None, Some(_)) => {
                let name = b"x-dead-letter-routing-key";
                return Err(Problem::needs(name, "x-dead-letter-exchange"));
            }
        };
        let lonely: [(_, &[u8]); 3] = [
            (
                self.multiplier_percent.is_some(),
                b"x-redelivery-multiplier",
            ),
            (self.delay_ms_max.is_some(), b"x-redelivery-delay-max"),
            (self.jitter_percent.is_some(), b"x-redelivery-jitter"),
        ];
        rules.redelivery = match self.redelivery_delay_ms {
            Some(delay_ms) => Some(Redelivery {
                delay_ms,
                multiplier_percent: self.multiplier_percent.unwrap_or(100),
                delay_ms_max: self.delay_ms_max.unwrap_or(u64::MAX),
                jitter_percent: self.jitter_percent.unwrap_or(0),
            }),
            None => match lonely.into_iter().find(|(is_there, _)| *is_there) {
                Some((_, name)) => return Err(Problem::needs(name, "x-redelivery-delay")),
                None => None,
            },
        };
        Ok(QueueArguments {
            expires_ms: self.expires_ms,
            kind,
            rules,
        })
    }
}

/// RabbitMQ's -1 is no limit.
fn delivery_limit(it: &Argument<'_>) -> Result<u32, Problem> {
    if it.value == Value::Integer(-1) {
        return Ok(QueueRules::NO_DELIVERY_LIMIT);
    }
    let expected = "a number of failed deliveries, or -1 for no limit";
    let number = u32::try_from(it.count(0, expected)?);
    number.map_err(|_| it.problem(expected))
}

fn overflow(it: &Argument<'_>) -> Result<Overflow, Problem> {
    let expected = "drop-head, reject-publish or reject-publish-dlx";
    Overflow::named(it.text(expected)?).ok_or_else(|| it.problem(expected))
}

fn kind_of(it: &Argument<'_>) -> Result<QueueKind, Problem> {
    let expected = "classic or quorum";
    match it.text(expected)? {
        b"classic" => Ok(QueueKind::Classic),
        b"quorum" => Ok(QueueKind::Quorum),
        b"stream" => Err(it.refused(Reason::NotImplemented("stream"))),
        _ => Err(it.problem(expected)),
    }
}

/// A factor as a percentage.
fn percent(it: &Argument<'_>) -> Result<u32, Problem> {
    let factor = match &it.value {
        Value::Integer(number) => i32::try_from(*number).map(f64::from).ok(),
        Value::Float(number) => Some(number.number()),
        Value::Void | Value::Bool(_) | Value::Text(_) | Value::Opaque(_) => None,
    };
    let factor = factor.filter(|factor| (1.0..=100.0).contains(factor));
    let factor = factor.ok_or_else(|| it.problem("a factor from 1 to 100"))?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is from 100 to 10,000"
    )]
    let percent = (factor * 100.0).round() as u32;
    Ok(percent)
}
