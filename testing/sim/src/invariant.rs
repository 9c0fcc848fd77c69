//! What must hold of every history, one file each.

mod dead_letter_once_or_more;
mod dead_lettered_once;
mod fan_out_complete;
mod hands;
mod marked_if_delivered;
mod marked_only_if_reserved;
mod memory_within_budget;
mod no_confirmed_message_lost;
mod nothing_after_its_expiry;
mod nothing_before_its_time;
mod nothing_invented;
mod one_owner_per_delivery;
mod only_what_is_selected;
mod order_per_publisher;
mod settled_stays_settled;
mod transaction_all_or_none;
mod twice_only_if_returned;
mod unsettled_comes_again;

use crate::history::History;

/// Checks one property; the error says what breaks it.
pub type Invariant = fn(&History) -> Result<(), String>;

/// Every invariant with its name. What the others may take for granted comes first.
pub const ALL: [(&str, Invariant); 17] = [
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
    ("dead-lettered once", dead_lettered_once::check),
    ("one owner per delivery", one_owner_per_delivery::check),
    ("twice only if returned", twice_only_if_returned::check),
    ("only what is selected", only_what_is_selected::check),
    ("nothing before its time", nothing_before_its_time::check),
    ("nothing after its expiry", nothing_after_its_expiry::check),
    ("memory within budget", memory_within_budget::check),
];
