//! What queues, exchanges and bindings are declared as, as records keep it.
//!
//! ```text
//! queue      lifetime u8 (1 = until unused) · overflow u8 (0 = not said, 1 = reject, 2 = reject and dead-letter,
//!            3 = drop head) · highest priority u8 · single active u8 · present u16 · those of these whose bit is
//!            set, from bit 0: expires u64 · ttl u64 · length u64 · bytes u64 · dead letter exchange · dead letter
//!            key · delivery limit u32 (all bits = none) · redelivery (delay u64 · multiplier u32 · longest u64 ·
//!            jitter u8) · last value header · kind u8 (0 = classic, 1 = quorum) · time to settle u64
//! exchange   kind u8 [ header's name | property u8 ] · bits u8 (1 internal, 2 grants delays) · alternate u8 [ name ]
//! binding    source name · to u8 (0 = queue, 1 = exchange) · name · key · arguments u16 · { name · value } ...
//! key        0 · bytes | 1 · levels u16 · { 0 · bytes | 1 (one) | 2 (many) } ...
//! value      0 | 1 · u8 | 2 · i128 | 3 · f64 | 4 · bytes | 5 · bytes
//! ```
//! Names stand behind their length (u8), other bytes behind theirs (u32).

use super::EntryError;
use super::fields::{Fields, Put, count_u16};
use broker_api::{Bind, BindTo};
use model::{
    Access, Arguments, BindingKey, DeadLetter, Delays, Durability, ExchangeDefinition,
    ExchangeKind, ExchangeName, HashOn, Lifetime, Overflow, Ownership, Pattern, PatternLevel,
    Property, QueueDefinition, QueueKind, QueueName, QueueRules, Redelivery, Value,
};

/// Bits of an exchange.
const INTERNAL: u8 = 1;
const GRANTS_DELAYS: u8 = 2;

const PROPERTIES: [Property; 19] = [
    Property::ContentType,
    Property::ContentEncoding,
    Property::CorrelationId,
    Property::MessageId,
    Property::ReplyTo,
    Property::Timestamp,
    Property::Type,
    Property::UserId,
    Property::AppId,
    Property::GroupId,
    Property::Destination,
    Property::Persistence,
    Property::Priority,
    Property::Expiration,
    Property::GroupSequence,
    Property::PayloadFormat,
    Property::Retained,
    Property::Assurance,
    Property::ReplyToSpelling,
];

pub(super) fn put_queue(to: &mut Vec<u8>, definition: &QueueDefinition) {
    let rules = &definition.rules;
    to.u8(u8::from(definition.lifetime == Lifetime::UntilUnused));
    to.u8(match rules.overflow {
        None => 0,
        Some(Overflow::RejectPublish) => 1,
        Some(Overflow::RejectPublishDeadLetter) => 2,
        Some(Overflow::DropHead) => 3,
    });
    to.u8(rules.priority_max);
    to.u8(u8::from(rules.single_active));
    let dead_letter_key = rules.dead_letter.as_ref().and_then(|to| to.key.as_deref());
    let present = [
        definition.expires_ms.is_some(),
        rules.message_ttl_ms.is_some(),
        rules.length_max.is_some(),
        rules.bytes_max.is_some(),
        rules.dead_letter.is_some(),
        dead_letter_key.is_some(),
        rules.delivery_limit.is_some(),
        rules.redelivery.is_some(),
        rules.last_value_header.is_some(),
        definition.kind.is_some(),
        rules.settle_ms.is_some(),
    ];
    let bit = |(at, is_present): (usize, bool)| u16::from(is_present) << at;
    to.u16(present.into_iter().enumerate().map(bit).sum());
    for number in [
        definition.expires_ms,
        rules.message_ttl_ms,
        rules.length_max,
        rules.bytes_max,
    ] {
        number.into_iter().for_each(|number| to.u64(number));
    }
    if let Some(dead_letter) = &rules.dead_letter {
        to.short(dead_letter.exchange.as_bytes());
    }
    dead_letter_key.into_iter().for_each(|key| to.long(key));
    rules
        .delivery_limit
        .into_iter()
        .for_each(|limit| to.u32(limit));
    if let Some(redelivery) = &rules.redelivery {
        to.u64(redelivery.delay_ms);
        to.u32(redelivery.multiplier_percent);
        to.u64(redelivery.delay_ms_max);
        to.u8(redelivery.jitter_percent);
    }
    rules
        .last_value_header
        .iter()
        .for_each(|name| to.long(name));
    if let Some(kind) = definition.kind {
        to.u8(match kind {
            QueueKind::Classic => 0,
            QueueKind::Quorum => 1,
        });
    }
    rules.settle_ms.into_iter().for_each(|ms| to.u64(ms));
}

