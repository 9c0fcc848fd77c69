//! Policies: rules for queues and exchanges by their names.

use crate::error::BadKey;
use crate::place::{Place, text};
use model::{
    ApplyTo, Policies, Policy, PolicyClass, PolicyDefinition, PolicyKey, PolicyPattern, PolicyValue,
};
use std::path::Path;

/// What the lists are called in the file.
const USERS: &str = "policy";
const OPERATORS: &str = "operator-policy";

/// The keys of one.
const KEYS: [&str; 5] = ["name", "pattern", "apply-to", "priority", "definition"];

const NAME_BYTES_MAX: usize = 255;

/// All are asked whenever something is declared.
const COUNT_MAX: usize = 1000;

/// The two lists of a file. In the file:
///
/// ```toml
/// [[policy]]                               # or: [[operator-policy]]
/// name = "orders"
/// pattern = "^orders\\."
/// apply-to = "queues"                      # "all" if left out
/// priority = 1                             # 0 if left out
/// definition = { "message-ttl" = 60000, "dead-letter-exchange" = "late" }
/// ```
#[derive(Debug, Default)]
pub(crate) struct Lists {
    users: Vec<Policy>,
    operators: Vec<Policy>,
}

impl Lists {
    /// Whether a table of this name is one of the lists. If so, it is read; what is wrong in it is added to `bad`.
    pub(crate) fn take(
        &mut self,
        name: &str,
        list: &toml::Value,
        file: &Path,
        bad: &mut Vec<BadKey>,
    ) -> bool {
        match name {
            USERS => self.users = read(PolicyClass::User, list, file, bad),
            OPERATORS => self.operators = read(PolicyClass::Operator, list, file, bad),
            _ => return false,
        }
        true
    }

    pub(crate) fn into_policies(self) -> Policies {
        Policies::new(self.users, self.operators)
    }
}

fn read(class: PolicyClass, list: &toml::Value, file: &Path, bad: &mut Vec<BadKey>) -> Vec<Policy> {
    let table = match class {
        PolicyClass::User => USERS,
        PolicyClass::Operator => OPERATORS,
    };
    let mut policies: Vec<Policy> = Vec::new();
    let mut reader = Reader {
        place: Place::new(table, file, bad),
        class,
    };
    let Some(list) = list.as_array() else {
        let allowed = format!("a list of tables, each below [[{table}]]");
        reader.place.refuse("", &list.to_string(), &allowed);
        return policies;
    };
    if list.len() > COUNT_MAX {
        let allowed = format!("at most {COUNT_MAX} of them");
        reader.place.refuse("", &list.len().to_string(), &allowed);
        return policies;
    }
    for (index, value) in list.iter().enumerate() {
        reader.place.path = format!("{table}[{index}]");
        let Some(policy) = reader.policy(value) else {
            continue;
        };
        if policies.iter().any(|other| other.name == policy.name) {
            let allowed = format!("a name that no {table} before it has");
            reader.place.refuse(".name", &policy.name, &allowed);
        }
        policies.push(policy);
    }
    policies
}

/// Reads one of the list.
struct Reader<'a> {
    /// With its name once that is known.
    place: Place<'a>,
    class: PolicyClass,
}

impl Reader<'_> {
    fn policy(&mut self, value: &toml::Value) -> Option<Policy> {
        let Some(table) = value.as_table() else {
            let allowed = "a table with name, pattern and definition";
            self.place.refuse("", &value.to_string(), allowed);
            return None;
        };
        let name = self.name(table.get("name"));
        if let Some(name) = &name {
            self.place.path = format!("{} ({name})", self.place.path);
        }
        self.place.refuse_unknown(table, &KEYS);
        let pattern = self.pattern(table.get("pattern"));
        let apply_to = self.apply_to(table.get("apply-to"));
        let priority = self.priority(table.get("priority"));
        let definition = self.definition(table.get("definition"));
        Some(Policy {
            name: name?,
            pattern: pattern?,
            apply_to: apply_to?,
            priority: priority?,
            definition: definition?,
        })
    }

    fn name(&mut self, value: Option<&toml::Value>) -> Option<Box<str>> {
        match value.and_then(toml::Value::as_str) {
            Some(name) if (1..=NAME_BYTES_MAX).contains(&name.len()) => Some(name.into()),
            Some(_) | None => {
                self.place
                    .refuse(".name", &text(value), "a name, 1 to 255 bytes");
                None
            }
        }
    }

    fn pattern(&mut self, value: Option<&toml::Value>) -> Option<PolicyPattern> {
        let allowed = "a regular expression on names, without look-around and back-references";
        let Some(pattern) = value.and_then(toml::Value::as_str) else {
            self.place.refuse(".pattern", &text(value), allowed);
            return None;
        };
        PolicyPattern::new(pattern)
            .map_err(|error| {
                let allowed = format!("{allowed} ({error})");
                self.place.refuse(".pattern", pattern, &allowed);
            })
            .ok()
    }

    fn apply_to(&mut self, value: Option<&toml::Value>) -> Option<ApplyTo> {
        let Some(value) = value else {
            return Some(ApplyTo::All);
        };
        let known = value.as_str().and_then(ApplyTo::named);
        if known.is_none() {
            let names = ApplyTo::ALL.map(|(_, name)| name);
            self.place
                .refuse(".apply-to", &text(Some(value)), &names.join(", "));
        }
        known
    }

    fn priority(&mut self, value: Option<&toml::Value>) -> Option<i64> {
        let Some(value) = value else {
            return Some(0);
        };
        let number = value.as_integer();
        if number.is_none() {
            self.place
                .refuse(".priority", &text(Some(value)), "a whole number");
        }
        number
    }

    fn definition(&mut self, value: Option<&toml::Value>) -> Option<PolicyDefinition> {
        let table = value.and_then(toml::Value::as_table);
        let Some(table) = table.filter(|table| !table.is_empty()) else {
            let allowed = "a table with at least one key";
            self.place.refuse(".definition", &text(value), allowed);
            return None;
        };
        let mut definition = PolicyDefinition::default();
        let mut is_good = true;
        for (name, value) in table {
            is_good &= self.entry(&mut definition, name, value);
        }
        is_good.then_some(definition)
    }

    /// Adds an entry of a definition. Says whether it can be.
    fn entry(
        &mut self,
        definition: &mut PolicyDefinition,
        name: &str,
        value: &toml::Value,
    ) -> bool {
        let key = PolicyKey::named(name).filter(|key| key.is_of(self.class));
        let Some(key) = key else {
            let keys = PolicyKey::ALL.into_iter();
            let keys = keys.filter(|key| key.is_of(self.class));
            let keys: Vec<_> = keys.map(PolicyKey::name).collect();
            let found = format!("{name} = {value}");
            let allowed = format!("of these keys only: {}", keys.join(", "));
            self.place.refuse(".definition", &found, &allowed);
            return false;
        };
        let given = value
            .as_integer()
            .map(PolicyValue::Number)
            .or_else(|| value.as_str().map(PolicyValue::from));
        let is_set = given.is_some_and(|given| definition.set(key, given).is_ok());
        if !is_set {
            let path = format!(".definition.{name}");
            self.place.refuse(&path, &text(Some(value)), key.allowed());
        }
        is_set
    }
}
