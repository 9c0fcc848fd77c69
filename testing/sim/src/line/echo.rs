//! A queue of a connection's own: what it sends there it gets once, in order, as long as it lives. Or it asks itself
//! there, and has its answers sent to it directly.

use super::amqp::{Amqp, ECHO, PUBLISHING};
use super::publishing::Published;
use client::Frame;
use client::amqp::{Declare, Delivered, Publish};
use fastrand::Rng;

/// Messages on their way, at most: what such a queue holds is bounded.
const UNDER_WAY_MAX: u64 = 2;

/// What is consumed, and named in requests, to have answers.
const DIRECT: &str = "amq.rabbitmq.reply-to";

/// The tag of who reads answers.
const ANSWERS: &str = "answers";

/// What a client says to itself.
pub(super) struct Echo {
    /// Once it is there.
    queue: Option<String>,
    no_ack: bool,
    /// Whether what it gets are requests.
    asks: bool,
    sent: u64,
    got: u64,
    answered: u64,
    /// Where answers go, as all requests say.
    reply_to: Option<String>,
}

impl Echo {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        Self {
            queue: None,
            no_ack: rng.bool(),
            asks: rng.bool(),
            sent: 0,
            got: 0,
            answered: 0,
            reply_to: None,
        }
    }

    const fn under_way(&self) -> u64 {
        self.sent - if self.asks { self.answered } else { self.got }
    }
}

impl Amqp {
    pub(super) fn open_echo(&mut self) {
        let Some(echo) = &self.echo else { return };
        self.requests.channel_open(ECHO);
        if echo.asks {
            self.requests.consume(ECHO, DIRECT, ANSWERS, true);
        }
        self.requests.declare(
            ECHO,
            &Declare {
                exclusive: true,
                ..Declare::default()
            },
        );
    }

    pub(super) fn begin_echo(&mut self, queue: String) {
        let Some(echo) = &mut self.echo else { return };
        self.requests.consume(ECHO, &queue, "echo", echo.no_ack);
        echo.queue = Some(queue);
    }

    pub(super) fn push_echo(&mut self) {
        let Some(echo) = &mut self.echo else { return };
        let Some(queue) = &echo.queue else { return };
        if echo.under_way() >= UNDER_WAY_MAX {
            return;
        }
        echo.sent += 1;
        let body = echo.sent.to_string();
        let mut publish = Publish {
            key: queue,
            body: body.as_bytes(),
            ..Publish::default()
        };
        if echo.asks {
            // Whose answers they are, the channel says that asks.
            publish.reply_to = DIRECT;
            self.requests.publish(ECHO, &publish);
        } else {
            self.requests.publish(PUBLISHING, &publish);
            self.publishing.push(Published::Echo);
        }
    }

    pub(super) fn take_echo(&mut self, delivered: &Delivered) {
        let echo = self.echo.as_mut().expect("it was asked for");
        let tag = echo.got + echo.answered + 1;
        assert_eq!(delivered.tag, tag, "tags are dense");
        assert!(!delivered.redelivered, "{delivered:?}");
        let is_answer = delivered.consumer == ANSWERS;
        let count = if is_answer {
            &mut echo.answered
        } else {
            &mut echo.got
        };
        *count += 1;
        let expected = count.to_string();
        assert_eq!(delivered.body, expected.as_bytes(), "once and in order");
        if is_answer {
            self.ready.push_back(Frame::new("ANSWERED", &[]));
            return;
        }
        if !echo.no_ack {
            self.requests.ack(ECHO, delivered.tag, false);
        }
        if echo.asks {
            self.answer(delivered);
        }
    }

    /// Answers a request of its own. That comes back if nobody gets it, which must not be.
    fn answer(&mut self, request: &Delivered) {
        let reply_to = request.reply_to.as_deref().expect("a request says where");
        let secret = reply_to.strip_prefix(DIRECT);
        assert!(secret.is_some_and(|it| it.len() > 1), "{request:?}");
        if self.is_ending() {
            return;
        }
        let Some(echo) = &mut self.echo else { return };
        let known = echo.reply_to.get_or_insert_with(|| reply_to.to_owned());
        assert_eq!(known, reply_to, "as long as it is consumed");
        self.requests.publish(
            PUBLISHING,
            &Publish {
                key: reply_to,
                mandatory: true,
                body: &request.body,
                ..Publish::default()
            },
        );
        self.publishing.push(Published::Echo);
    }
}
