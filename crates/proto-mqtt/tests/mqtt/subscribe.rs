//! SUBSCRIBE and UNSUBSCRIBE: filters and options.

use crate::wire::{codec, decode, packet, refused, taken};
use proto_mqtt::{Packet, Qos, RetainHandling, Side, Version};

const CLIENT: Side = Side::Client;

fn tail(version: Version) -> &'static str {
    if version == Version::V5 { "00" } else { "" }
}

/// [MQTT-3.8.3-2], [MQTT-3.10.3-2]
#[test]
fn there_is_a_filter() {
    for version in Version::ALL {
        let body = format!("0001 {}", tail(version));
        for first in [0x82, 0xA2] {
            let input = packet(first, &body);
            refused(CLIENT, version, &input, 0x82, "no topic filter");
        }
    }
}

/// [MQTT-3.8.3-1], [MQTT-3.10.3-1], [MQTT-4.7.1-1], [MQTT-4.7.1-2], [MQTT-4.7.3-1], [MQTT-4.7.3-2]
#[test]
fn filters_are_filters() {
    for version in Version::ALL {
        let tail = tail(version);
        let check = |filter: &str, reason, part| {
            let subscribe = packet(0x82, &format!("0001 {tail} :'ok' 00 {filter} 00"));
            refused(CLIENT, version, &subscribe, reason, part);
            let unsubscribe = packet(0xA2, &format!("0001 {tail} :'ok' {filter}"));
            refused(CLIENT, version, &unsubscribe, reason, part);
        };
        check("0000", 0x8F, "is empty");
        check(":'a/#/b'", 0x8F, "'a/#/b' has a # that is not its last");
        check(":'a+'", 0x8F, "has a + that does not fill its level");
        check("0003 610062", 0x81, "U+0000");
        check("0001 C0", 0x81, "is not UTF-8");
        let cut = packet(0x82, &format!("0001 {tail} 0005 61"));
        refused(CLIENT, version, &cut, 0x81, "needs 5 bytes, 1 are left");
        let cut = packet(0x82, &format!("0001 {tail} :'a'"));
        refused(CLIENT, version, &cut, 0x81, "the subscription options");
    }
}

/// [MQTT-4.8.2-1], [MQTT-4.8.2-2]
#[test]
fn shared_filters_have_a_share_name() {
    for version in Version::ALL {
        let tail = tail(version);
        let input = packet(0x82, &format!("0001 {tail} :'$share/g/a/#' 01"));
        let codec = codec(CLIENT, version);
        let Ok(Packet::Subscribe(subscribe)) = decode(&codec, &input) else {
            panic!("it is a SUBSCRIBE");
        };
        let filter = subscribe.subscriptions.iter().next().unwrap().filter;
        assert_eq!(filter.shared(), Some(("g", "a/#")));
        for (filter, part) in [
            ("$share//a", "empty share name"),
            ("$share/g", "no filter behind"),
            ("$share/g/", "no filter behind"),
            ("$share/g+/a", "wildcard in its share name"),
            ("$share/g/a#", "does not fill"),
        ] {
            let input = packet(0x82, &format!("0001 {tail} :'{filter}' 01"));
            refused(CLIENT, version, &input, 0x8F, part);
        }
    }
}

/// [MQTT-3.8.3-5], §3.8.3.1, 3.1.1 [MQTT-3-8.3-4]
#[test]
fn options_are_what_the_version_has() {
    let subscribe =
        |version, options: u8| packet(0x82, &format!("0001 {} :'a' {options:02x}", tail(version)));
    for options in 0..=255_u8 {
        let qos = options & 3;
        let v5 = subscribe(Version::V5, options);
        if options & 0xC0 != 0 && qos != 3 && options & 0x30 != 0x30 {
            refused(CLIENT, Version::V5, &v5, 0x81, "reserved bit");
        } else if qos == 3 || options & 0x30 == 0x30 {
            refused(CLIENT, Version::V5, &v5, 0x82, "3, the highest is 2");
        } else {
            taken(CLIENT, Version::V5, &v5);
        }
        let v311 = subscribe(Version::V311, options);
        if options <= 2 {
            taken(CLIENT, Version::V311, &v311);
        } else if qos == 3 {
            refused(CLIENT, Version::V311, &v311, 0x82, "QoS 3");
        } else {
            refused(CLIENT, Version::V311, &v311, 0x81, "reserved bit");
        }
        // 3.1 reserves the bits for the future, and reads what it knows.
        let v31 = subscribe(Version::V31, options);
        if qos == 3 {
            refused(CLIENT, Version::V31, &v31, 0x82, "QoS 3");
        } else {
            let codec = codec(CLIENT, Version::V31);
            let Packet::Subscribe(subscribe) = decode(&codec, &v31).unwrap() else {
                panic!("it is a SUBSCRIBE");
            };
            let read = subscribe.subscriptions.iter().next().unwrap().options;
            assert_eq!(read.qos.bits(), qos);
            assert!(!read.no_local && !read.retain_as_published);
        }
    }
}

#[test]
fn options_are_read_bit_by_bit() {
    let input = packet(0x82, "0001 00 :'a' 2D :'b' 12 :'c' 00");
    let codec = codec(CLIENT, Version::V5);
    let Packet::Subscribe(subscribe) = decode(&codec, &input).unwrap() else {
        panic!("it is a SUBSCRIBE");
    };
    let read: Vec<_> = subscribe.subscriptions.iter().collect();
    assert_eq!(subscribe.subscriptions.len(), 3);
    let [a, b, c] = [read[0], read[1], read[2]];
    assert_eq!([a, b, c].map(|it| it.filter.as_str()), ["a", "b", "c"]);
    assert_eq!(a.options.qos, Qos::AtLeastOnce);
    assert!(a.options.no_local && a.options.retain_as_published);
    assert_eq!(a.options.retain_handling, RetainHandling::DoNotSend);
    assert_eq!(b.options.qos, Qos::ExactlyOnce);
    assert!(!b.options.no_local && !b.options.retain_as_published);
    assert_eq!(b.options.retain_handling, RetainHandling::SendIfNew);
    assert_eq!(c.options, proto_mqtt::SubscriptionOptions::default());
}

/// [MQTT-3.8.3-4]
#[test]
fn a_shared_subscription_takes_what_its_session_publishes() {
    let input = packet(0x82, "0001 00 :'$share/g/a' 04");
    refused(CLIENT, Version::V5, &input, 0x82, "No Local");
    taken(CLIENT, Version::V5, &packet(0x82, "0001 00 :'a' 04"));
}
