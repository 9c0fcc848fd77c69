//! Commands that are answered before the test goes on, declarations, time, crashes.

use super::{Client, Draft, Node};
use broker::Settings;
use broker_api::{
    AskedDelay, Bind, BindTo, Command, Confirm, DeclareExchange, DeclareQueue, DeleteExchange,
    DeleteIf, DeleteQueue, Event, Field, Grant, HeadReader, IfExists, IfMissing, ListedExchange,
    ListedQueue, Listing, OwnMessages, Publishing, Refusal, Reply, Retained, Settle, SettleMode,
    Sharing, Source, Subscribe, Transaction, Unroutable,
};
use model::{
    Access, Arguments, BindingKey, CommandId, DeadLetter, Deaths, Delays, Dialect, Durability,
    ExchangeDefinition, ExchangeKind, ExchangeName, Lifetime, Message, Outcome, Ownership, Pattern,
    Property, QueueDefinition, QueueName, QueueRules, Sequence, ShardId, SubscriptionId, Value,
};
use std::time::Duration;

/// Reads heads of lines `name:value`; a value that is a whole number is one.
struct Lines;

impl HeadReader for Lines {
    fn header<'m>(&self, message: &'m Message, name: &[u8]) -> Option<Value<'m>> {
        let mut lines = message.head().split(|byte| *byte == b'\n');
        lines.find_map(|line| {
            let at = line.iter().position(|byte| *byte == b':')?;
            (&line[..at] == name).then(|| value(&line[at + 1..]))
        })
    }

    fn property<'m>(&self, message: &'m Message, property: Property) -> Option<Value<'m>> {
        let is_group = property == Property::GroupId;
        is_group.then(|| self.header(message, b"group")).flatten()
    }

    fn fields<'m>(&self, _: &'m Message, _: &mut dyn FnMut(Field<'m>)) {}

    fn further_keys<'m>(&self, message: &'m Message, each: &mut dyn FnMut(&'m [u8])) {
        let lines = message.head().split(|byte| *byte == b'\n');
        lines
            .filter_map(|line| line.strip_prefix(b"key:"))
            .for_each(each);
    }

    fn without_further_keys(&self, message: &Message) -> Vec<u8> {
        let lines = message.head().split_inclusive(|byte| *byte == b'\n');
        let others = lines.filter(|line| !line.starts_with(b"key:"));
        others.collect::<Vec<_>>().concat()
    }

    fn asked_delay(&self, message: &Message) -> Option<AskedDelay> {
        let Value::Integer(ms) = self.header(message, b"delay")? else {
            return None;
        };
        let ms = u64::try_from(ms).ok().filter(|ms| *ms > 0)?;
        let head = String::from_utf8_lossy(message.head()).replace("delay:", "delay:-");
        Some(AskedDelay {
            ms,
            head: head.into_bytes(),
        })
    }
}

fn value(text: &[u8]) -> Value<'_> {
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok());
    number.map_or(Value::text(text), Value::Integer)
}

/// Settings of a broker that reads such heads.
pub fn settings() -> Settings {
    Settings {
        heads: |_: Dialect| &Lines,
        ..Settings::default()
    }
}

pub fn name(name: &str) -> QueueName {
    QueueName::new(name.as_bytes()).expect("a name")
}

pub fn exchange_name(name: &str) -> ExchangeName {
    ExchangeName::new(name.as_bytes()).expect("a name")
}

/// A durable queue with rules.
pub fn with_rules(rules: QueueRules) -> QueueDefinition {
    QueueDefinition {
        rules,
        ..QueueDefinition::DURABLE
    }
}

/// An exclusive queue with rules.
pub fn exclusive(rules: QueueRules) -> QueueDefinition {
    QueueDefinition {
        durability: Durability::Transient,
        ownership: Ownership::Exclusive,
        ..with_rules(rules)
    }
}

/// Rules that only say where dead letters go.
pub fn dead_letters_to(exchange: &str, key: Option<&str>) -> QueueRules {
    QueueRules {
        dead_letter: Some(DeadLetter {
            exchange: exchange_name(exchange),
            key: key.map(|key| key.as_bytes().into()),
        }),
        ..QueueRules::PLAIN
    }
}

pub fn declare_queue(name_of: &str, definition: QueueDefinition) -> Command {
    Command::DeclareQueue(Box::new(DeclareQueue {
        name: (!name_of.is_empty()).then(|| name(name_of)),
        definition,
        if_exists: IfExists::MustEqual,
        if_missing: IfMissing::Create,
    }))
}