pub(super) fn queue(fields: &mut Fields<'_>) -> Result<QueueDefinition, EntryError> {
    let lifetime = if flag(fields, "lifetime")? {
        Lifetime::UntilUnused
    } else {
        Lifetime::Permanent
    };
    let overflow = match fields.u8("overflow")? {
        0 => None,
        1 => Some(Overflow::RejectPublish),
        2 => Some(Overflow::RejectPublishDeadLetter),
        3 => Some(Overflow::DropHead),
        _ => return Err(fields.bad("overflow")),
    };
    let priority_max = fields.u8("highest priority")?;
    let single_active = flag(fields, "single active")?;
    let present = fields.u16("present")?;
    let has = |bit: u16| present >> bit & 1 == 1;
    if present >> 11 != 0 {
        return Err(fields.bad("present"));
    }
    let mut number = |bit, name| has(bit).then(|| fields.u64(name)).transpose();
    let expires_ms = number(0, "expires")?;
    let message_ttl_ms = number(1, "ttl")?;
    let length_max = number(2, "length")?;
    let bytes_max = number(3, "bytes")?;
    let exchange = has(4).then(|| exchange_name(fields)).transpose()?;
    let key = has(5)
        .then(|| fields.long("dead letter key"))
        .transpose()?
        .map(Box::from);
    if exchange.is_none() && key.is_some() {
        return Err(fields.bad("dead letter key"));
    }
    let delivery_limit = has(6).then(|| fields.u32("delivery limit")).transpose()?;
    let redelivery = has(7).then(|| redelivery(fields)).transpose()?;
    let last_value_header = has(8)
        .then(|| fields.long("last value header"))
        .transpose()?
        .map(Box::from);
    let kind = has(9).then(|| kind(fields)).transpose()?;
    let settle_ms = has(10).then(|| fields.u64("time to settle")).transpose()?;
    Ok(QueueDefinition {
        durability: Durability::Durable,
        ownership: Ownership::Shared,
        lifetime,
        expires_ms,
        kind,
        rules: QueueRules {
            message_ttl_ms,
            length_max,
            bytes_max,
            overflow,
            dead_letter: exchange.map(|exchange| DeadLetter { exchange, key }),
            priority_max,
            delivery_limit,
            redelivery,
            single_active,
            last_value_header,
            settle_ms,
        },
    })
}

fn kind(fields: &mut Fields<'_>) -> Result<QueueKind, EntryError> {
    match fields.u8("kind")? {
        0 => Ok(QueueKind::Classic),
        1 => Ok(QueueKind::Quorum),
        _ => Err(fields.bad("kind")),
    }
}

fn redelivery(fields: &mut Fields<'_>) -> Result<Redelivery, EntryError> {
    Ok(Redelivery {
        delay_ms: fields.u64("redelivery delay")?,
        multiplier_percent: fields.u32("redelivery multiplier")?,
        delay_ms_max: fields.u64("longest redelivery delay")?,
        jitter_percent: fields.u8("redelivery jitter")?,
    })
}

pub(super) fn put_exchange(to: &mut Vec<u8>, definition: &ExchangeDefinition) {
    match &definition.kind {
        ExchangeKind::Default => to.u8(0),
        ExchangeKind::Direct => to.u8(1),
        ExchangeKind::Fanout => to.u8(2),
        ExchangeKind::Topic => to.u8(3),
        ExchangeKind::Headers => to.u8(4),
        ExchangeKind::Random => to.u8(5),
        ExchangeKind::ConsistentHash(HashOn::RoutingKey) => to.u8(6),
        ExchangeKind::ConsistentHash(HashOn::Header(name)) => {
            to.u8(7);
            to.long(name);
        }
        ExchangeKind::ConsistentHash(HashOn::Property(property)) => {
            to.u8(8);
            let at = PROPERTIES.iter().position(|known| known == property);
            to.u8(u8::try_from(at.unwrap_or_default()).unwrap_or_default());
        }
    }
    let bit = |is_set: bool, bit: u8| if is_set { bit } else { 0 };
    to.u8(bit(definition.access == Access::Internal, INTERNAL)
        | bit(definition.delays == Delays::Granted, GRANTS_DELAYS));
    to.u8(u8::from(definition.alternate.is_some()));
    if let Some(alternate) = &definition.alternate {
        to.short(alternate.as_bytes());
    }
}

