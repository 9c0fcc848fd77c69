//! `basic.publish`, `basic.return`, `confirm`.

use super::{Driven, bytes_of, short};
use crate::allocation::held;
use broker_api::{Event, Refusal};
use bytes::BytesMut;
use model::{CommandId, Dialect, ExchangeName, Persistence, QueueName, Retain};
use proto_amqp091::{
    FieldValue, Limits, Method, Properties, PropertyList, TableBuf, basic, channel, confirm,
    put_body_frames, put_content_header, queue,
};

pub(super) fn publish(exchange: &str, is_mandatory: bool) -> Method<'_> {
    Method::BasicPublish(basic::Publish {
        exchange: short(exchange),
        routing_key: short("k"),
        mandatory: is_mandatory,
        immediate: false,
    })
}

/// A method and its content, the body in pieces.
pub(super) fn content(method: &Method<'_>, list: &PropertyList<'_>, body: &[u8]) -> Vec<u8> {
    let mut properties = BytesMut::new();
    list.put(&mut properties);
    let mut buffer = BytesMut::from(&bytes_of(1, method)[..]);
    put_content_header(
        &mut buffer,
        1,
        body.len(),
        Properties::new(&properties).unwrap(),
    );
    put_body_frames(&mut buffer, 1, 4_096, body);
    buffer.to_vec()
}

fn plain(method: &Method<'_>, body: &[u8]) -> Vec<u8> {
    content(method, &PropertyList::default(), body)
}

fn confirming() -> Driven {
    let mut driven = Driven::with_channel();
    let select = Method::ConfirmSelect(confirm::Select { no_wait: true });
    assert_eq!(driven.send(1, &select), [""; 0]);
    driven
}

/// What the client reads once these publishes, by their number, are confirmed.
fn confirmed(driven: &mut Driven, numbers: &[usize]) -> Vec<String> {
    let id = |number: &usize| driven.published[*number].0;
    let events: Vec<_> = numbers.iter().map(id).map(Event::Confirmed).collect();
    driven.handle_events(events);
    driven.read()
}

fn ack(tag: u64, is_multiple: bool) -> String {
    format!("1 BasicAck(Ack {{ delivery_tag: {tag}, multiple: {is_multiple} }})")
}

fn assert_closed(driven: &mut Driven, input: &[u8], expected: &str) {
    driven.feed(input);
    let answers = driven.read();
    assert!(
        answers.len() == 1 && answers[0].contains(expected),
        "{answers:?}"
    );
}

#[test]
fn messages_are_kept_as_they_came() {
    let mut driven = Driven::with_channel();
    let mut headers = TableBuf::new();
    headers.push(short("JMSXGroupID"), &FieldValue::LongString(b"g"));
    headers.push(short("x-mqtt-retain"), &FieldValue::LongString(b"true"));
    let list = PropertyList {
        headers: Some(headers.as_table().unwrap()),
        delivery_mode: Some(2),
        priority: Some(7),
        expiration: Some(short("1500")),
        user_id: Some(short("guest")),
        cluster_id: Some(short("c")),
        ..PropertyList::default()
    };
    let body = vec![b'x'; 10_000];
    driven.feed(&content(&publish("e", false), &list, &body));
    driven.feed(&plain(&publish("", false), b""));
    assert_eq!(driven.read(), [""; 0]);
    let mut properties = BytesMut::new();
    list.put(&mut properties);
    let (_, first) = &driven.published[0];
    assert_eq!(
        (first.exchange(), first.key(), first.body()),
        (&b"e"[..], &b"k"[..], &body[..])
    );
    assert_eq!(first.head(), properties);
    let envelope = first.envelope();
    assert_eq!(envelope.dialect, Dialect::Amqp091);
    assert_eq!(envelope.persistence, Persistence::Persistent);
    assert_eq!((envelope.priority, envelope.ttl_ms), (7, Some(1_500)));
    assert!(envelope.is_grouped);
    assert_eq!(envelope.retain, Retain::Keep);
    let (_, second) = &driven.published[1];
    assert_eq!(second.envelope().persistence, Persistence::Transient);
    assert_eq!((second.exchange(), second.body()), (&b""[..], &b""[..]));
}

