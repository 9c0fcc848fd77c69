//! Direct reply-to: answers that come to a channel without a queue that its client declares.
//!
//! The client consumes from `amq.rabbitmq.reply-to`. What it reads then is a queue of the connection's own, which ends with
//! this consumer; its name begins so, and nobody guesses the rest. What the channel publishes with that `reply-to`
//! says this name instead, so that whoever is to answer publishes to it as to any queue.

use super::awaited::{Awaited, Purpose};
use super::channel::Channel;
use super::consumers::Consumer;
use super::failure::Failure;
use super::open::Open;
use super::{Link, put};
use crate::content::Content;
use crate::translate::DIRECT_REPLY_TO;
use crate::{Method, MethodId, Properties, PropertyList, ReplyCode, ShortStr, basic, queue};
use broker_api::{
    Command, DeclareQueue, DeleteIf, DeleteQueue, Grant, IfExists, IfMissing, Out, QueueStatus,
    Refusal, Reply, SettleMode, Source, Subscribe,
};
use bytes::BytesMut;
use model::{
    Durability, Lifetime, Ownership, QueueDefinition, QueueName, QueueRules, SubscriptionId,
};

/// What the names of these queues begin with.
const PREFIX: &[u8] = b"amq.rabbitmq.reply-to.";

/// Where the answers to what a channel publishes come.
#[derive(Debug)]
pub(super) struct Replies {
    consumer: SubscriptionId,
    queue: QueueName,
}

impl Channel {
    /// The content with the queue of the channel's answers in its `reply-to`, if it asks for that and there is one.
    #[inline]
    pub(super) fn with_replies<'c>(
        &self,
        content: &Content<'c>,
        buffer: &'c mut BytesMut,
    ) -> Option<Content<'c>> {
        let replies = self.replies.as_ref()?;
        let list = content.properties.fields();
        let asks = |reply_to: ShortStr<'_>| reply_to.as_bytes() == DIRECT_REPLY_TO;
        if !list.reply_to.is_some_and(asks) {
            return None;
        }
        let list = PropertyList {
            reply_to: ShortStr::new(replies.queue.as_bytes()).ok(),
            ..list
        };
        list.put(buffer);
        Some(Content {
            properties: Properties::checked(buffer),
            ..*content
        })
    }

    /// A consumer has ended, or is about to.
    pub(super) fn forget_replies(&mut self, consumer: SubscriptionId) {
        self.replies.take_if(|it| it.consumer == consumer);
    }
}

