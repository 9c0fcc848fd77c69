//! The crate's README tells of each clause which tests hold it.

use clauses::Clauses;

#[test]
fn every_named_test_is_there_and_every_test_is_named() {
    let clauses = Clauses::of(env!("CARGO_MANIFEST_DIR")).unwrap();
    let clauses = clauses.need("mqtt", None).unwrap();
    let clauses = clauses.need("session", Some("session")).unwrap();
    let clauses = clauses.need("cost", Some("cost")).unwrap();
    clauses.check().unwrap();
}
