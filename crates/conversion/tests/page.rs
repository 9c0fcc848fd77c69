//! Holds `docs/conversion.md` to the table.

use std::fs;
use std::path::Path;

#[test]
fn the_page_is_made_from_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conversion.md");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, conversion::page()).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert_eq!(found, conversion::page(), "UPDATE_GOLDEN=1 writes it anew");
}
