//! Bytes in JSON.

use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What bytes that are no text are called in JSON.
const HEX: &str = "hex";

/// Bytes that are mostly text: a name, a routing key.
///
/// In JSON they are a string where they are UTF-8, else `{"hex":"00ff"}`; both are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text(pub Vec<u8>);

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Text {
    /// For people: what is no text, or would move a terminal's cursor, is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    write!(f, "{character}")?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => {
                let mut map = serializer.serialize_map(Some(1))?;
                map.serialize_entry(HEX, &hex(&self.0))?;
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, or {\"hex\":\"...\"}")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::from(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        hex_entry(&mut map, &[HEX]).map(|(_, bytes)| Text(bytes))
    }
}

/// Reads a map whose only entry has one of these names and bytes in hexadecimal.
pub(crate) fn hex_entry<'de, A: MapAccess<'de>>(
    map: &mut A,
    names: &'static [&'static str],
) -> Result<(&'static str, Vec<u8>), A::Error> {
    let name = map
        .next_key::<String>()?
        .ok_or_else(|| Error::invalid_length(0, &"one entry"))?;
    let name = names
        .iter()
        .find(|known| **known == name)
        .ok_or_else(|| Error::unknown_field(&name, names))?;
    let digits = map.next_value::<String>()?;
    let bytes = unhex(&digits)
        .ok_or_else(|| Error::invalid_value(Unexpected::Str(&digits), &"hexadecimal digits"))?;
    if map.next_key::<String>()?.is_some() {
        return Err(Error::invalid_length(2, &"one entry"));
    }
    Ok((name, bytes))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(value(*high)? << 4 | value(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_back(bytes: Vec<u8>) {
            let text = Text(bytes);
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text);
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_is_expected() {
        for (json, part) in [
            ("7", "expected text"),
            ("{}", "one entry"),
            (r#"{"hexx":"00"}"#, "unknown field `hexx`, expected `hex`"),
            (r#"{"hex":"0"}"#, "hexadecimal digits"),
            (r#"{"hex":"0g"}"#, "hexadecimal digits"),
            (r#"{"hex":"00","hex":"00"}"#, "one entry"),
        ] {
            let error = serde_json::from_str::<Text>(json).unwrap_err().to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
    }

    #[test]
    fn what_is_shown_does_not_steer_a_terminal() {
        assert_eq!(
            Text(b"a\x1b[2J\xffb".to_vec()).to_string(),
            "a\\u{1b}[2J\\xffb"
        );
        assert_eq!(Text::from("größe").to_string(), "größe");
    }
}
