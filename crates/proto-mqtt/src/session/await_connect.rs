//! Before CONNACK: which version, who, which will.

use super::ending::Ending;
use super::open::Open;
use super::opening::{Asked, Opening};
use super::{Link, Step, kept, push_reason, put};
use crate::frame::{Connack, ConnackReason, Connect, Packet, PropertyList, Secret, Text};
use crate::translate::will_of;
use crate::{SessionLimits, Version};
use broker_api::{Command, Event, Login, Out, Will};
use model::Instant;
use std::num::NonZeroU16;

/// What the identity of a connection begins with: client identifiers are no names of other protocols.
const IDENTITY_PREFIX: &[u8] = b"mqtt:";

/// Waits for CONNECT, then for the broker's answer to it.
#[derive(Debug)]
pub(super) struct AwaitConnect {
    /// When CONNECT must have come.
    deadline: Instant,
    /// Since CONNECT has come.
    version: Option<Version>,
    connecting: Option<Box<Opening>>,
}

impl AwaitConnect {
    pub(super) const fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            version: None,
            connecting: None,
        }
    }

    /// Whether CONNECT has come and the broker has not answered.
    pub(super) const fn is_waiting(&self) -> bool {
        self.connecting.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.connecting.is_none().then_some(self.deadline)
    }

    pub(super) fn handle_deadline(&self, now: Instant, limits: &SessionLimits) -> Option<Ending> {
        (self.deadline()? <= now).then_some(Ending::ConnectTimeout(limits.connect_timeout))
    }

    pub(super) fn handle_packet(
        &mut self,
        link: &mut Link,
        packet: &Packet<'_>,
        out: &mut Out,
    ) -> Result<Step, Ending> {
        let Packet::Connect(connect) = packet else {
            // The codec lets nothing else through. [MQTT-3.1.0-1]
            return Err(Ending::Unexpected);
        };
        self.version = Some(connect.version);
        self.connect(link, connect, out)?;
        Ok(Step::Taken)
    }

    fn connect(
        &mut self,
        link: &mut Link,
        connect: &Connect<'_>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let properties = &connect.properties;
        // [MQTT-4.12.0-1]
        if properties.authentication_method().is_some() {
            return Err(Ending::AuthenticationMethod);
        }
        let assigned_id = connect
            .client_id
            .as_bytes()
            .is_empty()
            .then(|| made_up_id(link));
        let client_id = match &assigned_id {
            Some(id) => id.as_bytes(),
            None => connect.client_id.as_bytes(),
        };
        let identity = [IDENTITY_PREFIX, client_id].concat();
        let queue = kept::queue_of(client_id);
        let asked_expiry = expiry_of(connect);
        let expiry = asked_expiry.min(link.limits.session_expiry_seconds_max);
        if expiry > 0 && queue.is_none() {
            return Err(Ending::ClientIdTooLong);
        }
        let asked = broker_api::Connect {
            login: login_of(connect),
            vhost: Vec::new(),
            identity: Some(identity.into()),
        };
        let (keep_alive, has_own_keep_alive) =
            keep_alive(connect, link.limits.keep_alive_seconds_max);
        let command = link.barrier(out, Command::Connect(Box::new(asked)));
        let asked = Asked {
            version: connect.version,
            assigned_id,
            clean_start: connect.clean_start,
            keep_alive,
            has_own_keep_alive,
            asked_expiry,
            expiry,
            receive_maximum: properties.receive_maximum().unwrap_or(NonZeroU16::MAX),
            packet_bytes_max: properties
                .maximum_packet_size()
                .map_or(usize::MAX, |bytes| {
                    usize::try_from(bytes.get()).unwrap_or(usize::MAX)
                }),
            will: connect.will.map(|will| Will {
                message: will_of(connect.version, &will),
                delay_ms: u64::from(will.properties.will_delay_interval().unwrap_or(0)) * 1000,
            }),
            queue,
        };
        self.connecting = Some(Box::new(Opening::new(asked, command)));
        Ok(())
    }

    /// Returns the next state if the broker accepts.
    pub(super) fn handle_event(
        &mut self,
        link: &mut Link,
        event: Event,
        out: &mut Out,
    ) -> Result<Option<Open>, Ending> {
        match event {
            Event::Done(id, done) => {
                let Some(opening) = &mut self.connecting else {
                    return Ok(None);
                };
                let open = opening.handle_done(link, id, done, out)?;
                if open.is_some() {
                    self.connecting = None;
                    out.release_barrier();
                }
                Ok(open)
            }
            // Its queue was taken over, or deleted, or the connection is to end.
            Event::Ended(_, refusal) | Event::Disconnect(refusal) => Err(Ending::Refused(refusal)),
            // Nothing is granted and nothing published yet.
            Event::Delivery(_)
            | Event::Confirmed(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Blocked(_)
            | Event::Unblocked => Ok(None),
        }
    }

    /// Tells a client that it is not accepted, if there is a word for the reason in its version.
    pub(super) fn put_refused(&self, ending: &Ending, out: &mut Out) {
        if let (Some(version), Some(reason)) = (self.version, ending.connack_reason()) {
            put_refused(version, reason, &ending.to_string(), out);
        }
    }
}

/// Tells a client that it is not accepted. What its version has no word for is not told.
pub(super) fn put_refused(version: Version, reason: ConnackReason, text: &str, out: &mut Out) {
    let mut properties = PropertyList::new();
    push_reason(&mut properties, text);
    let connack = Connack {
        session_present: false,
        reason,
        properties: properties.as_properties(),
    };
    put(version, &Packet::Connack(connack), out);
}

/// A client identifier for a client that brought none. No other connection of any run has it but by chance.
fn made_up_id(link: &Link) -> String {
    format!("barid-{:016x}-{}", link.seed, link.connection.0)
}

/// Who connects; without a user name and a password, nobody in particular.
fn login_of(connect: &Connect<'_>) -> Option<Login> {
    if connect.user_name.is_none() && connect.password.is_none() {
        return None;
    }
    let user = connect.user_name.map_or(&[] as &[u8], Text::as_bytes);
    let password = connect
        .password
        .as_ref()
        .map_or(&[] as &[u8], |it| Secret::as_bytes(*it));
    Some(Login {
        user: user.to_vec(),
        password: password.to_vec(),
    })
}

/// The keep alive in seconds, and whether it is ours. [MQTT-3.2.2-21], [MQTT-3.2.2-22]
fn keep_alive(connect: &Connect<'_>, max: u16) -> (u16, bool) {
    let asked = connect.keep_alive;
    let is_too_long = max > 0 && (asked == 0 || asked > max);
    if is_too_long && connect.version.has_properties() {
        (max, true)
    } else {
        (asked, false)
    }
}

/// For how long the client wants its session to be kept, in seconds. §3.1.2.11.2; 3.x: until it says otherwise.
fn expiry_of(connect: &Connect<'_>) -> u32 {
    if connect.version.has_properties() {
        let interval = connect.properties.session_expiry_interval();
        return interval.unwrap_or(0);
    }
    if connect.clean_start { 0 } else { kept::NEVER }
}
