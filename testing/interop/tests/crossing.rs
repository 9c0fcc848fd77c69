//! What goes from each protocol to each (AMQP 0-9-1, STOMP, MQTT), by clients of other makers: `docs/conversion.md`.

use anyhow::Result;
use interop::{ClientKind, Stage, cases};

cases! {
    crossing, ClientKind::Crossing, &["all"],
    each_pair_says_what_the_table_says,
    transient_and_bare_messages_say_nothing_more,
    qualities_of_service_are_persistence,
    amqp_goes_there_and_back,
    stomp_goes_there_and_back,
    mqtt_goes_there_and_back,
    requests_are_answered,
    topics_are_keys_of_amq_topic,
    queues_of_stomp_are_queues_of_amqp,
    settlements_count_wherever_they_come_from,
    what_expires_becomes_a_dead_letter,
    what_is_retained_is_shown_to_mqtt,
    older_versions_of_mqtt_hear_topic_and_payload,
    large_bodies_cross,
}

/// ZeroMQ's sockets, which find a listener for each of two queues.
fn with_sockets(persistent: bool) -> Result<Stage> {
    Stage::with_settings(&format!(
        "[listen]\nzmtp = \"127.0.0.1:0/jobs,127.0.0.1:0/requests\"\n[zmtp]\npersistent = {persistent}\n"
    ))
}

macro_rules! socket_cases {
    ($($case:ident,)*) => {
        $(
            #[test]
            fn $case() -> Result<()> {
                with_sockets(false)?.run(ClientKind::Crossing, stringify!($case), "sockets")
            }
        )*
    };
}

socket_cases! {
    zmq_topics,
    zmq_prefixes_are_exact,
    zmq_queues,
    zmq_pulls_share_a_queue,
    zmq_requests,
    zmq_an_unanswered_request_goes_to_another,
    zmq_users,
}

#[test]
fn zmq_messages_survive_a_kill() -> Result<()> {
    let mut stage = with_sockets(true)?;
    stage.run(ClientKind::Crossing, "zmq_sends_what_is_kept", "sockets")?;
    stage.broker.kill()?;
    stage.broker.restart()?;
    stage.run(ClientKind::Crossing, "zmq_takes_what_was_kept", "sockets")
}

#[test]
fn crossing_persistent_messages_survive_a_kill() -> Result<()> {
    let case = "persistent_messages_survive_a_kill";
    Stage::new()?.run_with_restarts(ClientKind::Crossing, case, "all")
}
