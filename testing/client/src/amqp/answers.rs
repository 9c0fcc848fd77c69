//! What the broker says, from bytes.

use super::{FRAME_END, FRAME_OVERHEAD_BYTES, MethodId};
use anyhow::{Context as _, Result, bail, ensure};
use std::collections::BTreeMap;

/// What the broker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// What this method says, which is no more than that.
    Done(MethodId),
    /// The queue is there.
    Declared {
        /// Its name.
        queue: String,
        /// Messages that are ready in it.
        messages: u32,
    },
    /// A message for a consumer.
    Delivered(Delivered),
    /// A message that nobody got, by its body. The confirm comes behind it.
    Returned(Vec<u8>),
    /// A publish is safe.
    Ack {
        /// Its tag.
        tag: u64,
        /// All before it are, too.
        multiple: bool,
    },
    /// A publish is refused.
    Nack {
        /// Its tag.
        tag: u64,
        /// All before it are, too.
        multiple: bool,
    },
    /// A consumer has ended, as was asked for, by its tag.
    Canceled(String),
    /// A consumer has ended with its queue, by its tag.
    Ended(String),
    /// The channel is closed, or the connection if it is channel 0.
    Closed {
        /// Why, as a number.
        code: u16,
        /// Why.
        text: String,
    },
    /// Publishes wait, for this reason.
    Blocked(String),
    /// They go on.
    Unblocked,
    /// A sign of life.
    Heartbeat,
}

/// A message that was delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// The tag of its consumer; empty if it was got.
    pub consumer: String,
    /// Its own, ascending on its channel from 1.
    pub tag: u64,
    /// Whether it may have been delivered before.
    pub redelivered: bool,
    /// Its routing key.
    pub key: String,
    /// Where its answers are to go.
    pub reply_to: Option<String>,
    /// Its headers that are text.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Delivered {
    /// The first header with this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Bytes that have come, and contents that are not whole.
#[derive(Debug, Default)]
pub struct Answers {
    input: Vec<u8>,
    /// Bytes of `input` that were read before.
    taken: usize,
    partial: BTreeMap<u16, Partial>,
}

/// A content on its way.
#[derive(Debug)]
struct Partial {
    /// What is delivered; else it is returned.
    delivered: Option<Delivered>,
    body: Vec<u8>,
    /// Of the whole body, once it is known.
    body_bytes: Option<usize>,
}

impl Answers {
    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.input.drain(..self.taken);
        self.taken = 0;
        self.input.extend_from_slice(bytes);
    }

    /// The next thing that the broker says, with its channel, if all of it has come.
    ///
    /// # Errors
    /// When what has come is nothing that a broker says.
    pub fn read(&mut self) -> Result<Option<(u16, Answer)>> {
        loop {
            let rest = &self.input[self.taken..];
            let Some(head) = rest.first_chunk::<7>() else {
                return Ok(None);
            };
            let channel = u16::from_be_bytes([head[1], head[2]]);
            let len = u32::from_be_bytes([head[3], head[4], head[5], head[6]]);
            let whole = len as usize + FRAME_OVERHEAD_BYTES;
            let Some(frame) = rest.get(..whole) else {
                return Ok(None);
            };
            ensure!(frame[whole - 1] == FRAME_END, "a frame without an end");
            let (kind, payload) = (head[0], &frame[7..whole - 1]);
            let answer = take(&mut self.partial, kind, channel, payload)?;
            self.taken += whole;
            if let Some(answer) = answer {
                return Ok(Some((channel, answer)));
            }
        }
    }
}

/// Takes a frame; gives back what is whole with it.
fn take(
    partial: &mut BTreeMap<u16, Partial>,
    kind: u8,
    channel: u16,
    payload: &[u8],
) -> Result<Option<Answer>> {
    let mut fields = Fields(payload);
    match kind {
        1 => {
            ensure!(
                !partial.contains_key(&channel),
                "a method within a content on channel {channel}"
            );
            let id = (fields.u16()?, fields.u16()?);
            let answer = method(id, &mut fields)?;
            let Some(answer) = answer else {
                return Ok(None);
            };
            if !matches!(answer, Answer::Delivered(_) | Answer::Returned(_)) {
                return Ok(Some(answer));
            }
            let delivered = if let Answer::Delivered(delivered) = answer {
                Some(delivered)
            } else {
                None
            };
            let of = Partial {
                delivered,
                body: Vec::new(),
                body_bytes: None,
            };
            partial.insert(channel, of);
            return Ok(None);
        }
        2 => {
            let of = partial.get_mut(&channel).context("a header of nothing")?;
            ensure!(of.body_bytes.is_none(), "a second header");
            fields.skip(4)?;
            of.body_bytes = Some(usize::try_from(fields.u64()?)?);
            let properties = fields.properties()?;
            if let Some(delivered) = &mut of.delivered {
                delivered.headers = properties.headers;
                delivered.reply_to = properties.reply_to;
            }
        }
        3 => {
            let of = partial.get_mut(&channel).context("a body of nothing")?;
            ensure!(of.body_bytes.is_some(), "a body without a header");
            of.body.extend_from_slice(payload);
        }
        8 => return Ok(Some(Answer::Heartbeat)),
        other => bail!("a frame of type {other}"),
    }
    let of = partial.get_mut(&channel).context("a content")?;
    let (has, wanted) = (of.body.len(), of.body_bytes.unwrap_or(0));
    ensure!(has <= wanted, "a body of {has} bytes for {wanted}");
    if has < wanted {
        return Ok(None);
    }
    Ok(partial.remove(&channel).map(Partial::whole))
}

