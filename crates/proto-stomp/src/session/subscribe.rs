//! SUBSCRIBE.

use super::awaited::Purpose;
use super::durable::Interest;
use super::open::{Open, Subscribing, receipt_of};
use super::send::{destination_of, parse, queue_name, unless_plain};
use super::subscriptions::{Subscription, SubscriptionName, broker_id};
use super::temporary::{REPLY_PREFIX, boxed, topic_source};
use super::{Link, Step};
use crate::Version;
use crate::escape::{Part, put_escaped};
use crate::frame::{Frame, HeaderName};
use crate::translate::{AckMode, Address, BrowserEnd, Destination, Opening, Wish};
use crate::violation::{DestinationError, Excerpt, Violation};
use broker_api::{Command, Out, Refusal, Sharing, Source, Subscribe};
use bytes::BytesMut;
use model::{Arguments, ExchangeName, SubscriptionId};

/// The longest id of a subscription, in bytes: it is kept, and stands in each of its messages.
const ID_BYTES_MAX: usize = 255;

impl Open {
    pub(super) fn handle_subscribe(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        if self.subscribing == Subscribing::Done {
            self.subscribing = Subscribing::First;
            return Ok(Step::Taken);
        }
        let text = destination_of(frame)?;
        let address = parse(&text)?;
        let name = self.subscription_name(frame)?;
        self.check_name(&name)?;
        let limit = link.limits.subscriptions_max;
        if self.subscriptions.len() + address.others.len() >= limit {
            return Err(Violation::TooManySubscriptions { limit });
        }
        let wish = Wish::read(frame, &address)?;
        let Some(sources) = self.sources(link, frame, &address, &wish, out)? else {
            return Ok(Step::Kept);
        };
        let queues = std::mem::take(&mut self.own_queues);
        let mut subscription = self.subscription(link, frame, name, &wish, sources.len());
        if wish.is_durable() {
            subscription.durable_queues = queues.into_iter().map(|queue| queue.name).collect();
        }
        self.start(link, frame, subscription, sources, &wish, out);
        Ok(Step::Kept)
    }

    /// Whether a SUBSCRIBE was refused because a queue that the session had made has ended since: then it
    /// is forgotten, and the frame is read again, once. Not for a list, some of which may be delivered.
    pub(super) fn forget_ended(&mut self, id: SubscriptionId, refusal: &Refusal) -> bool {
        let (Refusal::QueueNotFound(queue) | Refusal::QueueDeleted(queue)) = refusal else {
            return false;
        };
        let is_list = |it: &mut Subscription| it.members().nth(1).is_some();
        if self.subscribing != Subscribing::First
            || !self.queues.contains(queue.as_bytes())
            || self.subscriptions.get_mut(id).is_none_or(is_list)
        {
            return false;
        }
        self.subscribing = Subscribing::Last;
        self.queues.forget(queue.as_bytes());
        if let Some(subscription) = self.subscriptions.remove(id) {
            self.subscriptions.forget_name(&subscription.name);
        }
        true
    }

    /// A name is free if no subscription has it; what had it and has browsed to its end is forgotten.
    fn check_name(&mut self, name: &SubscriptionName) -> Result<(), Violation> {
        if self.subscriptions.id_of(name).is_some() {
            return Err(Violation::SubscriptionExists(Excerpt::of(name.as_bytes())));
        }
        self.subscriptions.forget_browsed(name);
        Ok(())
    }

    /// Where the subscription reads, once all of that is there; none if the broker had to be asked.
    fn sources(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        address: &Address<'_>,
        wish: &Wish,
        out: &mut Out,
    ) -> Result<Option<Vec<Source>>, Violation> {
        let mut sources = Vec::with_capacity(1 + address.others.len());
        let definition = unless_plain(&wish.queue);
        for (at, destination) in address.iter().enumerate() {
            let made = self.prepare(link, frame, destination, definition.as_ref(), out)?;
            if made.step().is_some() {
                return Ok(None);
            }
            let source = match destination {
                Destination::Queue(name) | Destination::ExistingQueue(name) => {
                    Source::Queue(queue_name(name)?)
                }
                Destination::Exchange {
                    exchange,
                    key,
                    reading,
                } => {
                    let interest = Interest {
                        at,
                        exchange: exchange_name(exchange)?,
                        text: key,
                        reading: *reading,
                    };
                    match self.exchange_source(link, frame, wish, &interest, out)? {
                        Some(source) => source,
                        None => return Ok(None),
                    }
                }
                Destination::TemporaryQueue(name) => {
                    Source::Queue(self.temporaries.queue(name).cloned().ok_or_else(gone)?)
                }
                Destination::TemporaryTopic(name) => {
                    topic_source(self.temporaries.topic(name).ok_or_else(gone)?)
                }
            };
            sources.push(source);
        }
        Ok(Some(sources))
    }

