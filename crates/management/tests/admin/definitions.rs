//! What is listed can be declared again as it is.

use broker_api::{
    Bind, BindTo, Command, DeclareExchange, DeclareQueue, ListedExchange, ListedQueue, QueueStatus,
    Reply,
};
use management::{Answer, Request, binding, exchange, queue};
use model::{
    Access, Applied, Arguments, BindingKey, DeadLetter, Delays, Durability, ExchangeDefinition,
    ExchangeKind, ExchangeName, HashOn, Lifetime, Overflow, Ownership, Property, QueueDefinition,
    QueueKind, QueueName, QueueRules, Redelivery, ShardId, Value,
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn bytes(min: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), min..20),
        prop::collection::vec(b'a'..=b'z', min..20),
    ]
}

fn exchange_name() -> impl Strategy<Value = ExchangeName> {
    bytes(0).prop_map(|name| ExchangeName::new(&name).unwrap())
}

fn queue_name() -> impl Strategy<Value = QueueName> {
    bytes(1).prop_map(|name| QueueName::new(&name).unwrap())
}

fn durability() -> impl Strategy<Value = Durability> {
    prop_oneof![Just(Durability::Durable), Just(Durability::Transient)]
}

fn lifetime() -> impl Strategy<Value = Lifetime> {
    prop_oneof![Just(Lifetime::Permanent), Just(Lifetime::UntilUnused)]
}

fn kind() -> impl Strategy<Value = ExchangeKind> {
    use ExchangeKind as Kind;
    let property = prop::sample::select(vec![
        Property::ContentType,
        Property::MessageId,
        Property::Type,
        Property::GroupId,
    ]);
    prop_oneof![
        prop::sample::select(vec![
            Kind::Direct,
            Kind::Fanout,
            Kind::Topic,
            Kind::Headers,
            Kind::Random,
            Kind::ConsistentHash(HashOn::RoutingKey),
        ]),
        bytes(0).prop_map(|name| Kind::ConsistentHash(HashOn::Header(name.into()))),
        property.prop_map(|property| Kind::ConsistentHash(HashOn::Property(property))),
    ]
}

prop_compose! {
    fn exchange_definition()(
        kind in kind(),
        alternate in prop::option::of(exchange_name()),
        access in prop_oneof![Just(Access::Public), Just(Access::Internal)],
        delays in prop_oneof![Just(Delays::Ignored), Just(Delays::Granted)],
    ) -> ExchangeDefinition {
        ExchangeDefinition { kind, alternate, access, delays }
    }
}

prop_compose! {
    fn redelivery()(
        delay_ms: u64,
        multiplier_percent: u32,
        delay_ms_max: u64,
        jitter_percent in 0_u8..=100,
    ) -> Redelivery {
        Redelivery { delay_ms, multiplier_percent, delay_ms_max, jitter_percent }
    }
}

prop_compose! {
    fn rules()(
        (message_ttl_ms, length_max, bytes_max) in any::<(Option<u64>, Option<u64>, Option<u64>)>(),
        overflow in prop::sample::select(vec![
            None,
            Some(Overflow::DropHead),
            Some(Overflow::RejectPublish),
            Some(Overflow::RejectPublishDeadLetter),
        ]),
        dead_letter in prop::option::of((exchange_name(), prop::option::of(bytes(0)))),
        priority_max: u8,
        delivery_limit: Option<u32>,
        redelivery in prop::option::of(redelivery()),
        single_active: bool,
        last_value_header in prop::option::of(bytes(0)),
        settle_ms: Option<u64>,
    ) -> QueueRules {
        QueueRules {
            message_ttl_ms,
            length_max,
            bytes_max,
            overflow,
            dead_letter: dead_letter.map(|(exchange, key)| DeadLetter {
                exchange,
                key: key.map(Into::into),
            }),
            priority_max,
            delivery_limit,
            redelivery,
            single_active,
            last_value_header: last_value_header.map(Into::into),
            settle_ms,
        }
    }
}

