//! PUSH and PULL.

use crate::stage::{Stage, foreign, made, settings, socket_settings};
use broker_api::{Event, Refusal, Reply};
use model::{Persistence, SubscriptionId};
use proto_zmq::Settings;
use zmtp::SocketType;

#[test]
fn a_push_goes_to_the_queue_once_that_is_there() {
    let mut stage = Stage::new(settings(), socket_settings(SocketType::Push));
    stage.run();
    let (id, _) = stage.take_command();
    stage.done(id, Ok(Reply::Nothing));
    stage.send(&[b"early"]);
    let (id, command) = stage.take_command();
    assert_eq!(crate::stage::shown(&command), "declare jobs");
    assert!(stage.asked().is_empty());
    stage.done(id, Ok(made(b"jobs")));
    assert_eq!(stage.asked(), ["publish  jobs early"]);
}

#[test]
fn messages_are_as_lasting_as_is_set() {
    for persistence in [Persistence::Transient, Persistence::Persistent] {
        let lasting = Settings {
            persistence,
            ..settings()
        };
        let mut stage = Stage::new(lasting, socket_settings(SocketType::Push));
        stage.run();
        for reply in [Reply::Nothing, made(b"jobs")] {
            let (id, _) = stage.take_command();
            stage.done(id, Ok(reply));
        }
        stage.send(&[b"x"]);
        assert_eq!(stage.published().envelope().persistence, persistence);
    }
}

#[test]
fn a_pull_gets_the_frames_that_were_sent() {
    let mut push = Stage::open(socket_settings(SocketType::Push));
    let mut publisher = Stage::open(socket_settings(SocketType::Pub));
    let mut pull = Stage::open(socket_settings(SocketType::Pull));
    for frames in [&[&b"a"[..]][..], &[b"a", b"", b"bc"], &[b""], &[b"", b""]] {
        for sender in [&mut push, &mut publisher] {
            sender.send(frames);
            let message = sender.published();
            pull.deliver(&message);
            let got: Vec<_> = pull.frames.drain(..).map(|(_, body)| body).collect();
            assert_eq!(got, frames);
        }
    }
}

#[test]
fn a_message_of_another_protocol_is_its_body() {
    let mut pull = Stage::open(socket_settings(SocketType::Pull));
    pull.deliver(&foreign(b"", b"jobs", b"", b"body"));
    assert_eq!(pull.got(), "body;");
}

#[test]
fn a_pull_is_given_a_window() {
    let mut pull = Stage::open(socket_settings(SocketType::Pull));
    assert_eq!(pull.asked(), ["subscribe Presettled 1000"]);
    let message = foreign(b"", b"jobs", b"", b"x");
    for _ in 0..499 {
        pull.deliver(&message);
    }
    assert!(pull.asked().is_empty());
    pull.deliver(&message);
    assert_eq!(pull.asked(), ["grant 500 1000"]);
}

#[test]
fn a_refusal_closes() {
    let mut pull = Stage::open(socket_settings(SocketType::Pull));
    let queue = model::QueueName::new(b"jobs").unwrap();
    pull.event(Event::Ended(
        SubscriptionId(1),
        Refusal::QueueDeleted(queue),
    ));
    assert!(pull.out.is_closing());
    let mut push = Stage::open(socket_settings(SocketType::Push));
    push.send(&[b"x"]);
    let (id, _) = push.take_command();
    push.done(id, Err(Refusal::AccessRefused("no".to_owned())));
    assert!(push.out.is_closing());
}

#[test]
fn messages_have_their_limits() {
    let limited = Settings {
        message_bytes_max: 10,
        frames_max: 3,
        ..settings()
    };
    let check = |frames: &[&[u8]], is_closing: bool| {
        let mut stage = Stage::new(limited.clone(), socket_settings(SocketType::Push));
        stage.run();
        for reply in [Reply::Nothing, made(b"jobs")] {
            let (id, _) = stage.take_command();
            stage.done(id, Ok(reply));
        }
        stage.send(frames);
        assert_eq!(stage.out.is_closing(), is_closing, "{frames:?}");
        assert_eq!(stage.asked().is_empty(), is_closing);
    };
    check(&[b"0123456789"], false);
    check(&[b"0123456789a"], true);
    check(&[b"01234", b"56789"], false);
    check(&[b"01234", b"56789a"], true);
    check(&[b"", b"", b""], false);
    check(&[b"", b"", b"", b""], true);
}

#[test]
fn a_frame_that_is_too_long_is_refused_before_it_comes() {
    let mut stage = Stage::open(socket_settings(SocketType::Push));
    stage
        .to_session
        .extend_from_slice(b"\x02\0\0\0\0\x10\0\0\0");
    stage.run();
    assert!(stage.out.is_closing());
}
