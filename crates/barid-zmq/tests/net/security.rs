//! Who is let in, and who is not.

use crate::{LONG, TRANSPORTS, recv, send};
use barid_zmq::{
    Applicant, Authenticator, Context, Credentials, Decision, MonitorEvent, Pull, Push, Req,
    SocketBuilder, StatusCode, Verdict, curve_keypair, kinds,
};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::{Mutex, mpsc};
use std::time::Duration;
use tokio::sync::watch;

const REFUSED: Verdict = Verdict::Failure(StatusCode::AuthenticationFailure);

/// Connects to an endpoint, and waits for what comes of it.
fn outcome(
    builder: SocketBuilder<kinds::Push>,
    endpoint: &barid_zmq::Endpoint,
) -> (Push, MonitorEvent) {
    let push = builder.reconnect(None).build();
    let mut events = push.monitor();
    push.connect(endpoint).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let event = runtime.block_on(async {
        loop {
            let event = events.next().await.unwrap();
            if !matches!(event, MonitorEvent::Connected { .. }) {
                return event;
            }
        }
    });
    (push, event)
}

#[test]
fn a_name_and_a_password_must_be_right() {
    for transport in TRANSPORTS {
        let check = |applicant: &Applicant<'_>| match applicant.credentials {
            Credentials::Plain {
                username: b"anna",
                password: b"secret",
            } => Verdict::SUCCESS,
            Credentials::Null | Credentials::Plain { .. } | Credentials::Curve(_) => REFUSED,
        };
        let pull = Pull::builder(&Context::new()).plain_server(check).build();
        let endpoint = pull.bind(transport).unwrap();
        let rows = [
            ("anna", "secret", true),
            ("anna", "guess", false),
            ("", "", false),
        ];
        for (name, password, is_right) in rows {
            let builder = Push::builder(&Context::new())
                .plain_client(name, password)
                .unwrap();
            let (push, event) = outcome(builder, &endpoint);
            let is_let_in = matches!(event, MonitorEvent::HandshakeSucceeded { .. });
            assert_eq!(is_let_in, is_right, "{name}: {event:?}");
            if is_right {
                send(&push, "in");
                assert_eq!(recv(&pull), "in".into());
            }
        }
        let (_push, event) = outcome(Push::builder(&Context::new()), &endpoint);
        assert!(
            matches!(event, MonitorEvent::HandshakeFailed { .. }),
            "{event:?}"
        );
        assert_eq!(pull.try_recv(), Err(barid_zmq::ReceiveError::Empty));
    }
}

#[test]
fn a_key_must_be_right_on_both_sides() {
    let (server_key, server_secret) = curve_keypair().unwrap();
    let (client_key, client_secret) = curve_keypair().unwrap();
    let (_, stranger) = curve_keypair().unwrap();
    let check = move |applicant: &Applicant<'_>| match applicant.credentials {
        Credentials::Curve(key) if key == client_key => Verdict::SUCCESS,
        Credentials::Null | Credentials::Plain { .. } | Credentials::Curve(_) => REFUSED,
    };
    let pull = Pull::builder(&Context::new())
        .curve_server(server_secret)
        .authenticator(check)
        .build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let client =
        |server_key, secret| Push::builder(&Context::new()).curve_client(server_key, secret);
    let (push, event) = outcome(client(server_key, client_secret.clone()), &endpoint);
    assert!(
        matches!(event, MonitorEvent::HandshakeSucceeded { .. }),
        "{event:?}"
    );
    send(&push, vec![7; 100_000]);
    assert!(recv(&pull) == vec![7; 100_000].into());
    let strangers = [
        client(server_key, stranger.clone()),
        client(stranger.public_key(), client_secret),
    ];
    for builder in strangers {
        let (_push, event) = outcome(builder, &endpoint);
        assert!(
            matches!(event, MonitorEvent::HandshakeFailed { .. }),
            "{event:?}"
        );
    }
    assert_eq!(pull.connected(), 1);
}

