//! Dead letters of messages that are in subscribers' hands and whose bodies are not in memory: they are read once more, and
//! whatever is said of them waits for that.

mod support;

use broker::Settings;
use broker_api::{Command, Confirm, DeleteIf, Event, Publishing, Refusal, Reply, Settle};
use model::{
    CommandId, Durability, Lifetime, Outcome, Overflow, QueueDefinition, QueueRules, ShardId,
    SubscriptionId,
};
use std::collections::BTreeMap;
use support::calls::{
    dead_letters_to, delete_queue, delete_queue_if, name, number_of, settings, settle, subscribe,
    with_rules,
};
use support::crashes::crash_at_every_step;
use support::{Client, Draft, Node, message, queue};

/// So little memory that a hundred messages are too many.
const MEMORY_BYTES: usize = 8 << 10;

/// What a message has beside its head.
const BODY_BYTES: usize = 300;

fn with_memory(bytes: usize) -> Settings {
    Settings {
        queued_bytes: bytes,
        ..settings()
    }
}

fn persistent(queue: &str, number: u32) -> Draft {
    let draft = message(queue, number).queued().persistent();
    draft.of_bytes(BODY_BYTES)
}

fn letters(rules: QueueRules) -> QueueDefinition {
    with_rules(QueueRules {
        dead_letter: dead_letters_to("", Some("dead")).dead_letter,
        ..rules
    })
}

/// Publishes; says whether that was confirmed once nothing moves any more.
fn is_taken(node: &mut Node, client: &mut Client, draft: Draft) -> bool {
    let publish = Command::Publish(draft.build(), Publishing::new(Confirm::Wanted));
    let id = client.send(node, publish);
    client.answer(node, id).is_some()
}

/// Fills memory up to so many eighths with what cannot be moved out.
fn ballast(node: &mut Node, client: &mut Client, eighths: usize) {
    let rules = QueueRules {
        last_value_header: Some(Box::from(*b"of")),
        ..QueueRules::PLAIN
    };
    client.declare_as(node, "kept", with_rules(rules));
    for number in 0.. {
        if node.broker.queued_bytes() >= node.settings.queued_bytes / 8 * eighths {
            break;
        }
        let draft = message("kept", 0).queued().persistent();
        let draft = draft.header("of", &number.to_string());
        assert!(is_taken(node, client, draft));
    }
}

