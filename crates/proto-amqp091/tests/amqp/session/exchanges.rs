//! `exchange.declare`, `delete`, `bind`, `unbind`.

use super::{Driven, short};
use broker_api::Refusal;
use model::ExchangeName;
use proto_amqp091::{FieldValue, Method, Table, TableBuf, exchange};

fn declare<'a>(name: &'a str, kind: &'a str, arguments: Table<'a>) -> exchange::Declare<'a> {
    exchange::Declare {
        exchange: short(name),
        r#type: short(kind),
        passive: false,
        durable: false,
        auto_delete: false,
        internal: false,
        no_wait: false,
        arguments,
    }
}

/// What a declaration is answered by, and what it asks of the broker.
fn declared(declare: exchange::Declare<'_>) -> (String, String) {
    let mut driven = Driven::with_channel();
    let answers = driven.send(1, &Method::ExchangeDeclare(declare));
    (answers.join(" "), driven.take_log().join(" "))
}

const DECLARE_OK: &str = "1 ExchangeDeclareOk(DeclareOk)";

#[test]
fn are_declared() {
    let (answer, log) = declared(exchange::Declare {
        durable: true,
        ..declare("x", "topic", Table::EMPTY)
    });
    assert_eq!(answer, DECLARE_OK);
    let expected = "1 DeclareExchange(DeclareExchange { name: \"x\", definition: ExchangeDefinition \
                    { kind: Topic, alternate: None, access: Public, delays: Ignored }, durability: \
                    Durable, lifetime: Permanent, if_missing: Create })";
    assert_eq!(log, expected);
    let mut arguments = TableBuf::new();
    let alternate = FieldValue::LongString(b"other");
    arguments.push(short("alternate-exchange"), &alternate);
    let (_, log) = declared(exchange::Declare {
        auto_delete: true,
        internal: true,
        ..declare("x", "fanout", arguments.as_table().unwrap())
    });
    let expected = "{ kind: Fanout, alternate: Some(\"other\"), access: Internal, delays: Ignored }, \
                    durability: Transient, lifetime: UntilUnused, if_missing: Create })";
    assert!(log.ends_with(expected), "{log}");
    let (answer, log) = declared(exchange::Declare {
        passive: true,
        ..declare("x", "whatever", Table::EMPTY)
    });
    assert_eq!(answer, DECLARE_OK);
    assert!(log.ends_with("if_missing: Refuse })"), "{log}");
    let (answer, _) = declared(exchange::Declare {
        no_wait: true,
        ..declare("x", "direct", Table::EMPTY)
    });
    assert_eq!(answer, "");
}

#[test]
fn have_a_type() {
    let check = |kind, arguments: &[(&str, &str)], expected: &str| {
        let mut table = TableBuf::new();
        for (name, text) in arguments {
            table.push(short(name), &FieldValue::LongString(text.as_bytes()));
        }
        let (answer, log) = declared(declare("x", kind, table.as_table().unwrap()));
        let found = format!("{answer} {log}");
        assert!(found.contains(expected), "{found}");
    };
    check("direct", &[], "kind: Direct,");
    check("headers", &[], "kind: Headers,");
    check("x-random", &[], "kind: Random,");
    check(
        "x-consistent-hash",
        &[],
        "kind: ConsistentHash(RoutingKey),",
    );
    let header = [("hash-header", "h")];
    check(
        "x-consistent-hash",
        &header,
        "kind: ConsistentHash(Header([104])),",
    );
    let property = [("hash-property", "message_id")];
    let expected = "kind: ConsistentHash(Property(MessageId)),";
    check("x-consistent-hash", &property, expected);
    let wrong = [("hash-property", "app_id")];
    check(
        "x-consistent-hash",
        &wrong,
        "1 ChannelClose(Close { reply_code: 406",
    );
    let both = [("hash-property", "message_id"), ("hash-header", "h")];
    check(
        "x-consistent-hash",
        &both,
        "1 ChannelClose(Close { reply_code: 406",
    );
    let expected = "0 ConnectionClose(Close { reply_code: 503, reply_text: \"COMMAND_INVALID - unknown \
                    exchange type 'nosuch'\", class_id: 40, method_id: 10 })";
    check("nosuch", &[], expected);
}

