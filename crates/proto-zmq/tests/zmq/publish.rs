//! PUB and SUB.

use crate::stage::{Stage, foreign, settings, socket_settings};
use broker_api::Reply;
use model::Message;
use proto_zmq::Settings;
use zmtp::SocketType;

fn published(frames: &[&[u8]]) -> Message {
    let mut stage = Stage::open(socket_settings(SocketType::Pub));
    stage.send(frames);
    stage.published()
}

/// A SUB with these prefixes; what it has asked for is passed over.
fn subscribed(prefixes: &[&[u8]]) -> Stage {
    let mut stage = Stage::open(socket_settings(SocketType::Sub));
    for prefix in prefixes {
        stage
            .socket
            .put_subscribe(&mut stage.to_session, prefix)
            .unwrap();
    }
    stage.run();
    stage.commands.clear();
    stage
}

#[test]
fn the_first_frame_is_the_key() {
    let check = |frames: &[&[u8]], key: &[u8], body: &[u8]| {
        let message = published(frames);
        assert_eq!(message.exchange(), b"amq.topic");
        assert_eq!(message.key(), key, "{frames:?}");
        assert_eq!(message.body(), body, "{frames:?}");
    };
    check(&[b"a.b", b"x"], b"a.b", b"x");
    check(&[b"a b", b"x", b"", b"yz"], b"a b", b"xyz");
    check(&[b"", b"x"], b"", b"x");
    check(&[b"a.b 21.5"], b"a.b", b"a.b 21.5");
    check(&[b"a.b"], b"a.b", b"a.b");
    check(&[b""], b"", b"");
    check(
        &[&[b'k'; 256], b"x"],
        &[b'k'; 255],
        &[&[b'k'; 256][..], b"x"].concat(),
    );
}

#[test]
fn a_sub_gets_the_frames_that_a_pub_sent() {
    let long = [b'k'; 300];
    let all: [&[&[u8]]; 7] = [
        &[b"a.b", b"x"],
        &[b"a b", b"x", b"", b"yz"],
        &[b"", b"x"],
        &[b"a.b 21.5"],
        &[b""],
        &[&long, b"x", b"y"],
        &[b"a", b"", b""],
    ];
    for frames in all {
        let message = published(frames);
        let mut stage = subscribed(&[b""]);
        stage.deliver(&message);
        let got: Vec<_> = stage.frames.iter().map(|(_, body)| &body[..]).collect();
        assert_eq!(got, frames);
        let ends = stage.frames.iter().filter(|(more, _)| !more).count();
        assert_eq!(ends, 1);
    }
}

#[test]
fn a_message_of_another_protocol_is_key_and_body() {
    let mut stage = subscribed(&[b"a."]);
    stage.deliver(&foreign(b"amq.topic", b"a.b", b"", b"x"));
    assert_eq!(stage.got(), "a.b+x;");
    let large = vec![b'x'; 100_000];
    stage.deliver(&foreign(b"amq.topic", b"a.b", b"", &large));
    assert_eq!(stage.frames[1].1, large);
}

#[test]
fn a_key_that_was_changed_is_said() {
    // As a dead letter's may be.
    let of = |message: &Message, key: &[u8]| {
        Message::new(&model::Parts {
            envelope: message.envelope(),
            exchange: b"amq.topic",
            key,
            annotations: &[],
            head: &[message.head()],
            body: message.body(),
        })
    };
    let mut stage = subscribed(&[b"dead"]);
    stage.deliver(&of(&published(&[b"a.b", b"x"]), b"dead"));
    assert_eq!(stage.got(), "dead+x;");
    stage.deliver(&of(&published(&[b"a.b x"]), b"dead"));
    assert_eq!(stage.got(), "dead+a.b x;");
}

#[test]
fn prefixes_are_bytes_and_bindings_are_levels() {
    let check = |prefix: &[u8], bound: &str| {
        let mut stage = subscribed(&[]);
        stage
            .socket
            .put_subscribe(&mut stage.to_session, prefix)
            .unwrap();
        stage.run();
        assert_eq!(stage.asked(), [format!("bind {bound}")], "{prefix:?}");
    };
    check(b"", "#");
    check(b"a", "#");
    check(b"a.", "a.#");
    check(b"a.b", "a.#");
    check(b"a.b.c", "a.b.#");
    check(b".", ".#");
    check(b"a b.c", "#");
    check(b"a.b 2.5", "a.#");
    check(&[&[b'k'; 255][..], b".x"].concat(), "#");
}

