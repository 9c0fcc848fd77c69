//! A client that does as the specification says, with its session at the broker's side.

use crate::world::World;
use broker_api::{Attachment as _, Event, Out, Session as _};
use bytes::BytesMut;
use proto_mqtt::{
    Ack, Codec, Connect, Decoded, Disconnect, DisconnectReason, Limits, Mqtt, Packet, PacketId,
    Properties, Property, PropertyList, Publish, PublishQos, PublishReason, Qos, ReleaseReason,
    SessionLimits, Subscribe, Subscription, SubscriptionList, SubscriptionOptions, Text,
    TopicFilter, TopicName, Version,
};
use std::collections::{BTreeMap, BTreeSet};
use std::task::{Context, Waker};

/// PUBLISH packets that are unfinished at a time.
const UNFINISHED_MAX: usize = 12;

/// What is published to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Every client has subscribed to it.
    All,
    /// All clients share a subscription to it.
    Group,
}

impl Topic {
    const fn name(self) -> &'static str {
        match self {
            Self::All => "t",
            Self::Group => "s",
        }
    }
}

/// A PUBLISH of the client that is not finished.
#[derive(Clone, Debug)]
enum Unfinished {
    Publish {
        payload: String,
        topic: Topic,
        qos: Qos,
    },
    /// PUBREC has come.
    Released,
}

/// What lives as long as the session; `wire` as long as a connection.
#[derive(Debug)]
pub(crate) struct Client {
    name: &'static str,
    version: Version,
    was_connected: bool,
    is_subscribed: bool,
    /// In the order of their first sending.
    unfinished: Vec<(u16, Unfinished)>,
    last_number: u32,
    published: Vec<(String, Topic, Qos)>,
    /// PUBLISH packets with QoS 2 that were taken and are not released.
    received: BTreeSet<u16>,
    delivered: BTreeMap<String, u32>,
    wire: Option<Wire>,
}

/// A connection, both ends.
struct Wire {
    session: Mqtt,
    connection: broker::Connection,
    out: Out,
    input: BytesMut,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    is_open: bool,
    is_closing: bool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "open: {}", self.is_open)
    }
}

impl Wire {
    /// Lets the broker's side go on as far as it can. Returns whether anything was done.
    fn exchange(&mut self, world: &World) {
        loop {
            let before = self.input.len();
            if !self.out.is_held() && before > 0 {
                self.session
                    .handle_input(world.now, &mut self.input, &mut self.out);
            }
            let mut any = self.input.len() != before;
            any |= self.take_out(world);
            let mut events: Vec<Event> = Vec::new();
            let mut cx = Context::from_waker(Waker::noop());
            let mut handle = |event| events.push(event);
            let connection = &mut self.connection;
            // Whatever it answers, the events are there.
            let _is_ready = connection.poll_events(world.now, &mut cx, 1 << 20, &mut handle);
            for event in events {
                any = true;
                self.session.handle_event(world.now, event, &mut self.out);
                self.take_out(world);
            }
            self.connection.handle_sent(world.now);
            let _is_admitted = self.connection.poll_admission(world.now, &mut cx);
            if !any {
                return;
            }
        }
    }

    fn has_read_all(&self) -> bool {
        self.input.is_empty() || self.is_closing
    }

    fn take_out(&mut self, world: &World) -> bool {
        self.to_client.extend(self.out.wire.take());
        let any = !self.out.commands.is_empty();
        self.connection.submit(world.now, &mut self.out.commands);
        self.is_closing |= self.out.is_closing();
        any
    }

    fn close(mut self, world: &World) {
        if !self.is_closing {
            self.session.handle_close(world.now, &mut self.out);
            self.take_out(world);
        }
        self.connection.close(world.now);
    }
}

impl Client {
    pub(crate) fn new(name: &'static str, version: Version) -> Self {
        Self {
            name,
            version,
            was_connected: false,
            is_subscribed: true,
            unfinished: Vec::new(),
            last_number: 0,
            published: Vec::new(),
            received: BTreeSet::new(),
            delivered: BTreeMap::new(),
            wire: None,
        }
    }

    /// It will subscribe when it is connected.
    pub(crate) fn subscribes(&mut self) {
        self.is_subscribed = false;
    }

    pub(crate) fn is_done(&self) -> bool {
        self.unfinished.is_empty() && self.received.is_empty() && self.is_subscribed
    }

    pub(crate) fn published(&self) -> impl Iterator<Item = (String, Topic, Qos)> {
        self.published.iter().cloned()
    }

    pub(crate) fn times(&self, payload: &str) -> u32 {
        self.delivered.get(payload).copied().unwrap_or_default()
    }

    /// The broker has gone, and all connections with it.
    pub(crate) fn forget_connection(&mut self) {
        self.wire = None;
    }

