//! The examples of the specifications, written by hand from their tables.

use crate::wire::{bytes, codec, decode, encode};
use proto_mqtt::{
    Codec, Limits, Packet, PublishQos, Qos, Side, SubscribeReason, UnsubscribeReason, Version,
};

const CLIENT: Side = Side::Client;
const SERVER: Side = Side::Server;

/// 3.1.1 figure 3.6, 5.0 figure 3-6: the variable header, with a payload as its flags need it.
#[test]
fn connect() {
    let of_5 = "10 31 0004 4D515454 05 CE 000A 05 11 0000000A \
                :'client' 00 :'will' :'gone' :'user' :'pass'";
    let of_311 = "10 2A 0004 4D515454 04 CE 000A :'client' :'will' :'gone' :'user' :'pass'";
    // MQTT 3.1 §3.1
    let of_31 = "10 2C 0006 4D5149736470 03 CE 000A :'client' :'will' :'gone' :'user' :'pass'";
    for (version, spelled) in [
        (Version::V5, of_5),
        (Version::V311, of_311),
        (Version::V31, of_31),
    ] {
        let input = bytes(spelled);
        let codec = Codec::of_server(Limits::default());
        let Packet::Connect(connect) = decode(&codec, &input).unwrap() else {
            panic!("it is a CONNECT");
        };
        assert_eq!(connect.version, version);
        assert_eq!(connect.keep_alive, 10);
        assert!(connect.clean_start);
        let expiry = connect.properties.session_expiry_interval();
        assert_eq!(expiry, (version == Version::V5).then_some(10));
        let will = connect.will.unwrap();
        assert_eq!((will.qos, will.retain), (Qos::AtLeastOnce, false));
        assert_eq!(encode(&Packet::Connect(connect), version), input);
    }
}

/// 3.1.1 figure 3.11, 5.0 figure 3-9
#[test]
fn publish() {
    for (version, spelled) in [
        (Version::V5, "32 08 0003 612F62 000A 00"),
        (Version::V311, "32 07 0003 612F62 000A"),
    ] {
        let input = bytes(spelled);
        let codec = codec(CLIENT, version);
        let Packet::Publish(publish) = decode(&codec, &input).unwrap() else {
            panic!("it is a PUBLISH");
        };
        assert_eq!(publish.topic.unwrap().as_str(), "a/b");
        let PublishQos::AtLeastOnce(id) = publish.qos else {
            panic!("{:?}", publish.qos);
        };
        assert_eq!(id.get(), 10);
        assert!(publish.payload.is_empty());
        assert_eq!(encode(&Packet::Publish(publish), version), input);
    }
}

/// 3.1.1 figures 3.21 and 3.23, 5.0 figures 3-19 and 3-21
#[test]
fn subscribe() {
    for (version, spelled) in [
        (Version::V5, "82 0F 000A 00 0003 612F62 01 0003 632F64 02"),
        (Version::V311, "82 0E 000A 0003 612F62 01 0003 632F64 02"),
        (Version::V31, "82 0E 000A 0003 612F62 01 0003 632F64 02"),
    ] {
        let input = bytes(spelled);
        let codec = codec(CLIENT, version);
        let Packet::Subscribe(subscribe) = decode(&codec, &input).unwrap() else {
            panic!("it is a SUBSCRIBE");
        };
        assert_eq!(subscribe.packet_id.get(), 10);
        let asked: Vec<_> = subscribe
            .subscriptions
            .iter()
            .map(|it| (it.filter.as_str(), it.options.qos))
            .collect();
        let expected = [("a/b", Qos::AtLeastOnce), ("c/d", Qos::ExactlyOnce)];
        assert_eq!(asked, expected);
        assert_eq!(encode(&Packet::Subscribe(subscribe), version), input);
    }
}

/// 3.1.1 figure 3.27
#[test]
fn suback() {
    let input = bytes("90 05 000A 00 02 80");
    let codec = codec(SERVER, Version::V311);
    let Packet::Suback(suback) = decode(&codec, &input).unwrap() else {
        panic!("it is a SUBACK");
    };
    let reasons: Vec<_> = suback.reasons.iter().collect();
    let expected = [
        SubscribeReason::GrantedQos0,
        SubscribeReason::GrantedQos2,
        SubscribeReason::UnspecifiedError,
    ];
    assert_eq!(reasons, expected);
    assert_eq!(encode(&Packet::Suback(suback), Version::V311), input);
}

/// 3.1.1 figure 3.30, 5.0 figure 3-29
#[test]
fn unsubscribe() {
    for (version, spelled) in [
        (Version::V5, "A2 0D 000A 00 0003 612F62 0003 632F64"),
        (Version::V311, "A2 0C 000A 0003 612F62 0003 632F64"),
    ] {
        let input = bytes(spelled);
        let codec = codec(CLIENT, version);
        let Packet::Unsubscribe(unsubscribe) = decode(&codec, &input).unwrap() else {
            panic!("it is an UNSUBSCRIBE");
        };
        let filters: Vec<_> = unsubscribe.filters.iter().map(|it| it.as_str()).collect();
        assert_eq!(filters, ["a/b", "c/d"]);
        assert_eq!(encode(&Packet::Unsubscribe(unsubscribe), version), input);
    }
}

/// 5.0 §3.11
#[test]
fn unsuback() {
    let input = bytes("B0 05 000A 00 00 11");
    let codec_5 = codec(SERVER, Version::V5);
    let Packet::Unsuback(unsuback) = decode(&codec_5, &input).unwrap() else {
        panic!("it is an UNSUBACK");
    };
    let reasons: Vec<_> = unsuback.reasons.iter().collect();
    let expected = [
        UnsubscribeReason::Success,
        UnsubscribeReason::NoSubscriptionExisted,
    ];
    assert_eq!(reasons, expected);
    assert_eq!(encode(&Packet::Unsuback(unsuback), Version::V5), input);
    // 3.1.1 figure 3.31
    crate::wire::taken(SERVER, Version::V311, &bytes("B0 02 000A"));
}

/// 3.1.1 figures 3.12 to 3.19, 3.33 to 3.35, 3.8 and 3.9
#[test]
fn short_packets() {
    for version in Version::ALL {
        for spelled in ["40 02 000A", "50 02 000A", "62 02 000A", "70 02 000A"] {
            crate::wire::taken(CLIENT, version, &bytes(spelled));
            crate::wire::taken(SERVER, version, &bytes(spelled));
        }
        crate::wire::taken(CLIENT, version, &bytes("C0 00"));
        crate::wire::taken(SERVER, version, &bytes("D0 00"));
        crate::wire::taken(CLIENT, version, &bytes("E0 00"));
        let tail = if version == Version::V5 {
            "03 00 00 00"
        } else {
            "02 00 00"
        };
        crate::wire::taken(SERVER, version, &bytes(&format!("20 {tail}")));
    }
}

/// Figure 1.2: "A" and U+2A6D4
#[test]
fn utf_8() {
    let input = bytes("30 07 0005 41F0AA9B94");
    let codec = codec(CLIENT, Version::V311);
    let Packet::Publish(publish) = decode(&codec, &input).unwrap() else {
        panic!("it is a PUBLISH");
    };
    assert_eq!(publish.topic.unwrap().as_str(), "A\u{2A6D4}");
}
