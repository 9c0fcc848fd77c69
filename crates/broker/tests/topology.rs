//! Any sequence of declarations, bindings, deletions, crashes and snapshots leaves what a naive model says.

mod support;

use broker_api::{Bind, BindTo, Command};
use model::{Durability, ExchangeKind, Lifetime, QueueDefinition};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use support::calls::{
    as_pattern, auto_delete, bind, bind_exchange, declare_queue, delete_exchange, delete_queue,
    exchange, settings, transient,
};
use support::{Client, Node};

const EXCHANGES: [&str; 4] = ["x0", "x1", "x2", "amq.topic"];
const QUEUES: [&str; 3] = ["q0", "q1", "q2"];

#[derive(Clone, Debug)]
enum Op {
    DeclareQueue(usize, bool),
    DeleteQueue(usize),
    DeclareExchange(usize, bool, bool, bool),
    DeleteExchange(usize, bool),
    Bind(usize, usize, u8),
    Unbind(usize, usize, u8),
    Snapshot,
    Crash,
}

fn op() -> impl Strategy<Value = Op> {
    let key = 0u8..2;
    prop_oneof![
        4 => (0..3usize, any::<bool>()).prop_map(|(q, d)| Op::DeclareQueue(q, d)),
        2 => (0..3usize).prop_map(Op::DeleteQueue),
        4 => (0..3usize, any::<bool>(), any::<bool>(), any::<bool>())
            .prop_map(|(x, d, a, t)| Op::DeclareExchange(x, d, a, t)),
        2 => (0..3usize, any::<bool>()).prop_map(|(x, u)| Op::DeleteExchange(x, u)),
        8 => (0..4usize, 0..6usize, key.clone()).prop_map(|(x, to, k)| Op::Bind(x, to, k)),
        4 => (0..4usize, 0..6usize, key).prop_map(|(x, to, k)| Op::Unbind(x, to, k)),
        1 => Just(Op::Snapshot),
        1 => Just(Op::Crash),
    ]
}

/// From, to, key.
type Bound = (usize, usize, u8);

#[derive(Debug, Default)]
struct Naive {
    /// Whether it is durable.
    queues: BTreeMap<usize, bool>,
    /// Whether it is durable, ends by itself, is a topic exchange.
    exchanges: BTreeMap<usize, (bool, bool, bool)>,
    bindings: BTreeSet<Bound>,
}

impl Naive {
    fn new() -> Self {
        let mut naive = Self::default();
        naive.exchanges.insert(3, (true, false, true));
        naive
    }

    fn has(&self, to: usize) -> bool {
        match to {
            0..3 => self.queues.contains_key(&to),
            _ => self.exchanges.contains_key(&(to - 3)),
        }
    }

    fn is_durable(&self, to: usize) -> bool {
        match to {
            0..3 => self.queues.get(&to) == Some(&true),
            _ => self.exchanges.get(&(to - 3)).is_some_and(|kept| kept.0),
        }
    }

    fn is_used(&self, exchange: usize) -> bool {
        self.bindings.iter().any(|(from, ..)| *from == exchange)
    }

    /// Takes bindings away, and exchanges that end with that.
    fn remove(&mut self, mut gone: Vec<Bound>) {
        while let Some(bound) = gone.pop() {
            self.bindings.remove(&bound);
            let ends = self.exchanges.get(&bound.0).is_some_and(|kept| kept.1);
            if ends && !self.is_used(bound.0) {
                self.exchanges.remove(&bound.0);
                gone.extend(self.touching(bound.0));
            }
        }
    }

    /// The bindings from and to an exchange.
    fn touching(&self, exchange: usize) -> Vec<Bound> {
        let bindings = self.bindings.iter().copied();
        bindings
            .filter(|(from, to, _)| *from == exchange || *to == exchange + 3)
            .collect()
    }

    /// Does it, and says whether it is refused.
    fn apply(&mut self, op: &Op) -> bool {
        match *op {
            Op::DeclareQueue(queue, durable) => {
                *self.queues.entry(queue).or_insert(durable) == durable
            }
            Op::DeleteQueue(queue) => {
                if self.queues.remove(&queue).is_some() {
                    let to = self.bindings.iter().copied();
                    self.remove(to.filter(|(_, to, _)| *to == queue).collect());
                }
                true
            }
            Op::DeclareExchange(exchange, durable, ends, topic) => {
                let kept = (durable, ends, topic);
                *self.exchanges.entry(exchange).or_insert(kept) == kept
            }
            Op::DeleteExchange(exchange, if_unused) => {
                if !self.exchanges.contains_key(&exchange) {
                    return true;
                }
                if if_unused && self.is_used(exchange) {
                    return false;
                }
                self.exchanges.remove(&exchange);
                let touching = self.touching(exchange);
                self.remove(touching);
                true
            }
            Op::Bind(from, to, key) => {
                let fits = self.exchanges.contains_key(&from) && self.has(to);
                if fits {
                    self.bindings.insert((from, to, key));
                }
                fits
            }
            Op::Unbind(from, to, key) => {
                if self.bindings.contains(&(from, to, key)) {
                    self.remove(vec![(from, to, key)]);
                }
                true
            }
            Op::Snapshot => true,
            Op::Crash => {
                let bindings = std::mem::take(&mut self.bindings);
                let kept = |bound: &Bound| self.is_durable(bound.0 + 3) && self.is_durable(bound.1);
                self.bindings = bindings.into_iter().filter(kept).collect();
                self.queues.retain(|_, durable| *durable);
                self.exchanges.retain(|_, kept| kept.0);
                true
            }
        }
    }

