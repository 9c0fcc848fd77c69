//! Who is let in, and who is not.

use crate::{LONG, TRANSPORTS, recv, send};
use barid_zmq::{
    Applicant, Context, Credentials, MonitorEvent, Pull, Push, Req, SocketBuilder, StatusCode,
    Verdict, curve_keypair, kinds,
};

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
