//! REQ: one request, then its reply.
//!
//! ```text
//!            send                      the reply
//!   Idle ───────────► Waiting(peer) ───────────► Idle
//!                      ▲      │ send, if relaxed: what comes for the former request is dropped
//!                      └──────┘
//! ```
//!
//! On the way a request has an empty frame before its own, and before that a number, if requests are correlated.

use super::links::Links;
use super::{Refusal, Rules, refuse};
use crate::message::{Frame, Message};
use crate::options::{OnFull, ReqOptions};
use crate::peers::PeerId;
use crate::pipe::{Item, Popped};

/// Stale replies of one peer that are dropped before a request: a peer that writes all the time does not hold it up.
const STALE_MAX: usize = 10_000;

enum State {
    Idle,
    /// None if the peer that was asked is gone: then anybody's reply will do, as libzmq has it.
    Waiting(Option<PeerId>),
}

pub(super) struct Request {
    options: ReqOptions,
    state: State,
    /// The number of the last request.
    number: u32,
}

impl Request {
    pub(super) const fn new(options: ReqOptions, first_number: u32) -> Self {
        Self {
            options,
            state: State::Idle,
            number: first_number,
        }
    }

    pub(super) const fn set_options(&mut self, options: ReqOptions) {
        self.options = options;
    }

    /// The reply without its envelope, if it is one to the last request.
    fn open(&self, mut message: Message) -> Option<Message> {
        if self.options.is_correlated && message.pop_front()? != self.number.to_be_bytes() {
            return None;
        }
        let delimiter = message.pop_front()?;
        (delimiter.is_empty() && !message.is_empty()).then_some(message)
    }

    /// Drops what has come for former requests, so that it cannot be taken for the next reply.
    fn clear(links: &mut Links) {
        let peers: Vec<_> = links.fair.active().to_vec();
        for peer in peers {
            for _ in 0..STALE_MAX {
                let Popped::Item(item) = links.pop(peer) else {
                    break;
                };
                if matches!(item, Item::Message(_)) {
                    links.counters.dropped_receives += 1;
                }
            }
        }
    }
}

impl Rules for Request {
    fn take(&mut self, links: &mut Links, peer: PeerId, item: Item) -> Option<Message> {
        let Item::Message(message) = item else {
            return None;
        };
        let is_expected = match self.state {
            State::Idle => false,
            State::Waiting(asked) => asked.is_none_or(|asked| asked == peer),
        };
        if let Some(reply) = is_expected.then(|| self.open(message)).flatten() {
            self.state = State::Idle;
            return Some(reply);
        }
        links.counters.dropped_receives += 1;
        None
    }

    fn ended(&mut self, _links: &mut Links, peer: PeerId) {
        if let State::Waiting(Some(asked)) = self.state
            && asked == peer
        {
            self.state = State::Waiting(None);
        }
    }

    fn may_receive(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    fn admits(&mut self, links: &mut Links, _first: &[u8]) -> Result<(), Refusal> {
        if matches!(self.state, State::Waiting(_)) && !self.options.is_relaxed {
            return Err(Refusal::OutOfTurn);
        }
        if links.on_full == OnFull::Drop || links.has_any_room() {
            Ok(())
        } else {
            Err(Refusal::Full)
        }
    }

    fn send(&mut self, links: &mut Links, mut message: Message) -> Result<(), (Refusal, Message)> {
        if matches!(self.state, State::Waiting(_)) && !self.options.is_relaxed {
            return Err((Refusal::OutOfTurn, message));
        }
        if !links.has_any_room() {
            return refuse(links, message);
        }
        Self::clear(links);
        let number = self.number.wrapping_add(1);
        if self.options.is_correlated {
            message.prepend([Frame::copy_from(&number.to_be_bytes()), Frame::new()]);
        } else {
            message.prepend([Frame::new()]);
        }
        match links.send_in_turn(message) {
            Ok(peer) => {
                self.number = number;
                self.state = State::Waiting(Some(peer));
                Ok(())
            }
            Err(message) => Err((Refusal::Full, message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reply_to_the_last_request_is_opened() {
        let options = ReqOptions {
            is_relaxed: true,
            is_correlated: true,
        };
        let request = Request::new(options, 7);
        let number = |number: u32| Frame::copy_from(&number.to_be_bytes());
        let rows: [(Vec<Frame>, Option<Message>); 5] = [
            (vec![number(7), "".into(), "r".into()], Some("r".into())),
            (vec![number(6), "".into(), "r".into()], None),
            (vec![number(7), "x".into(), "r".into()], None),
            (vec![number(7), "".into()], None),
            (vec!["".into(), "r".into()], None),
        ];
        for (frames, expected) in rows {
            assert_eq!(request.open(frames.clone().into()), expected, "{frames:?}");
        }
        let plain = Request::new(ReqOptions::default(), 7);
        let reply = Message::from_iter(["", "a", "b"]);
        assert_eq!(plain.open(reply), Some(Message::from_iter(["a", "b"])));
        assert_eq!(plain.open("a".into()), None);
    }
}
