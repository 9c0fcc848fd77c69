//! Pages that are missing when a node starts, or are not what was written: what refers to them is out of service, and
//! nothing else.

mod support;

use broker::Settings;
use broker_api::{Command, Confirm, Publishing, Refusal};
use log_store::{MemoryStore, PageSource, ShardLog};
use model::{
    ApplyTo, Outcome, PageNumber, Policies, Policy, PolicyDefinition, PolicyKey, PolicyPattern,
    PolicyValue, QueueDefinition, QueueRules, ShardId,
};
use support::calls::{
    dead_letters_to, delete_queue, limited, settings, settle, subscribe, with_rules,
};
use support::{Client, Draft, Node, message, queue};

/// So little memory that a hundred messages are too many.
const MEMORY_BYTES: usize = 8 << 10;

fn node() -> Node {
    Node::new(Settings {
        queued_bytes: MEMORY_BYTES,
        ..settings()
    })
}

fn persistent(queue: &str, number: u32) -> Draft {
    message(queue, number).queued().persistent()
}

fn fill(node: &mut Node, client: &mut Client, queue: &str, count: u32) {
    fill_from(node, client, queue, 0, count);
}

fn fill_from(node: &mut Node, client: &mut Client, queue: &str, from: u32, count: u32) {
    for number in from..from + count {
        let publish = Command::Publish(
            persistent(queue, number).build(),
            Publishing::new(Confirm::Wanted),
        );
        let id = client.send(node, publish);
        assert!(client.answer(node, id).is_some(), "{number} is confirmed");
    }
}

fn pages_of(store: &MemoryStore, shard: ShardId) -> Vec<PageNumber> {
    let saved = store.saved_pages(shard).into_iter();
    saved.map(|(page, _)| page).collect()
}

/// Takes pages away from a store that nobody has open.
fn lose(store: &MemoryStore, shard: ShardId, is_lost: impl Fn(PageNumber) -> bool) {
    let mut kept = pages_of(store, shard);
    kept.retain(|page| !is_lost(*page));
    let mut logs = store.open(4, &mut |_| {});
    logs[usize::from(shard.0)].keep_pages(&kept);
    assert_eq!(pages_of(store, shard), kept);
}

/// A page of these bytes.
struct Bytes(Vec<u8>);

impl PageSource for Bytes {
    fn encode(&mut self, payload: &mut Vec<u8>) {
        payload.append(&mut self.0);
    }
}

/// Saves a page in a store that nobody has open.
fn save(store: &MemoryStore, shard: ShardId, page: PageNumber, payload: Vec<u8>) {
    let mut logs = store.open(4, &mut |_| {});
    logs[usize::from(shard.0)].save_page(page, Box::new(Bytes(payload)));
    store.round_of(shard);
}

fn is_damaged(refusal: &Refusal) -> bool {
    matches!(refusal, Refusal::Damaged { .. })
}

fn is_out_of_service(node: &mut Node, client: &mut Client, name: &str) -> bool {
    let subscribe = Command::Subscribe(Box::new(subscribe(77, queue(name))));
    let refusal = client.refused(node, subscribe);
    let published = client.publish_safely(node, persistent(name, 1));
    is_damaged(&refusal) && published.is_err_and(|refusal| is_damaged(&refusal))
}

/// One policy, for the queue "a".
fn policy_of_a(key: &str, value: PolicyValue) -> Policies {
    let mut definition = PolicyDefinition::default();
    let key = PolicyKey::named(key).expect("a key");
    definition.set(key, value).expect("a value of it");
    let policy = Policy {
        name: "policy".into(),
        pattern: PolicyPattern::new("^a$").expect("a pattern"),
        apply_to: ApplyTo::All,
        priority: 0,
        definition,
    };
    Policies::new(vec![policy], Vec::new())
}

/// A node with one queue, "a", declared so, which has lost a page: it is out of service.
fn with_a_damaged(definition: QueueDefinition) -> (Node, Client) {
    let mut node = node();
    let mut client = node.connect();
    client.declare_as(&mut node, "a", definition);
    fill(&mut node, &mut client, "a", 200);
    let mut shards = (0..4).map(ShardId);
    let shard = shards.find(|shard| !pages_of(&node.store, *shard).is_empty());
    let shard = shard.expect("it has pages");
    let last = pages_of(&node.store, shard).pop();
    let node = node.crashed(|_, _| 0);
    lose(&node.store, shard, |page| Some(page) == last);
    let mut node = node.crashed(|_, _| 0);
    let mut client = node.connect();
    assert!(is_out_of_service(&mut node, &mut client, "a"));
    (node, client)
}

