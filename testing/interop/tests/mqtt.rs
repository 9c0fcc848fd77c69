//! Clients of MQTT against the broker: paho, mqtt.js over TCP and over WebSocket, Mosquitto's own.

use anyhow::{Result, ensure};
use interop::{ClientKind, Stage, cases, check};

cases! {
    paho, ClientKind::PahoMqtt, &["3.1", "3.1.1", "5.0"],
    connects_and_disconnects,
    each_quality_goes_both_ways,
    order_is_kept,
    wildcards_match_levels,
    payloads_stay,
    subscriptions_end,
    wills_are_published,
    a_second_client_takes_over,
    logins_are_checked,
    sessions_are_kept,
    exchanges_go_on,
    publishes_go_on,
    kept_sessions_are_taken_over,
    retained_messages_are_shown,
    retained_messages_of_hidden_topics_are_not_shown_to_all,
    wills_are_retained,
    groups_get_everything_each,
    members_get_each_message_once,
    what_a_member_leaves_goes_to_the_others,
    members_come_and_go,
    members_are_kept,
    messages_cross_to_stomp,
    messages_cross_from_stomp,
}

cases! {
    paho_5, ClientKind::PahoMqtt, &["5.0"],
    wills_wait_for_their_delay,
    sessions_end_in_time,
    properties_stay,
    aliases_stand_for_topics,
    expiry_is_told,
    own_messages_are_skipped_if_wished,
    no_more_is_in_hand_than_the_client_takes,
    nobody_there_is_told,
    retain_handling_and_retain_as_published,
    retained_messages_expire,
}

cases! {
    mqttjs, ClientKind::Mqttjs, &["tcp-3.1", "tcp-3.1.1", "tcp-5.0"],
    each_quality_goes_both_ways,
    many_messages_keep_their_order,
    large_payloads_stay,
    wills_are_published,
    properties_stay,
}

cases! {
    mqttjs_5, ClientKind::Mqttjs, &["tcp-5.0"],
    aliases_are_used_to_who_takes_them,
}

cases! {
    mqttjs_over_websocket, ClientKind::Mqttjs, &["ws-3.1", "ws-3.1.1", "ws-5.0"],
    each_quality_goes_both_ways,
    many_messages_keep_their_order,
    large_payloads_stay,
    wills_are_published,
    properties_stay,
    subprotocols_and_paths,
    messages_are_binary,
}

cases! {
    mosquitto, ClientKind::Mosquitto, &["3.1", "3.1.1", "5.0"],
    each_quality_goes_both_ways,
    lines_keep_their_order,
    wills_are_published,
    retained_messages_are_shown,
    sessions_are_kept,
}

/// A session that is kept goes on after a kill.
#[test]
fn sessions_outlive_a_kill() -> Result<()> {
    for version in ["3.1", "3.1.1", "5.0"] {
        let mut stage = Stage::new()?;
        stage.run(ClientKind::PahoMqtt, "leaves_a_session", version)?;
        stage.broker.kill()?;
        stage.broker.restart()?;
        stage.run(ClientKind::PahoMqtt, "finds_its_session", version)?;
    }
    Ok(())
}

/// A group of sessions that are kept has what was not answered, and what comes while nobody is there, after a kill. It
/// ends with the last session.
#[test]
fn groups_outlive_a_kill() -> Result<()> {
    for version in ["3.1", "3.1.1", "5.0"] {
        let mut stage = Stage::new()?;
        stage.run(ClientKind::PahoMqtt, "leaves_a_group", version)?;
        stage.broker.kill()?;
        stage.broker.restart()?;
        stage.run(ClientKind::PahoMqtt, "finds_its_group", version)?;
        let queue = "mqtt.share/outlives/work";
        ensure!(
            stage.admin(&["queue", "list"])?.contains(queue),
            "{version}"
        );
        stage.run(ClientKind::PahoMqtt, "ends_its_group", version)?;
        ensure!(
            !stage.admin(&["queue", "list"])?.contains(queue),
            "{version}"
        );
    }
    Ok(())
}

/// What is retained is there after a kill, and what was taken away is not.
#[test]
fn retained_messages_outlive_a_kill() -> Result<()> {
    for version in ["3.1.1", "5.0"] {
        let mut stage = Stage::new()?;
        let paho = ClientKind::PahoMqtt;
        stage.run(paho, "publishes_what_outlives_a_kill", version)?;
        stage.run(
            ClientKind::Mosquitto,
            "publishes_what_outlives_a_kill",
            version,
        )?;
        stage.broker.kill()?;
        stage.broker.restart()?;
        stage.run(paho, "finds_what_has_outlived_it", version)?;
        stage.run(ClientKind::Mosquitto, "finds_what_has_outlived_it", version)?;
    }
    Ok(())
}

/// A stage on which there is a user `ada` with the password `pencil`.
fn with_ada() -> Result<Stage> {
    let stage = Stage::new()?;
    stage.admin_with(&["user", "add", "ada"], "pencil\n")?;
    Ok(stage)
}

#[test]
fn scram_shows_who_a_client_is() -> Result<()> {
    let stage = with_ada()?;
    for version in ["tcp-5.0", "ws-5.0"] {
        stage.run(ClientKind::Mqttjs, "scram_shows_who_a_client_is", version)?;
        let refused = "who_does_not_know_the_password_is_refused";
        stage.run(ClientKind::Mqttjs, refused, version)?;
    }
    Ok(())
}

#[test]
fn logins_are_those_of_users() -> Result<()> {
    let stage = with_ada()?;
    for version in ["tcp-3.1", "tcp-3.1.1", "tcp-5.0"] {
        stage.run(ClientKind::Mqttjs, "logins_are_those_of_users", version)?;
    }
    Ok(())
}

#[test]
fn the_broker_tells_of_itself() -> Result<()> {
    for version in ["3.1.1", "5.0"] {
        let stage = Stage::with_settings("[mqtt]\nsys_interval_seconds = 1\n")?;
        stage.run(ClientKind::Mosquitto, "the_broker_tells_of_itself", version)?;
    }
    Ok(())
}

#[test]
fn nobody_else_tells() -> Result<()> {
    check(
        ClientKind::Mosquitto,
        "nobody_else_tells",
        &["3.1", "3.1.1", "5.0"],
    )
}

/// A durable queue that is bound to the exchange of topics keeps what clients of MQTT publish, over a kill.
#[test]
fn a_bound_queue_keeps_messages() -> Result<()> {
    for version in ["3.1.1", "5.0"] {
        let mut stage = Stage::new()?;
        stage.admin(&["queue", "declare", "kept"])?;
        stage.admin(&[
            "binding",
            "declare",
            "amq.topic",
            "kept",
            "--key",
            "plant.#",
        ])?;
        stage.run(ClientKind::PahoMqtt, "publishes_to_a_bound_queue", version)?;
        stage.broker.kill()?;
        stage.broker.restart()?;
        stage.run(ClientKind::PahoMqtt, "finds_them_in_the_queue", version)?;
    }
    Ok(())
}
