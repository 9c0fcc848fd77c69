//! Deliveries that are not settled in time.

use super::consumers::{ack, consume, deliver, message, start};
use super::{Driven, short};
use broker_api::{Event, Reply};
use proto_amqp091::{FieldValue, Limits, Method, TableBuf, basic, channel, queue, tx};
use std::time::Duration;

/// In milliseconds; it is looked every second.
const LIMIT: u128 = 60_000;

/// One with a consumer `t` on channel 1, whose deliveries are to be settled within a minute.
fn consuming() -> Driven {
    consuming_within(Duration::from_secs(60))
}

fn consuming_within(consumer_timeout: Duration) -> Driven {
    let limits = Limits {
        consumer_timeout,
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
        driven.wait_unread_for_deadline();
    }
    let paused_until = driven.elapsed();
    let (at, _) = closed_at(&mut driven).unwrap();
    assert!(
        paused_until > 90_000 && at >= paused_until + LIMIT,
        "{paused_until} {at}"
    );
}

/// Whether the channel is closed within ten times the limit; `step` does what there is to do behind each look.
fn is_closed(driven: &mut Driven, mut step: impl FnMut(&mut Driven, u128)) -> bool {
    let until = driven.elapsed() + 10 * LIMIT;
    loop {
        driven.feed(&crate::wire::frame(8, 0, &[]));
        let Some(now) = driven.wait_for_deadline() else {
            return false;
        };
        if driven.read().iter().any(|it| it.contains("ChannelClose(")) {
            return true;
        }
        if now > until {
            return false;
        }
        step(driven, now);
    }
}

#[test]
fn count_again_for_what_a_rollback_gives_back() {
    let mut driven = consuming();
    driven.send(1, &Method::TxSelect(tx::Select));
    deliver(&mut driven, 1, 1, b"m");
    driven.send(1, &ack(1, false));
    assert_eq!(closed_at(&mut driven), None);
    driven.send(1, &Method::TxRollback(tx::Rollback));
    assert!(is_closed(&mut driven, |_, _| {}));
}

#[test]
fn count_for_what_waited_for_room() {
    // It is looked before what waits goes back.
    let mut driven = consuming_within(Duration::from_secs(6));
    let qos = basic::Qos {
        prefetch_size: 0,
        prefetch_count: 1,
        global: true,
    };
    driven.send(1, &Method::BasicQos(qos));
    driven.send(1, &Method::TxSelect(tx::Select));
    assert!(!deliver(&mut driven, 1, 1, b"m").is_empty());
    driven.send(1, &ack(1, false));
    assert_eq!(closed_at(&mut driven), None);
    assert!(deliver(&mut driven, 1, 2, b"m").is_empty());
    driven.wait_for_deadline();
    let read = driven.send(1, &Method::TxCommit(tx::Commit));
    assert!(
        read.iter().any(|it| it.contains("BasicDeliver")),
        "{read:?}"
    );
    assert!(is_closed(&mut driven, |_, _| {}));
}

#[test]
fn are_no_longer_for_who_asks_something_else() {
    let mut driven = consuming();
    driven.send(2, &Method::ChannelOpen(channel::Open));
    deliver(&mut driven, 1, 1, b"m");
    let purge = Method::QueuePurge(queue::Purge {
        queue: short("q"),
        no_wait: false,
    });
    let mut looks = 0;
    let is_closed = is_closed(&mut driven, |driven, _| {
        looks += 1;
        if looks % 20 == 0 {
            driven.send_unanswered(2, &purge);
        } else if looks % 20 == 1 && looks > 1 {
            let id = driven.last_asked.unwrap();
            driven.handle_event(Event::Done(id, Ok(Reply::Count(0))));
        }
    });
    assert!(is_closed);
}

#[test]
fn are_no_longer_for_who_is_not_read_for_a_moment() {
    let mut driven = consuming();
    deliver(&mut driven, 1, 1, b"m");
    assert!(is_closed(&mut driven, |driven, now| {
        if now % 10_000 == 0 {
            driven.pause();
        }
    }));
}

/// Starts a consumer with a time of its own, in milliseconds.
fn start_within(driven: &mut Driven, tag: &str, value: &FieldValue<'_>) -> Vec<String> {
    let mut table = TableBuf::new();
    table.push(short("x-consumer-timeout"), value);
    let with_time = basic::Consume {
        arguments: table.as_table().unwrap(),
        ..consume(tag)
    };
    start(driven, with_time)
}

