//! RADIO and DISH: a group and a body, to all who have joined the group. Inside a message has the group as its
//! first frame, as it has on the wire.

use super::links::Links;
use super::{Refusal, Rules};
use crate::message::Message;
use crate::options::OnFull;
use crate::peers::PeerId;
use crate::pipe::Item;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// The longest name of a group.
pub(crate) const GROUP_BYTES_MAX: usize = 255;

#[derive(Default)]
pub(super) struct Radio {
    groups: BTreeMap<Bytes, Vec<PeerId>>,
    /// Those that get all groups.
    all: Vec<PeerId>,
}

impl Radio {
    pub(super) fn audience(&self, group: &[u8]) -> usize {
        self.groups.get(group).map_or(0, Vec::len) + self.all.len()
    }
}

impl Rules for Radio {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        let found = links.peers.get_mut(peer);
        if found.is_some_and(|found| found.wants_all) {
            self.all.push(peer);
        }
    }

    fn take(&mut self, links: &mut Links, peer: PeerId, item: Item) -> Option<Message> {
        match item {
            Item::Join(group) => {
                let peers = self.groups.entry(group).or_default();
                if !peers.contains(&peer) {
                    peers.push(peer);
                }
            }
            Item::Leave(group) => {
                if let Some(peers) = self.groups.get_mut(&group) {
                    peers.retain(|found| *found != peer);
                    if peers.is_empty() {
                        self.groups.remove(&group);
                    }
                }
            }
            Item::Message(_) => links.counters.dropped_receives += 1,
            Item::Newest | Item::Subscribe(_) | Item::Cancel(_) | Item::Opened(_) => {}
        }
        None
    }

    fn ended(&mut self, _links: &mut Links, peer: PeerId) {
        self.all.retain(|found| *found != peer);
        self.groups.retain(|_, peers| {
            peers.retain(|found| *found != peer);
            !peers.is_empty()
        });
    }

    fn takes_at_once(&self) -> bool {
        true
    }

    fn send(&mut self, links: &mut Links, message: Message) -> Result<(), (Refusal, Message)> {
        if message.len() != 2 {
            return Err((Refusal::Frames, message));
        }
        if message.first().len() > GROUP_BYTES_MAX {
            return Err((Refusal::Malformed, message));
        }
        let joined = self.groups.get(message.first());
        let joined = joined.map(Vec::as_slice).unwrap_or_default();
        // Who joined last gets the message itself.
        let mut peers = self.all.iter().chain(joined);
        if links.on_full == OnFull::Block
            && peers
                .clone()
                .any(|peer| !links.has_room(*peer) && !links.is_deaf(*peer))
        {
            return Err((Refusal::Full, message));
        }
        if let Some(last) = peers.next_back() {
            for peer in peers {
                links.send_or_drop(*peer, message.clone());
            }
            links.send_or_drop(*last, message);
        }
        Ok(())
    }
}

#[derive(Default)]
pub(super) struct Dish {
    joined: BTreeSet<Bytes>,
}

impl Dish {
    pub(super) fn set_joined(&mut self, links: &mut Links, group: &Bytes, is_joined: bool) -> bool {
        let is_changed = if is_joined {
            self.joined.insert(group.clone())
        } else {
            self.joined.remove(group)
        };
        if is_changed {
            let peers: Vec<_> = links.balance.all().to_vec();
            for peer in peers {
                let group = group.clone();
                let item = if is_joined {
                    Item::Join(group)
                } else {
                    Item::Leave(group)
                };
                links.write(peer, item);
            }
        }
        is_changed
    }
}

impl Rules for Dish {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        links.balance.add(peer);
        links.fair.add(peer);
        for group in &self.joined {
            links.write(peer, Item::Join(group.clone()));
        }
    }

    fn take(&mut self, links: &mut Links, _peer: PeerId, item: Item) -> Option<Message> {
        let Item::Message(message) = item else {
            return None;
        };
        if message.len() != 2 || !self.joined.contains(message.first()) {
            links.counters.dropped_receives += 1;
            return None;
        }
        Some(message)
    }

    /// A DISH sends nothing.
    fn send(&mut self, _links: &mut Links, message: Message) -> Result<(), (Refusal, Message)> {
        Err((Refusal::OutOfTurn, message))
    }
}
