//! The protocols the generator speaks, behind one enum: what to send, and how to scan what
//! comes back.
//!
//! Scanning knows nothing of sockets: it is given the unread bytes and names the first whole frame
//! in them, or says that more are needed.

use std::{fmt, ops::Range};

use anyhow::Result;

use crate::stamp::{DIGITS, decode_digits, encode_digits};

pub(crate) mod amqp;
pub(crate) mod mqtt;
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
    /// MQTT 3.1.1. Topics only.
    Mqtt,
    /// AMQP 0-9-1.
    Amqp,
    /// AMQP 0-9-1 to a RabbitMQ whose queues are to be quorum queues.
    AmqpQuorum,
}

/// The protocol of a suite. NATS is measured by its own in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// STOMP.
    Stomp,
    /// MQTT.
    Mqtt,
    /// AMQP 0-9-1.
    Amqp,
}

impl fmt::Display for Protocol {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Stomp => "STOMP",
            Self::Mqtt => "MQTT",
            Self::Amqp => "AMQP",
        })
    }
}

/// What becomes of a subscriber's session when its connection ends, where the protocol lets it choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Session {
    /// It ends, too.
    Clean,
    /// The broker keeps it.
    Kept,
}

/// What kind of destination a run sends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    /// Each message goes to one consumer.
    Queue,
    /// As many queues as publishers, each with one publisher and one consumer.
    Queues,
    /// Each message goes to every subscriber.
    Topic,
}

/// How a subscriber acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acks {
    /// The broker does not wait for it.
    Never,
    /// Each delivery by itself, if it asks for that.
    Each,
    /// All that one read has brought together, where the protocol has words for it.
    Together,
}

/// What a sender asks of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safety {
    /// Nothing: not persistent, no receipt, consumed without acknowledgment.
    Transient,
    /// Persistent, each message with a receipt, each delivery acknowledged by itself. QoS 1.
    Confirmed,
    /// The same, and nothing comes twice, where the protocol has words for it. QoS 2.
    Once,
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
    /// The middle of an exchange, and what it is to be answered with.
    Half { answer: [u8; 4] },
    /// A subscription stands, with this quality of service, or failed, which is none of the qualities.
    Granted { quality: u8 },
    /// The connection is refused.
    Refused { code: u8 },
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
    /// What its receipt will be known by, if it asks for one.
    pub(crate) receipt: Option<Receipt>,
}

/// What a receipt is known by, and where that stands in the frame that asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipt {
    /// The digits of the sequence.
    Digits(usize),
    /// The packet identifier that the sequence has.
    PacketId(usize),
    /// How many frames that ask for one were before it: nothing in the frame says so.
    Count,
}

/// The messages that a receipt is for, by their sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receipted {
    /// This one.
    One(u64),
    /// All up to this, whether they had one before or not.
    UpTo(u64),
}

impl Template {
    /// Writes what the receipt for a sequence will be known by into a copy of the frame.
    #[inline]
    pub(crate) fn patch_receipt(&self, frame: &mut [u8], sequence: u64) {
        match self.receipt {
            None | Some(Receipt::Count) => {}
            Some(Receipt::Digits(at)) => {
                frame[at..][..DIGITS].copy_from_slice(&encode_digits(sequence));
            }
            Some(Receipt::PacketId(at)) => {
                frame[at..][..2].copy_from_slice(&mqtt::packet_id(sequence));
            }
        }
    }
}

impl Wire {
    /// Finds the first whole frame of `input`, or `None` if it goes on beyond its end.
    #[inline]
    pub(crate) fn scan(self, input: &[u8]) -> Result<Option<Scanned>> {
        match self {
            Self::Stomp | Self::StompQuorum => stomp::scan(input),
            Self::Nats => nats::scan(input),
            Self::Mqtt => mqtt::scan(input),
            Self::Amqp | Self::AmqpQuorum => amqp::scan(input),
        }
    }

    /// What a client says first; the broker answers with [`Frame::Connected`].
    pub(crate) fn connect(self) -> Vec<u8> {
        match self {
            Self::Stomp | Self::StompQuorum => stomp::connect(),
            Self::Nats => nats::connect(),
            Self::Mqtt => mqtt::connect("", Session::Clean),
            Self::Amqp | Self::AmqpQuorum => amqp::connect(),
        }
    }

    /// The same for who publishes with that safety.
    pub(crate) fn connect_publisher(self, safety: Safety) -> Vec<u8> {
        match self {
            Self::Stomp | Self::StompQuorum | Self::Nats | Self::Mqtt => self.connect(),
            Self::Amqp | Self::AmqpQuorum => amqp::connect_publisher(safety),
        }
    }

