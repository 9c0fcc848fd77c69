//! PUB and XPUB: each message to all who have subscribed to a prefix of it.

use super::links::Links;
use super::wanted::{TooMany, Wanted};
use super::{Refusal, Rules, WAITING_BYTES_MAX, WAITING_MAX};
use crate::message::Message;
use crate::options::{OnFull, Options, Subscriptions, WantedMax, XPubOptions};
use crate::peers::PeerId;
use crate::pipe::{Notice, cost};
use crate::routing::Trie;
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use zmtp::SocketType;

/// Messages of peers that wait for the user with all that they came with. More of them may wait for long, and others that
/// came with them may be gone: those are copied.
const ATTACHED_MAX: usize = 1000;

/// Who wants what. A topic is a peer's or not, however often it says so: libzmq sends several subscriptions to a
/// topic, but only one end of them.
#[derive(Default)]
struct Interests {
    peers: Trie<Vec<PeerId>>,
    topics: BTreeMap<PeerId, Wanted>,
}

impl Interests {
    /// True if nobody had the topic before.
    fn add(&mut self, peer: PeerId, topic: &Bytes, max: WantedMax) -> Result<bool, TooMany> {
        if !self.topics.entry(peer).or_default().add(topic, max)? {
            return Ok(false);
        }
        Ok(self.peers.update(topic, |peers| {
            peers.push(peer);
            peers.len() == 1
        }))
    }

    /// True if nobody has the topic any more.
    fn remove(&mut self, peer: PeerId, topic: &Bytes) -> bool {
        let Some(topics) = self.topics.get_mut(&peer) else {
            return false;
        };
        topics.remove(topic) && self.drop_peer(peer, topic)
    }

    fn drop_peer(&mut self, peer: PeerId, topic: &Bytes) -> bool {
        self.peers.update(topic, |peers| {
            peers.retain(|found| *found != peer);
            peers.is_empty()
        })
    }

    /// Removes a peer; returns its topics, each with whether nobody has it any more.
    fn remove_all(&mut self, peer: PeerId) -> Vec<(Bytes, bool)> {
        let topics = self.topics.remove(&peer).unwrap_or_default();
        let names = topics.into_names().into_iter();
        names
            .map(|topic| {
                let is_last = self.drop_peer(peer, &topic);
                (topic, is_last)
            })
            .collect()
    }
}

pub(super) struct Publish {
    is_xpub: bool,
    options: XPubOptions,
    /// What decides who gets a message.
    interests: Interests,
    /// What peers have asked for, where the user decides.
    asked: Interests,
    /// For the user of an XPUB, with the peer where the user has to know it.
    waiting: VecDeque<(Message, Option<PeerId>)>,
    /// What that takes.
    waiting_bytes: usize,
    /// Who is there, where the user decides: subscriptions of others may wait for it.
    present: BTreeSet<PeerId>,
    /// Whose subscription the user has had last.
    last: Option<PeerId>,
    /// Who gets the present message.
    matched: Vec<PeerId>,
    /// The last message, by its number, for which a peer was found.
    marks: Vec<u64>,
    number: u64,
}

impl Publish {
    pub(super) fn new(socket_type: SocketType, options: &Options) -> Self {
        Self {
            is_xpub: socket_type == SocketType::XPub,
            options: options.xpub.clone(),
            interests: Interests::default(),
            asked: Interests::default(),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            present: BTreeSet::new(),
            last: None,
            matched: Vec::new(),
            marks: Vec::new(),
            number: 0,
        }
    }

    pub(super) fn set_options(&mut self, options: &Options) {
        self.options = options.xpub.clone();
    }

    fn is_manual(&self) -> bool {
        self.options.subscriptions == Subscriptions::Manual
    }

    /// Finds who gets a message of this topic, each once.
    fn find(&mut self, topic: &[u8]) {
        self.matched.clear();
        self.number += 1;
        let Self {
            interests,
            matched,
            marks,
            number,
            ..
        } = self;
        interests.peers.visit(topic, |peers| {
            for peer in peers {
                if let Some(mark) = marks.get_mut(peer.slot())
                    && *mark != *number
                {
                    *mark = *number;
                    matched.push(*peer);
                }
            }
            false
        });
    }

    /// Nobody gets a message before all who were found can, if none of them is to miss it.
    fn must_wait(&self, links: &mut Links) -> bool {
        links.on_full == OnFull::Block
            && self
                .matched
                .iter()
                .any(|peer| !links.has_room(*peer) && !links.is_deaf(*peer))
    }