/// An exchange that is public, durable and permanent, of the name.
pub fn exchange(name: &str, kind: ExchangeKind) -> DeclareExchange {
    DeclareExchange {
        name: exchange_name(name),
        definition: ExchangeDefinition::new(kind),
        durability: Durability::Durable,
        lifetime: Lifetime::Permanent,
        if_missing: IfMissing::Create,
    }
}

pub fn auto_delete(mut declare: DeclareExchange) -> DeclareExchange {
    declare.lifetime = Lifetime::UntilUnused;
    declare
}

pub fn transient(mut declare: DeclareExchange) -> DeclareExchange {
    declare.durability = Durability::Transient;
    declare
}

pub fn internal(mut declare: DeclareExchange) -> DeclareExchange {
    declare.definition.access = Access::Internal;
    declare
}

/// One that grants delays.
pub fn delaying(mut declare: DeclareExchange) -> DeclareExchange {
    declare.definition.delays = Delays::Granted;
    declare
}

pub fn alternate(mut declare: DeclareExchange, to: &str) -> DeclareExchange {
    declare.definition.alternate = Some(exchange_name(to));
    declare
}

pub fn bind(from: &str, to: &str, key: &str) -> Bind {
    Bind {
        source: exchange_name(from),
        destination: BindTo::Queue(name(to)),
        key: BindingKey::Exact(key.as_bytes().into()),
        arguments: Arguments::default(),
    }
}

pub fn bind_exchange(from: &str, to: &str, key: &str) -> Bind {
    Bind {
        destination: BindTo::Exchange(exchange_name(to)),
        ..bind(from, "unused", key)
    }
}

/// The same binding, asked for as a pattern.
pub fn as_pattern(bind: Bind) -> Bind {
    let key = BindingKey::Pattern(Pattern::dotted(&bind.key.spelling()));
    Bind { key, ..bind }
}

pub fn delete_queue(of: &str) -> Command {
    delete_queue_if(of, DeleteIf::default())
}

pub fn delete_queue_if(of: &str, condition: DeleteIf) -> Command {
    Command::DeleteQueue(DeleteQueue {
        name: name(of),
        condition,
    })
}

pub fn delete_exchange(of: &str, unused: bool) -> Command {
    Command::DeleteExchange(DeleteExchange {
        name: exchange_name(of),
        condition: DeleteIf {
            unused,
            empty: false,
        },
    })
}

pub fn settle(id: u32, sequences: &[u64], outcome: Outcome) -> Settle {
    Settle {
        subscription: SubscriptionId(id),
        sequences: sequences.iter().copied().map(Sequence).collect(),
        outcome,
        confirm: Confirm::Wanted,
    }
}

/// A subscription without any bound.
pub fn subscribe(id: u32, source: Source) -> Subscribe {
    Subscribe::new(
        SubscriptionId(id),
        source,
        SettleMode::Explicit,
        Grant::UNLIMITED,
    )
}

pub fn limited(subscribe: Subscribe, limit: u64) -> Subscribe {
    let grant = Grant {
        limit,
        ..Grant::UNLIMITED
    };
    Subscribe { grant, ..subscribe }
}

pub fn presettled(subscribe: Subscribe) -> Subscribe {
    Subscribe {
        settle_mode: SettleMode::Presettled,
        ..subscribe
    }
}

pub fn sharing(subscribe: Subscribe, sharing: Sharing) -> Subscribe {
    Subscribe {
        sharing,
        ..subscribe
    }
}

pub fn selecting(subscribe: Subscribe, selector: &str) -> Subscribe {
    Subscribe {
        selector: Some(selector.into()),
        ..subscribe
    }
}

pub fn not_own(subscribe: Subscribe) -> Subscribe {
    Subscribe {
        own_messages: OwnMessages::Skip,
        ..subscribe
    }
}

/// It is shown what is retained.
pub fn with_retained(subscribe: Subscribe) -> Subscribe {
    Subscribe {
        retained: Retained::Send,
        ..subscribe
    }
}

impl Client {
    /// Submits a command and returns its id.
    pub fn send(&mut self, node: &Node, command: Command) -> CommandId {
        self.submit(node, command);
        CommandId(self.last)
    }

    /// Does a command and waits for its answer; what else comes stands in the inbox.
    pub fn call(&mut self, node: &mut Node, command: Command) -> Result<Reply, Refusal> {
        let id = self.send(node, command);
        self.answer(node, id).expect("it is answered")
    }

