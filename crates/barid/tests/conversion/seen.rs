//! What clients see of a message, as text.

use super::bridge::{Said, lines, message, properties, sent, through_mqtt, through_stomp};
use model::{Dialect, Envelope, Message, Persistence};
use proto_mqtt::{Properties, PropertyList, Text};
use proto_stomp::Version;

/// The version whose headers can hold most.
pub(crate) const V12: Version = Version::V12;

pub(crate) fn from_stomp(version: Version, lines: &str) -> Message {
    let lines = format!("destination:/topic/a.b/c\n{lines}");
    sent(version, b"a.b/c", lines.as_bytes())
}

pub(crate) fn from_mqtt(list: &[proto_mqtt::Property<'_>]) -> Message {
    let mut head = PropertyList::new();
    for property in list {
        head.push(*property);
    }
    let envelope = Envelope::new(Dialect::Mqtt5, Persistence::Transient);
    message(envelope, b"a.b/c", head.as_properties().as_bytes())
}

pub(crate) fn user<'a>(name: &'a str, value: &'a str) -> proto_mqtt::Property<'a> {
    proto_mqtt::Property::UserProperty(Text::new(name).unwrap(), Text::new(value).unwrap())
}

/// What an MQTT client gets, a line for each property.
pub(crate) fn shown(message: &Message) -> String {
    let properties = properties(message);
    let shown = Properties::kept(&properties);
    shown
        .iter()
        .map(|property| format!("{property:?}\n"))
        .collect()
}

pub(crate) fn headers(version: Version, message: &Message) -> String {
    String::from_utf8(lines(version, message)).unwrap()
}

#[track_caller]
pub(crate) fn check_to_mqtt(lines: &str, expected: &[&str]) {
    let shown = shown(&from_stomp(V12, lines));
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected);
}

#[track_caller]
pub(crate) fn check_to_stomp(
    version: Version,
    list: &[proto_mqtt::Property<'_>],
    expected: &[&str],
) {
    let first = from_mqtt(list);
    let headers = headers(version, &first);
    let found: Vec<_> = headers.lines().collect();
    assert_eq!(found[0], "destination:/topic/a.b/c");
    assert_eq!(&found[1..], expected);
    let back = through_mqtt(&through_stomp(version, &first));
    assert_eq!(Said::by(&back), Said::by(&first));
}
