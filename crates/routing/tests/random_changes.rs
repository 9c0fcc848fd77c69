//! Random changes to a table and to lists that are searched: both route alike and list alike, and
//! snapshots do not change.

mod naive;

use model::{
    Access, Arguments, Delays, ExchangeDefinition, ExchangeKind, ExchangeName, HashOn, Property,
    QueueName, Value,
};
use naive::{Headers, Naive, Name, canonical};
use proptest::prelude::*;
use proptest::sample::select;
use routing::{Binding, Destination, Table};

const EXCHANGES: &[Name] = &["direct", "fanout", "topic", "headers", "hash", "random"];
const SOURCES: &[Name] = &[
    "direct",
    "fanout",
    "topic",
    "headers",
    "hash",
    "random",
    "",
    "amq.topic",
    "amq.match",
    "gone",
];
const QUEUES: &[Name] = &["a", "a.b", "q"];
const KEYS: &[Name] = &["a", "a.b", "b", "", "a.a.b"];

#[derive(Clone, Debug)]
enum Change {
    Exchange(Name, Option<Name>),
    NoExchange(Name),
    Queue(Name, u32),
    NoQueue(Name),
    Subscriber(u8, u32),
    NoSubscriber(u8),
    Bind(Name, Binding<u8>),
    /// Removes the binding with this number among those there are.
    Unbind(usize),
    UnbindEqual(Name, Binding<u8>),
}

fn name(name: &str) -> ExchangeName {
    ExchangeName::new(name.as_bytes()).expect("it is valid")
}

fn queue(name: &str) -> QueueName {
    QueueName::new(name.as_bytes()).expect("it is valid")
}

fn definition(exchange: &str, alternate: Option<Name>) -> ExchangeDefinition {
    let kind = match exchange {
        "direct" => ExchangeKind::Direct,
        "fanout" => ExchangeKind::Fanout,
        "topic" => ExchangeKind::Topic,
        "headers" => ExchangeKind::Headers,
        "hash" => ExchangeKind::ConsistentHash(HashOn::Property(Property::MessageId)),
        "random" => ExchangeKind::Random,
        other => panic!("{other} is not declared"),
    };
    ExchangeDefinition {
        kind,
        alternate: alternate.map(name),
        access: Access::Public,
        delays: Delays::Ignored,
    }
}

fn value() -> impl Strategy<Value = Value<'static>> {
    select(vec![
        Value::Void,
        Value::Bool(true),
        Value::Integer(1),
        Value::float(1.0),
        Value::float(1.5),
        Value::text("1"),
        Value::text("2"),
    ])
}

fn arguments() -> impl Strategy<Value = Arguments> {
    let mode = select(vec![
        None,
        Some("all"),
        Some("any"),
        Some("all-with-x"),
        Some("any-with-x"),
    ]);
    let conditions = prop::collection::btree_map(select(vec!["id", "n", "x-n"]), value(), 0..3);
    (mode, conditions).prop_map(|(mode, conditions)| {
        let mode = mode.map(|mode| ("x-match", Value::text(mode)));
        conditions.into_iter().chain(mode).collect()
    })
}

fn destination() -> impl Strategy<Value = Destination<u8>> {
    prop_oneof![
        3 => select(QUEUES).prop_map(|name| Destination::Queue(queue(name))),
        2 => select(EXCHANGES).prop_map(|exchange| Destination::Exchange(name(exchange))),
        2 => (0..3_u8).prop_map(Destination::Subscriber),
    ]
}

fn binding() -> impl Strategy<Value = (Name, Binding<u8>)> {
    let keys = select(vec!["a", "a.b", "", "a.*", "#", "#.b", "*.#"]);
    let weights = select(vec!["1", "2", "0", "x"]);
    (select(SOURCES), destination(), keys, weights, arguments()).prop_map(
        |(source, destination, key, weight, arguments)| {
            let key = if source == "hash" { weight } else { key };
            let binding = Binding::new(destination, key.as_bytes());
            (
                source,
                Binding {
                    arguments,
                    ..binding
                },
            )
        },
    )
}

fn change() -> impl Strategy<Value = Change> {
    let alternate = select(vec![
        None,
        Some("fanout"),
        Some("topic"),
        Some("hash"),
        Some(""),
    ]);
    prop_oneof![
        4 => (select(EXCHANGES), alternate).prop_map(|(name, alternate)| Change::Exchange(name, alternate)),
        1 => select(SOURCES).prop_map(Change::NoExchange),
        2 => (select(QUEUES), 0..9_u32).prop_map(|(name, target)| Change::Queue(name, target)),
        1 => select(QUEUES).prop_map(Change::NoQueue),
        2 => (0..3_u8, 0..9_u32).prop_map(|(key, target)| Change::Subscriber(key, target)),
        1 => (0..3_u8).prop_map(Change::NoSubscriber),
        10 => binding().prop_map(|(source, binding)| Change::Bind(source, binding)),
        2 => (0..40_usize).prop_map(Change::Unbind),
        1 => binding().prop_map(|(source, binding)| Change::UnbindEqual(source, binding)),
    ]
}

fn headers() -> impl Strategy<Value = Headers> {
    prop::collection::btree_map(select(vec!["id", "n", "x-n", "other"]), value(), 0..4)
        .prop_map(Headers)
}

type Real = Table<u8, u32, u32>;