/// As `closed_at`, with the time that was told.
fn closed_for(driven: &mut Driven) -> Option<(u128, String)> {
    let (at, closed) = closed_at(driven)?;
    let (_, behind) = closed.split_once("value used: ").unwrap();
    Some((at, behind.split(' ').next().unwrap().to_owned()))
}

#[test]
fn are_those_of_a_consumer_with_a_shorter_time() {
    let mut driven = consuming();
    start_within(&mut driven, "u", &FieldValue::SignedLong(6_000));
    deliver(&mut driven, 1, 1, b"m");
    deliver(&mut driven, 2, 1, b"m");
    let (at, used) = closed_for(&mut driven).unwrap();
    assert!((6_000..=6_300).contains(&at), "{at}");
    assert_eq!(used, "6000");
}

#[test]
fn are_none_of_a_consumer_with_a_longer_time_before_that_is_over() {
    let mut driven = consuming();
    start_within(&mut driven, "u", &FieldValue::SignedInt(120_000));
    deliver(&mut driven, 2, 1, b"m");
    while driven.elapsed() < 10_000 {
        driven.wait_for_deadline();
    }
    deliver(&mut driven, 1, 1, b"m");
    // Behind one that still has time.
    let mut other = consuming();
    start_within(&mut other, "u", &FieldValue::SignedInt(120_000));
    deliver(&mut other, 2, 1, b"m");
    let (at, used) = closed_for(&mut driven).unwrap();
    assert!((70_000..=72_000).contains(&at), "{at}");
    assert_eq!(used, "60000");
    let (at, used) = closed_for(&mut other).unwrap();
    assert!((120_000..=124_000).contains(&at), "{at}");
    assert_eq!(used, "120000");
}

#[test]
fn are_those_of_a_queue_with_another_time() {
    for (common, own, expected) in [
        (60_000, None, 6_000..=6_300),
        (0, None, 6_000..=6_300),
        // A consumer's own goes before it.
        (60_000, Some(12_000), 12_000..=12_500),
    ] {
        let limits = Limits {
            consumer_timeout: Duration::from_millis(common),
            ..Limits::default()
        };
        let mut driven = Driven::opened_with(limits, &[]);
        driven.send(1, &Method::ChannelOpen(channel::Open));
        driven.settle_ms = Some(6_000);
        match own {
            Some(own) => start_within(&mut driven, "t", &FieldValue::SignedInt(own)),
            None => start(&mut driven, consume("t")),
        };
        deliver(&mut driven, 1, 1, b"m");
        let (at, _) = closed_at(&mut driven).unwrap();
        assert!(expected.contains(&at), "{at}");
    }
}

#[test]
fn are_none_of_a_consumer_with_another_time_once_it_has_settled_them() {
    let mut driven = consuming();
    start_within(&mut driven, "u", &FieldValue::SignedInt(6_000));
    // The first stays with the other.
    deliver(&mut driven, 1, 1, b"m");
    for sequence in 1..=9 {
        deliver(&mut driven, 2, sequence, b"m");
        for _ in 0..50 {
            driven.wait_for_deadline();
        }
        driven.feed(&crate::wire::frame(8, 0, &[]));
        let answers = driven.send(1, &ack(sequence + 1, false));
        assert_eq!(answers, [""; 0]);
    }
    assert!(driven.elapsed() < LIMIT);
    let (_, used) = closed_for(&mut driven).unwrap();
    assert_eq!(used, "60000");
}

#[test]
fn have_times_that_are_numbers_and_not_too_many() {
    for value in [
        FieldValue::LongString(b"1"),
        FieldValue::SignedInt(-1),
        FieldValue::SignedLong(i64::MAX),
    ] {
        let answers = start_within(&mut consuming(), "u", &value);
        assert!(answers[0].contains("reply_code: 406"), "{answers:?}");
    }
    let mut driven = consuming();
    for nth in 0..16 {
        let tag = format!("u{nth}");
        for tag in [format!("{tag}a"), format!("{tag}b")] {
            let answers = start_within(&mut driven, &tag, &FieldValue::SignedInt(9_000 + nth));
            assert!(answers[0].contains("ConsumeOk"), "{answers:?}");
        }
    }
    let answers = start_within(&mut driven, "v", &FieldValue::SignedInt(8_000));
    assert!(answers[0].contains("reply_code: 506"), "{answers:?}");
}
