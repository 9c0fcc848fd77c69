//! Who publishes, who subscribes and which records come, in all orders.

use super::*;
use model::{Dialect, Envelope, Persistence};

fn message(key: &[u8], value: &[u8]) -> Message {
    let mut envelope = Envelope::new(Dialect::Mqtt5, Persistence::Transient);
    envelope.retain = Retain::Keep;
    Message::new(&Parts {
        envelope,
        exchange: Address::TOPIC_EXCHANGE,
        key,
        annotations: &[],
        head: &[],
        body: value,
    })
}

fn set(retained: &Retained, value: u8) -> Setting {
    let body = [value];
    let body = if value == 0 { &[][..] } else { &body };
    let (settings, now) = (Settings::default(), Instant::default());
    let set = retained.set(&settings, now, &message(b"k", body), None, Limit::Checked);
    set.expect("there is room")
}

fn look(retained: &Retained) -> Option<u8> {
    let pattern = KeyPattern::new(&model::Pattern::dotted(b"k"));
    let (found, next) = retained.look(Instant::default(), &pattern, &Bound::Unbounded, usize::MAX);
    assert!(next.is_none());
    let body = found.first().map(|found| found.message.body());
    body.and_then(|body| body.first().copied())
}

/// What a publisher does, in the order of its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    TakeTurn,
    Set,
    LoadRoutes,
    Push,
    EndTurn,
}

/// What a subscriber does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Register,
    Look,
}

const PUBLISHER: [Step; 5] = [
    Step::TakeTurn,
    Step::Set,
    Step::LoadRoutes,
    Step::Push,
    Step::EndTurn,
];
const SUBSCRIBER: [Read; 2] = [Read::Register, Read::Look];

/// All orders in which so many steps of each can be taken.
fn schedules(left: &[usize]) -> Vec<Vec<usize>> {
    if left.iter().all(|left| *left == 0) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for who in (0..left.len()).filter(|who| left[*who] > 0) {
        let mut rest = left.to_vec();
        rest[who] -= 1;
        for mut schedule in schedules(&rest) {
            schedule.push(who);
            all.push(schedule);
        }
    }
    all
}

/// Runs two publishers of one key and a subscriber. Returns what the subscriber saw last and what is retained; none
/// if somebody would have had to wait.
fn run(
    schedule: &[usize],
    publisher: &[Step],
    subscriber: &[Read],
) -> Option<(Option<u8>, Option<u8>)> {
    let retained = Retained::new(1);
    let mut done = [0; 3];
    let mut turn = None;
    let mut is_registered = false;
    let mut routes = [false; 2];
    let (mut shown, mut live) = (None, Vec::new());
    for &who in schedule {
        let at = done[who];
        done[who] += 1;
        if who == 2 {
            match subscriber[at] {
                Read::Register => is_registered = true,
                Read::Look => shown = look(&retained),
            }
            continue;
        }
        let value = u8::try_from(who + 1).expect("there are two");
        match publisher[at] {
            Step::TakeTurn if turn.is_some() => return None,
            Step::TakeTurn => turn = Some(who),
            Step::Set => drop(set(&retained, value)),
            Step::LoadRoutes => routes[who] = is_registered,
            Step::Push if routes[who] => live.push(value),
            Step::Push => {}
            Step::EndTurn => turn = None,
        }
    }
    let last = live.last().copied().or(shown);
    Some((last, look(&retained)))
}

/// The orders that can happen, and those in which the subscriber ends with another value than is retained.
fn try_all(publisher: &[Step], subscriber: &[Read]) -> (usize, usize) {
    let schedules = schedules(&[publisher.len(), publisher.len(), subscriber.len()]);
    let runs = schedules.iter();
    let runs: Vec<_> = runs
        .filter_map(|schedule| run(schedule, publisher, subscriber))
        .collect();
    let stale = runs.iter().filter(|(last, retained)| last != retained);
    (runs.len(), stale.count())
}

#[test]
fn nobody_ends_with_an_older_value() {
    let (count, stale) = try_all(&PUBLISHER, &SUBSCRIBER);
    assert!(count > 100, "{count} orders");
    assert_eq!(stale, 0, "of {count} orders");
}

#[test]
fn in_any_other_order_of_steps_somebody_may() {
    let [turn, set, load, push, end] = PUBLISHER;
    let check = |publisher: &[Step], subscriber: &[Read]| {
        let (_, stale) = try_all(publisher, subscriber);
        assert!(stale > 0, "{publisher:?} {subscriber:?}");
    };
    check(&[turn, load, set, push, end], &SUBSCRIBER);
    check(&[turn, load, push, set, end], &SUBSCRIBER);
    check(&[set, load, push], &SUBSCRIBER);
    check(&[turn, set, load, end, push], &SUBSCRIBER);
    check(&PUBLISHER, &[Read::Look, Read::Register]);
}

#[test]
fn nothing_is_left_of_what_was_taken_away_once_its_records_are_in_the_log() {
    let retained = Retained::new(1);
    let is_empty = || {
        let state = retained.state.lock();
        assert_eq!(state.entries.is_empty(), state.bytes == 0);
        state.entries.is_empty()
    };
    set(&retained, 1);
    set(&retained, 0);
    assert_eq!(look(&retained), None);
    assert!(!retained.logged(b"k") && !is_empty());
    assert!(retained.logged(b"k") && is_empty());
    // One that expires while another record is on its way, too.
    let one = set(&retained, 1);
    let two = set(&retained, 2);
    assert!(!retained.logged(b"k") && !retained.expire(b"k", one.version));
    assert_eq!(look(&retained), Some(2));
    assert!(!retained.expire(b"k", two.version));
    assert_eq!(look(&retained), None);
    assert!(retained.logged(b"k") && is_empty());
    let three = set(&retained, 3);
    assert!(one.version < two.version && two.version < three.version);
    assert!(!retained.logged(b"k") && retained.expire(b"k", three.version) && is_empty());
}

#[test]
fn a_key_leads_to_the_same_log_for_ever() {
    let hash_of = |key: &[u8]| hash(Address::TOPIC_EXCHANGE, key);
    assert_eq!(hash_of(b""), 0x1c55_f1bd_da2d_8715);
    assert_eq!(hash_of(b"plant.7.temp"), 0x18f5_b6bb_ddd0_1587);
    let shard = Retained::new(64).shard_of(b"plant.7.temp");
    assert_eq!(shard, ShardId(7));
}
