//! What must hold of every history, one file each.

mod dead_letter_once_or_more;
mod fan_out_complete;
mod marked_if_delivered;
mod marked_only_if_reserved;
mod no_confirmed_message_lost;
mod nothing_invented;
mod order_per_publisher;
mod settled_stays_settled;
mod transaction_all_or_none;
mod unsettled_comes_again;

use crate::history::History;

/// Checks one property; the error says what breaks it.
pub type Invariant = fn(&History) -> Result<(), String>;

/// Every invariant with its name. What the others may take for granted comes first.
pub const ALL: [(&str, Invariant); 10] = [
    ("nothing invented", nothing_invented::check),
    (
        "no confirmed message lost",
        no_confirmed_message_lost::check,
    ),
    ("fan-out complete", fan_out_complete::check),
    ("order per publisher", order_per_publisher::check),
    ("marked if delivered", marked_if_delivered::check),
    ("marked only if reserved", marked_only_if_reserved::check),
    ("settled stays settled", settled_stays_settled::check),
    ("transaction all or none", transaction_all_or_none::check),
    ("unsettled comes again", unsettled_comes_again::check),
    ("dead letter once or more", dead_letter_once_or_more::check),
];