#[test]
fn some_delay_and_then_are_of_another_type() {
    let check = |arguments: &[(&str, FieldValue<'_>)], expected: &str| {
        let mut table = TableBuf::new();
        for (name, value) in arguments {
            table.push(short(name), value);
        }
        let declare = declare("x", "x-delayed-message", table.as_table().unwrap());
        let (answer, log) = declared(declare);
        let found = format!("{answer} {log}");
        assert!(found.contains(expected), "{found}");
    };
    let typed = |kind: &'static str| ("x-delayed-type", FieldValue::LongString(kind.as_bytes()));
    let granted = "alternate: None, access: Public, delays: Granted }";
    for (kind, name) in [
        ("direct", "Direct"),
        ("topic", "Topic"),
        ("fanout", "Fanout"),
        ("headers", "Headers"),
        ("x-random", "Random"),
    ] {
        check(&[typed(kind)], &format!("kind: {name}, {granted}"));
    }
    let hashed = ("hash-header", FieldValue::LongString(b"h"));
    check(
        &[typed("x-consistent-hash"), hashed],
        &format!("kind: ConsistentHash(Header([104])), {granted}"),
    );
    let expected = "1 ChannelClose(Close { reply_code: 406, reply_text: \"PRECONDITION_FAILED - Invalid \
                    argument, 'x-delayed-type' must be an existing exchange type\"";
    check(&[], expected);
    check(&[typed("nosuch")], expected);
    check(&[typed("x-delayed-message")], expected);
    check(&[("x-delayed-type", FieldValue::SignedInt(1))], expected);
    let wrong = ("hash-property", FieldValue::LongString(b"app_id"));
    check(&[typed("x-consistent-hash"), wrong], "reply_code: 406");
}

#[test]
fn an_alternate_is_a_name() {
    let mut table = TableBuf::new();
    table.push(short("alternate-exchange"), &FieldValue::SignedInt(1));
    let (answer, log) = declared(declare("x", "direct", table.as_table().unwrap()));
    assert!(answer.contains("406") && log.is_empty(), "{answer}");
}

#[test]
fn the_default_one_is_not_touched() {
    let bind = |source, destination| {
        Method::ExchangeBind(exchange::Bind {
            destination: short(destination),
            source: short(source),
            routing_key: short(""),
            no_wait: false,
            arguments: Table::EMPTY,
        })
    };
    let delete = Method::ExchangeDelete(exchange::Delete {
        exchange: short(""),
        if_unused: false,
        no_wait: false,
    });
    let declare = Method::ExchangeDeclare(declare("", "direct", Table::EMPTY));
    for method in [declare, delete, bind("", "x"), bind("x", "")] {
        let mut driven = Driven::with_channel();
        let answers = driven.send(1, &method);
        let expected = "reply_code: 403, reply_text: \"ACCESS_REFUSED - operation not permitted on \
                        the default exchange\"";
        assert!(answers[0].contains(expected), "{answers:?}");
    }
}

#[test]
fn are_bound_and_deleted() {
    let mut driven = Driven::with_channel();
    let mut table = TableBuf::new();
    table.push(short("n"), &FieldValue::SignedShort(-5));
    table.push(short("d"), &FieldValue::Double(2.5));
    table.push(short("v"), &FieldValue::Void);
    let arguments = table.as_table().unwrap();
    let bind = exchange::Bind {
        destination: short("to"),
        source: short("from"),
        routing_key: short("a.#"),
        no_wait: false,
        arguments,
    };
    let answers = driven.send(1, &Method::ExchangeBind(bind));
    assert_eq!(answers, ["1 ExchangeBindOk(BindOk)"]);
    let log = driven.take_log().join(" ");
    for part in [
        "1 Bind(Bind { source: \"from\", destination: Exchange(\"to\"), key: Exact([97, 46, 35])",
        "Integer(-5)",
        "Float(Float(2.5))",
        "Void",
    ] {
        assert!(log.contains(part), "{log}");
    }
    let unbind = exchange::Unbind {
        destination: short("to"),
        source: short("from"),
        routing_key: short("a.#"),
        no_wait: true,
        arguments,
    };
    assert_eq!(driven.send(1, &Method::ExchangeUnbind(unbind)), [""; 0]);
    assert!(driven.take_log()[0].starts_with("1 Unbind("));
    let delete = exchange::Delete {
        exchange: short("to"),
        if_unused: true,
        no_wait: false,
    };
    let answers = driven.send(1, &Method::ExchangeDelete(delete));
    assert_eq!(answers, ["1 ExchangeDeleteOk(DeleteOk)"]);
    let expected = "1 DeleteExchange(DeleteExchange { name: \"to\", condition: DeleteIf { unused: \
                    true, empty: false } })";
    assert_eq!(driven.take_log(), [expected]);
}

#[test]
fn what_the_broker_refuses_closes_the_channel() {
    let check = |refusal: Refusal, expected: &str| {
        let mut driven = Driven::with_channel();
        driven.refusals = vec![("DeclareExchange", refusal)];
        let method = exchange::Declare {
            no_wait: true,
            ..declare("x", "direct", Table::EMPTY)
        };
        let answers = driven.send(1, &Method::ExchangeDeclare(method));
        assert!(answers[0].contains(expected), "{answers:?}");
    };
    let name = || ExchangeName::known(b"x");
    check(
        Refusal::Inequivalent {
            what: "exchange",
            name: "x".into(),
            field: "durable",
        },
        "1 ChannelClose(Close { reply_code: 406, reply_text: \"PRECONDITION_FAILED - inequivalent arg \
         'durable' for exchange 'x' in vhost '/'\", class_id: 40, method_id: 10 })",
    );
    check(
        Refusal::ExchangeNotFound(name()),
        "404, reply_text: \"NOT_FOUND - no exchange 'x' in vhost '/'\"",
    );
    check(
        Refusal::ExchangeInUse(name()),
        "406, reply_text: \"PRECONDITION_FAILED - exchange 'x' in vhost '/' in use\"",
    );
    let text = "no".to_owned();
    check(
        Refusal::AccessRefused(text),
        "403, reply_text: \"ACCESS_REFUSED - no\"",
    );
    check(
        Refusal::StoreFailed,
        "0 ConnectionClose(Close { reply_code: 541",
    );
}
