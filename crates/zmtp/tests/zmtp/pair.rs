//! Two connections face to face, and one that is fed by hand.

use bytes::BytesMut;
use zmtp::curve::{ClientRandom, PublicKey, SecretKey, ServerRandom};
use zmtp::{
    Authentication, Connection, Credentials, CurveClient, CurveServer, Error, Event, Mechanism,
    Peer, PlainLogin, Settings, SocketType, Step, Verdict,
};

pub(crate) const CLIENT_SECRET: [u8; 32] = [7; 32];
pub(crate) const SERVER_SECRET: [u8; 32] = [9; 32];

/// A connection with what was read and not taken, what it writes, and what it has told.
pub(crate) struct End {
    pub(crate) connection: Connection,
    pub(crate) input: Vec<u8>,
    pub(crate) out: BytesMut,
    /// Events as text.
    pub(crate) told: Vec<String>,
    pub(crate) peer: Option<Peer>,
    pub(crate) error: Option<Error>,
    /// What questions are answered with.
    pub(crate) verdict: Verdict,
    /// What it becomes before that.
    pub(crate) becomes: Option<SocketType>,
}

impl End {
    pub(crate) fn new(settings: Settings) -> Self {
        let mut out = BytesMut::new();
        Self {
            connection: Connection::new(settings, 0, &mut out),
            input: Vec::new(),
            out,
            told: Vec::new(),
            peer: None,
            error: None,
            verdict: Verdict::SUCCESS,
            becomes: None,
        }
    }

    /// Takes what came, up to where more is wanted.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        self.go_on();
    }

    pub(crate) fn go_on(&mut self) {
        let mut at = 0;
        while self.error.is_none() {
            let step = self
                .connection
                .handle_input(&mut self.input[at..], &mut self.out);
            match step {
                Ok(Step::Event(event, taken)) => {
                    at += taken;
                    self.told.push(tell(&event));
                    if let Event::Ready(peer) = event {
                        self.peer = Some(*peer);
                    }
                }
                Ok(Step::Incomplete { missing_bytes }) => {
                    assert!(missing_bytes > 0);
                    break;
                }
                Ok(Step::AwaitVerdict) => {
                    if let Some(socket_type) = self.becomes {
                        assert!(self.connection.become_type(socket_type));
                    }
                    let verdict = self.verdict.clone();
                    let result = self.connection.handle_verdict(&verdict, &mut self.out);
                    self.error = result.err();
                }
                Err(error) => self.error = Some(error),
            }
        }
        self.input.drain(..at);
    }

    /// What it has told since the last call.
    pub(crate) fn take_told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    pub(crate) fn peer(&self) -> &Peer {
        self.peer.as_ref().unwrap()
    }
}

/// An event as text.
pub(crate) fn tell(event: &Event<'_>) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match event {
        Event::Version(version) => format!("version {version}"),
        Event::Handshake => "handshake".to_owned(),
        Event::Authenticate(Credentials::Null) => "authenticate null".to_owned(),
        Event::Authenticate(Credentials::Plain { username, password }) => {
            format!("authenticate {} {}", text(username), text(password))
        }
        Event::Authenticate(Credentials::Curve(key)) => format!("authenticate {key:?}"),
        Event::Ready(peer) => {
            let socket_type = peer.socket_type.map_or("?", SocketType::name);
            format!("ready {socket_type} {}", text(peer.identity.as_bytes()))
        }
        Event::Frame(frame) if frame.more => format!("more {}", text(frame.body)),
        Event::Frame(frame) => format!("last {}", text(frame.body)),
        Event::Group(group) => format!("group {}", text(group)),
        Event::Subscribe(topic) => format!("subscribe {}", text(topic)),
        Event::Cancel(topic) => format!("cancel {}", text(topic)),
        Event::Join(group) => format!("join {}", text(group)),
        Event::Leave(group) => format!("leave {}", text(group)),
        Event::Ping => "ping".to_owned(),
        Event::Pong(context) => format!("pong {}", text(context)),
        Event::Ignored => "ignored".to_owned(),
    }
}

/// Carries what each writes to the other, until both are silent.
pub(crate) fn run(a: &mut End, b: &mut End) {
    loop {
        let (to_b, to_a) = (a.out.split(), b.out.split());
        b.feed(&to_b);
        a.feed(&to_a);
        if a.out.is_empty() && b.out.is_empty() {
            break;
        }
    }
}

/// Two connections behind their handshake.
pub(crate) fn opened(a: Settings, b: Settings) -> (End, End) {
    let (mut a, mut b) = (End::new(a), End::new(b));
    run(&mut a, &mut b);
    assert_eq!((&a.error, &b.error), (&None, &None));
    assert!(a.connection.is_open() && b.connection.is_open());
    a.take_told();
    b.take_told();
    (a, b)
}

pub(crate) fn settings(socket_type: SocketType) -> Settings {
    Settings::new(socket_type)
}

pub(crate) fn with(socket_type: SocketType, mechanism: Mechanism) -> Settings {
    Settings {
        mechanism,
        ..Settings::new(socket_type)
    }
}

/// Both sides of each mechanism: who connects, who waits.
pub(crate) fn mechanisms() -> [(Mechanism, Mechanism); 3] {
    let null = || Mechanism::Null(Authentication::NotAsked);
    [(null(), null()), plain(), curve()]
}

pub(crate) fn plain() -> (Mechanism, Mechanism) {
    let login = PlainLogin::new("admin", "secret").unwrap();
    (Mechanism::PlainClient(login), Mechanism::PlainServer)
}

pub(crate) fn server_key() -> PublicKey {
    SecretKey::new(SERVER_SECRET).public_key()
}

pub(crate) fn curve() -> (Mechanism, Mechanism) {
    (
        curve_client(server_key()),
        curve_server(Authentication::Asked),
    )
}

pub(crate) fn curve_client(server_key: PublicKey) -> Mechanism {
    Mechanism::CurveClient(Box::new(CurveClient {
        server_key,
        secret_key: SecretKey::new(CLIENT_SECRET),
        random: ClientRandom::new(&[3; 48]),
    }))
}

pub(crate) fn curve_server(authentication: Authentication) -> Mechanism {
    Mechanism::CurveServer(Box::new(CurveServer {
        secret_key: SecretKey::new(SERVER_SECRET),
        random: ServerRandom::new(&[5; 96]),
        authentication,
    }))
}

/// The first 64 octets of a peer of 3.1.
pub(crate) fn greeting(mechanism: &str) -> Vec<u8> {
    let mut bytes = b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01".to_vec();
    bytes.extend_from_slice(mechanism.as_bytes());
    bytes.resize(64, 0);
    bytes
}

pub(crate) fn command(name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = vec![u8::try_from(name.len()).unwrap()];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(data);
    let mut bytes = zmtp::FrameHead::command(body.len()).as_bytes().to_vec();
    bytes.extend_from_slice(&body);
    bytes
}

pub(crate) fn property(name: &str, value: &[u8]) -> Vec<u8> {
    let mut buffer = zmtp::MetadataBuf::default();
    buffer.push(name, value).unwrap();
    buffer.as_bytes().to_vec()
}

pub(crate) fn ready(socket_type: &str) -> Vec<u8> {
    command("READY", &property("Socket-Type", socket_type.as_bytes()))
}
