//! Any packet, for properties of all of them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proto_mqtt::{
    Ack, Auth, AuthReason, Binary, Connack, ConnackReason, Connect, Disconnect, DisconnectReason,
    FilterList, Packet, PacketId, PayloadFormat, Place, Property, PropertyKind, PropertyList,
    Publish, PublishQos, PublishReason, Qos, Reasons, ReleaseReason, RetainHandling, Secret, Side,
    Suback, Subscribe, SubscribeReason, Subscription, SubscriptionIdentifier, SubscriptionList,
    SubscriptionOptions, Text, TopicFilter, TopicName, Unsuback, Unsubscribe, UnsubscribeReason,
    VARIABLE_INT_MAX, Version, Will,
};
use std::num::{NonZeroU16, NonZeroU32};

/// A packet with all that it borrows.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) version: Version,
    pub(crate) from: Side,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Connect {
        clean_start: bool,
        keep_alive: u16,
        properties: PropertyList,
        client_id: String,
        will: Option<OwnedWill>,
        user_name: Option<String>,
        password: Option<Vec<u8>>,
    },
    Connack(bool, ConnackReason, PropertyList),
    Publish {
        dup: bool,
        qos: PublishQos,
        retain: bool,
        topic: Option<String>,
        properties: PropertyList,
        payload: Vec<u8>,
    },
    Puback(PacketId, PublishReason, PropertyList),
    Pubrec(PacketId, PublishReason, PropertyList),
    Pubrel(PacketId, ReleaseReason, PropertyList),
    Pubcomp(PacketId, ReleaseReason, PropertyList),
    Subscribe(PacketId, PropertyList, SubscriptionList),
    Suback(PacketId, PropertyList, Vec<u8>),
    Unsubscribe(PacketId, PropertyList, FilterList),
    Unsuback(PacketId, PropertyList, Vec<u8>),
    Pingreq,
    Pingresp,
    Disconnect(DisconnectReason, PropertyList),
    Auth(AuthReason, PropertyList),
}

#[derive(Clone, Debug)]
struct OwnedWill {
    qos: Qos,
    retain: bool,
    properties: PropertyList,
    topic: String,
    payload: Vec<u8>,
}

fn text(text: &str) -> Text<'_> {
    Text::new(text).unwrap()
}

fn name(name: &str) -> TopicName<'_> {
    TopicName::new(text(name)).unwrap()
}

fn binary(bytes: &[u8]) -> Binary<'_> {
    Binary::new(bytes).unwrap()
}

