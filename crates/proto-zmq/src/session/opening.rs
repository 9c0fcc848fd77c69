//! From the greeting to READY.

use super::Link;
use crate::curve::{Curve, Owner};
use crate::failure::Failure;
use crate::refusal::status_code;
use broker_api::{Authenticate, Command, Connect, Event, Login, Out};
use bytes::BytesMut;
use model::{CommandId, Instant};
use std::sync::Arc;
use zmtp::curve::{PublicKey, ServerRandom};
use zmtp::{
    Authentication, Connection, Credentials, CurveServer, Decoded, FrameKind, Framing,
    GREETING_BYTES, Limits, Mechanism, MechanismName, Metadata, Peer, SocketType, StatusCode, Step,
    Verdict, Version,
};

/// The signature and the version: what a peer waits for before it says its mechanism.
const START: [u8; 11] = [0xFF, 0, 0, 0, 0, 0, 0, 0, 0, 0x7F, 3];

/// A connection whose handshake is under way.
#[derive(Debug)]
pub(super) struct Opening {
    connection: Connection,
    mechanism: Named,
    /// The login that is looked at.
    connect: Option<CommandId>,
    is_let_in: bool,
    has_type: bool,
}

/// A mechanism that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    Null,
    Plain,
    Curve,
}

/// A mechanism, with what the server of it needs.
pub(super) struct Spoken(Named, Mechanism);

impl Spoken {
    /// What the peer asks for, if the settings allow that.
    pub(super) fn new(
        name: &MechanismName,
        curve: Option<&Curve>,
        random: &mut Option<Box<ServerRandom>>,
    ) -> Result<Self, Failure> {
        let authentication = Authentication::Asked;
        let is_curve_required = curve.is_some_and(|it| it.is_required);
        let spoken = match *name {
            MechanismName::NULL if !is_curve_required => {
                Some(Self(Named::Null, Mechanism::Null(authentication)))
            }
            MechanismName::PLAIN if !is_curve_required => {
                Some(Self(Named::Plain, Mechanism::PlainServer))
            }
            MechanismName::CURVE => curve.zip(random.take()).map(|(curve, random)| {
                let server = CurveServer {
                    secret_key: curve.secret_key.clone(),
                    random: *random,
                    authentication,
                };
                Self(Named::Curve, Mechanism::CurveServer(Box::new(server)))
            }),
            _ => None,
        };
        spoken.ok_or_else(|| Failure::Mechanism(name.to_string()))
    }
}

/// What input has done.
#[derive(Debug)]
pub(super) enum Progress {
    /// So many octets are dealt with.
    Taken(usize),
    /// More must come, or the broker's answer.
    Awaits { missing_bytes: usize },
    /// The handshake is done.
    Ready(Box<Peer>),
}

/// Says the start of the greeting to who begins as a greeting does.
pub(super) fn put_start(input: &[u8], out: &mut Out) {
    if input.first() == Some(&START[0]) {
        out.wire.put(&START);
    }
}

/// The mechanism that the peer's greeting names, once that is there.
pub(super) fn mechanism(input: &[u8]) -> Result<Option<MechanismName>, Failure> {
    let is = |at: usize, fits: fn(u8) -> bool| input.get(at).is_none_or(|byte| fits(*byte));
    // Older versions have no mechanism; what is no greeting may have anything.
    if !is(0, |byte| byte == 0xFF) || !is(9, |byte| byte & 1 == 1) || !is(10, |byte| byte >= 3) {
        return Err(Failure::Version);
    }
    let greeting = input.first_chunk::<GREETING_BYTES>();
    Ok(greeting.map(MechanismName::of_greeting))
}

/// What the broker is to a socket of that type, if anything.
const fn counterpart(theirs: SocketType) -> Option<SocketType> {
    match theirs {
        SocketType::Pub | SocketType::XPub => Some(SocketType::Sub),
        SocketType::Sub | SocketType::XSub => Some(SocketType::XPub),
        SocketType::Push => Some(SocketType::Pull),
        SocketType::Pull => Some(SocketType::Push),
        SocketType::Req => Some(SocketType::Rep),
        SocketType::Dealer => Some(SocketType::Router),
        SocketType::Rep => Some(SocketType::Dealer),
        SocketType::Pair
        | SocketType::Router
        | SocketType::Server
        | SocketType::Client
        | SocketType::Radio
        | SocketType::Dish
        | SocketType::Gather
        | SocketType::Scatter
        | SocketType::Peer
        | SocketType::Channel
        | SocketType::Stream => None,
    }
}

