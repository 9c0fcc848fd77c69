//! Commands that the input behind them waits for.

use super::open::{Open, OwnQueue, Subscribing};
use super::receipt::Receipt;
use super::temporary::TemporaryName;
use super::transaction::Held;
use super::{Failure, Link};
use broker_api::{Command, DeleteIf, DeleteQueue, Out, Refusal, Reply};
use model::{CommandId, QueueDefinition, QueueName, SubscriptionId};

/// Commands behind which nothing is read until they are answered.
#[derive(Debug)]
pub(super) struct Awaited {
    first: CommandId,
    last: CommandId,
    /// How many of these are not answered.
    left: u64,
    pub(super) purpose: Purpose,
    /// Of the frame that needs the answer.
    pub(super) receipt: Option<Receipt>,
}

/// Why a command is waited for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The frame that is kept needs this queue, declared as this if that matters.
    Declare(QueueName, Option<Box<QueueDefinition>>),
    /// The frame that is kept needs a queue of the connection's own.
    Temporary(TemporaryName),
    /// It needs a name that nobody else has, for topics of the connection's own.
    TopicMark,
    /// The SUBSCRIBE that is kept needs a queue for this one of its destinations.
    OwnQueue(usize),
    /// It needs this one of its queues to be bound.
    Bind(usize),
    /// The SUBSCRIBE that is kept is this subscription.
    Subscribe(SubscriptionId),
    /// The frame has effect before those behind it.
    Receipt,
    /// As `Receipt`, for a COMMIT that settles these.
    Commit(Vec<Held>),
}

impl Awaited {
    /// Whether it is one of these commands.
    pub(super) fn covers(&self, id: CommandId) -> bool {
        self.first <= id && id <= self.last
    }
}

impl Open {
    pub(super) fn handle_awaited(
        &mut self,
        link: &mut Link,
        result: Result<Reply, Refusal>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Some(mut awaited) = self.awaited.take() else {
            return Ok(());
        };
        let reply = match result {
            Ok(reply) => reply,
            Err(refusal) => {
                if let Purpose::Subscribe(id) = awaited.purpose
                    && self.forget_ended(id, &refusal)
                {
                    self.release_barrier(out);
                    return Ok(());
                }
                if let Purpose::Bind(at) = awaited.purpose {
                    self.discard_own_queue(link, at, out);
                }
                return Err(Failure::refused(&refusal, awaited.receipt));
            }
        };
        awaited.left -= 1;
        if awaited.left > 0 {
            self.awaited = Some(awaited);
            return Ok(());
        }
        self.release_barrier(out);
        // A frame that is kept is read again now, and asks for its receipt itself.
        match awaited.purpose {
            Purpose::Declare(name, definition) => {
                self.queues.insert(name.as_bytes().into(), definition);
            }
            Purpose::Temporary(name) => {
                let queue = queue_in(reply).ok_or_else(Failure::internal)?;
                self.temporaries.insert(name, queue);
            }
            Purpose::TopicMark => {
                let name = queue_in(reply).ok_or_else(Failure::internal)?;
                self.take_topic_mark(link, name, out);
            }
            Purpose::OwnQueue(at) => self.own_queues.push(OwnQueue {
                at,
                name: queue_in(reply).ok_or_else(Failure::internal)?,
                is_bound: false,
            }),
            Purpose::Bind(at) => {
                if let Some(queue) = self.own_queues.iter_mut().find(|queue| queue.at == at) {
                    queue.is_bound = true;
                }
            }
            Purpose::Subscribe(_) => {
                self.subscribing = Subscribing::Done;
                put_receipt(awaited.receipt.as_ref(), out);
            }
            Purpose::Receipt => {
                put_receipt(awaited.receipt.as_ref(), out);
            }
            Purpose::Commit(held) => {
                put_receipt(awaited.receipt.as_ref(), out);
                self.handle_committed(link, &held, out);
            }
        }
        Ok(())
    }

    /// A queue was made for the sake of its name.
    fn take_topic_mark(&mut self, link: &mut Link, name: QueueName, out: &mut Out) {
        self.temporaries.set_topic_mark(&name);
        let condition = DeleteIf::default();
        let delete = Command::DeleteQueue(DeleteQueue { name, condition });
        let command = self.submit(link, out, delete);
        self.outstanding.insert_forgiven(command);
    }

    /// Goes on reading, unless something else is still waited for.
    pub(super) fn release_barrier(&self, out: &mut Out) {
        if !self.is_waiting() {
            out.release_barrier();
        }
    }

    /// Sends a command whose answer the input behind it needs.
    pub(super) fn barrier(
        &mut self,
        link: &mut Link,
        out: &mut Out,
        command: Command,
        purpose: Purpose,
        receipt: Option<Receipt>,
    ) {
        self.barrier_all(link, out, [command], purpose, receipt);
    }

    /// Sends at least one command; the input behind needs the answers of all.
    pub(super) fn barrier_all(
        &mut self,
        link: &mut Link,
        out: &mut Out,
        commands: impl IntoIterator<Item = Command>,
        purpose: Purpose,
        receipt: Option<Receipt>,
    ) {
        self.settling.flush_run(link, out);
        let mut ids = None;
        for command in commands {
            let id = link.barrier(out, command);
            ids = Some((ids.map_or(id, |(first, _)| first), id));
        }
        self.awaited = ids.map(|(first, last): (CommandId, CommandId)| Awaited {
            first,
            last,
            left: last.0 - first.0 + 1,
            purpose,
            receipt,
        });
    }
}

fn put_receipt(receipt: Option<&Receipt>, out: &mut Out) {
    if let Some(receipt) = receipt {
        receipt.put(out);
    }
}

/// The queue that a reply tells of.
fn queue_in(reply: Reply) -> Option<QueueName> {
    match reply {
        Reply::Queue(status) => Some(status.name),
        Reply::Nothing
        | Reply::Count(_)
        | Reply::Queues(_)
        | Reply::Exchanges(_)
        | Reply::Bindings(_)
        | Reply::Users(_)
        | Reply::Challenge(_)
        | Reply::Authenticated(_)
        | Reply::Notes(_)
        | Reply::SettleWithin(_)
        | Reply::Got(_) => None,
    }
}
