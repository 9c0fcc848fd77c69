//! Every request: the command that it becomes, and what is said of the answer.

use crate::scripted_broker::Driven;
use broker_api::{
    Bind, BindTo, ListedExchange, ListedQueue, ListedUser, QueueStatus, Refusal, Reply,
};
use model::{
    Arguments, BindingKey, DeadLetter, Durability, ExchangeDefinition, ExchangeKind, ExchangeName,
    Lifetime, QueueDefinition, QueueName, ShardId, Value,
};

fn queue(name: &str) -> QueueName {
    QueueName::new(name.as_bytes()).unwrap()
}

fn status(name: &str) -> QueueStatus {
    QueueStatus {
        name: queue(name),
        ready_count: 3,
        unsettled_count: 2,
        bytes: 1000,
        subscription_count: 1,
    }
}

/// Sends one request; expects the command with all of these parts, and this line.
fn check(line: &str, done: Result<Reply, Refusal>, command: &[&str], answer: &str) {
    let mut driven = Driven::new();
    driven.answers = vec![done];
    driven.feed(line.as_bytes());
    driven.feed(b"\n");
    assert_eq!(driven.wire, format!("{answer}\n"), "{line}");
    assert_eq!(driven.log.len(), 2, "{line}: {:?}", driven.log);
    assert_eq!(
        driven.log[0],
        "Connect(Connect { login: None, vhost: [], identity: None })"
    );
    for part in command {
        assert!(
            driven.log[1].contains(part),
            "{line}: {part} in {}",
            driven.log[1]
        );
    }
}

#[test]
fn exchanges_are_declared_and_deleted() {
    let nothing = || Ok(Reply::Nothing);
    check(
        r#"{"command":"declare_exchange","name":"orders","definition":{"type":"topic"}}"#,
        nothing(),
        &[
            "DeclareExchange(",
            "name: \"orders\"",
            "kind: Topic, alternate: None, access: Public",
            "durability: Durable, lifetime: Permanent, if_missing: Create",
        ],
        r#"{"ok":{}}"#,
    );
    check(
        r#"{"command":"declare_exchange","name":"x","definition":{"type":"consistent-hash",
            "durable":false,"auto_delete":true,"internal":true,"alternate_exchange":"lost",
            "hash_property":"message_id"}}"#
            .replace('\n', " ")
            .as_str(),
        nothing(),
        &[
            "ConsistentHash(Property(MessageId)), alternate: Some(\"lost\"), access: Internal",
            "durability: Transient, lifetime: UntilUnused",
        ],
        r#"{"ok":{}}"#,
    );
    check(
        r#"{"command":"delete_exchange","name":"x","if_unused":true}"#,
        Err(Refusal::ExchangeInUse(ExchangeName::known(b"x"))),
        &[
            "DeleteExchange(",
            "name: \"x\"",
            "unused: true, empty: false",
        ],
        r#"{"error":"the exchange 'x' is in use"}"#,
    );
}

#[test]
fn queues_are_declared_deleted_and_purged() {
    check(
        r#"{"command":"declare_queue","name":"q"}"#,
        Ok(Reply::Queue(Box::new(status("q")))),
        &[
            "DeclareQueue(",
            "name: Some(\"q\")",
            "if_exists: MustEqual, if_missing: Create",
        ],
        r#"{"ok":{"name":"q","ready_count":3,"unsettled_count":2,"bytes":1000,"subscription_count":1}}"#,
    );
    check(
        r#"{"name":"q","definition":{"dead_letter_exchange":"dlx"},"command":"declare_queue"}"#,
        Err(Refusal::Inequivalent {
            what: "queue",
            name: "q".into(),
            field: "x-dead-letter-exchange",
        }),
        &["exchange: \"dlx\", key: None"],
        r#"{"error":"the queue 'q' is there with another 'x-dead-letter-exchange'"}"#,
    );
    check(
        r#"{"command":"delete_queue","name":{"hex":"ff00"},"if_empty":true}"#,
        Ok(Reply::Count(7)),
        &["DeleteQueue(", "\u{fffd}", "unused: false, empty: true"],
        r#"{"ok":{"message_count":7}}"#,
    );
    check(
        r#"{"command":"purge_queue","name":"q"}"#,
        Ok(Reply::Count(0)),
        &["PurgeQueue(\"q\")"],
        r#"{"ok":{"message_count":0}}"#,
    );
}

