//! What is written in a dialect is read there as what it was.

use broker_api::Field;
use conversion::{Column, HeaderDialect, Reading, TABLE, put_header, put_property};
use model::{Dialect, Envelope, Persistence, Property, Value};
use proptest::collection::vec;
use proptest::prelude::{Just, any, prop_oneof, proptest};
use proptest::strategy::{BoxedStrategy, Strategy};

/// Headers of visible ASCII, in which `taken` belongs to the server.
struct Narrow;

impl HeaderDialect for Narrow {
    fn column(&self) -> Column {
        Column::Mqtt5
    }

    fn spells_name(&self, name: &[u8]) -> bool {
        !name.is_empty() && self.spells_value(name)
    }

    fn spells_value(&self, value: &[u8]) -> bool {
        value.iter().all(u8::is_ascii_graphic)
    }

    fn is_taken(&self, name: &[u8], _value: &[u8]) -> bool {
        name == b"taken"
    }

    fn says(&self, property: Property, value: &[u8]) -> bool {
        property != Property::ContentType || !self.spells_value(value)
    }

    fn agrees(&self, property: Property, _value: &Value<'_>, envelope: &Envelope) -> bool {
        property != Property::Expiration || envelope.ttl_ms.is_some()
    }
}

type Lines = Vec<(Vec<u8>, Vec<u8>)>;

fn envelope() -> Envelope {
    Envelope {
        ttl_ms: Some(1),
        ..Envelope::new(Dialect::Mqtt5, Persistence::Transient)
    }
}

fn read(lines: &Lines) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let mut take = |field| fields.push(field);
    let mut reading = Reading::new(&Narrow, envelope(), &mut take);
    for (name, value) in lines {
        reading.header(name.into(), value.into());
    }
    reading.finish();
    fields
}