/// A node with a queue `q` whose dead letters go to `dead`, and so little memory left that nothing of them stays in it.
fn short_of_memory(definition: QueueDefinition) -> (Node, Client) {
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let mut client = node.connect();
    for name in ["dead", "b"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    client.declare_as(&mut node, "q", definition);
    ballast(&mut node, &mut client, 6);
    (node, client)
}

/// Publishes messages `1..=count` to `q`, which a consumer takes; returns it, with the sequences that it has in its
/// hands, without their bodies in memory.
fn held(node: &mut Node, client: &mut Client, count: u32) -> (Client, Vec<u64>) {
    let before = node.broker.queued_bytes();
    let mut holder = node.connect();
    holder.subscribed(node, subscribe(1, queue("q")));
    let mut sequences = Vec::new();
    for number in 1..=count {
        assert!(is_taken(node, client, persistent("q", number)));
        let deliveries = holder.deliveries(node);
        sequences.extend(deliveries.iter().map(|it| it.sequence.0));
    }
    assert_eq!(sequences.len(), count as usize);
    node.advance_ms(100);
    assert_eq!(node.broker.queued_bytes(), before, "their bodies are away");
    (holder, sequences)
}

fn reject(id: u32, sequences: &[u64]) -> Command {
    Command::Settle(settle(id, sequences, Outcome::Reject))
}

/// Numbers of all messages in a queue with the lengths of their bodies, each as often as it is there.
fn contents(node: &mut Node, of: &str) -> BTreeMap<u32, Vec<usize>> {
    let mut found = BTreeMap::<_, Vec<_>>::new();
    let mut reader = node.connect();
    reader.subscribed(node, subscribe(1, queue(of)));
    loop {
        let deliveries = reader.deliveries(node);
        if deliveries.is_empty() {
            break;
        }
        for delivery in deliveries {
            let number = number_of(&delivery.message);
            let bytes = delivery.message.body().len();
            found.entry(number).or_default().push(bytes);
        }
    }
    reader.close(node);
    node.settle_down();
    found
}

/// That these are there once each, with their bodies.
fn once_each(numbers: impl IntoIterator<Item = u32>) -> BTreeMap<u32, Vec<usize>> {
    let numbers = numbers.into_iter();
    numbers.map(|number| (number, vec![BODY_BYTES])).collect()
}

/// Each executor does one step, then the store does all that it was asked for.
fn step(node: &mut Node) {
    for index in 0..node.executors.len() {
        node.step_executor(index);
    }
    node.store.round();
}

/// Damages the page that messages of `q` stand in.
fn damage(node: &Node) {
    for shard in (0..4).map(ShardId) {
        for (page, _) in node.store.saved_pages(shard) {
            node.store.damage_page(shard, page);
        }
    }
}

fn is_damaged<T>(answer: &Option<Result<T, Refusal>>) -> bool {
    matches!(answer, Some(Err(Refusal::Damaged { .. })))
}

#[test]
fn who_takes_all_and_settles_nothing_takes_no_memory_and_may_reject_it() {
    const COUNT: u32 = 600;
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let mut client = node.connect();
    client.declare_as(&mut node, "dead", QueueDefinition::DURABLE);
    client.declare_as(&mut node, "q", letters(QueueRules::PLAIN));
    // Half of it comes as a backlog, half of it while the consumer is there.
    let mut holder = node.connect();
    let mut sequences = Vec::new();
    for number in 1..=COUNT {
        if number == COUNT / 2 {
            holder.subscribed(&mut node, subscribe(1, queue("q")));
        }
        assert!(is_taken(&mut node, &mut client, persistent("q", number)));
        let deliveries = holder.deliveries(&mut node);
        sequences.extend(deliveries.iter().map(|it| it.sequence.0));
        assert!(node.broker.queued_bytes() < MEMORY_BYTES, "after {number}");
    }
    assert!(sequences.iter().copied().eq(1..=u64::from(COUNT)));
    // One by one and many at once, and each is to be answered.
    let (ones, many) = sequences.split_at(sequences.len() / 4);
    let mut asked: Vec<_> = ones
        .iter()
        .map(|one| holder.send(&node, reject(1, &[*one])))
        .collect();
    asked.push(holder.send(&node, reject(1, many)));
    let mut bytes_max = 0;
    let mut confirmed = Vec::new();
    for _ in 0..20_000 {
        step(&mut node);
        bytes_max = node.broker.queued_bytes().max(bytes_max);
        node.pass(std::time::Duration::from_millis(1));
        for event in holder.take(&mut node) {
            let Event::Confirmed(command) = event else {
                panic!("{event:?}");
            };
            confirmed.push(command);
        }
        if confirmed.len() == asked.len() {
            break;
        }
    }
    confirmed.sort_unstable();
    assert_eq!(confirmed, asked, "each is answered once");
    assert!(bytes_max < MEMORY_BYTES * 3 / 2, "{bytes_max} bytes");
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(contents(&mut node, "q"), once_each([]));
    assert_eq!(contents(&mut node, "dead"), once_each(1..=COUNT));
}

#[test]
fn a_receipt_waits_for_the_body() {
    let (mut node, mut client) = short_of_memory(letters(QueueRules::PLAIN));
    let (mut holder, sequences) = held(&mut node, &mut client, 3);
    let rejected = holder.send(&node, reject(1, &sequences[..2]));
    let accepted = holder.send(
        &node,
        Command::Settle(settle(1, &sequences[2..], Outcome::Accept)),
    );
    // What is said of a message that leaves as it is comes with the next round; of another, after its page.
    let mut heard = Vec::new();
    for _ in 0..20 {
        node.step_executors();
        let events = holder.take(&mut node);
        let mut confirmed = Vec::new();
        for event in &events {
            if let Event::Confirmed(command) = event {
                confirmed.push(*command);
            }
        }
        heard.extend(Some(confirmed).filter(|confirmed| !confirmed.is_empty()));
        node.store.round();
    }
    assert_eq!(heard, [[accepted], [rejected]]);
    assert_eq!(contents(&mut node, "dead"), once_each([1, 2]));
}

#[test]
fn a_crash_anywhere_loses_and_doubles_no_dead_letter() {
    for wants_snapshot in [false, true] {
        let start = || {
            let (mut node, client) = short_of_memory(letters(QueueRules::PLAIN));
            client.close(&node);
            node.settle_down();
            node
        };
        let act = |node: &mut Node| {
            let mut client = node.connect();
            let (mut holder, sequences) = held(node, &mut client, 3);
            client.close(node);
            for one in &sequences[..2] {
                holder.send(node, reject(1, &[*one]));
            }
            for shard in (0..4).filter(|_| wants_snapshot) {
                node.store.want_snapshot(ShardId(shard));
            }
            holder
        };
        let check = |node: &mut Node, what: &str, heard: &[Event]| {
            let (at, dead) = (contents(node, "q"), contents(node, "dead"));
            let mut all = at.clone();
            for (number, bytes) in &dead {
                all.entry(*number).or_default().extend(bytes);
            }
            assert_eq!(all, once_each(1..=3), "{what}: {at:?}");
            let is_confirmed = |event: &&Event| matches!(event, Event::Confirmed(_));
            let confirmed = heard.iter().filter(is_confirmed).count();
            assert!(
                dead.len() >= confirmed,
                "{what}: {confirmed} were confirmed"
            );
        };
        crash_at_every_step(start, act, check);
    }
}

/// Rejects all that was held in a transaction which also publishes to these.
fn commit(node: &Node, holder: &mut Client, sequences: &[u64], to: &[&str]) -> CommandId {
    let publishes = to.iter().map(|queue| persistent(queue, 9)).collect();
    let settles = vec![settle(1, sequences, Outcome::Reject)];
    holder.commit(node, publishes, settles)
}

#[test]
fn a_transaction_is_whole_whatever_crashes() {
    // The queue itself is on the one shard, and others on others.
    for to in [&["q"][..], &["b"], &["q", "b"]] {
        let start = || {
            let (mut node, client) = short_of_memory(letters(QueueRules::PLAIN));
            client.close(&node);
            node.settle_down();
            node
        };
        let act = |node: &mut Node| {
            let mut client = node.connect();
            let (mut holder, sequences) = held(node, &mut client, 2);
            client.close(node);
            commit(node, &mut holder, &sequences, to);
            holder
        };
        let check = |node: &mut Node, what: &str, heard: &[Event]| {
            let found = ["q", "b", "dead"].map(|of| contents(node, of));
            let is_done = |event: &Event| matches!(event, Event::Done(_, Ok(Reply::Nothing)));
            let is_whole = !found[2].is_empty();
            assert!(is_whole || !heard.iter().any(is_done), "{what}");
            let new = |of: &str| to.contains(&of).then_some(9).filter(|_| is_whole);
            let old = |is: bool| [1, 2].into_iter().filter(move |_| is);
            let expected = [
                once_each(old(!is_whole).chain(new("q"))),
                once_each(new("b")),
                once_each(old(is_whole)),
            ];
            assert_eq!(found, expected, "{what}: {to:?}");
        };
        crash_at_every_step(start, act, check);
    }
}

#[test]
fn a_decided_transaction_is_whole_whatever_crashes_before_its_bodies_are_here() {
    // A small step of an executor, or of what one shard asked of the store.
    let go_on = |node: &mut Node, number: u16| match number % 6 {
        executor @ 0..2 => {
            node.step_executor(usize::from(executor));
        }
        shard => {
            node.store.round_of(ShardId(shard - 2));
        }
    };
    let mut taken = 0;
    for before in 12..42 {
        for after in 0..24 {
            let (mut node, mut client) = short_of_memory(letters(QueueRules::PLAIN));
            let (mut holder, sequences) = held(&mut node, &mut client, 2);
            commit(&node, &mut holder, &sequences, &["b"]);
            for step in 0..before {
                go_on(&mut node, step);
                let _answers = holder.take(&mut node);
            }
            let mut node = node.crashed(|_, _| 0);
            (0..after).for_each(|step| go_on(&mut node, step));
            let mut node = node.crashed(|_, _| 0);
            node.settle_down();
            node.advance_ms(3000);
            let found = ["q", "b", "dead"].map(|of| contents(&mut node, of));
            let is_whole = !found[1].is_empty();
            taken += usize::from(is_whole);
            let old = |is: bool| once_each([1, 2].into_iter().filter(|_| is));
            let new = once_each(is_whole.then_some(9));
            let expected = [old(!is_whole), new, old(is_whole)];
            assert_eq!(found, expected, "{before} steps, crash, {after} steps");
        }
    }
    assert!(taken > 0);
}

#[test]
fn a_transaction_that_finds_no_room_when_its_bodies_are_here_has_done_nothing() {
    let (mut node, mut client) = short_of_memory(letters(QueueRules::PLAIN));
    // It is on the shard of `q`.
    client.declare_as(&mut node, "other", QueueDefinition::DURABLE);
    let rules = QueueRules {
        length_max: Some(1),
        overflow: Some(Overflow::RejectPublish),
        ..QueueRules::PLAIN
    };
    client.declare_as(&mut node, "full", with_rules(rules));
    let (mut holder, sequences) = held(&mut node, &mut client, 2);
    let id = commit(&node, &mut holder, &sequences, &["full"]);
    node.step_executors();
    // There was room when it began.
    client.publish(&node, persistent("full", 3));
    let done = holder.answer(&mut node, id);
    assert!(matches!(done, Some(Err(Refusal::QueueFull(_)))), "{done:?}");
    assert_eq!(contents(&mut node, "full"), once_each([3]));
    holder.close(&node);
    assert_eq!(contents(&mut node, "q"), once_each([1, 2]));
    assert_eq!(contents(&mut node, "dead"), once_each([]));
}

#[test]
fn a_damaged_page_is_told_to_who_waits_for_it_and_keeps_its_messages() {
    for (asks, to) in [(1, &[][..]), (2, &[]), (0, &["q"]), (0, &["b"])] {
        let (mut node, mut client) = short_of_memory(letters(QueueRules::PLAIN));
        let (mut holder, sequences) = held(&mut node, &mut client, 2);
        damage(&node);
        let mut ids = Vec::new();
        for one in &sequences[..asks] {
            ids.push(holder.send(&node, reject(1, &[*one])));
        }
        if asks == 0 {
            ids.push(commit(&node, &mut holder, &sequences, to));
        }
        for id in ids {
            let answer = holder.answer(&mut node, id);
            assert!(is_damaged(&answer), "{asks} {to:?}: {answer:?}");
        }
        assert_eq!(client.counts(&mut node, "q"), (2, 0));
        for of in ["b", "dead"] {
            assert_eq!(contents(&mut node, of), once_each([]), "{of}");
        }
        // What is asked for too late is refused, too.
        let late = holder.send(&node, reject(1, &sequences));
        let answer = holder.answer(&mut node, late);
        assert!(matches!(answer, Some(Err(_))), "{answer:?}");
    }
}

#[test]
fn what_is_rejected_goes_out_before_its_queue_goes() {
    for is_automatic in [false, true] {
        let (mut node, mut client) = short_of_memory(QueueDefinition {
            lifetime: if is_automatic {
                Lifetime::UntilUnused
            } else {
                Lifetime::Permanent
            },
            ..letters(QueueRules::PLAIN)
        });
        let (mut holder, sequences) = held(&mut node, &mut client, 3);
        let rejected = holder.send(&node, reject(1, &sequences[..2]));
        let end = if is_automatic {
            Command::Cancel(SubscriptionId(1))
        } else {
            delete_queue("q")
        };
        let ended = holder.send(&node, end);
        for id in [rejected, ended] {
            let answer = holder.answer(&mut node, id);
            assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
        }
        assert!(!client.has_queue(&mut node, "q"));
        assert_eq!(contents(&mut node, "dead"), once_each([1, 2]));
        let pages = node.store.saved_pages(ShardId(3));
        assert!(pages.is_empty(), "those of the queue are gone");
    }
}

#[test]
fn a_queue_that_is_used_again_meanwhile_does_not_go() {
    let (mut node, mut client) = short_of_memory(letters(QueueRules::PLAIN));
    let (mut holder, sequences) = held(&mut node, &mut client, 2);
    holder.send(&node, reject(1, &sequences));
    holder.send(&node, Command::Cancel(SubscriptionId(1)));
    let condition = DeleteIf {
        unused: true,
        empty: true,
    };
    let deleted = holder.send(&node, delete_queue_if("q", condition));
    node.step_executors();
    client.submit(
        &node,
        Command::Subscribe(Box::new(subscribe(1, queue("q")))),
    );
    let answer = holder.answer(&mut node, deleted);
    assert!(
        matches!(answer, Some(Err(Refusal::QueueInUse(_)))),
        "{answer:?}"
    );
    assert_eq!(contents(&mut node, "dead"), once_each([1, 2]));
}

#[test]
fn a_purge_takes_nothing_that_was_rejected() {
    let (mut node, mut client) = short_of_memory(letters(QueueRules::PLAIN));
    let (mut holder, sequences) = held(&mut node, &mut client, 3);
    holder.send(&node, reject(1, &sequences[..2]));
    holder.send(&node, Command::Cancel(SubscriptionId(1)));
    let purged = holder.send(&node, Command::PurgeQueue(name("q")));
    assert_eq!(
        holder.answer(&mut node, purged),
        Some(Ok(Reply::Count(1))),
        "what went back"
    );
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(contents(&mut node, "q"), once_each([]));
    assert_eq!(contents(&mut node, "dead"), once_each([1, 2]));
}

#[test]
fn what_a_lost_connection_had_may_die_of_it() {
    for durability in [Durability::Durable, Durability::Transient] {
        let (mut node, mut client) = short_of_memory(QueueDefinition {
            durability,
            ..letters(QueueRules {
                delivery_limit: Some(0),
                ..QueueRules::PLAIN
            })
        });
        let (holder, _) = held(&mut node, &mut client, 3);
        holder.close(&node);
        node.settle_down();
        assert_eq!(client.counts(&mut node, "q"), (0, 0));
        assert_eq!(contents(&mut node, "dead"), once_each(1..=3));
    }
}

#[test]
fn full_memory_holds_bodies_back_but_not_for_ever() {
    let (mut node, mut client) = short_of_memory(letters(QueueRules::PLAIN));
    let (mut holder, sequences) = held(&mut node, &mut client, 12);
    ballast(&mut node, &mut client, 8);
    assert!(node.broker.queued_bytes() >= MEMORY_BYTES);
    let rejected = holder.send(&node, reject(1, &sequences));
    // Pages are full: so it is not they that fill memory, but what they would bring.
    node.store.refuse_pages(true);
    node.advance_ms(5000);
    let before = node.broker.queued_bytes();
    node.advance_ms(5000);
    assert_eq!(holder.answer(&mut node, rejected), None);
    assert!(node.broker.queued_bytes() <= before + 2 * 1024);
    node.store.refuse_pages(false);
    node.advance_ms(20_000);
    assert!(matches!(
        holder.answer(&mut node, rejected),
        Some(Ok(Reply::Nothing))
    ));
    assert_eq!(contents(&mut node, "dead"), once_each(1..=12));
}

#[test]
fn bodies_are_let_go_of_while_pages_cannot_be_saved() {
    let mut node = Node::new(with_memory(MEMORY_BYTES));
    let mut client = node.connect();
    client.declare_as(&mut node, "q", letters(QueueRules::PLAIN));
    for number in 1..=300 {
        assert!(is_taken(&mut node, &mut client, persistent("q", number)));
    }
    node.store.refuse_pages(true);
    let mut holder = node.connect();
    holder.subscribed(&mut node, subscribe(1, queue("q")));
    let mut count = holder.deliveries(&mut node).len();
    for _ in 0..200 {
        node.advance_ms(100);
        count += holder.deliveries(&mut node).len();
        assert!(node.broker.queued_bytes() < MEMORY_BYTES);
    }
    assert_eq!(count, 300);
}

#[test]
fn transactions_bring_back_only_so_much_at_a_time() {
    const LARGE: usize = 12 << 20;
    let mut node = Node::new(with_memory(16 << 20));
    let mut client = node.connect();
    client.declare_as(&mut node, "dead", QueueDefinition::DURABLE);
    client.declare_as(&mut node, "q", letters(QueueRules::PLAIN));
    let mut holder = node.connect();
    holder.subscribed(&mut node, subscribe(1, queue("q")));
    for number in 1..=3 {
        let draft = persistent("q", number).of_bytes(LARGE);
        assert!(is_taken(&mut node, &mut client, draft));
        assert_eq!(holder.deliveries(&mut node).len(), 1);
        node.advance_ms(100);
    }
    assert!(node.broker.queued_bytes() < LARGE);
    let refused = commit(&node, &mut holder, &[1, 2, 3], &[]);
    let answer = holder.answer(&mut node, refused);
    assert!(
        matches!(answer, Some(Err(Refusal::LimitReached { .. }))),
        "{answer:?}"
    );
    // What the refused one gave back comes again; one after the other may go.
    let sequences: Vec<_> = holder
        .deliveries(&mut node)
        .iter()
        .map(|it| it.sequence.0)
        .collect();
    assert_eq!(sequences, [1, 2, 3]);
    for sequence in sequences {
        let id = commit(&node, &mut holder, &[sequence], &[]);
        assert_eq!(holder.answer(&mut node, id), Some(Ok(Reply::Nothing)));
    }
    assert_eq!(client.counts(&mut node, "dead").0, 3);
}

/// A settlement that asks for no answer.
#[test]
fn who_asks_for_no_answer_gets_its_dead_letters_all_the_same() {
    let (mut node, mut client) = short_of_memory(letters(QueueRules::PLAIN));
    let (mut holder, sequences) = held(&mut node, &mut client, 3);
    let settle = Settle {
        confirm: Confirm::Unwanted,
        ..settle(1, &sequences, Outcome::Reject)
    };
    holder.submit(&node, Command::Settle(settle));
    holder.run(&mut node);
    assert_eq!(client.counts(&mut node, "q"), (0, 0));
    assert_eq!(contents(&mut node, "dead"), once_each(1..=3));
}
