//! stompit, stompjs (over WebSocket) and `Net::Stomp` against the broker.

use anyhow::Result;
use interop::{ClientKind, Stage, cases};

cases! {
    stompit, ClientKind::Stompit, &["1.0", "1.1", "1.2"],
    sends_through_a_queue_and_a_topic,
    binary_bodies_stay,
    headers_stay,
    receipts_come,
    acks_settle,
}

cases! {
    stompit_since_1_1, ClientKind::Stompit, &["1.1", "1.2"],
    nack_brings_it_back,
    heart_beats_keep_it_up,
}

cases! {
    stompjs, ClientKind::Stompjs, &["1.0", "1.1", "1.2"],
    connects_and_disconnects,
    sends_through_a_queue_and_a_topic,
    unicode_stays,
    binary_bodies_stay,
    headers_stay,
    receipts_come,
    acks_settle,
    frames_may_be_split,
    each_frame_is_a_message,
    subprotocols_and_paths,
    errors_come_before_the_close,
}

cases! {
    stompjs_since_1_1, ClientKind::Stompjs, &["1.1", "1.2"],
    client_individual_acks_are_single,
    nack_brings_it_back,
    heart_beats_go_both_ways,
}

cases! {
    net_stomp, ClientKind::NetStomp, &["1.0", "1.1", "1.2"],
    sends_through_a_queue_and_a_topic,
    binary_bodies_stay,
    receipts_come,
    acks_settle,
}

#[test]
fn clients_of_different_makers_meet() -> Result<()> {
    let stage = Stage::new()?;
    stage.run(ClientKind::StompPy, "sends_persistent_messages", "1.0")?;
    stage.run(ClientKind::Stompit, "finds_persistent_messages", "1.2")
}

#[test]
fn clients_meet_over_tcp_and_over_websocket() -> Result<()> {
    let stage = Stage::new()?;
    stage.run(ClientKind::StompPy, "sends_persistent_messages", "1.1")?;
    stage.run(ClientKind::Stompjs, "finds_persistent_messages", "1.2")?;
    stage.run(ClientKind::Stompjs, "sends_persistent_messages", "1.2")?;
    stage.run(ClientKind::StompPy, "finds_persistent_messages", "1.1")
}
