//! What a client asks for, as bytes.

use super::{FRAME_BYTES_MAX, FRAME_END, FRAME_OVERHEAD_BYTES, MethodId};

/// How a client introduces itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Login<'a> {
    /// What it says that it can do.
    pub capabilities: &'a [&'a str],
    /// The interval of heartbeats in seconds; none if 0.
    pub heartbeat_s: u16,
}

/// A queue to declare.
#[derive(Clone, Copy, Debug, Default)]
pub struct Declare<'a> {
    /// Its name; empty for one that the broker makes up.
    pub queue: &'a str,
    /// Only asked for, not made.
    pub passive: bool,
    /// Stays when the broker stops.
    pub durable: bool,
    /// The connection's own.
    pub exclusive: bool,
    /// Its `x-` arguments.
    pub arguments: &'a [(&'a str, Argument<'a>)],
}

/// The value of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// A number.
    Number(i64),
    /// Text.
    Text(&'a str),
}

/// A message to publish.
#[derive(Clone, Copy, Debug, Default)]
pub struct Publish<'a> {
    /// The exchange; empty for the default one.
    pub exchange: &'a str,
    /// Its routing key.
    pub key: &'a str,
    /// Whether it comes back if nobody gets it.
    pub mandatory: bool,
    /// Whether it must survive a restart.
    pub persistent: bool,
    /// Its priority; not said if 0.
    pub priority: u8,
    /// Its time to live.
    pub expiration_ms: Option<u64>,
    /// Where answers are to go; not said if empty.
    pub reply_to: &'a str,
    /// Its headers, all of them text.
    pub headers: &'a [(&'a str, &'a str)],
    /// Its body.
    pub body: &'a [u8],
}

/// Requests that wait to be sent, in their order.
#[derive(Debug, Default)]
pub struct Requests {
    bytes: Vec<u8>,
}

impl Requests {
    /// Takes all of it.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// How much there is.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.push(kind);
        self.bytes.extend(channel.to_be_bytes());
        self.bytes.extend([0; 4]);
        let from = self.bytes.len();
        payload(&mut self.bytes);
        let len = u32::try_from(self.bytes.len() - from).expect("frames are small");
        self.bytes[from - 4..from].copy_from_slice(&len.to_be_bytes());
        self.bytes.push(FRAME_END);
    }

    fn method(
        &mut self,
        channel: u16,
        (class, method): MethodId,
        fields: impl FnOnce(&mut Vec<u8>),
    ) {
        self.frame(1, channel, |to| {
            to.extend(class.to_be_bytes());
            to.extend(method.to_be_bytes());
            fields(to);
        });
    }

    /// All that opens a connection, from the protocol's header to `connection.open`.
    pub fn open(&mut self, login: &Login<'_>) {
        self.bytes.extend(b"AMQP\0\0\x09\x01");
        self.method(0, (10, 11), |to| {
            put_table(to, |to| {
                put_short(to, "capabilities");
                to.push(b'F');
                put_table(to, |to| {
                    for name in login.capabilities {
                        put_short(to, name);
                        to.extend([b't', 1]);
                    }
                });
            });
            put_short(to, "PLAIN");
            put_long(to, b"\0guest\0guest");
            put_short(to, "en_US");
        });
        self.method(0, (10, 31), |to| {
            to.extend(2_047_u16.to_be_bytes());
            to.extend([0, 2, 0, 0]);
            to.extend(login.heartbeat_s.to_be_bytes());
        });
        self.method(0, (10, 40), |to| to.extend(b"\x01/\0\0"));
    }

    /// `connection.close`.
    pub fn close(&mut self) {
        self.method(0, (10, 50), |to| to.extend([0, 200, 0, 0, 0, 0, 0]));
    }

    /// `connection.close-ok`.
    pub fn close_ok(&mut self) {
        self.method(0, (10, 51), |_| {});
    }

    /// A sign of life.
    pub fn heartbeat(&mut self) {
        self.frame(8, 0, |_| {});
    }

    /// `channel.open`.
    pub fn channel_open(&mut self, channel: u16) {
        self.method(channel, (20, 10), |to| to.push(0));
    }

    /// `channel.close`.
    pub fn channel_close(&mut self, channel: u16) {
        self.method(channel, (20, 40), |to| to.extend([0, 200, 0, 0, 0, 0, 0]));
    }

    /// `channel.close-ok`.
    pub fn channel_close_ok(&mut self, channel: u16) {
        self.method(channel, (20, 41), |_| {});
    }

    /// `queue.declare`.
    pub fn declare(&mut self, channel: u16, declare: &Declare<'_>) {
        self.method(channel, (50, 10), |to| {
            to.extend([0, 0]);
            put_short(to, declare.queue);
            put_bits(to, &[declare.passive, declare.durable, declare.exclusive]);
            put_table(to, |to| {
                for (name, value) in declare.arguments {
                    put_short(to, name);
                    match value {
                        Argument::Number(number) => {
                            to.push(b'l');
                            to.extend(number.to_be_bytes());
                        }
                        Argument::Text(text) => {
                            to.push(b'S');
                            put_long(to, text.as_bytes());
                        }
                    }
                }
            });
        });
    }

    /// `queue.delete`, whatever is in it.
    pub fn delete(&mut self, channel: u16, queue: &str) {
        self.method(channel, (50, 40), |to| {
            to.extend([0, 0]);
            put_short(to, queue);
            to.push(0);
        });
    }

    /// `queue.bind`.
    pub fn bind(&mut self, channel: u16, queue: &str, exchange: &str, key: &str) {
        self.method(channel, (50, 20), |to| {
            to.extend([0, 0]);
            put_short(to, queue);
            put_short(to, exchange);
            put_short(to, key);
            to.push(0);
            put_table(to, |_| {});
        });
    }

    /// `confirm.select`.
    pub fn confirm_select(&mut self, channel: u16) {
        self.method(channel, (85, 10), |to| to.push(0));
    }

    /// `tx.select`.
    pub fn tx_select(&mut self, channel: u16) {
        self.method(channel, (90, 10), |_| {});
    }

    /// `tx.commit`.
    pub fn commit(&mut self, channel: u16) {
        self.method(channel, (90, 20), |_| {});
    }

    /// `tx.rollback`.
    pub fn rollback(&mut self, channel: u16) {
        self.method(channel, (90, 30), |_| {});
    }

    /// `basic.qos`.
    pub fn qos(&mut self, channel: u16, prefetch_count: u16, global: bool) {
        self.method(channel, (60, 10), |to| {
            to.extend([0; 4]);
            to.extend(prefetch_count.to_be_bytes());
            put_bits(to, &[global]);
        });
    }

    /// `basic.consume`.
    pub fn consume(&mut self, channel: u16, queue: &str, tag: &str, no_ack: bool) {
        self.method(channel, (60, 20), |to| {
            to.extend([0, 0]);
            put_short(to, queue);
            put_short(to, tag);
            put_bits(to, &[false, no_ack, false, false]);
            put_table(to, |_| {});
        });
    }

    /// `basic.get`.
    pub fn get(&mut self, channel: u16, queue: &str, no_ack: bool) {
        self.method(channel, (60, 70), |to| {
            to.extend([0, 0]);
            put_short(to, queue);
            put_bits(to, &[no_ack]);
        });
    }

    /// `basic.cancel`.
    pub fn cancel(&mut self, channel: u16, tag: &str) {
        self.method(channel, (60, 30), |to| {
            put_short(to, tag);
            to.push(0);
        });
    }

    /// `basic.publish` and its content.
    pub fn publish(&mut self, channel: u16, publish: &Publish<'_>) {
        self.method(channel, (60, 40), |to| {
            to.extend([0, 0]);
            put_short(to, publish.exchange);
            put_short(to, publish.key);
            put_bits(to, &[publish.mandatory]);
        });
        self.frame(2, channel, |to| put_header(to, publish));
        for piece in publish.body.chunks(FRAME_BYTES_MAX - FRAME_OVERHEAD_BYTES) {
            self.frame(3, channel, |to| to.extend_from_slice(piece));
        }
    }

    /// `basic.ack`.
    pub fn ack(&mut self, channel: u16, tag: u64, multiple: bool) {
        self.method(channel, (60, 80), |to| put_tag(to, tag, &[multiple]));
    }

    /// `basic.nack`.
    pub fn nack(&mut self, channel: u16, tag: u64, multiple: bool, requeue: bool) {
        self.method(channel, (60, 120), |to| {
            put_tag(to, tag, &[multiple, requeue]);
        });
    }

    /// `basic.reject`.
    pub fn reject(&mut self, channel: u16, tag: u64, requeue: bool) {
        self.method(channel, (60, 90), |to| put_tag(to, tag, &[requeue]));
    }

    /// `basic.recover`, which gives back.
    pub fn recover(&mut self, channel: u16) {
        self.method(channel, (60, 110), |to| to.push(1));
    }
}

