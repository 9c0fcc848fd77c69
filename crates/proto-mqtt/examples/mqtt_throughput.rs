//! Prints what reading and writing a PUBLISH costs, and a PUBACK, in nanoseconds each.
//!
//! `cargo run --release -p proto-mqtt --example mqtt_throughput`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use bytes::BytesMut;
use proto_mqtt::{
    Ack, Codec, Decoded, HeadProperties, Limits, Packet, PacketId, Properties, Property,
    PropertyList, Publish, PublishHead, PublishQos, PublishReason, SubscriptionIdentifier, Text,
    TopicName, Version,
};
use std::hint::black_box;

const PACKETS_PER_INPUT: usize = 100;
const INPUTS_PER_ROUND: usize = 50;
const ROUNDS: usize = 400;
const TOPIC: &str = "plant/7/line/3/temperature";

fn main() {
    println!("topic {TOPIC:?}; nanoseconds per packet");
    let properties = user_properties();
    for payload_len in [16, 100, 1_000] {
        let payload = vec![b'x'; payload_len];
        for version in [Version::V311, Version::V5] {
            for (qos, what) in [
                (PublishQos::AtMostOnce, "QoS 0"),
                (PublishQos::AtLeastOnce(packet_id()), "QoS 1"),
            ] {
                let publish = publish(qos, &payload, Properties::NONE);
                measure_publish(version, what, &publish, payload_len);
            }
        }
        let publish = publish(
            PublishQos::AtLeastOnce(packet_id()),
            &payload,
            properties.as_properties(),
        );
        let what = "QoS 1, content type, 2 user properties";
        measure_publish(Version::V5, what, &publish, payload_len);
        measure_heads(&payload, properties.as_properties().as_bytes());
    }
    measure_acks();
}

fn packet_id() -> PacketId {
    PacketId::new(4_711).expect("it is not 0")
}

fn text(text: &str) -> Text<'_> {
    Text::new(text).expect("it is short")
}

fn user_properties() -> PropertyList {
    let mut properties = PropertyList::new();
    properties.push(Property::ContentType(text("application/json")));
    properties.push(Property::UserProperty(text("unit"), text("celsius")));
    properties.push(Property::UserProperty(text("sensor"), text("a-17")));
    properties
}

fn publish<'a>(qos: PublishQos, payload: &'a [u8], properties: Properties<'a>) -> Packet<'a> {
    Packet::Publish(Publish {
        dup: false,
        qos,
        retain: false,
        topic: Some(TopicName::new(text(TOPIC)).expect("it has no wildcard")),
        properties,
        payload,
    })
}

fn measure_publish(version: Version, what: &str, packet: &Packet<'_>, payload_len: usize) {
    let mut input = BytesMut::new();
    for _ in 0..PACKETS_PER_INPUT {
        packet.put(version, &mut input).expect("it is short");
    }
    let decoding = measure_decode(version, &input);
    let mut buffer = BytesMut::with_capacity(input.len());
    let encoding = measure(|| {
        buffer.clear();
        for _ in 0..PACKETS_PER_INPUT {
            let written = black_box(packet).put(version, &mut buffer);
            written.expect("it is short");
        }
        assert_eq!(buffer.len(), input.len());
    });
    println!(
        "PUBLISH {payload_len:>5} B, MQTT {:<5}, {what}: decode {decoding:.1}, encode {encoding:.1}",
        version.text()
    );
}

fn measure_decode(version: Version, input: &[u8]) -> f64 {
    let mut codec = Codec::of_server(Limits::default());
    codec.set_version(version);
    measure(|| {
        let (mut at, mut count) = (0, 0);
        while let Ok(Decoded::Packet(packet, len)) = codec.decode(&input[at..]) {
            black_box(&packet);
            at += len;
            count += 1;
        }
        assert_eq!((at, count), (input.len(), PACKETS_PER_INPUT));
    })
}

/// The head of a delivery, with the payload copied behind it.
fn measure_heads(payload: &[u8], forwarded: &[u8]) {
    let ids = [SubscriptionIdentifier::new(300).expect("it is in range")];
    let mut buffer = BytesMut::with_capacity(PACKETS_PER_INPUT * (payload.len() + 200));
    for version in [Version::V311, Version::V5] {
        let nanoseconds = measure(|| {
            buffer.clear();
            for _ in 0..PACKETS_PER_INPUT {
                let head = black_box(PublishHead {
                    version,
                    dup: false,
                    qos: PublishQos::AtLeastOnce(packet_id()),
                    retain: false,
                    topic: TOPIC.as_bytes(),
                    properties: HeadProperties {
                        topic_alias: None,
                        message_expiry: Some(60),
                        subscription_ids: &ids,
                        forwarded,
                    },
                    payload_len: payload.len(),
                });
                head.put(&mut buffer).expect("it is short");
                buffer.extend_from_slice(payload);
            }
        });
        println!(
            "delivery {:>4} B, MQTT {:<5}, QoS 1, all properties: {nanoseconds:.1}",
            payload.len(),
            version.text()
        );
    }
}

fn measure_acks() {
    let packet = Packet::Puback(Ack::new(packet_id(), PublishReason::Success));
    for version in [Version::V311, Version::V5] {
        let mut input = BytesMut::new();
        for _ in 0..PACKETS_PER_INPUT {
            packet.put(version, &mut input).expect("it is short");
        }
        let decoding = measure_decode(version, &input);
        let mut buffer = BytesMut::with_capacity(input.len());
        let encoding = measure(|| {
            buffer.clear();
            for _ in 0..PACKETS_PER_INPUT {
                let written = black_box(&packet).put(version, &mut buffer);
                written.expect("it is short");
            }
        });
        println!(
            "PUBACK, MQTT {:<5}: decode {decoding:.1}, encode {encoding:.1}",
            version.text()
        );
    }
}

/// Nanoseconds per packet; the best of many short rounds, since others share the machine.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
fn measure(mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = std::time::Instant::now();
        (0..INPUTS_PER_ROUND).for_each(|_| work());
        let packets = (INPUTS_PER_ROUND * PACKETS_PER_INPUT) as f64;
        best = best.min(start.elapsed().as_secs_f64() * 1e9 / packets);
    }
    best
}
