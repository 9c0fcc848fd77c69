//! A client that keeps to the specification: what it sends, and what it makes of what comes.

use super::packets::{self, Answer, WillText};
use crate::world::{Wire, World};
use bytes::BytesMut;
use fastrand::Rng;
use model::Instant;
use proto_mqtt::{
    Codec, ConnackReason, Decoded, DisconnectReason, Limits, Packet, Publish, Qos, Version,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// PUBLISH packets that a client has under way at a time.
const WINDOW: usize = 4;

/// Seconds that a will waits, where it does.
const WILL_DELAY_S: u32 = 2;

/// What a filter begins with that several clients share.
pub(super) const SHARED: &str = "$share/group/";

/// What the broker did that it must not.
pub type Fault = String;

/// A message as its publisher knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Where it went.
    pub topic: String,
    /// How surely.
    pub qos: Qos,
    /// Whether it is to be retained.
    pub is_retained: bool,
    /// The step in which it was sent first.
    pub at: u64,
}

/// A message that a client was given, and had not been given before as far as it can tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Got {
    /// Where it came from.
    pub topic: String,
    /// What it says.
    pub payload: String,
    /// How surely it came.
    pub qos: Qos,
    /// Whether it was published before the subscription began.
    pub is_shown: bool,
}

/// What is to become of the will of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WillFate {
    /// It is published, once.
    Must,
    /// It may be published, once.
    May,
    /// It is not.
    MustNot,
}

/// A will.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bequest {
    /// What is to become of it.
    pub fate: WillFate,
    /// The step in which its CONNECT was sent.
    pub at: u64,
}

/// A subscription of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribed {
    /// Its filter.
    pub filter: String,
    /// The highest quality that it is sent with.
    pub qos: Qos,
    /// The step in which it was granted.
    pub granted_at: Option<u64>,
    /// The packet identifier under which it was asked for, on this connection.
    asked: Option<u16>,
}

impl Subscribed {
    /// Whether each message goes to one of several clients.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.filter.starts_with(SHARED)
    }
}

/// A PUBLISH whose exchange is not over.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outgoing {
    id: u16,
    /// Its place among what was sent.
    nth: usize,
    is_released: bool,
}

/// What a client is there for.
#[derive(Clone, Debug)]
pub struct Habits {
    /// What it speaks.
    pub version: Version,
    /// Messages that it publishes.
    pub messages_max: usize,
    /// What it subscribes to.
    pub filters: Vec<(String, Qos)>,
    /// Whether it leaves a will, and whether that waits.
    pub will: Option<bool>,
    /// Whether its session ends with its connection.
    pub is_clean: bool,
    /// The quality of what it has retained: were there several, an older message might rightly be sent again behind a
    /// later one.
    pub retained_qos: Qos,
}

/// A client, over all its connections.
pub struct Client {
    /// Its client identifier.
    pub name: String,
    habits: Habits,
    codec: Codec,
    wire: Option<Wire>,
    /// Connections that it has given up without the broker's knowing.
    ghosts: Vec<Wire>,
    is_connected: bool,
    /// It has said DISCONNECT on this connection.
    has_left: bool,
    /// Connections so far.
    connects: u32,
    /// The broker has promised to keep its session.
    has_session: bool,
    outgoing: VecDeque<Outgoing>,
    last_id: u16,
    /// Packet identifiers of QoS 2 that came and were not released.
    received: BTreeSet<u16>,
    /// What it owes the broker, in order.
    answers: VecDeque<Answer>,
    /// What it has published, in order.
    pub sent: Vec<Sent>,
    /// What it was given, in order.
    pub got: Vec<Got>,
    /// What it has subscribed to.
    pub subscribed: Vec<Subscribed>,
    /// Its wills, by connection.
    pub wills: BTreeMap<u32, Bequest>,
    /// Connections of this life of the broker that it has ended in order: a crash may undo that.
    left: Vec<u32>,
}

