//! Row by row: what the table says is what both protocols do.

use super::bridge::{Said, amqp_properties, heads, through_amqp, through_mqtt, through_stomp};
use super::seen::{V12, from_stomp, shown};
use conversion::{Cell, Column, Kind, Row, TABLE};
use model::{Message, Property, Value};
use proto_amqp091::{Properties, Table};
use proto_mqtt::PropertyKind;

fn sample(row: &Row) -> &'static str {
    match row.kind {
        Kind::Text | Kind::Bytes => "some",
        Kind::Integer(_, _) => "2",
        Kind::Truth => "true",
        Kind::Word(words) => words[0],
        Kind::Address => "/queues/q",
    }
}

/// The names that MQTT has for what it says natively beside properties.
const FLAGS: [&str; 3] = ["QoS 1 or 2", "QoS 2", "RETAIN"];

#[test]
fn every_row_is_what_both_protocols_do() {
    for row in TABLE {
        let value = sample(row);
        let (lines, is_topic) = match row.cell(Column::Stomp) {
            Cell::Header(name) | Cell::Carrier(name) => (format!("{name}:{value}\n"), false),
            Cell::NativeOr(_, name) if row.property != Property::ReplyTo => {
                (format!("{name}:{value}\n"), false)
            }
            Cell::NativeOr(name, _) | Cell::Native(name) => (format!("{name}:/topic/q\n"), true),
            Cell::Nothing => panic!("{:?} is not STOMP's", row.property),
        };
        let is_envelopes = row.property == Property::Assurance;
        let lines = format!(
            "{lines}{}",
            if is_envelopes {
                "persistent:true\n"
            } else {
                ""
            }
        );
        let first = from_stomp(V12, &lines);
        let shown = shown(&first);
        match row.cell(Column::Mqtt5) {
            Cell::Carrier(name) => {
                assert_eq!(shown, format!("UserProperty({name:?}, {value:?})\n"));
            }
            Cell::Native(name) | Cell::NativeOr(name, _) if !FLAGS.contains(&name) => {
                let kinds = PropertyKind::ALL.iter();
                let kind = kinds.copied().find(|kind| kind.name() == name).unwrap();
                // The session writes it, for it counts down.
                if kind != PropertyKind::MessageExpiryInterval {
                    assert!(shown.starts_with(&format!("{kind:?}(")), "{shown}");
                    assert!(is_topic || shown.lines().count() == 1, "{shown}");
                }
            }
            Cell::Native(_) | Cell::NativeOr(_, _) => assert_eq!(shown, ""),
            Cell::Header(_) | Cell::Nothing => panic!("{:?} is not MQTT's", row.property),
        }
        let back = through_stomp(V12, &through_mqtt(&first));
        assert_eq!(Said::by(&back), Said::by(&first), "{:?}", row.property);
        assert_eq!(back.envelope().persistence, first.envelope().persistence);
    }
}

#[test]
fn readers_of_a_property_need_not_know_the_protocol() {
    for row in TABLE {
        // Each as its protocol spells it.
        if matches!(
            row.property,
            Property::Destination | Property::ReplyTo | Property::ReplyToSpelling
        ) {
            continue;
        }
        let Some(name) = row.cell(Column::Stomp).header() else {
            continue;
        };
        let lines = format!("persistent:true\n{name}:{}\n", sample(row));
        let first = from_stomp(V12, &lines);
        let of = |message: &Message| {
            let reader = heads(message.envelope().dialect);
            reader
                .property(message, row.property)
                .map(Value::into_owned)
        };
        let found = of(&first);
        assert!(found.is_some(), "{:?}", row.property);
        // The session puts it into the envelope.
        if !matches!(row.property, Property::Priority | Property::Expiration) {
            assert_eq!(of(&through_mqtt(&first)), found, "{:?}", row.property);
        }
    }
}

#[test]
fn every_row_is_what_amqp_does() {
    for row in TABLE {
        // Addresses are told as queues or not at all.
        if row.property == Property::ReplyTo {
            continue;
        }
        let Some(name) = row.cell(Column::Stomp).header() else {
            continue;
        };
        let value = if row.property == Property::Destination {
            "topic://a.b/c"
        } else {
            sample(row)
        };
        let first = from_stomp(V12, &format!("persistent:true\n{name}:{value}\n"));
        let properties = amqp_properties(&first);
        let list = Properties::new(&properties).unwrap().fields();
        let headers = list.headers.unwrap_or(Table::EMPTY);
        match row.cell(Column::Amqp091) {
            Cell::Native(name) | Cell::NativeOr(name, _) if row.property != Property::UserId => {
                let said = format!("{}: Some(", name.replace('-', "_"));
                assert!(format!("{list:?}").contains(&said), "{said}, {list:?}");
            }
            Cell::Carrier(name) | Cell::NativeOr(_, name) => {
                let said = headers.find(name.as_bytes());
                assert!(said.is_some(), "{name}, {headers:?}");
            }
            Cell::Native(_) | Cell::Header(_) | Cell::Nothing => {
                panic!("{:?} is not AMQP's", row.property)
            }
        }
        let back = through_stomp(V12, &through_amqp(&first));
        assert_eq!(Said::by(&back), Said::by(&first), "{:?}", row.property);
    }
}