    pub(super) fn audience(&mut self, topic: &[u8]) -> usize {
        self.find(topic);
        self.matched.len()
    }

    fn tell(&mut self, links: &mut Links, first: u8, topic: &[u8], peer: Option<PeerId>) {
        if !self.is_xpub {
            return;
        }
        let mut bytes = Vec::with_capacity(topic.len() + 1);
        bytes.push(first);
        bytes.extend_from_slice(topic);
        self.hand_over(links, bytes.into(), peer);
    }

    fn hand_over(&mut self, links: &mut Links, message: Message, peer: Option<PeerId>) {
        let bytes = waiting_bytes(&message);
        if self.waiting.len() < WAITING_MAX
            && bytes <= WAITING_BYTES_MAX.saturating_sub(self.waiting_bytes)
        {
            self.waiting_bytes += bytes;
            self.waiting.push_back((message, peer));
        } else {
            links.counters.dropped_receives += 1;
        }
    }

    fn subscribed(&mut self, links: &mut Links, peer: PeerId, topic: &Bytes) {
        let asked = if self.is_manual() {
            &mut self.asked
        } else {
            &mut self.interests
        };
        let is_new = match asked.add(peer, topic, links.options.wanted_max) {
            Ok(is_new) => is_new,
            Err(TooMany) => return links.cut(peer),
        };
        if self.is_manual() {
            self.tell(links, 1, topic, Some(peer));
            return;
        }
        let is_told = match self.options.subscriptions {
            Subscriptions::New | Subscriptions::Manual => is_new,
            Subscriptions::Verbose | Subscriptions::Verboser => true,
        };
        if is_told {
            self.tell(links, 1, topic, None);
        }
    }

    fn canceled(&mut self, links: &mut Links, peer: PeerId, topic: &Bytes) {
        if self.is_manual() {
            self.asked.remove(peer, topic);
            self.tell(links, 0, topic, Some(peer));
            return;
        }
        let is_last = self.interests.remove(peer, topic);
        if is_last || self.options.subscriptions == Subscriptions::Verboser {
            self.tell(links, 0, topic, None);
        }
    }

    /// Decides on the subscription that the user has had last.
    pub(super) fn set_last(&mut self, topic: &Bytes, is_subscribed: bool) -> bool {
        let Some(peer) = self.last.filter(|peer| self.present.contains(peer)) else {
            return false;
        };
        if is_subscribed {
            let is_added = self.interests.add(peer, topic, WantedMax::NONE);
            debug_assert!(is_added.is_ok(), "the user has no limit");
        } else {
            self.interests.remove(peer, topic);
        }
        true
    }
}

/// What a message takes of the room for those that wait for the user.
fn waiting_bytes(message: &Message) -> usize {
    message.byte_count() + size_of::<(Message, Option<PeerId>)>()
}

impl Rules for Publish {
    fn attached(&mut self, links: &mut Links, peer: PeerId) {
        if self.marks.len() <= peer.slot() {
            self.marks.resize(peer.slot() + 1, 0);
        }
        if self.is_manual() {
            self.present.insert(peer);
        }
        if let Some(welcome) = &self.options.welcome {
            links.write(peer, welcome.clone().into());
        }
    }

    /// What peers of an XPUB send stands in a row with their subscriptions.
    fn take(&mut self, links: &mut Links, _peer: PeerId, message: &mut Message) -> bool {
        if self.is_xpub {
            let mut message = std::mem::take(message);
            if self.waiting.len() >= ATTACHED_MAX {
                message.detach();
            }
            self.hand_over(links, message, None);
        } else {
            links.counters.dropped_receives += 1;
        }
        false
    }

    fn notice(&mut self, links: &mut Links, peer: PeerId, notice: Notice) {
        match notice {
            Notice::Subscribe(topic) => self.subscribed(links, peer, &topic),
            Notice::Cancel(topic) => self.canceled(links, peer, &topic),
            Notice::Join(_) | Notice::Leave(_) | Notice::Opened(_) => {}
        }
    }

    fn ended(&mut self, links: &mut Links, peer: PeerId) {
        self.present.remove(&peer);
        let effective = self.interests.remove_all(peer);
        if self.is_manual() {
            // As many ends as there were beginnings; there is nobody any more whom the user could decide about.
            for (topic, _) in self.asked.remove_all(peer) {
                self.tell(links, 0, &topic, Some(peer));
            }
            return;
        }
        let tells_all = self.options.subscriptions == Subscriptions::Verboser;
        for (topic, is_last) in effective {
            if is_last || tells_all {
                self.tell(links, 0, &topic, None);
            }
        }
    }

