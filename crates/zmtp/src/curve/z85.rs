//! 32/Z85: octets as text that can be typed.

const ALPHABET: &[u8; 85] =
    b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/// Text of `bytes`, if their number is divisible by 4.
#[must_use]
pub fn encode(bytes: &[u8]) -> Option<String> {
    if !bytes.len().is_multiple_of(4) {
        return None;
    }
    let mut text = String::with_capacity(bytes.len() / 4 * 5);
    for four in bytes.chunks_exact(4) {
        let number = four
            .iter()
            .fold(0, |number, byte| number << 8 | u32::from(*byte));
        for power in [85 * 85 * 85 * 85, 85 * 85 * 85, 85 * 85, 85, 1] {
            text.push(char::from(ALPHABET[(number / power % 85) as usize]));
        }
    }
    Some(text)
}

/// The octets of a text, if it is one: five characters for four octets each, and no more than fits into them.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let text = text.as_bytes();
    if !text.len().is_multiple_of(5) {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 5 * 4);
    for five in text.chunks_exact(5) {
        let mut number: u32 = 0;
        for char in five {
            let digit = ALPHABET.iter().position(|it| it == char)?;
            let digit = u32::try_from(digit).ok()?;
            number = number.checked_mul(85)?.checked_add(digit)?;
        }
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    Some(bytes)
}
