//! The house rules that no other tool checks. Each rule gives a list of offenses.

use crate::run::{cargo, output, root};
use crate::{layers, words};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Checks every rule; shows all offenses.
pub(crate) fn tidy() -> Result<()> {
    let metadata = output(cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata = serde_json::from_str(&metadata).context("cargo metadata")?;
    let mut offenses = layers::offenses(&metadata)?;
    offenses.extend(words::offenses(&root())?);
    offenses.extend(map_offenses(&root())?);
    offenses.extend(error_page_offenses(&root())?);
    for offense in &offenses {
        println!("{offense}");
    }
    if !offenses.is_empty() {
        bail!("{} offenses against the house rules", offenses.len());
    }
    Ok(())
}

/// Every crate has its line in the map of ARCHITECTURE.md, and every line its crate.
fn map_offenses(root: &Path) -> Result<Vec<String>> {
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    let mut crates = BTreeSet::new();
    for group in ["crates", "testing"] {
        for folder in folders(&root.join(group))? {
            if folder.join("Cargo.toml").is_file() {
                crates.insert(relative(root, &folder));
            }
        }
    }
    let mapped = mapped(&text);
    let missing = crates
        .difference(&mapped)
        .map(|name| format!("ARCHITECTURE.md: no line of the map names `{name}`"));
    let stale = mapped
        .difference(&crates)
        .map(|name| format!("ARCHITECTURE.md: `{name}` is named, but there is no such crate"));
    Ok(missing.chain(stale).collect())
}

/// The crates that a text names in backticks by their folder: `` `crates/model` ``.
fn mapped(text: &str) -> BTreeSet<String> {
    let names = text.split('`').skip(1).step_by(2).filter(|name| {
        let mut parts = name.trim_end_matches('/').split('/');
        matches!(parts.next(), Some("crates" | "testing"))
            && parts
                .next()
                .is_some_and(|part| !part.is_empty() && part != "*")
            && parts.next().is_none()
    });
    names
        .map(|name| name.trim_end_matches('/').to_owned())
        .collect()
}

/// Every error code in the sources has a page, and every page a code in the sources.
fn error_page_offenses(root: &Path) -> Result<Vec<String>> {
    let mut used = BTreeSet::new();
    for file in rust_files(&root.join("crates"))? {
        used.extend(codes(&fs::read_to_string(&file)?));
    }
    let mut pages = BTreeSet::new();
    let folder = root.join("docs/errors");
    if folder.is_dir() {
        for entry in fs::read_dir(folder)? {
            pages.extend(codes(&format!(
                "\"{}\"",
                entry?
                    .path()
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
            )));
        }
    }
    let missing = used
        .difference(&pages)
        .map(|code| format!("{code} has no page docs/errors/{code}.md"));
    let stale = pages
        .difference(&used)
        .map(|code| format!("docs/errors/{code}.md: no source names {code}"));
    Ok(missing.chain(stale).collect())
}

/// Codes such as `B0001` that begin a string literal.
fn codes(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("\"B").map(|(at, _)| at + 1);
    let found = starts.filter_map(|at| text.get(at..at + 5).zip(text.get(at + 5..at + 6)));
    found
        .filter(|(code, next)| {
            code[1..].bytes().all(|byte| byte.is_ascii_digit())
                && !next.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
        .map(|(code, _)| code.to_owned())
        .collect()
}

/// The Rust sources below a folder, in order.
pub(crate) fn rust_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The folders in a folder; none if it is missing.
fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut folders = Vec::new();
    for entry in fs::read_dir(folder)? {
        folders.push(entry?.path());
    }
    Ok(folders)
}

/// A path as people write it.
pub(crate) fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_is_what_stands_in_backticks() {
        let text =
            "| `crates/model` | x |\n`testing/sim/` and `crates/net/src/driver.rs`, `crates/*`";
        let expected = ["crates/model", "testing/sim"].map(str::to_owned);
        assert_eq!(mapped(text), BTreeSet::from(expected));
    }

    #[test]
    fn codes_are_found_where_a_literal_begins() {
        let text = r#"f("B0001: torn"), "B12", "B00011", "Barid", "B0002", "äB0003""#;
        let expected = ["B0001", "B0002"].map(str::to_owned);
        assert_eq!(codes(text), BTreeSet::from(expected));
    }
}
