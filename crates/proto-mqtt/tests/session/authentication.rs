//! Enhanced authentication: CONNECT with a method, AUTH, CONNACK.

use crate::scripted_broker::{Driven, connect, filters, id, name, properties, publish, with_qos};
use broker_api::{Authenticated, Refusal, Reply};
use proto_mqtt::{
    Auth, AuthReason, Binary, ConnackReason, Connect, Disconnect, DisconnectReason, Packet,
    Properties, Property, PropertyList, PublishQos, Qos, Secret, Text, Version, Will,
};
use std::time::Duration;

const METHOD: &str = "SCRAM-SHA-256";

fn method_and_data(method: &str, data: Option<&str>) -> PropertyList {
    let mut list = PropertyList::new();
    list.push(Property::AuthenticationMethod(Text::new(method).unwrap()));
    if let Some(data) = data {
        let data = Binary::new(data.as_bytes()).unwrap();
        list.push(Property::AuthenticationData(Secret(data)));
    }
    list
}

fn challenge(data: &str) -> Reply {
    Reply::Challenge(data.as_bytes().to_vec())
}

fn authenticated(data: &str) -> Reply {
    Reply::Authenticated(Box::new(Authenticated {
        user: "ada".into(),
        data: data.as_bytes().to_vec(),
    }))
}

fn login_failed() -> Refusal {
    Refusal::LoginFailed {
        user: "ada".to_owned(),
    }
}

/// A session whose broker answers the steps of authentications so.
fn driven(shown: impl IntoIterator<Item = Reply>) -> Driven {
    let mut driven = Driven::new(Version::V5);
    driven.shown.extend(shown);
    driven
}

/// A CONNECT with a method.
fn connect_by(driven: &mut Driven, method: &str, data: Option<&str>) -> Vec<String> {
    let properties = method_and_data(method, data);
    driven.talk(&[Packet::Connect(Connect {
        properties: properties.as_properties(),
        ..connect(Version::V5)
    })])
}

fn auth(driven: &mut Driven, reason: AuthReason, data: Option<&str>) -> Vec<String> {
    auth_by(driven, METHOD, reason, data)
}

fn auth_by(
    driven: &mut Driven,
    method: &str,
    reason: AuthReason,
    data: Option<&str>,
) -> Vec<String> {
    let properties = method_and_data(method, data);
    driven.talk(&[Packet::Auth(Auth {
        reason,
        properties: properties.as_properties(),
    })])
}

/// A session that has been opened by an authentication, for which the broker answers others so.
fn opened(shown: impl IntoIterator<Item = Reply>) -> Driven {
    let mut driven = driven(
        [challenge("r"), authenticated("v")]
            .into_iter()
            .chain(shown),
    );
    connect_by(&mut driven, METHOD, Some("n"));
    let said = auth(&mut driven, AuthReason::ContinueAuthentication, Some("c"));
    assert!(said[0].starts_with("CONNACK Success"), "{said:?}");
    driven.take_log();
    driven
}

/// Whether the session has ended with this.
#[track_caller]
fn check_ended(driven: &Driven, said: &[String], start: &str) {
    assert!(said.len() == 1 && said[0].starts_with(start), "{said:?}");
    assert!(driven.out.is_closing());
}

#[test]
fn a_client_shows_step_by_step_who_it_is() {
    let mut driven = driven([challenge("r=1"), authenticated("v=1")]);
    let said = connect_by(&mut driven, METHOD, Some("n,,n=ada"));
    let asked = "AUTH ContinueAuthentication [AuthenticationMethod(\"SCRAM-SHA-256\"), \
        AuthenticationData(\"r=1\")]";
    assert_eq!(said, [asked]);
    assert_eq!(
        driven.take_log(),
        ["Begin(SCRAM-SHA-256, Some(\"n,,n=ada\"))"]
    );
    let said = auth(&mut driven, AuthReason::ContinueAuthentication, Some("p=1"));
    assert!(said[0].starts_with("CONNACK Success ["), "{said:?}");
    let told = "AuthenticationMethod(\"SCRAM-SHA-256\"), AuthenticationData(\"v=1\")]";
    assert!(said[0].ends_with(told), "{said:?}");
    let log = driven.take_log();
    assert_eq!(log[0], "Continue(p=1)");
    assert!(
        log[1].starts_with("Connect(Connect { login: None"),
        "{log:?}"
    );
    // A session that was kept ends with this.
    assert!(log[2].starts_with("Delete(mqtt.session."), "{log:?}");
    assert_eq!(log.len(), 3);
    assert_eq!(driven.talk(&[Packet::Pingreq]), ["PINGRESP"]);
}

