//! One connection: bytes of the peer into events, frames into bytes.
//!
//! ```text
//! greeting ──3.x──► handshake ⇄ verdict ──► open ──► failed
//!    └──2.0, 1.0──► identity ───────────────►┘
//! ```
//!
//! A phase that fails is [`Phase::Failed`]; nothing leads out of that.

mod inbound;
mod opening;
mod traffic;

use crate::command::{Command, check_group};
use crate::curve::PublicKey;
use crate::error::{Error, SendError};
use crate::frame::{Frame, FrameHead, Framing};
use crate::handshake::Handshake;
use crate::identity::Identity;
use crate::metadata::{IDENTITY, Metadata, SOCKET_TYPE};
use crate::settings::{MetadataBuf, Settings};
use crate::socket_type::SocketType;
use crate::version::Version;
use crate::zap::{Credentials, Verdict};
use bytes::{Bytes, BytesMut};
use opening::{Identifying, Sent};
use traffic::Traffic;

/// Who is at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Nothing for a peer of 1.0, or one that does not say.
    pub socket_type: Option<SocketType>,
    /// What it calls itself; may be empty.
    pub identity: Identity,
    /// All its properties, which [`Metadata::read`] reads.
    pub metadata: Bytes,
    /// The permanent key of CURVE, of which the peer has shown that it has the secret one.
    pub public_key: Option<PublicKey>,
    /// Who it is by the verdict; may be empty.
    pub user_id: Bytes,
    /// Properties of the verdict, which [`Metadata::read`] reads.
    pub verdict_metadata: Bytes,
}

