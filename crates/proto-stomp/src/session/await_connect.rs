//! Before CONNECTED: which version, who, which heart-beats.

use super::heart_beat::ClientBeat;
use super::open::Open;
use super::{Failure, Link, Step};
use crate::Version;
use crate::frame::{ClientCommand, Frame, HeaderName};
use crate::render::put_connected;
use crate::violation::{Excerpt, Violation};
use broker_api::{Command, Connect, Event, Login, Out};
use model::{CommandId, Instant};

/// Waits for CONNECT, then for the broker's answer to it.
#[derive(Debug)]
pub(super) struct AwaitConnect {
    /// When CONNECT must have come.
    deadline: Instant,
    connecting: Option<Connecting>,
}

/// CONNECT has come and the broker is asked.
#[derive(Debug)]
struct Connecting {
    command: CommandId,
    version: Version,
    client_beat: ClientBeat,
    client_id: Box<[u8]>,
}

impl AwaitConnect {
    pub(super) const fn new(deadline: Instant) -> Self {
        Self {
            deadline,
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

    pub(super) fn handle_deadline(&self, now: Instant, link: &Link) -> Option<Violation> {
        (self.deadline()? <= now).then_some(Violation::ConnectTimeout(link.limits.connect_timeout))
    }

    pub(super) fn handle_frame(
        &mut self,
        link: &mut Link,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Violation> {
        match frame.command {
            ClientCommand::Connect | ClientCommand::Stomp => {}
            ClientCommand::Send
            | ClientCommand::Subscribe
            | ClientCommand::Unsubscribe
            | ClientCommand::Ack
            | ClientCommand::Nack
            | ClientCommand::Begin
            | ClientCommand::Commit
            | ClientCommand::Abort
            | ClientCommand::Disconnect => return Err(Violation::NotConnected(frame.command)),
        }
        let accept_version = frame.spelled(HeaderName::AcceptVersion);
        let version = Version::negotiate(accept_version).ok_or_else(|| {
            Violation::NoCommonVersion(Excerpt::of(accept_version.unwrap_or_default()))
        })?;
        let value = |name| {
            let spelled = frame.spelled(name)?;
            // 1.0's own examples pad values; later versions forbid to trim them.
            Some(if accept_version.is_none() {
                spelled.trim_ascii()
            } else {
                spelled
            })
        };
        let client_beat = match value(HeaderName::HeartBeat) {
            None => ClientBeat::default(),
            Some(text) => ClientBeat::parse(text).ok_or_else(|| Violation::HeaderValue {
                header: Excerpt::of(b"heart-beat"),
                value: Excerpt::of(text),
                expected: "two numbers of milliseconds separated by a comma",
            })?,
        };
        let login = value(HeaderName::Login).map(|user| Login {
            user: user.to_vec(),
            password: value(HeaderName::Passcode).unwrap_or_default().to_vec(),
        });
        let vhost = value(HeaderName::Host).unwrap_or_default().to_vec();
        if !link.hosts.admits(&vhost) {
            return Err(Violation::UnknownHost(Excerpt::of(&vhost)));
        }
        let client_id = value(HeaderName::ClientId).unwrap_or_default().into();
        let connect = Connect {
            login,
            vhost,
            identity: None,
        };
        let command = link.barrier(out, Command::Connect(Box::new(connect)));
        self.connecting = Some(Connecting {
            command,
            version,
            client_beat,
            client_id,
        });
        Ok(Step::Taken)
    }

    /// Returns the next state if the broker accepts.
    pub(super) fn handle_event(
        &mut self,
        now: Instant,
        link: &mut Link,
        event: &Event,
        out: &mut Out,
    ) -> Result<Option<Open>, Failure> {
        match event {
            Event::Done(id, Ok(_)) => {
                let Some(connecting) = self.connecting.take_if(|it| it.command == *id) else {
                    return Ok(None);
                };
                out.release_barrier();
                link.version = Some(connecting.version);
                let offer = link
                    .heart_beat
                    .agree(now, connecting.client_beat, &link.limits);
                let buffer = out.wire.buffer();
                put_connected(buffer, connecting.version, link.connection, offer);
                let Connecting {
                    version, client_id, ..
                } = connecting;
                Ok(Some(Open::new(version, client_id, &link.limits)))
            }
            Event::Done(_, Err(refusal)) | Event::Disconnect(refusal) => {
                Err(Failure::refused(refusal, None))
            }
            // There is no subscription and no publish yet.
            Event::Delivery(_)
            | Event::Confirmed(_)
            | Event::Returned(..)
            | Event::Drained(_)
            | Event::Blocked(_)
            | Event::Unblocked
            | Event::Ended(..) => Ok(None),
        }
    }
}
