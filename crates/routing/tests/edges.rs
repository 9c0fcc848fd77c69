//! What is refused, and what long ways and several keys lead to.

use model::{
    Access, Arguments, BindingKey, Delays, Difference, ExchangeDefinition, ExchangeKind,
    ExchangeName, Pattern, QueueName, Value,
};
use routing::{BindError, Binding, BindingError, Destination, ExchangeError, NoHeaders, Table};

type Numbers = Table<u8, u32, u32>;

fn name(name: &str) -> ExchangeName {
    ExchangeName::new(name.as_bytes()).expect("it is short")
}

fn with_queue() -> (Numbers, Destination<u8>) {
    let queue = QueueName::new(b"q").expect("it is valid");
    let table = Numbers::new().with_queue(queue.clone(), 1);
    (table, Destination::Queue(queue))
}

#[test]
fn bindings_that_an_exchange_cannot_match_are_refused() {
    let (table, queue) = with_queue();
    let plain = |key: &[u8]| Binding::new(queue.clone(), key);
    let to = |destination| Binding::new(destination, b"");
    let pattern = Binding {
        key: BindingKey::Pattern(Pattern::dotted(b"a.*")),
        ..plain(b"")
    };
    let mode = |mode| Binding {
        arguments: Arguments::from_iter([("x-match", mode)]),
        ..plain(b"")
    };
    let too_deep = BindError::TooManyLevels {
        levels: 129,
        limit: 128,
    };
    let rows = [
        ("", plain(b"q"), Some(BindingError::DefaultExchange)),
        ("gone", plain(b""), Some(BindingError::SourceNotFound)),
        (
            "amq.direct",
            to(Destination::Subscriber(9)),
            Some(BindingError::DestinationNotFound),
        ),
        (
            "amq.direct",
            to(Destination::Exchange(name(""))),
            Some(BindingError::DefaultExchange),
        ),
        (
            "amq.direct",
            pattern.clone(),
            Some(BindingError::PatternNotTaken),
        ),
        ("amq.topic", pattern, None),
        ("amq.topic", plain(&b"a.".repeat(127)), None),
        (
            "amq.topic",
            plain(&b"a.".repeat(128)),
            Some(BindingError::Pattern(too_deep)),
        ),
        ("amq.headers", mode(Value::text("any-with-x")), None),
        (
            "amq.headers",
            mode(Value::text("some")),
            Some(BindingError::MatchMode),
        ),
        (
            "amq.headers",
            mode(Value::Bool(true)),
            Some(BindingError::MatchMode),
        ),
        ("amq.direct", mode(Value::text("some")), None),
    ];
    for (source, binding, expected) in rows {
        let bound = table.with_binding(source.as_bytes(), binding.clone());
        assert_eq!(bound.err(), expected, "{source}: {binding:?}");
    }
}

#[test]
fn an_exchange_is_declared_once() {
    let table = Numbers::new();
    let fanout = ExchangeDefinition::new(ExchangeKind::Fanout);
    let declared = |definition: &ExchangeDefinition| {
        let table = table.with_exchange(&name("amq.fanout"), definition.clone());
        table.map(|table| table.version())
    };
    assert_eq!(declared(&fanout), Ok(0), "nothing changes");
    let rows = [
        (
            ExchangeDefinition::new(ExchangeKind::Direct),
            Difference::Kind,
        ),
        (
            ExchangeDefinition {
                alternate: Some(name("a")),
                ..fanout.clone()
            },
            Difference::Alternate,
        ),
        (
            ExchangeDefinition {
                delays: Delays::Granted,
                ..fanout.clone()
            },
            Difference::Kind,
        ),
        (
            ExchangeDefinition {
                access: Access::Internal,
                ..fanout
            },
            Difference::Access,
        ),
    ];
    for (definition, difference) in rows {
        assert_eq!(
            declared(&definition),
            Err(ExchangeError::Inequivalent(difference))
        );
    }
    let second = table.with_exchange(&name("x"), ExchangeDefinition::new(ExchangeKind::Default));
    assert_eq!(second.err(), Some(ExchangeError::DefaultKind));
}

