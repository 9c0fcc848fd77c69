//! Another maker's codec reads what is written here, and is read here.

use crate::packets::{Owned, any_connect_packet, any_packet_of};
use crate::wire::{codec, decode, encode};
use bytes::BytesMut;
use mqttbytes::{v4, v5};
use proptest::prelude::{Strategy, prop_oneof, proptest};
use proto_mqtt::{Codec, Limits, Packet, PacketKind, Side, Version};

const BYTES_MAX: usize = 100_000;

/// The bytes of the same packet, read and written by the other codec.
fn passed_on_311(bytes: &[u8]) -> Vec<u8> {
    let read = v4::read(&mut BytesMut::from(bytes), BYTES_MAX).unwrap();
    let mut out = BytesMut::new();
    let written = match read {
        v4::Packet::Connect(packet) => packet.write(&mut out),
        v4::Packet::ConnAck(packet) => packet.write(&mut out),
        v4::Packet::Publish(packet) => packet.write(&mut out),
        v4::Packet::PubAck(packet) => packet.write(&mut out),
        v4::Packet::PubRec(packet) => packet.write(&mut out),
        v4::Packet::PubRel(packet) => packet.write(&mut out),
        v4::Packet::PubComp(packet) => packet.write(&mut out),
        v4::Packet::Subscribe(packet) => packet.write(&mut out),
        v4::Packet::SubAck(packet) => packet.write(&mut out),
        v4::Packet::Unsubscribe(packet) => packet.write(&mut out),
        v4::Packet::UnsubAck(packet) => packet.write(&mut out),
        v4::Packet::PingReq => v4::PingReq.write(&mut out),
        v4::Packet::PingResp => v4::PingResp.write(&mut out),
        v4::Packet::Disconnect => v4::Disconnect.write(&mut out),
    };
    written.unwrap();
    out.to_vec()
}

/// The same in 5.0.
fn passed_on_5(bytes: &[u8]) -> Vec<u8> {
    let read = v5::read(&mut BytesMut::from(bytes), BYTES_MAX).unwrap();
    let mut out = BytesMut::new();
    let written = match read {
        v5::Packet::Connect(packet) => packet.write(&mut out),
        v5::Packet::ConnAck(packet) => packet.write(&mut out),
        v5::Packet::Publish(packet) => packet.write(&mut out),
        v5::Packet::PubAck(packet) => packet.write(&mut out),
        v5::Packet::PubRec(packet) => packet.write(&mut out),
        v5::Packet::PubRel(packet) => packet.write(&mut out),
        v5::Packet::PubComp(packet) => packet.write(&mut out),
        v5::Packet::Subscribe(packet) => packet.write(&mut out),
        v5::Packet::SubAck(packet) => packet.write(&mut out),
        v5::Packet::Unsubscribe(packet) => packet.write(&mut out),
        v5::Packet::UnsubAck(packet) => packet.write(&mut out),
        v5::Packet::PingReq => v5::PingReq.write(&mut out),
        v5::Packet::PingResp => v5::PingResp.write(&mut out),
        v5::Packet::Disconnect(packet) => packet.write(&mut out),
    };
    written.unwrap();
    out.to_vec()
}

/// The packet as text, its lines sorted: the other codec has an order of its own for properties.
fn sorted(packet: &Packet<'_>) -> Vec<String> {
    let text = format!("{packet:#?}");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

fn any_packet(version: Version) -> impl Strategy<Value = Owned> {
    prop_oneof![
        any_packet_of(version, Side::Client),
        any_packet_of(version, Side::Server),
    ]
}

/// The other codec has no AUTH, misreads an empty DISCONNECT and miswrites a CONNACK without
/// properties. In PUBLISH it counts each Subscription Identifier as a byte longer than it is, and so passes over what
/// comes behind. In CONNECT it leaves out an empty user name or password, and takes passwords for text.
fn is_known_there(packet: &Packet<'_>) -> bool {
    if let Packet::Connack(connack) = packet {
        return !connack.properties.is_empty();
    }
    if let Packet::Publish(publish) = packet {
        return publish
            .properties
            .subscription_identifiers()
            .next()
            .is_none();
    }
    let Packet::Connect(connect) = packet else {
        return !matches!(packet.kind(), PacketKind::Auth | PacketKind::Disconnect);
    };
    let is_name = connect.user_name.is_none_or(|it| !it.as_str().is_empty());
    let is_password = connect
        .password
        .is_none_or(|it| !it.as_bytes().is_empty() && std::str::from_utf8(it.as_bytes()).is_ok());
    is_name && is_password && connect.user_name.is_some() == connect.password.is_some()
}

proptest! {
    #[test]
    fn a_packet_of_3_1_1_is_the_same_to_another_codec(owned in any_packet(Version::V311)) {
        let packet = owned.packet();
        let passed_on = passed_on_311(&encode(&packet, Version::V311));
        let codec = codec(owned.from, Version::V311);
        assert_eq!(decode(&codec, &passed_on).unwrap(), packet);
    }

    #[test]
    fn a_packet_of_5_0_is_the_same_to_another_codec(
        owned in any_packet(Version::V5).prop_filter("known", |it| is_known_there(&it.packet())),
    ) {
        let packet = owned.packet();
        let passed_on = passed_on_5(&encode(&packet, Version::V5));
        let codec = codec(owned.from, Version::V5);
        assert_eq!(sorted(&decode(&codec, &passed_on).unwrap()), sorted(&packet));
    }

    #[test]
    fn a_connect_is_the_same_to_another_codec(
        owned in any_connect_packet().prop_filter("known", |it| {
            it.version != Version::V31 && is_known_there(&it.packet())
        }),
    ) {
        let packet = owned.packet();
        let bytes = encode(&packet, owned.version);
        let passed_on = match owned.version {
            Version::V31 | Version::V311 => passed_on_311(&bytes),
            Version::V5 => passed_on_5(&bytes),
        };
        let codec = Codec::of_server(Limits::default());
        assert_eq!(sorted(&decode(&codec, &passed_on).unwrap()), sorted(&packet));
    }
}