#[test]
fn what_makes_no_sense_closes_the_channel() {
    let check = |list: PropertyList<'_>, expected: &str| {
        let mut driven = Driven::with_channel();
        let input = content(&publish("", false), &list, b"x");
        assert_closed(&mut driven, &input, expected);
        assert!(driven.published.is_empty());
    };
    let list = PropertyList {
        expiration: Some(short("soon")),
        ..PropertyList::default()
    };
    check(
        list,
        "406, reply_text: \"PRECONDITION_FAILED - invalid expiration 'soon'",
    );
    let list = PropertyList {
        user_id: Some(short("root")),
        ..PropertyList::default()
    };
    check(
        list,
        "406, reply_text: \"PRECONDITION_FAILED - user_id property set to 'root' but authenticated \
         user was 'guest'",
    );
    let list = PropertyList {
        reply_to: Some(short("amq.rabbitmq.reply-to")),
        ..PropertyList::default()
    };
    check(
        list,
        "406, reply_text: \"PRECONDITION_FAILED - fast reply consumer",
    );
    let mut driven = Driven::with_channel();
    let immediate = Method::BasicPublish(basic::Publish {
        exchange: short(""),
        routing_key: short("q"),
        mandatory: false,
        immediate: true,
    });
    assert_closed(
        &mut driven,
        &plain(&immediate, b"x"),
        "0 ConnectionClose(Close { reply_code: 540",
    );
}

#[test]
fn a_body_over_the_limit_closes_the_channel_before_it_comes() {
    let limits = Limits {
        body_bytes_max: 5_000,
        ..Limits::default()
    };
    let mut driven = Driven::opened_with(limits, &[]);
    driven.send(1, &Method::ChannelOpen(channel::Open));
    let input = plain(&publish("", false), &[b'x'; 5_001]);
    // Only the body's frames are left out.
    let until = input.len() - 5_001 - 2 * 8;
    let expected = "406, reply_text: \"PRECONDITION_FAILED - message size 5001 is larger than configured \
                    max size 5000\"";
    assert_closed(&mut driven, &input[..until], expected);
    driven.feed(&input[until..]);
    assert_eq!(driven.read(), [""; 0]);
    driven.send(1, &Method::ChannelCloseOk(channel::CloseOk));
    driven.send(1, &Method::ChannelOpen(channel::Open));
    driven.feed(&plain(&publish("", false), &[b'x'; 5_000]));
    assert_eq!(driven.published.len(), 1);
}

#[test]
fn contents_under_way_have_a_limit_together() {
    let limits = Limits {
        body_bytes_max: 5_000,
        ..Limits::default()
    };
    let mut driven = Driven::opened_with(limits, &[]);
    for number in 1..=3 {
        driven.send(number, &Method::ChannelOpen(channel::Open));
        let mut input = BytesMut::from(&bytes_of(number, &publish("", false))[..]);
        put_content_header(&mut input, number, 5_000, Properties::NONE);
        put_body_frames(&mut input, number, 4_096, &[b'x'; 4_000]);
        driven.feed(&input);
    }
    let answers = driven.read();
    let expected = "0 ConnectionClose(Close { reply_code: 506";
    assert!(answers.last().unwrap().contains(expected), "{answers:?}");
}

#[test]
fn properties_under_way_count_too() {
    let limits = Limits {
        body_bytes_max: 5_000,
        ..Limits::default()
    };
    let mut driven = Driven::opened_with(limits, &[]);
    let long = [b'x'; 6_000];
    let mut headers = TableBuf::new();
    headers.push(short("h"), &FieldValue::LongString(&long));
    let list = PropertyList {
        headers: Some(headers.as_table().unwrap()),
        ..PropertyList::default()
    };
    let mut properties = BytesMut::new();
    list.put(&mut properties);
    for number in 1..=2 {
        driven.send(number, &Method::ChannelOpen(channel::Open));
        let mut input = BytesMut::from(&bytes_of(number, &publish("", false))[..]);
        put_content_header(&mut input, number, 1, Properties::new(&properties).unwrap());
        driven.feed(&input);
    }
    let answers = driven.read();
    let expected = "0 ConnectionClose(Close { reply_code: 506";
    assert!(answers.last().unwrap().contains(expected), "{answers:?}");
}

/// What a publish with such a body and a header of so many bytes leads to, whole and byte by byte.
fn whole_and_split(is_another_under_way: bool, header_len: usize) -> [(usize, Vec<String>); 2] {
    let long = vec![b'x'; header_len];
    let mut headers = TableBuf::new();
    headers.push(short("h"), &FieldValue::LongString(&long));
    let list = PropertyList {
        headers: Some(headers.as_table().unwrap()),
        ..PropertyList::default()
    };
    let input = content(&publish("", false), &list, b"x");
    [input.len(), 1].map(|piece_len| {
        let limits = Limits {
            body_bytes_max: 5_000,
            ..Limits::default()
        };
        let mut driven = Driven::opened_with(limits, &[]);
        for number in 1..=3 {
            driven.send(number, &Method::ChannelOpen(channel::Open));
        }
        for number in 2..=3 {
            if is_another_under_way {
                let mut input = BytesMut::from(&bytes_of(number, &publish("", false))[..]);
                put_content_header(&mut input, number, 5_000, Properties::NONE);
                put_body_frames(&mut input, number, 4_096, &[b'x'; 4_980]);
                driven.feed(&input);
            }
        }
        for piece in input.chunks(piece_len) {
            driven.feed(piece);
        }
        (driven.published.len(), driven.read())
    })
}

