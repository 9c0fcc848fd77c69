//! REP: a request, then its reply, to whoever asked.

use super::links::Links;
use super::{Refusal, Rules};
use crate::frame::Frame;
use crate::message::Message;
use crate::peers::PeerId;
use smallvec::SmallVec;

/// Where the reply goes: the peer, and the frames up to the empty one.
struct Envelope {
    peer: PeerId,
    frames: SmallVec<[Frame; 2]>,
}

#[derive(Default)]
pub(super) struct Reply {
    /// That of the request which the user has.
    envelope: Option<Envelope>,
}

impl Rules for Reply {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        links.fair.add(peer);
    }

    fn take(&mut self, links: &mut Links, peer: PeerId, message: &mut Message) -> bool {
        let delimiter = message.frames().iter().position(|frame| frame.is_empty());
        // A message without an envelope, or with nothing in it, is no request.
        let Some(end) = delimiter.filter(|index| index + 1 < message.len()) else {
            links.counters.dropped_receives += 1;
            return false;
        };
        let frames = message.split_front(end + 1);
        self.envelope = Some(Envelope { peer, frames });
        true
    }

    fn may_receive(&self) -> bool {
        self.envelope.is_none()
    }

    fn admits(&mut self, _links: &mut Links, _first: &[u8]) -> Result<(), Refusal> {
        self.envelope.as_ref().map(drop).ok_or(Refusal::OutOfTurn)
    }

    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        let Some(envelope) = self.envelope.take() else {
            return Err(Refusal::OutOfTurn);
        };
        // A reply to somebody who is gone, or does not read, is dropped: nobody else may have it.
        if links.has_room(envelope.peer) {
            message.prepend(envelope.frames);
            links.write(envelope.peer, std::mem::take(message));
        } else {
            links.counters.dropped_sends += 1;
        }
        Ok(())
    }
}
