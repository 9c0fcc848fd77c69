//! What frames and commands are to each type of socket.

use crate::pair::{End, command, greeting, opened, ready, run, settings};
use zmtp::{
    Command, CommandError, Error, Frame, FrameError, Limits, SendError, Settings, SocketType,
};

/// A connection of a socket, behind its handshake.
fn open(ours: Settings, theirs: &str) -> End {
    let mut end = End::new(ours);
    end.feed(&[greeting("NULL"), ready(theirs)].concat());
    assert!(end.connection.is_open(), "{:?}", end.error);
    end.out.clear();
    end.take_told();
    end
}

#[test]
fn frames_go_through() {
    let (mut a, mut b) = opened(settings(SocketType::Pair), settings(SocketType::Pair));
    for frame in [
        Frame::more(b""),
        Frame::more(b"\x01x"),
        Frame::last(&[b'z'; 256]),
    ] {
        a.connection.put_frame(&mut a.out, frame).unwrap();
    }
    run(&mut a, &mut b);
    let told = [
        "more ".to_owned(),
        "more \\x01x".to_owned(),
        format!("last {}", "z".repeat(256)),
    ];
    assert_eq!(b.take_told(), told);
}

#[test]
fn a_body_is_the_last_of_what_was_taken() {
    let mut a = open(settings(SocketType::Pull), "PUSH");
    let mut input = b"\0\x05hello\x01\x02..".to_vec();
    let step = a.connection.handle_input(&mut input, &mut a.out);
    let Ok(zmtp::Step::Event(zmtp::Event::Frame(frame), taken)) = step else {
        panic!("{step:?}");
    };
    let len = frame.body.len();
    assert_eq!((taken, len), (7, 5));
    assert_eq!(input[taken - len..taken], *b"hello");
}

#[test]
fn a_large_body_needs_no_copy() {
    let mut a = open(settings(SocketType::Push), "PULL");
    for (more, len) in [(false, 5), (true, 255), (true, 100_000)] {
        let body = vec![b'x'; len];
        let head = a.connection.frame_head(more, len).unwrap();
        a.out.clear();
        let frame = Frame { more, body: &body };
        a.connection.put_frame(&mut a.out, frame).unwrap();
        assert_eq!(a.out[..], [head.as_bytes(), &body].concat());
    }
}

#[test]
fn frames_have_their_limit() {
    let limits = Limits {
        frame_bytes_max: 1_000,
        ..Limits::default()
    };
    let limited = || Settings {
        limits,
        ..settings(SocketType::Pull)
    };
    let mut a = open(limited(), "PUSH");
    a.feed(&[&[2, 0, 0, 0, 0, 0, 0, 3, 232], &[b'x'; 1_000][..]].concat());
    assert_eq!(a.told.len(), 1);
    a.feed(&[2, 0, 0, 0, 0, 0, 0, 3, 233]);
    let (len, limit) = (1_001, 1_000);
    let error = Error::Frame(FrameError::TooLarge { len, limit });
    assert_eq!(a.error, Some(error));
    // A command is a frame.
    let mut a = open(limited(), "PUSH");
    a.feed(&command("NEW", &[0; 1_000]));
    assert!(matches!(a.error, Some(Error::Frame(_))));
}

#[test]
fn subscriptions_are_commands_or_messages() {
    let input = [
        command("SUBSCRIBE", b"a"),
        b"\0\x02\x01b".to_vec(),
        b"\0\x02\0b".to_vec(),
        b"\0\x01\x01".to_vec(),
        command("CANCEL", b"a"),
        b"\0\x05hello".to_vec(),
        b"\0\0".to_vec(),
    ];
    let input = input.concat();
    let mut a = open(settings(SocketType::XPub), "XSUB");
    a.feed(&input);
    let subscriptions = [
        "subscribe a",
        "subscribe b",
        "cancel b",
        "subscribe ",
        "cancel a",
    ];
    assert_eq!(a.told[..5], subscriptions);
    assert_eq!(a.told[5..], ["last hello", "last "]);
    let mut a = open(settings(SocketType::Pub), "SUB");
    a.feed(&input);
    assert_eq!(a.told[..5], subscriptions);
    assert_eq!(a.told[5..], ["ignored", "ignored"]);
    // To others they are messages, and commands without a meaning.
    let mut a = open(settings(SocketType::Pull), "PUSH");
    a.feed(&input[..18]);
    assert_eq!(a.told, ["ignored", "last \\x01b"]);
}