#[test]
fn bindings_are_made_and_taken_away() {
    check(
        r#"{"command":"declare_binding","source":"x","destination":"q","routing_key":"a.#"}"#,
        Ok(Reply::Nothing),
        &[
            "Bind(",
            "source: \"x\"",
            "Queue(\"q\")",
            "Exact([97, 46, 35])",
        ],
        r#"{"ok":{}}"#,
    );
    check(
        r#"{"command":"delete_binding","source":"x","destination":"y","destination_type":"exchange",
            "arguments":{"x-match":"any","n":-5,"b":true,"v":null,"f":2.5}}"#
            .replace('\n', " ")
            .as_str(),
        Ok(Reply::Nothing),
        &["Unbind(", "Exchange(\"y\")", "Integer(-5)", "Bool(true)", "Void", "Float("],
        r#"{"ok":{}}"#,
    );
}

#[test]
fn everything_is_listed() {
    let mut definition = QueueDefinition::DURABLE;
    definition.rules.length_max = Some(9);
    definition.rules.dead_letter = Some(DeadLetter {
        exchange: ExchangeName::default_exchange(),
        key: Some(b"dead".as_slice().into()),
    });
    check(
        r#"{"command":"list_queues"}"#,
        Ok(Reply::Queues(vec![ListedQueue {
            status: status("q"),
            definition,
            shard: ShardId(5),
        }])),
        &["List(Queues)"],
        concat!(
            r#"{"ok":[{"name":"q","ready_count":3,"unsettled_count":2,"bytes":1000,"#,
            r#""subscription_count":1,"definition":{"durable":true,"auto_delete":false,"#,
            r#""max_length":9,"overflow":"drop-head","dead_letter_exchange":"","#,
            r#""dead_letter_routing_key":"dead","single_active_consumer":false},"shard":5}]}"#,
        ),
    );
    check(
        r#"{"command":"list_exchanges"}"#,
        Ok(Reply::Exchanges(vec![ListedExchange {
            name: ExchangeName::default_exchange(),
            definition: ExchangeDefinition::new(ExchangeKind::Default),
            durability: Durability::Durable,
            lifetime: Lifetime::Permanent,
            binding_count: 0,
        }])),
        &["List(Exchanges)"],
        concat!(
            r#"{"ok":[{"name":"","definition":{"type":"default","durable":true,"#,
            r#""auto_delete":false,"internal":false,"delayed":false},"binding_count":0}]}"#,
        ),
    );
    check(
        r#"{"command":"list_bindings"}"#,
        Ok(Reply::Bindings(vec![Bind {
            source: ExchangeName::topic(),
            destination: BindTo::Queue(queue("q")),
            key: BindingKey::Pattern(model::Pattern::arrowed(b"a.>")),
            arguments: Arguments::from_iter([(b"n", Value::Integer(1))]),
        }])),
        &["List(Bindings)"],
        concat!(
            r#"{"ok":[{"source":"amq.topic","destination":"q","destination_type":"queue","#,
            r##""routing_key":"a.#","arguments":{"n":1}}]}"##,
        ),
    );
}

#[test]
fn users_are_put_deleted_and_listed() {
    check(
        r#"{"command":"put_user","name":"ada","credentials":"SCRAM-SHA-256$...","replace":true}"#,
        Ok(Reply::Nothing),
        &["PutUser { name: \"ada\", credentials: \"(hidden)\", replace: true }"],
        r#"{"ok":{}}"#,
    );
    check(
        r#"{"command":"put_user","name":"ada","credentials":"c"}"#,
        Err(Refusal::Invalid("there is a user 'ada'".to_owned())),
        &["replace: false"],
        r#"{"error":"there is a user 'ada'"}"#,
    );
    check(
        r#"{"command":"delete_user","name":"ada"}"#,
        Ok(Reply::Nothing),
        &["DeleteUser(\"ada\")"],
        r#"{"ok":{}}"#,
    );
    let user = ListedUser {
        name: "ada".into(),
        iterations: 4_096,
    };
    check(
        r#"{"command":"list_users"}"#,
        Ok(Reply::Users(vec![user])),
        &["List(Users)"],
        r#"{"ok":[{"name":"ada","iterations":4096}]}"#,
    );
}
