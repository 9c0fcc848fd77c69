//! Options that change, and being told of what changes.

use crate::{bound, connected, next, refused};
use barid_zmq::{
    Context, Dealer, Hwm, Pair, Pub, Pull, Push, Rep, Req, Router, SendRefusal, Socket,
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
fn options_of_connections_are_for_what_is_connected_from_then_on() {
    let context = Context::new();
    let (large, small): (Pull, Pull) = (
        Pull::builder(&context)
            .receive_hwm(Hwm::messages(1))
            .build(),
        Pull::builder(&context)
            .receive_hwm(Hwm::messages(1))
            .build(),
    );
    large.bind("inproc://large").unwrap();
    small.bind("inproc://small").unwrap();
    let push = Push::builder(&context).send_hwm(Hwm::messages(9)).build();
    push.connect("inproc://large").unwrap();
    push.set_options(Push::builder(&context).send_hwm(Hwm::messages(1)));
    push.connect("inproc://small").unwrap();
    while push.try_send("x").is_ok() {}
    let count = |pull: &Pull| std::iter::from_fn(|| pull.try_recv().ok()).count();
    assert_eq!((count(&large), count(&small)), (10, 2));
    // What was bound and connected with either can be ended.
    assert_eq!(push.disconnect("inproc://large"), Ok(true));
    large.set_options(Pull::builder(&context));
    assert_eq!(large.unbind("inproc://large"), Ok(true));
    assert!(!context.is_bound("large"));
    assert!(context.is_bound("small"));
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