    /// Asks for deliveries; the broker answers with a [`Frame::Receipt`] or [`Frame::Granted`] once they will come. A
    /// queue that is not there yet begins with this.
    pub(crate) fn subscribe(
        self,
        target: Target,
        name: &str,
        safety: Safety,
        acks: Acks,
    ) -> Vec<u8> {
        match self {
            Self::Stomp => stomp::subscribe(&self.destination(target, name), 1, safety),
            // Only this destination declares a queue, of the type that a header names.
            Self::StompQuorum => stomp::subscribe_quorum(&format!("/queue/{name}"), safety),
            Self::Nats => nats::subscribe(&self.destination(target, name)),
            Self::Mqtt => mqtt::subscribe(&self.destination(target, name), 0, safety),
            Self::Amqp => amqp::subscribe(target, name, amqp::Kind::Default, safety, acks),
            Self::AmqpQuorum => amqp::subscribe(target, name, amqp::Kind::Quorum, safety, acks),
        }
    }

    /// Says good-bye; the broker answers with a [`Frame::Receipt`] or closes.
    pub(crate) fn disconnect(self) -> &'static [u8] {
        match self {
            Self::Stomp | Self::StompQuorum => b"DISCONNECT\nreceipt:bye\n\n\0",
            Self::Nats => b"PING\r\n",
            Self::Mqtt => mqtt::DISCONNECT,
            Self::Amqp | Self::AmqpQuorum => amqp::CLOSE,
        }
    }

    /// Whether a frame is the answer to that. There is none in MQTT.
    pub(crate) fn is_farewell(self, frame: &[u8]) -> bool {
        let word: &[u8] = match self {
            Self::Stomp | Self::StompQuorum => b"receipt-id:bye\n",
            Self::Nats => b"PONG\r\n",
            Self::Mqtt => return false,
            Self::Amqp | Self::AmqpQuorum => return amqp::is_close_ok(frame),
        };
        memchr::memmem::find(frame, word).is_some()
    }

    /// Renders the frame that publishes `body`.
    pub(crate) fn template(self, destination: &str, body: &[u8], safety: Safety) -> Template {
        match self {
            Self::Stomp | Self::StompQuorum => stomp::template(destination, body, safety),
            Self::Nats => nats::template(destination, body),
            Self::Mqtt => mqtt::template(destination, body, safety),
            Self::Amqp | Self::AmqpQuorum => amqp::template(destination, body, safety),
        }
    }

    /// Appends the acknowledgment of a delivery, `ack` being what its frame said of that.
    #[inline]
    pub(crate) fn append_ack(self, output: &mut Vec<u8>, delivery: &[u8], ack: Range<usize>) {
        match self {
            Self::Stomp | Self::StompQuorum => stomp::append_ack(output, &delivery[ack]),
            Self::Mqtt => mqtt::append_ack(output, delivery, ack),
            Self::Nats => {}
            Self::Amqp | Self::AmqpQuorum => {
                if let Some(tag) = delivery[ack].first_chunk() {
                    amqp::append_ack(output, *tag, Acks::Each);
                }
            }
        }
    }

    /// The messages that a receipt is for, which are among the first `sent`, or none of a message.
    #[inline]
    pub(crate) fn receipted(self, id: &[u8], sent: u64) -> Option<Receipted> {
        match self {
            Self::Stomp | Self::StompQuorum | Self::Nats => {
                id.first_chunk().map(decode_digits).map(Receipted::One)
            }
            Self::Mqtt => mqtt::sequence_of(*id.first_chunk()?, sent).map(Receipted::One),
            Self::Amqp | Self::AmqpQuorum => amqp::receipted(id),
        }
    }

    /// The name in this protocol of a destination to publish to.
    pub(crate) fn destination(self, target: Target, name: &str) -> String {
        match (self, target) {
            (Self::Stomp, Target::Queue | Target::Queues) => format!("/queue/{name}"),
            (Self::Stomp | Self::StompQuorum, Target::Topic) => format!("/topic/{name}"),
            // A queue that is there already, so that no message has to name its type.
            (Self::StompQuorum, Target::Queue | Target::Queues) => format!("/amq/queue/{name}"),
            (Self::Nats, _) => name.to_owned(),
            (Self::Mqtt, _) => name.replace('.', "/"),
            (Self::Amqp | Self::AmqpQuorum, _) => amqp::destination(target, name),
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
            Frame::Half { answer } => format!("half {answer:x?}"),
            Frame::Granted { quality } => format!("granted {quality}"),
            Frame::Refused { code } => format!("refused {code}"),
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
