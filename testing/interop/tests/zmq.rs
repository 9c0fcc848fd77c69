//! The sockets of `barid-zmq` against those of libzmq, as pyzmq has them: who binds and who connects, over TCP and
//! Unix sockets, with each mechanism.

use anyhow::{Context as _, Result, ensure};
use barid_zmq::{
    Applicant, Context, Credentials, Dealer, Frame, Kind, Message, Monitor, Pair, Pub, PublicKey,
    Pull, Push, Receives, Rep, Req, Router, SecretKey, Sends, Socket, SocketBuilder, StatusCode,
    Sub, Verdict, XPub, XSub,
};
use interop::pyzmq_script;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::Duration;

/// Never waited out when all is well.
const LONG: Duration = Duration::from_secs(60);
const TRANSPORTS: [&str; 2] = ["tcp://127.0.0.1:*", "ipc://*"];
const SIZES: [usize; 13] = [
    0, 1, 33, 54, 55, 255, 256, 1023, 1024, 8191, 8192, 65_536, 1_000_000,
];

/// The keys of libzmq's own test.
const SERVER_PUBLIC: &str = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7";
const SERVER_SECRET: &str = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6";
const CLIENT_PUBLIC: &str = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID";
const CLIENT_SECRET: &str = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs";

#[derive(Clone, Copy, Debug)]
enum Security {
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

/// The other side, ended with this one.
struct Script(Child);

impl Script {
    fn start(role: &str, mode: &str, endpoint: &str, security: Security) -> Result<Self> {
        let mut command = pyzmq_script("sockets.py")?;
        command.args([role, mode, endpoint, security.name()]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Ok(Self(command.spawn()?))
    }

    /// Where it has bound.
    fn endpoint(&mut self) -> Result<String> {
        let stdout = self.0.stdout.take().context("a pipe")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Waits until it has found all as it should be.
    fn end(mut self) -> Result<()> {
        drop(self.0.stdin.take());
        let mut stderr = self.0.stderr.take().context("a pipe")?;
        let mut said = String::new();
        std::io::Read::read_to_string(&mut stderr, &mut said)?;
        let status = self.0.wait()?;
        ensure!(status.success(), "{status}: {said}");
        Ok(())
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        // It has ended if all went well.
        let _is_killed = self.0.kill();
        let _is_waited_for = self.0.wait();
    }
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

fn server<K: Kind>(builder: SocketBuilder<K>, security: Security) -> Result<SocketBuilder<K>> {
    Ok(match security {
        Security::Null => builder,
        Security::Plain => builder.plain_server(is_right),
        Security::Curve => builder
            .curve_server(SecretKey::from_z85(SERVER_SECRET)?)
            .authenticator(is_right),
    })
}

fn client<K: Kind>(builder: SocketBuilder<K>, security: Security) -> Result<SocketBuilder<K>> {
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
fn talk<K: Kind>(
    role: &str,
    security: Security,
    dialogue: impl Fn(&Socket<K>, &mut Script) -> Result<()>,
) -> Result<()> {
    for transport in TRANSPORTS {
        let socket = server(Socket::builder(&Context::new()), security)?.build();
        let mut events = socket.monitor();
        let endpoint = socket.bind(transport)?;
        let mut script = Script::start(role, "connect", &endpoint.to_string(), security)?;
        let found = dialogue(&socket, &mut script);
        found.with_context(|| format!("{role} connects, {transport}: {}", seen(&mut events)))?;
        script
            .end()
            .with_context(|| format!("{role} connects, {transport}"))?;

        let socket = client(Socket::builder(&Context::new()), security)?.build();
        let mut events = socket.monitor();
        let mut script = Script::start(role, "bind", transport, security)?;
        socket.connect(script.endpoint()?)?;
        let found = dialogue(&socket, &mut script);
        found.with_context(|| format!("{role} binds, {transport}: {}", seen(&mut events)))?;
        script
            .end()
            .with_context(|| format!("{role} binds, {transport}"))?;
    }
    Ok(())
}

/// What has happened to the connections.
fn seen(events: &mut Monitor) -> String {
    let seen: Vec<_> = std::iter::from_fn(|| events.try_next()).collect();
    format!("{seen:?}")
}

fn recv<K: Receives>(socket: &Socket<K>) -> Result<Message> {
    Ok(socket.blocking().recv_timeout(LONG)?)
}

fn send<K: Sends>(socket: &Socket<K>, message: impl Into<Message>) -> Result<()> {
    Ok(socket.blocking().send_timeout(message, LONG)?)
}

fn expect<K: Receives>(socket: &Socket<K>, expected: impl Into<Message>) -> Result<()> {
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

fn message(frames: &[&str]) -> Message {
    frames.iter().copied().collect()
}

fn messages() -> impl Iterator<Item = Message> {
    SIZES.into_iter().flat_map(|size| {
        let body = vec![b'x'; size];
        let parts = [Frame::from("head"), Frame::new(), Frame::from(body.clone())];
        [Message::from(body), Message::from_iter(parts)]
    })
}

fn push(security: Security) -> Result<()> {
    talk::<barid_zmq::kinds::Push>("pull", security, |push: &Push, _| {
        messages().try_for_each(|message| send(push, message))
    })
}

fn pull(security: Security) -> Result<()> {
    talk::<barid_zmq::kinds::Pull>("push", security, |pull: &Pull, _| {
        messages().try_for_each(|message| expect(pull, message))
    })
}

fn ask<K: Sends + Receives>(socket: &Socket<K>, envelope: &[&str]) -> Result<()> {
    for index in 0..20 {
        let index = index.to_string();
        send(socket, message(&[envelope, &["q", &index]].concat()))?;
        expect(socket, message(&[envelope, &["r", &index]].concat()))?;
    }
    Ok(())
}

fn answer<K: Sends + Receives>(socket: &Socket<K>, envelope_len: usize) -> Result<()> {
    for index in 0..20 {
        let mut frames = recv(socket)?.into_frames();
        let index = index.to_string();
        ensure!(frames[envelope_len..] == ["q", &index], "{frames:?}");
        frames[envelope_len] = "r".into();
        send(socket, Message::from(frames))?;
    }
    Ok(())
}

fn dealer(security: Security) -> Result<()> {
    talk("router", security, |socket: &Dealer, _| ask(socket, &[""]))
}

fn sub(security: Security) -> Result<()> {
    talk("xpub", security, |sub: &Sub, _| {
        sub.subscribe("a");
        expect(sub, message(&["a", "wanted"]))?;
        ensure!(sub.unsubscribe("a"));
        Ok(())
    })
}

fn publish(security: Security) -> Result<()> {
    talk("sub", security, |publisher: &Pub, _| {
        ensure!(publisher.blocking().wait_subscribed("a", 1, LONG)?);
        for index in 0..10 {
            send(publisher, message(&["b", "not wanted"]))?;
            send(publisher, message(&["a", &index.to_string()]))?;
        }
        ensure!(publisher.blocking().wait_subscribed("end", 1, LONG)?);
        ensure!(publisher.subscribers("a") == 0);
        send(publisher, message(&["a", "not wanted any more"]))?;
        send(publisher, "end")
    })
}

#[test]
fn a_push_sends_to_a_pull() -> Result<()> {
    push(Security::Null)
}

#[test]
fn a_pull_receives_from_a_push() -> Result<()> {
    pull(Security::Null)
}

#[test]
fn a_req_asks_a_rep() -> Result<()> {
    talk("rep", Security::Null, |socket: &Req, _| ask(socket, &[]))
}

#[test]
fn a_rep_answers_a_req() -> Result<()> {
    talk("req", Security::Null, |socket: &Rep, _| answer(socket, 0))
}

#[test]
fn a_dealer_asks_a_rep() -> Result<()> {
    talk("rep", Security::Null, |socket: &Dealer, _| {
        ask(socket, &[""])
    })
}

#[test]
fn a_rep_answers_a_dealer() -> Result<()> {
    talk("dealer", Security::Null, |socket: &Rep, _| {
        answer(socket, 0)
    })
}

#[test]
fn a_req_asks_a_router() -> Result<()> {
    talk("router", Security::Null, |socket: &Req, _| ask(socket, &[]))
}

#[test]
fn a_router_answers_a_req() -> Result<()> {
    talk("req", Security::Null, |socket: &Router, _| {
        answer(socket, 2)
    })
}

#[test]
fn a_dealer_asks_a_router() -> Result<()> {
    dealer(Security::Null)
}

#[test]
fn a_router_answers_a_dealer_by_its_name() -> Result<()> {
    talk("dealer", Security::Null, |router: &Router, _| {
        for index in 0..20 {
            let index = index.to_string();
            expect(router, message(&["anna", "", "q", &index]))?;
            send(router, message(&["anna", "", "r", &index]))?;
        }
        Ok(())
    })
}

#[test]
fn a_sub_subscribes_to_an_xpub() -> Result<()> {
    sub(Security::Null)
}

#[test]
fn a_sub_receives_from_a_pub() -> Result<()> {
    talk("pub", Security::Null, |sub: &Sub, _| {
        sub.subscribe("a");
        expect(sub, message(&["a", "wanted"]))
    })
}

#[test]
fn a_pub_sends_to_a_sub() -> Result<()> {
    publish(Security::Null)
}

#[test]
fn an_xpub_hears_an_xsub() -> Result<()> {
    talk("xsub", Security::Null, |publisher: &XPub, _| {
        expect(publisher, "\x01a")?;
        send(publisher, message(&["b", "not wanted"]))?;
        send(publisher, message(&["a", "wanted"]))?;
        expect(publisher, "upstream")?;
        expect(publisher, "\x00a")
    })
}

#[test]
fn an_xsub_subscribes_to_an_xpub() -> Result<()> {
    talk("xpub", Security::Null, |sub: &XSub, _| {
        send(sub, "\x01a")?;
        expect(sub, message(&["a", "wanted"]))?;
        send(sub, "\x00a")
    })
}

#[test]
fn a_pair_speaks_with_a_pair() -> Result<()> {
    talk("pair", Security::Null, |pair: &Pair, _| {
        expect(pair, "hi")?;
        send(pair, message(&["ho", "ho"]))
    })
}

#[test]
fn names_and_passwords_let_peers_in() -> Result<()> {
    push(Security::Plain)?;
    pull(Security::Plain)?;
    dealer(Security::Plain)
}

#[test]
fn keys_let_peers_in_and_encrypt_everything() -> Result<()> {
    push(Security::Curve)?;
    pull(Security::Curve)?;
    dealer(Security::Curve)?;
    sub(Security::Curve)?;
    publish(Security::Curve)
}
