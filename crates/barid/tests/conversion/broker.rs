//! Clients of both protocols at the real broker.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::BytesMut;
use client::{Broker, Send, Subscribe};
use proto_mqtt::{
    Codec, Decoded, HeadProperties, Limits, Packet, PublishHead, PublishQos, Version,
};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A client of MQTT 5.0 that is just able to get a message and to publish it again.
struct Mqtt {
    stream: TcpStream,
    codec: Codec,
    input: Vec<u8>,
}

impl Mqtt {
    fn connect(broker: &Broker) -> Result<Self> {
        let listeners = std::fs::read(broker.data_dir().join("listeners.json"))?;
        let listeners: serde_json::Value = serde_json::from_slice(&listeners)?;
        let address = listeners["mqtt"][0].as_str().context("MQTT is spoken")?;
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(client::WAIT_MAX))?;
        let mut mqtt = Self {
            stream,
            codec: Codec::of_client(Limits::default(), Version::V5),
            input: Vec::new(),
        };
        mqtt.stream
            .write_all(b"\x10\x0e\0\x04MQTT\x05\x02\0\0\0\0\x01c")?;
        mqtt.receive(|packet| {
            ensure!(
                matches!(packet, Packet::Connack(_)),
                "no CONNACK but {packet:?}"
            );
            Ok(())
        })?;
        Ok(mqtt)
    }

    /// Subscribes with QoS 2 to a filter of three bytes.
    fn subscribe(&mut self, filter: [u8; 3]) -> Result<()> {
        self.stream.write_all(b"\x82\x09\0\x01\0\0\x03")?;
        self.stream.write_all(&filter)?;
        self.stream.write_all(b"\x02")?;
        self.receive(|packet| {
            ensure!(
                matches!(packet, Packet::Suback(_)),
                "no SUBACK but {packet:?}"
            );
            Ok(())
        })
    }

    /// Publishes with QoS 0.
    fn publish(&mut self, topic: &str, properties: &[u8], payload: &[u8]) -> Result<()> {
        let head = PublishHead {
            version: Version::V5,
            dup: false,
            qos: PublishQos::AtMostOnce,
            retain: false,
            topic: topic.as_bytes(),
            properties: HeadProperties {
                forwarded: properties,
                ..HeadProperties::default()
            },
            payload_len: payload.len(),
        };
        let mut packet = BytesMut::new();
        head.put(&mut packet)?;
        packet.extend_from_slice(payload);
        Ok(self.stream.write_all(&packet)?)
    }

    /// The next packet, as `take` reads it.
    fn receive<T>(&mut self, take: impl FnOnce(Packet<'_>) -> Result<T>) -> Result<T> {
        loop {
            if let Decoded::Packet(packet, len) = self.codec.decode(&self.input)? {
                let taken = take(packet);
                self.input.drain(..len);
                return taken;
            }
            let mut bytes = [0; 4096];
            let len = self.stream.read(&mut bytes)?;
            ensure!(len > 0, "the broker closed the connection");
            self.input.extend_from_slice(&bytes[..len]);
        }
    }
}

#[test]
fn a_message_goes_to_the_other_protocol_and_back() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(&folder.path().join("data"))?;
    let mut stomp = broker.connect()?;
    stomp.subscribe(&Subscribe {
        id: "back",
        destination: "/topic/b.*",
        ..Subscribe::default()
    })?;
    let mut mqtt = Mqtt::connect(&broker)?;
    mqtt.subscribe(*b"a/#")?;
    let said = [
        ("persistent", "true"),
        ("priority", "7"),
        ("reply-to", "/topic/x.y"),
        ("content-type", "text/plain"),
        ("correlation-id", "c"),
        ("content-encoding", "gzip"),
        ("a:b", "1\n2"),
    ];
    stomp.send(&Send {
        destination: "/topic/a.c/d",
        body: b"body",
        receipt: Some("sent"),
        headers: &said,
        ..Send::default()
    })?;
    let (topic, properties, payload) = mqtt.receive(|packet| {
        let Packet::Publish(publish) = packet else {
            bail!("no PUBLISH but {packet:?}");
        };
        ensure!(
            matches!(publish.qos, PublishQos::AtLeastOnce(_)),
            "{publish:?}"
        );
        let topic = publish.topic.context("a topic")?.as_str().to_owned();
        let content_type = publish.properties.content_type();
        assert_eq!(content_type.map(|text| text.as_str()), Some("text/plain"));
        let response_topic = publish.properties.response_topic();
        assert_eq!(response_topic.map(|name| name.as_str()), Some("x/y"));
        let properties: Vec<_> = publish.properties.forwarded().collect();
        Ok((topic, properties.concat(), publish.payload.to_vec()))
    })?;
    assert_eq!((&*topic, &*payload), ("a/c.d", &b"body"[..]));
    mqtt.publish("b/c.d", &properties, &payload)?;
    let message = stomp.message()?;
    assert_eq!(message.header("destination"), Some("/topic/b.c/d"));
    // It was published again with QoS 0.
    assert_eq!(message.header("persistent"), None);
    for (name, value) in &said[1..] {
        assert_eq!(message.header(name), Some(*value), "{message:?}");
    }
    assert_eq!(message.body, b"body");
    Ok(())
}

#[test]
fn selectors_of_stomp_read_user_properties_of_mqtt() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let broker = Broker::start(&folder.path().join("data"))?;
    let mut stomp = broker.connect()?;
    stomp.subscribe(&Subscribe {
        id: "red",
        destination: "/topic/t",
        headers: &[("selector", "color = 'red' AND JMSPriority = 3")],
        ..Subscribe::default()
    })?;
    let mut mqtt = Mqtt::connect(&broker)?;
    let user = |name: &str, value: &str| {
        let counted =
            |text: &str| [&[0, u8::try_from(text.len()).unwrap_or(0)], text.as_bytes()].concat();
        [&[38][..], &counted(name), &counted(value)].concat()
    };
    mqtt.publish(
        "t",
        &[user("color", "blue"), user("priority", "3")].concat(),
        b"1",
    )?;
    mqtt.publish("t", &user("color", "red"), b"2")?;
    mqtt.publish(
        "t",
        &[user("color", "red"), user("priority", "3")].concat(),
        b"3",
    )?;
    let message = stomp.message()?;
    assert_eq!(message.body, b"3");
    assert_eq!(message.header("color"), Some("red"));
    assert_eq!(message.header("priority"), Some("3"));
    Ok(())
}
