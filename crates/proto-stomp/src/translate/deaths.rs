//! The deaths of a message as headers of its MESSAGE.

use crate::Version;
use crate::escape::{Part, put_escaped};
use bytes::{BufMut, BytesMut};
use model::{Death, Deaths};
use std::fmt::Write as _;

/// Appends `x-first-death-queue`, `x-first-death-reason`, `x-first-death-exchange`, and `x-death`: one line
/// of JSON, a list with the latest death first, each
///
/// ```text
/// {"queue":"Q","reason":"R","count":N,"exchange":"X","routing-keys":["K", ...],"time":MS}
/// ```
///
/// with MS in milliseconds since 1970. What is not UTF-8 in a name is replaced. Nothing is appended if the
/// annotations tell of no death.
pub(super) fn put_deaths(buffer: &mut BytesMut, version: Version, annotations: &[u8]) {
    let Some(deaths) = Deaths::decode(annotations) else {
        return;
    };
    let Some(first) = deaths.first() else {
        return;
    };
    let mut put = |name: &[u8], value: &[u8]| {
        buffer.put_slice(name);
        put_escaped(version, Part::Value, value, buffer);
        buffer.put_u8(b'\n');
    };
    put(
        b"x-first-death-queue:",
        String::from_utf8_lossy(&first.queue).as_bytes(),
    );
    put(b"x-first-death-reason:", first.reason.word().as_bytes());
    put(
        b"x-first-death-exchange:",
        String::from_utf8_lossy(&first.exchange).as_bytes(),
    );
    let list: Vec<String> = deaths.iter().map(json).collect();
    put(b"x-death:", format!("[{}]", list.join(",")).as_bytes());
}

fn json(death: &Death) -> String {
    let keys: Vec<String> = death.keys().map(quoted).collect();
    format!(
        r#"{{"queue":{},"reason":"{}","count":{},"exchange":{},"routing-keys":[{}],"time":{}}}"#,
        quoted(&death.queue),
        death.reason.word(),
        death.count,
        quoted(&death.exchange),
        keys.join(","),
        death.time_ms,
    )
}

fn quoted(text: &[u8]) -> String {
    let mut quoted = String::from('"');
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            '\n' => quoted.push_str("\\n"),
            control if control.is_control() && control.is_ascii() => {
                write!(quoted, "\\u{:04x}", u32::from(control)).expect("a string takes all");
            }
            _ => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}