impl Open {
    /// Takes `basic.consume` of what has the channel's answers.
    pub(super) fn handle_consume_replies(
        &mut self,
        link: &mut Link,
        number: u16,
        (tag, consume): (Box<[u8]>, &basic::Consume<'_>),
        out: &mut Out,
    ) -> Result<(), Failure> {
        let method = basic::Consume::ID;
        let (Some(channel), Ok(start)) = (self.channels.get_mut(&number), QueueName::new(PREFIX))
        else {
            return Ok(());
        };
        let problem = match &channel.replies {
            _ if !consume.no_ack => Some("reply consumer cannot acknowledge"),
            Some(_) => Some("reply consumer already set"),
            None => None,
        };
        if let Some(problem) = problem {
            return Err(Failure::new(ReplyCode::PreconditionFailed, method, problem));
        }
        let id = self.consumers.next_id();
        channel.consumers.insert(tag.clone(), id);
        self.consumers
            .insert(Consumer::new(tag, number, consume.no_ack, None));
        let command = Command::DeclareQueue(Box::new(DeclareQueue {
            name: Some(start),
            definition: QueueDefinition {
                durability: Durability::Transient,
                ownership: Ownership::Exclusive,
                lifetime: Lifetime::UntilUnused,
                expires_ms: None,
                kind: None,
                rules: QueueRules::PLAIN,
            },
            if_exists: IfExists::Another,
            if_missing: IfMissing::Create,
        }));
        let no_wait = consume.no_wait;
        let purpose = Purpose::PreparingReplies { id, no_wait };
        self.ask(link, (number, method), command, purpose, out);
        Ok(())
    }

    /// The queue is there: its consumer begins.
    pub(super) fn consume_replies(
        &mut self,
        link: &mut Link,
        (number, method): (u16, MethodId),
        (id, no_wait): (SubscriptionId, bool),
        reply: Reply,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let (Reply::Queue(status), Some(channel)) = (reply, self.channels.get_mut(&number)) else {
            return Err(Failure::internal(method));
        };
        let QueueStatus { name, .. } = *status;
        channel.replies = Some(Box::new(Replies {
            consumer: id,
            queue: name.clone(),
        }));
        let source = Source::Queue(name);
        let subscribe = Subscribe::new(id, source, SettleMode::Presettled, Grant::UNLIMITED);
        let command = Command::Subscribe(Box::new(subscribe));
        let purpose = Purpose::Consuming { id, no_wait };
        self.ask(link, (number, method), command, purpose, out);
        Ok(())
    }

    /// A channel has ended while the queue of its answers was made: nobody would ever consume from it.
    pub(super) fn forget_prepared(
        &mut self,
        link: &mut Link,
        awaited: &Awaited,
        result: Result<Reply, Refusal>,
        out: &mut Out,
    ) {
        let is_prepared = matches!(awaited.purpose, Purpose::PreparingReplies { .. });
        if let (true, Ok(Reply::Queue(status))) = (is_prepared, result) {
            let command = Command::DeleteQueue(DeleteQueue {
                name: status.name,
                condition: DeleteIf::default(),
            });
            link.submit(out, command);
        }
    }

    /// Takes a method that is about a queue of answers: there is nothing to do with one but to ask whether it is there,
    /// whosever it is.
    pub(super) fn handle_replies_method(
        &mut self,
        link: &mut Link,
        number: u16,
        method: &Method<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let id = method.id();
        let channel = self.channels.get(&number);
        let Some(queue) = channel.and_then(|channel| queue_of(channel, method)) else {
            return Ok(());
        };
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "nothing else can be done with one"
        )]
        match method {
            Method::QueueDeclare(it) if queue.as_bytes() == DIRECT_REPLY_TO => {
                self.put_found(number, queue, it.no_wait, out);
            }
            Method::QueueDeclare(it) => {
                let command = Command::DeclareQueue(Box::new(DeclareQueue {
                    name: Some(queue),
                    definition: QueueDefinition::DURABLE,
                    if_exists: IfExists::Use,
                    if_missing: IfMissing::Refuse,
                }));
                let no_wait = it.no_wait;
                let purpose = Purpose::FindingReplies { no_wait };
                self.ask(link, (number, id), command, purpose, out);
            }
            Method::QueueDelete(it) if it.no_wait => {}
            Method::QueueDelete(_) => {
                let delete_ok = queue::DeleteOk { message_count: 0 };
                put(out, number, &Method::QueueDeleteOk(delete_ok));
            }
            _ => {
                let refusal = Refusal::QueueNotFound(queue);
                return Err(Failure::refused(&refusal, id));
            }
        }
        Ok(())
    }

    /// Tells that a queue of answers is there, and remembers it as what no name means.
    fn put_found(&mut self, number: u16, queue: QueueName, no_wait: bool, out: &mut Out) {
        if !no_wait {
            let declare_ok = queue::DeclareOk {
                queue: ShortStr::new(queue.as_bytes()).unwrap_or(ShortStr::EMPTY),
                message_count: 0,
                consumer_count: 1,
            };
            put(out, number, &Method::QueueDeclareOk(declare_ok));
        }
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.set_last_queue(queue);
        }
    }

    /// Tells whether a queue of answers is there: one that belongs to another connection is.
    pub(super) fn finish_finding(
        &mut self,
        (number, method): (u16, MethodId),
        no_wait: bool,
        result: Result<Reply, Refusal>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let queue = match result {
            Ok(Reply::Queue(status)) => status.name,
            Err(Refusal::QueueLocked(name)) => name,
            Err(refusal) => return Err(Failure::refused(&refusal, method)),
            Ok(
                Reply::Nothing
                | Reply::Count(_)
                | Reply::SettleWithin(_)
                | Reply::Got(_)
                | Reply::Queues(_)
                | Reply::Exchanges(_)
                | Reply::Bindings(_)
                | Reply::Users(_)
                | Reply::Challenge(_)
                | Reply::Authenticated(_)
                | Reply::Notes(_),
            ) => return Err(Failure::internal(method)),
        };
        self.put_found(number, queue, no_wait, out);
        Ok(())
    }
}

/// Whether a method is about a queue of answers.
pub(super) fn is_about_replies(channel: &Channel, method: &Method<'_>) -> bool {
    let queue = queue_of(channel, method);
    queue.is_some_and(|queue| queue.as_bytes() == DIRECT_REPLY_TO || is_of_replies(&queue))
}

/// Whether a queue has the answers to some channel's requests.
fn is_of_replies(queue: &QueueName) -> bool {
    queue.as_bytes().starts_with(PREFIX)
}

/// The queue that a method is about.
fn queue_of(channel: &Channel, method: &Method<'_>) -> Option<QueueName> {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other methods are about no queue"
    )]
    let name = match method {
        // Without a name it makes another.
        Method::QueueDeclare(it) => return QueueName::new(it.queue.as_bytes()).ok(),
        Method::QueueDelete(it) => it.queue,
        Method::QueuePurge(it) => it.queue,
        Method::QueueBind(it) => it.queue,
        Method::QueueUnbind(it) => it.queue,
        _ => return None,
    };
    channel.queue(name, method.id()).ok()
}

/// Checks that a queue may be read by who asks: one of answers is by its channel alone.
pub(super) fn check_readable(queue: &QueueName, method: MethodId) -> Result<(), Failure> {
    if !is_of_replies(queue) {
        return Ok(());
    }
    Err(if method == basic::Get::ID {
        let text = format!("basic.get not supported by volatile queue '{queue}' in vhost '/'");
        Failure::new(ReplyCode::NotImplemented, method, text)
    } else {
        let text = format!("only creator channel may consume from queue '{queue}' in vhost '/'");
        Failure::new(ReplyCode::PreconditionFailed, method, text)
    })
}
