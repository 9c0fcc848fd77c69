use super::*;
use crate::{Level, StoreCommand, WhenStalled, keys};
use std::time::Duration;

/// Runs `parse` on a command line, `NAME=value` variables and the text of `barid.toml`.
fn run(args: &str, env: &[&str], file: &str) -> Result<Invocation, Error> {
    let args = ["barid"].into_iter().chain(args.split_whitespace());
    let env = env.iter().map(|variable| {
        let (name, value) = variable.split_once('=').expect("NAME=value");
        (name.into(), value.into())
    });
    parse(args.map(OsString::from), env, |path| match path.to_str() {
        Some("barid.toml") => Ok(file.to_owned()),
        Some(_) | None => Err(io::ErrorKind::NotFound.into()),
    })
}

fn config(args: &str, env: &[&str], file: &str) -> Config {
    match run(args, env, file) {
        Ok(Invocation::Serve(config)) => *config,
        other => panic!("no settings but {other:?}"),
    }
}

/// Expects an error whose text has all of `parts`.
fn check_refused(args: &str, env: &[&str], file: &str, parts: &[&str]) {
    let error = run(args, env, file).expect_err("a refusal");
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}

#[test]
fn defaults_are_those_of_the_table() {
    let config = config("", &[], "");
    assert_eq!(config.data_dir, PathBuf::from("./barid-data"));
    assert_eq!(config.listen.stomp, "localhost:61613");
    assert_eq!(config.listen.mqtt, "localhost:1883");
    assert_eq!(config.listen.amqp, "localhost:5672");
    assert_eq!(config.listen.ws, "localhost:15675");
    assert_eq!(
        config.users_file(),
        PathBuf::from("./barid-data/users.json")
    );
    assert!(config.auth.guest);
    assert_eq!(config.stomp.head_bytes_max, 64 << 10);
    assert_eq!(config.stomp.header_bytes_max, 16 << 10);
    assert_eq!(config.stomp.header_count_max, 1000);
    assert_eq!(config.stomp.body_bytes_max, 16 << 20);
    assert_eq!(config.stomp.subscriptions_max, 10_000);
    assert_eq!(config.stomp.connect_timeout, Duration::from_secs(10));
    assert_eq!(config.subscriber.budget_bytes, 16 << 20);
    assert_eq!(config.subscriber.hold, Duration::from_millis(100));
    assert_eq!(config.subscriber.hold_window, Duration::from_secs(10));
    assert_eq!(config.subscriber.when_stalled, WhenStalled::DropOldest);
    assert_eq!(config.connection.parked_bytes_max, 1 << 20);
    assert_eq!(config.connection.send_timeout, Duration::from_secs(30));
    assert_eq!(config.connection.connections_max, 100_000);
    assert_eq!(config.mqtt.session_expiry_seconds_max, 7 * 24 * 3600);
    assert_eq!(config.queue.notes_bytes_max, 1 << 20);
    assert_eq!(config.store.shards, 64);
    assert_eq!(config.store.segment_bytes, 64 << 20);
    assert_eq!(config.store.ride_delay, Duration::from_millis(20));
    assert_eq!(config.store.disk_free_bytes_min, 256 << 20);
    assert_eq!(config.queue.memory_bytes_max, 128 << 20);
    assert_eq!(config.stomp.transaction_bytes_max, 16 << 20);
    assert!(!config.stomp.strict_host);
    // A payload of 16 MiB, with a topic and properties of 64 KiB each, is well within it.
    assert_eq!(config.mqtt.packet_bytes_max, (16 << 20) + (256 << 10));
    assert_eq!(config.mqtt.subscriptions_max, 10_000);
    assert_eq!(config.mqtt.connect_timeout, Duration::from_secs(10));
    assert_eq!(config.mqtt.receive_max.get(), 1024);
    assert_eq!(config.mqtt.topic_alias_max, 16);
    assert_eq!(config.mqtt.topic_alias_send_max, 32);
    assert_eq!(config.mqtt.keep_alive_seconds_max, 0);
    assert!(!config.mqtt.validate_payload_utf8 && !config.mqtt.server_moved);
    assert_eq!(config.mqtt.sys_interval, Duration::from_secs(10));
    assert_eq!(config.amqp.body_bytes_max, 16 << 20);
    assert_eq!(config.amqp.channels_max, 2_047);
    assert_eq!(config.amqp.consumers_max, 10_000);
    assert_eq!(config.amqp.connect_timeout, Duration::from_secs(10));
    assert_eq!(config.amqp.transaction_bytes_max, 16 << 20);
    assert_eq!(config.amqp.consumer_timeout, Duration::from_secs(1_800));
    assert_eq!(config.mqtt.response_information, "");
    assert_eq!(config.mqtt.server_reference, "");
    assert_eq!(config.virtual_topic.topics, "VirtualTopic.>");
    assert_eq!(config.virtual_topic.queue_prefix, "Consumer.*.");
    assert_eq!(config.composites, []);
    assert_eq!(config.executors, 0);
    assert_eq!(config.log.level, Level::INFO);
}

