//! Tables: what is read is what stands there, and nothing deep or cut off is let in.

use bytes::BytesMut;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;
use proto_amqp091::{Array, FieldValue, NESTING_MAX, ShortStr, Table, TableBuf};

/// A value with content of its own.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    Plain(u8, Vec<u8>),
    Counted(u8, Vec<u8>),
    Table(Vec<(Vec<u8>, Self)>),
    Array(Vec<Self>),
}

impl Tree {
    fn put(&self, bytes: &mut Vec<u8>) {
        let (tag, inner) = match self {
            Self::Plain(tag, value) => {
                bytes.push(*tag);
                bytes.extend(value);
                return;
            }
            Self::Counted(tag, value) => (*tag, value.clone()),
            Self::Table(fields) => (b'F', table_bytes(fields)),
            Self::Array(values) => {
                let mut inner = Vec::new();
                values.iter().for_each(|it| it.put(&mut inner));
                (b'A', inner)
            }
        };
        bytes.push(tag);
        bytes.extend(u32::try_from(inner.len()).unwrap().to_be_bytes());
        bytes.extend(inner);
    }

    /// As the crate reads it.
    fn of(value: &FieldValue<'_>) -> Self {
        let plain = |bytes: &[u8]| Self::Plain(value.tag(), bytes.to_vec());
        match value {
            FieldValue::Boolean(it) => plain(&[u8::from(*it)]),
            FieldValue::SignedByte(it) => plain(&it.to_be_bytes()),
            FieldValue::UnsignedByte(it) => plain(&[*it]),
            FieldValue::SignedShort(it) => plain(&it.to_be_bytes()),
            FieldValue::UnsignedShort(it) => plain(&it.to_be_bytes()),
            FieldValue::SignedInt(it) => plain(&it.to_be_bytes()),
            FieldValue::UnsignedInt(it) => plain(&it.to_be_bytes()),
            FieldValue::SignedLong(it) => plain(&it.to_be_bytes()),
            FieldValue::Float(it) => plain(&it.to_be_bytes()),
            FieldValue::Double(it) => plain(&it.to_be_bytes()),
            FieldValue::Decimal { scale, value } => {
                plain(&[&[*scale][..], &value.to_be_bytes()].concat())
            }
            FieldValue::Timestamp(it) => plain(&it.to_be_bytes()),
            FieldValue::Void => plain(&[]),
            FieldValue::LongString(it) | FieldValue::Bytes(it) => {
                Self::Counted(value.tag(), it.to_vec())
            }
            FieldValue::Table(it) => Self::Table(fields_of(*it)),
            FieldValue::Array(it) => Self::Array(it.iter().map(|it| Self::of(&it)).collect()),
        }
    }
}

pub(crate) fn table_bytes(fields: &[(Vec<u8>, Tree)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in fields {
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend(name);
        value.put(&mut bytes);
    }
    bytes
}

fn fields_of(table: Table<'_>) -> Vec<(Vec<u8>, Tree)> {
    let owned = |(name, value): (&[u8], FieldValue<'_>)| (name.to_vec(), Tree::of(&value));
    table.iter().map(owned).collect()
}

fn any_tree() -> impl Strategy<Value = Tree> {
    let plain =
        |tag: u8, len: usize| vec(any::<u8>(), len).prop_map(move |bytes| Tree::Plain(tag, bytes));
    let leaf = prop_oneof![
        any::<bool>().prop_map(|it| Tree::Plain(b't', vec![u8::from(it)])),
        prop_oneof![Just(b'b'), Just(b'B')].prop_flat_map(move |tag| plain(tag, 1)),
        prop_oneof![Just(b's'), Just(b'u')].prop_flat_map(move |tag| plain(tag, 2)),
        prop_oneof![Just(b'I'), Just(b'i')].prop_flat_map(move |tag| plain(tag, 4)),
        plain(b'D', 5),
        prop_oneof![Just(b'l'), Just(b'T')].prop_flat_map(move |tag| plain(tag, 8)),
        any::<i16>().prop_map(|it| Tree::Plain(b'f', f32::from(it).to_be_bytes().into())),
        any::<i32>().prop_map(|it| Tree::Plain(b'd', f64::from(it).to_be_bytes().into())),
        Just(Tree::Plain(b'V', Vec::new())),
        (prop_oneof![Just(b'S'), Just(b'x')], vec(any::<u8>(), 0..20))
            .prop_map(|(tag, bytes)| Tree::Counted(tag, bytes)),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Tree::Array),
            vec((vec(any::<u8>(), 0..9), inner), 0..6).prop_map(Tree::Table),
        ]
    })
}

pub(crate) fn any_fields() -> impl Strategy<Value = Vec<(Vec<u8>, Tree)>> {
    vec((vec(any::<u8>(), 0..9), any_tree()), 0..6)
}

