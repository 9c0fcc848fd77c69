//! REQ and REP, and both against DEALER and ROUTER.

use crate::{assert_empty, bound, connected, next, refused};
use barid_zmq::{Context, Dealer, Message, ReceiveError, Rep, Req, Router, SendRefusal};

#[test]
fn a_request_has_one_reply() {
    let context = Context::new();
    let rep: Rep = bound(&context, "r");
    let req: Req = connected(&context, "r");
    assert_eq!(req.try_recv(), Err(ReceiveError::OutOfTurn));
    assert_eq!(refused(&rep, "x"), SendRefusal::OutOfTurn);
    req.try_send(Message::from_iter(["a", "b"])).unwrap();
    assert_eq!(refused(&req, "x"), SendRefusal::OutOfTurn);
    assert_empty(&req);
    assert_eq!(next(&rep), ["a", "b"]);
    assert_eq!(rep.try_recv(), Err(ReceiveError::OutOfTurn));
    rep.try_send("c").unwrap();
    assert_eq!(refused(&rep, "x"), SendRefusal::OutOfTurn);
    assert_eq!(next(&req), ["c"]);
    assert_eq!(req.try_recv(), Err(ReceiveError::OutOfTurn));
    req.try_send("d").unwrap();
    assert_eq!(next(&rep), ["d"]);
}

#[test]
fn requests_go_to_repliers_in_turn() {
    let context = Context::new();
    let reps: [Rep; 2] = ["a", "b"].map(|name| bound(&context, name));
    let req = Req::new(&context);
    req.connect("inproc://a").unwrap();
    req.connect("inproc://b").unwrap();
    for round in 0..4 {
        req.try_send(round.to_string()).unwrap();
        let rep = &reps[round % 2];
        assert_eq!(next(rep), [round.to_string()]);
        rep.try_send("ok").unwrap();
        assert_eq!(next(&req), ["ok"]);
    }
}

#[test]
fn a_reply_to_who_is_gone_is_dropped() {
    let context = Context::new();
    let rep: Rep = bound(&context, "gone");
    let req: Req = connected(&context, "gone");
    req.try_send("a").unwrap();
    assert_eq!(next(&rep), ["a"]);
    drop(req);
    rep.try_send("b").unwrap();
    assert_eq!(rep.counters().dropped_sends, 1);
    let req: Req = connected(&context, "gone");
    req.try_send("c").unwrap();
    assert_eq!(next(&rep), ["c"]);
}

#[test]
fn the_envelope_is_what_a_dealer_makes_it() {
    let context = Context::new();
    let rep: Rep = bound(&context, "envelope");
    let dealer: Dealer = connected(&context, "envelope");
    for malformed in [vec!["body"], vec![""], vec!["a", ""]] {
        dealer.try_send(Message::from_iter(malformed)).unwrap();
        assert_empty(&rep);
    }
    assert_eq!(rep.counters().dropped_receives, 3);
    dealer
        .try_send(Message::from_iter(["one", "two", "", "body", "", "more"]))
        .unwrap();
    assert_eq!(next(&rep), ["body", "", "more"]);
    rep.try_send("reply").unwrap();
    assert_eq!(next(&dealer), ["one", "two", "", "reply"]);
}

#[test]
fn only_the_peer_that_was_asked_may_reply() {
    let context = Context::new();
    let routers: [Router; 2] = ["a", "b"].map(|name| bound(&context, name));
    let req = Req::new(&context);
    for name in ["a", "b"] {
        req.connect(format!("inproc://{name}")).unwrap();
    }
    let ids = [0, 1].map(|index: usize| {
        req.try_send("who").unwrap();
        let mut request = routers[index].try_recv().unwrap();
        let id = request.pop_front().unwrap();
        routers[index]
            .try_send(Message::from(vec![id.clone(), "".into(), "you".into()]))
            .unwrap();
        assert_eq!(next(&req), ["you"]);
        id
    });
    req.try_send("first").unwrap();
    routers[1]
        .try_send(Message::from(vec![
            ids[1].clone(),
            "".into(),
            "stray".into(),
        ]))
        .unwrap();
    assert_empty(&req);
    for malformed in [
        vec![ids[0].clone(), "x".into(), "r".into()],
        vec![ids[0].clone(), "".into()],
    ] {
        routers[0].try_send(Message::from(malformed)).unwrap();
        assert_empty(&req);
    }
    routers[0]
        .try_send(Message::from(vec![
            ids[0].clone(),
            "".into(),
            "right".into(),
        ]))
        .unwrap();
    assert_eq!(next(&req), ["right"]);
    assert_eq!(req.counters().dropped_receives, 3);
    // A reply that comes when nobody waits is not the reply to the next request.
    routers[1]
        .try_send(Message::from(vec![
            ids[1].clone(),
            "".into(),
            "early".into(),
        ]))
        .unwrap();
    req.try_send("second").unwrap();
    assert_empty(&req);
    assert_eq!(next(&routers[1])[2], "second");
}

#[test]
fn a_relaxed_requester_asks_again_and_takes_the_last_reply_only() {
    let context = Context::new();
    let rep: Router = bound(&context, "relaxed");
    let req = Req::builder(&context).relaxed(true).correlate(true).build();
    req.connect("inproc://relaxed").unwrap();
    req.try_send("first").unwrap();
    req.try_send("second").unwrap();
    let (first, second) = (rep.try_recv().unwrap(), rep.try_recv().unwrap());
    assert_eq!(first.len(), 4, "id, number, delimiter, body");
    let reply = |request: &Message, body: &str| {
        let mut frames = request.frames()[..3].to_vec();
        frames.push(body.into());
        rep.try_send(Message::from(frames)).unwrap();
    };
    reply(&first, "late");
    assert_empty(&req);
    reply(&second, "right");
    assert_eq!(next(&req), ["right"]);
}

#[test]
fn a_refused_request_is_handed_back_as_it_was() {
    let context = Context::new();
    let req = Req::new(&context);
    let error = req.try_send("a").unwrap_err();
    assert_eq!(
        (error.reason, error.message),
        (SendRefusal::Full, Message::from("a"))
    );
}