#[test]
fn a_whole_publish_has_the_limits_of_one_in_pieces() {
    for (is_another_under_way, header_len, count) in [
        (false, 12_000, 0),
        (false, 9_950, 1),
        (true, 50, 0),
        (true, 0, 1),
    ] {
        let [whole, split] = whole_and_split(is_another_under_way, header_len);
        assert_eq!(whole, split);
        assert_eq!(
            whole.0, count,
            "{is_another_under_way} {header_len} {whole:?}"
        );
    }
}

#[test]
fn a_channel_holds_nothing_between_contents() {
    let mut driven = Driven::opened_with(Limits::default(), &[]);
    let body = vec![b'x'; 100_000];
    let before = held();
    for number in 1..=50 {
        driven.send(number, &Method::ChannelOpen(channel::Open));
        let mut input = BytesMut::from(&bytes_of(number, &publish("", false))[..]);
        put_content_header(&mut input, number, 100_000, Properties::NONE);
        put_body_frames(&mut input, number, 4_096, &body);
        let half = input.len() / 2;
        driven.feed(&input[..half]);
        driven.feed(&input[half..]);
        driven.published.clear();
    }
    let kept = held() - before;
    assert!(kept < 1_000_000, "{kept} bytes");
}

#[test]
fn frames_out_of_order_close_the_connection() {
    let mut driven = Driven::with_channel();
    driven.feed(&bytes_of(1, &publish("", false)));
    let purge = Method::QueuePurge(queue::Purge {
        queue: short("q"),
        no_wait: false,
    });
    let expected = "0 ConnectionClose(Close { reply_code: 505";
    assert_closed(&mut driven, &bytes_of(1, &purge), expected);
}

#[test]
fn what_the_broker_refuses_closes_the_channel_that_it_came_by() {
    for is_confirming in [false, true] {
        let mut driven = if is_confirming {
            confirming()
        } else {
            Driven::with_channel()
        };
        driven.send(2, &Method::ChannelOpen(channel::Open));
        let name = ExchangeName::new(b"nowhere").unwrap();
        driven.refusals = vec![("nowhere", Refusal::ExchangeNotFound(name))];
        let input = [
            plain(&publish("", false), b"x"),
            plain(&publish("nowhere", false), b"x"),
            bytes_of(2, &Method::ChannelClose(channel_close())),
        ];
        driven.feed(&input.concat());
        assert_eq!(
            driven.read(),
            [
                "2 ChannelCloseOk(CloseOk)",
                "1 ChannelClose(Close { reply_code: 404, reply_text: \"NOT_FOUND - no exchange \
                 'nowhere' in vhost '/'\", class_id: 60, method_id: 40 })"
            ]
        );
    }
}

fn channel_close() -> channel::Close<'static> {
    channel::Close {
        reply_code: 200,
        reply_text: short(""),
        class_id: 0,
        method_id: 0,
    }
}

#[test]
fn a_refusal_is_not_told_to_a_later_channel_of_the_same_number() {
    let mut driven = Driven::with_channel();
    let name = ExchangeName::new(b"nowhere").unwrap();
    driven.refusals = vec![("nowhere", Refusal::ExchangeNotFound(name))];
    let input = [
        plain(&publish("nowhere", false), b"x"),
        bytes_of(1, &Method::ChannelClose(channel_close())),
        bytes_of(1, &Method::ChannelOpen(channel::Open)),
    ];
    driven.feed(&input.concat());
    let answers = driven.read();
    assert!(answers[0].starts_with("1 ChannelClose("), "{answers:?}");
    let expected = ["1 ChannelCloseOk(CloseOk)", "1 ChannelOpenOk(OpenOk)"];
    assert_eq!(answers[1..], expected);
    // The answer for the former one is nothing to the later one.
    driven.feed(&bytes_of(1, &Method::ChannelCloseOk(channel::CloseOk)));
    driven.refusals.clear();
    assert_eq!(
        driven
            .send(
                1,
                &Method::ConfirmSelect(confirm::Select { no_wait: false })
            )
            .len(),
        1
    );
}

#[test]
fn what_goes_nowhere_is_returned() {
    let mut driven = confirming();
    driven.feed(&plain(&publish("e", true), b"body"));
    assert!(driven.take_log()[0].contains("unroutable: Return"));
    let (id, message) = driven.published[0].clone();
    driven.handle_event(Event::Returned(id, message));
    driven.handle_event(Event::Confirmed(id));
    let found = driven.read();
    let expected = "1 BasicReturn(Return { reply_code: 312, reply_text: \"NO_ROUTE\", exchange: \"e\", \
                    routing_key: \"k\" })";
    assert_eq!(found[0], expected);
    assert!(found[1].starts_with("1 ContentHeader { body_len: 4"));
    assert_eq!(found[2..], ["1 \"body\"".to_owned(), ack(1, false)]);
}

