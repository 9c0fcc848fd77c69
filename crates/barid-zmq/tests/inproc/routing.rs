//! ROUTER, DEALER, CLIENT, SERVER, PEER: who a message is from, and who it is for.

use crate::{assert_empty, bound, connected, hwm, next, refused};
use barid_zmq::{
    Client, ConnectError, Context, Dealer, Message, Peer, ReceiveError, Router, SendRefusal, Server,
};

fn dealer(context: &Context, id: &str, name: &str) -> Dealer {
    let dealer = Dealer::builder(context)
        .routing_id(id.to_owned())
        .unwrap()
        .build();
    dealer.connect(format!("inproc://{name}")).unwrap();
    dealer
}

#[test]
fn a_router_knows_peers_by_their_names() {
    let context = Context::new();
    let router: Router = bound(&context, "router");
    let (anna, ben) = (
        dealer(&context, "anna", "router"),
        dealer(&context, "ben", "router"),
    );
    // A peer is known before it has sent anything.
    router
        .try_send(Message::from_iter(["ben", "hello"]))
        .unwrap();
    assert_eq!(next(&ben), ["hello"]);
    anna.try_send(Message::from_iter(["", "question"])).unwrap();
    assert_eq!(next(&router), ["anna", "", "question"]);
    router
        .try_send(Message::from_iter(["anna", "", "answer"]))
        .unwrap();
    assert_eq!(next(&anna), ["", "answer"]);
    assert_empty(&ben);
}

