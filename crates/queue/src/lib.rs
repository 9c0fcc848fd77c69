//! The queue machine: what is ready, who has what, what goes next.
//!
//! A [`Queue`] is deterministic and does no I/O: it is told of messages, subscriptions, grants,
//! outcomes and the time, and hands deliveries to a [`Port`] and what leaves to a list. It keeps the
//! [rules](model::QueueRules) that it is made with: priorities, expiry, delays, bounds, delivery limits, one
//! active subscription, last values; and what subscriptions ask for: filters, priorities, exclusiveness, groups
//! kept together, looking without taking. A queue without rules pays for none of it.
//!
//! It serves shared queues, whose entries stand in a log, and private ones, which have none. It knows no disk
//! (but log indexes, to wait for), no connection, no protocol, no clock and no chance: what is to look random
//! comes from a seed. It does not read a message's head: what it must know of it comes as [`Keys`] or is asked
//! of a [`Filter`].
//!
//! What was decided, and might have been otherwise:
//!
//! - **Priorities.** A higher one always goes first. One whose first message waits to be durable lets lower ones
//!   pass: order holds within a priority. Who drops the head of a full queue takes the lowest priority first.
//! - **Delays** change the order: a delayed message holds back nothing, not even its group. It has the place of
//!   its sequence when its time has come, and counts as waiting, against bounds too.
//! - **Expiry** concerns what waits. A message whose time ends at a moment is still delivered by a pump at that
//!   moment, and gone after a tick at it.
//! - **Groups.** Who takes the first message of a group without an owner owns it until its subscription ends, or
//!   until the group has had no message for so long that 4,096 others lost their last after it. A message that
//!   the owner's filter does not match waits until then.
//! - **Filters** are asked once per subscription and message, and again only after the message came back, or
//!   any group's owner ended. They say what they cost: a pump whose looks and filters have cost about half a
//!   millisecond says that it is [busy](Stop::Busy) and goes on where it was when it is called again.
//! - **Bystanders** hold messages and do not count as subscriptions: one that [gets](Sharing::Get) a single message, ahead
//!   of all others, and one that has [stepped aside](Queue::step_aside). Nobody has to share with them. A group whose
//!   message is got has no owner by that.
//! - **One active subscription** is the one of the highest priority, then the oldest: a higher one that comes
//!   later takes over at once; what the other has not settled stays with it.
//! - **Pages.** A backlog does not stand in memory: runs of one lane's messages are written to
//!   [pages](Queue::page_out) by the caller, and read back when it is their turn. Nothing else changes: not the
//!   order, not the counts, not the bounds; only what is known of a message that a page alone has is less. It holds
//!   back what is behind it in its lane until it is read, even if it turns out to be for nobody; one that
//!   is delayed, or expires, may do so a little late. One in somebody's hands may be in its page only, too; if it is to be
//!   a dead letter, the page is read once more before it leaves.
//! - **Last values.** What is delivered is not replaced; if it comes back and a newer one is in the queue,
//!   waiting or delivered, it leaves.
//!
//! Read first: [`Queue`], then [`Port`]. Then, by concern: `ready` (what waits), `pump` (what goes), `pass` (what
//! goes without having waited), `settle` (what comes back), `mark` (what the log must know), `page_out`, `fetch` and `bodies` (what is not in memory).

mod bodies;
mod browse;
mod compaction;
mod entry;
mod fetch;
mod gate;
mod groups;
mod in_doubt;
mod lane;
mod machine;
mod mark;
mod members;
mod merge;
mod page;
mod page_out;
mod paged;
mod pages;
mod pass;
mod placement;
mod port;
mod pump;
mod ready;
mod recovery;
mod run;
mod settle;
mod shed;
mod sorted;
mod subscribe;
mod subscription;
mod takers;
mod tick;
mod values;

pub use machine::Queue;
pub use members::Members;
pub use paged::{
    Logging, MergeLimits, PageLimits, PageMismatch, PageOut, PageReach, PageRecord, PageSaved,
    PageState, Paged, PurgedPage,
};
pub use placement::{Age, Full, Held, Keys, LeaveReason, Left, Placement, Returned, Unlogged};
pub use port::{Handover, Port, Stop, SubscriberId};
pub use recovery::RecoveredQueue;
pub use subscription::{Answer, CancelCause, Filter, InUse, Sharing, SubscriptionOptions};

#[cfg(test)]
mod tests;
