//! From the protocol header to `connection.open-ok`.
//!
//! ```text
//!  ──► StartOk ──start-ok──► Asked(login) ──► TuneOk ──tune-ok──► Open ──open──► Asked(vhost) ──► open-ok
//! ```

use super::failure::Failure;
use super::login::{MECHANISMS, authenticate, user_of};
use super::open::Open;
use super::server_properties::{ClientCapabilities, server_properties};
use super::{Link, Step, put};
use crate::codec::Codec;
use crate::frame::{Frame, Payload};
use crate::limits::FRAME_BYTES_MIN;
use crate::{Method, MethodId, ReplyCode, Table, connection};
use broker_api::{Command, Connect, Event, Out, Refusal, Reply};
use model::{CommandId, Instant};

/// A connection that is not open yet.
#[derive(Debug)]
pub(super) struct Opening {
    /// When it must be.
    until: Instant,
    stage: Stage,
    capabilities: ClientCapabilities,
    /// Who the client says it is.
    user: Box<[u8]>,
    channels_max: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// `connection.start` has been sent.
    StartOk,
    /// The broker is asked who it is.
    AskedLogin(CommandId),
    /// `connection.tune` has been sent.
    TuneOk,
    /// All but the vhost is settled.
    Open,
    /// The broker is asked to let the client in.
    AskedVhost(CommandId),
}

/// What an event has led to.
pub(super) enum Progress {
    /// The connection is still not open.
    Goes,
    /// It is.
    Opened(Box<Open>),
}

/// The only vhost.
const VHOST: &[u8] = b"/";

impl Opening {
    /// Sends `connection.start`.
    pub(super) fn begin(until: Instant, out: &mut Out) -> Self {
        let properties = server_properties();
        let start = connection::Start {
            version_major: 0,
            version_minor: 9,
            server_properties: properties.as_table().unwrap_or(Table::EMPTY),
            mechanisms: MECHANISMS,
            locales: b"en_US",
        };
        put(out, 0, &Method::ConnectionStart(start));
        Self {
            until,
            stage: Stage::StartOk,
            capabilities: ClientCapabilities::default(),
            user: Box::default(),
            channels_max: 0,
        }
    }

