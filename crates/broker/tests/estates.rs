//! Queues that are taken over: one owner at a time, what it keeps, and what happens once it is gone, whatever crashes.

mod support;

use broker::Settings;
use broker_api::{
    Bequest, Command, Confirm, Event, Note, Notes, OwnMessages, Publishing, Refusal, Reply,
    Sharing, Transaction, Will,
};
use model::{Outcome, QueueDefinition, Sequence, SubscriptionId};
use support::calls::{
    bind, delete_queue, limited, presettled, settings, settle, sharing, subscribe, with_retained,
};
use support::crashes::crash_at_every_step;
use support::{Client, Draft, Node, message, queue, topic};

const DAY_MS: u64 = 86_400_000;

/// A node with durable queues `a`, `b` and `c` in shards 1, 2 and 3. The will goes to `b` and `c`.
fn node() -> Node {
    let mut node = Node::new(settings());
    let mut client = node.connect();
    for name in ["a", "b", "c"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    for name in ["b", "c"] {
        client.bind(&mut node, bind("amq.direct", name, "will"));
    }
    client.close(&node);
    node.settle_down();
    node
}

fn takeover(id: u32, name: &str) -> Command {
    let subscribe = sharing(subscribe(id, queue(name)), Sharing::Takeover);
    Command::Subscribe(Box::new(subscribe))
}

/// A connection that has taken the queue over with its subscription 1.
fn owner(node: &mut Node, name: &str) -> Client {
    let mut client = node.connect();
    client.ok(node, takeover(1, name));
    client
}

fn entry(key: &str, value: Option<&str>) -> Note {
    Note {
        key: key.as_bytes().into(),
        value: value.map(|value| value.as_bytes().into()),
    }
}

fn notes(entries: &[(&str, Option<&str>)]) -> Notes {
    Notes {
        subscription: SubscriptionId(1),
        entries: entries
            .iter()
            .map(|(key, value)| entry(key, *value))
            .collect(),
        accepted: Vec::new(),
    }
}

fn note(entries: &[(&str, Option<&str>)]) -> Command {
    Command::Note(Box::new(notes(entries)))
}

const RECALL: Command = Command::Recall(SubscriptionId(1));

fn texts(reply: &Reply) -> Vec<(String, String)> {
    let Reply::Notes(notes) = reply else {
        panic!("{reply:?}")
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    notes
        .iter()
        .map(|(key, value)| (text(key), text(value)))
        .collect()
}

/// What is kept beside a queue, as its next owner finds it.
fn kept(node: &mut Node, name: &str) -> Vec<(String, String)> {
    let mut client = owner(node, name);
    let reply = client.ok(node, RECALL);
    client.close(node);
    node.settle_down();
    texts(&reply)
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    list.iter().map(pair).collect()
}

fn will(number: u32, delay_ms: u64) -> Option<Will> {
    Some(Will {
        message: message("will", number).to("amq.direct").build(),
        delay_ms,
    })
}

fn bequeath(expires_ms: Option<u64>, will: Option<Will>) -> Command {
    Command::Bequeath(Box::new(Bequest {
        subscription: SubscriptionId(1),
        expires_ms,
        will,
    }))
}

fn to(queue: &str, number: u32) -> Draft {
    message(queue, number).queued().persistent()
}

#[test]
fn who_takes_over_ends_all_others_and_gets_what_they_had() {
    let mut node = node();
    let mut publisher = node.connect();
    for number in 1..=3 {
        publisher
            .publish_safely(&mut node, to("a", number))
            .expect("it is taken");
    }
    let mut one = node.connect();
    let mut two = node.connect();
    one.subscribed(&mut node, limited(subscribe(1, queue("a")), 2));
    two.subscribed(&mut node, limited(subscribe(1, queue("a")), 1));
    assert_eq!(one.numbers(&mut node), [1, 2]);
    assert_eq!(two.numbers(&mut node), [3]);
    let mut heir = owner(&mut node, "a");
    assert_eq!(heir.numbers(&mut node), [1, 2, 3]);
    for client in [&mut one, &mut two] {
        client.run(&mut node);
        let told = client.others();
        assert!(
            matches!(
                told[..],
                [Event::Ended(SubscriptionId(1), Refusal::TakenOver)]
            ),
            "{told:?}"
        );
    }
    let refusal = two.refused(
        &mut node,
        Command::Subscribe(Box::new(subscribe(2, queue("a")))),
    );
    assert!(matches!(refusal, Refusal::QueueInUse(_)), "{refusal:?}");
    // And that one loses it to the next, on its own connection, too.
    heir.ok(&mut node, takeover(2, "a"));
    assert_eq!(heir.delivered(&mut node), [(2, 1), (2, 2), (2, 3)]);
    assert_eq!(heir.counts(&mut node, "a"), (0, 3));
}

#[test]
fn what_an_earlier_owner_asks_is_passed_over() {
    let mut node = node();
    let mut publisher = node.connect();
    publisher
        .publish_safely(&mut node, to("a", 1))
        .expect("it is taken");
    let mut old = owner(&mut node, "a");
    assert_eq!(old.numbers(&mut node), [1]);
    old.ok(&mut node, note(&[("k", Some("old"))]));
    // Asked before it knows, and carried out behind the takeover.
    let mut new = node.connect();
    let took = new.send(&node, takeover(1, "a"));
    let noted = old.send(&node, note(&[("k", Some("late"))]));
    let settled = old.send(&node, Command::Settle(settle(1, &[1], Outcome::Accept)));
    let bequeathed = old.send(&node, bequeath(Some(0), will(7, 0)));
    let recalled = old.send(&node, RECALL);
    let transaction = Transaction {
        publishes: vec![to("b", 9).build()],
        notes: vec![notes(&[("k", Some("later"))])],
        ..Transaction::default()
    };
    let committed = old.send(&node, Command::Commit(Box::new(transaction)));
    assert!(matches!(new.answer(&mut node, took), Some(Ok(_))));
    for id in [noted, bequeathed, recalled, committed] {
        let answer = old.answer(&mut node, id);
        assert!(
            matches!(
                answer,
                Some(Err(Refusal::TakenOver | Refusal::SubscriptionNotFound(_)))
            ),
            "{answer:?}"
        );
    }
    old.answer(&mut node, settled);
    assert_eq!(texts(&new.ok(&mut node, RECALL)), pairs(&[("k", "old")]));
    assert_eq!(new.numbers(&mut node), [1], "it was not settled");
    old.close(&node);
    node.settle_down();
    assert!(node.contents("b").is_empty(), "neither will nor message");
    assert_eq!(new.counts(&mut node, "a"), (0, 1), "the queue is there");
}

#[test]
fn a_commit_of_an_earlier_owner_on_one_shard_is_refused() {
    let mut node = node();
    let mut old = owner(&mut node, "a");
    let mut new = node.connect();
    let took = new.send(&node, takeover(1, "a"));
    let transaction = Transaction {
        publishes: vec![to("a", 9).build()],
        notes: vec![notes(&[("k", Some("late"))])],
        ..Transaction::default()
    };
    let committed = old.send(&node, Command::Commit(Box::new(transaction)));
    assert!(matches!(new.answer(&mut node, took), Some(Ok(_))));
    let answer = old.answer(&mut node, committed);
    assert_eq!(answer, Some(Err(Refusal::TakenOver)));
    assert!(new.numbers(&mut node).is_empty());
    assert!(texts(&new.ok(&mut node, RECALL)).is_empty());
}

#[test]
fn only_who_has_taken_a_durable_queue_over_keeps_notes() {
    let mut node = node();
    let mut client = node.connect();
    client.subscribed(&mut node, subscribe(1, queue("a")));
    for command in [note(&[("k", Some("v"))]), RECALL, bequeath(None, None)] {
        let refusal = client.refused(&mut node, command);
        assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal:?}");
    }
    let refusal = node.connect().refused(&mut node, RECALL);
    assert!(matches!(refusal, Refusal::SubscriptionNotFound(_)));
    let mut transient = QueueDefinition::DURABLE;
    transient.durability = model::Durability::Transient;
    client.declare_as(&mut node, "t", transient);
    let mut of_transient = owner(&mut node, "t");
    let refusal = of_transient.refused(&mut node, note(&[("k", Some("v"))]));
    assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal:?}");
    let of_exchange = sharing(subscribe(9, topic("x")), Sharing::Takeover);
    let refusal = client.refused(&mut node, Command::Subscribe(Box::new(of_exchange)));
    assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal:?}");
}

