//! Words of the wire that the core does not use.

use crate::tidy::{relative, rust_files};
use anyhow::Result;
use std::fs;
use std::path::Path;

/// The crates that know no wire.
const CORE: &[&str] = &[
    "model",
    "broker-api",
    "queue",
    "routing",
    "broker",
    "log-store",
];

/// Words of one protocol or another, as parts of identifiers, each with the core's word.
const BANNED: &[(&[&str], &str)] = &[
    (&["ack"], "settle, confirm or accept"),
    (&["acks"], "settle, confirm or accept"),
    (&["nack"], "reject or release"),
    (&["prefetch"], "grant or credit"),
    (&["delivery", "tag"], "subscription and sequence"),
    (&["packet", "id"], "subscription and sequence"),
    (&["qos"], "persistence or settle mode"),
    (&["frame"], "record, batch or message"),
    (&["frames"], "records, batches or messages"),
];

/// Uses of banned words in the core's code. Comments may name them, to tell what they correspond to.
pub(crate) fn offenses(root: &Path) -> Result<Vec<String>> {
    let mut offenses = Vec::new();
    for name in CORE {
        let folder = root.join("crates").join(name).join("src");
        if !folder.is_dir() {
            continue;
        }
        for file in rust_files(&folder)? {
            let text = fs::read_to_string(&file)?;
            for (index, line) in text.lines().enumerate() {
                offenses.extend(in_line(line).map(|(word, instead)| {
                    let (file, line) = (relative(root, &file), index + 1);
                    format!("{file}:{line}: `{word}` is a word of the wire; say {instead}")
                }));
            }
        }
    }
    Ok(offenses)
}

fn in_line(line: &str) -> impl Iterator<Item = (String, &'static str)> {
    let code = line.split("//").next().unwrap_or_default();
    let identifiers = code.split(|c: char| !c.is_alphanumeric() && c != '_');
    identifiers.flat_map(|identifier| {
        let parts = parts(identifier);
        BANNED.iter().filter_map(move |(words, instead)| {
            let found = parts.windows(words.len()).any(|window| window == *words);
            found.then(|| (words.join("_"), *instead))
        })
    })
}

/// The words that an identifier is made of, in lower case.
fn parts(identifier: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in identifier.chars() {
        if c == '_' || c.is_uppercase() && was_lower {
            parts.push(String::new());
        }
        was_lower = c.is_lowercase() || c.is_ascii_digit();
        if let (true, Some(last)) = (c != '_', parts.last_mut()) {
            last.extend(c.to_lowercase());
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_words_are_found_as_parts_of_identifiers() {
        let rows = [
            ("let ack_count = 1;", vec!["ack"]),
            ("fn send_nack()", vec!["nack"]),
            ("struct PacketId;", vec!["packet_id"]),
            ("delivery_tag: u64, // ack", vec!["delivery_tag"]),
            ("QoS, MAX_QOS, Frame", vec!["qos", "frame"]),
            ("let back = track.packet; // an ack", vec![]),
            ("stack, feedback, deliver_id, packets, id, Framed", vec![]),
        ];
        for (line, expected) in rows {
            let found: Vec<_> = in_line(line).map(|(word, _)| word).collect();
            assert_eq!(found, expected, "{line}");
        }
    }
}
