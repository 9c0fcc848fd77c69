//! Any commands in any order: nothing panics, everything is answered, nobody sleeps who has work, and all
//! memory is given back in the end.

mod support;

use broker_api::{Bind, BindTo, Command, Event, Get, Grant, Listing, SettleMode, Sharing, Source};
use model::{
    Arguments, BindingKey, CommandId, Durability, ExchangeKind, Lifetime, Outcome, Overflow,
    Ownership, QueueDefinition, QueueRules, Redelivery, ShardId, SubscriptionId,
};
use proptest::prelude::*;
use std::collections::BTreeSet;
use support::calls::{
    auto_delete, bind, bind_exchange, dead_letters_to, declare_queue, delete_exchange,
    delete_queue, exchange, exchange_name, name, settings, settle, subscribe,
};
use support::{Client, Draft, Node, message};

const QUEUES: [&str; 4] = ["q0", "q1", "q2", "q3"];
const EXCHANGES: [&str; 3] = ["amq.topic", "x0", "x1"];

#[derive(Clone, Debug)]
enum Op {
    /// Which queue, and six bits of what it is.
    DeclareQueue(usize, u16),
    DeleteQueue(usize),
    Purge(usize),
    DeclareExchange(usize, bool),
    DeleteExchange(usize, bool),
    Bind(usize, usize, bool),
    /// Which queue or topic, and bits of how.
    Subscribe(usize, u16),
    /// From which queue, and whether the broker settles.
    Get(usize, bool),
    Cancel(usize),
    StepAside(usize),
    Grant(usize, u64, bool),
    Settle(usize, u64, u8),
    Publish(usize, u16),
    /// Publishes to these, and a settlement.
    Commit(Vec<usize>, usize, u64, u8),
    List,
    /// An executor or a shard's round goes on.
    Step(usize),
    Settled,
    Pass(u64),
    /// The connection closes, and another comes.
    Reconnect,
    Snapshot,
    Crash(u8),
}

fn op() -> impl Strategy<Value = Op> {
    let any_queue = || 0..QUEUES.len();
    prop_oneof![
        4 => (any_queue(), any::<u16>()).prop_map(|(q, how)| Op::DeclareQueue(q, how)),
        1 => any_queue().prop_map(Op::DeleteQueue),
        1 => any_queue().prop_map(Op::Purge),
        2 => (1..3usize, any::<bool>()).prop_map(|(x, ends)| Op::DeclareExchange(x, ends)),
        1 => (1..3usize, any::<bool>()).prop_map(|(x, unused)| Op::DeleteExchange(x, unused)),
        3 => (0..3usize, 0..7usize, any::<bool>()).prop_map(|(x, to, un)| Op::Bind(x, to, un)),
        5 => (0..7usize, any::<u16>()).prop_map(|(from, how)| Op::Subscribe(from, how)),
        2 => (any_queue(), any::<bool>()).prop_map(|(q, presettled)| Op::Get(q, presettled)),
        2 => (0..8usize).prop_map(Op::Cancel),
        1 => (0..8usize).prop_map(Op::StepAside),
        2 => (0..8usize, 0..6u64, any::<bool>()).prop_map(|(s, n, drain)| Op::Grant(s, n, drain)),
        5 => (0..8usize, 1..8u64, 0..4u8).prop_map(|(s, n, how)| Op::Settle(s, n, how)),
        10 => (0..7usize, any::<u16>()).prop_map(|(to, how)| Op::Publish(to, how)),
        3 => (prop::collection::vec(0..7usize, 0..3), 0..8usize, 1..8u64, 0..4u8)
            .prop_map(|(to, s, n, how)| Op::Commit(to, s, n, how)),
        1 => Just(Op::List),
        8 => (0..6usize).prop_map(Op::Step),
        3 => Just(Op::Settled),
        3 => (0..200u64).prop_map(Op::Pass),
        1 => Just(Op::Reconnect),
        1 => Just(Op::Snapshot),
        1 => any::<u8>().prop_map(Op::Crash),
    ]
}

fn definition(how: u16) -> QueueDefinition {
    let has = |bit: u16| how >> bit & 1 == 1;
    let to = QUEUES[usize::from(how >> 14)];
    let rules = QueueRules {
        message_ttl_ms: has(0).then_some(20),
        length_max: has(1).then_some(2),
        overflow: Some(
            [Overflow::DropHead, Overflow::RejectPublishDeadLetter][usize::from(has(2))],
        ),
        dead_letter: has(3)
            .then(|| dead_letters_to("", Some(to)).dead_letter)
            .flatten(),
        priority_max: if has(4) { 3 } else { 0 },
        delivery_limit: has(5).then_some(1),
        redelivery: has(6).then_some(Redelivery {
            delay_ms: 10,
            multiplier_percent: 200,
            delay_ms_max: 50,
            jitter_percent: 50,
        }),
        single_active: has(7),
        last_value_header: has(8).then(|| (*b"v").into()),
        settle_ms: None,
        bytes_max: None,
    };
    QueueDefinition {
        durability: if has(9) {
            Durability::Transient
        } else {
            Durability::Durable
        },
        ownership: if has(10) && has(11) {
            Ownership::Exclusive
        } else {
            Ownership::Shared
        },
        lifetime: if has(12) {
            Lifetime::UntilUnused
        } else {
            Lifetime::Permanent
        },
        expires_ms: has(13).then_some(100),
        kind: None,
        rules,
    }
}

