//! A place in the file, and what is wrong there.

use crate::error::{BadKey, Origin};
use crate::sources::unknown;
use std::path::Path;

/// Where a list stands in the file, or one of its tables.
pub(crate) struct Place<'a> {
    /// As it is named to whoever wrote it.
    pub(crate) path: String,
    file: &'a Path,
    /// What is wrong in the file.
    bad: &'a mut Vec<BadKey>,
}

impl<'a> Place<'a> {
    pub(crate) fn new(path: &str, file: &'a Path, bad: &'a mut Vec<BadKey>) -> Self {
        Self {
            path: path.to_owned(),
            file,
            bad,
        }
    }

    /// Notes that what stands at this key, behind the path, cannot be.
    pub(crate) fn refuse(&mut self, key: &str, value: &str, allowed: &str) {
        self.bad.push(BadKey::Value {
            key: format!("{}{key}", self.path),
            origin: Origin::File(self.file.to_owned()),
            value: value.to_owned(),
            allowed: allowed.to_owned(),
        });
    }

    /// Notes the keys of a table that are none of these.
    pub(crate) fn refuse_unknown(&mut self, table: &toml::Table, known: &[&str]) {
        for key in table.keys() {
            if !known.contains(&key.as_str()) {
                let names = known.iter().map(|known| format!("{}.{known}", self.path));
                let key = format!("{}.{key}", self.path);
                let origin = Origin::File(self.file.to_owned());
                self.bad.push(unknown(&key, origin, names));
            }
        }
    }
}

/// A value as it was written; empty if there is none.
pub(crate) fn text(value: Option<&toml::Value>) -> String {
    let text = |value: &toml::Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    value.map(text).unwrap_or_default()
}
