//! Properties.

use crate::pair::property;
use proptest::prelude::*;
use zmtp::{Metadata, MetadataBuf, MetadataError};

#[test]
fn names_are_found_in_any_case() {
    let bytes = [
        property("Socket-Type", b"REQ"),
        property("X-Color", b"red"),
        property("x-color", b"blue"),
        property("Resource", b""),
    ];
    let bytes = bytes.concat();
    let metadata = Metadata::read(&bytes).unwrap();
    assert_eq!(metadata.value("sOCKET-tYPE"), Some(&b"REQ"[..]));
    assert_eq!(metadata.value("X-COLOR"), Some(&b"red"[..]));
    assert_eq!(metadata.value("Resource"), Some(&b""[..]));
    assert_eq!(metadata.value("Identity"), None);
    assert_eq!(metadata.iter().count(), 4);
    assert_eq!(metadata.as_bytes(), bytes);
}

#[test]
fn malformed_ones_are_refused() {
    let rows: [(&[u8], MetadataError); 8] = [
        (b"\x05ab", MetadataError::CutOff),
        (b"\x02ab", MetadataError::CutOff),
        (b"\x02ab\0\0\0", MetadataError::CutOff),
        (b"\x02ab\0\0\0\x03xy", MetadataError::CutOff),
        (b"\x02ab\xff\xff\xff\xff", MetadataError::Value(u32::MAX)),
        (b"\x02ab\x80\0\0\0", MetadataError::Value(1 << 31)),
        (b"\0\0\0\0\0", MetadataError::Name),
        (b"\x03a b\0\0\0\0", MetadataError::Name),
    ];
    for (bytes, error) in rows {
        assert_eq!(Metadata::read(bytes), Err(error), "{bytes:?}");
    }
    let behind = [property("A", b"1"), b"\x01".to_vec()].concat();
    assert_eq!(Metadata::read(&behind), Err(MetadataError::CutOff));
}

#[test]
fn only_names_are_written() {
    let mut buffer = MetadataBuf::default();
    for name in ["", "with space", "ü", &"x".repeat(256)] {
        assert_eq!(buffer.push(name, b""), Err(MetadataError::Name));
    }
    assert_eq!(buffer.as_bytes(), b"");
    buffer.push("aZ09-_.+", b"value").unwrap();
    assert_eq!(buffer.as_bytes(), b"\x08aZ09-_.+\0\0\0\x05value");
}

proptest! {
    #[test]
    fn any_bytes_are_some_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(metadata) = Metadata::read(&bytes) {
            let mut buffer = MetadataBuf::default();
            for (name, value) in metadata.iter() {
                buffer.push(std::str::from_utf8(name).unwrap(), value).unwrap();
            }
            prop_assert_eq!(buffer.as_bytes(), &bytes[..]);
        }
    }
}
