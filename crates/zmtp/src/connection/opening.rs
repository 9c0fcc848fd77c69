//! Until messages are spoken: greeting, identity of older peers, handshake, verdict.

use super::traffic::Traffic;
use super::{Connection, Event, Peer, Phantom, Phase, Step, own_metadata};
use crate::error::Error;
use crate::frame::{Decoded, Frame, FrameKind, Framing, decode, put_frame};
use crate::greeting::{
    GREETING_2_0_BYTES, GREETING_BYTES, Greeting, MechanismName, Start, put_rest, put_signature,
};
use crate::handshake::{Begun, Done, Handshake, LetIn, Progress, put_refusal};
use crate::identity::{IDENTITY_BYTES_MAX, Identity};
use crate::metadata::{Metadata, SOCKET_TYPE};
use crate::settings::Settings;
use crate::socket_type::SocketType;
use crate::version::Version;
use crate::zap::{Credentials, Verdict};
use bytes::{BufMut as _, BytesMut};

/// How much of the own greeting has been written. It goes out as libzmq's: no more than a peer of any older version
/// understands, until that is known not to be one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    upto: Upto,
    mechanism: MechanismName,
    is_server: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upto {
    Signature,
    Revision,
    All,
}

/// An older peer whose identity has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identifying {
    version: Version,
    framing: Framing,
    socket_type: Option<SocketType>,
    phantom: Phantom,
}

/// Writes what may be said first.
pub(super) fn begin(
    settings: &Settings,
    mechanism: MechanismName,
    is_server: bool,
    handshake: Box<Handshake>,
    out: &mut BytesMut,
) -> Phase {
    let max = settings.version_max;
    if max == Version::V1_0 {
        put_frame(out, Framing::V1, Frame::last(settings.identity.as_bytes()));
        return match check_version(settings, Version::V1_0) {
            Ok(()) => Phase::Identity(Identifying {
                version: Version::V1_0,
                framing: Framing::V1,
                socket_type: None,
                phantom: phantom(settings),
            }),
            Err(error) => Phase::Failed(error),
        };
    }
    let mut sent = Sent {
        upto: Upto::Signature,
        mechanism,
        is_server,
    };
    // Who does not speak older versions says all at once, and has nothing to detect.
    if settings.version_min.min(max).has_commands() {
        put_signature(out, 0);
        out.put_u8(max.revision());
        put_rest(out, max, mechanism, is_server);
        sent.upto = Upto::All;
    } else {
        put_signature(out, settings.identity.as_bytes().len() as u64 + 1);
    }
    Phase::Greeting(sent, handshake)
}

fn phantom(settings: &Settings) -> Phantom {
    if matches!(settings.socket_type, SocketType::Pub | SocketType::XPub) {
        return Phantom::Subscription;
    }
    Phantom::None
}

fn check_version(settings: &Settings, version: Version) -> Result<(), Error> {
    let min = settings.version_min;
    if version < min {
        return Err(Error::Version { version, min });
    }
    Ok(())
}

