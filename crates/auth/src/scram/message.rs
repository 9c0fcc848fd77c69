//! The parts of messages: RFC 5802 §7.

use crate::excerpt::Excerpt;
use crate::scram::ScramError;
use data_encoding::BASE64;

/// The longest message, in bytes: a name and an authorization id of escapes alone, and all else,
/// fit.
pub const MESSAGE_BYTES_MAX: usize = 2_048;

/// The longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// The text of a message within the limit.
pub(super) fn text(message: &[u8]) -> Result<&str, ScramError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(ScramError::TooLong { len: message.len() });
    }
    std::str::from_utf8(message).map_err(|_| ScramError::NotUtf8)
}

/// The value of the attribute that must be next.
pub(super) fn attribute<'a>(
    parts: &mut impl Iterator<Item = &'a str>,
    letter: char,
) -> Result<&'a str, ScramError> {
    let part = parts.next().unwrap_or_default();
    let value = part
        .strip_prefix(letter)
        .and_then(|it| it.strip_prefix('='));
    value.ok_or_else(|| ScramError::Attribute {
        expected: letter,
        // No more than its own letter: what follows may be meant for nobody's eyes.
        found: Excerpt::of(&part.as_bytes()[..part.len().min(2)]),
    })
}

pub(super) fn base64(letter: char, value: &str) -> Result<Vec<u8>, ScramError> {
    let decoded = BASE64.decode(value.as_bytes());
    decoded.map_err(|_| ScramError::Base64(letter))
}

/// The 32 bytes that a proof or a signature has.
pub(super) fn key(letter: char, value: &str) -> Result<super::Key, ScramError> {
    let bytes = base64(letter, value)?;
    let len = bytes.len();
    bytes
        .try_into()
        .map_err(|_| ScramError::ProofLength { len })
}

/// A name from its spelling: RFC 5802 §5.1.
pub(super) fn decode_name(spelled: &str) -> Result<String, ScramError> {
    let mut name = String::with_capacity(spelled.len());
    let mut parts = spelled.split('=');
    name.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (letter, behind) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(behind), _) => (',', behind),
            (_, Some(behind)) => ('=', behind),
            (None, None) => return Err(ScramError::NameEncoding),
        };
        name.push(letter);
        name.push_str(behind);
    }
    if name.len() > NAME_BYTES_MAX {
        return Err(ScramError::LongName { len: name.len() });
    }
    Ok(name)
}

/// The spelling of a name: RFC 5802 §5.1.
pub(super) fn encode_name(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::proptest;

    #[test]
    fn names_are_spelled_without_commas() {
        let check = |spelled: &str, expected: Result<&str, ScramError>| {
            let decoded = decode_name(spelled);
            assert_eq!(decoded, expected.map(str::to_owned), "{spelled}");
        };
        check("user", Ok("user"));
        check("a=2Cb=3Dc", Ok("a,b=c"));
        check("=3D2C", Ok("=2C"));
        check("=2C=2C", Ok(",,"));
        check("a=", Err(ScramError::NameEncoding));
        check("a==3D", Err(ScramError::NameEncoding));
        check("a=2c", Err(ScramError::NameEncoding));
        check("a=41", Err(ScramError::NameEncoding));
        check(&"n".repeat(256), Err(ScramError::LongName { len: 256 }));
        // The limit is of the name, not of its spelling.
        let commas = ",".repeat(255);
        check(&"=2C".repeat(255), Ok(&commas));
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_was_spelled(name in "([a-z=,]|\\PC){0,40}") {
            let spelled = encode_name(&name);
            assert!(!spelled.contains(','));
            assert_eq!(decode_name(&spelled), Ok(name));
        }
    }
}
