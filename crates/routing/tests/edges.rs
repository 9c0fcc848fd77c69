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
