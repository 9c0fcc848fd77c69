//! The protocols the generator speaks, behind one enum: what to send, and how to scan what
//! comes back.
//!
//! Scanning knows nothing of sockets: it is given the unread bytes and names the first whole frame
//! in them, or says that more are needed.

use std::ops::Range;

use anyhow::Result;

pub(crate) mod nats;
pub(crate) mod stomp;

/// Longest frame that is waited for; a peer that sends a longer one is not understood.
pub(crate) const FRAME_BYTES_MAX: usize = 1024 * 1024 + 4096;

/// A protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// STOMP 1.2.
    Stomp,
    /// STOMP 1.2 to a RabbitMQ whose queues are to be quorum queues.
    StompQuorum,
    /// The NATS client protocol.
    Nats,
}

/// What kind of destination a run sends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Each message goes to one consumer.
    Queue,
    /// Each message goes to every subscriber.
    Topic,
}

/// What a sender asks of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safety {
    /// Nothing: not persistent, no receipt, consumed without acknowledgment.
    Transient,
    /// Persistent, each message with a receipt, each delivery acknowledged by itself.
    Confirmed,
}

/// The first whole frame of some input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    /// Bytes up to its end, with all that was skipped before it.
    pub(crate) len: usize,
    /// What it says.
    pub(crate) frame: Frame,
}

/// What a broker says, as far as the generator cares. Ranges are positions in the scanned input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// The connection is open; `server` names the broker, where it does.
    Connected { server: Range<usize> },
    /// A delivery; `ack` is what to acknowledge it by, empty where there is nothing to. Where it may have
    /// been delivered before, the broker says `is_redelivered`.
    Message {
        body: Range<usize>,
        ack: Range<usize>,
        is_redelivered: bool,
    },
    /// A receipt for the frame that asked for it under this id.
    Receipt { id: Range<usize> },
    /// The broker refused something; what it says of it.
    Error { text: Range<usize> },
    /// Nothing that matters here. Also a PING: a run is over long before it is missed.
    Other,
}

/// A SEND or PUB frame, rendered once and sent again and again with its stamp patched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    /// The whole frame.
    pub(crate) bytes: Vec<u8>,
    /// Where its body begins.
    pub(crate) body_at: usize,
    /// Where the digits of its receipt id begin, if it asks for one.
    pub(crate) receipt_at: Option<usize>,
}

impl Wire {
    /// Finds the first whole frame of `input`, or `None` if it goes on beyond its end.
    #[inline]
    pub(crate) fn scan(self, input: &[u8]) -> Result<Option<Scanned>> {
        match self {
            Self::Stomp | Self::StompQuorum => stomp::scan(input),
            Self::Nats => nats::scan(input),
        }
    }

    /// What a client says first; the broker answers with [`Frame::Connected`].
    pub(crate) fn connect(self) -> Vec<u8> {
        match self {
            Self::Stomp | Self::StompQuorum => stomp::connect(),
            Self::Nats => nats::connect(),
        }
    }

    /// Asks for deliveries; the broker answers with a [`Frame::Receipt`] once they will come. A queue that is not
    /// there yet begins with this.
    pub(crate) fn subscribe(self, target: Target, name: &str, safety: Safety) -> Vec<u8> {
        match self {
            Self::Stomp => stomp::subscribe(&self.destination(target, name), 1, safety),
            // Only this destination declares a queue, of the type that a header names.
            Self::StompQuorum => stomp::subscribe_quorum(&format!("/queue/{name}"), safety),
            Self::Nats => nats::subscribe(&self.destination(target, name)),
        }
    }

    /// Says good-bye; the broker answers with a [`Frame::Receipt`] or closes.
    pub(crate) fn disconnect(self) -> &'static [u8] {
        match self {
            Self::Stomp | Self::StompQuorum => b"DISCONNECT\nreceipt:bye\n\n\0",
            Self::Nats => b"PING\r\n",
        }
    }

    /// What the answer to that has in it, and no other.
    pub(crate) fn farewell(self) -> &'static [u8] {
        match self {
            Self::Stomp | Self::StompQuorum => b"receipt-id:bye\n",
            Self::Nats => b"PONG\r\n",
        }
    }

    /// Renders the frame that publishes `body`.
    pub(crate) fn template(self, destination: &str, body: &[u8], safety: Safety) -> Template {
        match self {
            Self::Stomp | Self::StompQuorum => stomp::template(destination, body, safety),
            Self::Nats => nats::template(destination, body),
        }
    }

    /// The name in this protocol of a destination to publish to.
    pub(crate) fn destination(self, target: Target, name: &str) -> String {
        match (self, target) {
            (Self::Stomp, Target::Queue) => format!("/queue/{name}"),
            (Self::Stomp | Self::StompQuorum, Target::Topic) => format!("/topic/{name}"),
            // A queue that is there already, so that no message has to name its type.
            (Self::StompQuorum, Target::Queue) => format!("/amq/queue/{name}"),
            (Self::Nats, Target::Queue | Target::Topic) => name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame in words, with what its ranges hold.
    fn render(input: &[u8], frame: Frame) -> String {
        let text = |range: Range<usize>| format!("\"{}\"", input[range].escape_ascii());
        match frame {
            Frame::Connected { server } => format!("connected {}", text(server)),
            Frame::Message {
                body,
                ack,
                is_redelivered,
            } => {
                let (body, ack) = (text(body).replace("\\x00", "\\0"), text(ack));
                let again = if is_redelivered { " redelivered" } else { "" };
                format!("message {body} ack {ack}{again}")
            }
            Frame::Receipt { id } => format!("receipt {}", text(id)),
            Frame::Error { text: said } => format!("error {}", text(said)),
            Frame::Other => "other".to_owned(),
        }
    }

    /// Scans what is whole and leaves the rest.
    fn drain(wire: Wire, input: &mut Vec<u8>, frames: &mut Vec<String>) {
        while let Some(scanned) = wire.scan(input).unwrap() {
            frames.push(render(input, scanned.frame));
            input.drain(..scanned.len);
        }
    }

    /// Feeds `capture` in two parts, cut at every place, and byte by byte.
    pub(super) fn check_any_split(wire: Wire, capture: &[u8], expect: &[&str]) {
        for cut in 0..=capture.len() {
            let (mut input, mut frames) = (Vec::new(), Vec::new());
            for part in [&capture[..cut], &capture[cut..]] {
                input.extend_from_slice(part);
                drain(wire, &mut input, &mut frames);
            }
            assert_eq!(frames, expect, "cut at {cut}");
        }
        let (mut input, mut frames) = (Vec::new(), Vec::new());
        for byte in capture {
            input.push(*byte);
            drain(wire, &mut input, &mut frames);
        }
        assert_eq!(frames, expect, "byte by byte");
    }
}
