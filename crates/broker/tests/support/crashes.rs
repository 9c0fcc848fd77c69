//! Crashes at every step of a scenario, with each shard's unsynced tail lost by itself.

use super::{Client, Node};
use broker_api::Event;
use model::ShardId;
use std::collections::BTreeSet;

/// Of a shard's unsynced tail, a crash loses all, nothing, or the last record.
const TAILS: u32 = 3;

/// How many unsynced records of each shard survive.
type Kept = [u64; 4];

/// All the ways in which tails of these lengths may be lost.
fn ways(unsynced: Kept) -> BTreeSet<Kept> {
    let way = |choice: u32| {
        let mut kept = Kept::default();
        for (shard, length) in (0..).zip(unsynced) {
            kept[shard as usize] = match choice / TAILS.pow(shard) % TAILS {
                0 => 0,
                1 => length,
                _ => length.saturating_sub(1),
            };
        }
        kept
    };
    (0..TAILS.pow(4)).map(way).collect()
}

/// Goes on by one small step: an executor's, or one shard's round. Returns whether anything was done.
fn go_on(node: &mut Node, number: usize) -> bool {
    match number % 6 {
        executor @ 0..2 => node.step_executor(executor) == broker::Step::Worked,
        shard => {
            let shard = ShardId(u16::try_from(shard - 2).expect("small"));
            node.store.round_of(shard) > 0
        }
    }
}

/// Runs a scenario up to one of its steps. Returns the node, what the scenario's connection has heard, and
/// whether nothing is left to be done.
fn run(
    start: &impl Fn() -> Node,
    act: &impl Fn(&mut Node) -> Client,
    steps: usize,
) -> (Node, Vec<Event>, bool) {
    let mut node = start();
    let mut client = act(&mut node);
    let mut idle = 0;
    let mut events = Vec::new();
    for number in 0..steps {
        let has_moved = go_on(&mut node, number);
        // What the connection has to do by itself, it does at once.
        let told = client.take(&mut node);
        idle = if has_moved || !told.is_empty() {
            0
        } else {
            idle + 1
        };
        events.extend(told);
    }
    (node, events, idle >= 6)
}

/// Runs a scenario up to each of its steps, crashes with each combination of lost tails, and checks what is
/// there then; `check` is also told what the scenario's connection had heard.
pub fn crash_at_every_step(
    start: impl Fn() -> Node,
    act: impl Fn(&mut Node) -> Client,
    check: impl Fn(&mut Node, &str, &[Event]),
) {
    let mut steps = 0;
    loop {
        let (node, _, is_over) = run(&start, &act, steps);
        let mut unsynced = Kept::default();
        drop(node.crashed(|shard, length| {
            unsynced[usize::from(shard.0)] = length;
            0
        }));
        for kept in ways(unsynced) {
            let (node, events, _) = run(&start, &act, steps);
            let mut after = node.crashed(|shard, _| kept[usize::from(shard.0)]);
            after.settle_down();
            let what = format!("step {steps}, of {unsynced:?} {kept:?} are kept");
            check(&mut after, &what, &events);
            // And once more, from what the first recovery has left.
            let mut after = after.crashed(|_, _| 0);
            after.settle_down();
            check(&mut after, &format!("{what}, again"), &events);
        }
        if is_over {
            break;
        }
        steps += 1;
    }
    assert!(steps > 12, "{steps} steps");
}