impl Owned {
    pub(crate) fn packet(&self) -> Packet<'_> {
        if let Kind::Connect {
            clean_start,
            keep_alive,
            properties,
            client_id,
            will,
            user_name,
            password,
        } = &self.kind
        {
            return Packet::Connect(Connect {
                version: self.version,
                clean_start: *clean_start,
                keep_alive: *keep_alive,
                properties: properties.as_properties(),
                client_id: text(client_id),
                will: will.as_ref().map(|will| Will {
                    qos: will.qos,
                    retain: will.retain,
                    properties: will.properties.as_properties(),
                    topic: name(&will.topic),
                    payload: binary(&will.payload),
                }),
                user_name: user_name.as_deref().map(text),
                password: password.as_deref().map(|it| Secret(binary(it))),
            });
        }
        if let Kind::Publish {
            dup,
            qos,
            retain,
            topic,
            properties,
            payload,
        } = &self.kind
        {
            return Packet::Publish(Publish {
                dup: *dup,
                qos: *qos,
                retain: *retain,
                topic: topic.as_deref().map(name),
                properties: properties.as_properties(),
                payload,
            });
        }
        self.answer()
    }

    fn answer(&self) -> Packet<'_> {
        match &self.kind {
            Kind::Connect { .. } | Kind::Publish { .. } => panic!("it is no answer"),
            Kind::Connack(session_present, reason, properties) => Packet::Connack(Connack {
                session_present: *session_present,
                reason: *reason,
                properties: properties.as_properties(),
            }),
            Kind::Puback(id, reason, properties) => Packet::Puback(ack(*id, *reason, properties)),
            Kind::Pubrec(id, reason, properties) => Packet::Pubrec(ack(*id, *reason, properties)),
            Kind::Pubrel(id, reason, properties) => Packet::Pubrel(ack(*id, *reason, properties)),
            Kind::Pubcomp(id, reason, properties) => Packet::Pubcomp(ack(*id, *reason, properties)),
            Kind::Subscribe(id, properties, subscriptions) => Packet::Subscribe(Subscribe {
                packet_id: *id,
                properties: properties.as_properties(),
                subscriptions: subscriptions.as_subscriptions(),
            }),
            Kind::Suback(id, properties, codes) => Packet::Suback(Suback {
                packet_id: *id,
                properties: properties.as_properties(),
                reasons: Reasons::new(codes).unwrap(),
            }),
            Kind::Unsubscribe(id, properties, filters) => Packet::Unsubscribe(Unsubscribe {
                packet_id: *id,
                properties: properties.as_properties(),
                filters: filters.as_filters(),
            }),
            Kind::Unsuback(id, properties, codes) => Packet::Unsuback(Unsuback {
                packet_id: *id,
                properties: properties.as_properties(),
                reasons: Reasons::new(codes).unwrap(),
            }),
            Kind::Pingreq => Packet::Pingreq,
            Kind::Pingresp => Packet::Pingresp,
            Kind::Disconnect(reason, properties) => Packet::Disconnect(Disconnect {
                reason: *reason,
                properties: properties.as_properties(),
            }),
            Kind::Auth(reason, properties) => Packet::Auth(Auth {
                reason: *reason,
                properties: properties.as_properties(),
            }),
        }
    }
}

fn ack<R>(packet_id: PacketId, reason: R, properties: &PropertyList) -> Ack<'_, R> {
    Ack {
        packet_id,
        reason,
        properties: properties.as_properties(),
    }
}

pub(crate) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,8}", "[^\0]{0,20}", "[^\0]{120,200}"]
}

fn any_name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{1,3}(/[a-z]{0,3}){0,4}", "[^\0+#]{1,20}"]
}

fn any_filter() -> impl Strategy<Value = String> {
    let filter = || "([a-z]{1,3}|\\+)(/([a-z]{0,3}|\\+)){0,3}(/#)?";
    prop_oneof![
        filter(),
        filter().prop_map(|filter| format!("$share/group/{filter}")),
        Just("#".to_owned()),
    ]
}

fn any_qos() -> impl Strategy<Value = Qos> {
    select(vec![Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce])
}

fn any_id() -> impl Strategy<Value = PacketId> {
    any::<NonZeroU16>().prop_map(PacketId)
}

/// Strings and numbers, for one property of any kind.
type Parts = (PropertyKind, String, String, u32);

fn any_parts() -> impl Strategy<Value = Vec<Parts>> {
    let number = prop_oneof![1..4_u32, any::<u32>()];
    let kind = select(PropertyKind::ALL.to_vec());
    vec((kind, any_text(), any_name(), number), 0..8)
}