impl Client {
    /// A client that has not connected yet.
    #[must_use]
    pub fn new(name: &str, habits: Habits) -> Self {
        let subscribed = habits.filters.iter().map(|(filter, qos)| Subscribed {
            filter: filter.clone(),
            qos: *qos,
            granted_at: None,
            asked: None,
        });
        Self {
            name: name.to_owned(),
            codec: Codec::of_client(Limits::default(), habits.version),
            wire: None,
            ghosts: Vec::new(),
            is_connected: false,
            has_left: false,
            connects: 0,
            has_session: false,
            outgoing: VecDeque::new(),
            last_id: 0,
            received: BTreeSet::new(),
            answers: VecDeque::new(),
            sent: Vec::new(),
            got: Vec::new(),
            subscribed: subscribed.collect(),
            wills: BTreeMap::new(),
            left: Vec::new(),
            habits,
        }
    }

    /// Whether all that it has to do is done, and nothing is under way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.is_connected
            && self.sent.len() == self.habits.messages_max
            && self.outgoing.is_empty()
            && self.answers.is_empty()
            && self.subscribed.iter().all(|it| it.granted_at.is_some())
    }

    /// Whether it has published all that it has to.
    #[must_use]
    pub fn has_published(&self) -> bool {
        self.sent.len() == self.habits.messages_max && self.outgoing.is_empty()
    }

    /// Does something by chance: among it what only a client does whose network is bad.
    pub fn act(&mut self, rng: &mut Rng, world: &mut World, number: u32, step: u64) {
        if self.wire.is_none() {
            if rng.u32(..3) == 0 {
                self.connect(world, number, step, rng.bool());
            }
            return;
        }
        match rng.u32(..120) {
            0 => self.cut(world),
            1 => self.haunt(),
            2 if self.is_connected => self.leave(),
            3..40 => self.answer_one(),
            40..80 => self.publish_one(rng, step),
            80..90 => self.subscribe_one(),
            _ => {}
        }
    }

    /// Does what is to be done, and nothing else.
    pub fn act_calmly(&mut self, rng: &mut Rng, world: &mut World, number: u32, step: u64) {
        for ghost in &mut self.ghosts {
            world.disconnect(ghost);
        }
        self.ghosts.clear();
        if self.wire.is_none() {
            self.connect(world, number, step, false);
        }
        while !self.answers.is_empty() && self.is_connected {
            self.answer_one();
        }
        self.publish_one(rng, step);
        self.subscribe_one();
    }

    fn connect(&mut self, world: &mut World, number: u32, step: u64, waits: bool) {
        self.connects += 1;
        let topic = format!("will/{}", self.name);
        let payload = format!("{} {}", self.name, self.connects);
        let can_wait = self.habits.version.has_properties() && waits;
        let will = self.habits.will.map(|_| WillText {
            topic: &topic,
            payload: &payload,
            delay_s: if can_wait { WILL_DELAY_S } else { 0 },
        });
        let mut bytes = BytesMut::new();
        let identity = (self.name.as_str(), self.habits.is_clean);
        packets::connect(self.habits.version, identity, will.as_ref(), &mut bytes);
        if self.habits.will.is_some() {
            let fate = WillFate::May;
            self.wills.insert(self.connects, Bequest { fate, at: step });
            self.habits.will = Some(can_wait);
        }
        let mut wire = world.connect_mqtt(number);
        wire.push(&bytes);
        self.wire = Some(wire);
        self.begin();
    }

    /// What a connection knows is gone; what the session knows stays.
    fn begin(&mut self) {
        self.is_connected = false;
        self.has_left = false;
        self.answers.clear();
        for subscribed in &mut self.subscribed {
            subscribed.asked = None;
        }
    }

    /// The network is gone, which the broker sees.
    fn cut(&mut self, world: &World) {
        if let Some(mut wire) = self.wire.take() {
            world.disconnect(&mut wire);
        }
        self.begin();
    }

    /// The network is gone, and the broker does not see it. A CONNECT that is on its way is lost: were it to come behind
    /// the next one, it would rightly take over from that.
    fn haunt(&mut self) {
        let is_opening = !self.is_connected && !self.has_left;
        if let Some(wire) = self.wire.as_mut().filter(|_| is_opening) {
            wire.lose_sent();
        }
        self.ghosts.extend(self.wire.take());
        self.begin();
    }

    /// The broker has ended; what it had sent has come before.
    ///
    /// # Errors
    /// As [`carry`](Self::carry).
    pub fn lose(&mut self, step: u64) -> Result<(), Fault> {
        self.read(step)?;
        for connection in self.left.drain(..) {
            if let Some(will) = self.wills.get_mut(&connection) {
                will.fate = WillFate::May;
            }
        }
        self.wire = None;
        self.ghosts.clear();
        self.begin();
        Ok(())
    }

    /// All connections end, for the broker is to.
    ///
    /// # Errors
    /// As [`carry`](Self::carry).
    pub fn hang_up(&mut self, world: &World, step: u64) -> Result<(), Fault> {
        self.read(step)?;
        for mut ghost in std::mem::take(&mut self.ghosts) {
            world.disconnect(&mut ghost);
        }
        self.cut(world);
        self.left.clear();
        Ok(())
    }

    fn leave(&mut self) {
        let mut bytes = BytesMut::new();
        packets::disconnect(self.habits.version, &mut bytes);
        self.push(&bytes);
        self.has_left = true;
        self.is_connected = false;
        if let Some(will) = self.wills.get_mut(&self.connects) {
            will.fate = WillFate::May;
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(wire) = &mut self.wire {
            wire.push(bytes);
        }
    }

    fn answer_one(&mut self) {
        if !self.is_connected {
            return;
        }
        if let Some(answer) = self.answers.pop_front() {
            if let Answer::Pubcomp(id) = answer {
                self.received.remove(&id);
            }
            let mut bytes = BytesMut::new();
            packets::answer(self.habits.version, answer, &mut bytes);
            self.push(&bytes);
        }
    }

    fn next_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id % 20 + 1;
            let id = self.last_id;
            let is_used = self.outgoing.iter().any(|it| it.id == id)
                || self.subscribed.iter().any(|it| it.asked == Some(id));
            if !is_used {
                return id;
            }
        }
    }

    fn publish_one(&mut self, rng: &mut Rng, step: u64) {
        let is_over = self.sent.len() >= self.habits.messages_max;
        if is_over || !self.is_connected || self.outgoing.len() >= WINDOW {
            return;
        }
        let qos = [
            Qos::AtMostOnce,
            Qos::AtLeastOnce,
            Qos::ExactlyOnce,
            Qos::ExactlyOnce,
        ];
        let is_retained = rng.u32(..4) == 0;
        let sent = Sent {
            topic: if is_retained {
                format!("last/{}", self.name)
            } else {
                match rng.u32(..4) {
                    3 => "g/1".to_owned(),
                    number => format!("t/{number}"),
                }
            },
            qos: if is_retained {
                self.habits.retained_qos
            } else {
                qos[rng.usize(..4)]
            },
            is_retained,
            at: step,
        };
        let nth = self.sent.len();
        let is_answered = sent.qos != Qos::AtMostOnce;
        self.sent.push(sent);
        let id = if is_answered { self.next_id() } else { 0 };
        if is_answered {
            self.outgoing.push_back(Outgoing {
                id,
                nth,
                is_released: false,
            });
        }
        self.send(id, nth, false);
    }

    fn send(&mut self, id: u16, nth: usize, is_again: bool) {
        let sent = &self.sent[nth];
        let payload = format!("{} {nth}", self.name);
        let mut bytes = BytesMut::new();
        packets::publish(
            self.habits.version,
            (sent.qos, id),
            (is_again, sent.is_retained),
            (&sent.topic, &payload),
            &mut bytes,
        );
        self.push(&bytes);
    }

    fn subscribe_one(&mut self) {
        if !self.is_connected {
            return;
        }
        let waiting = self
            .subscribed
            .iter()
            .position(|it| it.granted_at.is_none() && it.asked.is_none());
        let Some(waiting) = waiting else { return };
        let id = self.next_id();
        let subscribed = &mut self.subscribed[waiting];
        subscribed.asked = Some(id);
        let mut bytes = BytesMut::new();
        let what = (subscribed.filter.as_str(), subscribed.qos);
        packets::subscribe(self.habits.version, id, what, &mut bytes);
        self.push(&bytes);
    }

    /// Carries up to `bytes` each way, and takes in what came. Returns whether anything moved.
    ///
    /// # Errors
    /// The broker did what it must not.
    pub fn carry(&mut self, world: &World, bytes: usize, step: u64) -> Result<bool, Fault> {
        let mut moved = false;
        for ghost in &mut self.ghosts {
            moved |= world.carry(ghost, bytes);
            ghost.to_client.clear();
        }
        self.ghosts.retain(|ghost| !ghost.is_closed);
        if let Some(wire) = &mut self.wire {
            moved |= world.carry(wire, bytes);
        }
        self.read(step)?;
        if self.wire.as_ref().is_some_and(|wire| wire.is_closed) {
            if !self.has_left {
                return Err(format!("{}: cut by the broker", self.name));
            }
            if let Some(will) = self.wills.get_mut(&self.connects) {
                will.fate = WillFate::MustNot;
            }
            self.left.push(self.connects);
            self.wire = None;
            self.begin();
        }
        Ok(moved)
    }

    fn read(&mut self, step: u64) -> Result<(), Fault> {
        let Some(wire) = &mut self.wire else {
            return Ok(());
        };
        let input = std::mem::take(&mut wire.to_client);
        let mut at = 0;
        loop {
            let codec = self.codec;
            match codec.decode(&input[at..]) {
                Ok(Decoded::Packet(packet, len)) => {
                    at += len;
                    self.take(&packet, step)
                        .map_err(|fault| format!("{}: {fault}", self.name))?;
                }
                Ok(Decoded::Incomplete { .. }) => break,
                Err(error) => return Err(format!("{}: {error}", self.name)),
            }
        }
        if let Some(wire) = &mut self.wire {
            wire.to_client.splice(0..0, input[at..].iter().copied());
        }
        Ok(())
    }

    fn take(&mut self, packet: &Packet<'_>, step: u64) -> Result<(), Fault> {
        if self.has_left {
            return Ok(());
        }
        match packet {
            Packet::Connack(connack) => {
                if connack.reason != ConnackReason::Success {
                    return Err(format!("refused: {connack:?}"));
                }
                self.take_connack(connack.session_present)?;
            }
            Packet::Publish(publish) => self.take_publish(publish)?,
            Packet::Puback(ack) => self.finish(ack.packet_id.get(), false)?,
            Packet::Pubrec(ack) => {
                let id = ack.packet_id.get();
                let outgoing = self.outgoing.iter_mut().find(|it| it.id == id);
                let outgoing = outgoing.ok_or(format!("PUBREC {id} for nothing"))?;
                outgoing.is_released = true;
                self.answers.push_back(Answer::Pubrel(id));
            }
            Packet::Pubrel(ack) => self.answers.push_back(Answer::Pubcomp(ack.packet_id.get())),
            Packet::Pubcomp(ack) => self.finish(ack.packet_id.get(), true)?,
            Packet::Suback(suback) => {
                let id = suback.packet_id.get();
                let known = self.subscribed.iter_mut().find(|it| it.asked == Some(id));
                let subscribed = known.ok_or(format!("SUBACK {id} for nothing"))?;
                let codes: Vec<_> = suback.reasons.iter().collect();
                let granted = match subscribed.is_shared() {
                    // No more is granted in a session that is kept.
                    true => subscribed.qos.min(Qos::AtLeastOnce).bits(),
                    false => subscribed.qos.bits(),
                };
                if codes.iter().any(|code| code.code() != granted) {
                    return Err(format!("{codes:?} for {subscribed:?}"));
                }
                subscribed.asked = None;
                subscribed.granted_at = Some(step);
            }
            Packet::Disconnect(disconnect) => {
                let reason = disconnect.reason;
                if reason != DisconnectReason::SessionTakenOver {
                    return Err(format!("{reason:?}: {disconnect:?}"));
                }
            }
            Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Unsuback(_)
            | Packet::Pingreq
            | Packet::Pingresp
            | Packet::Auth(_) => return Err(format!("the broker sent {:?}", packet.kind())),
        }
        Ok(())
    }

    fn take_connack(&mut self, is_present: bool) -> Result<(), Fault> {
        let can_say = self.habits.version != Version::V31;
        if can_say && self.has_session && !is_present {
            return Err("its session is gone".into());
        }
        if self.habits.is_clean && is_present {
            return Err("a clean session is present".into());
        }
        self.has_session = !self.habits.is_clean;
        self.is_connected = true;
        if self.habits.will == Some(false)
            && let Some(will) = self.wills.get_mut(&self.connects)
        {
            will.fate = WillFate::Must;
        }
        for outgoing in self.outgoing.clone() {
            if outgoing.is_released {
                self.answers.push_back(Answer::Pubrel(outgoing.id));
            } else {
                self.send(outgoing.id, outgoing.nth, true);
            }
        }
        Ok(())
    }

    /// The exchange of a PUBLISH is over.
    fn finish(&mut self, id: u16, is_released: bool) -> Result<(), Fault> {
        let place = self.outgoing.iter().position(|it| it.id == id);
        let place = place.ok_or(format!("{id} is answered for nothing"))?;
        if self.outgoing[place].is_released != is_released {
            return Err(format!("{id} is answered at the wrong time"));
        }
        self.outgoing.remove(place);
        Ok(())
    }

    fn take_publish(&mut self, publish: &Publish<'_>) -> Result<(), Fault> {
        let topic = publish.topic.ok_or("a PUBLISH without a topic")?;
        let payload = String::from_utf8_lossy(publish.payload).into_owned();
        if let Some(id) = publish.qos.packet_id() {
            let id = id.get();
            if publish.qos.qos() == Qos::AtLeastOnce {
                self.answers.push_back(Answer::Puback(id));
            } else {
                self.answers.push_back(Answer::Pubrec(id));
                if !self.received.insert(id) {
                    return Ok(());
                }
            }
        }
        self.got.push(Got {
            topic: topic.as_str().to_owned(),
            payload,
            qos: publish.qos.qos(),
            is_shown: publish.retain,
        });
        Ok(())
    }

    /// The last connection stands: its will is not published.
    pub fn is_present(&mut self) {
        if let Some(will) = self.wills.get_mut(&self.connects) {
            will.fate = WillFate::MustNot;
        }
    }

    /// The time at which nothing more waits.
    #[must_use]
    pub fn settled_at(now: Instant) -> Instant {
        now.plus_millis(u64::from(WILL_DELAY_S) * 2000)
    }
}