#[test]
fn notes_are_bounded_and_can_always_be_given_up() {
    let mut settings = settings();
    settings.notes_bytes = 300;
    let mut node = Node::new(settings);
    let mut client = node.connect();
    client.declare_as(&mut node, "a", QueueDefinition::DURABLE);
    let mut client = owner(&mut node, "a");
    let long = "v".repeat(100);
    client.ok(&mut node, note(&[("1", Some(&long))]));
    let refusal = client.refused(&mut node, note(&[("2", Some(&long)), ("3", None)]));
    assert!(
        matches!(refusal, Refusal::LimitReached { .. }),
        "{refusal:?}"
    );
    client.ok(&mut node, note(&[("1", Some("short"))]));
    client.ok(&mut node, note(&[("2", Some(&long))]));
    client.ok(&mut node, note(&[("2", None), ("1", None)]));
    assert!(kept(&mut node, "a").is_empty());
    let much = "v".repeat((1 << 20) + 1);
    let mut client = owner(&mut node, "a");
    let refusal = client.refused(&mut node, note(&[("1", Some(&much))]));
    assert!(
        matches!(refusal, Refusal::LimitReached { .. }),
        "{refusal:?}"
    );
}

#[test]
fn a_dozen_owners_do_not_take_all_room_for_notes() {
    let mut node = node();
    let value = "v".repeat(100 << 10);
    let mut owners = Vec::new();
    for number in 0..12 {
        let name = format!("q{number}");
        let mut client = node.connect();
        client.declare_as(&mut node, &name, QueueDefinition::DURABLE);
        let mut client = owner(&mut node, &name);
        let mut refused = None;
        for key in 0..100 {
            let key = key.to_string();
            let done = client.call(&mut node, note(&[(&key, Some(&value))]));
            refused = done.err();
            if refused.is_some() {
                break;
            }
        }
        let is_own = matches!(
            refused,
            Some(Refusal::LimitReached { what, .. }) if what.contains("beside a queue")
        );
        assert!(is_own, "{number}");
        owners.push(client);
    }
}