fn push(list: &mut PropertyList, (kind, value, topic, number): &Parts) {
    use PropertyKind as Kind;
    let flag = number % 2 == 1;
    let short = u16::try_from(number % 65_536).unwrap();
    let nonzero = NonZeroU16::new(short).unwrap_or(NonZeroU16::MAX);
    list.push(match kind {
        Kind::PayloadFormatIndicator if flag => {
            Property::PayloadFormatIndicator(PayloadFormat::Text)
        }
        Kind::PayloadFormatIndicator => Property::PayloadFormatIndicator(PayloadFormat::Bytes),
        Kind::MessageExpiryInterval => Property::MessageExpiryInterval(*number),
        Kind::ContentType => Property::ContentType(text(value)),
        Kind::ResponseTopic => Property::ResponseTopic(name(topic)),
        Kind::CorrelationData => Property::CorrelationData(binary(value.as_bytes())),
        Kind::SubscriptionIdentifier => Property::SubscriptionIdentifier(
            SubscriptionIdentifier::new(1 + number % VARIABLE_INT_MAX).unwrap(),
        ),
        Kind::SessionExpiryInterval => Property::SessionExpiryInterval(*number),
        Kind::AssignedClientIdentifier => Property::AssignedClientIdentifier(text(value)),
        Kind::ServerKeepAlive => Property::ServerKeepAlive(short),
        Kind::AuthenticationMethod => Property::AuthenticationMethod(text(value)),
        Kind::AuthenticationData => Property::AuthenticationData(Secret(binary(value.as_bytes()))),
        Kind::RequestProblemInformation => Property::RequestProblemInformation(flag),
        Kind::WillDelayInterval => Property::WillDelayInterval(*number),
        Kind::RequestResponseInformation => Property::RequestResponseInformation(flag),
        Kind::ResponseInformation => Property::ResponseInformation(text(value)),
        Kind::ServerReference => Property::ServerReference(text(value)),
        Kind::ReasonString => Property::ReasonString(text(value)),
        Kind::ReceiveMaximum => Property::ReceiveMaximum(nonzero),
        Kind::TopicAliasMaximum => Property::TopicAliasMaximum(short),
        Kind::TopicAlias => Property::TopicAlias(nonzero),
        Kind::MaximumQos if flag => Property::MaximumQos(Qos::AtLeastOnce),
        Kind::MaximumQos => Property::MaximumQos(Qos::AtMostOnce),
        Kind::RetainAvailable => Property::RetainAvailable(flag),
        Kind::UserProperty => Property::UserProperty(text(topic), text(value)),
        Kind::MaximumPacketSize => {
            Property::MaximumPacketSize(NonZeroU32::new(*number).unwrap_or(NonZeroU32::MAX))
        }
        Kind::WildcardSubscriptionAvailable => Property::WildcardSubscriptionAvailable(flag),
        Kind::SubscriptionIdentifierAvailable => Property::SubscriptionIdentifierAvailable(flag),
        Kind::SharedSubscriptionAvailable => Property::SharedSubscriptionAvailable(flag),
    });
}

/// Those of the parts that that side may send there in that version.
fn list(version: Version, from: Side, place: Place, parts: &[Parts]) -> PropertyList {
    let mut list = PropertyList::new();
    if version != Version::V5 {
        return list;
    }
    let mut there: Vec<PropertyKind> = Vec::new();
    let method = PropertyKind::AuthenticationMethod;
    if place == Place::Auth {
        list.push(Property::AuthenticationMethod(text("method")));
        there.push(method);
    }
    for part in parts {
        let kind = part.0;
        let is_new = kind.may_repeat_in(place) || !there.contains(&kind);
        let is_alone = kind == PropertyKind::AuthenticationData && !there.contains(&method);
        if kind.may_stand_in(place) && kind.may_come_from(from, place) && is_new && !is_alone {
            push(&mut list, part);
            there.push(kind);
        }
    }
    list
}

/// Makes a list of properties for a place.
type Lists = dyn Fn(Place) -> PropertyList;

fn lists(version: Version, from: Side, parts: Vec<Parts>) -> Box<Lists> {
    Box::new(move |place| list(version, from, place, &parts))
}