#[test]
fn long_ways_and_cycles_end() {
    const LENGTH: usize = 20_000;
    let (mut table, queue) = with_queue();
    let step = |number: usize| name(&format!("x{}", number % LENGTH));
    // Every second exchange has no binding and an alternate, the others are bound to the next.
    for number in 0..LENGTH {
        let mut definition = ExchangeDefinition::new(ExchangeKind::Fanout);
        if number % 2 == 1 {
            definition.alternate = Some(step(number + 1));
        }
        table = table
            .with_exchange(&step(number), definition)
            .expect("it is new");
    }
    for number in (0..LENGTH).step_by(2) {
        let next = Binding::new(Destination::Exchange(step(number + 1)), b"");
        let source = step(number);
        table = table
            .with_binding(source.as_bytes(), next)
            .expect("both are there");
    }
    let far = step(LENGTH - 2);
    let table = table
        .with_binding(far.as_bytes(), Binding::new(queue, b""))
        .expect("both are there");
    let routed = table
        .route(b"x0", b"k", &NoHeaders, 0)
        .expect("it is there");
    assert_eq!(routed.queues, [1]);
    assert!(routed.is_cacheable);
}

#[test]
fn several_keys_lead_to_each_target_once() {
    let (table, queue) = with_queue();
    let table = table
        .with_subscriber(7, 70)
        .with_binding(b"amq.direct", Binding::new(queue.clone(), b"a"))
        .and_then(|table| table.with_binding(b"amq.direct", Binding::new(queue, b"b")))
        .and_then(|table| {
            let subscriber = Binding::new(Destination::Subscriber(7), b"c");
            table.with_binding(b"amq.direct", subscriber)
        })
        .expect("all are there");
    let keys: [&[u8]; 4] = [b"a", b"b", b"c", b"d"];
    let routed = table
        .route_keys(b"amq.direct", &keys, &NoHeaders, 0)
        .expect("it is there");
    assert_eq!((routed.queues, routed.subscribers), (vec![1], vec![70]));
    let nowhere = table.route(b"amq.direct", b"d", &NoHeaders, 0);
    assert!(nowhere.expect("it is there").is_unroutable());
    assert!(table.route(b"gone", b"d", &NoHeaders, 0).is_none());
}

#[test]
fn many_keys_that_find_many_targets_lead_to_each_once() {
    let (mut table, _) = with_queue();
    let bind = |table: Numbers, id: u8, exchange: &[u8], key: &[u8]| {
        let binding = Binding::new(Destination::Subscriber(id), key);
        table
            .with_binding(exchange, binding)
            .expect("both are there")
    };
    for id in 0..100 {
        table = table.with_subscriber(id, id.into());
        table = bind(table, id, b"amq.topic", b"#");
        for key in [b"a", b"b", b"c"] {
            table = bind(table, id, b"amq.direct", key);
        }
    }
    let keys: [&[u8]; 5] = [b"a", b"b", b"none", b"c", b"b"];
    for exchange in [&b"amq.topic"[..], b"amq.direct"] {
        let routed = table.route_keys(exchange, &keys, &NoHeaders, 0);
        let subscribers = routed.expect("it is there").subscribers;
        assert!(subscribers.into_iter().eq(0..100));
    }
}

#[test]
fn an_alternate_comes_and_goes_and_the_bindings_stay() {
    let (table, queue) = with_queue();
    let bound = table
        .with_binding(b"amq.direct", Binding::new(queue.clone(), b"k"))
        .and_then(|table| table.with_binding(b"amq.fanout", Binding::new(queue, b"")))
        .expect("they are there");
    let direct = name("amq.direct");
    let reached = |table: &Numbers, key: &[u8]| {
        let routed = table.route(b"amq.direct", key, &NoHeaders, 0);
        routed.expect("it is there").queues.len()
    };
    assert_eq!((reached(&bound, b"k"), reached(&bound, b"other")), (1, 0));
    let with = bound.with_alternate(&direct, Some(name("amq.fanout")));
    assert_eq!((reached(&with, b"k"), reached(&with, b"other")), (1, 1));
    assert!(with.version() > bound.version());
    // The same again, and that of what is not there, change nothing.
    let again = with.with_alternate(&direct, Some(name("amq.fanout")));
    assert_eq!(again.version(), with.version());
    assert_eq!(
        with.with_alternate(&name("gone"), None).version(),
        with.version()
    );
    let without = with.with_alternate(&direct, None);
    assert_eq!(
        (reached(&without, b"k"), reached(&without, b"other")),
        (1, 0)
    );
}