#[test]
fn a_user_has_so_many_kept_queues_and_no_more() {
    let limited = Settings {
        kept_queues: 2,
        ..settings()
    };
    let mut node = Node::new(limited);
    let mut client = node.connect();
    for name in ["a", "b", "c"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
    }
    owner(&mut node, "a").ok(&mut node, note(&[("k", Some("v"))]));
    owner(&mut node, "b").close(&node);
    // One that is there may be taken over by the same user as often as it likes.
    owner(&mut node, "a").close(&node);
    let one_more = |node: &mut Node| {
        let mut client = node.connect();
        client.refused(node, takeover(1, "c"))
    };
    let is_limit = |refusal: Refusal| matches!(refusal, Refusal::LimitReached { limit: 2, .. });
    assert!(is_limit(one_more(&mut node)));
    // Owners neither see whose it is nor change it.
    assert_eq!(kept(&mut node, "a"), pairs(&[("k", "v")]));
    let mut first = owner(&mut node, "a");
    let refusal = first.refused(&mut node, note(&[("", None)]));
    assert!(matches!(refusal, Refusal::Invalid(_)), "{refusal:?}");
    // An operator is another.
    let mut operator = node.connect_operator();
    operator.ok(&mut node, takeover(1, "c"));
    operator.close(&node);
    // They are counted after a restart, and after a snapshot.
    for by_snapshot in [false, true] {
        if by_snapshot {
            node.snapshot();
        }
        node = node.crashed(|_, _| 0);
        let mut client = node.connect();
        client.declare_as(&mut node, "d", QueueDefinition::DURABLE);
        let refusal = client.refused(&mut node, takeover(1, "d"));
        assert!(is_limit(refusal), "{by_snapshot}");
        assert_eq!(kept(&mut node, "a"), pairs(&[("k", "v")]));
    }
    // Whoever takes one over from another user has it.
    client = node.connect_operator();
    client.ok(&mut node, takeover(1, "b"));
    client.ok(&mut node, delete_queue("c"));
    owner(&mut node, "d").close(&node);
    let mut client = node.connect();
    client.ok(&mut node, delete_queue("d"));
    client.declare_as(&mut node, "e", QueueDefinition::DURABLE);
    owner(&mut node, "e");
    client.declare_as(&mut node, "f", QueueDefinition::DURABLE);
    assert!(is_limit(client.refused(&mut node, takeover(1, "f"))));
}