fn draft(to: usize, how: u16, number: u32) -> Draft {
    let has = |bit: u16| how >> bit & 1 == 1;
    let mut draft = if to < QUEUES.len() {
        message(QUEUES[to], number).queued()
    } else {
        message("k", number).to(EXCHANGES[to - QUEUES.len()])
    };
    if has(0) {
        draft = draft.persistent();
    }
    if has(1) && has(2) {
        draft = draft.ttl(u64::from(how >> 10));
    }
    if has(3) && has(4) {
        draft = draft.delay(15);
    }
    if has(5) {
        draft = draft.header("v", if has(6) { "1" } else { "2" });
    }
    if has(7) && has(8) {
        draft = draft.grouped(if has(9) { "g" } else { "h" });
    }
    draft.priority((how >> 12) as u8)
}

fn binding(from: usize, to: usize) -> Bind {
    match to {
        0..4 => bind(EXCHANGES[from], QUEUES[to], "k"),
        _ => bind_exchange(EXCHANGES[from], EXCHANGES[to - 4], "k"),
    }
}

fn outcome(how: u8) -> Outcome {
    [
        Outcome::Accept,
        Outcome::Reject,
        Outcome::Release,
        Outcome::Fail,
    ][usize::from(how % 4)]
}

/// A connection, what it asked and was not told, and its subscriptions.
struct Chaotic {
    client: Client,
    unanswered: BTreeSet<CommandId>,
    subscriptions: u32,
    number: u32,
}

impl Chaotic {
    fn new(node: &mut Node) -> Self {
        Self {
            client: node.connect(),
            unanswered: BTreeSet::new(),
            subscriptions: 0,
            number: 0,
        }
    }

    fn ask(&mut self, node: &Node, command: Command) {
        let is_answered = !matches!(command, Command::Grant(..));
        let id = self.client.send(node, command);
        if is_answered {
            self.unanswered.insert(id);
        }
    }

    fn subscription(&self, nth: usize) -> u32 {
        self.subscriptions
            .saturating_sub(u32::try_from(nth).expect("small"))
    }

    fn hear(&mut self, node: &mut Node) {
        self.client.is_admitted(node);
        for event in self.client.take(node) {
            if let Event::Confirmed(id) | Event::Done(id, _) = event {
                // A refused grant is answered, too.
                self.unanswered.remove(&id);
            }
        }
    }

    fn draft(&mut self, to: usize, how: u16) -> Draft {
        self.number += 1;
        draft(to, how, self.number)
    }

    fn subscribe(&mut self, node: &Node, from: usize, how: u16) {
        let has = |bit: u16| how >> bit & 1 == 1;
        self.subscriptions += 1;
        let source = if from < QUEUES.len() {
            support::queue(QUEUES[from])
        } else {
            Source::Exchange {
                exchange: exchange_name(EXCHANGES[from - QUEUES.len()]),
                key: BindingKey::Exact((*b"k").into()),
                arguments: Arguments::default(),
            }
        };
        let mut subscribe = subscribe(self.subscriptions, source);
        if has(0) {
            subscribe = support::calls::presettled(subscribe);
        }
        if has(1) {
            subscribe.grant = Grant {
                count: 0,
                limit: u64::from(how >> 13),
                drain: has(2),
            };
        }
        if has(3) && has(4) {
            subscribe = support::calls::selecting(subscribe, "v = 1");
        }
        subscribe.sharing = match how >> 5 & 7 {
            0 => Sharing::Exclusive,
            1 | 2 => Sharing::Browse,
            priority => Sharing::Competing {
                priority: i32::from(priority > 5),
            },
        };
        self.ask(node, Command::Subscribe(Box::new(subscribe)));
    }

