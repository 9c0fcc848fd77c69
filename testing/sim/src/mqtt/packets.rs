//! The packets that clients send.

use bytes::BytesMut;
use proto_mqtt::{
    Ack, Binary, Connect, Disconnect, DisconnectReason, Packet, PacketId, Properties, Property,
    PropertyList, Publish, PublishQos, PublishReason, Qos, ReleaseReason, Subscribe, Subscription,
    SubscriptionList, SubscriptionOptions, Text, TopicFilter, TopicName, Version, Will,
};

/// A will: its topic, what it says, and its delay in seconds.
pub(super) struct WillText<'a> {
    pub(super) topic: &'a str,
    pub(super) payload: &'a str,
    pub(super) delay_s: u32,
}

fn text(text: &str) -> Text<'_> {
    Text::new(text).expect("names are short")
}

fn topic(name: &str) -> TopicName<'_> {
    TopicName::new(text(name)).expect("topics have no wildcards")
}

fn put(version: Version, packet: &Packet<'_>, to: &mut BytesMut) {
    packet.put(version, to).expect("packets are short");
}

/// CONNECT to a session that does not end with its connection, or to one that does.
pub(super) fn connect(
    version: Version,
    (client_id, is_clean): (&str, bool),
    will: Option<&WillText<'_>>,
    to: &mut BytesMut,
) {
    let (mut properties, mut will_properties) = (PropertyList::new(), PropertyList::new());
    if version.has_properties() && !is_clean {
        properties.push(Property::SessionExpiryInterval(u32::MAX));
    }
    if let Some(will) = will
        && version.has_properties()
        && will.delay_s > 0
    {
        will_properties.push(Property::WillDelayInterval(will.delay_s));
    }
    let will = will.map(|will| Will {
        qos: Qos::ExactlyOnce,
        retain: false,
        properties: will_properties.as_properties(),
        topic: topic(will.topic),
        payload: Binary::new(will.payload.as_bytes()).expect("wills are short"),
    });
    let packet = Connect {
        version,
        clean_start: is_clean,
        keep_alive: 0,
        properties: properties.as_properties(),
        client_id: text(client_id),
        will,
        user_name: None,
        password: None,
    };
    put(version, &Packet::Connect(packet), to);
}

/// PUBLISH.
pub(super) fn publish(
    version: Version,
    (qos, id): (Qos, u16),
    (is_again, is_retained): (bool, bool),
    (name, payload): (&str, &str),
    to: &mut BytesMut,
) {
    let packet = Publish {
        dup: is_again,
        qos: match qos {
            Qos::AtMostOnce => PublishQos::AtMostOnce,
            Qos::AtLeastOnce => PublishQos::AtLeastOnce(packet_id(id)),
            Qos::ExactlyOnce => PublishQos::ExactlyOnce(packet_id(id)),
        },
        retain: is_retained,
        topic: Some(topic(name)),
        properties: Properties::NONE,
        payload: payload.as_bytes(),
    };
    put(version, &Packet::Publish(packet), to);
}

/// SUBSCRIBE to one filter.
pub(super) fn subscribe(version: Version, id: u16, (filter, qos): (&str, Qos), to: &mut BytesMut) {
    let mut subscriptions = SubscriptionList::new();
    subscriptions.push(Subscription {
        filter: TopicFilter::new(text(filter)).expect("filters are right"),
        options: SubscriptionOptions {
            qos,
            ..SubscriptionOptions::default()
        },
    });
    let packet = Subscribe {
        packet_id: packet_id(id),
        properties: Properties::NONE,
        subscriptions: subscriptions.as_subscriptions(),
    };
    put(version, &Packet::Subscribe(packet), to);
}

/// How a PUBLISH is answered, and its answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Puback(u16),
    Pubrec(u16),
    Pubrel(u16),
    Pubcomp(u16),
}

/// One of these.
pub(super) fn answer(version: Version, answer: Answer, to: &mut BytesMut) {
    let published = |id| Ack::new(packet_id(id), PublishReason::Success);
    let released = |id| Ack::new(packet_id(id), ReleaseReason::Success);
    let packet = match answer {
        Answer::Puback(id) => Packet::Puback(published(id)),
        Answer::Pubrec(id) => Packet::Pubrec(published(id)),
        Answer::Pubrel(id) => Packet::Pubrel(released(id)),
        Answer::Pubcomp(id) => Packet::Pubcomp(released(id)),
    };
    put(version, &packet, to);
}

/// DISCONNECT, which takes the will back.
pub(super) fn disconnect(version: Version, to: &mut BytesMut) {
    let packet = Disconnect {
        reason: DisconnectReason::NormalDisconnection,
        properties: Properties::NONE,
    };
    put(version, &Packet::Disconnect(packet), to);
}

fn packet_id(id: u16) -> PacketId {
    PacketId::new(id).expect("identifiers begin with 1")
}