#[test]
fn one_step_may_be_enough() {
    let mut driven = driven([authenticated("")]);
    let said = connect_by(&mut driven, "PLAIN", Some("\0ada\0pencil"));
    let told = "AuthenticationMethod(\"PLAIN\")]";
    assert!(said[0].starts_with("CONNACK Success"), "{said:?}");
    assert!(said[0].ends_with(told), "{said:?}");
}

#[test]
fn a_client_may_wait_to_be_asked() {
    let mut driven = driven([challenge("")]);
    let said = connect_by(&mut driven, METHOD, None);
    let asked = "AUTH ContinueAuthentication [AuthenticationMethod(\"SCRAM-SHA-256\")]";
    assert_eq!(said, [asked]);
    assert_eq!(driven.take_log(), ["Begin(SCRAM-SHA-256, None)"]);
}

#[test]
fn a_name_and_a_password_beside_a_method_say_nothing() {
    let mut driven = driven([authenticated("")]);
    let method = method_and_data(METHOD, None);
    driven.talk(&[Packet::Connect(Connect {
        properties: method.as_properties(),
        user_name: Some(Text::new("guest").unwrap()),
        password: Some(Secret(Binary::new(b"guest").unwrap())),
        ..connect(Version::V5)
    })]);
    let log = driven.take_log();
    assert!(log[1].contains("login: None"), "{log:?}");
}

#[test]
fn who_has_not_shown_who_it_is_is_refused() {
    let unknown = Refusal::UnknownMechanism {
        mechanism: "X".to_owned(),
    };
    for (refusal, reason) in [
        (unknown, ConnackReason::BadAuthenticationMethod),
        (login_failed(), ConnackReason::NotAuthorized),
        (Refusal::Busy, ConnackReason::ServerBusy),
        (Refusal::ShuttingDown, ConnackReason::ServerUnavailable),
    ] {
        let mut driven = driven([]);
        driven.refusals.push(("Begin", refusal));
        let said = connect_by(&mut driven, "X", None);
        check_ended(&driven, &said, &format!("CONNACK {reason:?}"));
        assert_eq!(driven.take_log().len(), 1, "it is not connected");
    }
    let mut driven = driven([challenge("r")]);
    driven.refusals.push(("Continue", login_failed()));
    connect_by(&mut driven, METHOD, Some("n"));
    let said = auth(&mut driven, AuthReason::ContinueAuthentication, Some("c"));
    check_ended(&driven, &said, "CONNACK NotAuthorized");
    assert_eq!(driven.take_log().len(), 2, "it is not connected");
}

#[test]
fn nothing_but_auth_and_disconnect_comes_before_connack() {
    let list = filters(&[("t", with_qos(Qos::AtMostOnce))]);
    let packets = [
        publish("t", "x", PublishQos::AtMostOnce),
        Packet::Subscribe(proto_mqtt::Subscribe {
            packet_id: id(1),
            properties: Properties::NONE,
            subscriptions: list.as_subscriptions(),
        }),
        Packet::Pingreq,
        Packet::Connect(connect(Version::V5)),
    ];
    for packet in packets {
        let mut driven = driven([challenge("r")]);
        connect_by(&mut driven, METHOD, Some("n"));
        let said = driven.talk(&[packet]);
        check_ended(&driven, &said, "CONNACK ProtocolError");
        assert_eq!(driven.take_log().len(), 1, "{packet:?}");
    }
    let mut malformed = driven([challenge("r")]);
    connect_by(&mut malformed, METHOD, Some("n"));
    malformed.feed(&[0xf1, 0]);
    let said = malformed.take_wire();
    check_ended(&malformed, &said, "CONNACK MalformedPacket");
    // A client that gives up has no will that could be published.
    let mut driven = driven([challenge("r")]);
    let method = method_and_data(METHOD, Some("n"));
    driven.talk(&[Packet::Connect(Connect {
        properties: method.as_properties(),
        will: Some(Will {
            qos: Qos::AtMostOnce,
            retain: false,
            properties: Properties::NONE,
            topic: name("w"),
            payload: Binary::default(),
        }),
        ..connect(Version::V5)
    })]);
    let disconnect = Disconnect {
        reason: DisconnectReason::DisconnectWithWillMessage,
        properties: Properties::NONE,
    };
    assert!(driven.talk(&[Packet::Disconnect(disconnect)]).is_empty());
    assert!(driven.out.is_closing() && driven.published.is_empty());
}

