//! libzmq, as pyzmq uses it, against the crate `zmtp` on a blocking socket: every version, every mechanism, both sides.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BytesMut};
use interop::{ClientKind, Script};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};
use zmtp::curve::{ClientRandom, PublicKey, SecretKey, ServerRandom};
use zmtp::{
    Authentication, Connection, Credentials, CurveClient, CurveServer, Error, Event, Frame,
    Identity, Mechanism, Peer, PlainLogin, Settings, SocketType, StatusCode, Step, Verdict,
    Version,
};

/// Never waited out when all is well.
const WAIT: Duration = Duration::from_secs(60);

const SERVER_PUBLIC: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const SERVER_SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const CLIENT_PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const CLIENT_SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

/// pyzmq's side of a mechanism, and that of this one.
const MECHANISMS: [&str; 6] = [
    "null",
    "zap",
    "plain_client",
    "plain_server",
    "curve_client",
    "curve_server",
];

const VERSIONS: [Version; 4] = [Version::V3_1, Version::V3_0, Version::V2_0, Version::V1_0];

/// What has happened.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Ready(Box<Peer>),
    Frame { more: bool, body: Vec<u8> },
    Subscribe(Vec<u8>),
    Cancel(Vec<u8>),
    Ping,
    Pong,
}

/// The least driver that there can be: one connection, blocking.
struct Link {
    stream: TcpStream,
    connection: Connection,
    input: BytesMut,
    out: BytesMut,
    start: Instant,
    verdict: Verdict,
}

impl Link {
    #[expect(clippy::disallowed_methods, reason = "a real peer has real time")]
    fn new(stream: TcpStream, settings: Settings) -> Self {
        let mut out = BytesMut::new();
        Self {
            stream,
            connection: Connection::new(settings, 0, &mut out),
            input: BytesMut::new(),
            out,
            start: Instant::now(),
            verdict: Verdict::SUCCESS,
        }
    }

    fn now_ms(&self) -> Result<u64> {
        Ok(u64::try_from(self.start.elapsed().as_millis())?)
    }

    fn flush(&mut self) -> Result<()> {
        let out = self.out.split();
        Ok(self.stream.write_all(&out)?)
    }

    /// What happens next.
    fn next(&mut self) -> Result<Told> {
        loop {
            let step = self.connection.handle_input(&mut self.input, &mut self.out);
            let (told, taken) = match step {
                Ok(Step::Event(event, taken)) => (told(event)?, taken),
                Ok(Step::Incomplete { .. }) => {
                    self.read()?;
                    continue;
                }
                Ok(Step::AwaitVerdict) => {
                    let verdict = self.verdict.clone();
                    let result = self.connection.handle_verdict(&verdict, &mut self.out);
                    self.flush()?;
                    result?;
                    continue;
                }
                Err(error) => {
                    self.flush()?;
                    bail!(error);
                }
            };
            self.input.advance(taken);
            if let Some(told) = told {
                self.flush()?;
                return Ok(told);
            }
        }
    }