#[test]
fn an_answer_to_a_delivery_is_kept_where_there_is_no_room_for_notes() {
    let mut settings = settings();
    settings.notes_bytes = 300;
    let mut node = Node::new(settings);
    let mut client = node.connect();
    client.declare_as(&mut node, "a", QueueDefinition::DURABLE);
    client.publish(&node, to("a", 7));
    let mut client = owner(&mut node, "a");
    client.grant(&mut node, 1, 1);
    assert_eq!(client.numbers(&mut node), [7]);
    let long = "v".repeat(230);
    client.ok(&mut node, note(&[("1", Some(&long))]));
    let noted = |accepted, value: &str| {
        let mut notes = notes(&[("2", Some(value))]);
        notes.accepted = accepted;
        Command::Note(Box::new(notes))
    };
    for (accepted, value) in [(vec![], "v"), (vec![Sequence(1)], &*long)] {
        let refusal = client.refused(&mut node, noted(accepted, value));
        let is_limit = matches!(refusal, Refusal::LimitReached { .. });
        assert!(is_limit, "{refusal:?}");
    }
    client.ok(&mut node, noted(vec![Sequence(1)], "v"));
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(kept(&mut node, "a"), pairs(&[("1", &long), ("2", "v")]));
    assert!(node.contents("a").is_empty());
}

#[test]
fn wills_leave_room_for_notes() {
    let mut settings = settings();
    settings.queued_bytes = 1 << 20;
    let mut node = Node::new(settings);
    let mut client = node.connect();
    let mut owners = Vec::new();
    let mut refused = None;
    for number in 0..40 {
        let name = format!("a{number}");
        client.declare_as(&mut node, &name, QueueDefinition::DURABLE);
        let mut owner = owner(&mut node, &name);
        let message = message("will", number).of_bytes(1 << 20).build();
        let will = Some(Will {
            message,
            delay_ms: DAY_MS,
        });
        let bequeathed = owner.call(&mut node, bequeath(None, will));
        refused = bequeathed.err();
        owners.push(owner);
        if refused.is_some() {
            break;
        }
    }
    let is_limit = matches!(refused, Some(Refusal::LimitReached { .. }));
    assert!(is_limit, "{refused:?}");
    for owner in &mut owners {
        owner.ok(&mut node, note(&[("k", Some(&"v".repeat(100_000)))]));
    }
}

#[test]
fn a_note_is_answered_and_recalled_once_it_is_durable() {
    let mut node = node();
    let mut client = owner(&mut node, "a");
    client.send(&node, note(&[("k", Some("v"))]));
    client.send(&node, RECALL);
    node.step_executors();
    assert!(client.take(&mut node).is_empty(), "it is not durable");
    client.run(&mut node);
    assert_eq!(client.others().len(), 2);
    let mut node = node.crashed(|_, _| 0);
    assert_eq!(kept(&mut node, "a"), pairs(&[("k", "v")]));
}

#[test]
fn estates_survive_snapshots_and_restarts() {
    let mut node = node();
    let mut client = owner(&mut node, "a");
    client.ok(&mut node, note(&[("k", Some("v")), ("l", Some("w"))]));
    client.ok(&mut node, bequeath(Some(DAY_MS), will(7, 5_000)));
    node.snapshot();
    client.ok(&mut node, note(&[("l", None)]));
    let mut node = node.restarted();
    // The broker's start counts as the owner's going.
    node.advance_ms(4_000);
    assert!(node.contents("b").is_empty());
    node.snapshot();
    node.advance_ms(1_000);
    assert_eq!(node.contents("b"), [7]);
    assert_eq!(kept(&mut node, "a"), pairs(&[("k", "v")]));
    let mut node = node.restarted();
    node.advance_ms(DAY_MS - 1);
    let mut client = node.connect();
    assert!(client.has_queue(&mut node, "a"));
    node.advance_ms(1);
    assert!(!client.has_queue(&mut node, "a"));
    assert_eq!(node.contents("c"), [7], "once");
}

#[test]
fn a_queue_ends_as_its_owner_said() {
    let mut node = node();
    let mut client = node.connect();
    let expiring = QueueDefinition {
        expires_ms: Some(1_000),
        ..QueueDefinition::DURABLE
    };
    // Declared with an end, its owner wants none; later an end at once.
    client.declare_as(&mut node, "d", expiring);
    let mut one = owner(&mut node, "d");
    one.ok(&mut node, bequeath(None, None));
    one.close(&node);
    node.advance_ms(DAY_MS);
    assert!(client.has_queue(&mut node, "d"));
    let mut two = owner(&mut node, "d");
    two.ok(&mut node, bequeath(Some(0), None));
    node.advance_ms(DAY_MS);
    assert!(client.has_queue(&mut node, "d"), "it is in use");
    two.close(&node);
    node.advance_ms(0);
    assert!(!client.has_queue(&mut node, "d"));
}

