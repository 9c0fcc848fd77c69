//! The crate's README tells of each clause which tests hold it; this holds the README.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The names between backticks that read like `module::test`.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|it| it == b'_' || it.is_ascii_lowercase() || it.is_ascii_digit())
    };
    let tokens = text.split('`').skip(1).step_by(2);
    let names = tokens.filter(|it| it.contains("::") && it.split("::").all(is_part));
    names.map(str::to_owned).collect()
}

/// The tests in a folder's sources, by the path of their file and their name.
fn tests_in(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let module = module_of(path.strip_prefix(folder).unwrap(), &text);
                found.extend(functions(&text).map(|name| format!("{module}::{name}")));
            }
        }
    }
    found
}

fn module_of(file: &Path, text: &str) -> String {
    let parts: Vec<_> = PathBuf::from(file)
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    let module = parts.join("::");
    if text.contains("\nmod tests {") {
        format!("{module}::tests")
    } else {
        module
    }
}

/// The functions behind an attribute that makes them tests.
fn functions(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    let pairs = lines.clone().zip(lines.skip(1));
    pairs.filter_map(|(attribute, function)| {
        let name = function.strip_prefix("fn ")?;
        let end = name.find('(')?;
        (attribute == "#[test]").then_some(&name[..end])
    })
}

#[test]
fn every_named_test_is_there_and_every_test_is_named() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let named = named(&readme);
    let of_frames = tests_in(&root.join("tests/amqp"));
    let of_parts = tests_in(&root.join("src"));
    assert!(of_frames.len() > 20 && of_parts.len() > 2);
    let all: BTreeSet<_> = of_frames.union(&of_parts).cloned().collect();
    let gone: Vec<_> = named.difference(&all).collect();
    assert!(
        gone.is_empty(),
        "README.md names tests that are not there: {gone:#?}"
    );
    let missing: Vec<_> = of_frames.difference(&named).collect();
    assert!(missing.is_empty(), "README.md does not name: {missing:#?}");
}
