//! Putting the executors of a node together from what was recovered.

use super::Executor;
use super::fills::Fills;
use crate::Node;
use crate::deliver::Deliveries;
use crate::head;
use crate::mailbox::{Mailbox, Taken};
use crate::recovery::{RecoveredDeclared, RecoveredShards};
use crate::routes::QueueTarget;
use crate::shard::{Fate, Shard};
use crate::shared_queue::SharedQueue;
use crate::topology::Topology;
use log_store::ShardLog;
use model::{Instant, PageNumber, ShardId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Waker;
use tracing::error;

/// The executors of a node.
pub(crate) fn assemble(
    node: &Arc<Node>,
    now: Instant,
    logs: Vec<Box<dyn ShardLog>>,
    recovered: RecoveredShards,
) -> Vec<Executor> {
    let count = node.mailboxes.len();
    let shard_count = logs.len();
    let mut executors: Vec<_> = (0..count).map(|index| Executor::new(node, index)).collect();
    let mut pages = pages_of(&recovered.queues);
    let mut missing = BTreeMap::new();
    let mut homes = Vec::new();
    for (index, mut log) in logs.into_iter().enumerate() {
        let executor = &mut executors[index % count];
        let id = log.shard();
        log.wake_on_commit(Waker::from(Arc::clone(&executor.mailbox)));
        let refused = recovered.refused.get(&id).cloned();
        // Those that nobody refers to go.
        let last_page = log.last_page();
        if refused.is_none() {
            let kept = pages.remove(&id).unwrap_or_default();
            missing.insert(id, log.keep_pages(&kept));
        }
        let mut shard = Shard::new(node, log);
        shard.number_pages_behind(last_page);
        match refused {
            Some(reason) => {
                error!("shard {id} is out of service: {reason}");
                shard.put_out_of_service(&reason);
            }
            None if id != ShardId(0) || shard_count == 1 => homes.push(id),
            None => {}
        }
        executor.shards.push(shard);
    }
    if homes.is_empty() {
        homes.push(ShardId(0));
    }
    let mut topology = Topology::new(node, recovered.next_queue, homes);
    for (name, (definition, lifetime)) in recovered.exchanges {
        topology.recover_exchange(name, definition, lifetime);
    }
    for queue in recovered.queues {
        let shared = host(node, now, &mut executors, queue, &missing);
        topology.recover_queue(shared);
    }
    topology.recover_keeps(recovered.keeps);
    for bind in recovered.bindings {
        topology.recover_binding(bind);
    }
    let decided: BTreeSet<(ShardId, u64)> = recovered
        .shards
        .iter()
        .flat_map(|(shard, recovered)| recovered.decided.keys().map(|number| (*shard, *number)))
        .collect();
    let refused: BTreeSet<ShardId> = executors
        .iter()
        .flat_map(|executor| &executor.shards)
        .filter(|shard| shard.is_refused())
        .map(|shard| shard.log.shard())
        .collect();
    for (id, recovered) in recovered.shards {
        let shard = executors[usize::from(id.0) % count].shard(id);
        if shard.is_refused() {
            shard.recover_refused(recovered.next_transaction);
            continue;
        }
        for setting in recovered.retained.into_values() {
            if node.retained.recover(now, &setting) {
                shard.recover_retained(setting);
            }
        }
        shard.recover_pages(recovered.next_page);
        shard.recover_forwards(
            recovered.next_forward,
            recovered.outgoing,
            recovered.received,
        );
        shard.recover_transactions(
            recovered.next_transaction,
            recovered.prepared,
            recovered.decided,
            |id| {
                if decided.contains(&(id.coordinator, id.number)) {
                    Fate::Decided
                } else if refused.contains(&id.coordinator) {
                    Fate::Unknown
                } else {
                    Fate::Aborted
                }
            },
        );
    }
    if let Some(first) = executors.first_mut() {
        if let Some(shard) = first.shards.first_mut() {
            topology.declare_composites(shard);
        }
        first.topology = Some(topology);
    }
    for executor in &mut executors {
        let moved = executor.shards.iter_mut().map(Shard::take_moved_bytes);
        node.queued.add(moved.map(|(added, _)| added).sum());
    }
    // Policies may not be those that the messages came under.
    let shards = executors
        .iter_mut()
        .flat_map(|executor| &mut executor.shards);
    shards.for_each(Shard::keep_to_policies);
    // What is due is to be done.
    node.mailboxes.iter().for_each(|mailbox| mailbox.nudge());
    executors
}

/// The pages that queues still have messages in, by shard, ascending.
fn pages_of(queues: &[RecoveredDeclared]) -> BTreeMap<ShardId, Vec<PageNumber>> {
    let mut pages: BTreeMap<ShardId, Vec<PageNumber>> = BTreeMap::new();
    for queue in queues {
        queue
            .state
            .page_numbers(pages.entry(queue.shard).or_default());
    }
    pages.values_mut().for_each(|pages| pages.sort_unstable());
    pages
}

/// Has a recovered queue hosted. Of each shard these pages are missing, ascending.
fn host(
    node: &Arc<Node>,
    now: Instant,
    executors: &mut [Executor],
    queue: RecoveredDeclared,
    missing: &BTreeMap<ShardId, Vec<PageNumber>>,
) -> Arc<SharedQueue> {
    let RecoveredDeclared {
        name,
        id,
        shard,
        definition,
        state,
        estate,
    } = queue;
    let target = QueueTarget {
        executor: node.executor_of(shard),
        shard,
        queue: id,
    };
    let shared = SharedQueue::new(name, definition, &node.settings.policies, target);
    let shared = Arc::new(shared);
    let rules = node.rules_of(&shared);
    let seed = node.settings.seed ^ id.0;
    let keys_rules = Arc::clone(&rules);
    let mut lost = Vec::new();
    if let Some(missing) = missing.get(&shard).filter(|missing| !missing.is_empty()) {
        state.page_numbers(&mut lost);
        lost.retain(|page| missing.binary_search(page).is_ok());
    }
    let heads = node.settings.heads;
    let machine = state.into_queue(rules, seed, |message| {
        head::keys(heads, &keys_rules, message)
    });
    let host = executors[target.executor].shard(shard);
    if host.is_refused() {
        host.host_damaged(&shared);
    } else {
        shared.note(&machine);
        host.host(now, &shared, machine);
        host.recover_estate(now, id, estate);
        host.lose_pages(id, &lost);
    }
    shared
}

impl Executor {
    fn new(node: &Arc<Node>, index: usize) -> Self {
        let mailbox: &Arc<Mailbox> = &node.mailboxes[index];
        Self {
            node: Arc::clone(node),
            index,
            mailbox: Arc::clone(mailbox),
            shards: Vec::new(),
            topology: None,
            deliveries: Deliveries::new(node, mailbox),
            fills: Fills::default(),
            taken: Taken::default(),
            news: Vec::new(),
            confirmed: Vec::new(),
            declared: Vec::new(),
            ride_deadline: None,
            queue_deadline: None,
            now: Instant::default(),
        }
    }
}
