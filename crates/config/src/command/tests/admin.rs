//! Commands to a running broker.

use super::{check_refused, run};
use crate::{AdminInvocation, Invocation, Output};
use std::path::PathBuf;

fn admin(args: &str, env: &[&str], file: &str) -> AdminInvocation {
    match run(args, env, file) {
        Ok(Invocation::Admin(admin)) => admin,
        other => panic!("no command but {other:?}"),
    }
}

/// Expects that the command line asks for this.
fn check(args: &str, request: &str) {
    let admin = admin(args, &[], "");
    let expected: serde_json::Value = serde_json::from_str(request).unwrap();
    assert_eq!(serde_json::Value::from(admin.request), expected, "{args}");
    assert_eq!(admin.output, Output::Table);
}

#[test]
fn commands_become_requests() {
    check(
        "exchange declare orders --type topic",
        r#"{"command":"declare_exchange","name":"orders","definition":{"type":"topic"}}"#,
    );
    check(
        "exchange declare x --type consistent-hash --transient --auto-delete --internal --delayed \
         --alternate-exchange lost --hash-property message_id",
        r#"{"command":"declare_exchange","name":"x","definition":{"type":"consistent-hash",
            "durable":false,"auto_delete":true,"internal":true,"delayed":true,"alternate_exchange":"lost",
            "hash_property":"message_id"}}"#,
    );
    check(
        "exchange delete orders --if-unused",
        r#"{"command":"delete_exchange","name":"orders","if_unused":true}"#,
    );
    check("exchange list", r#"{"command":"list_exchanges"}"#);
    check(
        "queue declare q",
        r#"{"command":"declare_queue","name":"q"}"#,
    );
    check(
        "queue declare q --transient --auto-delete --message-ttl 1 --expires 2 --max-length 3 \
         --max-length-bytes 4 --overflow reject-publish-dlx --dead-letter-exchange x \
         --dead-letter-routing-key -k --max-priority 255 --delivery-limit 5 --redelivery-delay 6 \
         --redelivery-multiplier-percent 200 --redelivery-delay-max 7 \
         --redelivery-jitter-percent 100 --single-active-consumer --last-value-key about \
         --consumer-timeout 8",
        r#"{"command":"declare_queue","name":"q","definition":{"durable":false,
            "auto_delete":true,"message_ttl_ms":1,"expires_ms":2,"max_length":3,
            "max_length_bytes":4,"overflow":"reject-publish-dlx","dead_letter_exchange":"x",
            "dead_letter_routing_key":"-k","max_priority":255,"delivery_limit":5,
            "redelivery_delay_ms":6,"redelivery_multiplier_percent":200,
            "redelivery_delay_max_ms":7,"redelivery_jitter_percent":100,
            "single_active_consumer":true,"last_value_key":"about",
            "consumer_timeout_ms":8}}"#,
    );
    check(
        "queue delete q --if-unused --if-empty",
        r#"{"command":"delete_queue","name":"q","if_unused":true,"if_empty":true}"#,
    );
    check("queue purge q", r#"{"command":"purge_queue","name":"q"}"#);
    check(
        "binding declare x q --key a.#",
        r##"{"command":"declare_binding","source":"x","destination":"q","routing_key":"a.#"}"##,
    );
    check(
        "binding delete x y --to exchange --argument x-match=any --argument n=-5 \
         --argument big=18446744073709551615 --argument b=true --argument e= --argument f=a=b",
        r#"{"command":"delete_binding","source":"x","destination":"y",
            "destination_type":"exchange","arguments":{"x-match":"any","n":-5,
            "big":18446744073709551615,"b":true,"e":"","f":"a=b"}}"#,
    );
    check(
        "user add ada --iterations 5000 --replace",
        r#"{"command":"put_user","name":"ada","iterations":5000,"replace":true}"#,
    );
    check(
        "user delete ada",
        r#"{"command":"delete_user","name":"ada"}"#,
    );
}