#[cfg(test)]
mod tests {
    use super::{Client, Fault, Habits};
    use crate::store::{Kind, Store};
    use crate::world::{Bounds, World};
    use model::Instant;
    use proto_mqtt::{Qos, Version};
    use std::num::NonZeroU16;

    /// A client that gives up a connection at once, and makes another, with so many bytes carried at a time.
    fn come_twice(bytes: usize) -> Result<bool, Fault> {
        let bounds = Bounds {
            outbox_bytes: 8000,
            queued_bytes: 60_000,
            merged_pages_min: 2,
            send_max: NonZeroU16::MIN,
        };
        let started = World::start(&Store::new(Kind::Apart), Instant::default(), bounds);
        let mut world = started.map_err(|error| format!("{error:?}"))?;
        let habits = Habits {
            version: Version::V5,
            messages_max: 0,
            filters: Vec::new(),
            will: Some(false),
            is_clean: false,
            retained_qos: Qos::AtLeastOnce,
        };
        let mut client = Client::new("c", habits);
        // The first CONNECT is longer, as its will waits.
        client.connect(&mut world, 1, 0, true);
        client.haunt();
        client.connect(&mut world, 2, 0, false);
        for step in 1..500 {
            client.carry(&world, bytes, step)?;
            for part in 0..world.parts() {
                let stepped = world.step(part);
                stepped.map_err(|error| format!("{error:#}"))?;
            }
        }
        Ok(client.is_connected)
    }

    #[test]
    fn who_comes_twice_stays_with_the_second_connection() {
        for bytes in 1..80 {
            assert_eq!(come_twice(bytes), Ok(true), "{bytes} bytes at a time");
        }
    }
}
