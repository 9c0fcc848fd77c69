//! A table as lists that are searched, with every draw that a message could make.

use model::{
    Arguments, BindingKey, ExchangeDefinition, ExchangeKind, ExchangeName, Pattern, PatternLevel,
    Property, QueueName, Value, levels,
};
use routing::{Binding, Destination, HeaderSource};
use std::collections::{BTreeMap, BTreeSet};

pub(crate) type Name = &'static str;

/// Headers as a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers(pub(crate) BTreeMap<Name, Value<'static>>);

impl HeaderSource for Headers {
    fn header(&self, name: &[u8]) -> Option<Value<'_>> {
        let (_, value) = self.0.iter().find(|(key, _)| key.as_bytes() == name)?;
        Some(value.clone())
    }

    fn property(&self, property: Property) -> Option<Value<'_>> {
        assert_eq!(
            property,
            Property::MessageId,
            "the others are not asked for"
        );
        self.header(b"id")
    }
}

#[derive(Clone, Default)]
pub(crate) struct Naive {
    pub(crate) exchanges: BTreeMap<ExchangeName, ExchangeDefinition>,
    pub(crate) bindings: BTreeSet<(ExchangeName, Binding<u8>)>,
    pub(crate) queues: BTreeMap<QueueName, u32>,
    pub(crate) subscribers: BTreeMap<u8, u32>,
}

pub(crate) type Targets = (Vec<u32>, Vec<u32>);

impl Naive {
    pub(crate) fn has(&self, destination: &Destination<u8>) -> bool {
        match destination {
            Destination::Queue(name) => self.queues.contains_key(name),
            Destination::Exchange(name) => self.exchanges.contains_key(name),
            Destination::Subscriber(key) => self.subscribers.contains_key(key),
        }
    }

    pub(crate) fn unbind_all(&mut self, destination: &Destination<u8>) {
        self.bindings
            .retain(|(_, binding)| binding.destination != *destination);
    }

    /// All that may be the outcome: one for each way in which exchanges that take one can take it.
    pub(crate) fn route(
        &self,
        exchange: &ExchangeName,
        key: &str,
        headers: &Headers,
    ) -> BTreeSet<Targets> {
        let choosing: Vec<_> = self
            .exchanges
            .iter()
            .filter(|(_, definition)| takes_one(&definition.kind))
            .map(|(name, _)| (name, self.matching(name, key, headers).len().max(1)))
            .collect();
        let ways = choosing.iter().map(|(_, count)| count).product::<usize>();
        (0..ways)
            .map(|mut way| {
                let mut choice = BTreeMap::new();
                for (name, count) in &choosing {
                    choice.insert(*name, way % count);
                    way /= count;
                }
                self.walk(exchange, key, headers, &choice)
            })
            .collect()
    }

    fn walk(
        &self,
        exchange: &ExchangeName,
        key: &str,
        headers: &Headers,
        choice: &BTreeMap<&ExchangeName, usize>,
    ) -> Targets {
        let mut visited = vec![exchange.clone()];
        let (mut queues, mut subscribers) = (BTreeSet::new(), BTreeSet::new());
        let mut index = 0;
        while let Some(name) = visited.get(index).cloned() {
            index += 1;
            let Some(definition) = self.exchanges.get(&name) else {
                continue;
            };
            let mut found = self.matching(&name, key, headers);
            if let Some(index) = choice.get(&name) {
                found = found.into_iter().skip(*index).take(1).collect();
            }
            let mut next = Vec::new();
            if found.is_empty() {
                next.extend(definition.alternate.clone());
            }
            for destination in found {
                match destination {
                    Destination::Queue(name) => drop(queues.insert(name)),
                    Destination::Subscriber(key) => drop(subscribers.insert(key)),
                    Destination::Exchange(name) => next.push(name),
                }
            }
            for name in next {
                if !visited.contains(&name) {
                    visited.push(name);
                }
            }
        }
        (
            queues.iter().map(|name| self.queues[name]).collect(),
            subscribers
                .iter()
                .map(|key| self.subscribers[key])
                .collect(),
        )
    }

    fn matching(
        &self,
        exchange: &ExchangeName,
        key: &str,
        headers: &Headers,
    ) -> BTreeSet<Destination<u8>> {
        let kind = &self.exchanges[exchange].kind;
        if *kind == ExchangeKind::Default {
            let name = QueueName::new(key.as_bytes()).ok();
            let name = name.filter(|name| self.queues.contains_key(name));
            return name.into_iter().map(Destination::Queue).collect();
        }
        self.bindings
            .iter()
            .filter(|(source, binding)| source == exchange && matches(kind, binding, key, headers))
            .map(|(_, binding)| binding.destination.clone())
            .collect()
    }
}

fn takes_one(kind: &ExchangeKind) -> bool {
    matches!(kind, ExchangeKind::Random | ExchangeKind::ConsistentHash(_))
}

fn matches(kind: &ExchangeKind, binding: &Binding<u8>, key: &str, headers: &Headers) -> bool {
    match (kind, &binding.key) {
        (ExchangeKind::Direct, BindingKey::Exact(wanted)) => **wanted == *key.as_bytes(),
        (ExchangeKind::Topic, BindingKey::Pattern(pattern)) => {
            let key: Vec<_> = levels(key.as_bytes()).collect();
            matches_levels(pattern.levels(), &key)
        }
        (ExchangeKind::Headers, _) => matches_headers(&binding.arguments, headers),
        (ExchangeKind::Default | ExchangeKind::Direct | ExchangeKind::Topic, _) => false,
        (ExchangeKind::Fanout | ExchangeKind::Random | ExchangeKind::ConsistentHash(_), _) => true,
    }
}

fn matches_levels(pattern: &[PatternLevel], key: &[&[u8]]) -> bool {
    match (pattern.split_first(), key.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((PatternLevel::Many, rest)), _) => {
            (0..=key.len()).any(|skipped| matches_levels(rest, &key[skipped..]))
        }
        (Some((PatternLevel::One, rest)), Some((_, key))) => matches_levels(rest, key),
        (Some((PatternLevel::Word(word), rest)), Some((level, key))) => {
            word.as_ref() == *level && matches_levels(rest, key)
        }
        (Some((PatternLevel::One | PatternLevel::Word(_), _)), None) => false,
    }
}

fn matches_headers(arguments: &Arguments, headers: &Headers) -> bool {
    let mode = match arguments.value(b"x-match") {
        Some(Value::Text(text)) => std::str::from_utf8(text).expect("it is valid"),
        _ => "all",
    };
    let mut conditions = arguments
        .iter()
        .filter(|(name, _)| *name != b"x-match")
        .filter(|(name, _)| mode.ends_with("-with-x") || !name.starts_with(b"x-"))
        .map(|(name, wanted)| match headers.header(name) {
            None => false,
            Some(value) => *wanted == Value::Void || *wanted == value,
        });
    if mode.starts_with("all") {
        conditions.all(|holds| holds)
    } else {
        conditions.any(|holds| holds)
    }
}

/// The binding as a table lists it.
pub(crate) fn canonical(kind: &ExchangeKind, mut binding: Binding<u8>) -> Binding<u8> {
    if let (ExchangeKind::Topic, BindingKey::Exact(key)) = (kind, &binding.key) {
        binding.key = BindingKey::Pattern(Pattern::dotted(key));
    }
    binding
}