#[test]
fn the_users_are_found_as_the_broker_finds_them() {
    let file = "data_dir = \"by-file\"\n[auth]\nusers_file = \"who.json\"";
    let users_file = |args: &str, env: &[&str]| admin(args, env, file).users_file;
    let rows = [
        ("user list", &[][..], "./barid-data/users.json"),
        ("user list --config barid.toml", &[], "by-file/who.json"),
        ("user list", &["BARID_AUTH_USERS_FILE=/u"], "/u"),
        ("user list --data-dir d", &[], "d/users.json"),
    ];
    for (args, env, expected) in rows {
        assert_eq!(users_file(args, env), PathBuf::from(expected), "{args}");
    }
}

#[test]
fn a_list_may_be_json() {
    for (noun, command) in [
        ("exchange", "list_exchanges"),
        ("queue", "list_queues"),
        ("binding", "list_bindings"),
        ("user", "list_users"),
    ] {
        let admin = admin(&format!("{noun} list --json"), &[], "");
        assert_eq!(admin.request["command"], command);
        assert_eq!(admin.output, Output::Json);
    }
    check_refused("queue purge q --json", &[], "", &["--json"]);
}

#[test]
fn the_broker_is_found_as_it_finds_its_folder() {
    let file = "data_dir = \"by-file\"";
    let data_dir = |args: &str, env: &[&str]| admin(args, env, file).data_dir;
    let rows = [
        ("queue list", &[][..], "./barid-data"),
        ("queue list --config barid.toml", &[], "by-file"),
        ("queue list", &["BARID_CONFIG=barid.toml"], "by-file"),
        ("queue list", &["BARID_DATA_DIR=by-env"], "by-env"),
        (
            "queue list --data-dir by-flag",
            &["BARID_DATA_DIR=by-env"],
            "by-flag",
        ),
    ];
    for (args, env, expected) in rows {
        assert_eq!(data_dir(args, env), PathBuf::from(expected), "{args}");
    }
    check_refused("queue list --data-dir=", &[], "", &["data_dir"]);
}

#[test]
fn a_command_that_makes_no_sense_is_refused() {
    check_refused("exchange declare x", &[], "", &["--type"]);
    check_refused(
        "exchange declare x --type tropic",
        &[],
        "",
        &["tropic", "topic", "consistent-hash"],
    );
    check_refused("queue declare", &[], "", &["<NAME>"]);
    check_refused(
        "queue declare q --max-priority 256",
        &[],
        "",
        &["256", "255"],
    );
    check_refused("queue declare q --message-ttl 1s", &[], "", &["1s"]);
    check_refused("queue declare q --ttl 1", &[], "", &["--ttl"]);
    check_refused("queue declare q --stomp off", &[], "", &["--stomp"]);
    check_refused("queue destroy q", &[], "", &["destroy"]);
    check_refused("queues list", &[], "", &["queues", "queue"]);
    check_refused(
        "binding declare x q --to topic",
        &[],
        "",
        &["topic", "exchange"],
    );
    check_refused(
        "binding declare x q --argument n",
        &[],
        "",
        &["'n' is not NAME=VALUE"],
    );
    check_refused(
        "binding declare x q --argument n=1 --argument n=2",
        &[],
        "",
        &["gives 'n' twice"],
    );
}

#[test]
fn help_explains_every_argument() {
    use crate::admin::{help_parts, words};
    for words in words() {
        let Ok(Invocation::Print(help)) = run(&format!("{words} --help"), &[], "") else {
            panic!("no help for {words}")
        };
        let help: String = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in help_parts(&words) {
            assert!(help.contains(&part), "{part} is not in the help of {words}");
        }
        assert!(help.contains("--data-dir <DIR>"), "{words}: {help}");
    }
    let Ok(Invocation::Print(help)) = run("--help", &[], "") else {
        panic!("no help")
    };
    for noun in ["serve", "exchange", "queue", "binding", "user"] {
        assert!(help.contains(&format!("\n  {noun}")), "{noun}: {help}");
    }
}