proptest! {
    #[test]
    fn what_is_read_is_what_stands_there(fields in any_fields()) {
        let bytes = table_bytes(&fields);
        let table = Table::new(&bytes).unwrap();
        assert_eq!(fields_of(table), fields);
        let mut written = TableBuf::new();
        for (name, value) in table.iter() {
            written.push(ShortStr::new(name).unwrap(), &value);
        }
        assert_eq!(written.as_table().unwrap(), table);
        let first = fields.first().map(|(name, _)| name.clone());
        let name = first.unwrap_or_default();
        let expected = fields.iter().find(|(it, _)| *it == name);
        let found = table.find(&name).map(|it| Tree::of(&it));
        assert_eq!(found, expected.map(|(_, value)| value.clone()));
    }

    /// A table that is cut off is none, unless it ends between two of its fields.
    #[test]
    fn none_is_cut_off(fields in any_fields(), cut in any::<Index>()) {
        let bytes = table_bytes(&fields);
        let len = cut.index(bytes.len() + 1);
        let borders = (0..=fields.len()).map(|count| table_bytes(&fields[..count]).len());
        let is_border = borders.into_iter().any(|it| it == len);
        assert_eq!(Table::new(&bytes[..len]).is_ok(), is_border);
    }

    /// Whatever bytes there are: an error, or a table that is read to its end.
    #[test]
    fn any_bytes_are_a_table_or_none(bytes in vec(any::<u8>(), 0..60)) {
        if let Ok(table) = Table::new(&bytes) {
            assert_eq!(table_bytes(&fields_of(table)).len(), bytes.len());
        }
        if let Ok(array) = Array::new(&bytes) {
            let mut written = TableBuf::new();
            array.iter().for_each(|it| written.push_value(&it));
            assert_eq!(written.as_array().unwrap().as_bytes().len(), bytes.len());
        }
    }
}

/// So many arrays within each other, in a table.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = b"\x04deep".to_vec();
    for left in (0..depth - 1).rev() {
        bytes.push(b'A');
        bytes.extend(u32::try_from(left * 5).unwrap().to_be_bytes());
    }
    bytes
}

#[test]
fn they_are_no_deeper_than_the_limit() {
    assert!(Table::new(&nested(NESTING_MAX)).is_ok());
    let error = Table::new(&nested(NESTING_MAX + 1)).unwrap_err();
    let expected = "has tables and arrays within each other deeper than 16 at byte 80";
    assert_eq!(error.to_string(), expected);
    assert!(Table::new(&nested(20_000)).is_err());
}

#[test]
fn errors_tell_where() {
    let check = |bytes: &[u8], expected: &str| {
        assert_eq!(Table::new(bytes).unwrap_err().to_string(), expected);
    };
    check(b"\x05abc", "ends within what begins at byte 0");
    check(b"\x01a", "ends within what begins at byte 0");
    check(b"\x01aV\x01bI\0\0\0", "ends within what begins at byte 3");
    check(b"\x01aS\0\0\0\x05abcd", "ends within what begins at byte 0");
    check(
        b"\x01aS\xff\xff\xff\xff",
        "ends within what begins at byte 0",
    );
    check(
        b"\x01aF\0\0\0\x03\x01bI\0\0\0\0",
        "ends within what begins at byte 7",
    );
    check(
        b"\x01aL12345678",
        "has a value of the unknown type 0x4c at byte 2",
    );
    // An array may not reach beyond the table that it stands in, though there are more bytes.
    let beyond = b"\x01aF\0\0\0\x08\x01bA\0\0\0\x0aVVVVVVVVVV";
    check(beyond, "ends within what begins at byte 7");
    // The errata: `s` and `l` are numbers, not a short string and an unsigned one.
    let table = Table::new(b"\x01as\xff\xff\x01bl\xff\xff\xff\xff\xff\xff\xff\xff").unwrap();
    assert_eq!(table.find(b"a"), Some(FieldValue::SignedShort(-1)));
    assert_eq!(table.find(b"b"), Some(FieldValue::SignedLong(-1)));
    assert_eq!(table.find(b"c"), None);
}

#[test]
fn a_list_is_put_together() {
    let mut inner = TableBuf::new();
    inner.push(ShortStr::new(b"n").unwrap(), &FieldValue::Boolean(true));
    let mut array = TableBuf::new();
    array.push_value(&FieldValue::Table(inner.as_table().unwrap()));
    let mut outer = TableBuf::new();
    let value = FieldValue::Array(array.as_array().unwrap());
    outer.push(ShortStr::new(b"o").unwrap(), &value);
    let expected = b"\x01oA\0\0\0\x09F\0\0\0\x04\x01nt\x01";
    assert_eq!(outer.as_table().unwrap().as_bytes(), expected);
    assert!(outer.as_array().is_err());
    assert!(Table::EMPTY.is_empty());
    let mut buffer = BytesMut::new();
    buffer.extend_from_slice(Table::EMPTY.as_bytes());
    assert!(buffer.is_empty());
}
