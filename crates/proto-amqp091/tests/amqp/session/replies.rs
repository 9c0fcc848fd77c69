//! Direct reply-to.

use super::consumers::{cancel, consume, start};
use super::publishing::{content, publish};
use super::{Driven, short};
use broker_api::{Event, Refusal};
use model::{QueueName, SubscriptionId};
use proto_amqp091::{Method, Properties, PropertyList, Table, basic, channel, queue, tx};

const DIRECT: &str = "amq.rabbitmq.reply-to";
/// As the scripted broker lengthens it.
const MADE: &str = "amq.rabbitmq.reply-to.made-up-1";

pub(super) fn replies(tag: &str) -> basic::Consume<'_> {
    basic::Consume {
        queue: short(DIRECT),
        no_ack: true,
        ..consume(tag)
    }
}

/// One whose channel consumes its answers.
fn requesting() -> Driven {
    let mut driven = Driven::with_channel();
    let answers = start(&mut driven, replies("t"));
    let consume_ok = "1 BasicConsumeOk(ConsumeOk { consumer_tag: \"t\" })";
    assert_eq!(answers, [consume_ok]);
    driven
}

pub(super) fn request(reply_to: &str) -> Vec<u8> {
    let list = PropertyList {
        content_type: Some(short("text/plain")),
        reply_to: Some(short(reply_to)),
        message_id: Some(short("m")),
        ..PropertyList::default()
    };
    content(&publish("", false), &list, b"x")
}

/// What is refused, by the beginning of `channel.close`.
fn refused(driven: &mut Driven, method: &Method<'_>, expected: &str) {
    let answers = driven.send(1, method);
    let is_close = answers[0].contains("ChannelClose") || answers[0].contains("ConnectionClose");
    assert!(is_close && answers[0].contains(expected), "{answers:?}");
}

const MISSING: &str =
    "406, reply_text: \"PRECONDITION_FAILED - fast reply consumer does not exist\"";

#[test]
fn are_consumed_from_a_queue_that_nobody_guesses() {
    let mut driven = requesting();
    let log = driven.take_log();
    let declared = "1 DeclareQueue(DeclareQueue { name: Some(\"amq.rabbitmq.reply-to.\"), definition: \
                    QueueDefinition { durability: Transient, ownership: Exclusive, lifetime: UntilUnused,";
    assert!(log[0].starts_with(declared), "{log:?}");
    assert!(log[0].ends_with("if_exists: Another, if_missing: Create })"));
    let subscribed = format!(
        "1 Subscribe(Subscribe {{ subscription: SubscriptionId(1), source: Queue(\"{MADE}\"), settle_mode: \
         Presettled, grant: Grant {{ count: 0, limit: 18446744073709551615"
    );
    assert!(log[1].starts_with(&subscribed), "{log:?}");
    // Who does not wait is not answered.
    let mut driven = Driven::with_channel();
    let quiet = basic::Consume {
        no_wait: true,
        ..replies("t")
    };
    assert_eq!(start(&mut driven, quiet), [""; 0]);
    // A name that was declared on the channel is what no name means.
    let mut driven = Driven::with_channel();
    driven.send(1, &declare(DIRECT));
    let nameless = basic::Consume {
        queue: short(""),
        ..replies("t")
    };
    start(&mut driven, nameless);
    assert!(driven.take_log()[0].contains("if_exists: Another"));
}

#[test]
fn are_asked_for_under_the_name_of_their_queue() {
    let mut driven = requesting();
    driven.feed(&request(DIRECT));
    driven.feed(&request("elsewhere"));
    let list = |nth: usize| {
        let head = driven.published[nth].1.head();
        let list = Properties::new(head).unwrap().fields();
        assert_eq!(list.content_type, Some(short("text/plain")));
        assert_eq!(list.message_id, Some(short("m")));
        list.reply_to.map(|it| it.to_string())
    };
    assert_eq!(list(0).as_deref(), Some(MADE));
    assert_eq!(list(1).as_deref(), Some("elsewhere"));
    // In a transaction, too.
    driven.send(1, &Method::TxSelect(tx::Select));
    driven.feed(&request(DIRECT));
    driven.take_log();
    driven.send(1, &Method::TxCommit(tx::Commit));
    assert!(driven.take_log()[0].contains(MADE));
    // They are the channel's own.
    driven.send(2, &Method::ChannelOpen(channel::Open));
    let mut elsewhere = request(DIRECT);
    let mut at = 0;
    while at < elsewhere.len() {
        elsewhere[at + 2] = 2;
        let len = u32::from_be_bytes(elsewhere[at + 3..at + 7].try_into().unwrap());
        at += usize::try_from(len).unwrap() + 8;
    }
    driven.feed(&elsewhere);
    let answers = driven.read();
    assert!(
        answers[0].starts_with("2 ChannelClose") && answers[0].contains(MISSING),
        "{answers:?}"
    );
}

