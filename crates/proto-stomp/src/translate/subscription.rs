//! SUBSCRIBE's words into what is asked of the broker.

use super::address::Address;
use super::options::{Options, PRIORITY, parse_priority};
use super::queue_arguments::QueueParameters;
use super::value::{boolean, invalid, number};
use crate::frame::{Frame, HeaderName};
use crate::violation::{Excerpt, Violation};
use broker_api::{OwnMessages, SettleMode, Sharing};
use model::QueueName;

/// The `ack` header of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AckMode {
    /// Nobody settles.
    Auto,
    /// An ACK settles all deliveries up to the one it names.
    Client,
    /// An ACK settles the delivery it names.
    ClientIndividual,
}

/// What a SUBSCRIBE asks for, beside its destination.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) ack: AckMode,
    /// How many deliveries may be unsettled; none if there is no bound.
    pub(crate) prefetch: Option<u64>,
    pub(crate) selector: Option<Box<str>>,
    pub(crate) sharing: Sharing,
    pub(crate) own_messages: OwnMessages,
    /// Of the queue; also for an exchange, where any of them asks for a queue of its own.
    pub(crate) queue: QueueParameters,
    pub(crate) queue_name: Option<QueueName>,
    /// ActiveMQ's name of a durable subscription.
    pub(crate) subscription_name: Option<Box<[u8]>>,
}

impl AckMode {
    pub(crate) const fn settle_mode(self) -> SettleMode {
        match self {
            Self::Auto => SettleMode::Presettled,
            Self::Client | Self::ClientIndividual => SettleMode::Explicit,
        }
    }
}

impl Wish {
    /// Reads all that a SUBSCRIBE asks for and checks it against the destination. Headers that mean
    /// nothing here may stand there: the specification leaves them to the client.
    ///
    /// # Errors
    /// [`Violation`] naming what is not implemented, makes no sense, or means nothing there.
    pub(crate) fn read(frame: &Frame<'_>, address: &Address<'_>) -> Result<Self, Violation> {
        refuse_unknown(frame)?;
        let options = Options::read(address.options)?;
        let browses = boolean(frame, HeaderName::Browser)?.unwrap_or(false);
        let ack = if browses {
            AckMode::Auto
        } else {
            ack_mode(frame)?
        };
        let mut wish = Self {
            ack,
            prefetch: prefetch(frame, ack, options.prefetch)?,
            selector: selector(frame, options.selector)?,
            sharing: Sharing::Competing {
                priority: priority(frame)?.or(options.priority).unwrap_or(0),
            },
            own_messages: OwnMessages::Deliver,
            queue: QueueParameters::read(frame)?,
            queue_name: queue_name(frame)?,
            subscription_name: frame
                .value(HeaderName::SubscriptionName)
                .map(|name| name.into_owned().into_boxed_slice()),
        };
        let exclusive = boolean(frame, HeaderName::ExclusiveSubscription)?.or(options.exclusive);
        let no_local = boolean(frame, HeaderName::NoLocal)?.or(options.no_local);
        if no_local == Some(true) {
            wish.own_messages = OwnMessages::Skip;
        }
        if exclusive == Some(true) {
            wish.sharing = Sharing::Exclusive;
        }
        if browses {
            wish.sharing = Sharing::Browse;
        }
        wish.check(frame, address)?;
        Ok(wish)
    }

    fn check(&mut self, frame: &Frame<'_>, address: &Address<'_>) -> Result<(), Violation> {
        // A durable queue is never tied to a connection, since nothing would be left of it: its
        // subscription is then the only one.
        let is_durable = |by_default| self.queue.durable.unwrap_or(by_default);
        let all_queues = address.iter().all(|destination| destination.is_queue());
        if self.queue.exclusive == Some(true)
            && (is_durable(all_queues) || self.subscription_name.is_some())
            && self.sharing != Sharing::Browse
        {
            self.sharing = Sharing::Exclusive;
        }
        if self.sharing == Sharing::Browse && !(all_queues && address.others.is_empty()) {
            return in_vain(frame, HeaderName::Browser, "but one queue");
        }
        if address.iter().any(|destination| destination.is_queue()) {
            if self.own_messages == OwnMessages::Skip {
                return in_vain(frame, HeaderName::NoLocal, "topics and exchanges");
            }
            if self.queue_name.is_some() {
                return in_vain(frame, HeaderName::QueueName, "topics and exchanges");
            }
            if self.subscription_name.is_some() {
                return in_vain(frame, HeaderName::SubscriptionName, "topics and exchanges");
            }
        }
        let makes_no_queue = |destination: &super::Destination<'_>| {
            matches!(
                destination,
                super::Destination::ExistingQueue(_) | super::Destination::TemporaryQueue(_)
            )
        };
        if self.queue.arguments.is_some() && address.iter().any(makes_no_queue) {
            return in_vain(frame, HeaderName::QueueArgument, "a queue that it makes");
        }
        if address.iter().any(|destination| !destination.is_queue()) {
            self.check_own_queue(frame)?;
        }
        Ok(())
    }

    /// What a subscription to an exchange with a queue of its own cannot ask for.
    fn check_own_queue(&self, frame: &Frame<'_>) -> Result<(), Violation> {
        if !self.needs_own_queue() {
            if self.sharing == Sharing::Exclusive {
                return in_vain(frame, HeaderName::ExclusiveSubscription, "a queue");
            }
            return Ok(());
        }
        // Its queue would keep what the subscription never takes.
        if self.selector.is_some() {
            return in_vain(
                frame,
                HeaderName::Selector,
                "a subscription without a queue of its own",
            );
        }
        if self.own_messages == OwnMessages::Skip {
            return in_vain(
                frame,
                HeaderName::NoLocal,
                "a subscription without a queue of its own",
            );
        }
        let stays = !self.is_durable()
            && self.queue.exclusive == Some(false)
            && self.queue.auto_delete == Some(false);
        if stays && self.queue_name.is_none() {
            return Err(Violation::HeaderNeeds {
                header: "auto-delete:false with exclusive:false",
                needs: "x-queue-name",
            });
        }
        Ok(())
    }

    /// Whether a subscription to an exchange outlives its connection.
    pub(crate) fn is_durable(&self) -> bool {
        self.queue.durable == Some(true) || self.subscription_name.is_some()
    }

    /// Whether a subscription to an exchange needs a queue that is declared and bound.
    pub(crate) fn needs_own_queue(&self) -> bool {
        self.is_durable()
            || self.queue_name.is_some()
            || self.queue.arguments.is_some()
            || self.queue.auto_delete == Some(false)
            || self.queue.exclusive == Some(false)
    }
}