/// Two queues in one shard, "a" and "d", and two in others; of "a" and "d" the shard, and the last page of "a" alone.
fn two_in_a_shard(node: &mut Node) -> (ShardId, PageNumber) {
    let mut client = node.connect();
    // Each third queue is in the same shard.
    for name in ["a", "b", "c", "d"] {
        client.declare_as(node, name, QueueDefinition::DURABLE);
    }
    fill(node, &mut client, "a", 200);
    let mut shards = (0..4).map(ShardId);
    let shard = shards.find(|shard| !pages_of(&node.store, *shard).is_empty());
    let shard = shard.expect("it has pages");
    let last = pages_of(&node.store, shard).pop().expect("it has pages");
    for name in ["b", "c", "d"] {
        fill(node, &mut client, name, 200);
    }
    let pages = pages_of(&node.store, shard);
    assert!(pages.last() > Some(&last), "the other queue has pages, too");
    (shard, last)
}

#[test]
fn a_missing_page_puts_out_of_service_the_queue_that_refers_to_it() {
    let mut node = node();
    let (shard, last) = two_in_a_shard(&mut node);
    let mut node = node.restarted();
    let pages = pages_of(&node.store, shard);
    lose(&node.store, shard, |page| page == last);
    for is_snapshot_taken in [false, true] {
        node = node.restarted();
        let mut client = node.connect();
        assert!(is_out_of_service(&mut node, &mut client, "a"));
        assert_eq!(
            client.counts(&mut node, "a"),
            (200, 0),
            "it keeps its state"
        );
        for name in ["b", "c", "d"] {
            assert!(node.contents(name).into_iter().eq(0..200), "{name}");
        }
        if is_snapshot_taken {
            let of_a = pages.iter().filter(|page| **page < last);
            let left = pages_of(&node.store, shard);
            assert!(of_a.clone().count() > 1);
            assert!(
                of_a.clone().all(|page| left.contains(page)),
                "nothing more is lost"
            );
        }
        client.close(&node);
        node.snapshot();
    }
}

/// It is whole, as far as the store can tell, and lacks messages of the queue.
#[test]
fn a_page_of_other_messages_puts_out_of_service_the_queue_that_refers_to_it() {
    let mut node = node();
    let (shard, last) = two_in_a_shard(&mut node);
    let mut node = node.restarted();
    let saved = node.store.saved_pages(shard);
    let (_, other) = saved.into_iter().next().expect("it has pages");
    save(&node.store, shard, last, other);
    for _ in 0..2 {
        node = node.restarted();
        let mut client = node.connect();
        client.subscribed(&mut node, subscribe(1, queue("a")));
        client.run(&mut node);
        assert!(is_out_of_service(&mut node, &mut client, "a"));
        assert_eq!(client.counts(&mut node, "a"), (200, 0), "it keeps all");
        assert!(node.contents("d").into_iter().eq(0..200));
        client.close(&node);
    }
}

/// A crash has left a page that no log knows. While its segment is there, it may turn up again.
#[test]
fn a_number_is_not_used_again_that_an_unknown_page_has() {
    let mut node = node();
    let (shard, _) = two_in_a_shard(&mut node);
    let node = node.restarted();
    let known = pages_of(&node.store, shard);
    let unknown = PageNumber(known.last().expect("it has pages").0 + 7);
    save(&node.store, shard, unknown, b"whatever".to_vec());
    let mut node = node.crashed(|_, _| 0);
    let mut client = node.connect();
    assert_eq!(pages_of(&node.store, shard), known, "nobody refers to it");
    for from in [200, 300] {
        fill_from(&mut node, &mut client, "a", from, 100);
    }
    let mut new = pages_of(&node.store, shard);
    new.retain(|page| !known.contains(page));
    assert!(!new.is_empty(), "there are more");
    assert!(new.iter().all(|page| *page > unknown), "{new:?}");
    assert!(node.contents("a").into_iter().eq(0..400));
}

#[test]
fn a_queue_of_which_pages_are_missing_can_be_deleted_and_made_again() {
    let mut node = node();
    let (shard, last) = two_in_a_shard(&mut node);
    let node = node.restarted();
    lose(&node.store, shard, |page| page <= last);
    let mut node = node.crashed(|_, _| 0);
    let mut client = node.connect();
    assert!(is_out_of_service(&mut node, &mut client, "a"));
    client.ok(&mut node, delete_queue("a"));
    // Its shard takes new queues: this one comes there, after two others.
    for name in ["e", "f", "a"] {
        client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        fill(&mut node, &mut client, name, 100);
    }
    let mut node = node.restarted();
    for name in ["a", "e", "f"] {
        assert!(node.contents(name).into_iter().eq(0..100), "{name}");
    }
    assert!(node.contents("d").into_iter().eq(0..200));
}