#[test]
fn a_will_waits_for_its_time_and_is_withdrawn_by_who_comes_before() {
    let mut node = node();
    let mut client = owner(&mut node, "a");
    client.ok(&mut node, bequeath(None, will(1, 2_000)));
    client.close(&node);
    node.advance_ms(1_999);
    let mut heir = owner(&mut node, "a");
    node.advance_ms(DAY_MS);
    assert!(node.contents("b").is_empty(), "it came back in time");
    // It has said nothing itself, and does not come back.
    heir.ok(&mut node, Command::Cancel(SubscriptionId(1)));
    node.advance_ms(2_000);
    for name in ["b", "c"] {
        assert_eq!(node.contents(name), [1]);
    }
    node.advance_ms(DAY_MS);
    let mut node = node.restarted();
    node.advance_ms(DAY_MS);
    assert_eq!(node.contents("b"), [1], "once");
}

#[test]
fn a_will_without_delay_is_published_by_takeover_too() {
    let mut node = node();
    let mut reader = node.connect();
    let mut topical = subscribe(1, topic("#"));
    topical = presettled(topical);
    reader.subscribed(&mut node, topical);
    let mut client = owner(&mut node, "a");
    let bequest = Will {
        message: message("t", 5).build(),
        delay_ms: 0,
    };
    client.ok(&mut node, bequeath(None, Some(bequest)));
    let heir = owner(&mut node, "a");
    assert_eq!(
        reader.numbers(&mut node),
        [5],
        "those who are there get it directly"
    );
    heir.close(&node);
    client.close(&node);
    node.settle_down();
    assert!(reader.numbers(&mut node).is_empty(), "once");
}

#[test]
fn an_owner_that_leaves_in_peace_leaves_no_will() {
    let mut node = node();
    let mut client = owner(&mut node, "a");
    client.ok(&mut node, bequeath(None, will(1, 0)));
    client.send(&node, bequeath(Some(DAY_MS), None));
    client.close(&node);
    node.advance_ms(1_000);
    assert!(node.contents("b").is_empty());
}

#[test]
fn the_last_words_of_a_connection_behind_a_commit_count() {
    let mut node = node();
    let mut client = owner(&mut node, "a");
    client.ok(&mut node, bequeath(None, will(1, 0)));
    client.commit(&node, vec![to("b", 9)], Vec::new());
    client.send(&node, note(&[("k", Some("v"))]));
    client.send(&node, bequeath(None, None));
    client.close(&node);
    node.settle_down();
    assert_eq!(node.contents("b"), [9], "no will");
    assert_eq!(kept(&mut node, "a"), pairs(&[("k", "v")]));
}

#[test]
fn a_deleted_queue_leaves_its_will_first() {
    let mut node = node();
    let mut client = owner(&mut node, "a");
    client.ok(&mut node, bequeath(None, will(1, DAY_MS)));
    let mut other = node.connect();
    let deleted = other.send(&node, delete_queue("a"));
    node.step_executors();
    // Until the will is durable the queue is there, and nobody's.
    let took = other.send(&node, takeover(1, "a"));
    node.step_executors();
    let again = other.send(&node, delete_queue("a"));
    node.settle_down();
    let answer = other.answer(&mut node, took);
    assert!(
        matches!(answer, Some(Err(Refusal::QueueDeleted(_)))),
        "{answer:?}"
    );
    for id in [deleted, again] {
        let answer = other.answer(&mut node, id);
        assert!(matches!(answer, Some(Ok(Reply::Count(_)))), "{answer:?}");
    }
    assert!(!other.has_queue(&mut node, "a"));
    assert_eq!(node.contents("b"), [1]);
    client.run(&mut node);
    let told = client.others();
    assert!(
        matches!(told[..], [Event::Ended(_, Refusal::QueueDeleted(_))]),
        "{told:?}"
    );
    // Another of the name inherits nothing.
    other.declare_as(&mut node, "a", QueueDefinition::DURABLE);
    assert!(kept(&mut node, "a").is_empty());
    let mut node = node.restarted();
    node.advance_ms(2 * DAY_MS);
    assert!(kept(&mut node, "a").is_empty());
    assert_eq!(node.contents("b"), [1]);
}

