//! Clients of AMQP 0-9-1 against the broker: pika, amqplib, and where STOMP and MQTT meet them.

use anyhow::Result;
use interop::{ClientKind, Stage, cases};

cases! {
    pika, ClientKind::Pika, &["0-9-1"],
    messages_go_through_a_queue,
    publishes_are_confirmed,
    a_full_queue_is_told,
    what_goes_nowhere_is_returned,
    wrong_publishes_close_the_channel,
    bodies_have_a_limit,
    properties_stay,
    deliveries_are_settled,
    what_waits_for_room_goes_back,
    messages_are_got_one_by_one,
    rejected_messages_become_dead_letters,
    dead_letters_tell_how_they_died,
    answers_come_directly,
    exchanges_route_by_their_type,
    exchanges_are_bound_to_exchanges,
    transactions_take_effect_together,
    logins_are_checked,
    messages_cross_to_stomp_and_back,
    messages_cross_to_mqtt_and_back,
}

cases! {
    amqplib, ClientKind::Amqplib, &["0-9-1"],
    many_publishes_are_confirmed,
    what_goes_nowhere_is_returned,
    deliveries_are_settled,
    topics_reach_who_is_bound,
    a_wrong_exchange_closes_the_channel,
}

#[test]
fn deliveries_are_settled_in_time() -> Result<()> {
    let stage = Stage::with_settings("[amqp]\nconsumer_timeout_ms = 300\n")?;
    stage.run(ClientKind::Pika, "deliveries_are_settled_in_time", "0-9-1")
}

#[test]
fn what_is_confirmed_survives_a_kill() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.run(ClientKind::Pika, "messages_are_kept", "0-9-1")?;
    stage.broker.kill()?;
    stage.broker.restart()?;
    stage.run(ClientKind::Pika, "messages_are_still_there", "0-9-1")
}
