//! Names that stand for several others.

use crate::error::BadKey;
use crate::place::{Place, text};
use std::fmt;
use std::path::Path;

/// What the list is called in the file.
pub(crate) const TABLE: &str = "composite";

/// The keys of one.
const KEYS: [&str; 4] = ["queue", "topic", "to", "keep"];

const QUEUE_SCHEME: &str = "queue://";
const TOPIC_SCHEME: &str = "topic://";

/// A name that stands for several others: what is sent to it goes to these. In the file:
///
/// ```toml
/// [[composite]]
/// queue = "orders"                        # or: topic = "orders.new"
/// to = ["queue://a", "topic://b.c"]
/// keep = false                            # if left out
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composite {
    /// The name.
    pub name: Destination,
    /// What it stands for; at least one, in the order of the file.
    pub to: Vec<Destination>,
    /// Whether a message also goes to the name itself.
    pub keep: bool,
}

/// Where messages are sent to, by name. The names are not empty and not yet parsed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// A queue.
    Queue(String),
    /// A topic, its levels separated by `.`.
    Topic(String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) => write!(f, "{QUEUE_SCHEME}{name}"),
            Self::Topic(name) => write!(f, "{TOPIC_SCHEME}{name}"),
        }
    }
}

impl Destination {
    fn parse(text: &str) -> Option<Self> {
        let named = |make: fn(String) -> Self, name: &str| {
            let name = name.trim();
            (!name.is_empty()).then(|| make(name.to_owned()))
        };
        if let Some(name) = text.strip_prefix(QUEUE_SCHEME) {
            return named(Self::Queue, name);
        }
        text.strip_prefix(TOPIC_SCHEME)
            .and_then(|name| named(Self::Topic, name))
    }
}

/// Reads the list; what is wrong in it is added to `bad`.
pub(crate) fn read(list: &toml::Value, file: &Path, bad: &mut Vec<BadKey>) -> Vec<Composite> {
    let mut composites: Vec<Composite> = Vec::new();
    let mut reader = Reader(Place::new(TABLE, file, bad));
    let Some(list) = list.as_array() else {
        let allowed = "a list of tables, each below [[composite]]";
        reader.0.refuse("", &list.to_string(), allowed);
        return composites;
    };
    for (index, value) in list.iter().enumerate() {
        reader.0.path = format!("{TABLE}[{index}]");
        let Some(composite) = reader.composite(value) else {
            continue;
        };
        if composites.iter().any(|other| other.name == composite.name) {
            let name = composite.name.to_string();
            reader
                .0
                .refuse("", &name, "a name that no composite before it has");
        }
        composites.push(composite);
    }
    composites
}

/// Reads one of the list, at its place in the file.
struct Reader<'a>(Place<'a>);

impl Reader<'_> {
    fn composite(&mut self, value: &toml::Value) -> Option<Composite> {
        let Some(table) = value.as_table() else {
            self.0.refuse(
                "",
                &value.to_string(),
                "a table with queue or topic, and to",
            );
            return None;
        };
        self.0.refuse_unknown(table, &KEYS);
        let name = self.name(table);
        let to = self.to(table);
        let keep = match table.get("keep") {
            None => Some(false),
            Some(toml::Value::Boolean(keep)) => Some(*keep),
            Some(other) => {
                self.0.refuse(".keep", &text(Some(other)), "true, false");
                None
            }
        };
        Some(Composite {
            name: name?,
            to: to?,
            keep: keep?,
        })
    }

    fn name(&mut self, table: &toml::Table) -> Option<Destination> {
        let (key, value, make): (_, _, fn(String) -> Destination) =
            match (table.get("queue"), table.get("topic")) {
                (Some(queue), None) => (".queue", queue, Destination::Queue),
                (None, Some(topic)) => (".topic", topic, Destination::Topic),
                (queue, _) => {
                    let given = queue.map_or("neither", |_| "both");
                    self.0
                        .refuse("", given, "either queue or topic, with its name");
                    return None;
                }
            };
        match value.as_str().map(str::trim) {
            Some(name) if !name.is_empty() => Some(make(name.to_owned())),
            Some(_) | None => {
                self.0.refuse(key, &text(Some(value)), "a name");
                None
            }
        }
    }

    fn to(&mut self, table: &toml::Table) -> Option<Vec<Destination>> {
        let allowed = "a list of at least one \"queue://NAME\" or \"topic://NAME\"";
        let list = match table.get("to") {
            Some(toml::Value::Array(list)) if !list.is_empty() => list,
            Some(other) => {
                self.0.refuse(".to", &text(Some(other)), allowed);
                return None;
            }
            None => {
                self.0.refuse(".to", "", allowed);
                return None;
            }
        };
        let mut to = Vec::new();
        for (index, value) in list.iter().enumerate() {
            match value.as_str().and_then(Destination::parse) {
                Some(destination) => to.push(destination),
                None => {
                    let key = format!(".to[{index}]");
                    self.0
                        .refuse(&key, &text(Some(value)), "queue://NAME, topic://NAME");
                }
            }
        }
        (to.len() == list.len()).then_some(to)
    }
}