#[test]
fn confirms_become_one_where_that_says_the_same() {
    let mut driven = confirming();
    for _ in 0..8 {
        driven.feed(&plain(&publish("", false), b"x"));
    }
    assert_eq!(confirmed(&mut driven, &[0]), [ack(1, false)]);
    assert_eq!(confirmed(&mut driven, &[1, 2, 3]), [ack(4, true)]);
    // The fifth is missing.
    let expected = [ack(6, false), ack(7, false)];
    assert_eq!(confirmed(&mut driven, &[5, 6]), expected);
    assert_eq!(
        confirmed(&mut driven, &[4, 7]),
        [ack(8, true)],
        "all up to the eighth"
    );
    assert_eq!(confirmed(&mut driven, &[7]), [""; 0]);
    driven.feed(
        &[
            plain(&publish("", false), b"x"),
            plain(&publish("", false), b"x"),
        ]
        .concat(),
    );
    assert_eq!(confirmed(&mut driven, &[9, 8]), [ack(10, true)]);
}

#[test]
fn the_broker_confirms_only_what_is_to_be_confirmed() {
    for (mut driven, expected) in [
        (confirming(), "confirm: Wanted"),
        (Driven::with_channel(), "confirm: Unwanted"),
    ] {
        driven.take_log();
        driven.feed(&plain(&publish("", false), b"x"));
        let log = driven.take_log();
        assert!(log[0].contains(expected), "{log:?}");
    }
}

#[test]
fn only_a_refused_publish_closes_its_channel() {
    let mut driven = Driven::with_channel();
    driven.feed(&plain(&publish("", false), b"x"));
    let purge = Method::QueuePurge(queue::Purge {
        queue: short("q"),
        no_wait: true,
    });
    driven.feed(&bytes_of(1, &purge));
    driven.feed(&plain(&publish("", false), b"x"));
    let refusal = || Err(Refusal::AccessRefused("no".to_owned()));
    let between = CommandId(driven.published[0].0.0 + 1);
    assert!(between < driven.published[1].0);
    driven.handle_event(Event::Done(between, refusal()));
    assert_eq!(driven.read(), [""; 0]);
    driven.handle_event(Event::Done(driven.published[1].0, refusal()));
    let answers = driven.read();
    assert!(answers[0].starts_with("1 ChannelClose(Close { reply_code: 403"));
}

#[test]
fn a_channel_is_closed_once_it_is_known_what_became_of_its_publishes() {
    let close = bytes_of(
        1,
        &Method::ChannelClose(channel::Close {
            reply_code: 200,
            reply_text: short(""),
            class_id: 0,
            method_id: 0,
        }),
    );
    let mut driven = Driven::with_channel();
    driven.feed(&[plain(&publish("", false), b"x"), close.clone()].concat());
    assert_eq!(driven.read(), ["1 ChannelCloseOk(CloseOk)"]);
    let mut driven = Driven::with_channel();
    let name = ExchangeName::new(b"x").unwrap();
    driven.refusals = vec![("Publish", Refusal::ExchangeNotFound(name))];
    driven.feed(&[plain(&publish("x", false), b"x"), close].concat());
    let answers = driven.read();
    assert!(
        answers[0].starts_with("1 ChannelClose(Close { reply_code: 404"),
        "{answers:?}"
    );
    assert_eq!(answers[1..], ["1 ChannelCloseOk(CloseOk)"]);
}

#[test]
fn what_finds_no_room_is_not_confirmed() {
    let mut driven = confirming();
    let name = QueueName::new(b"q").unwrap();
    driven.refusals = vec![("Publish", Refusal::QueueFull(name))];
    driven.feed(&plain(&publish("", false), b"x"));
    driven.feed(&plain(&publish("", false), b"x"));
    let expected = "1 BasicNack(Nack { delivery_tag: 1, multiple: false, requeue: false })";
    assert_eq!(driven.read(), [expected]);
    assert_eq!(confirmed(&mut driven, &[1]), [ack(2, false)]);
}

#[test]
fn contents_under_way_are_told_to_the_driver() {
    let mut driven = Driven::with_channel();
    let whole = plain(&publish("", false), &[b'x'; 10_000]);
    let (begun, rest) = whole.split_at(whole.len() - 2_000);
    driven.feed(begun);
    let gathered = driven.gathered_bytes();
    assert!((4_096..20_000).contains(&gathered), "{gathered}");
    driven.feed(rest);
    assert_eq!(driven.gathered_bytes(), 0);
}
