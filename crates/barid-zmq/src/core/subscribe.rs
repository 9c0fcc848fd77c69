//! SUB and XSUB: what was subscribed to, from all publishers, fairly.

use super::links::Links;
use super::{Refusal, Rules};
use crate::message::Message;
use crate::peers::PeerId;
use crate::pipe::Notice;
use crate::routing::Trie;
use bytes::Bytes;
use zmtp::SocketType;

pub(super) struct Subscribe {
    /// A SUB looks itself whether it wants what comes: what it has canceled may be on its way.
    filters: bool,
    /// How often each topic was subscribed to.
    topics: Trie<u32>,
}

impl Subscribe {
    pub(super) fn new(socket_type: SocketType) -> Self {
        Self {
            filters: socket_type == SocketType::Sub,
            topics: Trie::default(),
        }
    }

    pub(super) fn subscribe(&mut self, links: &mut Links, topic: &Bytes) {
        self.topics
            .update(topic, |count| *count = count.saturating_add(1));
        // Every one is passed on: the user of an XPUB may want to know that somebody asks again.
        Self::write_to_all(links, || Notice::Subscribe(topic.clone()));
    }

    pub(super) fn unsubscribe(&mut self, links: &mut Links, topic: &Bytes) -> bool {
        if self.topics.get(topic).is_none() {
            return false;
        }
        let count = self.topics.update(topic, |count| {
            *count -= 1;
            *count
        });
        if count == 0 {
            Self::write_to_all(links, || Notice::Cancel(topic.clone()));
        }
        true
    }

    fn write_to_all(links: &mut Links, notice: impl Fn() -> Notice) {
        let peers: Vec<_> = links.balance.all().to_vec();
        for peer in peers {
            links.write_notice(peer, notice());
        }
    }

    fn wants(&self, topic: &[u8]) -> bool {
        let mut wants = false;
        self.topics.visit(topic, |count| {
            wants = *count > 0;
            wants
        });
        wants
    }
}

impl Rules for Subscribe {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        links.balance.add(peer);
        links.fair.add(peer);
        for (topic, _) in self.topics.entries() {
            links.write_notice(peer, Notice::Subscribe(topic));
        }
    }

    #[inline]
    fn take(&mut self, links: &mut Links, _peer: PeerId, message: &mut Message) -> bool {
        if self.filters && !self.wants(message.first()) {
            links.counters.dropped_receives += 1;
            return false;
        }
        true
    }

    /// An XSUB's user subscribes by messages that begin with 1, ends that by 0, and sends all others to all publishers.
    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        let is_command = message.len() == 1;
        match message.first().split_first() {
            Some((1, topic)) if is_command => {
                self.subscribe(links, &Bytes::copy_from_slice(topic));
            }
            Some((0, topic)) if is_command => {
                self.unsubscribe(links, &Bytes::copy_from_slice(topic));
            }
            _ => {
                let peers: Vec<_> = links.balance.all().to_vec();
                for peer in peers {
                    links.send_or_drop(peer, message.clone());
                }
            }
        }
        Ok(())
    }
}
