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
use crate::frame::Frame;
use crate::message::Message;
use crate::options::{OnFull, ReqOptions};
use crate::peers::PeerId;
use crate::pipe::Popped;

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

    /// Takes the envelope off a message; false if it is no reply to the last request.
    fn open(&self, message: &mut Message) -> bool {
        if self.options.is_correlated {
            let number = message.pop_front();
            if number.is_none_or(|number| number != self.number.to_be_bytes()) {
                return false;
            }
        }
        let delimiter = message.pop_front();
        delimiter.is_some_and(|delimiter| delimiter.is_empty()) && !message.is_empty()
    }

    /// Drops what has come for former requests, so that it cannot be taken for the next reply.
    fn clear(links: &mut Links) {
        let peers: Vec<_> = links.fair.active().to_vec();
        let mut message = Message::new();
        for peer in peers {
            for _ in 0..STALE_MAX {
                match links.pop(peer, &mut message) {
                    Popped::Message => links.counters.dropped_receives += 1,
                    Popped::Notice(_) => {}
                    Popped::Empty | Popped::Closed => break,
                }
            }
        }
    }
}

impl Rules for Request {
    fn take(&mut self, links: &mut Links, peer: PeerId, message: &mut Message) -> bool {
        let is_expected = match self.state {
            State::Idle => false,
            State::Waiting(asked) => asked.is_none_or(|asked| asked == peer),
        };
        if is_expected && self.open(message) {
            self.state = State::Idle;
            return true;
        }
        links.counters.dropped_receives += 1;
        false
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

    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        if matches!(self.state, State::Waiting(_)) && !self.options.is_relaxed {
            return Err(Refusal::OutOfTurn);
        }
        let Some(peer) = links.take_turn() else {
            return refuse(links);
        };
        Self::clear(links);
        let number = self.number.wrapping_add(1);
        if self.options.is_correlated {
            message.prepend([Frame::copy_from(&number.to_be_bytes()), Frame::new()]);
        } else {
            message.prepend([Frame::new()]);
        }
        links.write(peer, std::mem::take(message));
        self.number = number;
        self.state = State::Waiting(Some(peer));
        Ok(())
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
            let mut message = Message::from(frames.clone());
            let reply = request.open(&mut message).then_some(message);
            assert_eq!(reply, expected, "{frames:?}");
        }
        let plain = Request::new(ReqOptions::default(), 7);
        let mut reply = Message::from_iter(["", "a", "b"]);
        assert!(plain.open(&mut reply));
        assert_eq!(reply, Message::from_iter(["a", "b"]));
        assert!(!plain.open(&mut "a".into()));
    }
}
