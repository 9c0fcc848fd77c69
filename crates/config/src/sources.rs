//! Collects values from file, environment and flags, the later over the earlier.

use crate::composite::{self, Composite};
use crate::error::{BadKey, Origin};
use crate::key::{Empty, Key, Kind};
use crate::policy;
use crate::settings::Config;
use crate::table::KEYS;
use crate::value::number;
use std::collections::BTreeMap;
use std::path::Path;

/// The variable that names the file; not a key, as a file cannot name itself.
pub(crate) const CONFIG_ENV: &str = "BARID_CONFIG";

/// How alike two names must be, from 0 to 1, for one to be suggested instead of the other.
const LIKENESS_MIN: f64 = 0.7;

/// A value as it was given, and where.
#[derive(Debug)]
struct Given {
    value: String,
    origin: Origin,
}

/// Values by key, of the strongest source so far, and what is wrong with any.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    given: BTreeMap<&'static str, Given>,
    composites: Vec<Composite>,
    policies: policy::Lists,
    bad: Vec<BadKey>,
}

impl Sources {
    /// Takes every key of a file.
    pub(crate) fn add_file(&mut self, path: &Path, table: &toml::Table) {
        let mut leaves = Vec::new();
        for (name, value) in table {
            if name == composite::TABLE {
                self.composites = composite::read(value, path, &mut self.bad);
            } else if !self.policies.take(name, value, path, &mut self.bad) {
                flatten(name.clone(), value, &mut leaves);
            }
        }
        for (key, value) in leaves {
            let origin = Origin::File(path.to_owned());
            match KEYS.iter().find(|known| known.path == key) {
                Some(known) => self.give(known, value, origin),
                None => self.unknown(&key, origin, KEYS.iter().map(|known| known.path.to_owned())),
            }
        }
    }

    /// Takes a variable of the environment, if it is one of ours.
    pub(crate) fn add_env(&mut self, name: &str, value: String) {
        if !name.starts_with("BARID_") || name == CONFIG_ENV {
            return;
        }
        let origin = Origin::Env(name.to_owned());
        match KEYS.iter().find(|known| known.env() == name) {
            Some(known) => self.give(known, value, origin),
            None if is_service_link(name) => {}
            None => {
                let names = KEYS.iter().map(Key::env);
                self.unknown(name, origin, names.chain([CONFIG_ENV.to_owned()]));
            }
        }
    }

    /// Takes a flag of the command line.
    pub(crate) fn add_flag(&mut self, key: &'static Key, value: String) {
        self.give(key, value, Origin::Flag(key.flag()));
    }

    fn give(&mut self, key: &'static Key, value: String, origin: Origin) {
        self.given.insert(key.path, Given { value, origin });
    }

    fn unknown(&mut self, key: &str, origin: Origin, names: impl Iterator<Item = String>) {
        self.bad.push(unknown(key, origin, names));
    }

    /// Checks every value and fills in the defaults.
    pub(crate) fn resolve(mut self) -> Result<Config, Vec<BadKey>> {
        let mut config = Config::blank();
        config.composites = std::mem::take(&mut self.composites);
        config.policies = std::mem::take(&mut self.policies).into_policies();
        for key in KEYS {
            let given = self.given.remove(key.path).unwrap_or_else(|| Given {
                value: key.default.to_owned(),
                origin: Origin::Default,
            });
            let taken = set(&mut config, key, &given.value);
            if !taken {
                self.refuse(key.path, given, key.allowed());
            } else if key.path == "subscriber.hold_window_ms" {
                self.check_hold(&config, given);
            }
        }
        if self.bad.is_empty() {
            Ok(config)
        } else {
            Err(self.bad)
        }
    }

    /// The only rule between two keys. `subscriber.hold_ms` stands before its window in the table.
    fn check_hold(&mut self, config: &Config, window: Given) {
        let subscriber = &config.subscriber;
        if subscriber.hold_window < subscriber.hold {
            let hold = subscriber.hold.as_millis();
            let allowed = format!("at least subscriber.hold_ms, which is {hold}");
            self.refuse("subscriber.hold_window_ms", window, allowed);
        }
    }

    fn refuse(&mut self, path: &str, given: Given, allowed: String) {
        self.bad.push(BadKey::Value {
            key: path.to_owned(),
            origin: given.origin,
            value: given.value,
            allowed,
        });
    }
}

/// A key that there is not, with the one of `names` that was probably meant.
pub(crate) fn unknown(key: &str, origin: Origin, names: impl Iterator<Item = String>) -> BadKey {
    let nearest = names
        .map(|name| (strsim::jaro_winkler(key, &name), name))
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .map(|(_, name)| name);
    BadKey::Unknown {
        key: key.to_owned(),
        origin,
        nearest,
    }
}

/// Writes a value to its place; says whether it may be there.
fn set(config: &mut Config, key: &Key, value: &str) -> bool {
    match key.kind {
        Kind::Text { set, empty, .. } => {
            let taken = empty == Empty::Allowed || !value.trim().is_empty();
            if taken {
                set(config, value);
            }
            taken
        }
        Kind::Number {
            unit,
            min,
            max,
            set,
        } => {
            let number = number(unit, value).filter(|number| (min..=max).contains(number));
            if let Some(number) = number {
                set(config, number);
            }
            number.is_some()
        }
        Kind::Choice(options) => {
            let option = options.iter().find(|(name, _)| *name == value.trim());
            if let Some((_, set)) = option {
                set(config);
            }
            option.is_some()
        }
    }
}

/// Every value that is no table, with its path.
fn flatten(path: String, value: &toml::Value, leaves: &mut Vec<(String, String)>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                flatten(format!("{path}.{name}"), value, leaves);
            }
        }
        toml::Value::String(text) => leaves.push((path, text.clone())),
        toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)
        | toml::Value::Array(_) => leaves.push((path, value.to_string())),
    }
}

/// Whether Docker or Kubernetes makes such a variable for a service that is called `barid` or
/// `barid-…`: the operator did not write it, so it is no mistake of theirs.
fn is_service_link(name: &str) -> bool {
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split("_PORT_").nth(1).is_some_and(|rest| {
            let port = rest.split('_').next().unwrap_or_default();
            !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        })
}