    fn pending(&mut self) -> Option<Message> {
        let (message, peer) = self.waiting.pop_front()?;
        self.waiting_bytes -= waiting_bytes(&message);
        if peer.is_some() {
            self.last = peer;
        }
        Some(message)
    }

    /// Subscriptions have an effect whether or not the user receives.
    fn takes_at_once(&self) -> bool {
        true
    }

    fn admits(&mut self, links: &mut Links, first: &[u8]) -> Result<(), Refusal> {
        self.find(first);
        if self.must_wait(links) {
            return Err(Refusal::Full);
        }
        Ok(())
    }

    /// Always: who has no room has yet to be found.
    fn is_writable(&mut self, _links: &mut Links) -> bool {
        true
    }

    fn send(&mut self, links: &mut Links, message: &mut Message) -> Result<(), Refusal> {
        self.find(message.first());
        if self.must_wait(links) {
            return Err(Refusal::Full);
        }
        if let Some((last, others)) = self.matched.split_last() {
            let (cost, mut copies) = (cost(message), message.copies(others.len()));
            for peer in others {
                links.make_or_drop(*peer, cost, || copies.copy());
            }
            drop(copies);
            links.send_or_drop(*last, std::mem::take(message));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attachment::Attachment;
    use crate::core::Core;
    use crate::gate::Gate;
    use crate::pipe::credit::Hwm;
    use crate::pipe::{Bell, Keep, Rings, pipe};
    use std::sync::Arc;

    #[test]
    fn messages_that_wait_in_great_number_keep_nothing_that_they_came_with() {
        let (options, gate) = (Arc::new(Options::default()), Arc::new(Gate::default()));
        let mut core = Core::new(SocketType::XPub, &options, Arc::clone(&gate), 0);
        let keep = Keep::All(Hwm::UNLIMITED);
        let bell = || Bell::socket(Arc::clone(&gate));
        let (mut to_core, receiver) = pipe(keep, Bell::task(), bell());
        let (sender, _from_core) = pipe(keep, bell(), Bell::task());
        let short = Message::from(&[7; 100]);
        let long = Message::from(Bytes::from(vec![8; 5000]).slice(..1024));
        for _ in 0..ATTACHED_MAX {
            to_core.push(short.clone());
            to_core.push(long.clone());
        }
        to_core.publish(&mut Rings::new());
        core.attach(Attachment::of_pipes(sender, receiver));
        let mut place = Message::new();
        for index in 0..2 * ATTACHED_MAX {
            core.receive(&mut place).unwrap();
            let sent = [&short, &long][index % 2];
            assert_eq!(place, *sent);
            let is_attached = place.first().as_ptr() == sent.first().as_ptr();
            assert_eq!(is_attached, index < ATTACHED_MAX, "{index}");
        }
    }

    #[test]
    fn who_subscribes_without_an_end_does_not_hold_the_socket_up() {
        let (options, gate) = (Arc::new(Options::default()), Arc::new(Gate::default()));
        let mut core = Core::new(SocketType::Pub, &options, Arc::clone(&gate), 0);
        let keep = Keep::All(Hwm::UNLIMITED);
        let bell = || Bell::socket(Arc::clone(&gate));
        let (mut to_core, receiver) = pipe(keep, Bell::task(), bell());
        let (sender, _from_core) = pipe(keep, bell(), Bell::task());
        let topics = 25_000_u32;
        for topic in 0..topics {
            to_core.push_notice(Notice::Subscribe(Bytes::copy_from_slice(
                &topic.to_be_bytes(),
            )));
        }
        to_core.publish(&mut Rings::new());
        core.attach(Attachment::of_pipes(sender, receiver));
        let mut rounds = 0;
        loop {
            if let Some(afterwards) = core.afterwards() {
                afterwards.run(&gate);
            }
            if !gate.has_signals() {
                break;
            }
            core.look();
            rounds += 1;
        }
        assert_eq!(rounds, 2, "of 10,000 each");
        for topic in [0, topics / 2, topics - 1] {
            assert_eq!(core.audience(&topic.to_be_bytes()), 1, "{topic}");
        }
    }
}