    /// The connection breaks.
    pub(crate) fn lose(&mut self, world: &World) {
        if let Some(wire) = self.wire.take() {
            wire.close(world);
        }
    }

    /// The client says good-bye, and reads nothing more. The broker reads all that it has said: perhaps not at once.
    pub(crate) fn leave(&mut self, world: &mut World) {
        if self.wire.as_ref().is_none_or(|wire| !wire.is_open) {
            return;
        }
        self.put(&Packet::Disconnect(Disconnect {
            reason: DisconnectReason::NormalDisconnection,
            properties: Properties::NONE,
        }));
        self.send(world, u64::MAX);
        for _ in 0..100 {
            if self.wire.as_ref().is_none_or(Wire::has_read_all) {
                break;
            }
            world.settle();
            self.send(world, u64::MAX);
        }
        self.lose(world);
    }

    pub(crate) fn connect(&mut self, world: &mut World) {
        if self.wire.is_some() {
            return;
        }
        let (id, connection) = world.attach();
        self.wire = Some(Wire {
            session: Mqtt::new(world.now, id, SessionLimits::default(), 7),
            connection,
            out: Out::new(),
            input: BytesMut::new(),
            to_server: Vec::new(),
            to_client: Vec::new(),
            is_open: false,
            is_closing: false,
        });
        let mut properties = PropertyList::new();
        if self.version == Version::V5 {
            properties.push(Property::SessionExpiryInterval(u32::MAX));
        }
        self.put(&Packet::Connect(Connect {
            version: self.version,
            clean_start: false,
            keep_alive: 0,
            properties: properties.as_properties(),
            client_id: Text::new(self.name).unwrap(),
            will: None,
            user_name: None,
            password: None,
        }));
    }

    /// Connects a second time; the first connection is there until the broker ends it.
    pub(crate) fn take_over(&mut self, world: &mut World) {
        let before = self.wire.take();
        self.connect(world);
        self.send(world, u64::MAX);
        if let Some(mut before) = before {
            before.exchange(world);
            before.close(world);
        }
    }

    fn put(&mut self, packet: &Packet<'_>) {
        if let Some(wire) = &mut self.wire {
            let mut bytes = BytesMut::new();
            packet.put(self.version, &mut bytes).unwrap();
            wire.to_server.extend_from_slice(&bytes);
        }
    }

    /// Publishes another message, if not too many are unfinished.
    pub(crate) fn publish(&mut self, topic: Topic, qos: Qos) {
        let is_open = self.wire.as_ref().is_some_and(|wire| wire.is_open);
        if !is_open || self.unfinished.len() >= UNFINISHED_MAX {
            return;
        }
        self.last_number += 1;
        let payload = format!("{}-{}", self.name, self.last_number);
        self.published.push((payload.clone(), topic, qos));
        if qos == Qos::AtMostOnce {
            self.put_publish(&payload, topic, PublishQos::AtMostOnce, false);
            return;
        }
        // The lowest, so that they are used again soon.
        let in_use = |id: &u16| self.unfinished.iter().any(|(used, _)| used == id);
        let id = (1..).find(|id| !in_use(id)).unwrap();
        let unfinished = Unfinished::Publish {
            payload,
            topic,
            qos,
        };
        self.unfinished.push((id, unfinished.clone()));
        self.put_unfinished(id, &unfinished, false);
    }

    fn put_unfinished(&mut self, number: u16, unfinished: &Unfinished, dup: bool) {
        let id = PacketId::new(number).unwrap();
        match unfinished {
            Unfinished::Publish {
                payload,
                topic,
                qos,
            } => {
                let qos = match qos {
                    Qos::ExactlyOnce => PublishQos::ExactlyOnce(id),
                    Qos::AtLeastOnce | Qos::AtMostOnce => PublishQos::AtLeastOnce(id),
                };
                self.put_publish(payload, *topic, qos, dup);
            }
            Unfinished::Released => {
                self.put(&Packet::Pubrel(Ack::new(id, ReleaseReason::Success)));
            }
        }
    }

    fn put_publish(&mut self, payload: &str, topic: Topic, qos: PublishQos, dup: bool) {
        self.put(&Packet::Publish(Publish {
            dup,
            qos,
            retain: false,
            topic: Some(TopicName::new(Text::new(topic.name()).unwrap()).unwrap()),
            properties: Properties::NONE,
            payload: payload.as_bytes(),
        }));
    }

    /// Up to so many bytes of what the client has sent come to the broker.
    pub(crate) fn send(&mut self, world: &World, bytes_max: u64) {
        let Some(wire) = &mut self.wire else { return };
        let len = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let len = len.min(wire.to_server.len());
        wire.input.extend(wire.to_server.drain(..len));
        wire.exchange(world);
    }

    pub(crate) fn exchange(&mut self, world: &World) {
        let Some(wire) = &mut self.wire else { return };
        wire.exchange(world);
        if wire.is_closing && wire.to_client.is_empty() {
            self.lose(world);
        }
    }

