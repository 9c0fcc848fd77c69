//! A crate's README tells of each clause of its protocol's text which tests hold it; this holds the README.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// The tests of a crate, and what its README says of them.
#[derive(Debug)]
pub struct Clauses {
    root: PathBuf,
    named: BTreeSet<String>,
    /// Tests that the README must name.
    needed: BTreeSet<String>,
}

impl Clauses {
    /// Reads `README.md` below the crate's folder.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(root: &str) -> io::Result<Self> {
        let root = PathBuf::from(root);
        let readme = std::fs::read_to_string(root.join("README.md"))?;
        Ok(Self {
            root,
            named: named(&readme),
            needed: BTreeSet::new(),
        })
    }

    /// Each test below `tests/FOLDER` must be named, by the path of its file there and its name; where there is a
    /// prefix, behind that.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn need(mut self, folder: &str, prefix: Option<&str>) -> io::Result<Self> {
        let found = tests_in(&self.root.join("tests").join(folder))?;
        let path = |name: String| match prefix {
            Some(prefix) => format!("{prefix}::{name}"),
            None => name,
        };
        self.needed.extend(found.into_iter().map(path));
        Ok(self)
    }

    /// Compares both. Tests below `src` may be named, too.
    ///
    /// # Errors
    /// When a source cannot be read; when the README names a test that is not there, or does not name one that it needs to;
    /// when there are none.
    pub fn check(self) -> io::Result<()> {
        let of_parts = tests_in(&self.root.join("src"))?;
        let all = &self.needed | &of_parts;
        let gone = &self.named - &all;
        let missing = &self.needed - &self.named;
        if gone.is_empty() && missing.is_empty() && !self.needed.is_empty() {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "README.md names tests that are not there: {gone:#?}; does not name: {missing:#?} of {}",
            self.needed.len()
        )))
    }
}

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
fn tests_in(folder: &Path) -> io::Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path)?;
                let file = path.strip_prefix(folder).unwrap_or(&path);
                let module = module_of(file, &text);
                found.extend(functions(&text).map(|name| format!("{module}::{name}")));
            }
        }
    }
    Ok(found)
}

fn module_of(file: &Path, text: &str) -> String {
    let file = file.with_extension("");
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy()).collect();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_names_are_found() {
        let text = "    #[test]\n    fn one() {}\n#[test]\nfn two() {}\nfn three() {}\n";
        assert_eq!(functions(text).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(module_of(Path::new("a/b.rs"), text), "a::b");
        let inside = "\nmod tests {";
        assert_eq!(module_of(Path::new("a/b.rs"), inside), "a::b::tests");
        let readme = "`a::b::one` and `a::Type`, `two`, `[x]`";
        assert_eq!(named(readme), BTreeSet::from(["a::b::one".to_owned()]));
    }
}
