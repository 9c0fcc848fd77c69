//! What happens once something is durable.

use crate::Node;
use crate::follow::{Left as LeftPushes, Pushing, Sets};
use crate::mailbox::{Control, Decided};
use crate::outbox::Outbox;
use crate::retained::Setting;
use crate::transaction::Asker;
use broker_api::{Event, Refusal, Reply};
use model::{CommandId, Instant};
use std::sync::Arc;

/// What happens once something is durable.
pub(crate) enum Effect {
    /// Commands of one connection are confirmed together.
    Confirm {
        outbox: Arc<Outbox>,
        commands: Vec<CommandId>,
    },
    /// A connection is answered.
    Answer { outbox: Arc<Outbox>, event: Event },
    /// A transaction is decided.
    Decide {
        asker: Asker,
        result: Result<(), Refusal>,
        /// The shards that are to do as decided; none where one has done it alone.
        then: Vec<Decided>,
    },
    /// An executor is told.
    Tell { executor: usize, control: Control },
}

/// Lets the effects happen.
pub(crate) fn tell(node: &Node, now: Instant, news: &mut Vec<Effect>) {
    for effect in news.drain(..) {
        match effect {
            Effect::Confirm { outbox, commands } => outbox.confirm(&commands),
            Effect::Answer { outbox, event } => outbox.push(&mut vec![event]),
            Effect::Decide {
                asker,
                result,
                then,
            } => answer(node, now, &asker, result, then),
            Effect::Tell { executor, control } => {
                node.mailboxes[executor].post(&mut vec![control]);
            }
        }
    }
}

/// Answers who waits for a transaction, once the shards have been told. What follows is pushed before if nobody else does
/// it.
pub(crate) fn answer(
    node: &Node,
    now: Instant,
    asker: &Asker,
    result: Result<(), Refusal>,
    then: Vec<Decided>,
) {
    let follow = asker.follow.as_ref();
    let left = follow.map(|follow| follow.decide(result.is_ok()));
    let LeftPushes { pushes, keys } = left.unwrap_or_default();
    let sets = if then.is_empty() {
        Sets::Shard
    } else {
        Sets::Pusher
    };
    let mut pushing = Pushing::new(node, now, asker.outbox.connection(), sets);
    pushes.into_iter().for_each(|push| pushing.push(push));
    let mut settings = pushing.settings;
    for mut decided in then {
        let is_here =
            |setting: &mut Setting| node.retained.shard_of(setting.message.key()) == decided.shard;
        decided.settings = settings.extract_if(.., is_here).collect();
        let executor = node.executor_of(decided.shard);
        let control = Control::Decided(Box::new(decided));
        node.mailboxes[executor].post(&mut vec![control]);
    }
    // Whoever sets them next comes behind this in all queues.
    drop(keys);
    follow
        .into_iter()
        .for_each(|follow| follow.hold(std::mem::take(&mut pushing.held_by)));
    let done = result.map(|()| Reply::Nothing);
    asker
        .outbox
        .push(&mut vec![Event::Done(asker.command, done)]);
}
