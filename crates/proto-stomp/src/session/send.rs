//! SEND.

use super::awaited::Purpose;
use super::open::{Open, receipt_of};
use super::receipt::Receipt;
use super::temporary::{Made, ReplyTo};
use super::{Link, Step};
use crate::frame::{Frame, HeaderName};
use crate::translate::{
    Address, Destination, Options, Publication, QueueParameters, envelope_of, message_of,
};
use crate::violation::{DestinationError, Excerpt, Violation};
use broker_api::{
    Command, Confirm, DeclareQueue, IfExists, IfMissing, Out, Publishing, Unroutable,
};
use model::{Message, QueueDefinition, QueueName};
use std::borrow::Cow;

/// Headers that ask for more than to be published.
const WISHES: u64 = HeaderName::set(&[
    HeaderName::Transaction,
    HeaderName::ReplyTo,
    HeaderName::QueueArgument,
    HeaderName::Durable,
    HeaderName::AutoDelete,
    HeaderName::Exclusive,
]);

impl Open {
    pub(super) fn handle_send(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        let text = destination_of(frame)?;
        if Address::is_slashed(&text) && !frame.has_any(WISHES) {
            let destination =
                Destination::slashed(&text).map_err(|problem| no_destination(&text, problem))?;
            return self.send_plain(link, frame, &destination, out);
        }
        let address = parse(&text)?;
        self.send_wished(link, frame, &address, out)
    }

    /// A SEND to one destination that asks for nothing but a receipt: most are so.
    fn send_plain(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        destination: &Destination<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        let made = self.prepare(link, frame, destination, None, out)?;
        if let Some(step) = made.step() {
            return Ok(step);
        }
        let envelope = envelope_of(frame, self.version, link.now)?;
        if let Some((exchange, key)) = self.temporaries.route(destination) {
            let publication = Publication {
                exchange,
                key,
                reply_to: None,
            };
            let message = message_of(frame, envelope, publication, &mut self.scratch);
            self.publish(link, frame, message, unroutable(destination), out);
        }
        Ok(Step::Taken)
    }

    fn send_wished(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        address: &Address<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        let is_in_transaction = self.transactions.is_in_one(frame)?;
        // Its options are for subscriptions; they must be known all the same.
        Options::read(address.options)?;
        let envelope = envelope_of(frame, self.version, link.now)?;
        let definition = definition_of(frame, address)?;
        for destination in address.iter() {
            let made = self.prepare(link, frame, destination, definition.as_ref(), out)?;
            if let Some(step) = made.step() {
                return Ok(step);
            }
        }
        let reply_to = match self.prepare_reply_to(link, frame, out)? {
            ReplyTo::AsItIs => None,
            ReplyTo::Replaced(text) => Some(text),
            ReplyTo::Kept => return Ok(Step::Kept),
        };
        let message = |open: &mut Self, destination: &Destination<'_>| {
            let (exchange, key) = open.temporaries.route(destination)?;
            let publication = Publication {
                exchange,
                key,
                reply_to: reply_to.as_deref(),
            };
            Some(message_of(frame, envelope, publication, &mut open.scratch))
        };
        if is_in_transaction {
            return self.gather(frame, address, message, out);
        }
        if let Some(destination) = address.only() {
            if let Some(message) = message(self, destination) {
                self.publish(link, frame, message, unroutable(destination), out);
            }
            return Ok(Step::Taken);
        }
        let messages: Vec<(Message, Unroutable)> = address
            .iter()
            .filter_map(|it| Some((message(self, it)?, unroutable(it))))
            .collect();
        self.publish_all(link, frame, messages, out);
        Ok(Step::Taken)
    }

    fn publish(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        message: Message,
        unroutable: Unroutable,
        out: &mut Out,
    ) {
        let receipt = receipt_of(frame);
        let confirm = confirm_for(receipt.as_ref());
        let publishing = Publishing {
            unroutable,
            ..Publishing::new(confirm)
        };
        let id = self.submit(link, out, Command::Publish(message, publishing));
        if receipt.is_some() {
            self.outstanding.insert(id, receipt);
        }
    }

    /// A list's messages; the receipt comes when all are safe.
    fn publish_all(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        messages: Vec<(Message, Unroutable)>,
        out: &mut Out,
    ) {
        let receipt = receipt_of(frame);
        let confirm = confirm_for(receipt.as_ref());
        let mut ids = None;
        for (message, unroutable) in messages {
            let publishing = Publishing {
                unroutable,
                ..Publishing::new(confirm)
            };
            let id = self.submit(link, out, Command::Publish(message, publishing));
            ids = Some((ids.map_or(id, |(first, _)| first), id));
        }
        if let (Some((first, last)), Some(receipt)) = (ids, receipt) {
            self.outstanding.insert_all(first, last, Some(receipt));
        }
    }

    /// Keeps messages for the transaction that the frame names. Its receipt says that they are kept.
    fn gather(
        &mut self,
        frame: &Frame<'_>,
        address: &Address<'_>,
        mut message: impl FnMut(&mut Self, &Destination<'_>) -> Option<Message>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        for destination in address.iter() {
            // The body alone tells early what there is no room for.
            self.transactions.check_room(frame.body.len())?;
            if let Some(message) = message(self, destination) {
                self.transactions.add_message(frame, message)?;
            }
        }
        if let Some(receipt) = receipt_of(frame) {
            receipt.put(out);
        }
        Ok(Step::Taken)
    }

    /// Makes what a destination of a SEND or a SUBSCRIBE needs.
    pub(super) fn prepare(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        destination: &Destination<'_>,
        definition: Option<&QueueDefinition>,
        out: &mut Out,
    ) -> Result<Made, Violation> {
        let Destination::Queue(name) = destination else {
            return self.prepare_temporary(link, frame, destination, out);
        };
        let is_there = match definition {
            None => self.queues.contains(name),
            Some(definition) => self.queues.is_declared_as(name, definition),
        };
        if is_there {
            return Ok(Made::There);
        }
        let name = queue_name(name)?;
        let command = match definition {
            None => DeclareQueue::durable(name.clone()),
            // As in RabbitMQ, whoever says what a queue is to be is told if it is something else.
            Some(definition) => DeclareQueue {
                name: Some(name.clone()),
                definition: definition.clone(),
                if_exists: IfExists::MustEqual,
                if_missing: IfMissing::Create,
            },
        };
        let purpose = Purpose::Declare(name, definition.cloned().map(Box::new));
        let receipt = receipt_of(frame);
        self.barrier(
            link,
            out,
            Command::DeclareQueue(Box::new(command)),
            purpose,
            receipt,
        );
        Ok(Made::Asked)
    }
}