impl Opening {
    /// Behind [`put_start`], with the peer's greeting in the input.
    pub(super) fn new(
        (now, until): (Instant, Instant),
        link: &Link,
        Spoken(named, mechanism): Spoken,
        out: &mut Out,
    ) -> Self {
        let settings = &link.settings;
        // Which type it is comes later.
        let settings = zmtp::Settings {
            mechanism,
            counterpart: Some(counterpart),
            version_min: Version::V3_0,
            limits: Limits {
                frame_bytes_max: settings.message_bytes_max,
                handshake_bytes_max: settings.handshake_bytes_max,
                // What the greeting has left of it; 0 is for ever.
                handshake_ms: until.millis().saturating_sub(now.millis()).max(1),
            },
            ..zmtp::Settings::new(SocketType::Pull)
        };
        let mut greeting = BytesMut::new();
        let mut connection = Connection::new(settings, now.millis(), &mut greeting);
        connection.handle_received(now.millis());
        debug_assert!(
            greeting.starts_with(&START),
            "this much is the same for all"
        );
        out.wire.put(&greeting[START.len()..]);
        Self {
            connection,
            mechanism: named,
            connect: None,
            is_let_in: false,
            has_type: false,
        }
    }

    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    pub(super) const fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) const fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    pub(super) fn handle_input(
        &mut self,
        link: &mut Link,
        input: &mut [u8],
        out: &mut Out,
    ) -> Result<Progress, Failure> {
        if self.mechanism == Named::Plain
            && self.is_let_in
            && !self.has_type
            && let Some(missing_bytes) = self.take_type(link, b"\x08INITIATE", input)?
        {
            return Ok(Progress::Awaits { missing_bytes });
        }
        match self.connection.handle_input(input, out.wire.buffer())? {
            Step::Incomplete { missing_bytes } => Ok(Progress::Awaits { missing_bytes }),
            // With NULL the peer says READY at once.
            Step::AwaitVerdict if self.connect.is_none() => {
                if let Some(missing_bytes) = self.take_type(link, b"\x05READY", input)? {
                    return Ok(Progress::Awaits { missing_bytes });
                }
                self.connect(link, None, out);
                Ok(Progress::Taken(0))
            }
            Step::AwaitVerdict => {
                out.hold();
                Ok(Progress::Taken(0))
            }
            Step::Event(zmtp::Event::Authenticate(credentials), taken) => {
                match credentials {
                    // Behind its READY.
                    Credentials::Null => {}
                    Credentials::Plain { username, password } => {
                        let login = Login {
                            user: username.to_vec(),
                            password: password.to_vec(),
                        };
                        self.connect(link, Some(login), out);
                    }
                    Credentials::Curve(key) => self.connect_owner(link, &key, out)?,
                }
                Ok(Progress::Taken(taken))
            }
            Step::Event(zmtp::Event::Ready(peer), _) => Ok(Progress::Ready(peer)),
            Step::Event(_, taken) => Ok(Progress::Taken(taken)),
        }
    }

    /// Becomes what speaks with the type that the command at the front of the input tells. Says how much of that is
    /// missing, if it is.
    fn take_type(
        &mut self,
        link: &Link,
        name: &[u8],
        input: &[u8],
    ) -> Result<Option<usize>, Failure> {
        let limit = link.settings.handshake_bytes_max;
        let body = match zmtp::decode(Framing::V3, input, limit).map_err(zmtp::Error::from)? {
            Decoded::Incomplete { missing_bytes } => return Ok(Some(missing_bytes)),
            Decoded::Frame(FrameKind::Command, body) => input.get(body),
            Decoded::Frame(FrameKind::Last | FrameKind::More, _) => None,
        };
        let theirs = body
            .and_then(|body| body.strip_prefix(name))
            .and_then(|metadata| Metadata::read(metadata).ok())
            .and_then(|metadata| metadata.value(zmtp::metadata::SOCKET_TYPE))
            .and_then(SocketType::from_name);
        let ours = theirs.and_then(counterpart).ok_or(Failure::SocketType)?;
        self.connection.become_type(ours);
        self.has_type = true;
        Ok(None)
    }

    /// Connects as whom a key is of.
    fn connect_owner(
        &mut self,
        link: &mut Link,
        key: &PublicKey,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let settings = Arc::clone(&link.settings);
        let owner = settings.curve.as_ref().map(|curve| curve.owner(key));
        match owner.unwrap_or(Owner::Stranger) {
            Owner::Guest => {}
            Owner::User(user) => {
                let user = user.into();
                let vouched = Box::new(Authenticate::Vouched { user });
                link.submit(out, Command::Authenticate(vouched));
            }
            Owner::Stranger => {
                let verdict = Verdict::Failure(StatusCode::AuthenticationFailure);
                let buffer = out.wire.buffer();
                return Ok(self.connection.handle_verdict(&verdict, buffer)?);
            }
        }
        self.connect(link, None, out);
        Ok(())
    }

    fn connect(&mut self, link: &mut Link, login: Option<Login>, out: &mut Out) {
        let connect = Connect {
            login,
            vhost: Vec::new(),
            identity: None,
        };
        self.connect = Some(link.barrier(out, Command::Connect(Box::new(connect))));
    }

    pub(super) fn handle_event(&mut self, event: Event, out: &mut Out) -> Result<(), Failure> {
        let Event::Done(id, result) = event else {
            return Ok(());
        };
        if Some(id) != self.connect {
            return Ok(());
        }
        let buffer = out.wire.buffer();
        match result {
            Ok(_) => {
                self.is_let_in = true;
                self.connection.handle_verdict(&Verdict::SUCCESS, buffer)?;
                out.release_barrier();
                Ok(())
            }
            Err(refusal) => {
                let verdict = Verdict::Failure(status_code(&refusal));
                // It says so, and is at an end by that.
                let _ended = self.connection.handle_verdict(&verdict, buffer);
                Err(refusal.into())
            }
        }
    }
}
