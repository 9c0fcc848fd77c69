//! Receipts that wait for the broker's answer.

use crate::render::put_receipt;
use broker_api::{Out, Refusal};
use model::{CommandId, SequenceMap};

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

/// What an entry of [`Outstanding`] takes, beside a long receipt.
const ENTRY_BYTES: usize = size_of::<Option<Receipt>>();

/// Commands whose answer matters to the client: those it wants a receipt for, and cancels.
///
/// One entry per such command that is under way. The driver stops reading when they take too much
/// memory, which [`bytes`](Self::bytes) tells.
#[derive(Debug, Default)]
pub(super) struct Outstanding {
    receipts: SequenceMap<Option<Receipt>>,
    bytes: usize,
}

impl Outstanding {
    pub(super) fn insert(&mut self, id: CommandId, receipt: Option<Receipt>) {
        self.bytes += bytes_of(receipt.as_ref());
        self.receipts.insert(id.0, receipt);
    }

    /// The command is answered: its RECEIPT goes out, if it has one.
    pub(super) fn handle_answer(&mut self, id: CommandId, out: &mut Out) {
        if let Some(receipt) = self.remove(id) {
            receipt.put(out);
        }
    }

    /// The command is refused: what its ERROR frame says.
    pub(super) fn handle_refusal(&mut self, id: CommandId, refusal: &Refusal) -> super::Failure {
        super::Failure::refused(refusal, self.remove(id))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.receipts.is_empty()
    }

    /// What they take.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, id: CommandId) -> Option<Receipt> {
        let receipt = self.receipts.remove(id.0)?;
        self.bytes -= bytes_of(receipt.as_ref());
        receipt
    }
}

fn bytes_of(receipt: Option<&Receipt>) -> usize {
    let long = receipt.map_or(0, |receipt| receipt.as_bytes().len());
    ENTRY_BYTES + long.saturating_sub(INLINE_BYTES_MAX)
}