#[test]
fn an_auth_of_another_method_or_out_of_order_is_refused() {
    for (method, reason) in [
        ("PLAIN", AuthReason::ContinueAuthentication),
        (METHOD, AuthReason::ReAuthenticate),
    ] {
        let mut driven = driven([challenge("r")]);
        connect_by(&mut driven, METHOD, Some("n"));
        let said = auth_by(&mut driven, method, reason, Some("c"));
        check_ended(&driven, &said, "CONNACK ProtocolError");
        let mut driven = opened([challenge("r")]);
        let said = match method {
            METHOD => auth(&mut driven, AuthReason::ContinueAuthentication, None),
            other => auth_by(&mut driven, other, AuthReason::ReAuthenticate, None),
        };
        check_ended(&driven, &said, "DISCONNECT ProtocolError");
    }
    // Without a method in CONNECT there is none.
    let mut driven = Driven::connected(Version::V5);
    let said = auth(&mut driven, AuthReason::ReAuthenticate, None);
    check_ended(&driven, &said, "DISCONNECT ProtocolError");
}

#[test]
fn a_client_has_the_time_of_connect_to_show_who_it_is() {
    let mut driven = driven([challenge("r")]);
    driven.wait(Duration::from_secs(4));
    connect_by(&mut driven, METHOD, Some("n"));
    assert_eq!(driven.wait_for_deadline(), Some(Duration::from_secs(6)));
    assert!(driven.out.is_closing() && driven.take_wire().is_empty());
}

#[test]
fn a_client_may_show_again_who_it_is_while_all_else_goes_on() {
    let mut driven = opened([challenge("r=2"), authenticated("v=2")]);
    let said = auth(&mut driven, AuthReason::ReAuthenticate, Some("n"));
    let asked = "AUTH ContinueAuthentication [AuthenticationMethod(\"SCRAM-SHA-256\"), \
        AuthenticationData(\"r=2\")]";
    assert_eq!(said, [asked]);
    let puback = driven.talk(&[publish("t", "x", PublishQos::AtLeastOnce(id(1)))]);
    assert_eq!(puback, ["PUBACK 1 Success"]);
    let said = auth(&mut driven, AuthReason::ContinueAuthentication, Some("c"));
    let told = "AUTH Success [AuthenticationMethod(\"SCRAM-SHA-256\"), \
        AuthenticationData(\"v=2\")]";
    assert_eq!(said, [told]);
    assert_eq!(driven.talk(&[Packet::Pingreq]), ["PINGRESP"]);
    // One that comes before the broker has answered another is out of order.
    let properties = method_and_data(METHOD, Some("n"));
    let again = Packet::Auth(Auth {
        reason: AuthReason::ReAuthenticate,
        properties: properties.as_properties(),
    });
    let said = driven.say(&[again, again]);
    check_ended(&driven, &said, "DISCONNECT ProtocolError");
}

#[test]
fn who_does_not_show_again_who_it_is_is_disconnected() {
    let mut driven = opened([challenge("r")]);
    auth(&mut driven, AuthReason::ReAuthenticate, Some("n"));
    driven.refusals.push(("Continue", login_failed()));
    let said = auth(&mut driven, AuthReason::ContinueAuthentication, Some("c"));
    check_ended(&driven, &said, "DISCONNECT NotAuthorized");
}

#[test]
fn a_challenge_that_is_too_long_for_the_client_is_not_sent() {
    let mut driven = driven([challenge(&"r".repeat(50))]);
    let mut asking = properties(&[Property::MaximumPacketSize(40.try_into().unwrap())]);
    asking.push(Property::AuthenticationMethod(Text::new(METHOD).unwrap()));
    let said = driven.talk(&[Packet::Connect(Connect {
        properties: asking.as_properties(),
        ..connect(Version::V5)
    })]);
    check_ended(&driven, &said, "CONNACK PacketTooLarge");
}
