//! Those who break the rules of MQTT.

use crate::stage::{Publisher, Stage};
use anyhow::{Context as _, Result, ensure};
use client::{MQTT_CONNECT, MqttClient};

/// What the broker may take of memory in any of these tests, in KiB: what it needs when idle, the
/// budgets that the tests set, and room for a debug build.
const MEMORY_KIB_MAX: u64 = 96 * 1024;

/// CONNECT of MQTT 5.0.
const CONNECT_5: &[u8] = b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x00\x00\x00\x00";

fn stage() -> Result<Stage<Publisher>> {
    Stage::new("mqtt", MEMORY_KIB_MAX, &[])
}

/// The packets that the broker answers, up to the end of the connection.
fn answer(stage: &mut Stage<Publisher>, bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut client = MqttClient::open(stage.broker.listener("mqtt")?)?;
    client.write(bytes);
    // The broker may have answered and stopped reading before all is written.
    let _is_cut = client.flush();
    let mut answers = Vec::new();
    while let Some(packet) = client.receive()? {
        answers.push(packet);
    }
    stage.neighbor_goes_on()?;
    Ok(answers)
}

#[test]
fn strangers_are_told_nothing() -> Result<()> {
    let mut stage = stage()?;
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"CONNECT\naccept-version:1.2\n\n\0",
        b"\x16\x03\x01\x02\x00\x01",
        &[0; 5000],
        &[0xff; 5000],
        b"\x30\x03\x00\x01a",
    ] {
        let answers = answer(&mut stage, bytes)?;
        ensure!(answers.is_empty(), "{bytes:?} was answered {answers:?}");
    }
    Ok(())
}

#[test]
fn what_breaks_the_protocol_is_told_in_5_0() -> Result<()> {
    let mut stage = stage()?;
    let rows: [(&[u8], u8); 7] = [
        // A kind that there is not, a QoS of 3, a filter that is none, a topic with a wildcard.
        (b"\x00\x00", 0x81),
        (b"\x36\x06\x00\x01a\x00\x01\x00", 0x81),
        (b"\x82\x0a\x00\x01\x00\x00\x04a/#b\x00", 0x8f),
        (b"\x30\x04\x00\x01#\x00", 0x90),
        // A topic alias that is too high, a second CONNECT, AUTH.
        (b"\x30\x07\x00\x01a\x03\x23\xff\xff", 0x94),
        (CONNECT_5, 0x82),
        (b"\xf0\x00", 0x82),
    ];
    for (bytes, reason) in rows {
        let answers = answer(&mut stage, &[CONNECT_5, bytes].concat())?;
        let [connack, disconnect] = &answers[..] else {
            anyhow::bail!("{bytes:02x?} was answered {answers:02x?}");
        };
        ensure!(connack.first() == Some(&0x20), "{connack:02x?}");
        ensure!(disconnect.first() == Some(&0xe0), "{disconnect:02x?}");
        ensure!(
            disconnect.get(2) == Some(&reason),
            "{bytes:02x?} was answered {disconnect:02x?}"
        );
        // 3.1.1 has no word for it; what is an alias here is payload there.
        if bytes != CONNECT_5 && reason != 0x94 {
            let answers = answer(&mut stage, &[MQTT_CONNECT, bytes].concat())?;
            ensure!(answers.len() == 1, "{bytes:02x?}: {answers:02x?}");
        }
    }
    Ok(())
}

#[test]
fn a_huge_packet_is_refused_before_it_comes() -> Result<()> {
    let mut stage = stage()?;
    let answers = answer(
        &mut stage,
        &[CONNECT_5, b"\x30\xff\xff\xff\x7f\x00\x01a"].concat(),
    )?;
    let last = answers.last().context("no answer")?;
    ensure!(last.get(2) == Some(&0x95), "{answers:02x?}");
    // Nor does anybody who has not connected hold much.
    let answers = answer(&mut stage, b"\x10\xff\xff\xff\x7f\x00\x04MQTT\x05")?;
    ensure!(answers.len() <= 1, "{answers:02x?}");
    Ok(())
}

#[test]
fn half_packets_hurt_nobody() -> Result<()> {
    let mut stage = stage()?;
    let whole = [
        CONNECT_5,
        b"\x82\x07\x00\x01\x00\x00\x01a\x02",
        b"\x34\x06\x00\x01a\x00\x01\x00",
    ]
    .concat();
    stage.leave_halfway(&whole)
}

/// One that publishes and answers nothing of what it gets, nor reads it.
#[test]
fn who_never_answers_holds_no_memory() -> Result<()> {
    let mut stage = stage()?;
    let mut sleeper = MqttClient::connect(stage.broker.listener("mqtt")?)?;
    sleeper.write(b"\x82\x06\x00\x01\x00\x01#\x01");
    sleeper.flush()?;
    let granted: &[u8] = b"\x90\x03\x00\x01\x01";
    ensure!(sleeper.receive()?.as_deref() == Some(granted));
    stage.neighbor.publish_much()?;
    stage.neighbor_goes_on()
}
