//! Bindings in requests and answers.

use crate::text::{hex, hex_entry};
use crate::{Invalid, Text};
use broker_api::{Bind, BindTo};
use model::{Arguments, BindingKey, ExchangeName, QueueName, Value};
use serde::de::{Error, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// What bytes of an argument are called in JSON: text that is not UTF-8, and values of types that JSON
/// does not have.
const BYTES: &[&str] = &["hex", "opaque"];

/// A binding: to make, to take away, or as it is listed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The exchange that it leads from.
    pub source: Text,
    /// The queue or the exchange that it leads to.
    pub destination: Text,
    /// Which of these.
    #[serde(default)]
    pub destination_type: DestinationType,
    /// What it asks of the routing key, in the spelling of AMQP 0-9-1; empty if left out.
    #[serde(default)]
    pub routing_key: Text,
    /// What else it asks, by name. Names are read and shown as UTF-8.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arguments: BTreeMap<String, Argument>,
}

/// What a binding leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DestinationType {
    /// A queue.
    #[default]
    Queue,
    /// An exchange.
    Exchange,
}

/// The value of an argument: in JSON null, true or false, a number, a string; `{"hex":"00ff"}` for
/// text that is not UTF-8, `{"opaque":"00ff"}` for what JSON has no type for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Argument(pub Value<'static>);

impl TryFrom<Binding> for Bind {
    type Error = Invalid;

    fn try_from(binding: Binding) -> Result<Self, Invalid> {
        let to = &binding.destination.0;
        Ok(Self {
            source: ExchangeName::new(&binding.source.0)?,
            destination: match binding.destination_type {
                DestinationType::Queue => BindTo::Queue(QueueName::new(to)?),
                DestinationType::Exchange => BindTo::Exchange(ExchangeName::new(to)?),
            },
            key: BindingKey::Exact(binding.routing_key.0.into()),
            arguments: binding
                .arguments
                .into_iter()
                .map(|(name, argument)| (name, argument.0))
                .collect::<Arguments>(),
        })
    }
}

impl From<&Bind> for Binding {
    fn from(bind: &Bind) -> Self {
        let (destination, destination_type) = match &bind.destination {
            BindTo::Queue(name) => (name.as_bytes(), DestinationType::Queue),
            BindTo::Exchange(name) => (name.as_bytes(), DestinationType::Exchange),
        };
        let argument = |(name, value): (&[u8], &Value<'static>)| {
            let name = String::from_utf8_lossy(name).into_owned();
            (name, Argument(value.clone()))
        };
        Self {
            source: bind.source.as_bytes().into(),
            destination: destination.into(),
            destination_type,
            routing_key: Text(bind.key.spelling().into_owned()),
            arguments: bind.arguments.iter().map(argument).collect(),
        }
    }
}

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = |serializer: S, name: &str, bytes: &[u8]| {
            let mut map = serializer.serialize_map(Some(1))?;
            map.serialize_entry(name, &hex(bytes))?;
            map.end()
        };
        match &self.0 {
            Value::Void => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Integer(value) => {
                if let Ok(value) = i64::try_from(*value) {
                    serializer.serialize_i64(value)
                } else if let Ok(value) = u64::try_from(*value) {
                    serializer.serialize_u64(value)
                } else {
                    // So large a one was made of a floating point number.
                    #[expect(clippy::cast_precision_loss, reason = "it has that precision")]
                    serializer.serialize_f64(*value as f64)
                }
            }
            Value::Float(value) => serializer.serialize_f64(value.number()),
            Value::Text(text) => match std::str::from_utf8(text) {
                Ok(text) => serializer.serialize_str(text),
                Err(_) => bytes(serializer, BYTES[0], text),
            },
            Value::Opaque(content) => bytes(serializer, BYTES[1], content),
        }
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(ArgumentVisitor)
            .map(|value| Self(value.into_owned()))
    }
}

struct ArgumentVisitor;

impl<'de> Visitor<'de> for ArgumentVisitor {
    type Value = Value<'static>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "null, true or false, a number, text, {\"hex\":\"...\"} or {\"opaque\":\"...\"}",
        )
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'static>, E> {
        Ok(Value::Void)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'static>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'static>, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'static>, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value<'static>, E> {
        Ok(Value::float(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value<'static>, E> {
        Ok(Value::text(text).into_owned())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'static>, A::Error> {
        let (name, bytes) = hex_entry(&mut map, BYTES)?;
        Ok(if name == BYTES[0] {
            Value::Text(bytes.into())
        } else {
            Value::Opaque(bytes.into())
        })
    }
}
