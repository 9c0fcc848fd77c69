//! What a frame asks of the queue that it uses: durability, lifetime, and RabbitMQ's queue arguments.

use super::value::{boolean, parse_boolean, parse_number};
use crate::frame::{ClientCommand, Frame, HeaderName};
use crate::violation::{Excerpt, Violation};
use model::{
    DeadLetter, Durability, ExchangeName, Lifetime, Overflow, Ownership, QueueDefinition,
    QueueKind, QueueRules, Redelivery,
};

/// The longest routing key of a dead letter, and name of a header to tell last values by, in bytes.
const TEXT_BYTES_MAX: usize = 255;

/// What a frame asks of a queue; each `None` is for the destination to decide.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct QueueParameters {
    /// `durable`; on SUBSCRIBE also its older name `persistent`.
    pub(crate) durable: Option<bool>,
    /// `auto-delete`.
    pub(crate) auto_delete: Option<bool>,
    /// `exclusive`.
    pub(crate) exclusive: Option<bool>,
    /// The arguments, if there is one.
    pub(crate) arguments: Option<QueueArguments>,
}

/// What the arguments of a frame say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct QueueArguments {
    expires_ms: Option<u64>,
    kind: Option<QueueKind>,
    rules: QueueRules,
}

impl QueueParameters {
    /// Reads them from a SEND or a SUBSCRIBE.
    ///
    /// # Errors
    /// [`Violation`] for a value that makes no sense, and for an argument that is not implemented.
    pub(crate) fn read(frame: &Frame<'_>) -> Result<Self, Violation> {
        let durable = match boolean(frame, HeaderName::Durable)? {
            None if frame.command == ClientCommand::Subscribe => {
                boolean(frame, HeaderName::Persistent)?
            }
            durable => durable,
        };
        Ok(Self {
            durable,
            auto_delete: boolean(frame, HeaderName::AutoDelete)?,
            exclusive: boolean(frame, HeaderName::Exclusive)?,
            arguments: QueueArguments::read(frame)?,
        })
    }

    /// Whether a frame has any of them.
    pub(crate) fn are_in(frame: &Frame<'_>) -> bool {
        frame.has_any(HeaderName::set(&[
            HeaderName::QueueArgument,
            HeaderName::Durable,
            HeaderName::AutoDelete,
            HeaderName::Exclusive,
        ]))
    }

    /// What the queue is to be: as RabbitMQ, one that is not durable is exclusive and ends with its last
    /// subscription unless it is said otherwise. A durable one is always shared.
    pub(crate) fn definition(&self, durable_default: bool) -> QueueDefinition {
        let durable = self.durable.unwrap_or(durable_default);
        let (expires_ms, kind, rules) = match &self.arguments {
            Some(arguments) => (
                arguments.expires_ms,
                arguments.kind,
                arguments.rules.clone(),
            ),
            None => (None, None, QueueRules::PLAIN),
        };
        QueueDefinition {
            durability: if durable {
                Durability::Durable
            } else {
                Durability::Transient
            },
            ownership: if !durable && self.exclusive.unwrap_or(true) {
                Ownership::Exclusive
            } else {
                Ownership::Shared
            },
            lifetime: if self.auto_delete.unwrap_or(!durable) {
                Lifetime::UntilUnused
            } else {
                Lifetime::Permanent
            },
            expires_ms,
            kind,
            rules,
        }
    }
}

impl QueueArguments {
    fn read(frame: &Frame<'_>) -> Result<Option<Self>, Violation> {
        if !frame.has(HeaderName::QueueArgument) {
            return Ok(None);
        }
        let mut reading = Reading::default();
        let mut seen: Vec<&[u8]> = Vec::new();
        for (name, value) in frame.all(HeaderName::QueueArgument) {
            // Of equal headers the first counts.
            if seen.contains(&name) {
                continue;
            }
            seen.push(name);
            match reading.take(name, &value) {
                Ok(()) => {}
                Err(Problem::Expected(expected)) => {
                    return Err(Violation::HeaderValue {
                        header: Excerpt::of(name),
                        value: Excerpt::of(&value),
                        expected,
                    });
                }
                Err(Problem::NotImplemented) => {
                    return Err(Violation::HeaderNotImplemented {
                        command: frame.command,
                        name: Excerpt::of(name),
                        value: Excerpt::of(&value),
                    });
                }
            }
        }
        reading.finish().map(Some)
    }
}