/// Refuses options that are known elsewhere and not here: better refused than ignored.
fn refuse_unknown(frame: &Frame<'_>) -> Result<(), Violation> {
    let retroactive = boolean(frame, HeaderName::Retroactive)?;
    let header = if frame.has(HeaderName::ActiveMqOption) {
        HeaderName::ActiveMqOption
    } else if retroactive == Some(true) {
        HeaderName::Retroactive
    } else {
        return Ok(());
    };
    Err(Violation::HeaderNotImplemented {
        command: frame.command,
        name: Excerpt::of(frame.spelled_name(header).unwrap_or_default()),
        value: Excerpt::of(&frame.value(header).unwrap_or_default()),
    })
}

/// The header, or the option of the same meaning, means something only for these.
fn in_vain(frame: &Frame<'_>, header: HeaderName, only_for: &'static str) -> Result<(), Violation> {
    let fallback: &[u8] = if header == HeaderName::NoLocal {
        b"consumer.noLocal"
    } else if header == HeaderName::Selector {
        b"consumer.selector"
    } else {
        b"exclusive"
    };
    Err(Violation::HeaderInVain {
        name: Excerpt::of(frame.spelled_name(header).unwrap_or(fallback)),
        only_for,
    })
}

fn ack_mode(frame: &Frame<'_>) -> Result<AckMode, Violation> {
    match frame.value(HeaderName::Ack).as_deref() {
        None | Some(b"auto") => Ok(AckMode::Auto),
        Some(b"client") => Ok(AckMode::Client),
        Some(b"client-individual") => Ok(AckMode::ClientIndividual),
        Some(value) => Err(invalid(
            frame,
            HeaderName::Ack,
            value,
            "auto, client or client-individual",
        )),
    }
}

/// How many deliveries may be unsettled. Has no effect where nobody settles, as in RabbitMQ.
fn prefetch(
    frame: &Frame<'_>,
    ack: AckMode,
    option: Option<u64>,
) -> Result<Option<u64>, Violation> {
    let expected = "a number, or 0 for no bound";
    let header = number(frame, HeaderName::PrefetchCount, u64::MAX, expected)?;
    let count = header.or(option).filter(|count| *count > 0);
    Ok(count.filter(|_| ack != AckMode::Auto))
}

/// An empty selector selects all, as in JMS.
fn selector(frame: &Frame<'_>, option: Option<Box<str>>) -> Result<Option<Box<str>>, Violation> {
    let header = match frame.value(HeaderName::Selector) {
        None => None,
        Some(value) => match std::str::from_utf8(&value) {
            Ok(text) => Some(Box::from(text)),
            Err(_) => return Err(invalid(frame, HeaderName::Selector, &value, "UTF-8")),
        },
    };
    Ok(header.or(option).filter(|text| !text.trim().is_empty()))
}

fn priority(frame: &Frame<'_>) -> Result<Option<i32>, Violation> {
    let name = HeaderName::SubscriptionPriority;
    let Some(value) = frame.value(name) else {
        return Ok(None);
    };
    match parse_priority(&value) {
        Some(priority) => Ok(Some(priority)),
        None => Err(invalid(frame, name, &value, PRIORITY)),
    }
}

fn queue_name(frame: &Frame<'_>) -> Result<Option<QueueName>, Violation> {
    let Some(value) = frame.value(HeaderName::QueueName) else {
        return Ok(None);
    };
    match QueueName::new(&value) {
        Ok(name) => Ok(Some(name)),
        Err(_) => Err(invalid(
            frame,
            HeaderName::QueueName,
            &value,
            "1 to 255 bytes",
        )),
    }
}
