//! What 100,000 bindings cost, added one by one and looked up:
//! `cargo run --release -p routing --example scale`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use model::QueueName;
use routing::{
    Arguments, Binding, Destination, ExchangeDefinition, ExchangeKind, ExchangeName, HashOn,
    HeaderSource, NoHeaders, Property, Table, Value,
};
use std::hint::black_box;
use std::time::Instant;

const BINDINGS: usize = 100_000;
/// Those of a consistent-hash exchange, which keeps 100 points for each.
const HASHED: usize = 5_000;
const LOOKUPS: usize = 20_000;
/// The bindings of each queue.
const PER_QUEUE: usize = 10;

type Numbers = Table<u32, usize, usize>;

struct Headers(String);

impl HeaderSource for Headers {
    fn header(&self, name: &[u8]) -> Option<Value<'_>> {
        (name == b"sensor").then(|| Value::text(&self.0))
    }

    fn property(&self, _property: Property) -> Option<Value<'_>> {
        None
    }
}

fn queue(number: usize) -> QueueName {
    QueueName::new(format!("queue-{number}").as_bytes()).expect("it is short")
}

fn binding(kind: &ExchangeKind, number: usize, per_queue: usize) -> Binding<u32> {
    let sensor = format!("{number}");
    let key = match kind {
        ExchangeKind::Topic => format!("plant.{}.*.{sensor}.#", number % 100),
        ExchangeKind::ConsistentHash(_) => "1".to_owned(),
        ExchangeKind::Default
        | ExchangeKind::Direct
        | ExchangeKind::Fanout
        | ExchangeKind::Headers
        | ExchangeKind::Random => format!("plant.{}.line.{sensor}", number % 100),
    };
    let mut binding = Binding::new(
        Destination::Queue(queue(number / per_queue)),
        key.as_bytes(),
    );
    if *kind == ExchangeKind::Headers {
        binding.arguments = Arguments::from_iter([("sensor", Value::text(&sensor))]);
    }
    binding
}

fn nanos(start: Instant, count: usize) -> u128 {
    start.elapsed().as_nanos() / count as u128
}

fn main() {
    println!("kind     first 1,000  last 1,000  lookup  unbind  without queue  (ns each)");
    for kind in [
        ExchangeKind::Direct,
        ExchangeKind::Fanout,
        ExchangeKind::Topic,
        ExchangeKind::Headers,
        ExchangeKind::Random,
    ] {
        measure(&kind, BINDINGS, PER_QUEUE);
    }
    measure(&ExchangeKind::ConsistentHash(HashOn::RoutingKey), HASHED, 1);
}

fn measure(kind: &ExchangeKind, bindings: usize, per_queue: usize) {
    let name = ExchangeName::new(b"x").expect("it is short");
    let definition = ExchangeDefinition::new(kind.clone());
    let mut table = Numbers::new()
        .with_exchange(&name, definition)
        .expect("the name is free");
    for number in 0..bindings / per_queue {
        table = table.with_queue(queue(number), number);
    }
    let bindings: Vec<_> = (0..bindings)
        .map(|number| binding(kind, number, per_queue))
        .collect();
    let mut blocks = Vec::new();
    for block in bindings.chunks(1000) {
        let start = Instant::now();
        for binding in block {
            table = table
                .with_binding(b"x", binding.clone())
                .expect("it is good");
        }
        blocks.push(nanos(start, block.len()));
    }
    let (first, last) = (blocks[0], blocks[blocks.len() - 1]);
    // A fanout matches all it has: one lookup is enough.
    let lookups = if *kind == ExchangeKind::Fanout {
        1
    } else {
        LOOKUPS
    };
    let questions: Vec<_> = (0..lookups)
        .map(|number| {
            let sensor = number * 7919 % bindings.len();
            let key = format!("plant.{}.line.{sensor}", sensor % 100);
            (key, Headers(format!("{sensor}")))
        })
        .collect();
    let start = Instant::now();
    for (number, (key, headers)) in questions.iter().enumerate() {
        black_box(table.route(b"x", key.as_bytes(), headers, number as u64));
    }
    let lookup = nanos(start, lookups);
    let start = Instant::now();
    for binding in &bindings[..1000] {
        table = table.without_binding(b"x", binding);
    }
    let unbind = nanos(start, 1000);
    let start = Instant::now();
    for number in 1000 / per_queue..2000 / per_queue {
        table = table.without_queue(&queue(number));
    }
    let without_queue = nanos(start, 1000 / per_queue);
    assert!(table.route(b"x", b"", &NoHeaders, 0).is_some());
    let kind: String = format!("{kind:?}").chars().take(8).collect();
    println!("{kind:8} {first:11} {last:11} {lookup:7} {unbind:7} {without_queue:14}");
}