    /// The answer to a command, if it is there once nothing moves any more.
    pub fn answer(&mut self, node: &mut Node, id: CommandId) -> Option<Result<Reply, Refusal>> {
        self.run(node);
        let answer = self.inbox.iter().position(|event| match event {
            Event::Done(command, _) | Event::Confirmed(command) => *command == id,
            Event::Delivery(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Ended(..)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Disconnect(_) => false,
        })?;
        if let Event::Done(_, done) = self.inbox.remove(answer) {
            return Some(done);
        }
        Some(Ok(Reply::Nothing))
    }

    /// Lets everything happen, and takes what comes into the inbox.
    pub fn run(&mut self, node: &mut Node) {
        loop {
            let has_moved = node.settle_down();
            let is_admitted = self.is_admitted(node);
            let events = self.take(node);
            let is_over = events.is_empty() && is_admitted && !has_moved;
            self.inbox.extend(events);
            // What it has done by itself may have set others going.
            if is_over && !node.settle_down() {
                return;
            }
        }
    }

    pub fn ok(&mut self, node: &mut Node, command: Command) -> Reply {
        self.call(node, command).expect("it is done")
    }

    pub fn refused(&mut self, node: &mut Node, command: Command) -> Refusal {
        self.call(node, command).expect_err("it is refused")
    }

    pub fn declare_as(&mut self, node: &mut Node, name: &str, definition: QueueDefinition) {
        self.ok(node, declare_queue(name, definition));
    }

    pub fn bind(&mut self, node: &mut Node, bind: Bind) {
        self.ok(node, Command::Bind(Box::new(bind)));
    }

    pub fn declare_exchange(&mut self, node: &mut Node, declare: DeclareExchange) {
        self.ok(node, Command::DeclareExchange(Box::new(declare)));
    }

    /// Publishes and waits for the answer.
    pub fn publish_safely(&mut self, node: &mut Node, draft: Draft) -> Result<(), Refusal> {
        let publish = Command::Publish(draft.build(), Publishing::new(Confirm::Wanted));
        self.call(node, publish).map(|_| ())
    }

    /// Publishes with a wish to have it back.
    pub fn publish_returnable(&mut self, node: &Node, draft: Draft) -> CommandId {
        let publishing = Publishing {
            unroutable: Unroutable::Return,
            ..Publishing::new(Confirm::Wanted)
        };
        self.send(node, Command::Publish(draft.build(), publishing))
    }

    pub fn subscribed(&mut self, node: &mut Node, subscribe: Subscribe) {
        self.ok(node, Command::Subscribe(Box::new(subscribe)));
    }

    pub fn commit(
        &mut self,
        node: &Node,
        publishes: Vec<Draft>,
        settles: Vec<Settle>,
    ) -> CommandId {
        let publishes = publishes.into_iter().map(Draft::build).collect();
        let transaction = Transaction {
            publishes,
            settles,
            ..Transaction::default()
        };
        self.send(node, Command::Commit(Box::new(transaction)))
    }

    /// What was delivered since the last call, once nothing moves any more: subscription and number.
    pub fn delivered(&mut self, node: &mut Node) -> Vec<(u32, u32)> {
        let deliveries = self.deliveries(node);
        let delivered = deliveries.iter();
        delivered
            .map(|delivery| (delivery.subscription.0, number_of(&delivery.message)))
            .collect()
    }

    pub fn numbers(&mut self, node: &mut Node) -> Vec<u32> {
        let delivered = self.delivered(node);
        delivered.into_iter().map(|(_, number)| number).collect()
    }

    pub fn deliveries(&mut self, node: &mut Node) -> Vec<broker_api::Delivery> {
        self.run(node);
        let mut deliveries = Vec::new();
        for event in std::mem::take(&mut self.inbox) {
            if let Event::Delivery(delivery) = event {
                deliveries.push(delivery);
            } else {
                self.inbox.push(event);
            }
        }
        deliveries
    }

    /// Everything else that has come.
    pub fn others(&mut self) -> Vec<Event> {
        let events = std::mem::take(&mut self.inbox);
        let (deliveries, others): (Vec<_>, Vec<_>) = events
            .into_iter()
            .partition(|event| matches!(event, Event::Delivery(_)));
        self.inbox = deliveries;
        others
    }

    pub fn queues(&mut self, node: &mut Node) -> Vec<ListedQueue> {
        let reply = self.ok(node, Command::List(Listing::Queues));
        let Reply::Queues(queues) = reply else {
            panic!("{reply:?}")
        };
        queues
    }

    pub fn exchanges(&mut self, node: &mut Node) -> Vec<ListedExchange> {
        let reply = self.ok(node, Command::List(Listing::Exchanges));
        let Reply::Exchanges(exchanges) = reply else {
            panic!("{reply:?}")
        };
        exchanges
    }

    pub fn bindings(&mut self, node: &mut Node) -> Vec<Bind> {
        let reply = self.ok(node, Command::List(Listing::Bindings));
        let Reply::Bindings(bindings) = reply else {
            panic!("{reply:?}")
        };
        bindings
    }

    pub fn has_exchange(&mut self, node: &mut Node, name: &str) -> bool {
        let exchanges = self.exchanges(node);
        exchanges
            .iter()
            .any(|listed| listed.name.as_bytes() == name.as_bytes())
    }

    pub fn has_queue(&mut self, node: &mut Node, name: &str) -> bool {
        let queues = self.queues(node);
        queues
            .iter()
            .any(|listed| listed.status.name.as_bytes() == name.as_bytes())
    }

    /// Ready and unsettled messages of a queue.
    pub fn counts(&mut self, node: &mut Node, name: &str) -> (u64, u64) {
        let queues = self.queues(node);
        let listed = queues
            .iter()
            .find(|listed| listed.status.name.as_bytes() == name.as_bytes())
            .expect("it is there");
        (listed.status.ready_count, listed.status.unsettled_count)
    }
}

impl Node {
    /// Lets time pass, stepping executors whenever they wish to be.
    pub fn advance(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.settle_down();
        while let Some(next) = self.next_deadline().filter(|next| *next <= end) {
            self.now = next.max(self.now);
            self.settle_down();
            assert!(
                self.next_deadline().is_none_or(|next| next > self.now),
                "a deadline passes when it is there"
            );
        }
        self.now = end;
        self.settle_down();
    }

