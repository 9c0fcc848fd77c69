//! Queues and topics of the connection's own.
//!
//! RabbitMQ's `reply-to:/temp-queue/N` on SEND makes a queue whose messages come as MESSAGE with the
//! subscription `/temp-queue/N`; readers see `/reply-queue/QUEUE`. ActiveMQ's `temp-queue://N` is a queue
//! that the client subscribes to itself; readers see `/remote-temp-queue/QUEUE`. `temp-topic://N` is the
//! topic `stomp-temp.MARK.NUMBER`; readers see `/remote-temp-topic/TOPIC`. The mark is from the name that
//! the broker makes up for a queue, for nobody else ever has that, and nobody guesses it.

use super::awaited::Purpose;
use super::open::{Open, receipt_of};
use super::subscriptions::{Subscription, SubscriptionName};
use super::{Link, Step};
use crate::frame::{Frame, HeaderName};
use crate::translate::{Address, Destination, Opening, percent_encode};
use crate::violation::{DestinationError, Excerpt, Violation};
use broker_api::{
    Command, DeclareQueue, Grant, IfExists, IfMissing, Out, SettleMode, Source, Subscribe,
};
use model::{
    Durability, ExchangeName, Lifetime, Ownership, QueueDefinition, QueueName, QueueNameError,
    QueueRules,
};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// How the ids of subscriptions begin that the session makes for replies.
pub(super) const REPLY_PREFIX: &[u8] = b"/temp-queue/";

/// How the names begin that the broker makes up.
const MADE_UP_PREFIX: &[u8] = b"amq.gen-";

/// What the client calls a queue of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum TemporaryName {
    /// By `/temp-queue/N` in a `reply-to`; all of that.
    Reply(Box<[u8]>),
    /// By `temp-queue://N`; only N.
    Queue(Box<[u8]>),
}

/// The queues and topics of the connection's own. They live as long as it does, and so do their names.
#[derive(Debug, Default)]
pub(super) struct Temporaries {
    queues: BTreeMap<TemporaryName, QueueName>,
    /// The topics, as the model names them.
    topics: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// What the names of the topics have in common, once it is known.
    topic_mark: Option<Box<[u8]>>,
}

impl Temporaries {
    pub(super) fn insert(&mut self, name: TemporaryName, queue: QueueName) {
        self.queues.insert(name, queue);
    }

    fn len(&self) -> usize {
        self.queues.len() + self.topics.len()
    }

    /// The exchange and the key that a SEND to a destination publishes to; none for a temporary one
    /// that has not been made.
    pub(super) fn route<'a>(
        &'a self,
        destination: &'a Destination<'_>,
    ) -> Option<(&'a [u8], &'a [u8])> {
        match destination {
            Destination::Queue(_)
            | Destination::ExistingQueue(_)
            | Destination::Exchange { .. } => destination.route(),
            Destination::TemporaryQueue(name) => {
                self.queue(name).map(|queue| (&b""[..], queue.as_bytes()))
            }
            Destination::TemporaryTopic(name) => {
                self.topic(name).map(|topic| (&b"amq.topic"[..], topic))
            }
        }
    }

    pub(super) fn queue(&self, name: &[u8]) -> Option<&QueueName> {
        self.queues.get(&TemporaryName::Queue(name.into()))
    }

    pub(super) fn topic(&self, name: &[u8]) -> Option<&[u8]> {
        self.topics.get(name).map(|topic| &**topic)
    }

    /// Takes the mark from a name that the broker has made up.
    pub(super) fn set_topic_mark(&mut self, queue: &QueueName) {
        let name = queue.as_bytes();
        let mark = name.strip_prefix(MADE_UP_PREFIX).unwrap_or(name);
        self.topic_mark = Some(mark.into());
    }

    fn add_topic(&mut self, mark: &[u8], name: &[u8]) {
        let number = self.topics.len() + 1;
        let mut topic = b"stomp-temp.".to_vec();
        topic.extend_from_slice(mark);
        topic.extend_from_slice(format!(".{number}").as_bytes());
        self.topics.insert(name.into(), topic.into());
    }
}

/// What a SEND's `reply-to` is to say.
pub(super) enum ReplyTo {
    /// What the client wrote.
    AsItIs,
    /// Where others reach this connection.
    Replaced(Vec<u8>),
    /// The broker has been asked for a queue; the frame must be read again.
    Kept,
}