#[test]
fn have_one_consumer_that_settles_nothing() {
    let mut driven = Driven::with_channel();
    let settling = basic::Consume {
        no_ack: false,
        ..replies("t")
    };
    let expected = "406, reply_text: \"PRECONDITION_FAILED - reply consumer cannot acknowledge\"";
    refused(&mut driven, &Method::BasicConsume(settling), expected);
    let expected = "406, reply_text: \"PRECONDITION_FAILED - reply consumer already set\"";
    let second = Method::BasicConsume(replies("u"));
    refused(&mut requesting(), &second, expected);
    let expected = "530, reply_text: \"NOT_ALLOWED - attempt to reuse consumer tag 't'\"";
    let again = Method::BasicConsume(replies("t"));
    refused(&mut requesting(), &again, expected);
    let mut driven = Driven::with_channel();
    driven
        .refusals
        .push(("DeclareQueue", Refusal::ShuttingDown));
    let answers = start(&mut driven, replies("t"));
    assert!(answers[0].contains("320"), "{answers:?}");
}

#[test]
fn end_with_their_consumer() {
    let mut driven = requesting();
    driven.take_log();
    let cancel_ok = "1 BasicCancelOk(CancelOk { consumer_tag: \"t\" })";
    assert_eq!(driven.send(1, &cancel("t", false)), [cancel_ok]);
    assert_eq!(driven.take_log(), ["1 Cancel(SubscriptionId(1))"]);
    // There may be another, under another name.
    start(&mut driven, replies("t"));
    driven.feed(&request(DIRECT));
    let other = "amq.rabbitmq.reply-to.made-up-2";
    assert!(format!("{:?}", driven.published[0].1).contains(other));
    let name = QueueName::new(other.as_bytes()).unwrap();
    driven.handle_event(Event::Ended(SubscriptionId(2), Refusal::QueueDeleted(name)));
    driven.feed(&request(DIRECT));
    let answers = driven.read();
    assert!(answers[0].contains(MISSING), "{answers:?}");
    let mut driven = requesting();
    driven.take_log();
    let close = channel::Close {
        reply_code: 200,
        reply_text: short(""),
        class_id: 0,
        method_id: 0,
    };
    driven.send(1, &Method::ChannelClose(close));
    assert_eq!(driven.take_log(), ["0 Cancel(SubscriptionId(1))"]);
}

fn declare(name: &str) -> Method<'_> {
    Method::QueueDeclare(queue::Declare {
        queue: short(name),
        passive: false,
        durable: false,
        exclusive: false,
        auto_delete: false,
        no_wait: false,
        arguments: Table::EMPTY,
    })
}

#[test]
fn are_asked_after_by_a_declaration() {
    let found = |name: &str| {
        format!(
            "1 QueueDeclareOk(DeclareOk {{ queue: \"{name}\", message_count: 0, consumer_count: 1 }})"
        )
    };
    let mut driven = Driven::with_channel();
    driven.take_log();
    assert_eq!(driven.send(1, &declare(DIRECT)), [found(DIRECT)]);
    assert_eq!(driven.take_log(), [""; 0]);
    assert_eq!(driven.send(1, &declare(MADE)), [found(MADE)]);
    assert!(driven.take_log()[0].ends_with("if_exists: Use, if_missing: Refuse })"));
    // Whosever it is.
    let name = QueueName::new(MADE.as_bytes()).unwrap();
    let locked = Refusal::QueueLocked(name.clone());
    driven.refusals.push(("DeclareQueue", locked));
    assert_eq!(driven.send(1, &declare(MADE)), [found(MADE)]);
    let missing = Refusal::QueueNotFound(name);
    driven.refusals.push(("DeclareQueue", missing));
    let not_found = format!("404, reply_text: \"NOT_FOUND - no queue '{MADE}' in vhost '/'\"");
    refused(&mut driven, &declare(MADE), &not_found);
}

#[test]
fn have_a_queue_with_which_nothing_else_is_done() {
    let mut driven = requesting();
    driven.take_log();
    let delete = Method::QueueDelete(queue::Delete {
        queue: short(MADE),
        if_unused: false,
        if_empty: false,
        no_wait: false,
    });
    let delete_ok = "1 QueueDeleteOk(DeleteOk { message_count: 0 })";
    assert_eq!(driven.send(1, &delete), [delete_ok]);
    assert_eq!(driven.take_log(), [""; 0]);
    let bind = Method::QueueBind(queue::Bind {
        queue: short(MADE),
        exchange: short("amq.topic"),
        routing_key: short("#"),
        no_wait: false,
        arguments: Table::EMPTY,
    });
    refused(&mut requesting(), &bind, "404");
    let consume = Method::BasicConsume(basic::Consume {
        queue: short(MADE),
        ..replies("u")
    });
    let expected = "406, reply_text: \"PRECONDITION_FAILED - only creator channel may consume";
    refused(&mut requesting(), &consume, expected);
    let get = Method::BasicGet(basic::Get {
        queue: short(MADE),
        no_ack: true,
    });
    let expected = "540, reply_text: \"NOT_IMPLEMENTED - basic.get not supported by volatile queue";
    refused(&mut requesting(), &get, expected);
}

#[test]
fn have_no_queue_where_the_channel_has_ended_meanwhile() {
    let mut driven = Driven::with_channel();
    driven.take_log();
    let name = model::ExchangeName::new(b"nowhere").unwrap();
    let refusal = Refusal::ExchangeNotFound(name);
    driven.refusals.push(("Publish(", refusal));
    let list = PropertyList::default();
    let consume = super::bytes_of(1, &Method::BasicConsume(replies("t")));
    let publish = content(&publish("nowhere", false), &list, b"x");
    driven.feed(&[publish, consume].concat());
    let log = driven.take_log();
    assert!(log.iter().any(|it| it.contains("DeleteQueue")), "{log:?}");
}