#[test]
fn serve_may_be_left_out() {
    let long = config("serve --stomp off", &[], "");
    assert_eq!(long, config("--stomp off", &[], ""));
    assert_eq!(config("serve", &[], ""), config("", &[], ""));
}

#[test]
fn flag_beats_env_beats_file_beats_default() {
    let file = "[store]\nshards = 8\n";
    let env = ["BARID_STORE_SHARDS=16"];
    let named = ["BARID_CONFIG=barid.toml"];
    assert_eq!(config("--config barid.toml", &[], file).store.shards, 8);
    assert_eq!(config("", &named, file).store.shards, 8);
    assert_eq!(config("--config barid.toml", &env, file).store.shards, 16);
    let args = "--config barid.toml --store-shards 32";
    assert_eq!(config(args, &env, file).store.shards, 32);
}

#[test]
fn every_key_can_be_set_in_every_way() {
    for key in keys() {
        // What no key refuses: a number within the limits, a choice, a text.
        let value = match &key.kind {
            crate::key::Kind::Text { .. } => "off:1".to_owned(),
            crate::key::Kind::Number { max, .. } => max.to_string(),
            crate::key::Kind::Choice(options) => {
                let names = options.iter().map(|(name, _)| (*name).to_owned());
                names
                    .rev()
                    .find(|name| *name != key.default_text())
                    .expect("an option")
            }
        };
        let flags = format!("--{} {value}", key.flag());
        let env = format!("{}={value}", key.env());
        let file = match key.path.split_once('.') {
            Some((table, name)) => format!("[{table}]\n{name} = \"{value}\""),
            None => format!("{} = \"{value}\"", key.path),
        };
        // A window must not be shorter than what is counted in it.
        let wide = "BARID_SUBSCRIBER_HOLD_WINDOW_MS=3600000";
        let by_flag = config(&flags, &[wide], "");
        assert_eq!(by_flag, config("", &[wide, &env], ""), "{}", key.path);
        let by_file = config("--config barid.toml", &[wide], &file);
        assert_eq!(by_flag, by_file, "{}", key.path);
        if key.path != "subscriber.hold_window_ms" {
            assert_ne!(by_flag, config("", &[wide], ""), "{}", key.path);
        }
    }
}

#[test]
fn a_text_is_empty_only_where_that_means_something() {
    let off = config("", &["BARID_VIRTUAL_TOPIC_TOPICS="], "");
    assert_eq!(off.virtual_topic.topics, "");
    let file = "[virtual_topic]\ntopics = \"\"\n[stomp]\nstrict_host = true";
    let by_file = config("--config barid.toml", &[], file);
    assert_eq!(by_file.virtual_topic.topics, "");
    assert!(by_file.stomp.strict_host);
    check_refused(
        "",
        &["BARID_VIRTUAL_TOPIC_QUEUE_PREFIX=", "BARID_DATA_DIR= "],
        "",
        &["virtual_topic.queue_prefix = \"\"", "data_dir = \" \""],
    );
}

