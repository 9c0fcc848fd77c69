//! What must hold of every history, one file each.

mod marked_if_delivered;
mod marked_only_if_reserved;
mod no_confirmed_message_lost;
mod nothing_invented;
mod order_per_publisher;
mod settled_stays_settled;
mod unsettled_comes_again;

use crate::history::History;

/// Checks one property; the error says what breaks it.
pub type Invariant = fn(&History) -> Result<(), String>;

/// Every invariant with its name.
pub const ALL: [(&str, Invariant); 7] = [
    (
        "no confirmed message lost",
        no_confirmed_message_lost::check,
    ),
    ("nothing invented", nothing_invented::check),
    ("order per publisher", order_per_publisher::check),
    ("marked if delivered", marked_if_delivered::check),
    ("marked only if reserved", marked_only_if_reserved::check),
    ("settled stays settled", settled_stays_settled::check),
    ("unsettled comes again", unsettled_comes_again::check),
];
