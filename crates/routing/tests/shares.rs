//! How exchanges that take one destination share messages out.

use model::{ExchangeDefinition, ExchangeKind, ExchangeName, HashOn, QueueName};
use routing::{Binding, BindingError, Destination, NoHeaders, Table};
use std::collections::BTreeMap;

const MESSAGES: u64 = 100_000;

type Numbers = Table<u8, usize, u8>;

fn queue(number: usize) -> QueueName {
    QueueName::new(format!("queue-{number}").as_bytes()).expect("it is valid")
}

fn bind(table: &Numbers, number: usize, weight: &str) -> Numbers {
    let destination = Destination::Queue(queue(number));
    table
        .with_queue(queue(number), number)
        .with_binding(b"x", Binding::new(destination, weight.as_bytes()))
        .expect("it is valid")
}

fn table(kind: ExchangeKind, numbers: impl IntoIterator<Item = usize>, weight: &str) -> Numbers {
    let name = ExchangeName::new(b"x").expect("it is valid");
    let table = Numbers::new();
    let table = table
        .with_exchange(&name, ExchangeDefinition::new(kind))
        .expect("it is valid");
    let bound = |table: Numbers, number| bind(&table, number, weight);
    numbers.into_iter().fold(table, bound)
}

fn hashing(numbers: impl IntoIterator<Item = usize>, weight: &str) -> Numbers {
    table(
        ExchangeKind::ConsistentHash(HashOn::RoutingKey),
        numbers,
        weight,
    )
}

/// The queue of each message.
fn routed(table: &Numbers) -> Vec<usize> {
    let route = |number: u64| {
        let key = format!("device/{number}");
        let routed = table
            .route(b"x", key.as_bytes(), &NoHeaders, number)
            .expect("it is valid");
        assert_eq!(routed.queues.len(), 1);
        routed.queues[0]
    };
    (0..MESSAGES).map(route).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn shares(routed: &[usize]) -> BTreeMap<usize, f64> {
    let mut shares = BTreeMap::new();
    for number in routed {
        *shares.entry(*number).or_insert(0.0) += 1.0 / routed.len() as f64;
    }
    shares
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn moved(before: &[usize], after: &[usize]) -> f64 {
    let moved = before
        .iter()
        .zip(after)
        .filter(|(before, after)| before != after);
    moved.count() as f64 / before.len() as f64
}

#[test]
fn hashing_shares_evenly_and_by_weight() {
    for share in shares(&routed(&hashing(0..10, "1"))).values() {
        assert!((0.07..0.13).contains(share), "{share} of a tenth");
    }
    for share in shares(&routed(&hashing(0..10, "20"))).values() {
        assert!((0.09..0.11).contains(share), "{share} of a tenth");
    }
    let weighted = bind(&hashing(0..3, "10"), 3, "30");
    let share = shares(&routed(&weighted))[&3];
    assert!((0.45..0.55).contains(&share), "{share} of a half");
}

#[test]
fn hashing_moves_only_what_a_change_concerns() {
    let before = routed(&hashing(0..10, "5"));
    let more = routed(&hashing(0..11, "5"));
    assert!(moved(&before, &more) < 0.12, "{}", moved(&before, &more));
    let all_to_new = before.iter().zip(&more).all(|(a, b)| a == b || *b == 10);
    assert!(all_to_new, "a new queue takes for itself only");
    let fewer = routed(&hashing(0..11, "5").without_queue(&queue(4)));
    let only_from_old = more.iter().zip(&fewer).all(|(a, b)| a == b || *a == 4);
    assert!(only_from_old, "a queue that goes leaves its own only");
}

#[test]
fn hashing_does_not_depend_on_history() {
    let straight = routed(&hashing(0..10, "5"));
    assert_eq!(straight, routed(&hashing((0..10).rev(), "5")));
    let detour = hashing((0..20).rev(), "5");
    let detour = (10..20).fold(detour, |table, number| table.without_queue(&queue(number)));
    assert_eq!(straight, routed(&detour));
    // Fixed for ever: a new release must not move what an old one placed.
    assert_eq!(straight[..8], FIRST_PLACES);
}

/// Where the first messages go among ten queues of weight 5.
const FIRST_PLACES: [usize; 8] = [1, 7, 2, 9, 8, 0, 0, 4];

#[test]
fn a_destination_bound_twice_keeps_its_points_until_both_are_gone() {
    let once = hashing(0..4, "2");
    let twice = bind(&once, 1, "1");
    assert_eq!(routed(&once), routed(&twice));
    let binding = |weight: &[u8]| Binding::new(Destination::Queue(queue(1)), weight);
    let lighter = twice.without_binding(b"x", &binding(b"2"));
    assert!(shares(&routed(&lighter))[&1] < shares(&routed(&once))[&1]);
    let gone = lighter.without_binding(b"x", &binding(b"1"));
    assert!(!shares(&routed(&gone)).contains_key(&1));
}

#[test]
fn random_is_uniform() {
    for share in shares(&routed(&table(ExchangeKind::Random, 0..10, ""))).values() {
        assert!((0.095..0.105).contains(share), "{share} of a tenth");
    }
    let fewer = table(ExchangeKind::Random, 0..10, "").without_queue(&queue(0));
    let shares = shares(&routed(&fewer));
    assert_eq!(shares.len(), 9);
    for share in shares.values() {
        assert!((0.105..0.118).contains(share), "{share} of a ninth");
    }
}

#[test]
fn random_counts_each_binding_for_removal_and_each_destination_once() {
    let bound = bind(&table(ExchangeKind::Random, 0..2, "a"), 0, "b");
    let shares_of_0 = |table: &Numbers| shares(&routed(table))[&0];
    assert!((0.48..0.52).contains(&shares_of_0(&bound)));
    let binding = |key: &[u8]| Binding::new(Destination::Queue(queue(0)), key);
    let bound = bound.without_binding(b"x", &binding(b"a"));
    assert!((0.48..0.52).contains(&shares_of_0(&bound)));
    let bound = bound.without_binding(b"x", &binding(b"b"));
    assert_eq!(shares(&routed(&bound)).len(), 1);
}

#[test]
fn weights_are_limited() {
    let table = hashing(0..1, "1");
    for weight in ["0", "-1", "201", "1.5", "", "99999999999"] {
        let binding = Binding::new(Destination::Queue(queue(0)), weight.as_bytes());
        assert_eq!(
            table.with_binding(b"x", binding).err(),
            Some(BindingError::Weight { limit: 200 }),
            "{weight}"
        );
    }
}