const fn confirm_for(receipt: Option<&Receipt>) -> Confirm {
    match receipt {
        None => Confirm::Unwanted,
        Some(_) => Confirm::Wanted,
    }
}

/// A queue that the session has made may have ended since: what is for it comes back, to be published
/// again when it is there again.
const fn unroutable(destination: &Destination<'_>) -> Unroutable {
    match destination {
        Destination::Queue(_) => Unroutable::Return,
        Destination::ExistingQueue(_)
        | Destination::Exchange { .. }
        | Destination::TemporaryQueue(_)
        | Destination::TemporaryTopic(_) => Unroutable::Drop,
    }
}

/// What a SEND asks its queues to be, if it asks for anything.
fn definition_of(
    frame: &Frame<'_>,
    address: &Address<'_>,
) -> Result<Option<QueueDefinition>, Violation> {
    if !QueueParameters::are_in(frame) {
        return Ok(None);
    }
    let makes_queue = |it: &Destination<'_>| matches!(it, Destination::Queue(_));
    if !address.iter().any(makes_queue) {
        return Ok(None);
    }
    let parameters = QueueParameters::read(frame)?;
    if parameters.exclusive == Some(true) && parameters.durable != Some(false) {
        return Err(Violation::HeaderNeeds {
            header: "exclusive:true",
            needs: "durable:false",
        });
    }
    Ok(unless_plain(&parameters))
}

/// The definition of a queue that is there for itself, unless it is what every such queue is.
pub(super) fn unless_plain(parameters: &QueueParameters) -> Option<QueueDefinition> {
    Some(parameters.definition(true))
        .filter(|it| parameters.arguments.is_some() || *it != QueueDefinition::DURABLE)
}

pub(super) fn destination_of<'a>(frame: &Frame<'a>) -> Result<Cow<'a, [u8]>, Violation> {
    frame
        .value(HeaderName::Destination)
        .ok_or(Violation::MissingHeader {
            command: frame.command,
            header: "destination",
        })
}

pub(super) fn parse(text: &[u8]) -> Result<Address<'_>, Violation> {
    Address::parse(text).map_err(|problem| no_destination(text, problem))
}

fn no_destination(text: &[u8], problem: DestinationError) -> Violation {
    Violation::Destination {
        value: Excerpt::of(text),
        problem,
    }
}

pub(super) fn queue_name(name: &[u8]) -> Result<QueueName, Violation> {
    QueueName::new(name).map_err(|error| Violation::Destination {
        value: Excerpt::of(name),
        problem: DestinationError::QueueName(error),
    })
}
