//! The head of a message.
//!
//! ```text
//! head = nothing                                        for one frame that is no request and no answer
//!      | 1 octet length, the queue of an answer         0 for none
//!        2 octets length, what the answer repeats       0 for nothing
//!        4 octets length of each frame but the last     of those in the body
//! numbers are little endian
//! ```

/// What a head says, borrowed from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    /// The name of the queue that an answer goes to.
    pub(crate) reply_queue: &'a [u8],
    /// What an answer repeats.
    pub(crate) correlation: &'a [u8],
    /// The lengths of all frames of the body but the last.
    pub(crate) lengths: &'a [u8],
}

impl<'a> Head<'a> {
    /// Reads a head. One that is not whole says nothing.
    pub(crate) fn read(bytes: &'a [u8]) -> Self {
        Self::split(bytes).unwrap_or_default()
    }

    fn split(bytes: &'a [u8]) -> Option<Self> {
        let (reply_queue, rest) = split_short(bytes)?;
        let (len, rest) = rest.split_first_chunk()?;
        let (correlation, lengths) =
            rest.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
        Some(Self {
            reply_queue,
            correlation,
            lengths,
        })
    }

    /// Its octets. The name has up to 255; what is repeated, up to 65,535, and what is longer is left out.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        if *self == Self::default() {
            return Vec::new();
        }
        let len = u16::try_from(self.correlation.len());
        let correlation = if len.is_ok() { self.correlation } else { &[] };
        let mut bytes =
            Vec::with_capacity(3 + self.reply_queue.len() + correlation.len() + self.lengths.len());
        bytes.push(u8::try_from(self.reply_queue.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(self.reply_queue);
        bytes.extend_from_slice(&len.unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(correlation);
        bytes.extend_from_slice(self.lengths);
        bytes
    }
}

fn split_short(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*len))
}