#[test]
fn an_owner_need_not_get_what_it_publishes_itself() {
    let mut node = node();
    let mut client = node.connect();
    for name in ["a", "b"] {
        client.bind(&mut node, bind("amq.direct", name, "k"));
        client.bind(&mut node, bind("amq.direct", "a", "only"));
    }
    client.ok(&mut node, takeover(1, "a"));
    let publishing = |own_messages| Publishing {
        own_messages,
        ..Publishing::new(Confirm::Wanted)
    };
    for key in ["k", "only"] {
        let publish = message(key, 1).to("amq.direct").persistent().build();
        client.ok(
            &mut node,
            Command::Publish(publish, publishing(OwnMessages::Skip)),
        );
        let transaction = Transaction {
            publishes: vec![message(key, 2).to("amq.direct").build()],
            own_messages: OwnMessages::Skip,
            ..Transaction::default()
        };
        client.ok(&mut node, Command::Commit(Box::new(transaction)));
    }
    let publish = message("k", 3).to("amq.direct").persistent().build();
    client.ok(
        &mut node,
        Command::Publish(publish, publishing(OwnMessages::Deliver)),
    );
    assert_eq!(client.numbers(&mut node), [3]);
    assert_eq!(node.contents("b"), [1, 2, 3]);
    // Another's are another's.
    let mut other = node.connect();
    let publish = message("k", 4).to("amq.direct").persistent().build();
    other.ok(
        &mut node,
        Command::Publish(publish, publishing(OwnMessages::Skip)),
    );
    assert_eq!(client.numbers(&mut node), [4]);
}

#[test]
fn who_takes_over_waits_for_what_is_prepared() {
    // Taken over at each step of a transaction on two shards.
    for steps in 0..14 {
        let mut node = node();
        let mut old = owner(&mut node, "a");
        let transaction = Transaction {
            publishes: vec![to("b", 9).build()],
            notes: vec![notes(&[("k", Some("v"))])],
            ..Transaction::default()
        };
        let committed = old.send(&node, Command::Commit(Box::new(transaction)));
        for number in 0..steps {
            match number % 6 {
                executor @ 0..2 => drop(node.step_executor(executor)),
                shard => {
                    let shard = model::ShardId(u16::try_from(shard - 2).expect("small"));
                    node.store.round_of(shard);
                }
            }
            old.take(&mut node);
        }
        let mut new = node.connect();
        new.send(&node, takeover(1, "a"));
        let recalled = new.send(&node, RECALL);
        let found = new.answer(&mut node, recalled).expect("it is answered");
        let found = texts(&found.expect("it is the owner"));
        let is_done = node.contents("b") == [9];
        assert_eq!(!found.is_empty(), is_done, "{steps} steps: {found:?}");
        let again = texts(&new.ok(&mut node, RECALL));
        assert_eq!(again, found, "{steps} steps: it does not change later");
        if let Some(answer) = old.answer(&mut node, committed) {
            assert_eq!(answer.is_ok(), is_done, "{steps} steps: {answer:?}");
        }
    }
}

#[test]
fn who_takes_over_after_a_crash_waits_for_what_is_prepared() {
    for steps in 0..20 {
        let mut node = node();
        let mut old = owner(&mut node, "a");
        let transaction = Transaction {
            publishes: vec![to("b", 9).build()],
            notes: vec![notes(&[("k", Some("v"))])],
            ..Transaction::default()
        };
        old.send(&node, Command::Commit(Box::new(transaction)));
        for number in 0..steps {
            match number % 6 {
                executor @ 0..2 => drop(node.step_executor(executor)),
                shard => {
                    let shard = model::ShardId(u16::try_from(shard - 2).expect("small"));
                    node.store.round_of(shard);
                }
            }
            old.take(&mut node);
        }
        // At once, before anything of what was decided is carried out.
        let mut node = node.crashed(|_, length| length);
        let mut new = node.connect();
        new.send(&node, takeover(1, "a"));
        let recalled = new.send(&node, RECALL);
        let found = new.answer(&mut node, recalled).expect("it is answered");
        let found = texts(&found.expect("it is the owner"));
        let is_done = node.contents("b") == [9];
        assert_eq!(!found.is_empty(), is_done, "{steps} steps: {found:?}");
    }
}

