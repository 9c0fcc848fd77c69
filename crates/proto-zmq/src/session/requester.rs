//! A REQ or DEALER: its requests go to a queue; the answers come to one of the connection's own.

use super::Link;
use crate::failure::Failure;
use crate::translate::{Content, Request, envelope_frames, request_message};
use broker_api::{Heads, Out};
use model::{Message, QueueName};

/// A REQ or DEALER.
#[derive(Debug, Default)]
pub(super) struct Requester {
    is_queue_made: bool,
    replies: Option<QueueName>,
}

impl Requester {
    /// Takes note of a queue that was made: first that of the requests, then its own. Whether this is the latter.
    pub(super) fn begin(&mut self, queue: &QueueName, made: &QueueName) -> bool {
        if !self.is_queue_made {
            self.is_queue_made = true;
            debug_assert_eq!(queue, made, "that of the requests comes first");
            return false;
        }
        self.replies = Some(made.clone());
        true
    }

    pub(super) fn request(
        &self,
        link: &mut Link,
        queue: &QueueName,
        content: Content<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let replies = self.replies.as_ref().map_or(&[][..], QueueName::as_bytes);
        let message = request_message(&link.settings, queue.as_bytes(), replies, content)?;
        link.publish(out, message);
        Ok(())
    }

    /// The frames that stand before an answer.
    pub(super) fn envelope(message: &Message, heads: Heads) -> Vec<Vec<u8>> {
        envelope_frames(&Request::of(message, heads).correlation)
    }
}