fn any_connect(version: Version) -> impl Strategy<Value = Kind> {
    let will = (
        any_qos(),
        any::<bool>(),
        any_parts(),
        any_name(),
        vec(any::<u8>(), 0..20),
    );
    (
        any::<bool>(),
        any::<u16>(),
        any_parts(),
        any_text(),
        option::of(will),
        option::of(any_text()),
        option::of(vec(any::<u8>(), 0..20)),
    )
        .prop_map(
            move |(clean_start, keep_alive, parts, id, will, user_name, password)| {
                let is_v5 = version == Version::V5;
                let will = will.map(|(qos, retain, parts, topic, payload)| OwnedWill {
                    qos,
                    retain,
                    properties: list(version, Side::Client, Place::Will, &parts),
                    topic,
                    payload,
                });
                Kind::Connect {
                    clean_start,
                    keep_alive,
                    properties: list(version, Side::Client, Place::Connect, &parts),
                    client_id: if id.is_empty() && !is_v5 {
                        "id".to_owned()
                    } else {
                        id
                    },
                    will,
                    password: password.filter(|_| is_v5 || user_name.is_some()),
                    user_name,
                }
            },
        )
}

fn any_publish(version: Version, from: Side) -> impl Strategy<Value = Kind> {
    let payload = prop_oneof![4 => vec(any::<u8>(), 0..50), 1 => vec(any::<u8>(), 100..300)];
    let qos = (any_qos(), any_id());
    (any::<[bool; 3]>(), qos, any_name(), any_parts(), payload).prop_map(
        move |([dup, retain, by_alias], (qos, id), topic, parts, payload)| {
            let qos = match qos {
                Qos::AtMostOnce => PublishQos::AtMostOnce,
                Qos::AtLeastOnce => PublishQos::AtLeastOnce(id),
                Qos::ExactlyOnce => PublishQos::ExactlyOnce(id),
            };
            let properties = list(version, from, Place::Publish, &parts);
            let has_alias = properties.as_properties().topic_alias().is_some();
            Kind::Publish {
                dup: dup && qos != PublishQos::AtMostOnce,
                qos,
                retain,
                topic: (!by_alias || !has_alias).then_some(topic),
                properties,
                payload,
            }
        },
    )
}

fn any_subscribe(version: Version) -> impl Strategy<Value = Kind> {
    let handling = select(vec![
        RetainHandling::Send,
        RetainHandling::SendIfNew,
        RetainHandling::DoNotSend,
    ]);
    let subscription = (any_filter(), any_qos(), any::<[bool; 2]>(), handling);
    (any_id(), any_parts(), vec(subscription, 1..5)).prop_map(move |(id, parts, subscriptions)| {
        let mut asked = SubscriptionList::new();
        for (filter, qos, [no_local, retain_as_published], retain_handling) in &subscriptions {
            let filter = TopicFilter::new(text(filter)).unwrap();
            let options = match version {
                Version::V31 | Version::V311 => SubscriptionOptions {
                    qos: *qos,
                    ..SubscriptionOptions::default()
                },
                Version::V5 => SubscriptionOptions {
                    qos: *qos,
                    no_local: *no_local && filter.shared().is_none(),
                    retain_as_published: *retain_as_published,
                    retain_handling: *retain_handling,
                },
            };
            asked.push(Subscription { filter, options });
        }
        let properties = list(version, Side::Client, Place::Subscribe, &parts);
        Kind::Subscribe(id, properties, asked)
    })
}

fn any_unsubscribe(version: Version) -> impl Strategy<Value = Kind> {
    (any_id(), any_parts(), vec(any_filter(), 1..5)).prop_map(move |(id, parts, filters)| {
        let mut asked = FilterList::new();
        for filter in &filters {
            asked.push(TopicFilter::new(text(filter)).unwrap());
        }
        let properties = list(version, Side::Client, Place::Unsubscribe, &parts);
        Kind::Unsubscribe(id, properties, asked)
    })
}

