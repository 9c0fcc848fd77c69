//! The routing table against a list that is searched.

use crate::input::Input;
use model::{Pattern, PatternLevel, QueueName, levels};
use routing::Table;
use std::collections::BTreeMap;

/// The most lines that are read.
const LINES_MAX: usize = 64;

/// The longest line: matching by search costs levels times levels.
const LINE_BYTES_MAX: usize = 400;

/// The most levels that the table takes.
const LEVELS_MAX: usize = 128;

/// Changes a table and looks keys up: it finds what a search finds, and old snapshots do not change.
///
/// Lines, by their first byte: `+` binds a pattern under the number of its line, `-` unbinds all of an
/// equal pattern, `=` adds a queue, anything else is looked up, as a key and as a queue.
///
/// # Panics
/// When one of these promises is broken.
pub fn topic_match(data: &[u8]) {
    let mut table = Table::<usize, usize, usize>::new();
    let mut patterns = BTreeMap::new();
    let mut queues = BTreeMap::new();
    let mut snapshots = Vec::new();
    for (number, line) in data
        .split(|byte| *byte == b'\n')
        .take(LINES_MAX)
        .enumerate()
    {
        let mut input = Input::new(&line[..line.len().min(LINE_BYTES_MAX)]);
        let (verb, text) = (input.u8(), input.rest());
        match verb {
            b'+' => {
                let pattern = Pattern::dotted(text);
                let bound = table.with_topic(&pattern, number, number);
                assert_eq!(bound.is_err(), pattern.levels().len() > LEVELS_MAX);
                if let Ok(bound) = bound {
                    table = bound;
                    patterns.insert(number, pattern);
                }
            }
            b'-' => {
                let pattern = Pattern::dotted(text);
                for key in 0..number {
                    table = table.without_topic(&pattern, &key);
                }
                patterns.retain(|_, bound| *bound != pattern);
            }
            b'=' => {
                if let Ok(name) = QueueName::new(text) {
                    table = table.with_queue(name, number);
                    queues.insert(text, number);
                }
            }
            _ => {
                let found = check(&table, &patterns, text);
                assert_eq!(table.queue(text), queues.get(text));
                assert_eq!(table.queue_count(), queues.len());
                snapshots.push((table.clone(), text, found));
            }
        }
    }
    for (table, text, found) in snapshots {
        assert_eq!(table.topic(text), found, "a snapshot has changed");
    }
}

fn check(
    table: &Table<usize, usize, usize>,
    patterns: &BTreeMap<usize, Pattern>,
    key: &[u8],
) -> Vec<usize> {
    let key_levels: Vec<&[u8]> = levels(key).collect();
    let expected: Vec<usize> = patterns
        .iter()
        .filter(|(_, pattern)| matches(pattern.levels(), &key_levels))
        .map(|(number, _)| *number)
        .collect();
    assert_eq!(table.topic(key), expected, "key {}", key.escape_ascii());
    expected
}

/// Whether the pattern matches, by filling in which of its beginnings match which of the key's.
fn matches(pattern: &[PatternLevel], key: &[&[u8]]) -> bool {
    let mut row = vec![false; key.len() + 1];
    row[0] = true;
    for level in pattern {
        let mut next = vec![false; key.len() + 1];
        for at in 0..=key.len() {
            next[at] = match level {
                PatternLevel::Many => row[at] || at > 0 && next[at - 1],
                PatternLevel::One => at > 0 && row[at - 1],
                PatternLevel::Word(word) => at > 0 && row[at - 1] && **word == *key[at - 1],
            };
        }
        row = next;
    }
    row[key.len()]
}
