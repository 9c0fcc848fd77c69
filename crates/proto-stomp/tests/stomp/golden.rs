//! What real clients send, captured, against a text of what is read from it.
//!
//! `UPDATE_GOLDEN=1 cargo test -p proto-stomp golden` writes the texts anew.

use crate::scripted_broker::{Driven, message};
use proto_stomp::{Codec, Limits, Version};
use std::fmt::Write as _;
use std::path::Path;

#[test]
fn stomp_py_10() {
    check("stomp_py_10", Version::V10);
}

#[test]
fn stomp_py_11() {
    check("stomp_py_11", Version::V11);
}

#[test]
fn stomp_py_12() {
    check("stomp_py_12", Version::V12);
}

#[test]
fn net_stomp_10() {
    check("net_stomp_10", Version::V10);
}

fn check(name: &str, version: Version) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let input = std::fs::read(folder.join(name).with_extension("bin")).unwrap();
    let text = format!("{}{}", frames(&input, version), conversation(&input));
    let expected = folder.join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&expected).unwrap());
}

/// The frames, as the codec reads them.
fn frames(input: &[u8], version: Version) -> String {
    let mut codec = Codec::new(Limits::default());
    let mut text = String::from("frames:\n");
    let mut at = 0;
    while at < input.len() {
        let decoded = codec.decode(&input[at..]).unwrap();
        at += decoded.consumed;
        let Some(frame) = decoded.frame else { break };
        write!(text, "  {}", frame.command.name()).unwrap();
        for (name, value) in frame.headers() {
            write!(text, " {}:{}", name.escape_ascii(), value.escape_ascii()).unwrap();
        }
        writeln!(text, " [{}]", frame.body.escape_ascii()).unwrap();
        codec.set_version(version);
    }
    text
}

/// What the session makes of them, with two messages ready in every queue.
fn conversation(input: &[u8]) -> String {
    let mut driven = Driven::new();
    driven.ready = (1..=2).map(|n| message("", &n.to_string())).collect();
    driven.feed(input);
    driven.answer_all();
    let mut text = String::from("commands:\n");
    for command in &driven.log {
        writeln!(text, "  {command}").unwrap();
    }
    text.push_str("answers:\n");
    for line in driven
        .wire
        .split_inclusive(|octet| *octet == b'\n' || *octet == 0)
    {
        writeln!(text, "  {}", line.escape_ascii()).unwrap();
    }
    text
}