fn argument() -> impl Strategy<Value = Value<'static>> {
    prop_oneof![
        Just(Value::Void),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|number| Value::Integer(number.into())),
        any::<u64>().prop_map(|number| Value::Integer(number.into())),
        any::<i32>().prop_map(|number| Value::float(f64::from(number) / 16.0)),
        bytes(0).prop_map(|text| Value::Text(text.into())),
        bytes(0).prop_map(|content| Value::Opaque(content.into())),
    ]
}

/// The only element of a list, as it is told.
fn told(reply: &Reply) -> Json {
    let text = serde_json::to_string(&Answer::from(reply)).unwrap();
    let mut list: Vec<Json> = serde_json::from_str(&text).unwrap();
    assert_eq!(list.len(), 1);
    list.remove(0)
}

fn command(request: &Json) -> Command {
    // Over text, as it travels.
    let request: Request = serde_json::from_str(&request.to_string()).unwrap();
    request.try_into().unwrap()
}

proptest! {
    #[test]
    fn a_queue_as_listed_is_the_same_queue(
        name in queue_name(),
        durability in durability(),
        lifetime in lifetime(),
        expires_ms: Option<u64>,
        kind in prop::sample::select(vec![None, Some(QueueKind::Classic), Some(QueueKind::Quorum)]),
        rules in rules(),
    ) {
        let definition = QueueDefinition {
            durability,
            ownership: Ownership::Shared,
            lifetime,
            expires_ms,
            kind,
            rules,
        };
        let status = QueueStatus {
            name: name.clone(),
            ready_count: 0,
            unsettled_count: 0,
            bytes: 0,
            subscription_count: 0,
        };
        let applied = Applied::default();
        let listed = ListedQueue { status, definition: definition.clone(), applied, shard: ShardId(1) };
        let mut told = told(&Reply::Queues(vec![listed]));
        prop_assert!(serde_json::from_value::<queue::Listed>(told.clone()).is_ok());
        let request = json!({
            "command": "declare_queue",
            "name": told["name"].take(),
            "definition": told["definition"].take(),
        });
        let Command::DeclareQueue(declared) = command(&request) else {
            panic!("another command")
        };
        let DeclareQueue { name: again, definition: same, .. } = *declared;
        prop_assert_eq!(again, Some(name));
        prop_assert_eq!(same, definition);
    }

    #[test]
    fn an_exchange_as_listed_is_the_same_exchange(
        name in exchange_name(),
        durability in durability(),
        lifetime in lifetime(),
        definition in exchange_definition(),
    ) {
        let listed = ListedExchange {
            name: name.clone(),
            definition: definition.clone(),
            durability,
            lifetime,
            applied: Applied::default(),
            binding_count: 0,
        };
        let mut told = told(&Reply::Exchanges(vec![listed]));
        prop_assert!(serde_json::from_value::<exchange::Listed>(told.clone()).is_ok());
        let request = json!({
            "command": "declare_exchange",
            "name": told["name"].take(),
            "definition": told["definition"].take(),
        });
        let Command::DeclareExchange(declared) = command(&request) else { panic!("another command") };
        let DeclareExchange {
            name: again,
            definition: same,
            durability: as_durable,
            lifetime: as_long,
            ..
        } = *declared;
        prop_assert_eq!(again, name);
        prop_assert_eq!((same, as_durable, as_long), (definition, durability, lifetime));
    }

    #[test]
    fn a_binding_as_listed_is_the_same_binding(
        source in exchange_name(),
        destination in prop_oneof![
            queue_name().prop_map(BindTo::Queue),
            exchange_name().prop_map(BindTo::Exchange),
        ],
        key in bytes(0),
        arguments in prop::collection::vec(("[a-z-]{0,9}", argument()), 0..4),
    ) {
        let bind = Bind {
            source,
            destination,
            key: BindingKey::Exact(key.into()),
            arguments: Arguments::from_iter(arguments),
        };
        let mut request = told(&Reply::Bindings(vec![bind.clone()]));
        prop_assert!(serde_json::from_value::<binding::Binding>(request.clone()).is_ok());
        request["command"] = "declare_binding".into();
        let Command::Bind(same) = command(&request) else { panic!("another command") };
        prop_assert_eq!(&*same, &bind);
        request["command"] = "delete_binding".into();
        let Command::Unbind(same) = command(&request) else { panic!("another command") };
        prop_assert_eq!(*same, bind);
    }
}
