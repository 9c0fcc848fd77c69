//! A dialogue between a socket of this side and one of the other, in each direction.

use anyhow::{Context as _, Result, ensure};
use barid_zmq::{
    Applicant, Context, Credentials, Frame, Kind, Message, Monitor, PublicKey, Receives, SecretKey,
    Sends, Socket, SocketBuilder, StatusCode, Verdict,
};
use interop::{ClientKind, Script, pyzmq_script};
use std::process::Command;
use std::time::Duration;

/// Never waited out when all is well.
pub(crate) const LONG: Duration = Duration::from_secs(60);
pub(crate) const SIZES: [usize; 18] = [
    0, 1, 33, 54, 55, 124, 125, 126, 255, 256, 1023, 1024, 8191, 8192, 65_534, 65_535, 65_536,
    1_000_000,
];

/// The keys of libzmq's own test.
const SERVER_PUBLIC: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const SERVER_SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const CLIENT_PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const CLIENT_SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

#[derive(Clone, Copy, Debug)]
pub(crate) enum Security {
    Null,
    Plain,
    Curve,
}

impl Security {
    const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Plain => "plain",
            Self::Curve => "curve",
        }
    }
}

/// Who made the other side.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Maker {
    /// pyzmq, with the libzmq that comes with it.
    Pyzmq,
    /// libzmq from the source of Debian's package.
    Libzmq,
}

impl Maker {
    fn command(self) -> Result<Command> {
        match self {
            Self::Pyzmq => pyzmq_script("sockets.py"),
            Self::Libzmq => ClientKind::LibzmqDrafts.command(),
        }
    }
}

/// Starts the other side.
pub(crate) fn start(
    maker: Maker,
    role: &str,
    mode: &str,
    endpoint: &str,
    security: Security,
) -> Result<Script> {
    let mut command = maker.command()?;
    Script::start(command.args([role, mode, endpoint, security.name()]))
}

fn is_right(applicant: &Applicant<'_>) -> Verdict {
    let is_right = match applicant.credentials {
        Credentials::Null => false,
        Credentials::Plain { username, password } => (username, password) == (b"admin", b"secret"),
        Credentials::Curve(key) => PublicKey::from_z85(CLIENT_PUBLIC) == Ok(key),
    };
    if is_right {
        Verdict::SUCCESS
    } else {
        Verdict::Failure(StatusCode::AuthenticationFailure)
    }
}

/// A socket that lets the other side in, if that shows who it is.
pub(crate) fn server<K: Kind>(
    builder: SocketBuilder<K>,
    security: Security,
) -> Result<SocketBuilder<K>> {
    Ok(match security {
        Security::Null => builder,
        Security::Plain => builder.plain_server(is_right),
        Security::Curve => builder
            .curve_server(SecretKey::from_z85(SERVER_SECRET)?)
            .authenticator(is_right),
    })
}

/// A socket that shows who it is.
pub(crate) fn client<K: Kind>(
    builder: SocketBuilder<K>,
    security: Security,
) -> Result<SocketBuilder<K>> {
    Ok(match security {
        Security::Null => builder,
        Security::Plain => builder.plain_client("admin", "secret")?,
        Security::Curve => builder.curve_client(
            PublicKey::from_z85(SERVER_PUBLIC)?,
            SecretKey::from_z85(CLIENT_SECRET)?,
        ),
    })
}

/// Holds a dialogue with a script: this side binds, then the script does, over each transport.
pub(crate) fn talk<K: Kind>(
    maker: Maker,
    transports: &[&str],
    role: &str,
    security: Security,
    dialogue: impl Fn(&Socket<K>) -> Result<()>,
) -> Result<()> {
    for transport in transports {
        let socket = server(Socket::builder(&Context::new()), security)?.build();
        let mut events = socket.monitor();
        let endpoint = socket.bind(transport)?.to_string();
        let script = start(maker, role, "connect", &endpoint, security)?;
        let found = dialogue(&socket);
        let ended = script.end();
        let what = || format!("{role} connects, {transport}, {security:?}");
        ended.with_context(what)?;
        found.with_context(|| format!("{}: {}", what(), seen(&mut events)))?;

        let socket = client(Socket::builder(&Context::new()), security)?.build();
        let mut events = socket.monitor();
        let mut script = start(maker, role, "bind", transport, security)?;
        socket.connect(script.line()?)?;
        let found = dialogue(&socket);
        let ended = script.end();
        let what = || format!("{role} binds, {transport}, {security:?}");
        ended.with_context(what)?;
        found.with_context(|| format!("{}: {}", what(), seen(&mut events)))?;
    }
    Ok(())
}

/// What has happened to the connections.
fn seen(events: &mut Monitor) -> String {
    let seen: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
    format!("{seen:?}")
}

pub(crate) fn recv<K: Receives>(socket: &Socket<K>) -> Result<Message> {
    Ok(socket.blocking().recv_timeout(LONG)?)
}

pub(crate) fn send<K: Sends>(socket: &Socket<K>, message: impl Into<Message>) -> Result<()> {
    Ok(socket.blocking().send_timeout(message, LONG)?)
}

pub(crate) fn expect<K: Receives>(socket: &Socket<K>, expected: impl Into<Message>) -> Result<()> {
    let expected = expected.into();
    let found =
        recv(socket).with_context(|| format!("{} bytes are expected", expected.byte_count()))?;
    ensure!(
        found == expected,
        "{} frames are not {} frames",
        found.len(),
        expected.len()
    );
    Ok(())
}

pub(crate) fn message(frames: &[&str]) -> Message {
    frames.iter().copied().collect()
}

pub(crate) fn messages() -> impl Iterator<Item = Message> {
    SIZES.into_iter().flat_map(|size| {
        let body = vec![b'x'; size];
        let parts = [Frame::from("head"), Frame::new(), Frame::from(body.clone())];
        [Message::from(body), Message::from_iter(parts)]
    })
}

pub(crate) fn ask<K: Sends + Receives>(socket: &Socket<K>, envelope: &[&str]) -> Result<()> {
    for index in 0..20 {
        let index = index.to_string();
        send(socket, message(&[envelope, &["q", &index]].concat()))?;
        expect(socket, message(&[envelope, &["r", &index]].concat()))?;
    }
    Ok(())
}

pub(crate) fn answer<K: Sends + Receives>(socket: &Socket<K>, envelope_len: usize) -> Result<()> {
    for index in 0..20 {
        let mut frames = recv(socket)?.into_frames();
        let index = index.to_string();
        ensure!(frames[envelope_len..] == ["q", &index], "{frames:?}");
        frames[envelope_len] = "r".into();
        send(socket, Message::from(frames))?;
    }
    Ok(())
}
