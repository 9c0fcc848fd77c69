//! Receipts that wait for the broker's answer.

use crate::render::put_receipt;
use broker_api::{Out, Refusal};
use model::{CommandId, SequenceMap};
use std::collections::BTreeMap;

/// A receipt id of at most this many bytes is held in place: a UUID and a little more.
const INLINE_BYTES_MAX: usize = 38;

/// The value of a `receipt` header, as the client spelled it. Allocates only if it is long.
#[derive(Debug)]
pub(super) struct Receipt(Spelled);

#[derive(Debug)]
enum Spelled {
    Inline {
        len: u8,
        bytes: [u8; INLINE_BYTES_MAX],
    },
    Boxed(Box<[u8]>),
}

impl Receipt {
    pub(super) fn new(spelled: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES_MAX];
        match (bytes.get_mut(..spelled.len()), u8::try_from(spelled.len())) {
            (Some(place), Ok(len)) => {
                place.copy_from_slice(spelled);
                Self(Spelled::Inline { len, bytes })
            }
            _ => Self(Spelled::Boxed(spelled.into())),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Spelled::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Spelled::Boxed(bytes) => bytes,
        }
    }

    pub(super) fn put(&self, out: &mut Out) {
        put_receipt(out.wire.buffer(), self.as_bytes());
    }
}

/// What the answer to one command means to the client.
#[derive(Debug)]
pub(super) enum Pending {
    /// Its RECEIPT, if it wants one.
    Receipt(Option<Receipt>),
    /// A part of what one frame asked for, by the number of its group.
    Part(u64),
    /// Nothing, even if it is refused.
    Forgiven,
}

/// Several commands of one frame.
#[derive(Debug)]
struct Group {
    left: u64,
    receipt: Option<Receipt>,
}

/// What an entry of [`Outstanding`] takes, beside a long receipt.
const ENTRY_BYTES: usize = size_of::<Option<Pending>>();

/// Commands whose answer matters to the client: those it wants a receipt for, and cancels.
///
/// One entry per such command that is under way. The driver stops reading when they take too much
/// memory, which [`bytes`](Self::bytes) tells.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    pending: SequenceMap<Pending>,
    /// By the last command of each.
    groups: BTreeMap<u64, Group>,
    bytes: usize,
}

impl Outstanding {
    pub(super) fn insert(&mut self, id: CommandId, receipt: Option<Receipt>) {
        self.bytes += bytes_of(receipt.as_ref());
        self.pending.insert(id.0, Pending::Receipt(receipt));
    }

    /// Commands that follow each other, with one receipt for all.
    pub(super) fn insert_all(
        &mut self,
        first: CommandId,
        last: CommandId,
        receipt: Option<Receipt>,
    ) {
        if first == last {
            return self.insert(first, receipt);
        }
        let left = last.0 - first.0 + 1;
        for id in first.0..=last.0 {
            self.bytes += ENTRY_BYTES;
            self.pending.insert(id, Pending::Part(last.0));
        }
        self.bytes += bytes_of(receipt.as_ref());
        self.groups.insert(last.0, Group { left, receipt });
    }

    /// A command whose refusal is of no consequence.
    pub(super) fn insert_forgiven(&mut self, id: CommandId) {
        self.bytes += ENTRY_BYTES;
        self.pending.insert(id.0, Pending::Forgiven);
    }

    /// Takes out what the answer to a command means, which is to be
    /// [put back](Self::put_back) for another; it is still counted.
    pub(super) fn take(&mut self, id: CommandId) -> Option<Pending> {
        self.pending.remove(id.0)
    }

    /// The answer to this command means what that to another did.
    pub(super) fn put_back(&mut self, id: CommandId, pending: Pending) {
        self.pending.insert(id.0, pending);
    }

    /// The command is answered: its RECEIPT goes out, if it has one.
    pub(super) fn handle_answer(&mut self, id: CommandId, out: &mut Out) {
        let receipt = match self.pending.remove(id.0) {
            Some(Pending::Receipt(receipt)) => {
                self.bytes -= bytes_of(receipt.as_ref());
                receipt
            }
            Some(Pending::Part(group)) => {
                self.bytes -= ENTRY_BYTES;
                self.count_part(group)
            }
            Some(Pending::Forgiven) => {
                self.bytes -= ENTRY_BYTES;
                None
            }
            None => None,
        };
        if let Some(receipt) = receipt {
            receipt.put(out);
        }
    }

    /// The command is refused.
    ///
    /// # Errors
    /// What its ERROR frame says, unless nothing depends on it.
    pub(super) fn handle_refusal(
        &mut self,
        id: CommandId,
        refusal: &Refusal,
    ) -> Result<(), super::Failure> {
        let receipt = match self.pending.remove(id.0) {
            Some(Pending::Forgiven) => {
                self.bytes -= ENTRY_BYTES;
                return Ok(());
            }
            Some(Pending::Receipt(receipt)) => receipt,
            Some(Pending::Part(group)) => self.groups.remove(&group).and_then(|it| it.receipt),
            // Nobody waits for it, and that the subscription has ended is told by itself.
            None if matches!(refusal, Refusal::SubscriptionNotFound(_)) => return Ok(()),
            None => None,
        };
        Err(super::Failure::refused(refusal, receipt))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// What they take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// One more part of a group is answered; its receipt when all are.
    fn count_part(&mut self, group: u64) -> Option<Receipt> {
        let entry = self.groups.get_mut(&group)?;
        entry.left -= 1;
        if entry.left > 0 {
            return None;
        }
        let receipt = self.groups.remove(&group)?.receipt;
        self.bytes -= bytes_of(receipt.as_ref());
        receipt
    }
}

fn bytes_of(receipt: Option<&Receipt>) -> usize {
    let long = receipt.map_or(0, |receipt| receipt.as_bytes().len());
    ENTRY_BYTES + long.saturating_sub(INLINE_BYTES_MAX)
}