impl Open {
    /// Makes what a `reply-to` names, if that is the connection's own.
    pub(super) fn prepare_reply_to(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<ReplyTo, Violation> {
        let Some(text) = frame.value(HeaderName::ReplyTo) else {
            return Ok(ReplyTo::AsItIs);
        };
        if text.starts_with(REPLY_PREFIX) {
            return self.prepare_reply_queue(link, frame, &text, out);
        }
        // Only these forms are the connection's own; what any other leads to is for its reader to see.
        let Some(address) = Address::parse(&text).ok() else {
            return Ok(ReplyTo::AsItIs);
        };
        let form: &[u8] = match address.only() {
            Some(Destination::TemporaryQueue(_)) => b"/remote-temp-queue/",
            Some(Destination::TemporaryTopic(_)) => b"/remote-temp-topic/",
            Some(
                Destination::Queue(_)
                | Destination::ExistingQueue(_)
                | Destination::Exchange { .. },
            )
            | None => return Ok(ReplyTo::AsItIs),
        };
        let destination = &address.first;
        if self.prepare_temporary(link, frame, destination, out)? == Made::Asked {
            return Ok(ReplyTo::Kept);
        }
        Ok(match self.temporaries.route(destination) {
            Some((_, key)) => ReplyTo::Replaced(spelled(form, key)),
            None => ReplyTo::AsItIs,
        })
    }

    /// RabbitMQ's: the queue, and a subscription that the client need not ask for.
    fn prepare_reply_queue(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        text: &[u8],
        out: &mut Out,
    ) -> Result<ReplyTo, Violation> {
        let problem = match text.len() - REPLY_PREFIX.len() {
            0 => Some(QueueNameError::Empty),
            1..=QueueName::BYTES_MAX => None,
            length => Some(QueueNameError::TooLong(length)),
        };
        if let Some(problem) = problem {
            return Err(Violation::Destination {
                value: Excerpt::of(text),
                problem: DestinationError::QueueName(problem),
            });
        }
        let name = TemporaryName::Reply(text.into());
        let Some(queue) = self.temporaries.queues.get(&name).cloned() else {
            self.declare_temporary(link, frame, name, Lifetime::UntilUnused, out)?;
            return Ok(ReplyTo::Kept);
        };
        let subscription = SubscriptionName::Id(text.into());
        if self.subscriptions.id_of(&subscription).is_none() {
            let id = self.subscriptions.next_id();
            let spelled = self.spelled(&subscription);
            let opening = Opening::new(spelled.as_deref(), link.connection, id, false);
            self.subscriptions
                .insert(Subscription::new(subscription, opening, 1));
            let source = Source::Queue(queue.clone());
            let subscribe = Subscribe::new(id, source, SettleMode::Presettled, Grant::UNLIMITED);
            let command = self.submit(link, out, Command::Subscribe(Box::new(subscribe)));
            self.outstanding.insert(command, None);
        }
        Ok(ReplyTo::Replaced(spelled(
            b"/reply-queue/",
            queue.as_bytes(),
        )))
    }

    /// Makes the connection's own queue or topic that a destination names; others are there.
    pub(super) fn prepare_temporary(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        destination: &Destination<'_>,
        out: &mut Out,
    ) -> Result<Made, Violation> {
        match destination {
            Destination::Queue(_)
            | Destination::ExistingQueue(_)
            | Destination::Exchange { .. } => {}
            Destination::TemporaryQueue(name) => {
                if self.temporaries.queue(name).is_none() {
                    let name = TemporaryName::Queue((*name).into());
                    self.declare_temporary(link, frame, name, Lifetime::Permanent, out)?;
                    return Ok(Made::Asked);
                }
            }
            Destination::TemporaryTopic(name) => {
                if self.temporaries.topic(name).is_none() {
                    self.check_temporaries(link)?;
                    let Some(mark) = self.temporaries.topic_mark.clone() else {
                        let command = own_queue(Lifetime::UntilUnused);
                        let receipt = receipt_of(frame);
                        self.barrier(link, out, command, Purpose::TopicMark, receipt);
                        return Ok(Made::Asked);
                    };
                    self.temporaries.add_topic(&mark, name);
                }
            }
        }
        Ok(Made::There)
    }

    fn declare_temporary(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        name: TemporaryName,
        lifetime: Lifetime,
        out: &mut Out,
    ) -> Result<(), Violation> {
        self.check_temporaries(link)?;
        let purpose = Purpose::Temporary(name);
        self.barrier(link, out, own_queue(lifetime), purpose, receipt_of(frame));
        Ok(())
    }

    fn check_temporaries(&self, link: &Link) -> Result<(), Violation> {
        let limit = link.limits.subscriptions_max;
        if self.temporaries.len() >= limit {
            return Err(Violation::TooManySubscriptions { limit });
        }
        Ok(())
    }
}

/// Whether what a frame needs is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It is.
    There,
    /// The broker has been asked; the frame must be read again.
    Asked,
}

impl Made {
    pub(super) const fn step(self) -> Option<Step> {
        match self {
            Self::There => None,
            Self::Asked => Some(Step::Kept),
        }
    }
}

/// Makes a queue of the connection's own, under a name that the broker makes up.
fn own_queue(lifetime: Lifetime) -> Command {
    Command::DeclareQueue(Box::new(DeclareQueue {
        name: None,
        definition: QueueDefinition {
            durability: Durability::Transient,
            ownership: Ownership::Exclusive,
            lifetime,
            expires_ms: None,
            kind: None,
            rules: QueueRules::PLAIN,
        },
        if_exists: IfExists::MustEqual,
        if_missing: IfMissing::Create,
    }))
}

/// What a SUBSCRIBE to a temporary topic reads.
pub(super) fn topic_source(key: &[u8]) -> Source {
    Source::Exchange {
        exchange: ExchangeName::topic(),
        key: key.into(),
        arguments: model::Arguments::default(),
    }
}

fn spelled(form: &[u8], name: &[u8]) -> Vec<u8> {
    let mut spelled = form.to_vec();
    percent_encode(name, &[], &mut spelled);
    spelled
}

/// The bytes of a value, to be kept.
pub(super) fn boxed(text: Cow<'_, [u8]>) -> Box<[u8]> {
    text.into_owned().into_boxed_slice()
}
