//! A message is with one consumer at a time: it comes to another, or again, only after it was given back or
//! settled, or its consumer left.

use super::hands::{Conflict, conflict};
use crate::history::History;

pub(super) fn check(history: &History) -> Result<(), String> {
    let is_held = |conflict| matches!(conflict, Conflict::Held(_));
    conflict(history, |_| true, is_held)
}