pub(super) fn exchange(fields: &mut Fields<'_>) -> Result<ExchangeDefinition, EntryError> {
    let kind = match fields.u8("exchange kind")? {
        0 => ExchangeKind::Default,
        1 => ExchangeKind::Direct,
        2 => ExchangeKind::Fanout,
        3 => ExchangeKind::Topic,
        4 => ExchangeKind::Headers,
        5 => ExchangeKind::Random,
        6 => ExchangeKind::ConsistentHash(HashOn::RoutingKey),
        7 => ExchangeKind::ConsistentHash(HashOn::Header(fields.long("hashed header")?.into())),
        8 => {
            let at = usize::from(fields.u8("hashed property")?);
            let property = PROPERTIES.get(at).ok_or(fields.bad("hashed property"))?;
            ExchangeKind::ConsistentHash(HashOn::Property(*property))
        }
        _ => return Err(fields.bad("exchange kind")),
    };
    let bits = fields.u8("bits")?;
    if bits & !(INTERNAL | GRANTS_DELAYS) != 0 {
        return Err(fields.bad("bits"));
    }
    let access = if bits & INTERNAL != 0 {
        Access::Internal
    } else {
        Access::Public
    };
    let delays = if bits & GRANTS_DELAYS != 0 {
        Delays::Granted
    } else {
        Delays::Ignored
    };
    let has_alternate = flag(fields, "alternate")?;
    Ok(ExchangeDefinition {
        kind,
        access,
        delays,
        alternate: has_alternate.then(|| exchange_name(fields)).transpose()?,
    })
}

pub(super) fn put_binding(to: &mut Vec<u8>, bind: &Bind) {
    to.short(bind.source.as_bytes());
    match &bind.destination {
        BindTo::Queue(name) => {
            to.u8(0);
            to.short(name.as_bytes());
        }
        BindTo::Exchange(name) => {
            to.u8(1);
            to.short(name.as_bytes());
        }
    }
    match &bind.key {
        BindingKey::Exact(key) => {
            to.u8(0);
            to.long(key);
        }
        BindingKey::Pattern(pattern) => {
            to.u8(1);
            to.u16(count_u16(pattern.levels().len()));
            for level in pattern.levels() {
                match level {
                    PatternLevel::Word(word) => {
                        to.u8(0);
                        to.long(word);
                    }
                    PatternLevel::One => to.u8(1),
                    PatternLevel::Many => to.u8(2),
                }
            }
        }
    }
    to.u16(count_u16(bind.arguments.iter().count()));
    for (name, value) in bind.arguments.iter() {
        to.long(name);
        put_value(to, value);
    }
}

fn put_value(to: &mut Vec<u8>, value: &Value<'_>) {
    match value {
        Value::Void => to.u8(0),
        Value::Bool(value) => {
            to.u8(1);
            to.u8(u8::from(*value));
        }
        Value::Integer(value) => {
            to.u8(2);
            to.extend_from_slice(&value.to_le_bytes());
        }
        Value::Float(value) => {
            to.u8(3);
            to.extend_from_slice(&value.number().to_le_bytes());
        }
        Value::Text(text) => {
            to.u8(4);
            to.long(text);
        }
        Value::Opaque(bytes) => {
            to.u8(5);
            to.long(bytes);
        }
    }
}

pub(super) fn binding(fields: &mut Fields<'_>) -> Result<Bind, EntryError> {
    let source = exchange_name(fields)?;
    let destination = if flag(fields, "destination")? {
        BindTo::Exchange(exchange_name(fields)?)
    } else {
        let name = fields.short("destination")?;
        BindTo::Queue(QueueName::new(name).map_err(|_| fields.bad("destination"))?)
    };
    let key = if flag(fields, "key")? {
        BindingKey::Pattern(pattern(fields)?)
    } else {
        BindingKey::Exact(fields.long("key")?.into())
    };
    let count = fields.u16("arguments")?;
    let mut arguments = Vec::new();
    for _ in 0..count {
        let name = fields.long("argument")?;
        arguments.push((name, value(fields)?));
    }
    Ok(Bind {
        source,
        destination,
        key,
        arguments: arguments.into_iter().collect::<Arguments>(),
    })
}

fn pattern(fields: &mut Fields<'_>) -> Result<Pattern, EntryError> {
    let count = fields.u16("levels")?;
    let mut levels = Vec::new();
    for _ in 0..count {
        levels.push(match fields.u8("level")? {
            0 => PatternLevel::Word(fields.long("level")?.into()),
            1 => PatternLevel::One,
            2 => PatternLevel::Many,
            _ => return Err(fields.bad("level")),
        });
    }
    Ok(Pattern::of_levels(levels))
}

fn value<'a>(fields: &mut Fields<'a>) -> Result<Value<'a>, EntryError> {
    let name = "value";
    Ok(match fields.u8(name)? {
        0 => Value::Void,
        1 => Value::Bool(flag(fields, name)?),
        2 => Value::Integer(fields.array(name).map(i128::from_le_bytes)?),
        3 => Value::float(fields.array(name).map(f64::from_le_bytes)?),
        4 => Value::Text(fields.long(name)?.into()),
        5 => Value::Opaque(fields.long(name)?.into()),
        _ => return Err(fields.bad(name)),
    })
}

pub(super) fn exchange_name(fields: &mut Fields<'_>) -> Result<ExchangeName, EntryError> {
    let name = fields.short("exchange's name")?;
    ExchangeName::new(name).map_err(|_| fields.bad("exchange's name"))
}

pub(super) fn flag(fields: &mut Fields<'_>, name: &'static str) -> Result<bool, EntryError> {
    match fields.u8(name)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(fields.bad(name)),
    }
}