impl Partial {
    fn whole(self) -> Answer {
        let body = self.body;
        match self.delivered {
            Some(delivered) => Answer::Delivered(Delivered { body, ..delivered }),
            None => Answer::Returned(body),
        }
    }
}

/// What a method says; nothing of those that a client need not wait for.
fn method(id: MethodId, fields: &mut Fields<'_>) -> Result<Option<Answer>> {
    Ok(Some(match id {
        // `start` and `tune`: their answers are sent without them.
        (10, 10 | 30) => return Ok(None),
        (10, 50) | (20, 40) => Answer::Closed {
            code: fields.u16()?,
            text: fields.short()?,
        },
        (10, 60) => Answer::Blocked(fields.short()?),
        (10, 61) => Answer::Unblocked,
        (50, 11) => Answer::Declared {
            queue: fields.short()?,
            messages: fields.u32()?,
        },
        (60, 30) => Answer::Ended(fields.short()?),
        (60, 31) => Answer::Canceled(fields.short()?),
        (60, 50) => Answer::Returned(Vec::new()),
        // `get-ok` differs in having no consumer, and behind all else a count.
        (60, it @ (60 | 71)) => {
            let is_got = it == 71;
            let consumer = if is_got {
                String::new()
            } else {
                fields.short()?
            };
            let tag = fields.u64()?;
            let redelivered = fields.u8()? & 1 != 0;
            fields.short()?;
            let key = fields.short()?;
            Answer::Delivered(Delivered {
                consumer,
                tag,
                redelivered,
                key,
                ..Delivered::default()
            })
        }
        (60, 80) => Answer::Ack {
            tag: fields.u64()?,
            multiple: fields.u8()? & 1 != 0,
        },
        (60, 120) => Answer::Nack {
            tag: fields.u64()?,
            multiple: fields.u8()? & 1 != 0,
        },
        other => Answer::Done(other),
    }))
}

/// What a client reads of a content's properties.
struct Properties {
    /// Headers that are text.
    headers: Vec<(String, String)>,
    reply_to: Option<String>,
}

/// What is left of a payload.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).context("a short payload")?;
        self.0 = rest;
        Ok(taken)
    }

    fn skip(&mut self, count: usize) -> Result<()> {
        self.take(count).map(drop)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        Ok(self.take(N)?.try_into()?)
    }

    fn u8(&mut self) -> Result<u8> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    fn u16(&mut self) -> Result<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    fn u32(&mut self) -> Result<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn short(&mut self) -> Result<String> {
        let len = self.u8()?;
        Ok(String::from_utf8_lossy(self.take(len.into())?).into_owned())
    }

    fn long(&mut self) -> Result<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }

    /// Of a content's properties, those that a client reads.
    fn properties(&mut self) -> Result<Properties> {
        let flags = self.u16()?;
        for flag in [15, 14] {
            if flags >> flag & 1 != 0 {
                self.short()?;
            }
        }
        let mut headers = Vec::new();
        if flags >> 13 & 1 != 0 {
            let mut table = Fields(self.long()?);
            while !table.0.is_empty() {
                let name = table.short()?;
                let value = table.value()?;
                headers.extend(value.map(|value| (name, value)));
            }
        }
        // The delivery mode and the priority are octets.
        self.skip((flags >> 12 & 1) as usize + (flags >> 11 & 1) as usize)?;
        if flags >> 10 & 1 != 0 {
            self.short()?;
        }
        let reply_to = (flags >> 9 & 1 != 0).then(|| self.short()).transpose()?;
        Ok(Properties { headers, reply_to })
    }

    /// A value, if it is text.
    fn value(&mut self) -> Result<Option<String>> {
        match self.u8()? {
            b'S' => return Ok(Some(String::from_utf8_lossy(self.long()?).into_owned())),
            b'V' => {}
            b't' | b'b' | b'B' => self.skip(1)?,
            b's' | b'u' => self.skip(2)?,
            b'I' | b'i' | b'f' => self.skip(4)?,
            b'D' => self.skip(5)?,
            b'l' | b'd' | b'T' => self.skip(8)?,
            b'x' | b'F' | b'A' => drop(self.long()?),
            other => bail!("a value of type {other}"),
        }
        Ok(None)
    }
}
