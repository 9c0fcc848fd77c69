//! Frames into messages.

use super::head::Head;
use super::{FLAG_KEY_BEGINS_FRAME, FLAG_KEY_IS_FRAME, KEY_BYTES_MAX};
use crate::failure::Failure;
use crate::settings::Settings;
use data_encoding::HEXLOWER;
use model::{Address, Dialect, Envelope, Message, Parts, Persistence};

/// The longest envelope of a request that an answer can repeat, in bytes.
const ENVELOPE_BYTES_MAX: usize = 100;
/// The most frames of such an envelope.
const ENVELOPE_FRAMES_MAX: usize = 32;
/// What an answer repeats to a request that had no empty frame.
const NO_ENVELOPE: &[u8] = b"-";

/// The frames of a message of which not all have come.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    bytes: Vec<u8>,
    /// The length of each frame.
    lengths: Vec<u32>,
}

impl Gathered {
    pub(crate) const fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// What its frames take.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes.len() + self.lengths.len() * size_of::<u32>()
    }

    /// Adds a frame, if there is room for it.
    pub(crate) fn push(&mut self, settings: &Settings, frame: &[u8]) -> Result<(), Failure> {
        let limit = settings.message_bytes_max;
        if frame.len() > limit.saturating_sub(self.bytes.len()) {
            return Err(Failure::MessageTooLong(limit));
        }
        if self.lengths.len() >= settings.frames_max {
            return Err(Failure::TooManyFrames(settings.frames_max));
        }
        let length = u32::try_from(frame.len()).map_err(|_| Failure::MessageTooLong(limit))?;
        self.bytes.extend_from_slice(frame);
        self.lengths.push(length);
        Ok(())
    }

    /// Forgets all frames. What a long message took is given back.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.bytes.shrink_to(64 << 10);
        self.lengths.clear();
    }

    pub(crate) fn content(&self) -> Content<'_> {
        Content {
            bytes: &self.bytes,
            lengths: &self.lengths,
        }
    }
}

/// The frames of a message, one behind the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Content<'a> {
    bytes: &'a [u8],
    /// The length of each frame.
    lengths: &'a [u32],
}

impl<'a> Content<'a> {
    /// Of one frame, whose length is given beside it.
    pub(crate) const fn of_one(frame: &'a [u8], length: &'a [u32; 1]) -> Self {
        Self {
            bytes: frame,
            lengths: length,
        }
    }

    /// First to last.
    fn frames(self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.bytes;
        self.lengths.iter().map(move |length| {
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            let (frame, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            rest = behind;
            frame
        })
    }

    /// All from this frame on: the lengths of all but the last, and the bytes.
    fn behind(self, count: usize) -> (Vec<u8>, &'a [u8]) {
        let skipped: usize = self.frames().take(count).map(<[u8]>::len).sum();
        let lengths = self.lengths.get(count..).unwrap_or_default();
        let (_, all_but_last) = lengths.split_last().unwrap_or((&0, &[]));
        let mut octets = Vec::with_capacity(all_but_last.len() * 4);
        for length in all_but_last {
            octets.extend_from_slice(&length.to_le_bytes());
        }
        (octets, &self.bytes[skipped..])
    }

    /// How many frames there are up to the first that is empty, that one included; none if none is.
    fn envelope_len(self) -> Option<usize> {
        let place = self.lengths.iter().position(|length| *length == 0)?;
        Some(place + 1)
    }
}

fn message(
    (exchange, key): (&[u8], &[u8]),
    persistence: Persistence,
    flags: u8,
    head: &Head<'_>,
    body: &[u8],
) -> Message {
    let envelope = Envelope {
        dialect_flags: flags,
        ..Envelope::new(Dialect::Zmq, persistence)
    };
    Message::new(&Parts {
        envelope,
        exchange,
        key,
        annotations: &[],
        head: &[&head.bytes()],
        body,
    })
}

/// What a PUB sends. The key is the first frame; of a message of one frame, and where that is too long, it is how the
/// first frame begins: up to a space.
pub(crate) fn published_message(persistence: Persistence, content: Content<'_>) -> Message {
    let first = content.frames().next().unwrap_or_default();
    let is_key = content.lengths.len() > 1 && first.len() <= KEY_BYTES_MAX;
    let (flags, key) = if is_key {
        (FLAG_KEY_IS_FRAME, first)
    } else {
        (FLAG_KEY_BEGINS_FRAME, first_word(first))
    };
    let (lengths, body) = content.behind(usize::from(is_key));
    let head = Head {
        lengths: &lengths,
        ..Head::default()
    };
    let to = (Address::TOPIC_EXCHANGE, key);
    message(to, persistence, flags, &head, body)
}

/// How a frame begins, as a key.
pub(crate) fn first_word(frame: &[u8]) -> &[u8] {
    let frame = &frame[..frame.len().min(KEY_BYTES_MAX)];
    frame.split(|byte| *byte == b' ').next().unwrap_or_default()
}

/// What a PUSH sends.
pub(crate) fn pushed_message(settings: &Settings, queue: &[u8], content: Content<'_>) -> Message {
    let (lengths, body) = content.behind(0);
    let head = Head {
        lengths: &lengths,
        ..Head::default()
    };
    message((&[], queue), settings.persistence, 0, &head, body)
}

/// What a REQ or DEALER sends. What stands up to the first empty frame is what the answer repeats.
pub(crate) fn request_message(
    settings: &Settings,
    queue: &[u8],
    reply_queue: &[u8],
    content: Content<'_>,
) -> Result<Message, Failure> {
    let envelope_len = content.envelope_len();
    let correlation = match envelope_len {
        None => NO_ENVELOPE.to_vec(),
        Some(len) => {
            let ids: Vec<&[u8]> = content.frames().take(len - 1).collect();
            let bytes: usize = ids.iter().map(|id| id.len()).sum();
            if bytes > ENVELOPE_BYTES_MAX || ids.len() > ENVELOPE_FRAMES_MAX {
                return Err(Failure::EnvelopeTooLong(ENVELOPE_BYTES_MAX));
            }
            let spelled: Vec<String> = ids.iter().map(|id| HEXLOWER.encode(id)).collect();
            spelled.join(".").into_bytes()
        }
    };
    let (lengths, body) = content.behind(envelope_len.unwrap_or(0));
    let head = Head {
        reply_queue,
        correlation: &correlation,
        lengths: &lengths,
    };
    Ok(message((&[], queue), settings.persistence, 0, &head, body))
}

/// What a REP answers. What stands up to the first empty frame is not for the requester.
pub(crate) fn answer_message(
    settings: &Settings,
    (exchange, key): (&[u8], &[u8]),
    correlation: &[u8],
    content: Content<'_>,
) -> Message {
    let (lengths, body) = content.behind(content.envelope_len().unwrap_or(0));
    let head = Head {
        reply_queue: &[],
        correlation,
        lengths: &lengths,
    };
    message((exchange, key), settings.persistence, 0, &head, body)
}

/// The frames that stand before the body of an answer, by what it repeats: the envelope, and an empty frame.
pub(crate) fn envelope_frames(correlation: &[u8]) -> Vec<Vec<u8>> {
    if correlation == NO_ENVELOPE {
        return Vec::new();
    }
    let ids = correlation.split(|byte| *byte == b'.');
    let ids: Option<Vec<Vec<u8>>> = ids.map(|id| HEXLOWER.decode(id).ok()).collect();
    let mut frames = ids.unwrap_or_default();
    frames.retain(|id| !id.is_empty());
    frames.push(Vec::new());
    frames
}
