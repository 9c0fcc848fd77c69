//! Who gets a message: pure state machines that know peers as numbers only.

pub(crate) mod rotation;
pub(crate) mod trie;

pub(crate) use rotation::Rotation;
pub(crate) use trie::Trie;
