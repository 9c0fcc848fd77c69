//! From a client's frames to the payload of its messages.

use super::frame::{Head, Opcode, PartialHead, apply_mask};
use super::utf8::Utf8;
use super::{Messages, Violation};

/// Decodes what a client sends, in place.
///
/// ```text
///             head is whole: data, control        payload is whole
///   Head ─────────────────────────────► Payload ────────────────────► Head
/// ```
#[derive(Debug)]
pub(super) struct Incoming {
    state: State,
    /// What the message is that has begun and not ended; none between messages.
    message: Option<MessageKind>,
    /// Payload of that message, as far as heads have told.
    message_bytes: u64,
    message_bytes_max: u64,
    messages: Messages,
    utf8: Utf8,
    /// The payload of a control frame, as far as it has come.
    control: Vec<u8>,
}

#[derive(Debug)]
enum State {
    Head(PartialHead),
    Payload { head: Head, taken: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum MessageKind {
    Text,
    Binary,
}

/// How the input of a WebSocket has ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client sent a close frame, with a code or without.
    Closed(Option<u16>),
    /// The client broke the rules.
    Violated(Violation),
    /// The transport ended without a close frame.
    Vanished,
}

/// What was in some bytes.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    /// The length of the payload that stands at their front now.
    pub(super) payload_bytes: usize,
    /// The payload of the last ping.
    pub(super) ping: Option<Vec<u8>>,
    /// Set if nothing that comes behind has a meaning.
    pub(super) ending: Option<Ending>,
}

impl Incoming {
    pub(super) fn new(message_bytes_max: usize, messages: Messages) -> Self {
        Self {
            state: State::Head(PartialHead::default()),
            message: None,
            message_bytes: 0,
            message_bytes_max: message_bytes_max as u64,
            messages,
            utf8: Utf8::default(),
            control: Vec::new(),
        }
    }

    /// Decodes bytes that came next. The payload of messages in them is moved to their front.
    pub(super) fn decode(&mut self, raw: &mut [u8]) -> Decoded {
        let mut decoded = Decoded::default();
        let mut at = 0;
        while at < raw.len() && decoded.ending.is_none() {
            if let Err(violation) = self.step(raw, &mut at, &mut decoded) {
                decoded.ending = Some(Ending::Violated(violation));
            }
        }
        decoded
    }

    /// One byte of a head, or all there is of a payload.
    fn step(
        &mut self,
        raw: &mut [u8],
        at: &mut usize,
        decoded: &mut Decoded,
    ) -> Result<(), Violation> {
        match &mut self.state {
            State::Head(partial) => {
                let head = partial.push(raw[*at])?;
                *at += 1;
                let Some(head) = head else { return Ok(()) };
                self.begin_frame(&head)?;
                if head.payload_bytes == 0 {
                    return self.end_frame(&head, decoded);
                }
                self.state = State::Payload { head, taken: 0 };
            }
            State::Payload { head, taken } => {
                let left = usize::try_from(head.payload_bytes - *taken).unwrap_or(usize::MAX);
                let count = left.min(raw.len() - *at);
                let piece = *at..*at + count;
                apply_mask(&mut raw[piece.clone()], head.mask, *taken);
                *taken += count as u64;
                *at += count;
                let ended = (*taken == head.payload_bytes).then_some(*head);
                match head.opcode {
                    Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                        if self.message == Some(MessageKind::Text)
                            && !self.utf8.push(&raw[piece.clone()])
                        {
                            return Err(Violation::NotUtf8);
                        }
                        raw.copy_within(piece, decoded.payload_bytes);
                        decoded.payload_bytes += count;
                    }
                    // The head was checked: this is not more than a control frame may hold.
                    Opcode::Close | Opcode::Ping | Opcode::Pong => {
                        self.control.extend_from_slice(&raw[piece]);
                    }
                }
                if let Some(head) = ended {
                    return self.end_frame(&head, decoded);
                }
            }
        }
        Ok(())
    }

    fn begin_frame(&mut self, head: &Head) -> Result<(), Violation> {
        let begun = match head.opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => return Ok(()),
            Opcode::Continuation => None,
            Opcode::Text if self.messages == Messages::Binary => {
                return Err(Violation::TextUnwanted);
            }
            Opcode::Text => Some(MessageKind::Text),
            Opcode::Binary => Some(MessageKind::Binary),
        };
        match (self.message, begun) {
            (None, None) => return Err(Violation::NothingToContinue),
            (Some(_), Some(_)) => return Err(Violation::MessageUnfinished),
            (None, Some(_)) => {
                self.message = begun;
                self.message_bytes = 0;
            }
            (Some(_), None) => {}
        }
        self.message_bytes = self.message_bytes.saturating_add(head.payload_bytes);
        if self.message_bytes > self.message_bytes_max {
            return Err(Violation::MessageTooLong(self.message_bytes_max));
        }
        Ok(())
    }

    fn end_frame(&mut self, head: &Head, decoded: &mut Decoded) -> Result<(), Violation> {
        self.state = State::Head(PartialHead::default());
        match head.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                if head.is_final {
                    self.message = None;
                    if !self.utf8.end() {
                        return Err(Violation::NotUtf8);
                    }
                }
            }
            Opcode::Ping => decoded.ping = Some(std::mem::take(&mut self.control)),
            Opcode::Pong => self.control = Vec::new(),
            Opcode::Close => decoded.ending = Some(Ending::Closed(close_code(&self.control)?)),
        }
        Ok(())
    }
}

/// The code in the payload of a close frame. [RFC 6455 5.5.1, 7.4]
fn close_code(payload: &[u8]) -> Result<Option<u16>, Violation> {
    let [high, low, reason @ ..] = payload else {
        let is_empty = payload.is_empty();
        return is_empty.then_some(None).ok_or(Violation::CloseMalformed);
    };
    if std::str::from_utf8(reason).is_err() {
        return Err(Violation::NotUtf8);
    }
    match u16::from_be_bytes([*high, *low]) {
        code @ (1000..=1003 | 1007..=1014 | 3000..=4999) => Ok(Some(code)),
        _ => Err(Violation::CloseMalformed),
    }
}
