//! stomp.py against the broker.

use anyhow::{Result, ensure};
use interop::{ClientKind, Stage, check};

const ALL: &[&str] = &["1.0", "1.1", "1.2"];
/// NACK, escapes in headers and heart-beats came with 1.1.
const SINCE_1_1: &[&str] = &["1.1", "1.2"];

macro_rules! cases {
    ($($case:ident: $versions:expr,)*) => {$(
        #[test]
        fn $case() -> Result<()> {
            check(ClientKind::StompPy, stringify!($case), $versions)
        }
    )*};
}

cases! {
    connects_and_disconnects: ALL,
    sends_through_a_queue_and_a_topic: ALL,
    wildcards_match_levels: ALL,
    activemq_spellings_lead_to_the_same: ALL,
    binary_bodies_stay: ALL,
    headers_stay: ALL,
    escaped_headers_stay: SINCE_1_1,
    receipts_come: ALL,
    auto_needs_no_ack: ALL,
    client_acks_are_cumulative: ALL,
    client_individual_acks_are_single: SINCE_1_1,
    nack_brings_it_back: SINCE_1_1,
    prefetch_count_limits_deliveries: ALL,
    heart_beats_go_both_ways: SINCE_1_1,
    garbage_gets_an_error: ALL,
    transactions_take_effect_together: ALL,
    acks_in_a_transaction_wait_for_its_end: ALL,
    wrong_transactions_are_refused: ALL,
    temporary_queues_carry_replies: ALL,
    durable_topic_subscriptions_keep_messages: ALL,
    selectors_choose_on_queues_and_topics: ALL,
    a_bad_selector_is_refused: ALL,
    browsers_leave_everything: ALL,
    priorities_go_first: ALL,
    dead_letters_tell_why: ALL,
    messages_expire_and_wait: ALL,
    groups_stay_together: ALL,
    lists_of_destinations_reach_all: ALL,
    virtual_topics_fill_queues: ALL,
    own_messages_are_skipped_if_wished: ALL,
    exclusive_subscriptions_are_alone: ALL,
    full_queues_refuse: ALL,
    other_arguments_are_refused: ALL,
    a_missing_exchange_is_refused: ALL,
    a_missing_queue_is_refused: ALL,
}

#[test]
fn exchanges_made_by_the_operator_are_reached() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.admin(&["exchange", "declare", "orders", "--type", "topic"])?;
    stage.admin(&["queue", "declare", "bound"])?;
    stage.admin(&["binding", "declare", "orders", "bound", "--key", "order.#"])?;
    for version in ALL {
        stage.run(ClientKind::StompPy, "publishes_to_an_exchange", version)?;
    }
    stage.broker.kill()?;
    stage.broker.restart()?;
    stage.run(ClientKind::StompPy, "publishes_to_an_exchange", "1.2")
}

#[test]
fn composites_in_the_settings_reach_all() -> Result<()> {
    let stage = Stage::with_settings(
        "[[composite]]\nqueue = \"orders\"\nto = [\"queue://first\", \"topic://second.topic\"]\n",
    )?;
    stage.run(
        ClientKind::StompPy,
        "composites_of_the_broker_reach_all",
        "1.2",
    )
}

#[test]
fn a_persistent_message_survives_a_kill() -> Result<()> {
    for version in ALL {
        let mut stage = Stage::new()?;
        stage.run(ClientKind::StompPy, "sends_persistent_messages", version)?;
        stage.broker.kill()?;
        stage.broker.restart()?;
        stage.run(ClientKind::StompPy, "finds_persistent_messages", version)?;
    }
    Ok(())
}

#[test]
fn a_message_survives_an_orderly_restart() -> Result<()> {
    let mut stage = Stage::new()?;
    stage.run(ClientKind::StompPy, "sends_persistent_messages", "1.2")?;
    let status = stage.broker.terminate()?;
    ensure!(status.success(), "{status}: {}", stage.broker.said());
    stage.broker.restart()?;
    stage.run(ClientKind::StompPy, "finds_persistent_messages", "1.2")
}