    fn exchange_source(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        wish: &Wish,
        interest: &Interest<'_>,
        out: &mut Out,
    ) -> Result<Option<Source>, Violation> {
        if wish.needs_own_queue() {
            let queue = self.prepare_own_queue(link, frame, wish, interest, out)?;
            return Ok(queue.map(Source::Queue));
        }
        Ok(Some(Source::Exchange {
            exchange: interest.exchange.clone(),
            key: interest.key(),
            arguments: Arguments::default(),
        }))
    }

    fn subscription(
        &self,
        link: &Link,
        frame: &Frame<'_>,
        name: SubscriptionName,
        wish: &Wish,
        members: usize,
    ) -> Subscription {
        let spelled = self.spelled(&name);
        // STOMP 1.2 "MESSAGE": the `ack` header, where the client settles; 1.1 settles by message-id.
        let has_ack = self.version == Version::V12 && wish.ack != AckMode::Auto;
        let id = self.subscriptions.next_id();
        let opening = Opening::new(spelled.as_deref(), link.connection, id, has_ack);
        let mut subscription = Subscription::new(name, opening, members);
        subscription.ack = wish.ack;
        subscription.prefetch = wish.prefetch;
        if wish.sharing == Sharing::Browse {
            let destination = frame.spelled(HeaderName::Destination).unwrap_or_default();
            subscription.browser_end = Some(BrowserEnd::new(spelled.as_deref(), destination));
        }
        subscription
    }

    /// Asks the broker for one subscription per source.
    fn start(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        subscription: Subscription,
        sources: Vec<Source>,
        wish: &Wish,
        out: &mut Out,
    ) {
        let members = subscription.members();
        let grants: Vec<_> = members
            .map(|member| (member, subscription.grant(member)))
            .collect();
        let first = self.subscriptions.insert(subscription);
        let commands = sources
            .into_iter()
            .zip(grants)
            .map(|(source, (member, grant))| {
                let is_queue = matches!(source, Source::Queue(_));
                let sharing = match wish.sharing {
                    // An exchange gives each of its subscriptions everything.
                    Sharing::Competing { .. } if !is_queue => Sharing::Competing { priority: 0 },
                    sharing @ (Sharing::Competing { .. }
                    | Sharing::Exclusive
                    | Sharing::Browse
                    | Sharing::Takeover) => sharing,
                };
                let id = broker_id(first, member);
                Command::Subscribe(Box::new(Subscribe {
                    selector: wish.selector.clone(),
                    sharing,
                    own_messages: wish.own_messages,
                    ..Subscribe::new(id, source, wish.ack.settle_mode(), grant)
                }))
            });
        let receipt = receipt_of(frame);
        let purpose = Purpose::Subscribe(first);
        self.barrier_all(link, out, commands, purpose, receipt);
    }

    /// The `id`; in 1.0, where it is optional, else the destination.
    pub(super) fn subscription_name(
        &self,
        frame: &Frame<'_>,
    ) -> Result<SubscriptionName, Violation> {
        let missing = |header| Violation::MissingHeader {
            command: frame.command,
            header,
        };
        if let Some(id) = frame.value(HeaderName::Id) {
            if id.len() > ID_BYTES_MAX {
                return Err(Violation::HeaderValue {
                    header: Excerpt::of(b"id"),
                    value: Excerpt::of(&id),
                    expected: "at most 255 bytes",
                });
            }
            if id.starts_with(REPLY_PREFIX) {
                return Err(Violation::ReservedId(Excerpt::of(&id)));
            }
            return Ok(SubscriptionName::Id(boxed(id)));
        }
        match self.version {
            Version::V10 => frame
                .value(HeaderName::Destination)
                .map(|destination| SubscriptionName::Destination(boxed(destination)))
                .ok_or_else(|| missing("id or destination")),
            Version::V11 | Version::V12 => Err(missing("id")),
        }
    }

    /// What a MESSAGE says of its subscription; nothing if the client gave it no id.
    pub(super) fn spelled(&self, name: &SubscriptionName) -> Option<BytesMut> {
        match name {
            SubscriptionName::Id(id) => {
                let mut spelled = BytesMut::new();
                put_escaped(self.version, Part::Value, id, &mut spelled);
                Some(spelled)
            }
            SubscriptionName::Destination(_) => None,
        }
    }
}

fn exchange_name(name: &[u8]) -> Result<ExchangeName, Violation> {
    ExchangeName::new(name).map_err(|error| Violation::Destination {
        value: Excerpt::of(name),
        problem: DestinationError::LongExchange {
            length: error.bytes,
        },
    })
}

/// A temporary destination that was prepared is there; were it not, there would be no such queue.
fn gone() -> Violation {
    Violation::Destination {
        value: Excerpt::of(b""),
        problem: DestinationError::QueueName(model::QueueNameError::Empty),
    }
}