#[test]
fn what_does_not_begin_so_is_left_out() {
    let mut stage = subscribed(&[b"a.b", b"temp 2", b"c"]);
    let check = |stage: &mut Stage, frames: &[&[u8]], is_got: bool| {
        stage.deliver(&published(frames));
        assert_eq!(!stage.got().is_empty(), is_got, "{frames:?}");
    };
    check(&mut stage, &[b"a.bc", b"x"], true);
    check(&mut stage, &[b"a.b", b"x"], true);
    check(&mut stage, &[b"a.", b"x"], false);
    check(&mut stage, &[b"a.c", b"a.b"], false);
    check(&mut stage, &[b"temp 21"], true);
    check(&mut stage, &[b"temp 31"], false);
    check(&mut stage, &[b"c"], true);
    check(&mut stage, &[b""], false);
    let mut nothing = subscribed(&[]);
    check(&mut nothing, &[b"a"], false);
}

#[test]
fn subscriptions_are_counted() {
    let mut stage = subscribed(&[]);
    let change = |stage: &mut Stage, prefix: &[u8], is_new: bool| {
        let to = &mut stage.to_session;
        let put = if is_new {
            stage.socket.put_subscribe(to, prefix)
        } else {
            stage.socket.put_cancel(to, prefix)
        };
        put.unwrap();
        stage.run();
        stage.asked()
    };
    assert_eq!(change(&mut stage, b"a.x", true), ["bind a.#"]);
    assert!(change(&mut stage, b"a.x", true).is_empty());
    assert!(change(&mut stage, b"a.y", true).is_empty());
    assert!(change(&mut stage, b"a.x", false).is_empty());
    let message = published(&[b"a.x", b"1"]);
    stage.deliver(&message);
    assert_eq!(stage.got(), "a.x+1;");
    assert!(change(&mut stage, b"a.x", false).is_empty());
    stage.deliver(&message);
    assert_eq!(stage.got(), "");
    assert!(change(&mut stage, b"never", false).is_empty());
    assert_eq!(change(&mut stage, b"a.y", false), ["unbind a.#"]);
    assert!(change(&mut stage, b"a.y", false).is_empty());
}

#[test]
fn subscriptions_have_their_limits() {
    let limited = Settings {
        subscriptions_max: 2,
        prefix_bytes_max: 3,
        ..settings()
    };
    let check = |prefixes: &[&[u8]], is_closing: bool| {
        let mut stage = Stage::new(limited.clone(), socket_settings(SocketType::Sub));
        stage.run();
        for reply in [Reply::Nothing, crate::stage::made(b"own")] {
            let (id, _) = stage.take_command();
            stage.done(id, Ok(reply));
        }
        for prefix in prefixes {
            stage
                .socket
                .put_subscribe(&mut stage.to_session, prefix)
                .unwrap();
        }
        stage.run();
        assert_eq!(stage.out.is_closing(), is_closing, "{prefixes:?}");
    };
    check(&[b"a", b"b", b"a", b"b"], false);
    check(&[b"a", b"b", b"c"], true);
    check(&[b"abc"], false);
    check(&[b"abcd"], true);
}

#[test]
fn what_a_sub_sends_is_passed_over() {
    let mut stage = Stage::open(socket_settings(SocketType::XSub));
    stage.commands.clear();
    stage.send(&[b"hello", b"x"]);
    assert!(stage.asked().is_empty());
    assert!(!stage.out.is_closing());
}

#[test]
fn heads_are_as_they_are_drawn() {
    let check = |socket_type, frames: &[&[u8]], flags: u8, head: &[u8]| {
        let mut stage = Stage::open(socket_settings(socket_type));
        stage
            .commands
            .retain(|(_, command)| !crate::stage::shown(command).starts_with("subscribe"));
        stage.send(frames);
        let message = stage.published();
        assert_eq!(message.envelope().dialect as u8, 7);
        assert_eq!(message.envelope().dialect_flags, flags);
        assert_eq!(message.head(), head, "{frames:?}");
    };
    check(SocketType::Pub, &[b"a", b"x"], 1, b"");
    check(
        SocketType::Pub,
        &[b"a", b"xy", b"z"],
        1,
        b"\0\0\0\x02\0\0\0",
    );
    check(SocketType::Pub, &[b"a x"], 2, b"");
    check(SocketType::Push, &[b"a"], 0, b"");
    check(
        SocketType::Push,
        &[b"a", b"xy", b""],
        0,
        b"\0\0\0\x01\0\0\0\x02\0\0\0",
    );
    check(SocketType::Req, &[b"", b"x"], 0, b"\x03own\0\0");
    let head = b"\x03own\x02\0ff\x01\0\0\0";
    check(SocketType::Dealer, &[b"\xff", b"", b"x", b"y"], 0, head);
}

#[test]
fn damaged_heads_are_survived() {
    for head in [
        &b"\x09"[..],
        b"\0\xff\xff",
        b"\0\0\0\xff\0\0\0",
        b"\0\0\0\x01\0",
    ] {
        let message = Message::new(&model::Parts {
            envelope: published(&[b"a", b"xy"]).envelope(),
            exchange: b"amq.topic",
            key: b"a",
            annotations: &[],
            head: &[head],
            body: b"xy",
        });
        let mut stage = subscribed(&[b""]);
        stage.deliver(&message);
        assert!(stage.got().ends_with(';'));
    }
}