#[test]
fn what_is_prepared_is_settled_before_it_is_recalled_after_a_crash() {
    let act = |node: &mut Node| {
        let mut client = owner(node, "a");
        client.run(node);
        let transaction = Transaction {
            publishes: vec![to("b", 9).build(), to("c", 9).build()],
            notes: vec![notes(&[("k", Some("v"))])],
            ..Transaction::default()
        };
        client.send(node, Command::Commit(Box::new(transaction)));
        client
    };
    let check = |node: &mut Node, what: &str, heard: &[Event]| {
        let was_told = heard
            .iter()
            .any(|event| matches!(event, Event::Done(_, Ok(_))));
        let is_noted = !kept(node, "a").is_empty();
        assert!(is_noted || !was_told, "{what}: it was promised");
        for name in ["b", "c"] {
            let expected: &[u32] = if is_noted { &[9] } else { &[] };
            assert_eq!(node.contents(name), expected, "{what}, {name}");
        }
    };
    crash_at_every_step(node, act, check);
}

#[test]
fn a_crash_anywhere_leaves_a_note_with_what_is_accepted_or_neither() {
    let start = || {
        let mut node = node();
        let mut client = node.connect();
        client
            .publish_safely(&mut node, to("a", 1))
            .expect("it is taken");
        client.close(&node);
        node.settle_down();
        node
    };
    let act = |node: &mut Node| {
        let mut client = owner(node, "a");
        assert_eq!(client.numbers(node), [1]);
        let notes = Notes {
            accepted: vec![Sequence(1)],
            ..notes(&[("released", Some("1"))])
        };
        client.send(node, Command::Note(Box::new(notes)));
        client
    };
    let check = |node: &mut Node, what: &str, heard: &[Event]| {
        let is_settled = node.contents("a").is_empty();
        let is_noted = !kept(node, "a").is_empty();
        assert_eq!(is_noted, is_settled, "{what}");
        let was_told = heard
            .iter()
            .any(|event| matches!(event, Event::Done(_, Ok(_))));
        assert!(is_noted || !was_told, "{what}: it was promised");
    };
    crash_at_every_step(start, act, check);
}

/// What is in the queues that a will goes to, once its time has come.
fn published(node: &mut Node, what: &str) -> Vec<u32> {
    node.advance_ms(DAY_MS);
    let found = node.contents("b");
    assert_eq!(found, node.contents("c"), "{what}");
    found
}

#[test]
fn a_crash_anywhere_publishes_a_will_once() {
    let act = |node: &mut Node| {
        let mut client = owner(node, "a");
        client.ok(node, bequeath(None, will(7, 0)));
        client.run(node);
        client.ok(node, Command::Cancel(SubscriptionId(1)));
        client
    };
    // The cancellation is settled inside `ok`; without waiting for it there are more steps.
    let act_at_once = |node: &mut Node| {
        let mut client = owner(node, "a");
        client.ok(node, bequeath(None, will(7, 0)));
        client.run(node);
        client.send(node, Command::Cancel(SubscriptionId(1)));
        client
    };
    let check = |node: &mut Node, what: &str, _: &[Event]| {
        assert_eq!(published(node, what), [7], "{what}");
    };
    let mut settled = node();
    let client = act(&mut settled);
    check(&mut settled, "without a crash", &[]);
    client.close(&settled);
    crash_at_every_step(node, act_at_once, check);
}

/// What a subscriber that comes now is shown.
fn shown(node: &mut Node) -> Vec<u32> {
    let mut reader = node.connect();
    let topical = with_retained(presettled(subscribe(1, topic("#"))));
    reader.subscribed(node, topical);
    let numbers = reader.numbers(node);
    reader.close(node);
    node.settle_down();
    numbers
}

fn retained_will(number: u32) -> Option<Will> {
    Some(Will {
        message: message("status", number).retained().build(),
        delay_ms: 0,
    })
}

