//! What bindings cost, added one by one up to 100,000, looked up and removed:
//! `cargo run --release -p routing --example scale [part of a case's name]`.
//!
//! All in nanoseconds each, the least of several rounds: other work on the machine only adds. "first" and "last" are the first and the last
//! thousand that are added; look-ups are with 1, 1,000 and all bindings; removal is of the first
//! thousand, where all are there.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a measurement reads the clock and prints"
)]

use model::{
    Arguments, ExchangeDefinition, ExchangeKind, ExchangeName, HashOn, Property, QueueName, Value,
};
use routing::{Binding, Destination, HeaderSource, NoHeaders, Table};
use std::hint::black_box;
use std::time::Instant;

/// As in the broker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 5;
const BINDINGS: usize = 100_000;
/// Those of a consistent-hash exchange.
const HASHED: usize = 10_000;
const BLOCK: usize = 1000;
const LOOKUPS: usize = 20_000;

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

/// What is bound in which way.
struct Case {
    name: &'static str,
    kind: ExchangeKind,
    bindings: usize,
    /// The bindings of each queue.
    per_queue: usize,
    /// The key of a binding, and the key that matches it, by its number.
    keys: fn(usize) -> (String, String),
    /// Consecutive bindings are this far apart by name.
    stride: usize,
}

fn same(key: String) -> (String, String) {
    (key.clone(), key)
}

fn by_line(number: usize) -> (String, String) {
    same(format!("plant.{}.line.{number}", number % 100))
}

fn by_pattern(number: usize) -> (String, String) {
    let plant = number % 100;
    let key = format!("plant.{plant}.line.{number}");
    (format!("plant.{plant}.*.{number}.#"), key)
}

fn by_first_level(number: usize) -> (String, String) {
    let key = format!("{number}.plant.line");
    (format!("{number}.*.line"), key)
}

fn cases() -> Vec<Case> {
    let case = |name, kind, keys| Case {
        name,
        kind,
        bindings: BINDINGS,
        per_queue: 10,
        keys,
        stride: 1,
    };
    let direct = |name, per_queue, stride| Case {
        per_queue,
        stride,
        ..case(name, ExchangeKind::Direct, by_line)
    };
    let hash = ExchangeKind::ConsistentHash(HashOn::RoutingKey);
    let one_key: fn(usize) -> (String, String) = |_| same("k".to_owned());
    vec![
        direct("direct", 10, 1),
        direct("direct scattered", 10, 7919),
        direct("direct 1 queue", BINDINGS, 1),
        Case {
            per_queue: 1,
            ..case("direct 1 key", ExchangeKind::Direct, one_key)
        },
        case("fanout", ExchangeKind::Fanout, by_line),
        case("topic", ExchangeKind::Topic, by_pattern),
        case("topic level 1", ExchangeKind::Topic, by_first_level),
        Case {
            stride: 7919,
            ..case("topic scattered", ExchangeKind::Topic, by_pattern)
        },
        case("headers", ExchangeKind::Headers, by_line),
        case("random", ExchangeKind::Random, by_line),
        Case {
            bindings: HASHED,
            per_queue: 1,
            ..case("consistent hash", hash, |_| same("1".to_owned()))
        },
    ]
}

fn queue(number: usize) -> QueueName {
    QueueName::new(format!("queue-{number}").as_bytes()).expect("it is short")
}

fn subscriber(number: usize) -> u32 {
    u32::try_from(number).expect("it is small")
}

fn nanos(start: Instant, count: usize) -> u128 {
    start.elapsed().as_nanos() / count as u128
}

impl Case {
    /// The number of the binding that is added at this place.
    fn number(&self, place: usize) -> usize {
        place * self.stride % self.bindings
    }

    fn binding(&self, place: usize) -> Binding<u32> {
        let number = self.number(place);
        let (key, _) = (self.keys)(number);
        let destination = Destination::Queue(queue(number / self.per_queue));
        let mut binding = Binding::new(destination, key.as_bytes());
        if self.kind == ExchangeKind::Headers {
            let sensor = format!("{number}");
            binding.arguments = Arguments::from_iter([("sensor", Value::text(&sensor))]);
        }
        binding
    }