#[test]
fn later_frames_may_be_subscriptions() {
    let input = b"\x01\x01x\x01\x02\x01a\0\x02\x01b\x01\x02\x01c\0\x02\x01d\0\x02\x01e";
    let told = |only_first_subscribe| {
        let ours = Settings {
            only_first_subscribe,
            ..settings(SocketType::XPub)
        };
        let mut a = open(ours, "XSUB");
        a.feed(input);
        a.told
    };
    let all = [
        "more x",
        "subscribe a",
        "subscribe b",
        "subscribe c",
        "subscribe d",
        "subscribe e",
    ];
    assert_eq!(told(false), all);
    let first = [
        "more x",
        "more \\x01a",
        "last \\x01b",
        "subscribe c",
        "subscribe d",
        "subscribe e",
    ];
    assert_eq!(told(true), first);
}

#[test]
fn a_dish_joins_groups() {
    let (mut radio, mut dish) = opened(settings(SocketType::Radio), settings(SocketType::Dish));
    dish.connection.put_join(&mut dish.out, b"news").unwrap();
    dish.connection.put_leave(&mut dish.out, b"news").unwrap();
    let sent = [command("JOIN", b"news"), command("LEAVE", b"news")];
    assert_eq!(dish.out[..], sent.concat());
    run(&mut radio, &mut dish);
    assert_eq!(radio.take_told(), ["join news", "leave news"]);
    let long = [b'g'; 256];
    for group in [&b"a\0b"[..], &long] {
        let out = &mut dish.out;
        assert_eq!(dish.connection.put_join(out, group), Err(SendError::Group));
        assert_eq!(dish.connection.put_leave(out, group), Err(SendError::Group));
    }
    // Only a RADIO has groups.
    let mut a = open(settings(SocketType::Pull), "PUSH");
    a.feed(&sent.concat());
    assert_eq!(a.told, ["ignored", "ignored"]);
    let mut a = open(settings(SocketType::Radio), "DISH");
    a.feed(&command("JOIN", b"a\0"));
    assert_eq!(a.error, Some(Error::Command(CommandError::Group)));
}

#[test]
fn a_radio_sends_groups_and_bodies() {
    let (mut radio, mut dish) = opened(settings(SocketType::Radio), settings(SocketType::Dish));
    radio
        .connection
        .put_group_message(&mut radio.out, b"news", b"body")
        .unwrap();
    assert_eq!(radio.out[..], *b"\x01\x04news\0\x04body");
    let put = radio
        .connection
        .put_group_message(&mut radio.out, b"\0", b"body");
    assert_eq!(put, Err(SendError::Group));
    run(&mut radio, &mut dish);
    assert_eq!(dish.take_told(), ["group news", "last body"]);
    dish.connection
        .put_frame(&mut dish.out, Frame::last(b"x"))
        .unwrap();
    run(&mut radio, &mut dish);
    assert_eq!(radio.take_told(), ["ignored"]);
    for wrong in [
        &b"\0\x04news"[..],
        b"\x01\x04news\x01\x04body",
        b"\x01\x01\0",
    ] {
        let mut a = open(settings(SocketType::Dish), "RADIO");
        a.feed(wrong);
        assert_eq!(a.error, Some(Error::GroupMessage), "{wrong:?}");
    }
}

#[test]
fn thread_safe_sockets_drop_messages_of_several_frames() {
    for (ours, theirs) in [
        (SocketType::Client, "SERVER"),
        (SocketType::Server, "CLIENT"),
        (SocketType::Gather, "SCATTER"),
        (SocketType::Scatter, "GATHER"),
        (SocketType::Peer, "PEER"),
        (SocketType::Channel, "CHANNEL"),
    ] {
        assert!(ours.is_thread_safe());
        let mut a = open(settings(ours), theirs);
        a.feed(b"\0\x01a\x01\x01b\x01\x01c\0\x01d\0\x01e");
        assert_eq!(
            a.told,
            ["last a", "ignored", "ignored", "ignored", "last e"]
        );
    }
}

#[test]
fn commands_that_are_not_known_are_ignored() {
    let mut a = open(settings(SocketType::Pull), "PUSH");
    a.feed(
        &[
            command("NEW", b"data"),
            command("READY", b""),
            command("ERROR", b"\0"),
        ]
        .concat(),
    );
    assert_eq!(a.told, ["ignored", "ignored", "ignored"]);
    a.feed(&[4, 0]);
    assert_eq!(a.error, Some(Error::Command(CommandError::Name)));
}

#[test]
fn a_ping_is_answered() {
    let mut a = open(settings(SocketType::Pull), "PUSH");
    a.feed(&command("PING", b"\0\0ctx"));
    assert_eq!(a.out[..], command("PONG", b"ctx"));
    a.out.clear();
    a.feed(&command("PING", b"\0\x0a0123456789abcdefXYZ"));
    assert_eq!(a.out[..], command("PONG", b"0123456789abcdef"));
    a.feed(&command("PONG", b"ctx"));
    assert_eq!(a.told, ["ping", "ping", "pong ctx"]);
    let mut out = bytes::BytesMut::new();
    Command::Pong { context: b"ctx" }.put(&mut out);
    assert_eq!(out[..], command("PONG", b"ctx"));
}
