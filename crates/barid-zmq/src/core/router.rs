//! ROUTER: the first frame of a message is the name of the peer.
//!
//! A peer has a name before anything else of it is read: the one that the user gave it, the one that it told, or
//! a zero octet and a number.

use super::links::Links;
use super::{Refusal, Rules, WAITING_MAX};
use crate::frame::Frame;
use crate::message::Message;
use crate::options::{OnFull, RouterOptions};
use crate::peers::PeerId;
use crate::pipe::{Notice, Popped};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

pub(super) struct Router {
    options: RouterOptions,
    names: BTreeMap<Bytes, PeerId>,
    /// Peers whose name another one has.
    refused: BTreeSet<PeerId>,
    next_number: u32,
    /// Who came and who went, if the user wants to know.
    notices: VecDeque<Message>,
}

impl Router {
    pub(super) const fn new(options: RouterOptions, next_number: u32) -> Self {
        Self {
            options,
            names: BTreeMap::new(),
            refused: BTreeSet::new(),
            next_number,
            notices: VecDeque::new(),
        }
    }

    pub(super) const fn set_options(&mut self, options: RouterOptions) {
        self.options = options;
    }

    /// Reads who a peer is, if it is not known yet; false if it is still not known.
    pub(super) fn name_from_pipe(&mut self, links: &mut Links, peer: PeerId) -> bool {
        let Some(found) = links.peers.get_mut(peer) else {
            return false;
        };
        if found.name.is_some() {
            return true;
        }
        if self.refused.contains(&peer) {
            return false;
        }
        if let Some(name) = found.given_name.clone().or_else(|| found.told_name.take()) {
            return self.name(links, peer, name);
        }
        let mut early = Message::new();
        loop {
            match links.pop(peer, &mut early) {
                Popped::Notice(Notice::Opened(name)) => return self.name(links, peer, name),
                // Its name is the first that a peer writes.
                Popped::Message | Popped::Notice(_) => {}
                Popped::Closed => return false,
                Popped::Empty if links.sleep(peer) => return false,
                Popped::Empty => {}
            }
        }
    }

    fn name(&mut self, links: &mut Links, peer: PeerId, name: Bytes) -> bool {
        let name = if name.is_empty() {
            self.numbered()
        } else {
            name
        };
        if let Some(former) = self
            .names
            .get(&name)
            .copied()
            .filter(|former| *former != peer)
        {
            if !self.options.is_handover {
                // A second peer of that name is not heard.
                self.refused.insert(peer);
                return false;
            }
            self.supersede(links, former);
        }
        let Some(found) = links.peers.get_mut(peer) else {
            return false;
        };
        found.name = Some(name.clone());
        self.names.insert(name.clone(), peer);
        links.fair.add(peer);
        if self.options.notifies_connect {
            self.tell(links, name);
        }
        true
    }

    /// Tells the user of a peer by an empty message.
    fn tell(&mut self, links: &mut Links, name: Bytes) {
        if self.notices.len() < WAITING_MAX {
            self.notices
                .push_back(Message::from_iter([Frame::from(name), Frame::new()]));
        } else {
            links.counters.dropped_receives += 1;
        }
    }

    /// Takes its name from a peer and lets it go.
    fn supersede(&mut self, links: &mut Links, former: PeerId) {
        if let Some(found) = links.peers.get_mut(former)
            && let Some(name) = found.name.take()
        {
            self.names.remove(&name);
        }
        links.fair.remove(former);
        links.remove(former);
    }

    fn numbered(&mut self) -> Bytes {
        let mut name = [0; 5];
        loop {
            name[1..].copy_from_slice(&self.next_number.to_be_bytes());
            self.next_number = self.next_number.wrapping_add(1);
            // One that has been there for very long keeps its own.
            if !self.names.contains_key(&name[..]) {
                return Bytes::copy_from_slice(&name);
            }
        }
    }
}

impl Rules for Router {
    /// A peer takes part once it has a name.
    fn attached(&mut self, _links: &mut Links, _peer: PeerId) {}

    fn take(&mut self, links: &mut Links, peer: PeerId, message: &mut Message) -> bool {
        let found = links.peers.get_mut(peer);
        let Some(name) = found.and_then(|found| found.name.clone()) else {
            return false;
        };
        message.prepend([Frame::from(name)]);
        true
    }

    fn notice(&mut self, links: &mut Links, peer: PeerId, notice: Notice) {
        // A connection of ours was made again, and its peer may have another name.
        if let Notice::Opened(name) = notice
            && let Some(found) = links.peers.get_mut(peer)
            && !name.is_empty()
            && found.given_name.is_none()
            && !self.names.contains_key(&name)
        {
            if let Some(former) = found.name.replace(name.clone()) {
                self.names.remove(&former);
            }
            self.names.insert(name, peer);
        }
    }

    fn ended(&mut self, links: &mut Links, peer: PeerId) {
        self.refused.remove(&peer);
        let found = links.peers.get_mut(peer);
        let Some(name) = found.and_then(|found| found.name.take()) else {
            return;
        };
        self.names.remove(&name);
        if self.options.notifies_disconnect {
            self.tell(links, name);
        }
    }

    fn pending(&mut self) -> Option<Message> {
        self.notices.pop_front()
    }

    fn admits(&mut self, links: &mut Links, first: &[u8]) -> Result<(), Refusal> {
        match self.names.get(first).copied() {
            None if self.options.is_mandatory => Err(Refusal::Unroutable),
            None => Ok(()),
            Some(peer) if links.has_room(peer) => Ok(()),
            Some(peer) => match (links.on_full, links.is_deaf(peer)) {
                (OnFull::Block, true) if self.options.is_mandatory => Err(Refusal::Unroutable),
                (OnFull::Block, false) => Err(Refusal::Full),
                (OnFull::Block | OnFull::Drop, _) => Ok(()),
            },
        }
    }

    fn is_writable(&mut self, links: &mut Links) -> bool {
        links.on_full == OnFull::Drop || self.names.values().any(|peer| links.has_room(*peer))
    }

    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        // A name with nothing behind it is no message.
        if message.len() < 2 {
            return Ok(());
        }
        let Some(peer) = self.names.get(message.first()).copied() else {
            if self.options.is_mandatory {
                return Err(Refusal::Unroutable);
            }
            links.counters.dropped_sends += 1;
            return Ok(());
        };
        if links.has_room(peer) {
            message.pop_front();
            links.write(peer, std::mem::take(message));
            return Ok(());
        }
        let is_gone = links.is_deaf(peer);
        match links.on_full {
            OnFull::Block if is_gone && self.options.is_mandatory => Err(Refusal::Unroutable),
            OnFull::Block if !is_gone => Err(Refusal::Full),
            OnFull::Block | OnFull::Drop => {
                links.counters.dropped_sends += 1;
                Ok(())
            }
        }
    }
}