/// What has happened. Octets that it borrows are the last of those that were taken, and not encrypted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// This version is spoken.
    Version(Version),
    /// The handshake has gone on by a command.
    Handshake,
    /// [`Connection::handle_verdict`] is waited for.
    Authenticate(Credentials<'a>),
    /// The handshake is done: from here on frames may be sent, and come.
    Ready(Box<Peer>),
    /// A frame of a message.
    Frame(Frame<'a>),
    /// For DISH: the group of the message whose body comes next, as a frame.
    Group(&'a [u8]),
    /// For PUB and XPUB: messages whose first frame begins so are wanted, once more.
    Subscribe(&'a [u8]),
    /// For PUB and XPUB: one subscription less.
    Cancel(&'a [u8]),
    /// For RADIO: messages of this group are wanted.
    Join(&'a [u8]),
    /// For RADIO: they are not any more.
    Leave(&'a [u8]),
    /// A PING, which has been answered.
    Ping,
    /// The answer to a PING, with its context.
    Pong(&'a [u8]),
    /// Nothing for this socket: a command that is not known, a message that it does not take.
    Ignored,
}

/// What [`Connection::handle_input`] has done.
#[derive(Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// An event, for which so many octets were taken from the front of the input; there may be more behind them.
    Event(Event<'a>, usize),
    /// Nothing was taken; more is to be read.
    Incomplete {
        /// So many octets are missing at least. Never 0. It follows from what the peer says: within the limit, but
        /// room for it is to be made as the octets come.
        missing_bytes: usize,
    },
    /// Nothing was taken, and nothing is before [`Connection::handle_verdict`].
    AwaitVerdict,
}

/// A connection of a socket, without the transport.
///
/// The driver owns the transport, the buffer of what was read, and the buffer `out` of what is to be written. After
/// each call all of `out` is to be written, in its order. It calls
/// - [`Self::handle_received`] once for each piece that was read, then [`Self::handle_input`] until that wants more;
/// - [`Self::handle_verdict`] when it has been asked for one, then [`Self::handle_input`] again, even without input;
/// - [`Self::handle_deadline`] when [`Self::deadline_ms`] has come;
/// - `put_*` to send, once [`Event::Ready`] has come.
///
/// An error ends the connection: `out` is to be written, then it is to be closed. Later calls give the error again.
///
/// Invariants: the events do not depend on how the input was cut. Nothing is allocated for a frame that comes. Times
/// are milliseconds of any clock that does not go back.
#[derive(Debug)]
pub struct Connection {
    settings: Settings,
    /// The own properties, as they are told.
    metadata: Bytes,
    phase: Phase,
    handshake_until_ms: Option<u64>,
    received_ms: u64,
    /// User id and properties of a verdict that came before the peer's properties.
    let_in: Option<(Bytes, Bytes)>,
}

/// Where the connection stands.
#[derive(Debug)]
enum Phase {
    /// The peer's greeting is waited for.
    Greeting(Sent, Box<Handshake>),
    /// The identity of an older peer is waited for.
    Identity(Identifying),
    /// Commands of the mechanism.
    Handshake(Version, Box<Handshake>),
    /// A verdict on the address is to be asked for.
    Ask(Version, Box<Handshake>),
    /// A verdict is waited for; the peer is known if its properties have come.
    Verdict(Version, Box<Handshake>, Option<Box<Peer>>),
    /// Ready is to be told; then, if so, a subscription that a peer of 1.0 may not know how to send.
    Announce(Box<Peer>, Box<Traffic>, Phantom),
    /// A subscription to everything is to be told.
    Subscribe(Box<Traffic>),
    /// Messages.
    Open(Box<Traffic>),
    Failed(Error),
    /// One phase is being made from another; never between two calls.
    Between,
}

/// Whether a peer counts as subscribed to everything: 1.0 has publishers that were told of no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phantom {
    None,
    Subscription,
}

impl Connection {
    /// Begins on a transport that has just been connected; writes what may be said first.
    #[must_use]
    pub fn new(mut settings: Settings, now_ms: u64, out: &mut BytesMut) -> Self {
        let metadata = own_metadata(&settings);
        let null = crate::Mechanism::Null(crate::Authentication::NotAsked);
        let oldest = settings.oldest();
        settings.version_min = oldest;
        let name = settings.mechanism.name();
        let is_server = settings.mechanism.is_server();
        let mechanism = std::mem::replace(&mut settings.mechanism, null);
        let handshake = Box::new(Handshake::new(mechanism));
        let handshake_ms = settings.limits.handshake_ms;
        let phase = opening::begin(&settings, name, is_server, handshake, out);
        Self {
            settings,
            metadata,
            phase,
            handshake_until_ms: (handshake_ms > 0).then(|| now_ms.saturating_add(handshake_ms)),
            received_ms: now_ms,
            let_in: None,
        }
    }

    /// Something has been read, at this time.
    pub fn handle_received(&mut self, now_ms: u64) {
        self.received_ms = now_ms;
        if let Phase::Open(traffic) = &mut self.phase {
            traffic.handle_received(now_ms);
        }
    }

    /// Takes the first event out of the input, and writes what answers it.
    ///
    /// # Errors
    /// [`Error`]: the connection is at an end.
    #[inline]
    pub fn handle_input<'a>(
        &mut self,
        input: &'a mut [u8],
        out: &mut BytesMut,
    ) -> Result<Step<'a>, Error> {
        // Most of what comes: it is not to carry the weight of all else.
        if let Phase::Open(traffic) = &self.phase
            && let Some((more, body)) = traffic.find_message(input)
        {
            let taken = body.end;
            let body = &input[body];
            return Ok(Step::Event(Event::Frame(Frame { more, body }), taken));
        }
        self.handle_other_input(input, out)
    }

    #[inline(never)]
    fn handle_other_input<'a>(
        &mut self,
        input: &'a mut [u8],
        out: &mut BytesMut,
    ) -> Result<Step<'a>, Error> {
        let result = if let Phase::Open(traffic) = &mut self.phase {
            traffic.handle_input(input, out)
        } else {
            self.handle_opening(input, out)
        };
        if let Err(error) = &result {
            self.phase = Phase::Failed(error.clone());
        }
        result
    }

    /// Goes on with a verdict. Does nothing when none has been asked for.
    ///
    /// # Errors
    /// [`Error`]: the connection is at an end, and the peer has been told if it is to be.
    pub fn handle_verdict(&mut self, verdict: &Verdict, out: &mut BytesMut) -> Result<(), Error> {
        let result = self.apply_verdict(verdict, out);
        if let Err(error) = &result {
            self.phase = Phase::Failed(error.clone());
        }
        result
    }

    /// Becomes a socket of another type: for a server that is to each peer what that speaks with. Returns whether it did: it
    /// can as long as the own type has not been told, which a server of PLAIN does behind the peer's INITIATE, and one
    /// of NULL that asks for a verdict behind that.
    pub fn become_type(&mut self, socket_type: SocketType) -> bool {
        let is_untold = match &self.phase {
            Phase::Verdict(_, handshake, None) => handshake.is_type_untold(true),
            Phase::Handshake(_, handshake) => handshake.is_type_untold(false),
            Phase::Greeting(..)
            | Phase::Identity(_)
            | Phase::Ask(..)
            | Phase::Verdict(..)
            | Phase::Announce(..)
            | Phase::Subscribe(_)
            | Phase::Open(_)
            | Phase::Failed(_)
            | Phase::Between => false,
        };
        if is_untold {
            self.settings.socket_type = socket_type;
            self.metadata = own_metadata(&self.settings);
        }
        is_untold
    }

    /// When [`Self::handle_deadline`] has something to do.
    #[must_use]
    pub fn deadline_ms(&self) -> Option<u64> {
        if let Phase::Open(traffic) = &self.phase {
            return traffic.deadline_ms();
        }
        let is_failed = matches!(self.phase, Phase::Failed(_));
        self.handshake_until_ms.filter(|_| !is_failed)
    }

    /// Does what is due: sends a PING, or ends the connection.
    ///
    /// # Errors
    /// [`Error::Silent`], [`Error::HandshakeTimeout`], or the error that has ended the connection.
    pub fn handle_deadline(&mut self, now_ms: u64, out: &mut BytesMut) -> Result<(), Error> {
        let result = if let Phase::Open(traffic) = &mut self.phase {
            traffic.handle_deadline(now_ms, out)
        } else if let Phase::Failed(error) = &self.phase {
            Err(error.clone())
        } else if self.handshake_until_ms.is_some_and(|until| until <= now_ms) {
            Err(Error::HandshakeTimeout(self.settings.limits.handshake_ms))
        } else {
            Ok(())
        };
        if let Err(error) = &result {
            self.phase = Phase::Failed(error.clone());
        }
        result
    }

    /// Whether frames may be sent.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open(_))
    }

    /// The version that is spoken, once messages are.
    #[must_use]
    pub fn version(&self) -> Option<Version> {
        self.open().ok().map(|traffic| traffic.version)
    }

    /// How frames lie on the wire, when nothing is encrypted: the same frame is the same octets then for all peers of
    /// that framing, and [`put_frame`](crate::put_frame) may write it once for them.
    #[must_use]
    pub fn framing(&self) -> Option<Framing> {
        self.open().ok().and_then(Traffic::framing)
    }

    /// Writes a frame of a message.
    ///
    /// # Errors
    /// [`SendError`]; nothing is written then.
    #[inline]
    pub fn put_frame(&mut self, out: &mut BytesMut, frame: Frame<'_>) -> Result<(), SendError> {
        self.open_mut()?.put_frame(out, frame)
    }

    /// The head of a frame whose body the driver writes behind it itself, without a copy; nothing when the body must be
    /// encrypted, or the connection is not open.
    #[must_use]
    pub fn frame_head(&self, more: bool, body_len: usize) -> Option<FrameHead> {
        let framing = self.framing()?;
        Some(FrameHead::message(framing, more, body_len))
    }

    /// Writes a message of a RADIO.
    ///
    /// # Errors
    /// [`SendError`]; nothing is written then.
    pub fn put_group_message(
        &mut self,
        out: &mut BytesMut,
        group: &[u8],
        body: &[u8],
    ) -> Result<(), SendError> {
        check_group(group).map_err(|_| SendError::Group)?;
        self.put_frame(out, Frame::more(group))?;
        self.put_frame(out, Frame::last(body))
    }

    /// Writes a subscription, as the peer's version has it.
    ///
    /// # Errors
    /// [`SendError`]; nothing is written then.
    pub fn put_subscribe(&mut self, out: &mut BytesMut, topic: &[u8]) -> Result<(), SendError> {
        let open = self.open_mut()?;
        open.put_subscription(out, &Command::Subscribe(topic), &[1], topic)
    }

    /// Writes that a subscription ends, as the peer's version has it.
    ///
    /// # Errors
    /// [`SendError`]; nothing is written then.
    pub fn put_cancel(&mut self, out: &mut BytesMut, topic: &[u8]) -> Result<(), SendError> {
        let open = self.open_mut()?;
        open.put_subscription(out, &Command::Cancel(topic), &[0], topic)
    }

    /// Writes that a DISH joins a group.
    ///
    /// # Errors
    /// [`SendError`]; nothing is written then.
    pub fn put_join(&mut self, out: &mut BytesMut, group: &[u8]) -> Result<(), SendError> {
        check_group(group).map_err(|_| SendError::Group)?;
        self.open_mut()?.put_command(out, &Command::Join(group))
    }

    /// Writes that a DISH leaves a group.
    ///
    /// # Errors
    /// [`SendError`]; nothing is written then.
    pub fn put_leave(&mut self, out: &mut BytesMut, group: &[u8]) -> Result<(), SendError> {
        check_group(group).map_err(|_| SendError::Group)?;
        self.open_mut()?.put_command(out, &Command::Leave(group))
    }

    fn open(&self) -> Result<&Traffic, SendError> {
        if let Phase::Open(traffic) = &self.phase {
            return Ok(traffic);
        }
        Err(SendError::NotOpen)
    }

    #[inline]
    fn open_mut(&mut self) -> Result<&mut Traffic, SendError> {
        if let Phase::Open(traffic) = &mut self.phase {
            return Ok(traffic);
        }
        Err(SendError::NotOpen)
    }
}

impl Peer {
    /// Reads what a peer of 3.0 or later says of itself, and whether this socket speaks with it.
    fn read(metadata: &[u8], ours: SocketType) -> Result<Box<Self>, Error> {
        let read = Metadata::read(metadata)?;
        let socket_type = match read.value(SOCKET_TYPE) {
            None => None,
            Some(name) => Some(SocketType::from_name(name).ok_or(Error::UnknownSocketType)?),
        };
        let mut peer = Self {
            metadata: Bytes::copy_from_slice(metadata),
            ..Self::of_type(socket_type, ours)?
        };
        // Others' are ignored.
        if socket_type.is_none_or(SocketType::has_identity)
            && let Some(identity) = read.value(IDENTITY)
        {
            peer.identity = Identity::copy(identity)?;
        }
        Ok(Box::new(peer))
    }

    fn of_type(theirs: Option<SocketType>, ours: SocketType) -> Result<Self, Error> {
        match theirs {
            Some(theirs) if !ours.accepts(theirs) => Err(Error::SocketTypes { ours, theirs }),
            socket_type => Ok(Self {
                socket_type,
                ..Self::default()
            }),
        }
    }

    fn let_in(&mut self, (user_id, metadata): (Bytes, Bytes)) {
        self.user_id = user_id;
        self.verdict_metadata = metadata;
    }
}

fn own_metadata(settings: &Settings) -> Bytes {
    let mut buffer = MetadataBuf::default();
    let socket_type = settings.socket_type;
    let name = socket_type.name().as_bytes();
    let mut is_put = buffer.push(SOCKET_TYPE, name).is_ok();
    if socket_type.has_identity() {
        is_put &= buffer.push(IDENTITY, settings.identity.as_bytes()).is_ok();
    }
    debug_assert!(is_put, "both names are names, and the values are short");
    Bytes::from([buffer.as_bytes(), settings.metadata.as_bytes()].concat())
}
