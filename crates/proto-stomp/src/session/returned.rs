//! Messages that came back because the queue that was made for them has ended since.
//!
//! The queue is made again and the message published again, once. Meanwhile nothing more is read, so that
//! what comes back keeps its place before all that the client sends later.

use super::known_queues::KnownQueues;
use super::receipt::{Outstanding, Pending};
use super::{Failure, Link};
use broker_api::{
    Command, Confirm, DeclareQueue, IfExists, IfMissing, Out, Publishing, Refusal, Reply,
};
use model::{CommandId, Message, QueueDefinition, QueueName};

/// Messages that wait for their queue to be there again.
///
/// Holds no more than was published and not answered, for nothing is read while it holds anything.
#[derive(Debug, Default)]
pub(super) struct Returned {
    remaking: Vec<Remaking>,
    bytes: usize,
}

/// A queue that is made again, with the messages for it in order.
#[derive(Debug)]
struct Remaking {
    command: CommandId,
    queue: QueueName,
    messages: Vec<(Message, Option<Pending>)>,
}

impl Returned {
    pub(super) const fn is_empty(&self) -> bool {
        self.remaking.is_empty()
    }

    /// What the messages are charged with.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// The message of this command has come back: asks for its queue, unless that is asked for already.
    pub(super) fn add(
        &mut self,
        link: &mut Link,
        id: CommandId,
        message: Message,
        queues: &mut KnownQueues,
        outstanding: &mut Outstanding,
        out: &mut Out,
    ) {
        // Only what went to a queue by its name asks to be given back.
        let Ok(queue) = QueueName::new(message.key()) else {
            return;
        };
        let pending = outstanding.take(id);
        self.bytes += message.cost_bytes();
        let under_way = self.remaking.iter_mut().find(|it| it.queue == queue);
        if let Some(remaking) = under_way {
            remaking.messages.push((message, pending));
            return;
        }
        let definition = queues.forget(queue.as_bytes());
        let definition = definition.map_or(QueueDefinition::DURABLE, |it| *it);
        let declare = DeclareQueue {
            name: Some(queue.clone()),
            definition,
            if_exists: IfExists::Use,
            if_missing: IfMissing::Create,
        };
        self.remaking.push(Remaking {
            command: link.barrier(out, Command::DeclareQueue(Box::new(declare))),
            queue,
            messages: vec![(message, pending)],
        });
    }

    /// Whether this command makes a queue again.
    pub(super) fn awaits(&self, id: CommandId) -> bool {
        self.remaking.iter().any(|it| it.command == id)
    }

    /// The command is answered: its messages are published again, behind whatever is under way.
    ///
    /// # Errors
    /// What the ERROR frame says if it is refused.
    pub(super) fn handle_done(
        &mut self,
        link: &mut Link,
        id: CommandId,
        result: Result<Reply, Refusal>,
        queues: &mut KnownQueues,
        outstanding: &mut Outstanding,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let Some(at) = self.remaking.iter().position(|it| it.command == id) else {
            return Ok(());
        };
        let Remaking {
            queue, messages, ..
        } = self.remaking.remove(at);
        for (message, _) in &messages {
            self.bytes -= message.cost_bytes();
        }
        if let Err(refusal) = result {
            let mut pending = messages.into_iter().filter_map(|(_, pending)| pending);
            if let Some(first) = pending.next() {
                outstanding.put_back(id, first);
            }
            return outstanding.handle_refusal(id, &refusal);
        }
        // It may be there as something else by now: who asks for more must declare it.
        queues.insert(queue.as_bytes().into(), None);
        for (message, pending) in messages {
            let confirm = match &pending {
                Some(_) => Confirm::Wanted,
                None => Confirm::Unwanted,
            };
            // A queue that has ended once more has taken its messages with it, as any that ends.
            let command = Command::Publish(message, Publishing::new(confirm));
            let id = link.submit(out, command);
            if let Some(pending) = pending {
                outstanding.put_back(id, pending);
            }
        }
        Ok(())
    }
}
