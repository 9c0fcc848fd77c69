use super::*;
use model::{Dialect, Envelope, Exchange, Parts, Persistence};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_oneof, proptest};
use proptest::strategy::Strategy;

fn message(dialect: Dialect, dialect_flags: u8, head: &[u8], body: &[u8]) -> Message {
    let envelope = Envelope {
        dialect,
        dialect_flags,
        persistence: Persistence::Transient,
        exchange: Exchange::Topic,
    };
    Message::new(&Parts {
        envelope,
        key: b"k",
        head: &[head],
        body,
    })
}

fn render(version: Version, id: Option<&str>, has_ack: bool, message: &Message) -> String {
    let opening = Opening::new(
        id.map(str::as_bytes),
        ConnectionId(7),
        SubscriptionId(3),
        has_ack,
    );
    let mut wire = Wire::new();
    put_message(&mut wire, version, &opening, 12, has_ack, message);
    String::from_utf8(wire.take()).unwrap()
}

#[test]
fn renders_every_form() {
    let plain = message(
        Dialect::Stomp10,
        FLAG_PLAIN,
        b"destination:/topic/k\n",
        b"a\0b",
    );
    assert_eq!(
        render(Version::V12, Some("s"), true, &plain),
        "MESSAGE\nsubscription:s\nmessage-id:7-3-12\nack:7-3-12\nredelivered:true\n\
         content-length:3\ndestination:/topic/k\n\na\0b\0"
    );
    assert_eq!(
        render(Version::V10, None, false, &plain),
        "MESSAGE\nmessage-id:7-3-12\ncontent-length:3\ndestination:/topic/k\n\na\0b\0"
    );
}

#[test]
fn converts_between_versions() {
    let check = |from: Dialect, head: &str, to: Version, expected: &str| {
        let text = render(to, None, false, &message(from, 0, head.as_bytes(), b""));
        let head = text
            .strip_prefix("MESSAGE\nmessage-id:7-3-12\ncontent-length:0\n")
            .unwrap();
        assert_eq!(head, format!("{expected}\n\0"));
    };
    check(
        Dialect::Stomp12,
        "a:1\\r\\n2\n",
        Version::V11,
        "a:1\r\\n2\n",
    );
    check(
        Dialect::Stomp12,
        "a\\cb:1\\n2\\c3\\\\n\n",
        Version::V10,
        "a\\cb:1\\n2:3\\n\n",
    );
    check(Dialect::Stomp10, "a:x:\\n\n", Version::V11, "a:x\\c\\\\n\n");
    check(Dialect::Stomp10, "a:1\na:2\n", Version::V12, "a:1\na:2\n");
    check(Dialect::Stomp11, "a:1\rb\n", Version::V12, "a:1\\rb\n");
    check(
        Dialect::Stomp11,
        "a:raw:colon\n",
        Version::V11,
        "a:raw:colon\n",
    );
}

fn spelled(version: Version, headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut head = BytesMut::new();
    for (name, value) in headers {
        put_escaped(version, Part::Name, name, &mut head);
        head.put_u8(b':');
        put_escaped(version, Part::Value, value, &mut head);
        head.put_u8(b'\n');
    }
    head.to_vec()
}

fn octet() -> impl Strategy<Value = u8> {
    prop_oneof![
        Just(b'\\'),
        Just(b'n'),
        Just(b'c'),
        Just(b'r'),
        Just(b'\r'),
        any::<u8>()
    ]
}

fn convert(from: Version, to: Version, head: &[u8]) -> Vec<u8> {
    let mut buffer = BytesMut::new();
    put_converted(&mut buffer, from, to, head);
    buffer.to_vec()
}

proptest! {
    /// What 1.0 can spell comes back from a walk through all versions.
    #[test]
    fn a_walk_through_the_versions_is_the_identity(
        headers in vec((vec(octet(), 1..8), vec(prop_oneof![octet(), Just(b':')], 0..8)), 0..5)
    ) {
        let headers: Vec<(Vec<u8>, Vec<u8>)> = headers
            .into_iter()
            .map(|(mut name, mut value)| {
                name.retain(|octet| *octet != b'\n' && *octet != b':');
                value.retain(|octet| *octet != b'\n');
                (name, value)
            })
            .collect();
        let first = spelled(Version::V10, &headers);
        let second = convert(Version::V10, Version::V11, &first);
        assert_eq!(second, spelled(Version::V11, &headers));
        let third = convert(Version::V11, Version::V12, &second);
        assert_eq!(third, spelled(Version::V12, &headers));
        assert_eq!(convert(Version::V12, Version::V10, &third), first);
    }
}
