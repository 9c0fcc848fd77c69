//! The crate's README tells of each clause which tests hold it.

use clauses::Clauses;

#[test]
fn every_named_test_is_there_and_every_test_is_named() {
    let clauses = Clauses::of(env!("CARGO_MANIFEST_DIR")).unwrap();
    let clauses = clauses.need("zmq", None).unwrap();
    clauses.check().unwrap();
}
