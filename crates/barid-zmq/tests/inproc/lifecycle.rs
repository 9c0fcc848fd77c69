//! Waiting, canceling, closing, and handles that are shared.

use crate::{all, bound, connected, hwm, next};
use barid_zmq::{
    BindError, Closed, ConnectError, Context, Message, Pub, Pull, Push, ReceiveError, Rep, Req,
    SendRefusal, Sub,
};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// Counts wake-ups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counted() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waker::from(count))
}

#[test]
fn a_receiver_is_woken_by_a_message() {
    let context = Context::new();
    let pull: Pull = bound(&context, "wake");
    let push: Push = connected(&context, "wake");
    let (count, waker) = counted();
    let mut cx = TaskContext::from_waker(&waker);
    let mut receive = pin!(pull.recv());
    assert!(receive.as_mut().poll(&mut cx).is_pending());
    push.try_send("a").unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    push.try_send("b").unwrap();
    assert_eq!(
        count.0.load(Ordering::SeqCst),
        1,
        "who is awake is not woken"
    );
    let Poll::Ready(Ok(message)) = receive.as_mut().poll(&mut cx) else {
        panic!("there is a message");
    };
    assert_eq!(message, Message::from("a"));
}

#[test]
fn a_sender_is_woken_by_room() {
    let context = Context::new();
    let pull = Pull::builder(&context).receive_hwm(hwm(2)).build();
    pull.bind("inproc://room").unwrap();
    let push = Push::builder(&context).send_hwm(hwm(2)).build();
    push.connect("inproc://room").unwrap();
    for index in 0..4 {
        push.try_send(index.to_string()).unwrap();
    }
    let (count, waker) = counted();
    let mut cx = TaskContext::from_waker(&waker);
    let mut send = pin!(push.send("4"));
    assert!(send.as_mut().poll(&mut cx).is_pending());
    pull.try_recv().unwrap();
    assert_eq!(
        count.0.load(Ordering::SeqCst),
        0,
        "room comes back in halves"
    );
    pull.try_recv().unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert_eq!(send.as_mut().poll(&mut cx), Poll::Ready(Ok(())));
    assert_eq!(all(&pull), ["2", "3", "4"]);
}

#[test]
fn who_waits_without_a_peer_is_woken_by_one() {
    let context = Context::new();
    let (pull, push) = (Pull::new(&context), Push::new(&context));
    let (count, waker) = counted();
    let mut cx = TaskContext::from_waker(&waker);
    let mut receive = pin!(pull.recv());
    let mut send = pin!(push.send("a"));
    assert!(receive.as_mut().poll(&mut cx).is_pending());
    assert!(send.as_mut().poll(&mut cx).is_pending());
    push.connect("inproc://first").unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    assert!(send.as_mut().poll(&mut cx).is_ready());
    pull.bind("inproc://first").unwrap();
    assert_eq!(count.0.load(Ordering::SeqCst), 2);
    assert!(receive.as_mut().poll(&mut cx).is_ready());
    // The other way round: the message is there before the receiver is connected.
    let (pull, push): (Pull, Push) = (Pull::new(&context), bound(&context, "second"));
    let mut receive = pin!(pull.recv());
    assert!(receive.as_mut().poll(&mut cx).is_pending());
    let mut send = pin!(push.send("b"));
    assert!(send.as_mut().poll(&mut cx).is_pending());
    pull.connect("inproc://second").unwrap();
    assert!(send.as_mut().poll(&mut cx).is_ready());
    assert!(receive.as_mut().poll(&mut cx).is_ready());
}

#[test]
fn a_dropped_future_has_done_nothing() {
    let context = Context::new();
    let pull: Pull = bound(&context, "cancel");
    let push: Push = connected(&context, "cancel");
    let (_, waker) = counted();
    let mut cx = TaskContext::from_waker(&waker);
    for _ in 0..1000 {
        let mut receive = Box::pin(pull.recv());
        assert!(receive.as_mut().poll(&mut cx).is_pending());
    }
    push.try_send("kept").unwrap();
    assert_eq!(next(&pull), ["kept"]);
    let lonely = Push::new(&context);
    let mut send = Box::pin(lonely.send("unsent"));
    assert!(send.as_mut().poll(&mut cx).is_pending());
    drop(send);
    lonely.connect("inproc://cancel").unwrap();
    lonely.try_send("sent").unwrap();
    assert_eq!(all(&pull), ["sent"]);
}

#[test]
fn many_threads_share_a_socket_and_lose_nothing() {
    const EACH: usize = 5000;
    let context = Context::new();
    let pull = Pull::builder(&context).receive_hwm(hwm(16)).build();
    pull.bind("inproc://shared").unwrap();
    let push = Push::builder(&context).send_hwm(hwm(16)).build();
    push.connect("inproc://shared").unwrap();
    let senders: Vec<_> = (0..3)
        .map(|sender| {
            let push = push.clone();
            thread::spawn(move || {
                for index in 0..EACH {
                    push.blocking().send(format!("{sender}/{index}")).unwrap();
                }
            })
        })
        .collect();
    let receivers: Vec<_> = (0..2)
        .map(|_| {
            let pull = pull.clone();
            thread::spawn(move || {
                let mut found = Vec::new();
                while let Ok(message) = pull.blocking().recv() {
                    if message == Message::from("end") {
                        break;
                    }
                    found.push(String::from_utf8(message.first().to_vec()).unwrap());
                }
                found
            })
        })
        .collect();
    for sender in senders {
        sender.join().unwrap();
    }
    for _ in 0..2 {
        push.blocking().send("end").unwrap();
    }
    let found: Vec<_> = receivers
        .into_iter()
        .flat_map(|receiver| receiver.join().unwrap())
        .collect();
    assert_eq!(found.len(), 3 * EACH);
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>().len(), 3 * EACH);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_go_back_and_forth_between_tasks() {
    let context = Context::new();
    let rep: Rep = bound(&context, "tasks");
    let req: Req = connected(&context, "tasks");
    let server = tokio::spawn(async move {
        while let Ok(request) = rep.recv().await {
            rep.send(request).await.unwrap();
        }
    });
    for index in 0..2000 {
        req.send(index.to_string()).await.unwrap();
        assert_eq!(req.recv().await.unwrap(), Message::from(index.to_string()));
    }
    server.abort();
}