    fn binding(&self, (from, to, key): Bound) -> Bind {
        let key = ["k", "l"][usize::from(key)];
        let bound = binding(from, to, key);
        match self.exchanges.get(&from) {
            Some((_, _, true)) => as_pattern(bound),
            Some(_) | None => bound,
        }
    }
}

fn binding(from: usize, to: usize, key: &str) -> Bind {
    match to {
        0..3 => bind(EXCHANGES[from], QUEUES[to], key),
        _ => bind_exchange(EXCHANGES[from], EXCHANGES[to - 3], key),
    }
}

fn command(op: &Op) -> Command {
    let key = |key: u8| ["k", "l"][usize::from(key)];
    match *op {
        Op::DeclareQueue(queue, durable) => {
            let durability = if durable {
                Durability::Durable
            } else {
                Durability::Transient
            };
            let definition = QueueDefinition {
                durability,
                ..QueueDefinition::DURABLE
            };
            declare_queue(QUEUES[queue], definition)
        }
        Op::DeleteQueue(queue) => delete_queue(QUEUES[queue]),
        Op::DeclareExchange(at, durable, ends, topic) => {
            let kind = if topic {
                ExchangeKind::Topic
            } else {
                ExchangeKind::Direct
            };
            let mut declare = exchange(EXCHANGES[at], kind);
            if !durable {
                declare = transient(declare);
            }
            if ends {
                declare = auto_delete(declare);
            }
            Command::DeclareExchange(Box::new(declare))
        }
        Op::DeleteExchange(at, if_unused) => delete_exchange(EXCHANGES[at], if_unused),
        Op::Bind(from, to, number) => Command::Bind(Box::new(binding(from, to, key(number)))),
        Op::Unbind(from, to, number) => Command::Unbind(Box::new(binding(from, to, key(number)))),
        Op::Snapshot | Op::Crash => unreachable!("these are no commands"),
    }
}

fn check(naive: &Naive, client: &mut Client, node: &mut Node) {
    let queues = client.queues(node);
    let names: Vec<_> = queues
        .iter()
        .map(|listed| listed.status.name.to_string())
        .collect();
    let expected: Vec<_> = naive.queues.keys().map(|queue| QUEUES[*queue]).collect();
    assert_eq!(names, expected);
    let exchanges = client.exchanges(node);
    let mut listed: Vec<_> = exchanges
        .iter()
        .filter(|listed| {
            EXCHANGES
                .map(str::as_bytes)
                .contains(&listed.name.as_bytes())
        })
        .map(|listed| {
            let ends = listed.lifetime == Lifetime::UntilUnused;
            (listed.name.to_string(), ends, listed.binding_count)
        })
        .collect();
    listed.sort();
    let mut expected: Vec<_> = naive
        .exchanges
        .iter()
        .map(|(at, (_, ends, _))| {
            let from = naive.bindings.iter().filter(|(from, ..)| from == at);
            (EXCHANGES[*at].to_owned(), *ends, from.count() as u64)
        })
        .collect();
    expected.sort();
    assert_eq!(listed, expected);
    let spelled = |bind: &Bind| {
        let to = match &bind.destination {
            BindTo::Queue(name) => name.to_string(),
            BindTo::Exchange(name) => name.to_string(),
        };
        format!("{} {to} {:?}", bind.source, bind.key)
    };
    let mut bindings: Vec<_> = client.bindings(node).iter().map(spelled).collect();
    bindings.sort();
    let expected = naive.bindings.iter();
    let mut expected: Vec<_> = expected
        .map(|bound| spelled(&naive.binding(*bound)))
        .collect();
    expected.sort();
    assert_eq!(bindings, expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_answered_is_there(ops in prop::collection::vec(op(), 1..60)) {
        let mut node = Node::new(settings());
        let mut client = node.connect();
        let mut naive = Naive::new();
        for op in &ops {
            let expected = naive.apply(op);
            if let Op::Crash = op {
                    node = node.crashed(|_, _| 0);
                    client = node.connect();
            } else if let Op::Snapshot = op {
                node.snapshot();
            } else {
                    let done = client.call(&mut node, command(op));
                    prop_assert_eq!(done.is_ok(), expected, "{:?}: {:?}", op, done);
            }
            check(&naive, &mut client, &mut node);
        }
    }
}