    /// Reads up to so many packets. Returns whether there was any.
    pub(crate) fn read(&mut self, packets_max: u64) -> bool {
        let mut any = false;
        for _ in 0..packets_max {
            let Some(wire) = &mut self.wire else {
                return any;
            };
            let bytes = std::mem::take(&mut wire.to_client);
            let codec = Codec::of_client(Limits::default(), self.version);
            let Decoded::Packet(packet, len) = codec.decode(&bytes).unwrap() else {
                wire.to_client = bytes;
                return any;
            };
            any = true;
            self.handle(&packet);
            if let Some(wire) = &mut self.wire {
                wire.to_client = bytes[len..].to_vec();
            }
        }
        any
    }

    fn handle(&mut self, packet: &Packet<'_>) {
        match packet {
            Packet::Connack(connack) => {
                assert!(!connack.reason.is_error(), "{connack:?}");
                assert!(
                    connack.session_present || !self.was_connected,
                    "the session of {self:?} is lost"
                );
                self.was_connected = true;
                if let Some(wire) = &mut self.wire {
                    wire.is_open = true;
                }
                // [MQTT-4.4.0-1]
                for (id, unfinished) in self.unfinished.clone() {
                    self.put_unfinished(id, &unfinished, true);
                }
                if !self.is_subscribed {
                    self.put_subscribe();
                }
            }
            Packet::Suback(_) => self.is_subscribed = true,
            Packet::Publish(publish) => self.handle_publish(publish),
            Packet::Puback(ack) => {
                self.finish(ack.packet_id.get(), |it| {
                    matches!(
                        it,
                        Unfinished::Publish {
                            qos: Qos::AtLeastOnce,
                            ..
                        }
                    )
                });
            }
            Packet::Pubrec(ack) => {
                assert!(!ack.reason.is_error(), "{ack:?}");
                let id = ack.packet_id.get();
                let found = self.unfinished.iter_mut().find(|(used, _)| *used == id);
                let (_, unfinished) = found.expect("it was published");
                *unfinished = Unfinished::Released;
                self.put_unfinished(id, &Unfinished::Released, false);
            }
            Packet::Pubcomp(ack) => {
                self.finish(ack.packet_id.get(), |it| matches!(it, Unfinished::Released));
            }
            Packet::Pubrel(ack) => {
                let was_there = self.received.remove(&ack.packet_id.get());
                let reason = match was_there {
                    true => ReleaseReason::Success,
                    false => ReleaseReason::PacketIdentifierNotFound,
                };
                self.put(&Packet::Pubcomp(Ack::new(ack.packet_id, reason)));
            }
            // Another connection has taken the session over.
            Packet::Disconnect(_) => {}
            other @ (Packet::Connect(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::Unsuback(_)
            | Packet::Pingreq
            | Packet::Pingresp
            | Packet::Auth(_)) => panic!("{other:?} to {self:?}"),
        }
    }

    fn put_subscribe(&mut self) {
        let mut list = SubscriptionList::new();
        for filter in ["t", "$share/group/s"] {
            list.push(Subscription {
                filter: TopicFilter::new(Text::new(filter).unwrap()).unwrap(),
                options: SubscriptionOptions {
                    qos: Qos::ExactlyOnce,
                    ..SubscriptionOptions::default()
                },
            });
        }
        self.put(&Packet::Subscribe(Subscribe {
            packet_id: PacketId::new(999).unwrap(),
            properties: Properties::NONE,
            subscriptions: list.as_subscriptions(),
        }));
    }

    fn handle_publish(&mut self, publish: &Publish<'_>) {
        let payload = String::from_utf8(publish.payload.to_vec()).unwrap();
        match publish.qos {
            PublishQos::AtMostOnce => self.deliver(payload),
            PublishQos::AtLeastOnce(id) => {
                assert!(!self.received.contains(&id.get()), "{id} is in use");
                self.deliver(payload);
                self.put(&Packet::Puback(Ack::new(id, PublishReason::Success)));
            }
            PublishQos::ExactlyOnce(id) => {
                // [MQTT-4.3.3-10]
                if self.received.insert(id.get()) {
                    self.deliver(payload);
                }
                self.put(&Packet::Pubrec(Ack::new(id, PublishReason::Success)));
            }
        }
    }

    fn deliver(&mut self, payload: String) {
        *self.delivered.entry(payload).or_default() += 1;
    }

    fn finish(&mut self, id: u16, is_it: impl Fn(&Unfinished) -> bool) {
        let at = self.unfinished.iter().position(|(used, _)| *used == id);
        let at = at.expect("it was published");
        assert!(is_it(&self.unfinished[at].1), "{id} of {self:?}");
        self.unfinished.remove(at);
    }
}