/// A transaction that was prepared takes effect, though it rejects what stood in a page that is missing.
#[test]
fn a_prepared_transaction_does_not_wait_for_a_missing_page() {
    let (mut done, mut undone) = (0, 0);
    for steps in 0..60_u16 {
        let mut node = node();
        let mut client = node.connect();
        let rules = dead_letters_to("", Some("dead"));
        client.declare_as(&mut node, "q", with_rules(rules));
        // The last but one is in the same shard.
        for name in ["b", "dead", "e", "f"] {
            client.declare_as(&mut node, name, QueueDefinition::DURABLE);
        }
        fill(&mut node, &mut client, "q", 200);
        let mut reader = node.connect();
        reader.subscribed(&mut node, limited(subscribe(1, queue("q")), 5));
        let deliveries = reader.deliveries(&mut node);
        let sequences: Vec<_> = deliveries.iter().map(|it| it.sequence.0).collect();
        let rejected = vec![settle(1, &sequences, Outcome::Reject)];
        let published = vec![persistent("b", 7), persistent("e", 8)];
        reader.commit(&node, published, rejected);
        for step in 0..steps {
            match step % 6 {
                index @ 0..2 => {
                    node.step_executor(usize::from(index));
                }
                shard => {
                    node.store.round_of(ShardId(shard - 2));
                }
            }
            let _answers = reader.take(&mut node);
        }
        let shards = (0..4).map(ShardId);
        let node = node.crashed(|_, _| 0);
        for shard in shards {
            lose(&node.store, shard, |_| true);
        }
        let mut node = node.crashed(|_, _| 0);
        node.settle_down();
        node.advance_ms(1000);
        let mut client = node.connect();
        assert!(is_out_of_service(&mut node, &mut client, "q"));
        let taken = (node.contents("b"), node.contents("e"));
        match (&taken.0[..], &taken.1[..]) {
            ([7], [8]) => done += 1,
            ([], []) => undone += 1,
            _ => panic!("half of it after {steps} steps: {taken:?}"),
        }
    }
    assert!(done > 10 && undone > 10, "{done} done, {undone} not");
}

#[test]
fn a_policy_drops_nothing_of_a_damaged_queue() {
    let (mut node, client) = with_a_damaged(QueueDefinition::DURABLE);
    client.close(&node);
    node.settings.policies = policy_of_a("max-length", 10.into());
    let mut node = node.restarted();
    node.settle_down();
    let mut client = node.connect();
    assert!(is_out_of_service(&mut node, &mut client, "a"));
    assert_eq!(client.counts(&mut node, "a"), (200, 0));
    // A dead letter is taken whatever the queue holds, and nothing goes for it.
    let rules = QueueRules {
        message_ttl_ms: Some(1),
        ..dead_letters_to("", Some("a"))
    };
    client.declare_as(&mut node, "b", with_rules(rules));
    fill(&mut node, &mut client, "b", 1);
    node.advance_ms(1);
    client.run(&mut node);
    assert_eq!(client.counts(&mut node, "a"), (201, 0));
}

#[test]
fn a_damaged_queue_does_not_end_for_want_of_use() {
    let declared = QueueDefinition {
        expires_ms: Some(10_000),
        ..QueueDefinition::DURABLE
    };
    for (definition, policies) in [
        (declared, Policies::default()),
        (
            QueueDefinition::DURABLE,
            policy_of_a("expires", 10_000.into()),
        ),
    ] {
        let (mut node, client) = with_a_damaged(definition);
        client.close(&node);
        node.settings.policies = policies;
        let mut node = node.restarted();
        node.advance_ms(10_000);
        node.settle_down();
        let mut client = node.connect();
        assert!(client.has_queue(&mut node, "a"));
        assert_eq!(client.counts(&mut node, "a"), (200, 0));
        client.ok(&mut node, delete_queue("a"));
        assert!(!client.has_queue(&mut node, "a"), "who asks for it ends it");
    }
}

#[test]
fn nothing_expires_in_a_damaged_queue() {
    let rules = QueueRules {
        message_ttl_ms: Some(10_000),
        ..QueueRules::PLAIN
    };
    let (mut node, mut client) = with_a_damaged(with_rules(rules));
    for _ in 0..4 {
        node.advance_ms(10_000);
        node.settle_down();
    }
    assert_eq!(client.counts(&mut node, "a"), (200, 0));
}
