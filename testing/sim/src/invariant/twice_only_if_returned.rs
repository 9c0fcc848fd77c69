//! What a consumer has settled does not come again while the broker lives and the consumer stays; what goes
//! to who acknowledges nothing, neither.

use super::hands::{Conflict, conflict};
use crate::history::History;
use crate::scene::Place;

pub(super) fn check(history: &History) -> Result<(), String> {
    let is_settled = |conflict| matches!(conflict, Conflict::Settled(_));
    let is_first = |(_, place)| matches!(place, Place::At(_));
    conflict(history, is_first, is_settled)
}