impl Connection {
    /// [`Self::handle_input`] before messages are spoken.
    #[cold]
    pub(super) fn handle_opening<'a>(
        &mut self,
        input: &'a mut [u8],
        out: &mut BytesMut,
    ) -> Result<Step<'a>, Error> {
        match std::mem::replace(&mut self.phase, Phase::Between) {
            Phase::Greeting(sent, handshake) => self.handle_greeting(sent, handshake, input, out),
            Phase::Identity(identifying) => self.handle_identity(identifying, input),
            Phase::Handshake(version, handshake) => {
                self.handle_handshake(version, handshake, input, out)
            }
            Phase::Ask(version, handshake) => {
                self.phase = Phase::Verdict(version, handshake, None);
                Ok(Step::Event(Event::Authenticate(Credentials::Null), 0))
            }
            Phase::Verdict(version, handshake, peer) => {
                self.phase = Phase::Verdict(version, handshake, peer);
                Ok(Step::AwaitVerdict)
            }
            Phase::Announce(peer, mut traffic, phantom) => {
                traffic.begin(self.received_ms);
                self.phase = match phantom {
                    Phantom::None => Phase::Open(traffic),
                    Phantom::Subscription => Phase::Subscribe(traffic),
                };
                Ok(Step::Event(Event::Ready(peer), 0))
            }
            Phase::Subscribe(traffic) => {
                self.phase = Phase::Open(traffic);
                Ok(Step::Event(Event::Subscribe(&[]), 0))
            }
            Phase::Open(mut traffic) => {
                let result = traffic.handle_input(input, out);
                self.phase = Phase::Open(traffic);
                result
            }
            Phase::Failed(error) => Err(error),
            Phase::Between => Err(Error::Unexpected("nothing")),
        }
    }

    fn handle_greeting<'a>(
        &mut self,
        mut sent: Sent,
        handshake: Box<Handshake>,
        input: &[u8],
        out: &mut BytesMut,
    ) -> Result<Step<'a>, Error> {
        let max = self.settings.version_max;
        let start = Start::of(input);
        match start {
            Start::Incomplete(missing_bytes) => {
                self.phase = Phase::Greeting(sent, handshake);
                return Ok(Step::Incomplete { missing_bytes });
            }
            Start::Unversioned => {
                check_version(&self.settings, Version::V1_0)?;
                // What was sent is the head of its frame to the peer.
                out.put_slice(self.settings.identity.as_bytes());
                self.phase = Phase::Identity(Identifying {
                    version: Version::V1_0,
                    framing: Framing::V1,
                    socket_type: None,
                    phantom: phantom(&self.settings),
                });
                return Ok(Step::Event(Event::Version(Version::V1_0), 0));
            }
            Start::Signature | Start::Revision(_) if sent.upto == Upto::Signature => {
                out.put_u8(max.revision());
                sent.upto = Upto::Revision;
            }
            Start::Signature | Start::Revision(_) => {}
        }
        let Start::Revision(revision) = start else {
            self.phase = Phase::Greeting(sent, handshake);
            return Ok(Step::Incomplete { missing_bytes: 1 });
        };
        if revision < 3 || !max.has_commands() {
            return self.handle_greeting_2_0(sent, handshake, revision, input, out);
        }
        if sent.upto == Upto::Revision {
            put_rest(out, max, sent.mechanism, sent.is_server);
            sent.upto = Upto::All;
        }
        let Some(greeting) = input.first_chunk::<GREETING_BYTES>() else {
            let missing_bytes = GREETING_BYTES - input.len();
            self.phase = Phase::Greeting(sent, handshake);
            return Ok(Step::Incomplete { missing_bytes });
        };
        self.begin_handshake(sent, handshake, Greeting::read(greeting), out)
    }

    fn begin_handshake<'a>(
        &mut self,
        sent: Sent,
        mut handshake: Box<Handshake>,
        greeting: Greeting,
        out: &mut BytesMut,
    ) -> Result<Step<'a>, Error> {
        let theirs = match greeting.version {
            (3, 0) => Version::V3_0,
            _ => Version::V3_1,
        };
        let version = theirs.min(self.settings.version_max);
        check_version(&self.settings, version)?;
        if greeting.mechanism != sent.mechanism {
            return Err(Error::Mechanism {
                ours: sent.mechanism,
                theirs: greeting.mechanism,
            });
        }
        self.phase = match handshake.begin(&self.metadata, out)? {
            Begun::Awaits => Phase::Handshake(version, handshake),
            Begun::Asks => Phase::Ask(version, handshake),
        };
        Ok(Step::Event(Event::Version(version), GREETING_BYTES))
    }

    fn handle_greeting_2_0<'a>(
        &mut self,
        mut sent: Sent,
        handshake: Box<Handshake>,
        revision: u8,
        input: &[u8],
        out: &mut BytesMut,
    ) -> Result<Step<'a>, Error> {
        // Revision 0 is a peer that has a greeting, and frames of 1.0.
        let (version, framing) = match revision {
            0 => (Version::V1_0, Framing::V1),
            _ => (Version::V2_0, Framing::V2),
        };
        check_version(&self.settings, version)?;
        let ours = self.settings.socket_type;
        if sent.upto == Upto::Revision {
            let octet = ours.octet().ok_or(Error::Version {
                version,
                min: Version::V3_0,
            })?;
            out.put_u8(octet);
            let identity = self.settings.identity.as_bytes();
            put_frame(out, framing, Frame::last(identity));
            sent.upto = Upto::All;
        }
        let Some(octet) = input.get(GREETING_2_0_BYTES - 1) else {
            self.phase = Phase::Greeting(sent, handshake);
            return Ok(Step::Incomplete { missing_bytes: 1 });
        };
        let theirs = SocketType::from_octet(*octet).ok_or(Error::UnknownSocketType)?;
        if !ours.accepts(theirs) {
            return Err(Error::SocketTypes { ours, theirs });
        }
        self.phase = Phase::Identity(Identifying {
            version,
            framing,
            socket_type: Some(theirs),
            phantom: Phantom::None,
        });
        Ok(Step::Event(Event::Version(version), GREETING_2_0_BYTES))
    }

    fn handle_identity<'a>(
        &mut self,
        identifying: Identifying,
        input: &[u8],
    ) -> Result<Step<'a>, Error> {
        // Flags do not count here: a newer peer's are those of its signature.
        let body = match decode(identifying.framing, input, IDENTITY_BYTES_MAX)? {
            Decoded::Frame(FrameKind::Last | FrameKind::More | FrameKind::Command, body) => body,
            Decoded::Incomplete { missing_bytes } => {
                self.phase = Phase::Identity(identifying);
                return Ok(Step::Incomplete { missing_bytes });
            }
        };
        let taken = body.end;
        let mut peer = Peer::of_type(identifying.socket_type, self.settings.socket_type)?;
        peer.identity = Identity::copy(&input[body])?;
        let (version, framing) = (identifying.version, identifying.framing);
        let traffic = Traffic::new(&self.settings, version, framing, None);
        self.phase = Phase::Announce(Box::new(peer), Box::new(traffic), identifying.phantom);
        Ok(Step::Event(Event::Handshake, taken))
    }

    fn handle_handshake<'a>(
        &mut self,
        version: Version,
        mut handshake: Box<Handshake>,
        input: &'a mut [u8],
        out: &mut BytesMut,
    ) -> Result<Step<'a>, Error> {
        let limit = self.settings.limits.handshake_bytes_max;
        let body = match decode(Framing::V3, input, limit)? {
            Decoded::Frame(FrameKind::Command, body) => body,
            Decoded::Frame(FrameKind::Last | FrameKind::More, _) => {
                return Err(Error::Unexpected("a command"));
            }
            Decoded::Incomplete { missing_bytes } => {
                self.phase = Phase::Handshake(version, handshake);
                return Ok(Step::Incomplete { missing_bytes });
            }
        };
        let taken = body.end;
        match handshake.handle_command(&mut input[body], &self.metadata, out)? {
            Progress::Awaits => {
                self.phase = Phase::Handshake(version, handshake);
                Ok(Step::Event(Event::Handshake, taken))
            }
            Progress::Asks(credentials, metadata) => {
                let mut peer = match metadata {
                    Some(metadata) => {
                        self.adapt(metadata)?;
                        Some(Peer::read(metadata, self.settings.socket_type)?)
                    }
                    None => None,
                };
                if let (Credentials::Curve(key), Some(peer)) = (credentials, &mut peer) {
                    peer.public_key = Some(key);
                }
                self.phase = Phase::Verdict(version, handshake, peer);
                Ok(Step::Event(Event::Authenticate(credentials), taken))
            }
            Progress::Done(done, metadata) => {
                let mut peer = Peer::read(metadata, self.settings.socket_type)?;
                if let Some(verdict) = self.let_in.take() {
                    peer.let_in(verdict);
                }
                self.announce(version, peer, done);
                Ok(Step::Event(Event::Handshake, taken))
            }
        }
    }

    /// Becomes what speaks with a peer that has told its type, if that is set.
    fn adapt(&mut self, theirs: &[u8]) -> Result<(), Error> {
        let Some(counterpart) = self.settings.counterpart else {
            return Ok(());
        };
        let theirs = Metadata::read(theirs)?.value(SOCKET_TYPE);
        let theirs = theirs.and_then(SocketType::from_name);
        let theirs = theirs.ok_or(Error::UnknownSocketType)?;
        let ours = self.settings.socket_type;
        let ours = counterpart(theirs).ok_or(Error::SocketTypes { ours, theirs })?;
        self.settings.socket_type = ours;
        self.metadata = own_metadata(&self.settings);
        Ok(())
    }

    fn announce(&mut self, version: Version, mut peer: Box<Peer>, done: Done) {
        peer.public_key = done.public_key.or(peer.public_key);
        let traffic = Traffic::new(&self.settings, version, Framing::V3, done.cipher);
        self.phase = Phase::Announce(peer, Box::new(traffic), Phantom::None);
    }

    /// [`Self::handle_verdict`], whose caller keeps the error.
    pub(super) fn apply_verdict(
        &mut self,
        verdict: &Verdict,
        out: &mut BytesMut,
    ) -> Result<(), Error> {
        if let Phase::Failed(error) = &self.phase {
            return Err(error.clone());
        }
        if !matches!(self.phase, Phase::Verdict(..)) {
            return Ok(());
        }
        let phase = std::mem::replace(&mut self.phase, Phase::Between);
        let Phase::Verdict(version, mut handshake, peer) = phase else {
            return Ok(());
        };
        let let_in = match verdict {
            Verdict::Failure(code) => {
                put_refusal(out, *code);
                return Err(Error::NotAuthenticated(*code));
            }
            Verdict::Success { user_id, metadata } => (user_id.clone(), metadata.clone()),
        };
        match (handshake.handle_success(&self.metadata, out)?, peer) {
            (LetIn::Done(done), Some(mut peer)) => {
                peer.let_in(let_in);
                self.announce(version, peer, done);
            }
            (LetIn::Awaits | LetIn::Done(_), _) => {
                self.let_in = Some(let_in);
                self.phase = Phase::Handshake(version, handshake);
            }
        }
        Ok(())
    }
}