#[test]
fn an_address_may_be_what_counts() {
    for (is_let_in, verdict) in [(true, Verdict::SUCCESS), (false, REFUSED)] {
        let check = move |applicant: &Applicant<'_>| {
            assert_eq!(applicant.credentials, Credentials::Null);
            assert_eq!(applicant.address, "127.0.0.1");
            verdict.clone()
        };
        let pull = Pull::builder(&Context::new()).authenticator(check).build();
        let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
        let (_push, event) = outcome(Push::builder(&Context::new()), &endpoint);
        assert_eq!(
            matches!(event, MonitorEvent::HandshakeSucceeded { .. }),
            is_let_in,
            "{event:?}"
        );
    }
}

#[test]
fn who_connects_may_be_the_server() {
    let (server_key, server_secret) = curve_keypair().unwrap();
    let (_, client_secret) = curve_keypair().unwrap();
    let rep = barid_zmq::Rep::builder(&Context::new())
        .curve_client(server_key, client_secret)
        .build();
    let endpoint = rep.bind("tcp://127.0.0.1:*").unwrap();
    let req = Req::builder(&Context::new())
        .curve_server(server_secret)
        .build();
    req.connect(endpoint).unwrap();
    send(&req, "q");
    assert_eq!(recv(&rep), "q".into());
    send(&rep, "r");
    assert_eq!(recv(&req), "r".into());
    assert!(req.blocking().wait_connected(1, LONG).unwrap());
}

/// Decides when it is told.
struct Slow {
    asked: Mutex<mpsc::Sender<()>>,
    verdict: watch::Receiver<Option<Verdict>>,
}

impl Slow {
    fn new() -> (Self, mpsc::Receiver<()>, watch::Sender<Option<Verdict>>) {
        let (sender, asked) = mpsc::channel();
        let (answer, verdict) = watch::channel(None);
        let this = Self {
            asked: Mutex::new(sender),
            verdict,
        };
        (this, asked, answer)
    }
}

impl Authenticator for Slow {
    fn authenticate(&self, _applicant: &Applicant<'_>) -> Decision {
        self.asked.lock().unwrap().send(()).unwrap();
        let mut verdict = self.verdict.clone();
        Decision::Later(Box::pin(async move {
            let found = verdict.wait_for(Option::is_some).await;
            found
                .ok()
                .and_then(|found| found.clone())
                .unwrap_or(REFUSED)
        }))
    }
}

#[test]
fn a_peer_waits_for_a_verdict_that_takes_time_and_is_known_by_it() {
    let (slow, asked, answer) = Slow::new();
    let pull = Pull::builder(&Context::new()).plain_server(slow).build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap();
    let builder = Push::builder(&Context::new()).plain_client("anna", "secret");
    let push = builder.unwrap().build();
    push.connect(&endpoint).unwrap();
    send(&push, "early");
    asked.recv_timeout(LONG).unwrap();
    assert_eq!((pull.connected(), push.connected()), (0, 0));
    let verdict = Verdict::Success {
        user_id: "somebody".into(),
        metadata: bytes::Bytes::from_static(b"\x05Hello\x00\x00\x00\x05World"),
    };
    answer.send(Some(verdict)).unwrap();
    assert_eq!(recv(&pull), "early".into());
    let sender = pull.last_sender().unwrap();
    for (name, value) in [
        ("User-Id", Some(c"somebody")),
        ("Hello", Some(c"World")),
        ("Socket-Type", Some(c"PUSH")),
        ("Peer-Address", Some(c"127.0.0.1")),
        ("Other", None),
    ] {
        assert_eq!(sender.get(name), value, "{name}");
    }
}

#[test]
fn a_peer_without_a_verdict_does_not_fill_the_memory() {
    let (slow, asked, _answer) = Slow::new();
    let pull = Pull::builder(&Context::new()).plain_server(slow).build();
    let endpoint = pull.bind("tcp://127.0.0.1:*").unwrap().to_string();
    let mut stream = TcpStream::connect(endpoint.trim_start_matches("tcp://")).unwrap();
    let mut greeting = [0; 64];
    greeting[0] = 0xFF;
    greeting[9] = 0x7F;
    greeting[10] = 3;
    greeting[12..17].copy_from_slice(b"PLAIN");
    stream.write_all(&greeting).unwrap();
    stream.write_all(b"\x04\x08\x05HELLO\x00\x00").unwrap();
    asked.recv_timeout(LONG).unwrap();
    stream
        .set_write_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    // The system has room for some of it.
    let flood = vec![0; 64 << 20];
    stream.write_all(&flood).unwrap_err();
}