#[test]
fn a_will_may_be_retained() {
    let mut node = node();
    let mut reader = node.connect();
    reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
    let mut client = owner(&mut node, "a");
    client.bind(&mut node, bind("amq.topic", "b", "status"));
    client.ok(&mut node, bequeath(None, retained_will(7)));
    client.close(&node);
    node.settle_down();
    assert_eq!(reader.numbers(&mut node), [7]);
    assert_eq!(node.contents("b"), [7]);
    assert_eq!(shown(&mut node), [7]);
    // Another is the last then, whatever comes to the log when.
    reader
        .publish_safely(&mut node, message("status", 8).retained())
        .expect("it is taken");
    let mut node = node.restarted();
    assert_eq!(shown(&mut node), [8]);
    node.snapshot();
    let mut node = node.restarted();
    assert_eq!(shown(&mut node), [8]);
}

#[test]
fn a_crash_anywhere_retains_a_will_once() {
    let act = |node: &mut Node| {
        let mut client = owner(node, "a");
        client.ok(node, bequeath(None, retained_will(7)));
        client.run(node);
        client.send(node, Command::Cancel(SubscriptionId(1)));
        client
    };
    let check = |node: &mut Node, what: &str, _: &[Event]| {
        node.advance_ms(0);
        assert_eq!(shown(node), [7], "{what}");
    };
    crash_at_every_step(node, act, check);
}

#[test]
fn a_crash_anywhere_as_a_queue_is_deleted_publishes_its_will_once() {
    let start = || {
        let mut node = node();
        let mut client = owner(&mut node, "a");
        client.ok(&mut node, bequeath(Some(5_000), will(7, 2 * DAY_MS)));
        client.close(&node);
        node.settle_down();
        node
    };
    let act = |node: &mut Node| {
        let mut client = node.connect();
        client.send(node, delete_queue("a"));
        client
    };
    let check = |node: &mut Node, what: &str, heard: &[Event]| {
        let was_told = heard
            .iter()
            .any(|event| matches!(event, Event::Done(_, Ok(_))));
        let mut client = node.connect();
        let is_there = client.has_queue(node, "a");
        client.close(node);
        assert!(!is_there || !was_told, "{what}: it was promised");
        if !is_there {
            assert_eq!(node.contents("b"), [7], "{what}: the will was left behind");
        }
        // If it is still there, it ends before the will's own time.
        node.advance_ms(5_000);
        assert_eq!(node.contents("b"), [7], "{what}");
        assert_eq!(published(node, what), [7], "{what}");
    };
    crash_at_every_step(start, act, check);
}

#[test]
fn a_crash_anywhere_as_a_bequest_changes_leaves_one_of_them() {
    let act = |node: &mut Node| {
        let mut client = owner(node, "a");
        client.ok(node, bequeath(None, will(7, 1_000)));
        client.run(node);
        client.send(node, bequeath(None, will(8, 1_000)));
        client
    };
    let check = |node: &mut Node, what: &str, heard: &[Event]| {
        let was_told = heard
            .iter()
            .any(|event| matches!(event, Event::Done(_, Ok(_))));
        let found = published(node, what);
        assert!(
            found == [8] || found == [7] && !was_told,
            "{what}: {found:?}"
        );
    };
    crash_at_every_step(node, act, check);
}

#[test]
fn what_follows_a_commit_follows_it_without_its_connection() {
    // The connection ends at each step of a transaction, told or not.
    for queues in [&["b"][..], &["b", "c"]] {
        for steps in 0..14 {
            let mut node = node();
            let mut reader = node.connect();
            reader.subscribed(&mut node, presettled(subscribe(1, topic("#"))));
            reader.subscribed(&mut node, subscribe(2, topic("#")));
            let mut client = node.connect();
            let publishes = queues.iter().map(|name| to(name, 9));
            let retained = message("r", 7).retained();
            let publishes = publishes.chain([message("t", 8), retained]).collect();
            client.commit(&node, publishes, Vec::new());
            for number in 0..steps {
                match number % 6 {
                    executor @ 0..2 => drop(node.step_executor(executor)),
                    shard => {
                        let shard = model::ShardId(u16::try_from(shard - 2).expect("small"));
                        node.store.round_of(shard);
                    }
                }
                if number % 3 == 2 && steps % 2 == 0 {
                    client.drain(&mut node);
                }
            }
            client.close(&node);
            node.settle_down();
            assert_eq!(node.contents("b"), [9], "{steps} steps");
            let mut delivered = reader.delivered(&mut node);
            delivered.sort_unstable();
            let expected = [(1, 7), (1, 8), (2, 7), (2, 8)];
            assert_eq!(delivered, expected, "{steps} steps");
        }
    }
}
