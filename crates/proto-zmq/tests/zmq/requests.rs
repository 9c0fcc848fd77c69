//! REQ, DEALER and REP.

use crate::stage::{Stage, foreign, heads, socket_settings};
use broker_api::HeadReader as _;
use model::{Message, Property, Value};
use proto_zmq::ZmqHeads;
use zmtp::SocketType;

/// What the requester's message says of its answer.
fn said(message: &Message) -> [Option<String>; 2] {
    [Property::ReplyTo, Property::CorrelationId].map(|property| {
        let value = ZmqHeads.property(message, property)?;
        match value {
            Value::Text(text) => Some(String::from_utf8(text.into_owned()).unwrap()),
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn a_request_says_where_its_answer_goes() {
    let check = |socket_type, frames: &[&[u8]], id: Option<&str>, body: &[u8]| {
        let mut stage = Stage::open(socket_settings(socket_type));
        stage.commands.clear();
        stage.send(frames);
        let message = stage.published();
        assert_eq!(
            (message.exchange(), message.key()),
            (&b""[..], &b"jobs"[..])
        );
        assert_eq!(message.body(), body);
        let id = id.map(str::to_owned);
        assert_eq!(said(&message), [Some("/queues/own".to_owned()), id]);
    };
    check(SocketType::Req, &[b"", b"hello"], None, b"hello");
    check(
        SocketType::Req,
        &[b"\x01\xff", b"", b"a", b"b"],
        Some("01ff"),
        b"ab",
    );
    check(
        SocketType::Dealer,
        &[b"a", b"b", b"", b"x"],
        Some("61.62"),
        b"x",
    );
    check(SocketType::Dealer, &[b"x"], Some("-"), b"x");
}

#[test]
fn a_requester_has_two_queues() {
    let mut stage = Stage::open(socket_settings(SocketType::Req));
    let unlimited = format!("subscribe Presettled {}", u64::MAX);
    assert_eq!(stage.asked(), [unlimited]);
}

#[test]
fn answers_come_back_in_their_envelope() {
    let requests: [&[&[u8]]; 5] = [
        &[b"", b"x"],
        &[b"id", b"", b"x"],
        &[b"a", b"b", b"", b"x", b"y"],
        &[b"x"],
        &[b"", b""],
    ];
    for frames in requests {
        let mut dealer = Stage::open(socket_settings(SocketType::Dealer));
        dealer.commands.clear();
        dealer.send(frames);
        let request = dealer.published();
        let mut replier = Stage::open(socket_settings(SocketType::Rep));
        assert_eq!(replier.asked(), ["subscribe Explicit 1"]);
        replier.deliver(&request);
        let asked: Vec<_> = replier.frames.drain(..).map(|(_, body)| body).collect();
        let envelope_len = frames
            .iter()
            .position(|it| it.is_empty())
            .map_or(0, |at| at + 1);
        assert_eq!(asked[0], b"");
        assert_eq!(asked[1..], frames[envelope_len..]);
        replier.send(&[b"", b"answer", b"more"]);
        let answer = replier.published();
        assert_eq!((answer.exchange(), answer.key()), (&b""[..], &b"own"[..]));
        assert_eq!(
            replier.asked(),
            ["settle [Sequence(7)] Accept", "grant 1 1"]
        );
        dealer.deliver(&answer);
        let got: Vec<_> = dealer.frames.drain(..).map(|(_, body)| body).collect();
        let expected = [&frames[..envelope_len], &[b"answer", b"more"]].concat();
        assert_eq!(got, expected);
    }
}

#[test]
fn a_rep_answers_other_protocols() {
    let mut replier = Stage::open(socket_settings(SocketType::Rep));
    replier.commands.clear();
    replier.deliver(&foreign(
        b"",
        b"jobs",
        b"/exchanges/amq.topic/a.b order-7",
        b"x",
    ));
    assert_eq!(replier.got(), "+x;");
    replier.send(&[b"", b"y"]);
    let answer = replier.published();
    assert_eq!(
        (answer.exchange(), answer.key()),
        (&b"amq.topic"[..], &b"a.b"[..])
    );
    assert_eq!(said(&answer), [None, Some("order-7".to_owned())]);
    replier.commands.clear();
    // Without a place for it.
    replier.deliver(&foreign(b"", b"jobs", b"", b"x"));
    replier.send(&[b"", b"y"]);
    assert_eq!(
        replier.asked(),
        ["settle [Sequence(7)] Accept", "grant 2 1"]
    );
    // Which nobody asked for.
    replier.send(&[b"", b"y"]);
    assert!(replier.asked().is_empty());
}

#[test]
fn other_protocols_answer_a_req() {
    let mut requester = Stage::open(socket_settings(SocketType::Req));
    requester.deliver(&foreign(b"", b"own", b"", b"x"));
    assert_eq!(requester.got(), "+x;");
    requester.deliver(&foreign(b"", b"own", b" 01ff", b"y"));
    assert_eq!(requester.frames[0].1, b"\x01\xff");
    requester.frames.clear();
    // Not what a request of ours said.
    requester.deliver(&foreign(b"", b"own", b" order-7", b"z"));
    assert_eq!(requester.got(), "+z;");
}

#[test]
fn an_envelope_has_its_limit() {
    let check = |id: &[u8], is_closing: bool| {
        let mut stage = Stage::open(socket_settings(SocketType::Dealer));
        stage.send(&[id, b"", b"x"]);
        assert_eq!(stage.out.is_closing(), is_closing);
    };
    check(&[b'x'; 100], false);
    check(&[b'x'; 101], true);
}

#[test]
fn heads_of_others_say_nothing_here() {
    let message = foreign(b"", b"own", b"\x01x\0\0", b"x");
    assert_eq!(said(&message), [None, None]);
    assert!(ZmqHeads.header(&message, b"x").is_none());
    let _read_by_its_own = heads(message.envelope().dialect);
}