/// What is without fields of its own but a reason.
fn any_answer(version: Version, from: Side) -> impl Strategy<Value = Kind> {
    let is_v5 = version == Version::V5;
    let index = any::<proptest::sample::Index>;
    (any_id(), any_parts(), index(), vec(index(), 1..5), 0..11_u8).prop_map(
        move |(id, parts, index, indexes, which)| {
            let lists = lists(version, from, parts);
            let publish = if is_v5 {
                *index.get(PublishReason::ALL)
            } else {
                PublishReason::Success
            };
            let release = if is_v5 {
                *index.get(ReleaseReason::ALL)
            } else {
                ReleaseReason::Success
            };
            match which {
                0 => Kind::Puback(id, publish, lists(Place::Puback)),
                1 => Kind::Pubrec(id, publish, lists(Place::Pubrec)),
                2 => Kind::Pubrel(id, release, lists(Place::Pubrel)),
                3 => Kind::Pubcomp(id, release, lists(Place::Pubcomp)),
                4 if is_v5 => {
                    Kind::Disconnect(*index.get(DisconnectReason::ALL), lists(Place::Disconnect))
                }
                5 if is_v5 => Kind::Auth(AuthReason::ContinueAuthentication, lists(Place::Auth)),
                6 if is_v5 && from == Side::Server => {
                    Kind::Auth(AuthReason::Success, lists(Place::Auth))
                }
                6 if is_v5 => Kind::Auth(AuthReason::ReAuthenticate, lists(Place::Auth)),
                _ if from == Side::Server => {
                    of_server(version, which, id, &lists, &index, &indexes)
                }
                7 => Kind::Disconnect(DisconnectReason::NormalDisconnection, PropertyList::new()),
                _ => Kind::Pingreq,
            }
        },
    )
}

fn of_server(
    version: Version,
    which: u8,
    id: PacketId,
    lists: &Lists,
    index: &proptest::sample::Index,
    indexes: &[proptest::sample::Index],
) -> Kind {
    let is_v5 = version == Version::V5;
    match which {
        7 => {
            let reasons = ConnackReason::ALL.iter().filter(|reason| {
                is_v5
                    || reason
                        .return_code()
                        .and_then(ConnackReason::from_return_code)
                        == Some(**reason)
            });
            let reasons: Vec<_> = reasons.copied().collect();
            let reason = *index.get(&reasons);
            let session = id.get() % 2 == 1 && reason == ConnackReason::Success;
            Kind::Connack(
                session && version != Version::V31,
                reason,
                lists(Place::Connack),
            )
        }
        8 => Kind::Pingresp,
        9 => {
            let reasons = SubscribeReason::ALL.iter();
            let reasons = reasons.filter(|it| is_v5 || it.code() == it.return_code());
            let codes: Vec<u8> = reasons.map(|it| it.code()).collect();
            let codes = indexes.iter().map(|index| *index.get(&codes)).collect();
            Kind::Suback(id, lists(Place::Suback), codes)
        }
        _ => {
            let codes = indexes
                .iter()
                .map(|index| index.get(UnsubscribeReason::ALL).code());
            let codes = if is_v5 { codes.collect() } else { Vec::new() };
            Kind::Unsuback(id, lists(Place::Unsuback), codes)
        }
    }
}

/// Any packet that that side may send on an open connection.
pub(crate) fn any_packet_of(version: Version, from: Side) -> impl Strategy<Value = Owned> {
    let common = prop_oneof![any_publish(version, from), any_answer(version, from)];
    let kind = match from {
        Side::Client => prop_oneof![
            2 => common,
            1 => any_subscribe(version),
            1 => any_unsubscribe(version),
        ]
        .boxed(),
        Side::Server => common.boxed(),
    };
    kind.prop_map(move |kind| Owned {
        version,
        from,
        kind,
    })
}

/// Any version and any side.
pub(crate) fn any_rules() -> impl Strategy<Value = (Version, Side)> {
    let version = select(Version::ALL.to_vec());
    (version, select(vec![Side::Client, Side::Server]))
}

pub(crate) fn any_connect_packet() -> impl Strategy<Value = Owned> {
    select(Version::ALL.to_vec()).prop_flat_map(|version| {
        any_connect(version).prop_map(move |kind| Owned {
            version,
            from: Side::Client,
            kind,
        })
    })
}
