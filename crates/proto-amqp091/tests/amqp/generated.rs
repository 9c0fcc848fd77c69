//! The methods are those of the table.
//!
//! `UPDATE_GOLDEN=1 cargo test -p proto-amqp091 generated` makes them anew.

use crate::generate::sources;
use std::path::Path;

#[test]
fn methods_are_those_of_the_table() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("methods.txt")).unwrap();
    let sources = sources(&table);
    assert_eq!(sources.len(), 9, "eight classes and all of them together");
    for (path, source) in sources {
        let path = root.join("src").join(path);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &source).unwrap();
        }
        let there = std::fs::read_to_string(&path).unwrap();
        assert_eq!(there, source, "{}", path.display());
    }
}