#[test]
fn a_peer_without_a_name_gets_a_number() {
    let context = Context::new();
    let router: Router = bound(&context, "numbers");
    let dealers: [Dealer; 2] = std::array::from_fn(|_| connected(&context, "numbers"));
    let ids = dealers.each_ref().map(|dealer| {
        dealer.try_send("hi").unwrap();
        let id = router.try_recv().unwrap().pop_front().unwrap();
        assert_eq!((id.len(), id[0]), (5, 0));
        router
            .try_send(Message::from(vec![id.clone(), "you".into()]))
            .unwrap();
        assert_eq!(next(dealer), ["you"]);
        id
    });
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn what_is_for_nobody_is_dropped_or_refused() {
    let context = Context::new();
    let router: Router = bound(&context, "nobody");
    router.try_send(Message::from_iter(["x", "lost"])).unwrap();
    assert_eq!(router.counters().dropped_sends, 1);
    let mandatory = Router::builder(&context)
        .mandatory(true)
        .send_hwm(hwm(1))
        .build();
    mandatory.bind("inproc://mandatory").unwrap();
    assert_eq!(
        refused(&mandatory, Message::from_iter(["x", "a"])),
        SendRefusal::Unroutable
    );
    let peer = Dealer::builder(&context)
        .receive_hwm(hwm(1))
        .routing_id("x")
        .unwrap()
        .build();
    peer.connect("inproc://mandatory").unwrap();
    for body in ["a", "b"] {
        mandatory.try_send(Message::from_iter(["x", body])).unwrap();
    }
    let error = mandatory
        .try_send(Message::from_iter(["x", "c"]))
        .unwrap_err();
    assert_eq!(error.reason, SendRefusal::Full);
    assert_eq!(
        error.message,
        Message::from_iter(["x", "c"]),
        "handed back whole"
    );
    assert_eq!(next(&peer), ["a"]);
    mandatory.try_send(error.message).unwrap();
    drop(peer);
    assert_eq!(
        refused(&mandatory, Message::from_iter(["x", "d"])),
        SendRefusal::Unroutable
    );
}

#[test]
fn a_full_peer_loses_what_a_router_sends() {
    let context = Context::new();
    let router = Router::builder(&context).send_hwm(hwm(1)).build();
    router.bind("inproc://full").unwrap();
    let peer = Dealer::builder(&context)
        .receive_hwm(hwm(1))
        .routing_id("x")
        .unwrap()
        .build();
    peer.connect("inproc://full").unwrap();
    for body in ["a", "b", "c"] {
        router.try_send(Message::from_iter(["x", body])).unwrap();
    }
    assert_eq!(router.counters().dropped_sends, 1);
    assert_eq!(next(&peer), ["a"]);
    assert_eq!(next(&peer), ["b"]);
    assert_empty(&peer);
}

#[test]
fn a_name_is_the_first_ones_or_the_last_ones() {
    let context = Context::new();
    let router: Router = bound(&context, "twice");
    let (first, second) = (
        dealer(&context, "x", "twice"),
        dealer(&context, "x", "twice"),
    );
    second.try_send("ignored").unwrap();
    first.try_send("heard").unwrap();
    assert_eq!(next(&router), ["x", "heard"]);
    assert_empty(&router);
    let handover = Router::builder(&context).handover(true).build();
    handover.bind("inproc://handover").unwrap();
    let former = dealer(&context, "x", "handover");
    former.try_send("1").unwrap();
    assert_eq!(next(&handover), ["x", "1"]);
    let latter = dealer(&context, "x", "handover");
    latter.try_send("2").unwrap();
    assert_eq!(next(&handover), ["x", "2"]);
    handover
        .try_send(Message::from_iter(["x", "for the last"]))
        .unwrap();
    assert_eq!(next(&latter), ["for the last"]);
    assert_eq!(refused(&former, "3"), SendRefusal::Full, "it was let go");
}

#[test]
fn a_router_tells_who_comes_and_goes() {
    let context = Context::new();
    let router = Router::builder(&context).notify(true, true).build();
    router.bind("inproc://notify").unwrap();
    let peer = dealer(&context, "x", "notify");
    assert_eq!(next(&router), ["x", ""]);
    peer.try_send("m").unwrap();
    drop(peer);
    assert_eq!(next(&router), ["x", "m"]);
    assert_eq!(next(&router), ["x", ""]);
    assert_empty(&router);
}

#[test]
fn a_probe_makes_a_peer_known() {
    let context = Context::new();
    let router: Router = bound(&context, "probe");
    let peer = Dealer::builder(&context)
        .probe_router(true)
        .routing_id("x")
        .unwrap()
        .build();
    peer.connect("inproc://probe").unwrap();
    assert_eq!(next(&router), ["x", ""]);
}

#[test]
fn routers_speak_with_each_other_by_given_names() {
    let context = Context::new();
    let left: Router = bound(&context, "left");
    let right = Router::builder(&context)
        .routing_id("right")
        .unwrap()
        .build();
    right.connect_as("inproc://left", "my-left").unwrap();
    right
        .try_send(Message::from_iter(["my-left", "hi"]))
        .unwrap();
    assert_eq!(next(&left), ["right", "hi"]);
    left.try_send(Message::from_iter(["right", "ho"])).unwrap();
    assert_eq!(next(&right), ["my-left", "ho"]);
}

#[test]
fn routing_ids_have_a_form() {
    let context = Context::new();
    for id in [vec![], vec![0, 1], vec![1; 256]] {
        Dealer::builder(&context).routing_id(id).unwrap_err();
    }
    Dealer::builder(&context).routing_id(vec![1; 255]).unwrap();
}

#[test]
fn a_server_answers_the_client_that_asked() {
    let context = Context::new();
    let server: Server = bound(&context, "server");
    let clients: [Client; 2] = std::array::from_fn(|_| connected(&context, "server"));
    for (index, client) in clients.iter().enumerate() {
        client.try_send(format!("from {index}")).unwrap();
    }
    for (index, client) in clients.iter().enumerate() {
        let (from, body) = server.try_recv_from().unwrap();
        assert_eq!(body, format!("from {index}"));
        server.try_send_to(from, format!("to {index}")).unwrap();
        server.try_send_to(from, "once more").unwrap();
        assert_eq!(next(client), [format!("to {index}")]);
    }
    assert_eq!(server.try_recv_from(), Err(ReceiveError::Empty));
    assert_eq!(
        refused(&clients[0], Message::from_iter(["a", "b"])),
        SendRefusal::ManyFrames
    );
    clients[0].try_send("bye").unwrap();
    let (from, _) = server.try_recv_from().unwrap();
    drop(clients);
    let error = server.try_send_to(from, "late").unwrap_err();
    assert_eq!(error.reason, SendRefusal::Unroutable);
}

#[test]
fn peers_know_each_other_by_numbers() {
    let context = Context::new();
    let left: Peer = bound(&context, "peers");
    let right = Peer::new(&context);
    let number = right.connect_peer("inproc://peers").unwrap();
    right.try_send_to(number, "hi").unwrap();
    let (from, body) = left.try_recv_from().unwrap();
    assert_eq!(body, "hi");
    left.try_send_to(from, "ho").unwrap();
    assert_eq!(right.try_recv_from().unwrap(), (number, "ho".into()));
}

#[test]
fn types_that_do_not_fit_are_refused() {
    let context = Context::new();
    let _router: Router = bound(&context, "fit");
    let client = Client::new(&context);
    let error = client.connect("inproc://fit").unwrap_err();
    assert!(
        matches!(error, ConnectError::Incompatible { .. }),
        "{error}"
    );
}
