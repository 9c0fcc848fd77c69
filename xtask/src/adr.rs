//! Starts a new record of a decision.

use crate::run::root;
use anyhow::{Context as _, Result, ensure};
use std::fs;

/// Copies the template to the next number.
pub(crate) fn create(title: &str) -> Result<()> {
    let folder = root().join("docs/adr");
    let mut names = Vec::new();
    for entry in fs::read_dir(&folder).context("reading docs/adr")? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    let number = next_number(&names);
    let slug = slug(title);
    ensure!(!slug.is_empty(), "a title has letters or digits");
    let path = folder.join(format!("{number:04}-{slug}.md"));
    let text = format!(
        "# {number:04}: {title}\n\n## Status\n\nProposed\n\n## Context\n\n## Decision\n\n\
         ## Alternatives, and why not\n\n## Consequences\n"
    );
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    println!("{}", path.display());
    Ok(())
}

fn next_number(names: &[String]) -> u32 {
    let numbers = names
        .iter()
        .filter_map(|name| name.split('-').next()?.parse::<u32>().ok());
    numbers.max().unwrap_or(0) + 1
}

fn slug(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<_> = words
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_titles_and_numbers_follow_files() {
        assert_eq!(slug("One journal, not many!"), "one-journal-not-many");
        let names = ["0001-a.md", "0012-b.md", "README.md"].map(str::to_owned);
        assert_eq!(next_number(&names), 13);
        assert_eq!(next_number(&[]), 1);
    }
}