    pub fn next_deadline(&self) -> Option<model::Instant> {
        self.executors
            .iter()
            .filter_map(broker::Executor::deadline)
            .min()
    }

    pub fn advance_ms(&mut self, ms: u64) {
        self.advance(Duration::from_millis(ms));
    }

    /// Saves a snapshot of every shard.
    pub fn snapshot(&mut self) {
        for shard in 0..4 {
            self.store.want_snapshot(ShardId(shard));
        }
        self.settle_down();
        self.store.round();
        self.settle_down();
    }

    /// The same after power is lost: of what no round has committed, so many records of each shard survive
    /// as `kept` says of their number.
    pub fn crashed(&self, mut kept: impl FnMut(ShardId, u64) -> u64) -> Self {
        self.store.crash(&mut kept);
        let settings = self.settings.clone();
        let mut node = Self::open_at(settings, self.store.clone(), self.now);
        // Connection ids are not used again in a process; a test should not confuse its clients.
        node.last_connection = self.last_connection + 1000;
        node
    }

    /// The same after an orderly stop.
    pub fn restarted(&mut self) -> Self {
        self.settle_down();
        for executor in &mut self.executors {
            executor.flush().expect("the store works");
        }
        self.settle_down();
        self.crashed(|_, _| 0)
    }

    /// What is in a queue, by a consumer of its own that leaves without having taken anything.
    pub fn contents(&mut self, of: &str) -> Vec<u32> {
        let mut browser = self.connect();
        let browse = sharing(subscribe(1, super::queue(of)), Sharing::Browse);
        if browser
            .call(self, Command::Subscribe(Box::new(browse)))
            .is_err()
        {
            return Vec::new();
        }
        let contents = browser.numbers(self);
        let ended = browser.others();
        assert!(
            matches!(ended[..], [Event::Drained(SubscriptionId(1))]),
            "{ended:?}"
        );
        browser.close(self);
        self.settle_down();
        contents
    }
}

pub fn number_of(message: &Message) -> u32 {
    u32::from_le_bytes(message.body()[..4].try_into().expect("four bytes"))
}

/// How a message died: queue, reason's word, count, the latest first.
pub fn deaths_of(message: &Message) -> Vec<(String, &'static str, u64)> {
    let deaths = Deaths::decode(message.annotations()).expect("deaths");
    deaths
        .iter()
        .map(|death| {
            let queue = String::from_utf8_lossy(&death.queue).into_owned();
            (queue, death.reason.word(), death.count)
        })
        .collect()
}
