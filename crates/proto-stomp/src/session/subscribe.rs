//! SUBSCRIBE and UNSUBSCRIBE.

use super::open::{Open, Purpose, receipt_of};
use super::send::{refuse_header, resolve};
use super::subscriptions::{AckMode, Subscription, SubscriptionName};
use super::{Link, Step};
use crate::Version;
use crate::escape::{Part, put_escaped};
use crate::frame::{Frame, HeaderName};
use crate::translate::{Destination, Opening};
use crate::violation::{DestinationError, Excerpt, Violation};
use broker_api::{Command, Grant, Out, SettleMode, Source, Subscribe};
use bytes::BytesMut;
use model::{Exchange, QueueName, SequenceMap};
use std::borrow::Cow;

/// The one value, if any, by which a header asks for what is done anyway.
type Harmless = Option<&'static [u8]>;

/// Headers that RabbitMQ or ActiveMQ give a meaning which is not implemented, with their harmless
/// values for a queue and for a topic.
const OPTIONS: [(HeaderName, Harmless, Harmless); 10] = [
    (HeaderName::Selector, None, None),
    (HeaderName::Browser, Some(b"false"), Some(b"false")),
    (HeaderName::Durable, Some(b"true"), Some(b"false")),
    (HeaderName::Persistent, Some(b"true"), Some(b"false")),
    (HeaderName::AutoDelete, Some(b"false"), Some(b"true")),
    (HeaderName::Exclusive, Some(b"false"), Some(b"false")),
    (HeaderName::NoLocal, Some(b"false"), Some(b"false")),
    (HeaderName::QueueName, None, None),
    (HeaderName::QueueArgument, None, None),
    (HeaderName::ActiveMqOption, None, None),
];

/// The longest id of a subscription, in bytes: it is kept, and stands in each of its messages.
const ID_BYTES_MAX: usize = 255;

impl Open {
    pub(super) fn handle_subscribe(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        let text = frame
            .value(HeaderName::Destination)
            .ok_or(Violation::MissingHeader {
                command: frame.command,
                header: "destination",
            })?;
        let destination = resolve(&text)?;
        let name = self.subscription_name(frame)?;
        if self.subscriptions.id_of(&name).is_some() {
            return Err(Violation::SubscriptionExists(Excerpt::of(name.as_bytes())));
        }
        let limit = link.limits.subscriptions_max;
        if self.subscriptions.len() >= limit {
            return Err(Violation::TooManySubscriptions { limit });
        }
        refuse_options(frame, destination.exchange)?;
        let ack = ack_mode(frame)?;
        let prefetch = prefetch(frame, ack)?;
        let source = match destination.exchange {
            Exchange::Default if !self.queues.contains(&destination.key) => {
                self.declare(link, frame, &destination.key, &text, out)?;
                return Ok(Step::Kept);
            }
            Exchange::Default => Source::Queue(queue_name(&destination, &text)?),
            Exchange::Topic => Source::Topic(destination.pattern()),
        };
        let opening = self.opening(link, &name, ack);
        let subscription = Subscription {
            name,
            opening,
            ack,
            prefetch,
            last_tag: 0,
            unsettled: SequenceMap::new(),
            is_grant_due: false,
        };
        let grant = subscription.grant();
        self.start(link, frame, subscription, source, grant, out);
        Ok(Step::Taken)
    }

    fn start(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        subscription: Subscription,
        source: Source,
        grant: Grant,
        out: &mut Out,
    ) {
        let settle_mode = match subscription.ack {
            AckMode::Auto => SettleMode::Presettled,
            AckMode::Client | AckMode::ClientIndividual => SettleMode::Explicit,
        };
        let subscription = self.subscriptions.insert(subscription);
        let command = Command::Subscribe(Subscribe {
            subscription,
            source,
            settle_mode,
            grant,
        });
        self.barrier(link, out, command, Purpose::Subscribe, receipt_of(frame));
    }