    pub(super) fn is_late(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|until| until <= now)
    }

    /// None while it is the broker who is waited for.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        match self.stage {
            Stage::StartOk | Stage::TuneOk | Stage::Open => Some(self.until),
            Stage::AskedLogin(_) | Stage::AskedVhost(_) => None,
        }
    }

    /// Whether the client is told why it is not let in: of a refused login only one that says it understands.
    pub(super) fn is_told(&self, failure: &Failure) -> bool {
        let is_login = matches!(self.stage, Stage::AskedLogin(_));
        let is_refused = is_login && failure.code == ReplyCode::AccessRefused;
        !is_refused || self.capabilities.authentication_failure_close
    }

    pub(super) fn handle_frame(
        &mut self,
        now: Instant,
        link: &mut Link,
        codec: &mut Codec,
        frame: &Frame<'_>,
        out: &mut Out,
    ) -> Result<Step, Failure> {
        let method = match &frame.payload {
            Payload::Method(method) if frame.channel == 0 => method,
            Payload::Heartbeat => return Ok(Step::Taken),
            Payload::Method(_) | Payload::Header(_) | Payload::Body(_) => {
                let text = format!("a frame on channel {} of a new connection", frame.channel);
                let code = ReplyCode::UnexpectedFrame;
                return Err(Failure::new(code, MethodId::NONE, text));
            }
        };
        match (self.stage, method) {
            (Stage::StartOk, Method::ConnectionStartOk(start_ok)) => {
                self.handle_start_ok(link, start_ok, out)?;
            }
            (Stage::TuneOk, Method::ConnectionTuneOk(tune_ok)) => {
                self.handle_tune_ok(now, link, codec, *tune_ok)?;
            }
            (Stage::Open, Method::ConnectionOpen(open)) => self.handle_open(link, open, out)?,
            (_, Method::ConnectionClose(_)) => {
                put(out, 0, &Method::ConnectionCloseOk(connection::CloseOk));
                return Ok(Step::Closed);
            }
            (_, method) => {
                let text = format!("{} came too early", method.id());
                return Err(Failure::new(ReplyCode::CommandInvalid, method.id(), text));
            }
        }
        Ok(Step::Taken)
    }

    fn handle_start_ok(
        &mut self,
        link: &mut Link,
        start_ok: &connection::StartOk<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        self.capabilities = ClientCapabilities::read(start_ok.client_properties);
        let step = authenticate(start_ok.mechanism, start_ok.response.0)?;
        self.user = user_of(&step).into();
        let command = Command::Authenticate(Box::new(step));
        self.stage = Stage::AskedLogin(link.barrier(out, 0, command));
        Ok(())
    }

    /// Takes what the client wants within what was offered. RabbitMQ checks it so, too.
    fn handle_tune_ok(
        &mut self,
        now: Instant,
        link: &mut Link,
        codec: &mut Codec,
        tune_ok: connection::TuneOk,
    ) -> Result<(), Failure> {
        let limits = &link.limits;
        let offered = u32::from(limits.channels_max);
        check_tuned("channel_max", 1, offered, tune_ok.channel_max.into())?;
        let offered = limits.frame_bytes_max;
        check_tuned("frame_max", FRAME_BYTES_MIN, offered, tune_ok.frame_max)?;
        self.channels_max = tune_ok.channel_max;
        link.frame_bytes_max = tune_ok.frame_max as usize;
        codec.set_frame_bytes_max(link.frame_bytes_max);
        link.heartbeat.agree(now, tune_ok.heartbeat);
        self.stage = Stage::Open;
        Ok(())
    }

    fn handle_open(
        &mut self,
        link: &mut Link,
        open: &connection::Open<'_>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let name = open.virtual_host;
        if name.as_bytes() != VHOST {
            let text = format!("vhost {name} not found");
            let method = connection::Open::ID;
            return Err(Failure::new(ReplyCode::NotAllowed, method, text));
        }
        let connect = Connect {
            login: None,
            vhost: name.as_bytes().to_vec(),
            identity: None,
        };
        let command = Command::Connect(Box::new(connect));
        self.stage = Stage::AskedVhost(link.barrier(out, 0, command));
        Ok(())
    }

    pub(super) fn handle_event(
        &mut self,
        link: &Link,
        event: Event,
        out: &mut Out,
    ) -> Result<Progress, Failure> {
        match (self.stage, event) {
            (Stage::AskedLogin(asked), Event::Done(id, result)) if asked == id => {
                self.handle_login(link, &result, out)?;
                out.release_barrier();
                Ok(Progress::Goes)
            }
            (Stage::AskedVhost(asked), Event::Done(id, result)) if asked == id => {
                if let Err(refusal) = result {
                    return Err(Failure::refused(&refusal, connection::Open::ID));
                }
                put(out, 0, &Method::ConnectionOpenOk(connection::OpenOk));
                out.release_barrier();
                let user = std::mem::take(&mut self.user);
                let open = Open::new(user, self.channels_max, self.capabilities);
                Ok(Progress::Opened(Box::new(open)))
            }
            (_, Event::Disconnect(refusal)) => Err(Failure::refused(&refusal, MethodId::NONE)),
            // There is no subscription and no publish yet.
            (
                _,
                Event::Done(..)
                | Event::Delivery(_)
                | Event::Confirmed(_)
                | Event::Returned(..)
                | Event::Drained(_)
                | Event::Ended(..)
                | Event::Blocked(_)
                | Event::Unblocked,
            ) => Ok(Progress::Goes),
        }
    }

    /// Offers what a client may use, once it has shown who it is.
    fn handle_login(
        &mut self,
        link: &Link,
        result: &Result<Reply, Refusal>,
        out: &mut Out,
    ) -> Result<(), Failure> {
        match result {
            Ok(Reply::Authenticated(_)) => {
                self.stage = Stage::TuneOk;
                let tune = connection::Tune {
                    channel_max: link.limits.channels_max,
                    frame_max: link.limits.frame_bytes_max,
                    heartbeat: link.limits.heartbeat_s,
                };
                put(out, 0, &Method::ConnectionTune(tune));
                Ok(())
            }
            // A challenge is not for a mechanism that has shown all at once.
            Ok(_) => Err(Failure::internal(connection::StartOk::ID)),
            Err(Refusal::Busy) => Err(Failure::refused(&Refusal::Busy, connection::StartOk::ID)),
            // A refusal's own words could tell a stranger which users there are.
            Err(_) => Err(Failure::new(
                ReplyCode::AccessRefused,
                MethodId::NONE,
                "Login was refused, see the broker's log",
            )),
        }
    }
}

/// Whether a client keeps to what was offered; 0 is no bound at all.
fn check_tuned(what: &str, min: u32, offered: u32, wanted: u32) -> Result<(), Failure> {
    let text = if wanted == 0 {
        format!(
            "negotiated {what} = 0 (no limit) is higher than the maximum allowed value ({offered})"
        )
    } else if wanted > offered {
        format!("negotiated {what} = {wanted} is higher than the maximum allowed value ({offered})")
    } else if wanted < min {
        format!("negotiated {what} = {wanted} is lower than the minimum allowed value ({min})")
    } else {
        return Ok(());
    };
    Err(Failure::new(
        ReplyCode::NotAllowed,
        connection::Tune::ID,
        text,
    ))
}
