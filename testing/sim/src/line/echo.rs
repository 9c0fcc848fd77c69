//! A queue of a connection's own: what it sends there it gets once, in order, as long as it lives.

use super::amqp::{Amqp, ECHO, PUBLISHING};
use super::publishing::Published;
use client::amqp::{Declare, Delivered, Publish};

/// Messages on their way, at most: what such a queue holds is bounded.
const UNDER_WAY_MAX: u64 = 2;

/// What a client says to itself.
#[derive(Default)]
pub(super) struct Echo {
    /// Once it is there.
    queue: Option<String>,
    no_ack: bool,
    sent: u64,
    got: u64,
}

impl Amqp {
    pub(super) fn open_echo(&mut self) {
        if self.echo.is_some() {
            self.requests.channel_open(ECHO);
            self.requests.declare(
                ECHO,
                &Declare {
                    exclusive: true,
                    ..Declare::default()
                },
            );
        }
    }

    pub(super) fn begin_echo(&mut self, queue: String) {
        let Some(echo) = &mut self.echo else { return };
        echo.no_ack = self.rng.bool();
        self.requests.consume(ECHO, &queue, "echo", echo.no_ack);
        echo.queue = Some(queue);
    }

    pub(super) fn push_echo(&mut self) {
        let Some(echo) = &mut self.echo else { return };
        if let Some(queue) = &echo.queue
            && echo.sent - echo.got < UNDER_WAY_MAX
        {
            echo.sent += 1;
            self.requests.publish(
                PUBLISHING,
                &Publish {
                    key: queue,
                    body: echo.sent.to_string().as_bytes(),
                    ..Publish::default()
                },
            );
            self.publishing.push(Published::Echo);
        }
    }

    pub(super) fn take_echo(&mut self, delivered: &Delivered) {
        let echo = self.echo.as_mut().expect("it was asked for");
        echo.got += 1;
        let expected = echo.got.to_string();
        assert_eq!(delivered.body, expected.as_bytes(), "once and in order");
        assert_eq!(delivered.tag, echo.got, "tags are dense");
        assert!(!delivered.redelivered, "{delivered:?}");
        if !echo.no_ack {
            self.requests.ack(ECHO, delivered.tag, false);
        }
    }
}
