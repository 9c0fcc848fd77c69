//! SEND.

use super::open::{Open, Purpose, receipt_of};
use super::{Link, Step};
use crate::frame::{Frame, HeaderName};
use crate::translate::{Destination, message_of};
use crate::violation::{DestinationError, Excerpt, Violation};
use broker_api::{Command, Confirm, Out};
use model::{Exchange, QueueName};

impl Open {
    pub(super) fn handle_send(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        if frame.spelled(HeaderName::Transaction).is_some() {
            return Err(Violation::Transaction(frame.command));
        }
        let text = frame
            .value(HeaderName::Destination)
            .ok_or(Violation::MissingHeader {
                command: frame.command,
                header: "destination",
            })?;
        let destination = resolve(&text)?;
        check_reply_to(frame)?;
        match destination.exchange {
            Exchange::Default => {
                // RabbitMQ declares the queue with these.
                refuse_header(frame, HeaderName::QueueArgument)?;
                if !self.queues.contains(&destination.key) {
                    self.declare(link, frame, &destination.key, &text, out)?;
                    return Ok(Step::Kept);
                }
            }
            Exchange::Topic => {}
        }
        let message = message_of(frame, self.version, &destination, &mut self.scratch);
        match receipt_of(frame) {
            None => {
                self.submit(link, out, Command::Publish(message, Confirm::Unwanted));
            }
            Some(receipt) => {
                let id = self.submit(link, out, Command::Publish(message, Confirm::Wanted));
                self.outstanding.insert(id, Some(receipt));
            }
        }
        Ok(Step::Taken)
    }

    /// Makes the queue that a frame needs; the frame is kept until that is answered.
    pub(super) fn declare(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        name: &[u8],
        text: &[u8],
        out: &mut Out,
    ) -> Result<(), Violation> {
        let name = QueueName::new(name).map_err(|error| Violation::Destination {
            value: Excerpt::of(text),
            problem: DestinationError::QueueName(error),
        })?;
        let command = Command::DeclareQueue(name.clone());
        self.barrier(
            link,
            out,
            command,
            Purpose::Declare(name),
            receipt_of(frame),
        );
        Ok(())
    }
}

pub(super) fn resolve(text: &[u8]) -> Result<Destination<'_>, Violation> {
    Destination::resolve(text).map_err(|problem| Violation::Destination {
        value: Excerpt::of(text),
        problem,
    })
}

/// A frame with this header asks for what does not exist yet: better refused than ignored.
pub(super) fn refuse_header(frame: &Frame<'_>, header: HeaderName) -> Result<(), Violation> {
    match (frame.spelled_name(header), frame.spelled(header)) {
        (Some(name), Some(value)) => Err(Violation::HeaderNotImplemented {
            command: frame.command,
            name: Excerpt::of(name),
            value: Excerpt::of(value),
        }),
        _ => Ok(()),
    }
}

/// RabbitMQ makes a queue for a reply-to of this form; an answer to it would be lost here.
fn check_reply_to(frame: &Frame<'_>) -> Result<(), Violation> {
    let is_temporary = frame
        .value(HeaderName::ReplyTo)
        .is_some_and(|value| value.starts_with(b"/temp-queue/"));
    if is_temporary {
        refuse_header(frame, HeaderName::ReplyTo)
    } else {
        Ok(())
    }
}
