//! A socket's options as the protocol has them.

use crate::hub::Hub;
use crate::options::{Heartbeat, Options};
use crate::security::NoRandom;
use std::time::Duration;
use zmtp::{HeartbeatSettings, Identity, Limits, Settings};

/// What a new connection of a socket wants; `has_pulse` is whether its transport finds dead peers.
pub(super) fn settings(hub: &Hub, has_pulse: bool) -> Result<Settings, NoRandom> {
    let options: &Options = &hub.options;
    let mut settings = Settings::new(hub.socket_type);
    // It was checked when it was set.
    settings.identity = Identity::new(options.name.clone()).unwrap_or_default();
    settings.limits = Limits {
        frame_bytes_max: options.message_bytes_max,
        handshake_ms: options.handshake_timeout.map_or(0, millis),
        ..Limits::default()
    };
    settings.mechanism = options.security.mechanism()?;
    settings.heartbeat = options
        .heartbeat
        .filter(|_| !has_pulse)
        .map_or_else(HeartbeatSettings::default, heartbeat);
    Ok(settings)
}

fn heartbeat(heartbeat: Heartbeat) -> HeartbeatSettings {
    let ttl_ds = heartbeat.ttl.map_or(0, |ttl| ttl.as_millis() / 100);
    HeartbeatSettings {
        interval_ms: millis(heartbeat.interval),
        timeout_ms: Some(millis(heartbeat.timeout)),
        ttl_ds: u16::try_from(ttl_ds).unwrap_or(u16::MAX),
    }
}

/// At least one: 0 is none.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}
