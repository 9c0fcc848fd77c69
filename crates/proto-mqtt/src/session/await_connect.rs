//! Before CONNACK: which version, who, which will.

use super::authentication::{Authentication, Progress};
use super::ending::Ending;
use super::open::Open;
use super::opening::{Asked, Opening};
use super::{Elsewhere, Link, Step, kept, push_reason, push_server, put};
use crate::frame::{
    Connack, ConnackReason, Connect, DisconnectReason, Packet, PayloadFormat, Properties,
    PropertyList, Secret, Text,
};
use crate::translate::will_of;
use crate::{SessionLimits, Version};
use broker_api::{Command, Event, Login, Out, Refusal, Reply, Will};
use model::{CommandId, Instant};
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
    /// The longest packet that the client takes, as far as it has said so.
    packet_bytes_max: usize,
    authenticating: Option<Box<Authenticating>>,
    connecting: Option<Box<Opening>>,
}

/// CONNECT has come with an authentication method, and the client is to show who it is.
#[derive(Debug)]
struct Authenticating {
    authentication: Authentication,
    /// What is asked when it has.
    connect: broker_api::Connect,
    asked: Asked,
}

impl AwaitConnect {
    pub(super) const fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            version: None,
            packet_bytes_max: usize::MAX,
            authenticating: None,
            connecting: None,
        }
    }

    /// Whether the broker has been asked and has not answered.
    pub(super) fn is_waiting(&self) -> bool {
        let authenticating = self.authenticating.as_ref();
        self.connecting.is_some() || authenticating.is_some_and(|it| it.authentication.is_asked())
    }

    /// The version of the CONNECT that has come.
    pub(super) const fn version(&self) -> Option<Version> {
        self.version
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        (!self.is_waiting()).then_some(self.deadline)
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
        if let Some(authenticating) = &mut self.authenticating {
            if let Packet::Auth(auth) = packet {
                authenticating.authentication.go_on(link, auth, out)?;
                return Ok(Step::Taken);
            }
            if let Packet::Disconnect(_) = packet {
                return Ok(Step::Disconnected);
            }
            // [MQTT-3.1.2-30]
            return Err(Ending::Unexpected);
        }
        let Packet::Connect(connect) = packet else {
            // The codec lets nothing else through. [MQTT-3.1.0-1]
            return Err(Ending::Unexpected);
        };
        self.version = Some(connect.version);
        self.packet_bytes_max = packet_bytes_max(connect);
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
        if connect
            .will
            .is_some_and(|will| is_of_the_broker(will.topic.as_str()))
        {
            let text = "only the broker itself publishes to $SYS".to_owned();
            return Err(Ending::Refused(Refusal::AccessRefused(text)));
        }
        if link.limits.validate_payload_utf8 && has_bad_will(connect) {
            return Err(Ending::PayloadFormat);
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
        let ask = broker_api::Connect {
            login: login_of(connect),
            vhost: Vec::new(),
            identity: Some(identity.into()),
        };
        let (keep_alive, has_own_keep_alive) =
            keep_alive(connect, link.limits.keep_alive_seconds_max);
        let asked = Asked {
            version: connect.version,
            clean_start: connect.clean_start,
            keep_alive,
            has_own_keep_alive,
            asked_expiry,
            expiry,
            receive_maximum: properties.receive_maximum().unwrap_or(NonZeroU16::MAX),
            packet_bytes_max: self.packet_bytes_max,
            topic_alias_max: properties.topic_alias_maximum().unwrap_or(0),
            response_information: response_information(link, connect, assigned_id.as_deref()),
            will: connect.will.map(|will| Will {
                message: will_of(connect.version, &will),
                delay_ms: u64::from(will.properties.will_delay_interval().unwrap_or(0)) * 1000,
            }),
            authenticated: None,
            assigned_id,
            queue,
        };
        match Authentication::begin(link, connect, out) {
            None => self.ask(link, ask, asked, out),
            Some(authentication) => {
                self.authenticating = Some(Box::new(Authenticating {
                    authentication,
                    connect: ask,
                    asked,
                }));
            }
        }
        Ok(())
    }

    fn ask(&mut self, link: &mut Link, connect: broker_api::Connect, asked: Asked, out: &mut Out) {
        let command = link.barrier(out, Command::Connect(Box::new(connect)));
        self.connecting = Some(Box::new(Opening::new(asked, command)));
    }

    /// The broker has answered a step of the authentication.
    fn handle_authenticated(
        &mut self,
        link: &mut Link,
        done: Result<Reply, Refusal>,
        out: &mut Out,
    ) -> Result<(), Ending> {
        let Some(mut authenticating) = self.authenticating.take() else {
            return Ok(());
        };
        let asked = &authenticating.asked;
        let client = (asked.version, asked.packet_bytes_max);
        let authentication = &mut authenticating.authentication;
        match authentication.handle_done(done, client, out)? {
            Progress::Challenged => {
                self.authenticating = Some(authenticating);
                out.release_barrier();
            }
            Progress::Done(data) => {
                let Authenticating {
                    authentication,
                    mut connect,
                    mut asked,
                } = *authenticating;
                // It has shown who it is; a name and a password beside that say nothing.
                connect.login = None;
                asked.authenticated = Some((authentication, data));
                self.ask(link, connect, asked, out);
            }
        }
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
            Event::Done(id, done) if self.authenticates(id) => {
                self.handle_authenticated(link, done, out)?;
                Ok(None)
            }
            Event::Done(id, done) => {
                let Some(opening) = &mut self.connecting else {
                    return Ok(None);
                };
                let open = opening.handle_done(link, id, done, out)?;
                if let Some(open) = &open {
                    self.connecting = None;
                    // Else nothing is read before all that was subscribed to is begun again.
                    if !open.is_waiting() {
                        out.release_barrier();
                    }
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

    fn authenticates(&self, id: CommandId) -> bool {
        let authenticating = self.authenticating.as_ref();
        authenticating.is_some_and(|it| it.authentication.covers(id))
    }

    /// Tells a client that what it has sent behind its CONNECT was no packet.
    pub(super) fn put_violation(&self, reason: DisconnectReason, text: &str, out: &mut Out) {
        if let Some(version) = self.version {
            let reason = ConnackReason::from_code(reason.code());
            let reason = reason.unwrap_or(ConnackReason::ProtocolError);
            let client = (version, self.packet_bytes_max);
            put_refused(client, (reason, None), text, out);
        }
    }

    /// Tells a client that it is not accepted, if there is a word for the reason in its version.
    pub(super) fn put_refused(
        &self,
        ending: &Ending,
        elsewhere: Option<(Elsewhere, &str)>,
        out: &mut Out,
    ) {
        let told = match elsewhere {
            Some((code, server)) => Some((code.into(), Some(server))),
            None => ending.connack_reason().map(|reason| (reason, None)),
        };
        if let (Some(version), Some(told)) = (self.version, told) {
            let client = (version, self.packet_bytes_max);
            put_refused(client, told, &ending.to_string(), out);
        }
    }
}

/// Tells a client that it is not accepted, with a Server Reference if there is one. What its version has no word
/// for is not told.
pub(super) fn put_refused(
    (version, packet_bytes_max): (Version, usize),
    (reason, server): (ConnackReason, Option<&str>),
    text: &str,
    out: &mut Out,
) {
    let mut properties = PropertyList::new();
    push_server(&mut properties, server);
    push_reason(&mut properties, text);
    let mut connack = Connack {
        session_present: false,
        reason,
        properties: properties.as_properties(),
    };
    // [MQTT-3.1.2-24], [MQTT-3.2.2-19]
    if Packet::Connack(connack).packet_len(version) > packet_bytes_max {
        connack.properties = Properties::NONE;
    }
    put(version, &Packet::Connack(connack), out);
}

/// A client identifier for a client that brought none. No other connection of any run has it but by chance.
fn made_up_id(link: &Link) -> String {
    format!("barid-{:016x}-{}", link.seed, link.connection.0)
}

/// What a client that asks for it is told of response topics. [MQTT-3.1.2-28]
fn response_information(
    link: &Link,
    connect: &Connect<'_>,
    assigned_id: Option<&str>,
) -> Option<String> {
    let is_asked = connect.properties.request_response_information();
    if is_asked != Some(true) {
        return None;
    }
    let client_id = assigned_id.unwrap_or(connect.client_id.as_str());
    link.told.as_ref()?.response_information(client_id)
}

/// Whether a topic is one where the broker tells of itself. Its own connections alone may publish there; nobody
/// could be told when the will is refused.
fn is_of_the_broker(topic: &str) -> bool {
    let behind = topic.strip_prefix("$SYS");
    behind.is_some_and(|behind| behind.is_empty() || behind.starts_with('/'))
}

/// Whether a will says that it is UTF-8 and is not. §3.1.3.2.3
fn has_bad_will(connect: &Connect<'_>) -> bool {
    connect.will.is_some_and(|will| {
        let format = will.properties.payload_format_indicator();
        format == Some(PayloadFormat::Text) && str::from_utf8(will.payload.as_bytes()).is_err()
    })
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

/// The longest packet that the client takes.
fn packet_bytes_max(connect: &Connect<'_>) -> usize {
    let told = connect.properties.maximum_packet_size();
    told.map_or(usize::MAX, |bytes| {
        usize::try_from(bytes.get()).unwrap_or(usize::MAX)
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
