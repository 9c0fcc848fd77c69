//! What the frames of messages are to a socket of its type.

use super::Event;
use crate::command::check_group;
use crate::error::Error;
use crate::frame::Frame;
use crate::socket_type::SocketType;

/// What the frames of messages are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Inbound {
    /// Frames of messages.
    Messages,
    /// Subscriptions, if they begin with 0 or 1; else messages to an XPUB, and nothing to a PUB.
    Subscriptions(Subscriptions, Others),
    /// Messages of one frame; those of more are dropped.
    Single(Place),
    /// Groups and bodies.
    Groups(Place),
    /// Nothing: a RADIO takes no messages.
    Nothing,
}

/// What is no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    Messages,
    Nothing,
}

/// Where in a message the next frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Later,
}

impl Place {
    fn behind(frame: Frame<'_>) -> Self {
        if frame.more { Self::Later } else { Self::First }
    }
}

/// As libzmq's XPUB looks for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Subscriptions {
    only_first: bool,
    next: Place,
    /// Whether later frames of this message are looked at.
    is_later_looked_at: bool,
}

impl Inbound {
    pub(super) const fn new(socket_type: SocketType, only_first_subscribe: bool) -> Self {
        let subscriptions = Subscriptions {
            only_first: only_first_subscribe,
            next: Place::First,
            is_later_looked_at: true,
        };
        match socket_type {
            SocketType::Pub => Self::Subscriptions(subscriptions, Others::Nothing),
            SocketType::XPub => Self::Subscriptions(subscriptions, Others::Messages),
            SocketType::Dish => Self::Groups(Place::First),
            SocketType::Radio => Self::Nothing,
            SocketType::Server
            | SocketType::Client
            | SocketType::Gather
            | SocketType::Scatter
            | SocketType::Peer
            | SocketType::Channel => Self::Single(Place::First),
            SocketType::Pair
            | SocketType::Sub
            | SocketType::Req
            | SocketType::Rep
            | SocketType::Dealer
            | SocketType::Router
            | SocketType::Pull
            | SocketType::Push
            | SocketType::XSub
            | SocketType::Stream => Self::Messages,
        }
    }

    /// Takes a frame.
    #[inline]
    pub(super) fn take<'a>(&mut self, frame: Frame<'a>) -> Result<Event<'a>, Error> {
        match self {
            Self::Messages => Ok(Event::Frame(frame)),
            Self::Subscriptions(subscriptions, others) => {
                let found = subscriptions.take(frame);
                Ok(match (found, *others) {
                    (Some(event), _) => event,
                    (None, Others::Messages) => Event::Frame(frame),
                    (None, Others::Nothing) => Event::Ignored,
                })
            }
            Self::Single(place) => {
                let at = std::mem::replace(place, Place::behind(frame));
                Ok(match at {
                    Place::First if !frame.more => Event::Frame(frame),
                    Place::First | Place::Later => Event::Ignored,
                })
            }
            Self::Groups(place) => {
                let at = std::mem::replace(place, Place::behind(frame));
                match (at, frame.more) {
                    (Place::First, true) => check_group(frame.body)
                        .map(Event::Group)
                        .map_err(|_| Error::GroupMessage),
                    (Place::Later, false) => Ok(Event::Frame(frame)),
                    (Place::First, false) | (Place::Later, true) => Err(Error::GroupMessage),
                }
            }
            Self::Nothing => Ok(Event::Ignored),
        }
    }
}

impl Subscriptions {
    fn take<'a>(&mut self, frame: Frame<'a>) -> Option<Event<'a>> {
        let at = std::mem::replace(&mut self.next, Place::behind(frame));
        let found = match frame.body {
            [1, topic @ ..] => Some(Event::Subscribe(topic)),
            [0, topic @ ..] => Some(Event::Cancel(topic)),
            _ => None,
        };
        match at {
            Place::First => {
                self.is_later_looked_at = !self.only_first || found.is_some();
                found
            }
            Place::Later => found.filter(|_| self.is_later_looked_at),
        }
    }
}
