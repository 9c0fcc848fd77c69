//! Kills of the real binary while messages flow between sessions of MQTT.

use anyhow::{Result, ensure};

#[test]
fn kills_lose_nothing_and_double_nothing_with_qos_2() -> Result<()> {
    let flow = kill::sessions::round(3, 12)?;
    println!("{flow:?}");
    ensure!(
        flow.at_least_once > 100 && flow.exactly_once > 100,
        "{flow:?}"
    );
    Ok(())
}
