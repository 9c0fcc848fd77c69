//! RADIO and DISH: a group and a body, to all who have joined the group. Inside a message has the group as its
//! first frame, as it has on the wire.

use super::links::Links;
use super::wanted::{TooMany, Wanted};
use super::{Refusal, Rules};
use crate::message::Message;
use crate::options::OnFull;
use crate::peers::PeerId;
use crate::pipe::Notice;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};

/// The longest name of a group.
pub(crate) const GROUP_BYTES_MAX: usize = 255;

#[derive(Default)]
pub(super) struct Radio {
    groups: BTreeMap<Bytes, Vec<PeerId>>,
    /// The groups of each peer.
    joined: BTreeMap<PeerId, Wanted>,
    /// Those that get all groups.
    all: Vec<PeerId>,
}

impl Radio {
    pub(super) fn audience(&self, group: &[u8]) -> usize {
        self.groups.get(group).map_or(0, Vec::len) + self.all.len()
    }

    fn drop_peer(&mut self, peer: PeerId, group: &Bytes) {
        if let Some(peers) = self.groups.get_mut(group) {
            peers.retain(|found| *found != peer);
            if peers.is_empty() {
                self.groups.remove(group);
            }
        }
    }
}

impl Rules for Radio {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        let found = links.peers.get_mut(peer);
        if found.is_some_and(|found| found.wants_all) {
            self.all.push(peer);
        }
    }

    fn take(&mut self, links: &mut Links, _peer: PeerId, _message: &mut Message) -> bool {
        links.counters.dropped_receives += 1;
        false
    }

    fn notice(&mut self, links: &mut Links, peer: PeerId, notice: Notice) {
        match notice {
            Notice::Join(group) => {
                let joined = self.joined.entry(peer).or_default();
                match joined.add(&group, links.options.wanted_max) {
                    Ok(true) => self.groups.entry(group).or_default().push(peer),
                    Ok(false) => {}
                    Err(TooMany) => links.cut(peer),
                }
            }
            Notice::Leave(group) => {
                let joined = self.joined.get_mut(&peer);
                if joined.is_some_and(|joined| joined.remove(&group)) {
                    self.drop_peer(peer, &group);
                }
            }
            Notice::Subscribe(_) | Notice::Cancel(_) | Notice::Opened(_) => {}
        }
    }

    fn ended(&mut self, _links: &mut Links, peer: PeerId) {
        self.all.retain(|found| *found != peer);
        let joined = self.joined.remove(&peer).unwrap_or_default();
        for group in joined.into_names() {
            self.drop_peer(peer, &group);
        }
    }

    fn takes_at_once(&self) -> bool {
        true
    }

    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        if message.len() != 2 {
            return Err(Refusal::Frames);
        }
        if message.first().len() > GROUP_BYTES_MAX {
            return Err(Refusal::Malformed);
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
            return Err(Refusal::Full);
        }
        if let Some(last) = peers.next_back() {
            for peer in peers {
                links.send_or_drop(*peer, message.clone());
            }
            links.send_or_drop(*last, std::mem::take(message));
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
                let notice = if is_joined {
                    Notice::Join(group)
                } else {
                    Notice::Leave(group)
                };
                links.write_notice(peer, notice);
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
            links.write_notice(peer, Notice::Join(group.clone()));
        }
    }

    fn take(&mut self, links: &mut Links, _peer: PeerId, message: &mut Message) -> bool {
        if message.len() != 2 || !self.joined.contains(message.first()) {
            links.counters.dropped_receives += 1;
            return false;
        }
        true
    }

    /// A DISH sends nothing.
    fn send(&mut self, _links: &mut Links, _message: &mut Message) -> Result<(), Refusal> {
        Err(Refusal::OutOfTurn)
    }
}