    pub(super) fn handle_unsubscribe(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        let name = self.subscription_name(frame)?;
        let id = self
            .subscriptions
            .remove(&name)
            .ok_or_else(|| Violation::SubscriptionNotFound(Excerpt::of(name.as_bytes())))?;
        let command = self.submit(link, out, Command::Cancel(id));
        self.outstanding.insert(command, receipt_of(frame));
        Ok(Step::Taken)
    }

    /// The `id`; in 1.0, where it is optional, else the destination.
    fn subscription_name(&self, frame: &Frame<'_>) -> Result<SubscriptionName, Violation> {
        let missing = |header| Violation::MissingHeader {
            command: frame.command,
            header,
        };
        if let Some(id) = frame.value(HeaderName::Id) {
            if id.len() > ID_BYTES_MAX {
                return Err(Violation::HeaderValue {
                    header: "id",
                    value: Excerpt::of(&id),
                    expected: "at most 255 bytes",
                });
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

    fn opening(&self, link: &Link, name: &SubscriptionName, ack: AckMode) -> Opening {
        let mut spelled = BytesMut::new();
        let id = match name {
            SubscriptionName::Id(id) => {
                put_escaped(self.version, Part::Value, id, &mut spelled);
                Some(&*spelled)
            }
            SubscriptionName::Destination(_) => None,
        };
        // STOMP 1.2 "MESSAGE": the `ack` header, where the client settles; 1.1 settles by message-id.
        let has_ack = self.version == Version::V12 && ack != AckMode::Auto;
        Opening::new(id, link.connection, self.subscriptions.next_id(), has_ack)
    }
}

fn boxed(text: Cow<'_, [u8]>) -> Box<[u8]> {
    text.into_owned().into_boxed_slice()
}

fn queue_name(destination: &Destination<'_>, text: &[u8]) -> Result<QueueName, Violation> {
    QueueName::new(&destination.key).map_err(|error| Violation::Destination {
        value: Excerpt::of(text),
        problem: DestinationError::QueueName(error),
    })
}

/// Refuses what is asked for in vain. Other headers may stand there: the specification leaves them to
/// the client.
fn refuse_options(frame: &Frame<'_>, exchange: Exchange) -> Result<(), Violation> {
    for (header, for_queue, for_topic) in OPTIONS {
        let Some(value) = frame.value(header) else {
            continue;
        };
        let harmless = match exchange {
            Exchange::Default => for_queue,
            Exchange::Topic => for_topic,
        };
        if harmless != Some(&*value) {
            refuse_header(frame, header)?;
        }
    }
    Ok(())
}

fn ack_mode(frame: &Frame<'_>) -> Result<AckMode, Violation> {
    match frame.value(HeaderName::Ack).as_deref() {
        None | Some(b"auto") => Ok(AckMode::Auto),
        Some(b"client") => Ok(AckMode::Client),
        Some(b"client-individual") => Ok(AckMode::ClientIndividual),
        Some(value) => Err(Violation::HeaderValue {
            header: "ack",
            value: Excerpt::of(value),
            expected: "auto, client or client-individual",
        }),
    }
}

/// How many deliveries may be unsettled. Has no effect where nobody settles, as in RabbitMQ.
fn prefetch(frame: &Frame<'_>, ack: AckMode) -> Result<Option<u64>, Violation> {
    let Some(value) = frame.value(HeaderName::PrefetchCount) else {
        return Ok(None);
    };
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let count = std::str::from_utf8(&value)
        .ok()
        .and_then(|text| text.parse().ok());
    match count {
        Some(0_u64) if is_number => Ok(None),
        Some(count) if is_number => Ok((ack != AckMode::Auto).then_some(count)),
        _ => Err(Violation::HeaderValue {
            header: "prefetch-count",
            value: Excerpt::of(&value),
            expected: "a number, or 0 for no bound",
        }),
    }
}
