//! Before CONNACK: which version, who, which will.

use super::ending::Ending;
use super::open::{Open, Terms};
use super::{Link, Step, push_reason, put};
use crate::frame::{
    Connack, ConnackReason, Connect, Packet, Properties, Property, PropertyList, Secret, Text,
};
use crate::translate::will_of;
use crate::{SessionLimits, Version};
use broker_api::{Command, Event, Login, Out};
use model::{CommandId, Instant, Message};
use std::num::{NonZeroU16, NonZeroU32};

/// What the identity of a connection begins with: client identifiers are no names of other protocols.
const IDENTITY_PREFIX: &[u8] = b"mqtt:";

/// Waits for CONNECT, then for the broker's answer to it.
#[derive(Debug)]
pub(super) struct AwaitConnect {
    /// When CONNECT must have come.
    deadline: Instant,
    /// Since CONNECT has come.
    version: Option<Version>,
    connecting: Option<Box<Connecting>>,
}

/// CONNECT has come and the broker is asked.
#[derive(Debug)]
struct Connecting {
    command: CommandId,
    version: Version,
    /// Made up, because the client brought none.
    assigned_id: Option<String>,
    /// Seconds.
    keep_alive: u16,
    /// The keep alive is not what the client asked for.
    has_own_keep_alive: bool,
    wants_session: bool,
    receive_maximum: NonZeroU16,
    packet_bytes_max: usize,
    will: Option<Message>,
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
        let is_5 = connect.version.has_properties();
        if !is_5 && !connect.clean_start {
            tracing::info!(
                connection = link.connection.0,
                client = connect.client_id.as_str(),
                "refused: the client asks for a session that outlives its connection, and none is kept"
            );
            return Err(Ending::SessionToKeep);
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
        let asked = broker_api::Connect {
            login: login_of(connect),
            vhost: Vec::new(),
            identity: Some(identity.into()),
        };
        let (keep_alive, has_own_keep_alive) =
            keep_alive(connect, link.limits.keep_alive_seconds_max);
        let command = link.barrier(out, Command::Connect(Box::new(asked)));
        self.connecting = Some(Box::new(Connecting {
            command,
            version: connect.version,
            assigned_id,
            keep_alive,
            has_own_keep_alive,
            wants_session: properties.session_expiry_interval().unwrap_or(0) > 0,
            receive_maximum: properties.receive_maximum().unwrap_or(NonZeroU16::MAX),
            packet_bytes_max: properties
                .maximum_packet_size()
                .map_or(usize::MAX, |bytes| {
                    usize::try_from(bytes.get()).unwrap_or(usize::MAX)
                }),
            will: connect.will.map(|will| will_of(connect.version, &will)),
        }));
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
            Event::Done(id, Ok(_)) => {
                let Some(connecting) = self.connecting.take_if(|it| it.command == id) else {
                    return Ok(None);
                };
                out.release_barrier();
                connecting.put_accepted(&link.limits, out)?;
                Ok(Some(Open::new(
                    link,
                    Terms {
                        version: connecting.version,
                        keep_alive: connecting.keep_alive,
                        send_max: connecting.receive_maximum.min(link.limits.send_max),
                        packet_bytes_max: connecting.packet_bytes_max,
                        ends_with_connection: !connecting.wants_session,
                        will: connecting.will,
                    },
                )))
            }
            Event::Done(_, Err(refusal)) | Event::Disconnect(refusal) => {
                Err(Ending::Refused(refusal))
            }
            // There is no subscription and no publish yet.
            Event::Delivery(_)
            | Event::Confirmed(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Ended(..)
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

impl Connecting {
    /// The CONNACK that opens the connection, with all that is not as a client of 5.0 takes for granted.
    fn put_accepted(&self, limits: &SessionLimits, out: &mut Out) -> Result<(), Ending> {
        let mut properties = PropertyList::new();
        if self.version.has_properties() {
            self.push_properties(limits, &mut properties);
        }
        let connack = Packet::Connack(Connack {
            session_present: false,
            reason: ConnackReason::Success,
            properties: match self.version.has_properties() {
                true => properties.as_properties(),
                false => Properties::NONE,
            },
        });
        // [MQTT-3.1.2-24]
        if connack.packet_len(self.version) > self.packet_bytes_max {
            return Err(Ending::AnswerTooLarge);
        }
        put(self.version, &connack, out);
        Ok(())
    }

    fn push_properties(&self, limits: &SessionLimits, properties: &mut PropertyList) {
        // §3.2.2.3.2: the session ends with the connection, whatever was asked for.
        if self.wants_session {
            properties.push(Property::SessionExpiryInterval(0));
        }
        properties.push(Property::ReceiveMaximum(limits.receive_max));
        let packet_bytes_max = u32::try_from(limits.packets.packet_bytes_max).unwrap_or(u32::MAX);
        if let Some(bytes) = NonZeroU32::new(packet_bytes_max) {
            properties.push(Property::MaximumPacketSize(bytes));
        }
        if let Some(Ok(id)) = self.assigned_id.as_deref().map(Text::new) {
            properties.push(Property::AssignedClientIdentifier(id));
        }
        if limits.topic_alias_max > 0 {
            properties.push(Property::TopicAliasMaximum(limits.topic_alias_max));
        }
        properties.push(Property::SharedSubscriptionAvailable(false));
        if self.has_own_keep_alive {
            properties.push(Property::ServerKeepAlive(self.keep_alive));
        }
    }
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
