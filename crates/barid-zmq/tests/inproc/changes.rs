//! Options that change, and being told of what changes.

use crate::{bound, connected, next, refused};
use barid_zmq::{
    BindError, ConnectError, Context, Dealer, Hwm, Pair, Pub, Pull, Push, Rep, Req, Router,
    SendRefusal, Socket, Stream, curve_keypair,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{self, Wake, Waker};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_was_bound_and_connected_with_former_options_can_be_ended() {
    let context = Context::new();
    let (first, other): (Pull, Pull) = (bound(&context, "first"), bound(&context, "other"));
    let push = Push::new(&context);
    push.connect("inproc://first").unwrap();
    push.set_options(Push::builder(&context).send_hwm(Hwm::messages(1)));
    push.connect("inproc://other").unwrap();
    assert_eq!(push.disconnect("inproc://first"), Ok(true));
    first.set_options(Pull::builder(&context));
    assert_eq!(first.unbind("inproc://first"), Ok(true));
    assert!(!context.is_bound("first"));
    assert!(context.is_bound("other"));
    drop(other);
}

#[test]
fn a_lower_limit_gives_room_back_though_the_peer_receives_nothing() {
    let context = Context::new();
    let limited = |messages| {
        let hwm = Hwm::messages(messages);
        let builder = Pair::builder(&context);
        builder.send_hwm(hwm).receive_hwm(Hwm::messages(5))
    };
    let (one, other) = (limited(5).build(), limited(5).build());
    one.bind("inproc://pair").unwrap();
    other.connect("inproc://pair").unwrap();
    for _ in 0..4 {
        one.try_send("x").unwrap();
        other.try_recv().unwrap();
    }
    // Four of ten are not told, of six they are, by whatever the peer does next.
    one.set_options(limited(1));
    other.try_send("y").unwrap();
    let filled = std::iter::from_fn(|| one.try_send("x").ok()).count();
    assert_eq!(filled, 6);
}

#[test]
fn limits_change_for_who_is_connected_too() {
    let context = Context::new();
    let (push, pull) = (Push::new(&context), Pull::new(&context));
    let send =
        |messages| push.set_options(Push::builder(&context).send_hwm(Hwm::messages(messages)));
    let receive =
        |messages| pull.set_options(Pull::builder(&context).receive_hwm(Hwm::messages(messages)));
    let filled = || std::iter::from_fn(|| push.try_send("x").ok()).count();
    let drained = || std::iter::from_fn(|| pull.try_recv().ok()).count();
    // Whoever is there first.
    send(3);
    receive(4);
    push.connect("inproc://pull").unwrap();
    assert_eq!(filled(), 3);
    pull.bind("inproc://pull").unwrap();
    assert_eq!(filled(), 4);
    assert_eq!(drained(), 7);
    for (sent, received) in [(1, 2), (100, 1), (3, 3), (1, 200), (40, 2), (2, 1)] {
        send(sent);
        assert_eq!(drained(), 0);
        receive(received);
        assert_eq!(drained(), 0);
        let limit = usize::try_from(sent + received).unwrap();
        // What has come back is told in halves of the limit.
        let room = filled();
        assert!(
            (limit / 2 + 1..=limit).contains(&room),
            "{sent}, {received}: {room}"
        );
        // What waits stays, though it is more than may wait now.
        send(1);
        assert_eq!(filled(), 0);
        assert_eq!(drained(), room);
    }
    send(0);
    for _ in 0..5000 {
        push.try_send("x").unwrap();
    }
    // Whoever waits goes on when there is more room.
    send(1);
    let full = push.clone();
    let sender = std::thread::spawn(move || full.blocking().send("y").unwrap());
    while pull.try_recv().is_ok_and(|message| message.first() == b"x") {}
    sender.join().unwrap();
    filled();
    let full = push.clone();
    let sender = std::thread::spawn(move || full.blocking().send("z").unwrap());
    receive(100);
    sender.join().unwrap();
}

#[test]
fn options_of_the_rules_hold_at_once() {
    let context = Context::new();
    let router: Router = bound(&context, "router");
    let nobody = || ["nobody", "x"].into_iter().collect::<barid_zmq::Message>();
    router.try_send(nobody()).unwrap();
    router.set_options(Router::builder(&context).mandatory(true));
    assert_eq!(refused(&router, nobody()), SendRefusal::Unroutable);
    let _rep: Rep = bound(&context, "rep");
    let req: Req = connected(&context, "rep");
    req.try_send("1").unwrap();
    assert_eq!(refused(&req, "2"), SendRefusal::OutOfTurn);
    req.set_options(Req::builder(&context).relaxed(true));
    req.try_send("2").unwrap();
}

#[test]
fn a_stream_looks_at_the_security_that_it_has_now() {
    let context = Context::new();
    let stream = Stream::new(&context);
    let (_, secret) = curve_keypair().unwrap();
    stream.set_options(Stream::builder(&context).curve_server(secret));
    let refused = stream.bind("tcp://127.0.0.1:*");
    assert!(
        matches!(refused, Err(BindError::Unsuitable(_))),
        "{refused:?}"
    );
    let refused = stream.connect("tcp://127.0.0.1:1");
    assert!(
        matches!(refused, Err(ConnectError::Unsuitable(_))),
        "{refused:?}"
    );
}

#[test]
fn what_is_admitted_is_what_can_be_sent() {
    let context = Context::new();
    let push: Push = Socket::new(&context);
    assert_eq!(push.admits("x"), Err(SendRefusal::Full));
    assert!(!push.is_writable());
    let pull: Pull = bound(&context, "pull");
    push.connect("inproc://pull").unwrap();
    assert_eq!(push.admits("x"), Ok(()));
    assert!(push.is_writable());

    let rep: Rep = bound(&context, "rep");
    let req: Req = connected(&context, "rep");
    assert_eq!(rep.admits("x"), Err(SendRefusal::OutOfTurn));
    assert_eq!(req.admits("x"), Ok(()));
    req.try_send("x").unwrap();
    assert_eq!(req.admits("x"), Err(SendRefusal::OutOfTurn));
    assert_eq!(next(&rep), ["x"]);
    assert_eq!(rep.admits("x"), Ok(()));

    let router = Router::builder(&context).mandatory(true).build();
    router.bind("inproc://router").unwrap();
    assert!(!router.is_writable());
    let named = Dealer::builder(&context).routing_id("me").unwrap().build();
    named.connect("inproc://router").unwrap();
    assert!(router.is_writable());
    assert_eq!(router.admits("me"), Ok(()));
    assert_eq!(router.admits("you"), Err(SendRefusal::Unroutable));

    let publisher: Pub = Socket::new(&context);
    assert!(publisher.is_writable());
    assert_eq!(publisher.admits("x"), Ok(()));
    drop(pull);
}

#[test]
fn a_change_is_told_once_and_never_missed() {
    let context = Context::new();
    let pull: Pull = bound(&context, "changes");
    let push: Push = connected(&context, "changes");
    let count = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&count));
    let cx = task::Context::from_waker(&waker);
    let mut changes = pull.changes();
    while changes.poll(&cx).is_ready() {}
    crate::assert_empty(&pull);
    push.try_send("1").unwrap();
    push.try_send("2").unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(changes.poll(&cx).is_ready());
    assert!(changes.poll(&cx).is_pending());
    assert_eq!(crate::all(&pull), ["1", "2"]);
    // Between a look and a wait.
    crate::assert_empty(&pull);
    push.try_send("3").unwrap();
    assert!(changes.poll(&cx).is_ready());
    // Whoever does not ask any more is not told.
    while changes.poll(&cx).is_ready() {}
    assert_eq!(next(&pull), ["3"]);
    crate::assert_empty(&pull);
    let told = count.0.load(Ordering::SeqCst);
    drop(changes);
    push.try_send("4").unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), told);
}

#[test]
fn nothing_is_known_of_who_is_in_this_process() {
    let context = Context::new();
    let pair: Pair = bound(&context, "pair");
    let peer: Pair = connected(&context, "pair");
    peer.try_send("x").unwrap();
    assert_eq!(next(&pair), ["x"]);
    assert_eq!(pair.last_sender(), None);
}
