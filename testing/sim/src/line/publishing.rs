//! What a client that speaks AMQP publishes, and its confirms: one for each, of what is not refused by an ack, and
//! behind what is returned.

use super::amqp::{Amqp, ECHO, PUBLISHING};
use super::receipt;
use client::Frame;
use client::amqp::{Confirms, Publish};
use std::collections::VecDeque;

/// What is not confirmed, or returned.
#[derive(Default)]
pub(super) struct Publishing {
    confirms: Confirms<Published>,
    /// Bodies of what nobody gets, in order.
    to_be_returned: VecDeque<String>,
    lost: u32,
}

/// A message that was published.
pub(super) enum Published {
    /// The client's own: the receipt that it has asked for, and the beginning of the body.
    Message(Option<String>, String),
    /// To a key that nobody reads.
    Lost(String),
    /// To itself.
    Echo,
}

impl Publishing {
    pub(super) fn push(&mut self, published: Published) {
        self.confirms.publish(published);
    }

    pub(super) fn take_returned(&mut self, body: &[u8]) {
        let expected = self.to_be_returned.pop_front();
        let expected = expected.expect("what is returned was published so");
        assert_eq!(expected.as_bytes(), body, "returned in order");
    }
}

impl Amqp {
    pub(super) fn send(&mut self, frame: &Frame, receipt: Option<String>) {
        let destination = frame.header("destination").expect("a SEND says where");
        let (exchange, key) = match destination.strip_prefix("/queue/") {
            Some(queue) => ("", queue),
            None => (
                "amq.topic",
                destination.strip_prefix("/topic/").expect("a topic"),
            ),
        };
        let number = |name| frame.header(name).map(|it| it.parse::<u64>());
        let number = |name| number(name).map(|it| it.expect("a number"));
        let color = frame.header("color").expect("all have one");
        let publish = Publish {
            exchange,
            key,
            persistent: frame.header("persistent").is_some(),
            priority: u8::try_from(number("priority").unwrap_or(0)).expect("a priority"),
            expiration_ms: number("expiration"),
            headers: &[("color", color)],
            body: &frame.body,
            ..Publish::default()
        };
        if frame.header("transaction").is_some() {
            let channel = self.transactional_channel();
            self.requests.publish(channel, &publish);
            if self.rng.u32(..10) == 0 {
                let body = self.publish_nowhere(channel);
                self.lose(body);
            }
            return;
        }
        self.requests.publish(PUBLISHING, &publish);
        let text = frame.text();
        let start = text.split(' ').take(4).collect::<Vec<_>>().join(" ");
        self.publishing.push(Published::Message(receipt, start));
        match self.rng.u32(..40) {
            0..4 => {
                let body = self.publish_nowhere(PUBLISHING);
                self.publishing.to_be_returned.push_back(body.clone());
                self.publishing.push(Published::Lost(body));
            }
            4..7 => self.open_and_close(),
            7..20 => self.push_echo(),
            _ => {}
        }
    }

    /// Publishes what comes back.
    fn publish_nowhere(&mut self, channel: u16) -> String {
        self.publishing.lost += 1;
        let body = format!("lost {}", self.publishing.lost);
        self.requests.publish(
            channel,
            &Publish {
                key: "nowhere",
                mandatory: true,
                persistent: self.rng.bool(),
                body: body.as_bytes(),
                ..Publish::default()
            },
        );
        body
    }

    pub(super) fn take_confirm(&mut self, channel: u16, tag: u64, multiple: bool, is_ack: bool) {
        assert!(channel == PUBLISHING, "a confirm on channel {channel}");
        let taken = self.publishing.confirms.take(tag, multiple);
        for published in taken.expect("each is confirmed once") {
            match published {
                Published::Message(receipt_id, _) if is_ack => {
                    self.ready.extend(receipt_id.as_deref().map(receipt));
                }
                Published::Message(receipt_id, start) => {
                    let mut frame = Frame::new("REFUSED", &[]);
                    let id = receipt_id.map(|id| ("receipt-id".to_owned(), id));
                    frame.headers.extend(id);
                    frame.body = start.into_bytes();
                    self.ready.push_back(frame);
                }
                Published::Lost(body) => {
                    assert!(is_ack, "{body} is refused");
                    let is_returned = !self.publishing.to_be_returned.contains(&body);
                    assert!(is_returned, "{body} is confirmed before it is returned");
                }
                Published::Echo => assert!(is_ack, "a queue of channel {ECHO} has room"),
            }
        }
    }
}
