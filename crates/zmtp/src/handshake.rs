//! The dialogues of the mechanisms, both sides of each.
//!
//! ```text
//! NULL            ──READY──► await READY
//! PLAIN client    ──HELLO──► await WELCOME ──INITIATE──► await READY
//! PLAIN server    await HELLO ──(verdict)──WELCOME──► await INITIATE ──READY──► done
//! CURVE           see `curve/client.rs` and `curve/server.rs`
//! ```

use crate::command::{ERROR, HELLO, INITIATE, READY, WELCOME, read_reason, split_name};
use crate::curve::{self, Cipher, PublicKey};
use crate::error::{Error, Reason};
use crate::frame::put_command;
use crate::settings::{Authentication, Mechanism, PlainLogin};
use crate::zap::{Credentials, StatusCode};
use bytes::{Bytes, BytesMut};

/// What libzmq 4.3 sends for PLAIN instead of ERROR: an escape in its source takes the E for a digit.
const ERROR_OF_LIBZMQ: &[u8] = b"^RROR";

/// A mechanism under way.
#[derive(Debug)]
pub(crate) enum Handshake {
    Null(Authentication),
    PlainClient(PlainLogin, PlainClient),
    PlainServer(PlainServer),
    CurveClient(curve::Client),
    CurveServer(curve::Server, Authentication),
}

/// What a client of PLAIN waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainClient {
    Welcome,
    Ready,
}

/// What a server of PLAIN waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PlainServer {
    Hello,
    Initiate,
}

/// How a mechanism begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    /// With a command of the peer.
    Awaits,
    /// With a verdict on its address.
    Asks,
}

/// What a command of the peer leads to.
#[derive(Debug)]
pub(crate) enum Progress<'a> {
    /// More commands.
    Awaits,
    /// A verdict; the properties are the peer's, if they have come.
    Asks(Credentials<'a>, Option<&'a [u8]>),
    /// The end of the handshake, with the peer's properties.
    Done(Done, &'a [u8]),
}

/// What a handshake leaves.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) cipher: Option<Box<Cipher>>,
    pub(crate) public_key: Option<PublicKey>,
}

/// What a verdict leads to.
#[derive(Debug)]
pub(crate) enum LetIn {
    /// More commands.
    Awaits,
    /// The end of the handshake.
    Done(Done),
}

impl Handshake {
    pub(crate) fn new(mechanism: Mechanism) -> Self {
        match mechanism {
            Mechanism::Null(authentication) => Self::Null(authentication),
            Mechanism::PlainClient(login) => Self::PlainClient(login, PlainClient::Welcome),
            Mechanism::PlainServer => Self::PlainServer(PlainServer::Hello),
            Mechanism::CurveClient(it) => Self::CurveClient(curve::Client::new(
                it.server_key,
                it.secret_key.clone(),
                &it.random,
            )),
            Mechanism::CurveServer(it) => {
                let server = curve::Server::new(it.secret_key, it.random);
                Self::CurveServer(server, it.authentication)
            }
        }
    }

    /// Behind the greeting; `metadata` are the own properties.
    pub(crate) fn begin(&mut self, metadata: &[u8], out: &mut BytesMut) -> Result<Begun, Error> {
        match self {
            Self::Null(Authentication::Asked) => return Ok(Begun::Asks),
            Self::Null(Authentication::NotAsked) => put_command(out, &[READY, metadata]),
            Self::PlainClient(login, _) => {
                let (username, password) = (login.username(), login.password());
                let len = |text: &[u8]| [u8::try_from(text.len()).unwrap_or(u8::MAX)];
                let pieces: [&[u8]; 5] =
                    [HELLO, &len(username), username, &len(password), password];
                put_command(out, &pieces);
            }
            Self::CurveClient(client) => put_command(out, &[&client.hello()?]),
            Self::PlainServer(_) | Self::CurveServer(..) => {}
        }
        Ok(Begun::Awaits)
    }

    /// Takes the body of a command. Boxes are opened in place.
    pub(crate) fn handle_command<'a>(
        &mut self,
        body: &'a mut [u8],
        metadata: &[u8],
        out: &mut BytesMut,
    ) -> Result<Progress<'a>, Error> {
        if !self.is_server() {
            refusal(body)?;
        }
        match self {
            Self::Null(_) => {
                let data = body.strip_prefix(READY);
                let data = data.ok_or(Error::Unexpected("READY"))?;
                Ok(Progress::Done(Done::default(), data))
            }
            Self::PlainClient(_, state) => state.handle_command(body, metadata, out),
            Self::PlainServer(state) => state.handle_command(body, metadata, out),
            Self::CurveClient(client) => handle_as_client(client, body, metadata, out),
            Self::CurveServer(server, authentication) => {
                handle_as_server(server, *authentication, body, metadata, out)
            }
        }
    }

    /// Goes on behind a verdict that lets the peer in.
    pub(crate) fn handle_success(
        &mut self,
        metadata: &[u8],
        out: &mut BytesMut,
    ) -> Result<LetIn, Error> {
        match self {
            Self::Null(_) => put_command(out, &[READY, metadata]),
            Self::PlainServer(state) => {
                *state = PlainServer::Initiate;
                put_command(out, &[WELCOME]);
            }
            Self::CurveServer(server, _) => {
                let cipher = finish_as_server(server, metadata, out)?;
                let cipher = Some(cipher);
                // The key has been told with the question.
                let public_key = None;
                return Ok(LetIn::Done(Done { cipher, public_key }));
            }
            Self::PlainClient(..) | Self::CurveClient(_) => {}
        }
        Ok(LetIn::Awaits)
    }

    /// Whether the own properties have not been told yet, while a verdict is waited for or while a command is.
    pub(crate) const fn is_type_untold(&self, awaits_verdict: bool) -> bool {
        match self {
            Self::Null(_) => awaits_verdict,
            Self::PlainServer(_) => true,
            Self::PlainClient(..) | Self::CurveClient(_) | Self::CurveServer(..) => false,
        }
    }

    const fn is_server(&self) -> bool {
        matches!(self, Self::PlainServer(_) | Self::CurveServer(..))
    }
}