fn apply(table: &Real, naive: &mut Naive, change: Change) -> Real {
    match change {
        Change::Exchange(exchange, alternate) => {
            let definition = definition(exchange, alternate);
            let changed = table.with_exchange(&name(exchange), definition.clone());
            let present = naive
                .exchanges
                .entry(name(exchange))
                .or_insert(definition.clone());
            assert_eq!(changed.is_ok(), present.is_equivalent(&definition));
            changed.unwrap_or_else(|_| table.clone())
        }
        Change::NoExchange(exchange) => {
            let changed = table.without_exchange(&name(exchange));
            let predeclared = exchange.is_empty() || exchange.starts_with("amq.");
            assert_eq!(changed.is_err(), predeclared);
            if !predeclared {
                naive.exchanges.remove(&name(exchange));
                naive.unbind_all(&Destination::Exchange(name(exchange)));
                naive
                    .bindings
                    .retain(|(source, _)| *source != name(exchange));
            }
            changed.unwrap_or_else(|_| table.clone())
        }
        Change::Queue(name, target) => {
            naive.queues.insert(queue(name), target);
            table.with_queue(queue(name), target)
        }
        Change::NoQueue(name) => {
            naive.queues.remove(&queue(name));
            naive.unbind_all(&Destination::Queue(queue(name)));
            table.without_queue(&queue(name))
        }
        Change::Subscriber(key, target) => {
            naive.subscribers.insert(key, target);
            table.with_subscriber(key, target)
        }
        Change::NoSubscriber(key) => {
            naive.subscribers.remove(&key);
            naive.unbind_all(&Destination::Subscriber(key));
            table.without_subscriber(&key)
        }
        Change::Bind(source, binding) => {
            let changed = table.with_binding(source.as_bytes(), binding.clone());
            let is_weight = |key: &[u8]| key == b"1" || key == b"2";
            let is_good = source != "hash" || is_weight(&binding.key.spelling());
            let is_there = naive.exchanges.contains_key(&name(source));
            let expected =
                !source.is_empty() && is_good && is_there && naive.has(&binding.destination);
            assert_eq!(changed.is_ok(), expected);
            if expected {
                let binding = canonical(&naive.exchanges[&name(source)].kind, binding);
                naive.bindings.insert((name(source), binding));
            }
            changed.unwrap_or_else(|_| table.clone())
        }
        Change::Unbind(number) => {
            let Some(bound) = naive.bindings.iter().nth(number).cloned() else {
                return table.clone();
            };
            naive.bindings.remove(&bound);
            table.without_binding(bound.0.as_bytes(), &bound.1)
        }
        Change::UnbindEqual(source, binding) => {
            if let Some(definition) = naive.exchanges.get(&name(source)) {
                let bound = (name(source), canonical(&definition.kind, binding.clone()));
                naive.bindings.remove(&bound);
            }
            table.without_binding(source.as_bytes(), &binding)
        }
    }
}

fn check(table: &Real, naive: &Naive, headers: &Headers, random: u64) {
    let bound: Vec<_> = table
        .bindings()
        .map(|(from, to)| (from.clone(), to.clone()))
        .collect();
    assert!(bound.iter().eq(&naive.bindings), "the bindings differ");
    assert!(
        table.exchanges().eq(&naive.exchanges),
        "the exchanges differ"
    );
    assert!(table.queues().eq(&naive.queues), "the queues differ");
    for destination in naive
        .bindings
        .iter()
        .map(|(_, binding)| &binding.destination)
    {
        let inbound = bound
            .iter()
            .filter(|(_, binding)| binding.destination == *destination);
        let inbound: Vec<_> = inbound.map(|(from, to)| (from, to)).collect();
        assert!(table.bindings_to(destination).eq(inbound));
    }
    for exchange in SOURCES {
        assert_eq!(
            table.bindings_from(exchange.as_bytes()).count(),
            table.binding_count_from(exchange.as_bytes())
        );
        for key in KEYS {
            let routed = table.route(exchange.as_bytes(), key.as_bytes(), headers, random);
            let known = naive.exchanges.contains_key(&name(exchange));
            assert_eq!(routed.is_some(), known);
            let Some(routed) = routed else { continue };
            if routed.is_cacheable {
                let other = table.route(
                    exchange.as_bytes(),
                    key.as_bytes(),
                    &Headers::default(),
                    !random,
                );
                assert_eq!(Some(&routed), other.as_ref(), "{exchange} {key}");
            }
            let expected = naive.route(&name(exchange), key, headers);
            let found = (routed.queues, routed.subscribers);
            assert!(
                expected.contains(&found),
                "{exchange} {key}: {found:?}, not {expected:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_table_routes_and_lists_as_lists_do(
        changes in prop::collection::vec(change(), 1..60),
        messages in prop::collection::vec((headers(), any::<u64>()), 4),
        snapshot_at in 0..60_usize,
    ) {
        let mut table = Real::new();
        let mut naive = Naive::default();
        for (name, definition) in table.exchanges() {
            naive.exchanges.insert(name.clone(), definition.clone());
        }
        let mut snapshot = (table.clone(), naive.clone());
        for (number, change) in changes.into_iter().enumerate() {
            let changed = apply(&table, &mut naive, change);
            assert!(changed.version() >= table.version());
            table = changed;
            if number == snapshot_at {
                snapshot = (table.clone(), naive.clone());
            }
        }
        for (headers, random) in &messages {
            check(&table, &naive, headers, *random);
            check(&snapshot.0, &snapshot.1, headers, *random);
        }
    }
}
