//! The page about file formats draws what the code draws.

use std::fs;
use std::path::Path;

/// Each drawing (`text` block) in the documentation of these files stands in the page as well.
const SOURCES: [&str; 10] = [
    "crates/log-store/src/local/header.rs",
    "crates/log-store/src/record.rs",
    "crates/log-store/src/local/round.rs",
    "crates/log-store/src/local/snapshot.rs",
    "crates/log-store/src/local/pages.rs",
    "crates/broker/src/entry.rs",
    "crates/broker/src/entry/message.rs",
    "crates/broker/src/entry/definition.rs",
    "crates/broker/src/entry/page.rs",
    "crates/queue/src/members.rs",
];

/// Drawings of how things go, not of bytes.
const IS_NO_FORMAT: &str = "─▶";

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).expect("it is there")
}

/// The drawings of a source, without the comment's marks.
fn drawings(source: &str) -> Vec<String> {
    let mut drawings = Vec::new();
    let mut open: Option<String> = None;
    for line in source.lines() {
        let Some(text) = line
            .strip_prefix("//!")
            .or_else(|| line.strip_prefix("///"))
        else {
            continue;
        };
        let text = text.strip_prefix(' ').unwrap_or(text);
        match (&mut open, text) {
            (None, "```text") => open = Some(String::new()),
            (Some(_), "```") => drawings.extend(open.take()),
            (Some(drawing), _) => {
                drawing.push_str(text);
                drawing.push('\n');
            }
            (None, _) => {}
        }
    }
    drawings
}

#[test]
fn the_page_draws_what_the_code_draws() {
    let page = read("docs/formats.md");
    for path in SOURCES {
        let drawings = drawings(&read(path));
        assert!(!drawings.is_empty(), "{path} draws nothing");
        for drawing in drawings {
            assert!(
                drawing.contains(IS_NO_FORMAT) || page.contains(&drawing),
                "put this of {path} into docs/formats.md:\n{drawing}"
            );
        }
    }
}