    fn lookup(&self, table: &Numbers, bound: usize) -> u128 {
        // What matches all it has needs few look-ups.
        let matches_all = table.route(b"x", b"k", &NoHeaders, 0);
        let is_wide = matches_all.is_some_and(|routed| routed.queues.len() > 50);
        let count = if is_wide { 5 } else { LOOKUPS };
        let questions: Vec<_> = (0..count)
            .map(|place| {
                let number = self.number(place * 7919 % bound);
                (
                    (self.keys)(number).1.into_bytes(),
                    Headers(format!("{number}")),
                )
            })
            .collect();
        let start = Instant::now();
        for (number, (key, headers)) in questions.iter().enumerate() {
            black_box(table.route(b"x", key, headers, number as u64));
        }
        nanos(start, count)
    }

    /// First, last, three look-ups, unbind, without queue.
    fn round(&self) -> [u128; 7] {
        let name = ExchangeName::new(b"x").expect("it is short");
        let definition = ExchangeDefinition::new(self.kind.clone());
        let mut table = Numbers::new()
            .with_exchange(&name, definition)
            .expect("the name is free");
        let queues = self.bindings.div_ceil(self.per_queue);
        for number in 0..queues {
            table = table.with_queue(queue(number), number);
        }
        let bindings: Vec<_> = (0..self.bindings)
            .map(|place| self.binding(place))
            .collect();
        let mut lookups = Vec::new();
        let one = table.with_binding(b"x", bindings[0].clone());
        lookups.push(self.lookup(&one.expect("it is good"), 1));
        let mut blocks = Vec::new();
        for (number, block) in bindings.chunks(BLOCK).enumerate() {
            let start = Instant::now();
            for binding in block {
                let bound = table.with_binding(b"x", binding.clone());
                table = bound.expect("it is good");
            }
            blocks.push(nanos(start, block.len()));
            if (number + 1) * BLOCK == BLOCK || (number + 1) * BLOCK == self.bindings {
                lookups.push(self.lookup(&table, (number + 1) * BLOCK));
            }
        }
        let start = Instant::now();
        for binding in &bindings[..BLOCK] {
            table = table.without_binding(b"x", binding);
        }
        let unbind = nanos(start, BLOCK);
        let gone = if queues == 1 { 0..1 } else { 500..600 };
        let count = gone.len();
        let start = Instant::now();
        for number in gone {
            table = table.without_queue(&queue(number));
        }
        let without_queue = nanos(start, count);
        assert!(table.route(b"x", b"", &NoHeaders, 0).is_some());
        [
            blocks[0],
            blocks[blocks.len() - 1],
            lookups[0],
            lookups[1],
            lookups[2],
            unbind,
            without_queue,
        ]
    }
}

/// First, last, and removal of the first, of queues and of subscribers without bindings.
fn round_of_names(
    add: fn(&Numbers, usize) -> Numbers,
    remove: fn(&Numbers, usize) -> Numbers,
) -> [u128; 7] {
    let mut table = Numbers::new();
    let mut blocks = Vec::new();
    for block in 0..BINDINGS / BLOCK {
        let start = Instant::now();
        for number in block * BLOCK..(block + 1) * BLOCK {
            table = add(&table, number);
        }
        blocks.push(nanos(start, BLOCK));
    }
    let start = Instant::now();
    for number in 0..BLOCK {
        table = remove(&table, number);
    }
    let removal = nanos(start, BLOCK);
    [blocks[0], blocks[blocks.len() - 1], 0, 0, 0, removal, 0]
}

fn report(name: &str, round: impl Fn() -> [u128; 7]) {
    let rounds: Vec<_> = (0..ROUNDS).map(|_| round()).collect();
    let [first, last, one, thousand, all, unbind, without] =
        std::array::from_fn(|column| rounds.iter().map(|round| round[column]).min().unwrap_or(0));
    let ratio = last * 100 / first;
    println!(
        "{name:16} {first:7} {last:7} {ratio:4}%  {one:8} {thousand:8} {all:9}  {unbind:7} {without:10}"
    );
}

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!(
        "                   first    last  l/f   lookup 1    1,000       all   unbind  -queue"
    );
    for case in cases().iter().filter(|case| case.name.contains(&wanted)) {
        report(case.name, || case.round());
    }
    if "queues".contains(&wanted) {
        report("queues", || {
            round_of_names(
                |table, number| table.with_queue(queue(number), number),
                |table, number| table.without_queue(&queue(number)),
            )
        });
    }
    if "subscribers".contains(&wanted) {
        report("subscribers", || {
            round_of_names(
                |table, number| table.with_subscriber(subscriber(number), number),
                |table, number| table.without_subscriber(&subscriber(number)),
            )
        });
    }
}
