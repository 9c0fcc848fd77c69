//! Proxies between sockets.

use crate::{bound, connected};
use barid_zmq::{
    Context, Dealer, Message, ProxyEnd, Pub, Pull, Push, ReceiveError, Rep, Req, Router, Sub, XPub,
    XSub, forward, proxy,
};

#[tokio::test]
async fn requests_and_replies_pass() {
    let context = Context::new();
    let (front, back): (Router, Dealer) = (bound(&context, "front"), bound(&context, "back"));
    let running = tokio::spawn({
        let (front, back) = (front.clone(), back.clone());
        async move { proxy(&front, &back).await }
    });
    let reqs: [Req; 3] = std::array::from_fn(|_| connected(&context, "front"));
    let rep: Rep = connected(&context, "back");
    for (index, req) in reqs.iter().enumerate() {
        req.send(index.to_string()).await.unwrap();
    }
    for _ in &reqs {
        let request = rep.recv().await.unwrap();
        rep.send(request).await.unwrap();
    }
    for (index, req) in reqs.iter().enumerate() {
        assert_eq!(req.recv().await.unwrap(), Message::from(index.to_string()));
    }
    front.close().await;
    assert_eq!(
        running.await.unwrap(),
        ProxyEnd::Receive(ReceiveError::Closed)
    );
}

#[tokio::test]
async fn subscriptions_pass_upstream_and_topics_downstream() {
    let context = Context::new();
    let (front, back): (XSub, XPub) = (bound(&context, "xsub"), bound(&context, "xpub"));
    let running = tokio::spawn(async move { proxy(&front, &back).await });
    let publisher: Pub = connected(&context, "xsub");
    let sub: Sub = connected(&context, "xpub");
    sub.subscribe("a");
    publisher.wait_subscribed("a", 1).await.unwrap();
    publisher.send("b").await.unwrap();
    publisher.send("a").await.unwrap();
    assert_eq!(sub.recv().await.unwrap(), Message::from("a"));
    running.abort();
}

#[tokio::test]
async fn work_passes_one_way_and_is_watched() {
    let context = Context::new();
    let (from, to): (Pull, Push) = (bound(&context, "from"), bound(&context, "to"));
    let running = tokio::spawn(async move {
        let mut seen = 0;
        let end = forward(&from, &to, |_| seen += 1);
        tokio::time::timeout(std::time::Duration::from_secs(60), end)
            .await
            .ok();
        seen
    });
    let (push, pull): (Push, Pull) = (connected(&context, "from"), connected(&context, "to"));
    for index in 0..2500 {
        push.send(index.to_string()).await.unwrap();
        assert_eq!(pull.recv().await.unwrap(), Message::from(index.to_string()));
    }
    running.abort();
}
