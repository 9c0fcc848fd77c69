//! Deliveries that are not settled in time.

use super::consumers::{ack, consume, deliver, message, start};
use super::{Driven, short};
use proto_amqp091::{Limits, Method, basic, channel};
use std::time::Duration;

/// In milliseconds; it is looked every second.
const LIMIT: u128 = 60_000;

/// One with a consumer `t` on channel 1, whose deliveries are to be settled within a minute.
fn consuming() -> Driven {
    let limits = Limits {
        consumer_timeout: Duration::from_secs(60),
        ..Limits::default()
    };
    let mut driven = Driven::opened_with(limits, &[]);
    driven.send(1, &Method::ChannelOpen(channel::Open));
    start(&mut driven, consume("t"));
    driven.take_log();
    driven
}

/// When a channel is closed, in milliseconds; none if it is not for five minutes. The client does not fall silent.
fn closed_at(driven: &mut Driven) -> Option<(u128, String)> {
    loop {
        driven.feed(&crate::wire::frame(8, 0, &[]));
        let now = driven.wait_for_deadline()?;
        let closed = driven
            .read()
            .into_iter()
            .find(|it| it.contains("ChannelClose("));
        if let Some(closed) = closed {
            return Some((now, closed));
        }
        if now > 300_000 {
            return None;
        }
    }
}

#[test]
fn close_their_channel() {
    let mut driven = consuming();
    driven.send(2, &Method::ChannelOpen(channel::Open));
    driven.wait(Duration::from_secs(5));
    deliver(&mut driven, 1, 1, b"m");
    let (at, closed) = closed_at(&mut driven).unwrap();
    assert!(
        (5_000 + LIMIT..=5_000 + LIMIT + 2_000).contains(&at),
        "{at}"
    );
    let expected = "1 ChannelClose(Close { reply_code: 406, reply_text: \"PRECONDITION_FAILED - delivery \
                    acknowledgement on channel 1 timed out. Timeout value used: 60000 ms. This timeout";
    assert!(closed.starts_with(expected), "{closed}");
    assert!(closed.ends_with("class_id: 0, method_id: 0 })"), "{closed}");
    // What it had goes back; others go on.
    assert_eq!(driven.take_log(), ["0 Cancel(SubscriptionId(1))"]);
    assert!(!driven.is_closed());
    assert_eq!(closed_at(&mut driven), None);
}

#[test]
fn are_those_that_were_got_too() {
    let mut driven = consuming();
    driven.ready.push_back(message(b"m"));
    let get = Method::BasicGet(basic::Get {
        queue: short("q"),
        no_ack: false,
    });
    driven.send(1, &get);
    assert!(closed_at(&mut driven).is_some());
}

#[test]
fn are_none_of_what_is_settled_or_need_not_be() {
    let mut driven = consuming();
    let unsettling = basic::Consume {
        no_ack: true,
        ..consume("u")
    };
    start(&mut driven, unsettling);
    deliver(&mut driven, 2, 1, b"m");
    // One that is always busy settles each within half a minute.
    for sequence in 1..=20 {
        deliver(&mut driven, 1, sequence, b"m");
        for _ in 0..15 {
            driven.wait_for_deadline();
        }
        driven.feed(&crate::wire::frame(8, 0, &[]));
        deliver(&mut driven, 2, sequence + 1, b"m");
        // The first was the other consumer's, and so was every second one.
        let answers = driven.send(1, &ack(2 * sequence, false));
        assert!(
            !answers.iter().any(|it| it.contains("Close")),
            "{answers:?}"
        );
    }
    assert_eq!(closed_at(&mut driven), None);
    assert!(!driven.is_closed());
}

#[test]
fn may_take_for_ever_where_there_is_no_bound() {
    let limits = Limits {
        consumer_timeout: Duration::ZERO,
        ..Limits::default()
    };
    let mut driven = Driven::opened_with(limits, &[]);
    driven.send(1, &Method::ChannelOpen(channel::Open));
    start(&mut driven, consume("t"));
    deliver(&mut driven, 1, 1, b"m");
    assert_eq!(closed_at(&mut driven), None);
}

#[test]
fn have_the_time_for_which_the_client_is_not_heard() {
    let mut driven = consuming();
    deliver(&mut driven, 1, 1, b"m");
    for _ in 0..100 {
        driven.pause();
        driven.wait_for_deadline();
    }
    driven.pause();
    let paused_until = driven.elapsed();
    let (at, _) = closed_at(&mut driven).unwrap();
    assert!(
        paused_until > 90_000 && at >= paused_until + LIMIT,
        "{paused_until} {at}"
    );
}
