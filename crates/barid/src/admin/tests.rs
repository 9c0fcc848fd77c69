use super::*;
use config::Invocation;
use serde_json::json;
use std::ffi::OsString;

/// The request of a command line.
fn request(args: &str) -> Request {
    let args = ["barid"].into_iter().chain(args.split_whitespace());
    let invocation = config::parse(args.map(OsString::from), [], |_| {
        Err(std::io::ErrorKind::NotFound.into())
    });
    let Ok(Invocation::Admin(invocation)) = invocation else {
        panic!("no command but {invocation:?}")
    };
    serde_json::from_value(Value::Object(invocation.request)).unwrap()
}

#[test]
fn every_command_line_is_a_request_that_makes_sense() {
    let rows = [
        ("exchange declare x --type topic", "DeclareExchange("),
        (
            "exchange declare x --type consistent-hash --hash-property message_id --transient \
             --auto-delete --internal --alternate-exchange y",
            "ConsistentHash(Property(MessageId))",
        ),
        (
            "exchange declare x --type consistent-hash --hash-header h",
            "ConsistentHash(Header(",
        ),
        (
            "exchange declare x --type topic --delayed",
            "delays: Granted",
        ),
        ("exchange delete x --if-unused", "DeleteExchange("),
        ("exchange list", "List(Exchanges)"),
        ("queue declare q", "DeclareQueue("),
        (
            "queue declare q --transient --auto-delete --message-ttl 1 --expires 2 --max-length 3 \
             --max-length-bytes 4 --overflow reject-publish-dlx --dead-letter-exchange x \
             --dead-letter-routing-key k --max-priority 255 --delivery-limit 4294967295 \
             --redelivery-delay 6 --redelivery-multiplier-percent 4294967295 \
             --redelivery-delay-max 7 --redelivery-jitter-percent 100 --single-active-consumer \
             --last-value-key about",
            "delay_ms: 6, multiplier_percent: 4294967295, delay_ms_max: 7, jitter_percent: 100",
        ),
        (
            "queue delete q --if-unused --if-empty",
            "unused: true, empty: true",
        ),
        ("queue purge q", "PurgeQueue("),
        ("queue list --json", "List(Queues)"),
        (
            "binding declare x q --key k --to queue --argument n=1",
            "Bind(",
        ),
        ("binding delete x y --to exchange", "Unbind("),
        ("binding list", "List(Bindings)"),
        ("user delete ada", "DeleteUser(\"ada\")"),
        ("user list", "List(Users)"),
    ];
    for (args, part) in rows {
        let command = broker_api::Command::try_from(request(args)).unwrap();
        let text = format!("{command:?}");
        assert!(text.contains(part), "{args}: {text}");
    }
    for kind in ["direct", "fanout", "headers", "random"] {
        request(&format!("exchange declare x --type {kind}"));
    }
    for property in [
        "content_type",
        "content_encoding",
        "correlation_id",
        "reply_to",
    ]
    .into_iter()
    .chain([
        "timestamp",
        "type",
        "user_id",
        "app_id",
        "group_id",
        "destination",
    ]) {
        let args = format!("exchange declare x --type consistent-hash --hash-property {property}");
        request(&args);
    }
}

/// Expects that the answer to a command line is told so.
fn check(args: &str, answer: Value, text: &str) {
    assert_eq!(told(&request(args), answer).unwrap(), text, "{args}");
}

#[test]
fn answers_are_told_in_words() {
    check(
        "exchange declare x --type topic",
        json!({}),
        "exchange x declared",
    );
    check(
        "queue delete q",
        json!({"message_count": 1}),
        "queue q deleted, 1 message with it",
    );
    check(
        "queue purge q",
        json!({"message_count": 7}),
        "queue q purged of 7 messages",
    );
    check(
        "binding delete x y --to exchange",
        json!({}),
        "binding from x to exchange y deleted",
    );
    check("user delete ada", json!({}), "user ada deleted");
    assert!(told(&request("queue purge q"), json!({})).is_err());
}

#[test]
fn lists_are_told_as_tables() {
    check(
        "exchange list",
        json!([
            {"name": "", "definition": {"type": "default"}, "binding_count": 0},
            {"name": "orders", "binding_count": 12, "definition":
                {"type": "topic", "durable": false, "auto_delete": true, "alternate_exchange": "l"}},
        ]),
        "NAME       TYPE     BINDINGS  DEFINITION\n\
         (default)  default         0\n\
         orders     topic          12  alternate_exchange=l auto_delete transient\n",
    );
    check(
        "queue list",
        json!([{
            "name": "größe", "ready_count": 10, "unsettled_count": 0, "bytes": 1234,
            "subscription_count": 2, "shard": 7,
            "definition": {"message_ttl_ms": 60000, "dead_letter_exchange": "", "overflow": "drop-head"},
        }]),
        "NAME   READY  UNSETTLED  BYTES  SUBSCRIPTIONS  DEFINITION\n\
         größe     10          0   1234              2  dead_letter_exchange= message_ttl_ms=60000\n",
    );
    check(
        "user list",
        json!([{"name": "ada", "iterations": 4096}, {"name": "a\u{1b}", "iterations": 10000}]),
        "NAME     ITERATIONS\nada            4096\na\\u{1b}       10000\n",
    );
    check(
        "binding list",
        json!([{"source": "x", "destination": {"hex": "61ff"}, "destination_type": "queue",
            "routing_key": "a\u{1b}", "arguments": {"n": 1, "x-match": "any"}}]),
        "SOURCE  DESTINATION  TO     KEY      ARGUMENTS\n\
         x       a\\xff        queue  a\\u{1b}  n=1 x-match=any\n",
    );
}

#[test]
fn without_a_broker_the_user_is_told_what_to_do() {
    let invocation = AdminInvocation {
        data_dir: "/nowhere/at/all".into(),
        users_file: "/nowhere/at/all/users.json".into(),
        request: json!({"command": "list_queues"})
            .as_object()
            .unwrap()
            .clone(),
        output: Output::Table,
    };
    let error = format!("{:#}", run(invocation).unwrap_err());
    for part in ["/nowhere/at/all/admin.sock", "barid serve", "--data-dir"] {
        assert!(error.contains(part), "{part} in {error}");
    }
}
