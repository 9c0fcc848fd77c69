//! Peers that come late, go, and come again.

use crate::{LONG, bound, connected, message, recv, send};
use barid_zmq::{
    Context, Endpoint, MonitorEvent, Pub, Pull, Push, Reconnect, Rep, Req, Router, SendRefusal, Sub,
};
use std::net::TcpListener;
use std::time::Duration;

const QUICK: Option<Reconnect> = Some(Reconnect {
    first: Duration::from_millis(1),
    max: Duration::from_millis(20),
});

/// A port where nobody listens, for now.
fn free() -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("tcp://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap()
}

#[test]
fn messages_wait_for_a_peer_that_comes_later() {
    let endpoint = free();
    let push = Push::builder(&Context::new()).reconnect(QUICK).build();
    push.connect(&endpoint).unwrap();
    for index in 0..10 {
        send(&push, index.to_string());
    }
    assert_eq!(push.connected(), 0);
    let pull = Pull::new(&Context::new());
    pull.bind(&endpoint).unwrap();
    for index in 0..10 {
        assert_eq!(recv(&pull), index.to_string().into());
    }
}

#[test]
fn an_immediate_socket_sends_to_connected_peers_only() {
    let push = Push::builder(&Context::new())
        .immediate(true)
        .reconnect(QUICK)
        .build();
    let endpoint = free();
    push.connect(&endpoint).unwrap();
    assert_eq!(push.try_send("a").unwrap_err().reason, SendRefusal::Full);
    let pull = Pull::new(&Context::new());
    pull.bind(&endpoint).unwrap();
    send(&push, "b");
    assert_eq!(recv(&pull), "b".into());
    pull.blocking().close();
    while push.connected() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(push.try_send("c").unwrap_err().reason, SendRefusal::Full);
    let pull = Pull::new(&Context::new());
    pull.bind(&endpoint).unwrap();
    send(&push, "d");
    assert_eq!(recv(&pull), "d".into());
}

#[test]
fn a_subscriber_subscribes_again() {
    let (publisher, endpoint) = bound::<barid_zmq::kinds::Pub>("tcp://127.0.0.1:*");
    let sub = Sub::builder(&Context::new()).reconnect(QUICK).build();
    sub.subscribe("a");
    sub.subscribe("b");
    sub.connect(&endpoint).unwrap();
    assert!(publisher.blocking().wait_subscribed("a", 1, LONG).unwrap());
    sub.unsubscribe("b");
    publisher.blocking().close();
    let publisher = Pub::new(&Context::new());
    publisher.bind(&endpoint).unwrap();
    assert!(publisher.blocking().wait_subscribed("a", 1, LONG).unwrap());
    publisher.try_send("b").unwrap();
    publisher.try_send("a").unwrap();
    assert_eq!(recv(&sub), "a".into());
}

#[test]
fn a_replier_that_was_restarted_is_asked_again() {
    let (rep, endpoint) = bound::<barid_zmq::kinds::Rep>("tcp://127.0.0.1:*");
    let req = Req::builder(&Context::new())
        .reconnect(QUICK)
        .relaxed(true)
        .correlate(true)
        .build();
    req.connect(&endpoint).unwrap();
    send(&req, "lost");
    assert_eq!(recv(&rep), "lost".into());
    rep.blocking().close();
    // What is sent to a connection that is ending is lost.
    while req.connected() > 0 {
        std::thread::yield_now();
    }
    let rep = Rep::new(&Context::new());
    rep.bind(&endpoint).unwrap();
    send(&req, "again");
    assert_eq!(recv(&rep), "again".into());
    send(&rep, "yes");
    assert_eq!(recv(&req), "yes".into());
}

#[test]
fn a_peer_that_is_gone_is_forgotten() {
    let router = Router::builder(&Context::new()).mandatory(true).build();
    let endpoint = router.bind("tcp://127.0.0.1:*").unwrap();
    let dealer = barid_zmq::Dealer::builder(&Context::new())
        .routing_id("x")
        .unwrap()
        .build();
    dealer.connect(&endpoint).unwrap();
    send(&dealer, "hi");
    assert_eq!(recv(&router), message(&["x", "hi"]));
    dealer.blocking().close();
    while router.connected() > 0 {
        std::thread::yield_now();
    }
    let error = router.try_send(message(&["x", "late"])).unwrap_err();
    assert_eq!(error.reason, SendRefusal::Unroutable);
}

#[tokio::test]
async fn a_monitor_sees_it_all() {
    let endpoint = free();
    let push = Push::builder(&Context::new()).reconnect(QUICK).build();
    let mut events = push.monitor();
    push.connect(&endpoint).unwrap();
    let retried = events.next().await.unwrap();
    assert!(
        matches!(retried, MonitorEvent::ConnectRetried { .. }),
        "{retried:?}"
    );
    let pull = Pull::new(&Context::new());
    let mut of_pull = pull.monitor();
    pull.bind(&endpoint).unwrap();
    let mut seen = Vec::new();
    while !matches!(seen.last(), Some(MonitorEvent::HandshakeSucceeded { .. })) {
        seen.push(events.next().await.unwrap());
    }
    let before = &seen[seen.len() - 2];
    assert!(matches!(before, MonitorEvent::Connected { .. }), "{seen:?}");
    let mut of_listener = Vec::new();
    for _ in 0..3 {
        of_listener.push(of_pull.next().await.unwrap());
    }
    assert!(
        matches!(
            of_listener[..],
            [
                MonitorEvent::Listening { .. },
                MonitorEvent::Accepted { .. },
                MonitorEvent::HandshakeSucceeded { .. }
            ]
        ),
        "{of_listener:?}"
    );
    pull.close().await;
    let lost = events.next().await.unwrap();
    assert!(
        matches!(lost, MonitorEvent::Disconnected { .. }),
        "{lost:?}"
    );
    push.close().await;
    while let Some(event) = events.next().await {
        if matches!(event, MonitorEvent::Closed { .. }) {
            break;
        }
    }
}

#[test]
fn a_socket_that_is_not_one_to_speak_with_is_not_tried_again() {
    let (pull, endpoint) = bound::<barid_zmq::kinds::Pull>("tcp://127.0.0.1:*");
    let req = Req::builder(&Context::new()).reconnect(QUICK).build();
    let mut events = req.monitor();
    req.connect(&endpoint).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let seen = runtime.block_on(async {
        let mut seen = Vec::new();
        while !matches!(seen.last(), Some(MonitorEvent::Closed { .. })) {
            seen.push(events.next().await.unwrap());
        }
        seen
    });
    // It may be cut before it has read why, and try once more.
    let last = &seen[seen.len() - 2];
    assert!(
        matches!(last, MonitorEvent::HandshakeFailed { .. }),
        "{seen:?}"
    );
    assert_eq!(pull.connected(), 0);
}

#[test]
fn a_disconnected_socket_is_not_sent_to() {
    let (pull, endpoint) = bound::<barid_zmq::kinds::Pull>("tcp://127.0.0.1:*");
    let push: Push = connected(&endpoint);
    send(&push, "a");
    assert_eq!(push.disconnect(&endpoint), Ok(true));
    assert_eq!(recv(&pull), "a".into());
    assert_eq!(push.try_send("b").unwrap_err().reason, SendRefusal::Full);
    while pull.connected() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(pull.unbind(&endpoint), Ok(true));
    let again = Pull::new(&Context::new());
    // The listener's task lets the port go when it runs next.
    while again.bind(&endpoint).is_err() {
        std::thread::yield_now();
    }
}
