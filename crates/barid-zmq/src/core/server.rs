//! SERVER and PEER: peers go by numbers that messages carry.

use super::links::Links;
use super::{Refusal, Rules, refuse};
use crate::message::Message;
use crate::peers::PeerId;
use std::collections::BTreeMap;

pub(super) struct Server {
    peers: BTreeMap<u32, PeerId>,
    numbers: BTreeMap<PeerId, u32>,
    next_number: u32,
}

impl Server {
    pub(super) const fn new(next_number: u32) -> Self {
        Self {
            peers: BTreeMap::new(),
            numbers: BTreeMap::new(),
            next_number,
        }
    }

    pub(super) fn number_of(&self, peer: PeerId) -> Option<u32> {
        self.numbers.get(&peer).copied()
    }
}

impl Rules for Server {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        // 0 is nobody.
        while self.next_number == 0 || self.peers.contains_key(&self.next_number) {
            self.next_number = self.next_number.wrapping_add(1);
        }
        self.peers.insert(self.next_number, peer);
        self.numbers.insert(peer, self.next_number);
        self.next_number = self.next_number.wrapping_add(1);
        links.fair.add(peer);
    }

    fn take(&mut self, _links: &mut Links, peer: PeerId, message: &mut Message) -> bool {
        let Some(number) = self.number_of(peer) else {
            return false;
        };
        message.set_peer(number);
        true
    }

    fn ended(&mut self, _links: &mut Links, peer: PeerId) {
        if let Some(number) = self.numbers.remove(&peer) {
            self.peers.remove(&number);
        }
    }

    /// Whom a message is for does not stand in its frame.
    fn admits(&mut self, _links: &mut Links, _first: &[u8]) -> Result<(), Refusal> {
        Ok(())
    }

    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        if message.len() > 1 {
            return Err(Refusal::Frames);
        }
        let Some(peer) = self.peers.get(&message.peer()).copied() else {
            return Err(Refusal::Unroutable);
        };
        if links.has_room(peer) {
            links.write(peer, std::mem::take(message));
            return Ok(());
        }
        let is_gone = links.is_deaf(peer);
        if is_gone {
            return Err(Refusal::Unroutable);
        }
        refuse(links)
    }
}