#[test]
fn waits_have_an_end() {
    let context = Context::new();
    let pull: Pull = bound(&context, "time");
    let short = Duration::from_millis(1);
    assert_eq!(
        pull.blocking().recv_timeout(short),
        Err(ReceiveError::Empty)
    );
    let push = Push::new(&context);
    let error = push.blocking().send_timeout("back", short).unwrap_err();
    assert_eq!(
        (error.reason, error.message),
        (SendRefusal::Full, Message::from("back"))
    );
    assert_eq!(push.blocking().wait_connected(1, short), Ok(false));
}

#[test]
fn a_thread_may_wait_up_to_its_end() {
    struct Last(Context, Pull);
    impl Drop for Last {
        fn drop(&mut self) {
            let Self(context, pull) = self;
            let short = Duration::from_millis(1);
            assert_eq!(
                pull.blocking().recv_timeout(short),
                Err(ReceiveError::Empty)
            );
            let push: Push = connected(context, "end");
            thread::scope(|scope| {
                scope.spawn(|| push.blocking().send("x").unwrap());
                assert_eq!(pull.blocking().recv().unwrap(), Message::from("x"));
            });
        }
    }
    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }
    // What was touched first is dropped last.
    let thread = thread::spawn(|| {
        let context = Context::new();
        let pull: Pull = bound(&context, "end");
        let waiter = pull.clone();
        LAST.set(Some(Last(context, pull)));
        let short = Duration::from_millis(1);
        waiter.blocking().recv_timeout(short)
    });
    assert_eq!(thread.join().unwrap(), Err(ReceiveError::Empty));
}

#[test]
fn subscribers_and_peers_can_be_waited_for() {
    let context = Context::new();
    let publisher: Pub = bound(&context, "wait");
    let subscriber = thread::spawn(move || {
        let sub: Sub = connected(&context, "wait");
        sub.subscribe("a");
        sub.blocking().recv().unwrap()
    });
    let long = Duration::from_secs(60);
    assert_eq!(publisher.blocking().wait_connected(1, long), Ok(true));
    assert_eq!(publisher.blocking().wait_subscribed("a", 1, long), Ok(true));
    publisher.try_send("a").unwrap();
    assert_eq!(subscriber.join().unwrap(), Message::from("a"));
}

#[tokio::test]
async fn a_closed_socket_says_so_to_everybody() {
    let context = Context::new();
    let pull: Pull = bound(&context, "close");
    let push = Push::new(&context);
    let waiting = tokio::spawn({
        let pull = pull.clone();
        async move { pull.recv().await }
    });
    let sending = tokio::spawn({
        let push = push.clone();
        async move { push.send("x").await.unwrap_err().reason }
    });
    let watching = tokio::spawn({
        let pull = pull.clone();
        async move { pull.wait_connected(1).await }
    });
    tokio::task::yield_now().await;
    assert_eq!(pull.clone().close().await.messages, 0);
    push.clone().close().await;
    assert_eq!(waiting.await.unwrap(), Err(ReceiveError::Closed));
    assert_eq!(sending.await.unwrap(), SendRefusal::Closed);
    assert_eq!(watching.await.unwrap(), Err(Closed));
    assert!(matches!(pull.bind("inproc://y"), Err(BindError::Closed)));
    assert!(matches!(
        pull.connect("inproc://y"),
        Err(ConnectError::Closed)
    ));
}

#[test]
fn what_was_sent_before_a_socket_closed_is_received() {
    let context = Context::new();
    let pull: Pull = bound(&context, "left");
    let push: Push = connected(&context, "left");
    for index in 0..500 {
        push.try_send(index.to_string()).unwrap();
    }
    drop(push);
    assert_eq!(all(&pull).len(), 500);
    assert_eq!(pull.connected(), 0);
}

#[test]
fn names_are_given_once_and_again() {
    let context = Context::new();
    let first: Pull = bound(&context, "name");
    let second = Pull::new(&context);
    assert!(matches!(
        second.bind("inproc://name"),
        Err(BindError::InUse)
    ));
    assert_eq!(first.unbind("inproc://name"), Ok(true));
    assert_eq!(first.unbind("inproc://name"), Ok(false));
    second.bind("inproc://name").unwrap();
    let push: Push = connected(&context, "name");
    push.try_send("a").unwrap();
    assert_eq!(all(&second), ["a"]);
    assert_eq!(push.disconnect("inproc://name"), Ok(true));
    assert_eq!(push.try_send("b").unwrap_err().reason, SendRefusal::Full);
    drop(second);
    let third: Pull = bound(&context, "name");
    drop(third);
    let elsewhere = Context::new();
    let other: Pull = bound(&elsewhere, "name");
    drop(other);
}
