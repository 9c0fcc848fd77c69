//! STREAM: bytes of TCP. The first frame of a message is the name of the peer, the second what it sent or gets.
//!
//! A peer has its name from when it is attached: the one that the user gave it, or a zero octet and a number. That it
//! came and that it went are empty messages, which its connection writes into the pipe with the bytes.

use super::links::Links;
use super::{Refusal, Rules, WAITING_MAX, refuse};
use crate::frame::Frame;
use crate::message::Message;
use crate::peers::PeerId;
use bytes::Bytes;
use std::collections::BTreeMap;

pub(super) struct Stream {
    names: BTreeMap<Bytes, PeerId>,
    next_number: u32,
    /// The name of who was attached last.
    newest: Option<Bytes>,
}

impl Stream {
    pub(super) const fn new(next_number: u32) -> Self {
        Self {
            names: BTreeMap::new(),
            next_number,
            newest: None,
        }
    }

    /// Whether one more peer is let in. Those that have gone stay until the user has read that.
    pub(super) fn has_room(&self) -> bool {
        self.names.len() < WAITING_MAX
    }

    pub(super) fn has_name(&self, name: &[u8]) -> bool {
        self.names.contains_key(name)
    }

    pub(super) fn newest(&self) -> Option<Bytes> {
        self.newest.clone()
    }

    fn numbered(&mut self) -> Bytes {
        loop {
            let mut name = [0; 5];
            name[1..].copy_from_slice(&self.next_number.to_be_bytes());
            self.next_number = self.next_number.wrapping_add(1);
            if !self.has_name(&name) {
                return Bytes::copy_from_slice(&name);
            }
        }
    }
}

impl Rules for Stream {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        let Some(found) = links.peers.get_mut(peer) else {
            return;
        };
        let given_name = found.given_name.take();
        let name = given_name.filter(|name| !name.is_empty() && !self.has_name(name));
        let name = name.unwrap_or_else(|| self.numbered());
        found.name = Some(name.clone());
        self.newest = Some(name.clone());
        self.names.insert(name, peer);
        links.fair.add(peer);
    }

    fn take(&mut self, links: &mut Links, peer: PeerId, message: &mut Message) -> bool {
        let found = links.peers.get_mut(peer);
        let Some(name) = found.and_then(|found| found.name.clone()) else {
            return false;
        };
        message.prepend([Frame::from(name)]);
        true
    }

    fn ended(&mut self, links: &mut Links, peer: PeerId) {
        let found = links.peers.get_mut(peer);
        if let Some(name) = found.and_then(|found| found.name.take()) {
            self.names.remove(&name);
        }
    }

    fn admits(&mut self, links: &mut Links, first: &[u8]) -> Result<(), Refusal> {
        match self.names.get(first).copied() {
            None => Err(Refusal::Unroutable),
            Some(peer) if links.has_room(peer) => Ok(()),
            Some(peer) if links.is_deaf(peer) => Err(Refusal::Unroutable),
            Some(_) => Err(Refusal::Full),
        }
    }

    /// Always, as in libzmq: whom a message is for has yet to be said.
    fn is_writable(&mut self, _links: &mut Links) -> bool {
        true
    }

    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        let Some(peer) = self.names.get(message.first()).copied() else {
            return Err(Refusal::Unroutable);
        };
        let [_, bytes] = message.frames() else {
            return Err(Refusal::Frames);
        };
        if bytes.is_empty() {
            self.close(links, peer);
            return Ok(());
        }
        if links.has_room(peer) {
            message.pop_front();
            links.write(peer, std::mem::take(message));
            return Ok(());
        }
        if links.is_deaf(peer) {
            return Err(Refusal::Unroutable);
        }
        refuse(links)
    }
}

impl Stream {
    /// Lets a peer go. What was sent to it before still goes out within the linger time; nothing of it is read any more.
    fn close(&mut self, links: &mut Links, peer: PeerId) {
        let linger = links.options.linger;
        if let Some(found) = links.peers.get_mut(peer) {
            found.sender.set_linger(linger);
        }
        links.fair.remove(peer);
        self.ended(links, peer);
        links.remove(peer);
    }
}
