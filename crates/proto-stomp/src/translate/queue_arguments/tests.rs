use super::*;
use crate::{Codec, Limits, Version};

fn read(command: &str, headers: &str) -> Result<QueueParameters, String> {
    let mut codec = Codec::new(Limits::default());
    codec.set_version(Version::V12);
    let input = format!("{command}\n{headers}\n\n\0");
    let decoded = codec.decode(input.as_bytes()).unwrap();
    QueueParameters::read(&decoded.frame.unwrap()).map_err(|violation| violation.to_string())
}

fn definition(headers: &str) -> QueueDefinition {
    read("SUBSCRIBE", headers).unwrap().definition(true)
}

#[test]
fn a_queue_is_durable_and_shared_unless_it_is_said_otherwise() {
    assert_eq!(definition("a:b"), QueueDefinition::DURABLE);
    for harmless in [
        "durable:true",
        "auto-delete:false",
        "exclusive:false",
        "x-queue-leader-locator:balanced",
        "x-max-in-memory-length:1\nx-dead-letter-strategy:at-least-once",
    ] {
        assert_eq!(definition(harmless), QueueDefinition::DURABLE, "{harmless}");
    }
    let kind = |headers| definition(headers).kind;
    assert_eq!(kind("x-queue-type:quorum"), Some(QueueKind::Quorum));
    assert_eq!(kind("x-queue-type:classic"), Some(QueueKind::Classic));
    let unlimited = definition("x-delivery-limit:-1").rules.delivery_limit;
    assert_eq!(unlimited, Some(QueueRules::NO_DELIVERY_LIMIT));
    let fleeting = definition("durable:false");
    assert_eq!(fleeting.durability, Durability::Transient);
    assert_eq!(fleeting.ownership, Ownership::Exclusive);
    assert_eq!(fleeting.lifetime, Lifetime::UntilUnused);
    let shared = definition("durable:false\nexclusive:false\nauto-delete:false");
    assert_eq!(shared.ownership, Ownership::Shared);
    assert_eq!(shared.lifetime, Lifetime::Permanent);
    assert_eq!(definition("persistent:false"), fleeting);
    let send = read("SEND", "persistent:false").unwrap();
    assert_eq!(send.definition(true), QueueDefinition::DURABLE);
    assert_eq!(definition("exclusive:true").ownership, Ownership::Shared);
}

#[test]
fn arguments_become_rules() {
    let all = definition(
        "x-message-ttl:0\nx-expires:5\nx-max-length:6\nx-max-length-bytes:7\n\
         x-overflow:reject-publish-dlx\nx-dead-letter-exchange:dlx\nx-dead-letter-routing-key:k\n\
         x-max-priority:255\nx-delivery-limit:3\nx-single-active-consumer:true\n\
         x-redelivery-delay:100\nx-redelivery-multiplier:1.5\nx-redelivery-delay-max:1000\n\
         x-redelivery-jitter:20\nx-last-value-key:stock\nx-max-length:9",
    );
    let rules = QueueRules {
        message_ttl_ms: Some(0),
        length_max: Some(6),
        bytes_max: Some(7),
        overflow: Some(Overflow::RejectPublishDeadLetter),
        dead_letter: Some(DeadLetter {
            exchange: ExchangeName::known(b"dlx"),
            key: Some((*b"k").into()),
        }),
        priority_max: 255,
        delivery_limit: Some(3),
        redelivery: Some(Redelivery {
            delay_ms: 100,
            multiplier_percent: 150,
            delay_ms_max: 1_000,
            jitter_percent: 20,
        }),
        single_active: true,
        last_value_header: Some((*b"stock").into()),
        settle_ms: None,
    };
    let expected = QueueDefinition {
        expires_ms: Some(5),
        rules,
        ..QueueDefinition::DURABLE
    };
    assert_eq!(all, expected);
    let plain = definition("x-redelivery-delay:1").rules.redelivery.unwrap();
    assert_eq!((plain.multiplier_percent, plain.jitter_percent), (100, 0));
    let overflow = definition("x-overflow:drop-head").rules.overflow;
    assert_eq!(overflow, Some(Overflow::DropHead));
}

#[test]
fn a_wrong_value_is_refused_with_what_is_expected() {
    let check = |header: &str, expected: &str| {
        let (name, value) = header.split_once(':').unwrap();
        let text = read("SUBSCRIBE", header).unwrap_err();
        let start = format!("the header '{name}' is '{value}', but must be ");
        assert!(
            text.starts_with(&start) && text.contains(expected),
            "{text}"
        );
    };
    for value in ["", "-1", "x", "1.5", "18446744073709551616"] {
        check(&format!("x-message-ttl:{value}"), "milliseconds");
    }
    check("x-expires:0", "at least 1");
    check("x-max-length:-1", "messages");
    check("x-max-length-bytes:b", "bytes");
    check("x-overflow:block", "drop-head");
    check("x-max-priority:0", "1 to 255");
    check("x-max-priority:256", "1 to 255");
    check("x-delivery-limit:-2", "-1 for no limit");
    check("x-single-active-consumer:yes", "true or false");
    check("x-queue-type:lazy", "classic or quorum");
    check("x-dead-letter-strategy:never", "at-least-once");
    check("x-redelivery-jitter:101", "0 to 100");
    for factor in ["0.99", "0", "100.01", "1.234", "1.", ".5", "x"] {
        check(&format!("x-redelivery-multiplier:{factor}"), "1 to 100");
    }
    check("x-last-value-key:", "name of a header");
    let long = "n".repeat(256);
    for name in ["x-dead-letter-exchange", "x-dead-letter-routing-key"] {
        let text = read("SEND", &format!("{name}:{long}")).unwrap_err();
        assert!(text.contains("at most 255 bytes"), "{text}");
    }
    check("durable:1", "true or false");
    check("auto-delete:1", "true or false");
    check("exclusive:", "true or false");
}

#[test]
fn what_is_not_implemented_is_named() {
    for header in [
        "x-queue-type:stream",
        "x-consumer-timeout:1",
        "x-max-age:1D",
        "x-stream-offset:first",
        "x-stream-filter:a",
        "x-stream-max-segment-size-bytes:1",
    ] {
        let (name, value) = header.split_once(':').unwrap();
        let text = read("SUBSCRIBE", header).unwrap_err();
        let expected =
            format!("the header '{name}' with the value '{value}' on SUBSCRIBE is not implemented");
        assert_eq!(text, expected);
    }
}

#[test]
fn some_arguments_need_another() {
    let check = |header: &str, needs: &str| {
        let (name, _) = header.split_once(':').unwrap();
        let text = read("SEND", header).unwrap_err();
        assert_eq!(
            text,
            format!("the header '{name}' needs the header '{needs}'")
        );
    };
    check("x-dead-letter-routing-key:k", "x-dead-letter-exchange");
    check("x-redelivery-multiplier:2", "x-redelivery-delay");
    check("x-redelivery-delay-max:2", "x-redelivery-delay");
    check("x-redelivery-jitter:2", "x-redelivery-delay");
}