    fn act(&mut self, node: &mut Node, op: &Op) {
        match op {
            Op::DeclareQueue(queue, how) => {
                self.ask(node, declare_queue(QUEUES[*queue], definition(*how)));
            }
            Op::DeleteQueue(queue) => self.ask(node, delete_queue(QUEUES[*queue])),
            Op::Purge(queue) => self.ask(node, Command::PurgeQueue(name(QUEUES[*queue]))),
            Op::DeclareExchange(at, ends) => {
                let mut declare = exchange(EXCHANGES[*at], ExchangeKind::Direct);
                if *ends {
                    declare = auto_delete(declare);
                }
                self.ask(node, Command::DeclareExchange(Box::new(declare)));
            }
            Op::DeleteExchange(at, unused) => {
                self.ask(node, delete_exchange(EXCHANGES[*at], *unused));
            }
            Op::Bind(from, to, false) => {
                self.ask(node, Command::Bind(Box::new(binding(*from, *to))));
            }
            Op::Bind(from, to, true) => {
                self.ask(node, Command::Unbind(Box::new(binding(*from, *to))));
            }
            Op::Subscribe(from, how) => self.subscribe(node, *from, *how),
            Op::Get(queue, is_presettled) => {
                self.subscriptions += 1;
                let get = Get {
                    subscription: SubscriptionId(self.subscriptions),
                    queue: name(QUEUES[*queue]),
                    settle_mode: if *is_presettled {
                        SettleMode::Presettled
                    } else {
                        SettleMode::Explicit
                    },
                };
                self.ask(node, Command::Get(get));
            }
            Op::StepAside(nth) => {
                let id = SubscriptionId(self.subscription(*nth));
                self.ask(node, Command::StepAside(id));
            }
            Op::Cancel(nth) => {
                let id = SubscriptionId(self.subscription(*nth));
                self.ask(node, Command::Cancel(id));
            }
            Op::Grant(nth, limit, drain) => {
                let grant = Grant {
                    count: 0,
                    limit: *limit,
                    drain: *drain,
                };
                let id = SubscriptionId(self.subscription(*nth));
                self.ask(node, Command::Grant(id, grant));
            }
            Op::Settle(nth, sequence, how) => {
                let settle = settle(self.subscription(*nth), &[*sequence], outcome(*how));
                self.ask(node, Command::Settle(settle));
            }
            Op::Publish(to, how) => {
                let draft = self.draft(*to, *how);
                let id = self.client.publish_returnable(node, draft);
                self.unanswered.insert(id);
            }
            Op::Commit(to, nth, sequence, how) => {
                let drafts = to
                    .iter()
                    .map(|to| self.draft(*to, u16::from(*how)))
                    .collect();
                let settles = vec![settle(
                    self.subscription(*nth),
                    &[*sequence, 1],
                    outcome(*how),
                )];
                let id = self.client.commit(node, drafts, settles);
                self.unanswered.insert(id);
            }
            Op::List => self.ask(node, Command::List(Listing::Exchanges)),
            Op::Step(number @ 0..2) => drop(node.step_executor(*number)),
            Op::Step(number) => {
                let shard = ShardId(u16::try_from(number - 2).expect("small"));
                node.store.round_of(shard);
            }
            Op::Settled => drop(node.settle_down()),
            Op::Pass(ms) => node.pass(std::time::Duration::from_millis(*ms)),
            Op::Snapshot => node.snapshot(),
            Op::Reconnect | Op::Crash(_) => {}
        }
    }
}

fn give_everything_back(node: &mut Node) {
    let mut client = node.connect();
    for queue in QUEUES {
        client.ok(node, delete_queue(queue));
    }
    // Dead letters on their way have nowhere to go now.
    node.advance_ms(1000);
    assert_eq!(node.broker.queued_bytes(), 0);
    for exchange in &EXCHANGES[1..] {
        client.ok(node, delete_exchange(exchange, false));
    }
    // The exchange of topics stays, perhaps bound to itself.
    let topic = BindTo::Exchange(exchange_name(EXCHANGES[0]));
    let bindings = client.bindings(node);
    assert!(
        bindings.iter().all(|bind| bind.destination == topic),
        "{bindings:?}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_commands_in_any_order(ops in prop::collection::vec((0..3usize, op()), 1..150)) {
        let mut node = Node::new(settings());
        let mut clients: Vec<_> = (0..3).map(|_| Chaotic::new(&mut node)).collect();
        for (at, op) in &ops {
            clients[*at].act(&mut node, op);
            clients[*at].hear(&mut node);
            if let Op::Reconnect = op {
                let new = Chaotic::new(&mut node);
                std::mem::replace(&mut clients[*at], new).client.close(&node);
            }
            if let Op::Crash(kept) = op {
                node = node.crashed(|shard, unsynced| u64::from(kept >> shard.0 & 1) * unsynced);
                clients = (0..3).map(|_| Chaotic::new(&mut node)).collect();
            }
        }
        for _ in 0..8 {
            node.advance_ms(100);
            clients.iter_mut().for_each(|chaotic| chaotic.hear(&mut node));
        }
        for chaotic in clients {
            prop_assert!(chaotic.unanswered.is_empty(), "{:?}", chaotic.unanswered);
            chaotic.client.close(&node);
        }
        give_everything_back(&mut node);
    }
}
