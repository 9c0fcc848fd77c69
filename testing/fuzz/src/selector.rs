//! Any text as a selector, against any properties.

use crate::input::Input;
use selector::{Limits, Properties, Selector, Value};

/// The most properties that are read.
const PROPERTIES_MAX: usize = 8;

/// Some of the properties' names, so that a text can name them.
const NAMES: [&str; 8] = ["a", "b", "c", "d", "JMSPriority", "e-f", "g h", "\u{e9}"];

/// Parses a text and, if it is a selector, evaluates it: it says the same twice, so does what is parsed from its
/// own text, and of it and its opposite at most one is true.
///
/// Bytes: 1, how many properties there are (above 7: none); of each 1, its type (0 text, 1 integer, 2 float,
/// 3 truth value, 4 none), and 8, its value (of a text: the length in the first, at most 7 bytes); the text. Bit 7
/// of the first asks for small limits.
///
/// # Panics
/// When one of these promises is broken.
pub fn selector(data: &[u8]) {
    let mut input = Input::new(data);
    let options = input.u8();
    let count = usize::from(options & 0x7F);
    let limits = if options & 0x80 == 0 {
        Limits::default()
    } else {
        Limits {
            text_bytes_max: 60,
            nodes_max: 8,
            depth_max: 3,
            work_max: 6,
        }
    };
    let count = if count < PROPERTIES_MAX { count } else { 0 };
    let values = (0..count).map(|_| value(&mut input)).collect();
    let known = Known(values);
    let text = String::from_utf8_lossy(input.rest()).into_owned();
    let parsed = match Selector::parse(&text, &limits) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(text.len() <= limits.text_bytes_max);
    let is_match = parsed.matches(&known);
    assert!(parsed.evaluate(&known).work <= limits.work_max);
    assert_eq!(is_match, parsed.matches(&known), "it says the same twice");
    assert_eq!(parsed.text(), text);
    let again = Selector::parse(parsed.text(), &limits).expect("it was parsed before");
    assert_eq!(is_match, again.matches(&known));
    let opposite = Selector::parse(&format!("NOT ({text})"), &Limits::default());
    if let Ok(opposite) = opposite {
        let both = is_match && opposite.matches(&known);
        assert!(!both || text.contains(':'), "it and its opposite are true");
    }
}

fn value(input: &mut Input<'_>) -> Option<Value<'static>> {
    let kind = input.u8();
    let number = input.u64();
    match kind % 5 {
        0 => {
            let bytes = number.to_le_bytes();
            let [length, text @ ..] = &bytes;
            let text = &text[..usize::from(*length).min(text.len())];
            let text = String::from_utf8_lossy(text).into_owned();
            Some(Value::Text(text.into()))
        }
        1 => Some(Value::Integer(number.cast_signed())),
        2 => Some(Value::Float(f64::from_bits(number))),
        3 => Some(Value::Boolean(number != 0)),
        _ => None,
    }
}

/// Properties under the first of the names.
struct Known(Vec<Option<Value<'static>>>);

impl Properties for Known {
    fn value(&self, name: &str) -> Option<Value<'_>> {
        let at = NAMES.iter().position(|known| *known == name)?;
        self.0.get(at)?.clone()
    }
}