fn put_tag(to: &mut Vec<u8>, tag: u64, bits: &[bool]) {
    to.extend(tag.to_be_bytes());
    put_bits(to, bits);
}

/// What a content's header says.
fn put_header(to: &mut Vec<u8>, publish: &Publish<'_>) {
    let Publish {
        persistent,
        priority,
        expiration_ms,
        reply_to,
        headers,
        body,
        ..
    } = publish;
    to.extend([0, 60, 0, 0]);
    to.extend((body.len() as u64).to_be_bytes());
    let flags = u16::from(!headers.is_empty()) << 13
        | u16::from(*persistent) << 12
        | u16::from(*priority > 0) << 11
        | u16::from(!reply_to.is_empty()) << 9
        | u16::from(expiration_ms.is_some()) << 8;
    to.extend(flags.to_be_bytes());
    if !headers.is_empty() {
        put_table(to, |to| {
            for (name, value) in *headers {
                put_short(to, name);
                to.push(b'S');
                put_long(to, value.as_bytes());
            }
        });
    }
    if *persistent {
        to.push(2);
    }
    if *priority > 0 {
        to.push(*priority);
    }
    if !reply_to.is_empty() {
        put_short(to, reply_to);
    }
    if let Some(expiration_ms) = expiration_ms {
        put_short(to, &expiration_ms.to_string());
    }
}

fn put_short(to: &mut Vec<u8>, text: &str) {
    to.push(u8::try_from(text.len()).expect("short strings are short"));
    to.extend_from_slice(text.as_bytes());
}

fn put_long(to: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("long strings are not that long");
    to.extend(len.to_be_bytes());
    to.extend_from_slice(bytes);
}

/// The first is the lowest.
fn put_bits(to: &mut Vec<u8>, bits: &[bool]) {
    let add = |octet, bit: &bool| octet << 1 | u8::from(*bit);
    to.push(bits.iter().rev().fold(0, add));
}

fn put_table(to: &mut Vec<u8>, entries: impl FnOnce(&mut Vec<u8>)) {
    let mut table = Vec::new();
    entries(&mut table);
    put_long(to, &table);
}
