//! More clients of AMQP 0-9-1 against the broker: aio-pika, Celery, lapin, amqp-tools and the one for Java.

use anyhow::Result;
use interop::{ClientKind, Stage, cases};

/// A broker whose disk is full, whatever disk it has.
const FULL_DISK: &str = "[store]\ndisk_free_bytes_min = \"1024GiB\"\n";

cases! {
    aio_pika, ClientKind::AioPika, &["0-9-1"],
    publishes_are_confirmed,
    what_goes_nowhere_is_returned,
    properties_stay,
    consumers_have_their_prefetch,
    messages_are_got_one_by_one,
    a_message_that_cannot_be_processed_is_rejected,
    transactions_take_effect_together,
    exchanges_route,
    a_silent_connection_stays,
    calls_are_answered,
    workers_share_tasks,
}

cases! {
    celery, ClientKind::Celery, &["0-9-1"],
    tasks_answer,
    groups_and_chains_answer,
    tasks_are_retried,
    tasks_wait_for_their_time,
    workers_are_controlled,
    events_are_heard,
    the_urgent_comes_first,
    what_a_killed_worker_had_runs_again,
}

cases! {
    lapin, ClientKind::Lapin, &["0-9-1"],
    publishes_are_confirmed,
    what_goes_nowhere_is_returned,
    deliveries_are_settled,
    consumers_end_with_their_queue,
    exchanges_are_bound_to_exchanges,
    queues_have_arguments,
    properties_stay,
    errors_have_their_codes,
    transactions_take_effect_together,
}

cases! {
    amqp_tools, ClientKind::AmqpTools, &["0-9-1"],
    a_queue_is_declared_and_deleted,
    messages_are_published_and_got,
    messages_are_consumed,
    a_consumer_binds_its_own_queue,
    logins_are_checked,
}

cases! {
    java, ClientKind::Java, &["0-9-1"],
    publishes_are_confirmed,
    what_goes_nowhere_is_returned,
    properties_stay,
    deliveries_are_settled,
    consumers_end_with_their_queue,
    exchanges_route,
    transactions_take_effect_together,
}

fn check_restarted(kind: ClientKind, case: &str) -> Result<()> {
    Stage::new()?.run_with_restarts(kind, case, "0-9-1")
}

#[test]
fn aio_pika_is_back_after_a_kill() -> Result<()> {
    check_restarted(ClientKind::AioPika, "a_robust_connection_survives_a_kill")
}

#[test]
fn celery_is_back_after_a_kill() -> Result<()> {
    check_restarted(ClientKind::Celery, "tasks_survive_a_kill_of_the_broker")
}

#[test]
fn java_is_back_after_a_kill() -> Result<()> {
    check_restarted(ClientKind::Java, "a_connection_is_recovered_after_a_kill")
}

#[test]
fn publishers_are_told_to_wait() -> Result<()> {
    let stage = Stage::with_settings(FULL_DISK)?;
    for kind in [ClientKind::Lapin, ClientKind::Java] {
        stage.run(kind, "publishers_are_told_to_wait", "0-9-1")?;
    }
    Ok(())
}
