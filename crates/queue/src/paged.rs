//! Pages as the machine and its caller speak of them.

use crate::members::Members;
use crate::placement::{Placement, Returned};
use model::{Instant, LogIndex, Message, PageNumber, Sequence};

/// A message as a page keeps it.
#[derive(Clone, Debug)]
pub struct Paged {
    /// Where it stands. `available_at` is set if it waited for that moment when it was written.
    pub placement: Placement,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// How many of its deliveries have failed.
    pub delivery_count: u32,
    /// How often it was delivered before, failed or not, as far as is known.
    pub acquired_count: u32,
    /// The message.
    pub message: Message,
}

/// Messages to be written.
#[derive(Clone, Debug)]
pub struct PageOut {
    /// The page that they are to be written to.
    pub page: PageNumber,
    /// The messages, ascending by sequence.
    pub messages: Vec<Paged>,
}

/// How much is moved out of memory at once, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimits {
    /// A page holds messages that are charged with at most so many bytes, but at least one message.
    pub bytes_max: usize,
    /// A page with less is not worth it; 0 if every one is.
    pub bytes_min: usize,
    /// So many bytes in front of each lane stay in memory, and of the delayed messages those that are due first.
    pub keep_bytes: usize,
    /// Which messages.
    pub reach: PageReach,
    /// Which queue.
    pub logging: Logging,
}

/// When pages are made one, and how large that one becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MergeLimits {
    /// So many pages side by side are worth it, at least 2.
    pub pages_min: usize,
    /// The one holds messages that are charged with at most so many bytes.
    pub bytes_max: u64,
}

/// Which messages are moved out of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageReach {
    /// Those that wait, ready or delayed.
    Waiting,
    /// If none of those is left, also those in subscribers' hands.
    InHands,
}

/// Whether a queue's messages stand in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    /// Only messages whose record is durable, as of this index, are moved out; the others will be soon.
    Logged {
        /// Records up to here are durable.
        committed: LogIndex,
    },
    /// The queue stands in no log: all may be moved out.
    Unlogged,
}

/// A page as the log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageRecord {
    /// Which page.
    pub page: PageNumber,
    /// The priority that its messages have in the queue.
    pub lane: u8,
    /// Which messages it holds.
    pub members: Members,
    /// What they are charged with in memory.
    pub cost_bytes: u64,
    /// Bytes of their bodies.
    pub body_bytes: u64,
    /// No message expires before.
    pub expires_first: Option<Instant>,
    /// Set for a page of delayed messages: none is due before.
    pub available_first: Option<Instant>,
}

/// A page as a snapshot knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageState {
    /// What its record says.
    pub record: PageRecord,
    /// The members from a first to a last that are no longer in it, ascending.
    pub gone: Vec<(Sequence, Sequence)>,
    /// What of other members is not as the page says.
    pub returned: Vec<Returned>,
}

/// What is to be done when a page is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PageSaved {
    /// This is to be logged: from there on the page has its messages, whatever page had them before. A queue that
    /// stands in no log needs no more.
    Log(PageRecord),
    /// Nobody needs the page; the caller frees it, once what it was told so far is durable.
    Unneeded,
    /// The page was there and is smaller: nothing is to be done.
    Rewritten,
}

/// A page does not hold what it should: a message is missing or there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageMismatch {
    /// The message.
    pub sequence: Sequence,
}

/// Messages that left as a whole, with the page that has them: all of it but some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PurgedPage {
    /// Which page.
    pub page: PageNumber,
    /// How many left here; more may have left before.
    pub count: u64,
    /// The members that are still in the queue, ascending: they are in subscribers' hands.
    pub except: Vec<Sequence>,
}