/// Why an argument cannot be taken.
enum Problem {
    Expected(&'static str),
    NotImplemented,
}

/// Arguments on the way to their rules.
struct Reading {
    expires_ms: Option<u64>,
    kind: Option<QueueKind>,
    rules: QueueRules,
    dead_letter_exchange: Option<ExchangeName>,
    dead_letter_key: Option<Box<[u8]>>,
    redelivery_delay_ms: Option<u64>,
    multiplier_percent: Option<u32>,
    delay_ms_max: Option<u64>,
    jitter_percent: Option<u8>,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            expires_ms: None,
            kind: None,
            rules: QueueRules::PLAIN,
            dead_letter_exchange: None,
            dead_letter_key: None,
            redelivery_delay_ms: None,
            multiplier_percent: None,
            delay_ms_max: None,
            jitter_percent: None,
        }
    }
}

const MILLISECONDS: &str = "a number of milliseconds";

impl Reading {
    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), Problem> {
        match name {
            b"x-redelivery-delay"
            | b"x-redelivery-multiplier"
            | b"x-redelivery-delay-max"
            | b"x-redelivery-jitter" => self.take_redelivery(name, value),
            b"x-queue-type" => {
                self.kind = Some(kind(value)?);
                Ok(())
            }
            b"x-dead-letter-strategy" => match value {
                b"at-most-once" | b"at-least-once" => Ok(()),
                _ => Err(Problem::Expected("at-most-once or at-least-once")),
            },
            // Where a queue's copies live and what it keeps in memory is not the client's to say here.
            b"x-queue-leader-locator"
            | b"x-initial-cluster-size"
            | b"x-quorum-initial-group-size"
            | b"x-max-in-memory-length"
            | b"x-max-in-memory-bytes" => Ok(()),
            _ => self.take_rule(name, value),
        }
    }

    fn take_rule(&mut self, name: &[u8], value: &[u8]) -> Result<(), Problem> {
        let rules = &mut self.rules;
        match name {
            b"x-message-ttl" => rules.message_ttl_ms = Some(count(value, 0, MILLISECONDS)?),
            b"x-expires" => {
                self.expires_ms = Some(count(value, 1, "a number of milliseconds, at least 1")?);
            }
            b"x-max-length" => rules.length_max = Some(count(value, 0, "a number of messages")?),
            b"x-max-length-bytes" => {
                rules.bytes_max = Some(count(value, 0, "a number of bytes")?);
            }
            b"x-overflow" => rules.overflow = Some(overflow(value)?),
            b"x-dead-letter-exchange" => {
                let expected = "the name of an exchange, at most 255 bytes";
                let name = ExchangeName::new(value).map_err(|_| Problem::Expected(expected))?;
                self.dead_letter_exchange = Some(name);
            }
            b"x-dead-letter-routing-key" => {
                self.dead_letter_key = Some(text(value, "a routing key, at most 255 bytes")?);
            }
            b"x-max-priority" => {
                let expected = "a number from 1 to 255";
                let number = count(value, 1, expected)?;
                rules.priority_max =
                    u8::try_from(number).map_err(|_| Problem::Expected(expected))?;
            }
            b"x-delivery-limit" => rules.delivery_limit = Some(delivery_limit(value)?),
            b"x-single-active-consumer" => {
                rules.single_active =
                    parse_boolean(value).ok_or(Problem::Expected("true or false"))?;
            }
            b"x-last-value-key" => {
                let expected = "the name of a header, 1 to 255 bytes";
                let name = text(value, expected)?;
                if name.is_empty() {
                    return Err(Problem::Expected(expected));
                }
                rules.last_value_header = Some(name);
            }
            _ => return Err(Problem::NotImplemented),
        }
        Ok(())
    }

    fn take_redelivery(&mut self, name: &[u8], value: &[u8]) -> Result<(), Problem> {
        match name {
            b"x-redelivery-delay" => {
                self.redelivery_delay_ms = Some(count(value, 0, MILLISECONDS)?);
            }
            b"x-redelivery-delay-max" => self.delay_ms_max = Some(count(value, 0, MILLISECONDS)?),
            b"x-redelivery-multiplier" => {
                let expected = "a factor from 1 to 100 with at most two decimals";
                let percent = percent_of_factor(value).filter(|it| (100..=10_000).contains(it));
                self.multiplier_percent = Some(percent.ok_or(Problem::Expected(expected))?);
            }
            _ => {
                let expected = "a percentage from 0 to 100";
                let percent = count(value, 0, expected)?;
                let percent = u8::try_from(percent).ok().filter(|percent| *percent <= 100);
                self.jitter_percent = Some(percent.ok_or(Problem::Expected(expected))?);
            }
        }
        Ok(())
    }

    /// Puts together what more than one argument says.
    fn finish(self) -> Result<QueueArguments, Violation> {
        let mut rules = self.rules;
        rules.dead_letter = match (self.dead_letter_exchange, self.dead_letter_key) {
            (Some(exchange), key) => Some(DeadLetter { exchange, key }),
            (None, None) => None,
            (None, Some(_)) => {
                return Err(Violation::HeaderNeeds {
                    header: "x-dead-letter-routing-key",
                    needs: "x-dead-letter-exchange",
                });
            }
        };
        let lonely = [
            (self.multiplier_percent.is_some(), "x-redelivery-multiplier"),
            (self.delay_ms_max.is_some(), "x-redelivery-delay-max"),
            (self.jitter_percent.is_some(), "x-redelivery-jitter"),
        ];
        rules.redelivery = match self.redelivery_delay_ms {
            Some(delay_ms) => Some(Redelivery {
                delay_ms,
                multiplier_percent: self.multiplier_percent.unwrap_or(100),
                delay_ms_max: self.delay_ms_max.unwrap_or(u64::MAX),
                jitter_percent: self.jitter_percent.unwrap_or(0),
            }),
            None => match lonely.into_iter().find(|(is_there, _)| *is_there) {
                Some((_, header)) => {
                    return Err(Violation::HeaderNeeds {
                        header,
                        needs: "x-redelivery-delay",
                    });
                }
                None => None,
            },
        };
        Ok(QueueArguments {
            expires_ms: self.expires_ms,
            kind: self.kind,
            rules,
        })
    }
}

