//! Policies in answers.

use crate::Text;
use model::{Policy, PolicyValue};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The policies that apply to a queue or exchange, and what they say together, by RabbitMQ's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The name of the user's, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// The name of the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_policy: Option<Text>,
    /// What they say; not what is declared.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub effective_policy_definition: Map<String, Value>,
}

impl From<&model::Applied> for Applied {
    fn from(applied: &model::Applied) -> Self {
        let name = |policy: &Arc<Policy>| Text::from(&*policy.name);
        let definition = applied.definition();
        let pairs = definition.iter().map(|(key, value)| {
            let value = match value {
                PolicyValue::Number(number) => Value::from(*number),
                PolicyValue::Text(text) => Value::from(&**text),
            };
            (key.name().to_owned(), value)
        });
        Self {
            policy: applied.user.as_ref().map(name),
            operator_policy: applied.operator.as_ref().map(name),
            effective_policy_definition: pairs.collect(),
        }
    }
}