#[test]
fn a_bad_value_names_key_origin_value_and_limits() {
    check_refused(
        "--store-shards 1",
        &[],
        "",
        &["store.shards", "--store-shards", "\"1\"", "2 to 1024"],
    );
    check_refused(
        "",
        &["BARID_STOMP_BODY_BYTES_MAX=12Q"],
        "",
        &[
            "stomp.body_bytes_max",
            "BARID_STOMP_BODY_BYTES_MAX",
            "12Q",
            "1KiB to 1GiB",
        ],
    );
    check_refused(
        "--config barid.toml",
        &[],
        "[log]\nlevel = \"loud\"",
        &[
            "log.level",
            "barid.toml",
            "loud",
            "error, warn, info, debug, trace",
        ],
    );
    check_refused(
        "--queue-memory-bytes-max 0",
        &[],
        "",
        &["queue.memory_bytes_max", "\"0\""],
    );
    check_refused(
        "--config barid.toml",
        &[],
        "[listen]\nstomp = true\n[store]\nshards = 2.5",
        &["store.shards = \"2.5\""],
    );
    check_refused(
        "--subscriber-hold-ms 500 --subscriber-hold-window-ms 499",
        &[],
        "",
        &[
            "subscriber.hold_window_ms",
            "499",
            "at least subscriber.hold_ms, which is 500",
        ],
    );
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_one() {
    check_refused(
        "--config barid.toml",
        &[],
        "[store]\nshard = 8",
        &[
            "unknown key store.shard ",
            "barid.toml",
            "did you mean store.shards?",
        ],
    );
    check_refused(
        "",
        &["BARID_STOMP_HEAD_BYTE_MAX=1"],
        "",
        &[
            "BARID_STOMP_HEAD_BYTE_MAX",
            "did you mean BARID_STOMP_HEAD_BYTES_MAX?",
        ],
    );
    check_refused("serve --dat-dir x", &[], "", &["--dat-dir", "--data-dir"]);
}

#[test]
fn all_bad_keys_are_told_at_once() {
    let file = "colour = 1\n[store]\nshards = 1\nsegment_bytes = \"1TiB\"";
    check_refused(
        "--config barid.toml",
        &[],
        file,
        &["colour", "store.shards", "store.segment_bytes"],
    );
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    check_refused("--config gone.toml", &[], "", &["gone.toml"]);
    check_refused(
        "--config barid.toml",
        &[],
        "[store",
        &["barid.toml", "line 1"],
    );
}

#[test]
fn variables_that_an_orchestrator_makes_for_a_service_are_not_keys() {
    let env = [
        "BARID_SERVICE_HOST=10.0.0.1",
        "BARID_SERVICE_PORT_STOMP=61613",
        "BARID_PORT=tcp://10.0.0.1:61613",
        "BARID_PORT_61613_TCP_ADDR=10.0.0.1",
        "PATH=/bin",
    ];
    assert_eq!(config("", &env, ""), config("", &[], ""));
    check_refused("", &["BARID_PORTS=1"], "", &["BARID_PORTS"]);
}

#[test]
fn help_explains_every_key() {
    let Ok(Invocation::Print(help)) = run("serve --help", &[], "") else {
        panic!("no help")
    };
    let help: String = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for key in keys() {
        for part in [key.path, &key.env(), &format!("--{}", key.flag()), key.doc] {
            assert!(help.contains(part), "{part} is not in the help");
        }
        assert!(
            help.contains(&key.default_text()),
            "default of {}",
            key.path
        );
    }
    assert!(matches!(
        run("--version", &[], ""),
        Ok(Invocation::Print(_))
    ));
    assert!(matches!(run("--help", &[], ""), Ok(Invocation::Print(_))));
}

#[test]
fn the_readme_shows_the_table() {
    let readme = include_str!("../../../../README.md");
    let table = crate::reference();
    assert!(readme.contains(&table), "put this into README.md:\n{table}");
}

#[test]
fn commands_about_the_store_are_understood() {
    let parse = |line: &str| {
        let args = line.split(' ').map(OsString::from);
        parse(args, [], |_: &Path| Err(io::ErrorKind::NotFound.into()))
    };
    let store = |command| {
        Invocation::Store(StoreInvocation {
            data_dir: "d".into(),
            command,
        })
    };
    let to = "c".into();
    assert_eq!(
        parse("barid store check --data-dir d").unwrap(),
        store(StoreCommand::Check)
    );
    assert_eq!(
        parse("barid store repair --accept-loss --data-dir d").unwrap(),
        store(StoreCommand::Repair { accept_loss: true })
    );
    assert_eq!(
        parse("barid store backup c --data-dir d").unwrap(),
        store(StoreCommand::Backup { to })
    );
    assert!(matches!(parse("barid store restore"), Err(Error::Usage(_))));
    assert!(matches!(parse("barid store"), Err(Error::Usage(_))));
}

mod admin;
mod composite;
mod policy;