    /// Reads once, or does what is due instead.
    fn read(&mut self) -> Result<()> {
        self.flush()?;
        let now_ms = self.now_ms()?;
        let wait = self.connection.deadline_ms().map_or(WAIT, |deadline_ms| {
            Duration::from_millis(deadline_ms.saturating_sub(now_ms).max(1))
        });
        self.stream.set_read_timeout(Some(wait.min(WAIT)))?;
        let mut piece = [0; 65_536];
        match self.stream.read(&mut piece) {
            Ok(0) => bail!("libzmq has closed the connection"),
            Ok(count) => {
                self.input.extend_from_slice(&piece[..count]);
                self.connection.handle_received(self.now_ms()?);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                ensure!(wait < WAIT, "libzmq is silent");
                let now_ms = self.now_ms()?;
                Ok(self.connection.handle_deadline(now_ms, &mut self.out)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn ready(&mut self) -> Result<Box<Peer>> {
        let Told::Ready(peer) = self.next()? else {
            bail!("something else comes before it is ready");
        };
        Ok(peer)
    }

    fn message(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut frames = Vec::new();
        loop {
            match self.next()? {
                Told::Frame { more, body } => {
                    frames.push(body);
                    if !more {
                        return Ok(frames);
                    }
                }
                Told::Ping | Told::Pong => {}
                Told::Ready(_) | Told::Subscribe(_) | Told::Cancel(_) => bail!("no message"),
            }
        }
    }

    fn send(&mut self, frames: &[&[u8]]) -> Result<()> {
        for (index, body) in frames.iter().enumerate() {
            let more = index + 1 < frames.len();
            let frame = Frame { more, body };
            self.connection.put_frame(&mut self.out, frame)?;
        }
        self.flush()
    }
}

fn told(event: Event<'_>) -> Result<Option<Told>> {
    Ok(Some(match event {
        Event::Ready(peer) => Told::Ready(peer),
        Event::Frame(frame) => Told::Frame {
            more: frame.more,
            body: frame.body.to_vec(),
        },
        Event::Subscribe(topic) => Told::Subscribe(topic.to_vec()),
        Event::Cancel(topic) => Told::Cancel(topic.to_vec()),
        Event::Ping => Told::Ping,
        Event::Pong(context) => {
            ensure!(context.is_empty(), "a context that was not sent");
            Told::Pong
        }
        Event::Authenticate(Credentials::Plain { username, password }) => {
            ensure!(username == b"admin" && password == b"secret");
            return Ok(None);
        }
        Event::Authenticate(Credentials::Curve(key)) => {
            ensure!(key.to_z85() == CLIENT_PUBLIC, "{key:?}");
            return Ok(None);
        }
        Event::Version(_) | Event::Handshake | Event::Authenticate(Credentials::Null) => {
            return Ok(None);
        }
        Event::Group(_) | Event::Join(_) | Event::Leave(_) | Event::Ignored => {
            bail!("{event:?} from libzmq")
        }
    }))
}

/// This side of a mechanism, when pyzmq's is known.
fn settings(socket_type: SocketType, theirs: &str) -> Result<Settings> {
    let mechanism = match theirs {
        "null" | "zap" => Mechanism::Null(Authentication::NotAsked),
        "plain_server" => Mechanism::PlainClient(PlainLogin::new("admin", "secret")?),
        "plain_client" => Mechanism::PlainServer,
        "curve_server" => Mechanism::CurveClient(Box::new(CurveClient {
            server_key: PublicKey::from_z85(SERVER_PUBLIC)?,
            secret_key: SecretKey::from_z85(CLIENT_SECRET)?,
            random: ClientRandom::new(&random()?),
        })),
        "curve_client" => Mechanism::CurveServer(Box::new(CurveServer {
            secret_key: SecretKey::from_z85(SERVER_SECRET)?,
            random: ServerRandom::new(&random()?),
            authentication: Authentication::Asked,
        })),
        other => bail!("no mechanism {other}"),
    };
    Ok(Settings {
        mechanism,
        ..Settings::new(socket_type)
    })
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut octets = [0; N];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut octets)?;
    Ok(octets)
}

/// Starts a case of pyzmq's script.
fn start(case: &str, mechanism: &str, port: u16) -> Result<Script> {
    let mut command = ClientKind::Pyzmq.command()?;
    Script::start(command.args([case, mechanism, "127.0.0.1", &port.to_string()]))
}

/// Runs a case of the script, and this side of it.
fn run<T>(
    case: &str,
    mechanism: &str,
    settings: Settings,
    work: impl FnOnce(&mut Link) -> Result<T>,
) -> Result<T> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let script = start(case, mechanism, listener.local_addr()?.port())?;
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut link = Link::new(stream, settings);
    let result = work(&mut link);
    script
        .end_behind(result)
        .with_context(|| format!("{case}, {mechanism}"))
}

/// Sends back what comes, six times.
fn exchange(link: &mut Link) -> Result<Box<Peer>> {
    let peer = link.ready()?;
    for len in [0, 1, 255, 256, 70_000, 2_000_000] {
        let message = link.message()?;
        ensure!(message.len() == 3 && message[2].len() == len);
        let frames: Vec<&[u8]> = message.iter().map(Vec::as_slice).collect();
        link.send(&frames)?;
    }
    Ok(peer)
}

#[test]
fn bodies_of_any_size_come_back_by_every_mechanism() -> Result<()> {
    for mechanism in MECHANISMS {
        let ours = settings(SocketType::Pair, mechanism)?;
        let case = "bodies_of_any_size_come_back";
        let peer = run(case, mechanism, ours, exchange)?;
        ensure!(peer.socket_type == Some(SocketType::Pair));
        ensure!(peer.public_key.is_some() == mechanism.starts_with("curve"));
    }
    Ok(())
}

#[test]
fn bodies_of_any_size_come_back_by_every_version() -> Result<()> {
    for version_max in VERSIONS {
        let ours = Settings {
            version_max,
            ..Settings::new(SocketType::Pair)
        };
        run("bodies_of_any_size_come_back", "null", ours, |link| {
            exchange(link)?;
            ensure!(link.connection.version() == Some(version_max));
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn it_binds_and_is_found() -> Result<()> {
    for mechanism in ["null", "curve_server"] {
        let mut script = start("it_binds_and_is_found", mechanism, 0)?;
        let port: u16 = script.line()?.parse()?;
        let ours = settings(SocketType::Pair, mechanism)?;
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        let result = exchange(&mut Link::new(stream, ours));
        script.end_behind(result).context(mechanism)?;
    }
    Ok(())
}

#[test]
fn an_identity_is_told_by_every_version() -> Result<()> {
    for version_max in VERSIONS {
        let ours = Settings {
            version_max,
            identity: Identity::new("router")?,
            ..Settings::new(SocketType::Router)
        };
        let peer = run("an_identity_is_told", "null", ours, |link| {
            let peer = link.ready()?;
            ensure!(link.message()? == [&b""[..], b"question"]);
            link.send(&[b"", b"answer"])?;
            Ok(peer)
        })?;
        ensure!(peer.identity.as_bytes()[..] == *b"me");
    }
    Ok(())
}

fn publish(link: &mut Link) -> Result<()> {
    link.ready()?;
    ensure!(link.next()? == Told::Subscribe(b"a".to_vec()));
    link.send(&[b"a1", b"body"])?;
    ensure!(link.next()? == Told::Cancel(b"a".to_vec()));
    ensure!(link.next()? == Told::Subscribe(b"end".to_vec()));
    link.send(&[b"end"])
}

fn subscribe(link: &mut Link) -> Result<()> {
    link.ready()?;
    link.connection.put_subscribe(&mut link.out, b"topic")?;
    ensure!(link.message()? == [&b"topic.1"[..], b"body"]);
    link.connection.put_cancel(&mut link.out, b"topic")?;
    link.flush()
}

#[test]
fn subscriptions_go_both_ways_by_every_version() -> Result<()> {
    for version_max in VERSIONS {
        // To an unversioned peer libzmq sends everything, and this side is told so.
        let ours = |socket_type| Settings {
            version_max,
            ..Settings::new(socket_type)
        };
        run("it_subscribes", "null", ours(SocketType::XPub), |link| {
            if version_max == Version::V1_0 {
                link.ready()?;
                ensure!(link.next()? == Told::Subscribe(Vec::new()));
                ensure!(link.next()? == Told::Subscribe(b"a".to_vec()));
                link.send(&[b"a1", b"body"])?;
                return link.send(&[b"end"]);
            }
            publish(link)
        })?;
        if version_max > Version::V1_0 {
            run("it_publishes", "null", ours(SocketType::Sub), subscribe)?;
        }
    }
    Ok(())
}

#[test]
fn subscriptions_go_both_ways_in_boxes() -> Result<()> {
    for mechanism in ["curve_client", "curve_server"] {
        for version_max in [Version::V3_1, Version::V3_0] {
            let ours = |socket_type| -> Result<Settings> {
                Ok(Settings {
                    version_max,
                    ..settings(socket_type, mechanism)?
                })
            };
            run("it_subscribes", mechanism, ours(SocketType::XPub)?, publish)?;
            run("it_publishes", mechanism, ours(SocketType::Sub)?, subscribe)?;
        }
    }
    Ok(())
}

#[test]
fn both_beat() -> Result<()> {
    for mechanism in ["null", "plain_client", "curve_client", "curve_server"] {
        let mut ours = settings(SocketType::Pair, mechanism)?;
        ours.heartbeat.interval_ms = 20;
        ours.heartbeat.timeout_ms = Some(10_000);
        ours.heartbeat.ttl_ds = 100;
        run("it_beats", mechanism, ours, |link| {
            link.ready()?;
            let (mut pings, mut pongs) = (0, 0);
            while pings < 3 || pongs < 3 {
                match link.next()? {
                    Told::Ping => pings += 1,
                    Told::Pong => pongs += 1,
                    Told::Ready(_) | Told::Frame { .. } | Told::Subscribe(_) | Told::Cancel(_) => {
                        bail!("no heartbeat")
                    }
                }
            }
            link.send(&[b"enough"])?;
            ensure!(link.message()? == [b"end"]);
            Ok(())
        })?;
    }
    Ok(())
}

#[test]
fn it_is_refused() -> Result<()> {
    for (mechanism, learns) in [
        ("null", "auth 400"),
        ("curve_client", "auth 400"),
        // It knows no ERROR but its own: an unexpected command.
        ("plain_client", "protocol 0x10000001"),
    ] {
        let mut ours = settings(SocketType::Pair, mechanism)?;
        if mechanism == "null" {
            ours.mechanism = Mechanism::Null(Authentication::Asked);
        }
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let mut script = start("it_is_refused", mechanism, port)?;
        let mut link = Link::new(listener.accept()?.0, ours);
        link.verdict = Verdict::Failure(StatusCode::AuthenticationFailure);
        let result = link.next();
        let expected = Error::NotAuthenticated(StatusCode::AuthenticationFailure);
        let is_refused = matches!(&result, Err(error) if error.downcast_ref() == Some(&expected));
        let learned = script.line()?;
        script.end().context(mechanism)?;
        ensure!(is_refused, "{mechanism}: {result:?}");
        ensure!(learned == learns, "{mechanism}: {learned}");
    }
    Ok(())
}

#[test]
fn it_refuses() -> Result<()> {
    for mechanism in ["zap", "plain_server", "curve_server"] {
        let ours = settings(SocketType::Pair, mechanism)?;
        run("it_refuses", mechanism, ours, |link| {
            let error = link.next().err().context("nothing is refused")?;
            match error.downcast_ref() {
                Some(Error::Refused(reason)) => {
                    let code = Some(StatusCode::AuthenticationFailure);
                    ensure!(reason.status_code() == code, "{reason}");
                    Ok(())
                }
                _ => Err(error),
            }
        })?;
    }
    Ok(())
}