fn written(fields: &[Field<'_>]) -> Lines {
    let mut lines = Lines::new();
    let mut put = |name: &[u8], value: &[u8]| {
        assert!(
            Narrow.spells_name(name) && Narrow.spells_value(value),
            "{name:?}"
        );
        lines.push((name.to_vec(), value.to_vec()));
    };
    for field in fields {
        match field {
            Field::Property(property, value) => put_property(&Narrow, *property, value, &mut put),
            Field::Header(name, value) => put_header(&Narrow, name, value, &mut put),
        }
    }
    lines
}

/// The properties, then the headers in their order.
fn sorted(mut fields: Vec<Field<'_>>) -> Vec<Field<'_>> {
    fields.sort_by_key(|field| match field {
        Field::Property(property, _) => (0, Some(*property)),
        Field::Header(_, _) => (1, None),
    });
    fields
}

fn check(lines: &[(&str, &str)], expected: &[Field<'_>]) {
    let bytes = |text: &str| text.as_bytes().to_vec();
    let lines = lines
        .iter()
        .map(|(name, value)| (bytes(name), bytes(value)));
    let lines: Lines = lines.collect();
    assert_eq!(read(&lines), expected);
    let again = written(expected);
    let again = read(&again);
    assert_eq!(
        sorted(again.clone()),
        sorted(expected.to_vec()),
        "{again:?}"
    );
}

fn header<'a>(name: &'a str, value: Value<'a>) -> Field<'a> {
    Field::Header(name.as_bytes().into(), value)
}

#[test]
fn headers_are_what_they_say() {
    let five = || Field::Property(Property::Priority, Value::Integer(5));
    check(
        &[("a", "1"), ("a", "2")],
        &[header("a", Value::text("1")), header("a", Value::text("2"))],
    );
    // The first says it, the second is a header.
    check(
        &[("priority", "5"), ("priority", "6")],
        &[five(), header("priority", Value::text("6"))],
    );
    check(
        &[("x-header-priority", "6"), ("priority", "5")],
        &[header("priority", Value::text("6")), five()],
    );
    // Not of its kind.
    check(
        &[("priority", "256")],
        &[header("priority", Value::text("256"))],
    );
    // The prefix is taken away only where it was needed.
    check(
        &[("x-header-a", "1"), ("x-header-priority", "low")],
        &[
            header("x-header-a", Value::text("1")),
            header("x-header-priority", Value::text("low")),
        ],
    );
    check(
        &[("x-header-x-header-priority", "5")],
        &[header("x-header-priority", Value::text("5"))],
    );
    check(
        &[("x-header-taken", "")],
        &[header("taken", Value::text(""))],
    );
}

#[test]
fn what_cannot_be_spelled_is_in_base64() {
    check(
        &[
            ("x-base64-a", "IA=="),
            ("x-base64", "IA==.YQ=="),
            ("x-base64", "."),
        ],
        &[
            header("a", Value::text(" ")),
            header(" ", Value::text("a")),
            header("", Value::text("")),
        ],
    );
    let type_of = Field::Property(Property::ContentType, Value::text("\u{e4}"));
    check(&[("x-base64-content-type", "w6Q=")], &[type_of]);
    // A plain one goes before, wherever it stands.
    check(
        &[
            ("x-base64-type", "IA=="),
            ("x-base64-type", "IA=="),
            ("type", "a"),
        ],
        &[
            header("type", Value::text(" ")),
            Field::Property(Property::Type, Value::text("a")),
            header("type", Value::text(" ")),
        ],
    );
    // Not needed, or not in base64.
    check(
        &[
            ("x-base64-a", "YQ=="),
            ("x-base64-a", "?"),
            ("x-base64", "YQ==.YQ=="),
            ("x-base64", ""),
        ],
        &[
            header("x-base64-a", Value::text("YQ==")),
            header("x-base64-a", Value::text("?")),
            header("x-base64", Value::text("YQ==.YQ==")),
            header("x-base64", Value::text("")),
        ],
    );
    check(
        &[("x-header-x-base64-a", "IA==")],
        &[header("x-base64-a", Value::text("IA=="))],
    );
}

#[test]
fn values_keep_their_types() {
    check(
        &[
            ("x-typed-a", "integer"),
            ("a", "5"),
            ("x-typed-b", "void"),
            ("b", ""),
        ],
        &[header("a", Value::Integer(5)), header("b", Value::Void)],
    );
    check(
        &[
            ("x-typed-x-header-priority", "integer"),
            ("x-header-priority", "5"),
        ],
        &[header("priority", Value::Integer(5))],
    );
    // No such header follows: the mark is a header.
    check(
        &[("x-typed-a", "integer"), ("b", "5"), ("x-typed-c", "float")],
        &[
            header("x-typed-a", Value::text("integer")),
            header("b", Value::text("5")),
            header("x-typed-c", Value::text("float")),
        ],
    );
    check(
        &[("x-typed-a", "integer"), ("a", "five")],
        &[
            header("x-typed-a", Value::text("integer")),
            header("a", Value::text("five")),
        ],
    );
    check(
        &[("x-typed-priority", "integer"), ("priority", "5")],
        &[
            header("x-typed-priority", Value::text("integer")),
            Field::Property(Property::Priority, Value::Integer(5)),
        ],
    );
}

#[test]
fn what_is_not_true_is_a_header() {
    let mut fields = Vec::new();
    let mut take = |field| fields.push(field);
    let envelope = Envelope::new(Dialect::Mqtt5, Persistence::Transient);
    let mut reading = Reading::new(&Narrow, envelope, &mut take);
    reading.native(Property::Priority, Value::Integer(1));
    reading.header(b"priority".into(), b"5".into());
    reading.header(b"expiration".into(), b"5".into());
    reading.finish();
    assert_eq!(
        fields,
        [
            Field::Property(Property::Priority, Value::Integer(1)),
            header("priority", Value::text("5")),
            header("expiration", Value::text("5")),
        ]
    );
}

fn text() -> BoxedStrategy<Vec<u8>> {
    let mut known: Vec<&str> = TABLE
        .iter()
        .filter_map(|row| row.cell(Column::Mqtt5).header())
        .collect();
    known.extend([
        "a",
        "taken",
        "5",
        "true",
        "text",
        "/queues/a",
        "integer",
        "opaque",
        "YQ==",
        "IA==",
    ]);
    let prefix = prop_oneof![
        4 => Just(String::new()),
        1 => "(x-header-|x-base64-|x-typed-|x-base64|IA==\\.){1,3}",
    ];
    let word = prop_oneof![
        4 => proptest::sample::select(known).prop_map(|text| text.as_bytes().to_vec()),
        1 => vec(any::<u8>(), 0..4),
    ];
    (prefix, word)
        .prop_map(|(prefix, word)| [prefix.into_bytes(), word].concat())
        .boxed()
}

fn value() -> BoxedStrategy<Value<'static>> {
    prop_oneof![
        4 => text().prop_map(|text| Value::Text(text.into())),
        1 => Just(Value::Void),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i128>().prop_map(Value::Integer),
        1 => any::<f64>().prop_filter("NaNs are many", |it| !it.is_nan()).prop_map(Value::float),
        1 => vec(any::<u8>(), 0..4).prop_map(|bytes| Value::Opaque(bytes.into())),
    ]
    .boxed()
}

proptest! {
    #[test]
    fn any_headers_are_read_as_they_were_written(headers in vec((text(), value()), 0..6)) {
        let headers: Vec<_> = headers
            .into_iter()
            .map(|(name, value)| Field::Header(name.into(), value))
            .collect();
        assert_eq!(read(&written(&headers)), headers);
    }

    #[test]
    fn whatever_is_read_is_read_again(lines in vec((text(), text()), 0..8)) {
        let fields = read(&lines);
        assert_eq!(sorted(read(&written(&fields))), sorted(fields));
    }
}