impl PlainClient {
    fn handle_command<'a>(
        &mut self,
        body: &'a [u8],
        metadata: &[u8],
        out: &mut BytesMut,
    ) -> Result<Progress<'a>, Error> {
        match self {
            Self::Welcome => {
                let data = body.strip_prefix(WELCOME);
                if !data.ok_or(Error::Unexpected("WELCOME"))?.is_empty() {
                    return Err(Error::Malformed("WELCOME"));
                }
                put_command(out, &[INITIATE, metadata]);
                *self = Self::Ready;
                Ok(Progress::Awaits)
            }
            Self::Ready => {
                let data = body.strip_prefix(READY);
                let data = data.ok_or(Error::Unexpected("READY"))?;
                Ok(Progress::Done(Done::default(), data))
            }
        }
    }
}

impl PlainServer {
    fn handle_command<'a>(
        self,
        body: &'a [u8],
        metadata: &[u8],
        out: &mut BytesMut,
    ) -> Result<Progress<'a>, Error> {
        match self {
            Self::Hello => {
                let data = body.strip_prefix(HELLO);
                let data = data.ok_or(Error::Unexpected("HELLO"))?;
                let (username, password) = read_login(data).ok_or(Error::Malformed("HELLO"))?;
                let credentials = Credentials::Plain { username, password };
                Ok(Progress::Asks(credentials, None))
            }
            Self::Initiate => {
                let data = body.strip_prefix(INITIATE);
                let data = data.ok_or(Error::Unexpected("INITIATE"))?;
                put_command(out, &[READY, metadata]);
                Ok(Progress::Done(Done::default(), data))
            }
        }
    }
}

fn handle_as_client<'a>(
    client: &mut curve::Client,
    body: &'a mut [u8],
    metadata: &[u8],
    out: &mut BytesMut,
) -> Result<Progress<'a>, Error> {
    if !client.is_welcome() {
        if !body.starts_with(WELCOME) {
            return Err(Error::Unexpected("WELCOME"));
        }
        put_command(out, &[&client.initiate(body, metadata)?]);
        return Ok(Progress::Awaits);
    }
    if !body.starts_with(READY) {
        return Err(Error::Unexpected("READY"));
    }
    let (cipher, theirs) = client.finish(body)?;
    let cipher = Some(Box::new(cipher));
    let public_key = Some(client.server_key());
    Ok(Progress::Done(Done { cipher, public_key }, theirs))
}

fn handle_as_server<'a>(
    server: &mut curve::Server,
    authentication: Authentication,
    body: &'a mut [u8],
    metadata: &[u8],
    out: &mut BytesMut,
) -> Result<Progress<'a>, Error> {
    if !server.is_greeted() {
        if !body.starts_with(HELLO) {
            return Err(Error::Unexpected("HELLO"));
        }
        put_command(out, &[&server.welcome(body)?]);
        return Ok(Progress::Awaits);
    }
    if !body.starts_with(INITIATE) {
        return Err(Error::Unexpected("INITIATE"));
    }
    let opened = server.open(body)?;
    let (client_key, theirs) = (opened.client_key, opened.metadata);
    match authentication {
        Authentication::Asked => Ok(Progress::Asks(Credentials::Curve(client_key), Some(theirs))),
        Authentication::NotAsked => {
            let cipher = Some(finish_as_server(server, metadata, out)?);
            let public_key = Some(client_key);
            Ok(Progress::Done(Done { cipher, public_key }, theirs))
        }
    }
}

fn finish_as_server(
    server: &curve::Server,
    metadata: &[u8],
    out: &mut BytesMut,
) -> Result<Box<Cipher>, Error> {
    let finished = server.finish(metadata);
    let (cipher, ready) = finished.ok_or(Error::Unexpected("INITIATE"))?;
    put_command(out, &[&ready]);
    Ok(Box::new(cipher))
}

/// Writes why a peer is not let in. libzmq says nothing of what is temporary: the peer is to come again.
pub(crate) fn put_refusal(out: &mut BytesMut, code: StatusCode) {
    match code {
        StatusCode::TemporaryError => {}
        StatusCode::AuthenticationFailure | StatusCode::InternalError => {
            put_command(out, &[ERROR, &[3], code.digits().as_bytes()]);
        }
    }
}

/// Whether the peer has sent ERROR.
fn refusal(body: &[u8]) -> Result<(), Error> {
    let reason = match split_name(body) {
        Some((b"ERROR", data)) => Some(data),
        _ => body.strip_prefix(ERROR_OF_LIBZMQ),
    };
    match reason {
        None => Ok(()),
        Some(data) => {
            let reason = read_reason(data).ok_or(Error::Malformed("ERROR"))?;
            Err(Error::Refused(Reason(Bytes::copy_from_slice(reason))))
        }
    }
}

fn read_login(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (username, rest) = split_name_or_empty(data)?;
    let (password, rest) = split_name_or_empty(rest)?;
    rest.is_empty().then_some((username, password))
}

fn split_name_or_empty(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = data.split_first()?;
    rest.split_at_checked(usize::from(*len))
}