fn count(value: &[u8], min: u64, expected: &'static str) -> Result<u64, Problem> {
    parse_number(value)
        .filter(|number| *number >= min)
        .ok_or(Problem::Expected(expected))
}

fn text(value: &[u8], expected: &'static str) -> Result<Box<[u8]>, Problem> {
    if value.len() > TEXT_BYTES_MAX {
        return Err(Problem::Expected(expected));
    }
    Ok(value.into())
}

/// RabbitMQ's -1 is no limit.
fn delivery_limit(value: &[u8]) -> Result<u32, Problem> {
    if value == b"-1" {
        return Ok(QueueRules::NO_DELIVERY_LIMIT);
    }
    parse_number(value)
        .and_then(|number| u32::try_from(number).ok())
        .ok_or(Problem::Expected(
            "a number of failed deliveries, or -1 for no limit",
        ))
}

fn overflow(value: &[u8]) -> Result<Overflow, Problem> {
    Overflow::named(value).ok_or(Problem::Expected(
        "drop-head, reject-publish or reject-publish-dlx",
    ))
}

fn kind(value: &[u8]) -> Result<QueueKind, Problem> {
    match value {
        b"classic" => Ok(QueueKind::Classic),
        b"quorum" => Ok(QueueKind::Quorum),
        b"stream" => Err(Problem::NotImplemented),
        _ => Err(Problem::Expected("classic or quorum")),
    }
}

/// `2`, `1.5` or `1.25` as a percentage.
fn percent_of_factor(value: &[u8]) -> Option<u32> {
    let mut parts = value.splitn(2, |octet| *octet == b'.');
    let whole = parse_number(parts.next()?)?.checked_mul(100)?;
    let hundredths = match parts.next() {
        None => 0,
        Some(tenths @ [_]) => parse_number(tenths)? * 10,
        Some(hundredths @ [_, _]) => parse_number(hundredths)?,
        Some(_) => return None,
    };
    u32::try_from(whole.checked_add(hundredths)?).ok()
}

#[cfg(test)]
mod tests;
