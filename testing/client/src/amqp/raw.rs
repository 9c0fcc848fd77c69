//! A blocking AMQP 0-9-1 client by frames: enough to publish with confirms, and to send what no client would.

use super::FRAME_END;
use crate::transport::{connect, fill};
use anyhow::{Context as _, Result, ensure};
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};

/// The protocol header.
pub const PROTOCOL_HEADER: &[u8] = b"AMQP\0\0\x09\x01";
/// `basic.ack`, class and method.
const ACK: (u16, u16) = (60, 80);

/// A frame, whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawFrame {
    /// 1 for a method, 2 for a content header, 3 for a body, 8 for a heartbeat.
    pub kind: u8,
    /// The channel.
    pub channel: u16,
    /// What is between head and end.
    pub payload: Vec<u8>,
}

impl RawFrame {
    /// A method with its arguments.
    #[must_use]
    pub fn method(channel: u16, (class, method): (u16, u16), arguments: &[u8]) -> Self {
        let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
        Self {
            kind: 1,
            channel,
            payload,
        }
    }

    /// A content header of `basic` without properties.
    #[must_use]
    pub fn content(channel: u16, body_len: u64) -> Self {
        let payload = [&b"\0\x3c\0\0"[..], &body_len.to_be_bytes(), b"\0\0"].concat();
        Self {
            kind: 2,
            channel,
            payload,
        }
    }

    /// A body, or a piece of one.
    #[must_use]
    pub fn body(channel: u16, bytes: &[u8]) -> Self {
        Self {
            kind: 3,
            channel,
            payload: bytes.to_vec(),
        }
    }

    /// As it is sent. Its length must fit into 32 bits.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let len = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let (channel, len) = (self.channel.to_be_bytes(), len.to_be_bytes());
        [
            &[self.kind][..],
            &channel,
            &len,
            &self.payload,
            &[FRAME_END],
        ]
        .concat()
    }

    /// Class and method, of a method.
    #[must_use]
    pub fn id(&self) -> Option<(u16, u16)> {
        match (self.kind, &self.payload[..]) {
            (1, [a, b, c, d, ..]) => {
                Some((u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d])))
            }
            _ => None,
        }
    }

    /// The reply code, of a `connection.close` or a `channel.close`.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match (self.id(), &self.payload[..]) {
            (Some((10, 50) | (20, 40)), [_, _, _, _, a, b, ..]) => {
                Some(u16::from_be_bytes([*a, *b]))
            }
            _ => None,
        }
    }
}

/// What opens a connection as `guest` with the heartbeat in seconds (0: none), and its channel 1.
#[must_use]
pub fn opening(heartbeat: u16) -> Vec<u8> {
    let start_ok = b"\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US";
    let tune_ok = [&b"\x07\xff\0\x02\0\0"[..], &heartbeat.to_be_bytes()].concat();
    let frames = [
        RawFrame::method(0, (10, 11), start_ok),
        RawFrame::method(0, (10, 31), &tune_ok),
        RawFrame::method(0, (10, 40), b"\x01/\0\0"),
        RawFrame::method(1, (20, 10), b"\0"),
    ];
    let mut bytes = PROTOCOL_HEADER.to_vec();
    for frame in frames {
        bytes.extend(frame.bytes());
    }
    bytes
}

/// A connection of AMQP 0-9-1.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl RawClient {
    /// Connects, and opens channel 1 with confirms.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let mut client = Self::open(address)?;
        client.write(&opening(0));
        client.send(&RawFrame::method(1, (85, 10), b"\0"));
        client.flush()?;
        for expected in [(10, 10), (10, 30), (10, 41), (20, 11), (85, 11)] {
            client.receive_method(expected)?;
        }
        Ok(client)
    }

    /// Connects without a word.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            stream: connect(address)?,
            pending: Vec::new(),
        })
    }

    /// The connection itself, for what the client does not do.
    #[must_use]
    pub const fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Adds bytes to what is to be sent.
    pub fn write(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Adds a frame to what is to be sent.
    pub fn send(&mut self, frame: &RawFrame) {
        self.pending.extend(frame.bytes());
    }

    /// Adds a publish on channel 1 to what is to be sent. The names have at most 255 bytes, the body fits into a frame.
    ///
    /// # Errors
    /// When a name has more.
    pub fn publish(&mut self, exchange: &str, key: &str, body: &[u8]) -> Result<()> {
        let mut arguments = vec![0, 0];
        for name in [exchange, key] {
            arguments.push(u8::try_from(name.len())?);
            arguments.extend_from_slice(name.as_bytes());
        }
        arguments.push(0);
        self.send(&RawFrame::method(1, (60, 40), &arguments));
        self.send(&RawFrame::content(1, u64::try_from(body.len())?));
        if !body.is_empty() {
            self.send(&RawFrame::body(1, body));
        }
        Ok(())
    }

    /// Sends what was added.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn flush(&mut self) -> Result<()> {
        let sent = self.stream.write_all(&self.pending);
        self.pending.clear();
        sent.context("sending")
    }

    /// Says that nothing more is sent.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn shutdown(&self) -> Result<()> {
        Ok(self.stream.shutdown(Shutdown::Write)?)
    }

    /// The next frame; none if the connection ended before it, in whichever way.
    ///
    /// # Errors
    /// When nothing comes, or what is no frame.
    pub fn receive(&mut self) -> Result<Option<RawFrame>> {
        let mut head = [0; 7];
        if !fill(&mut self.stream, &mut head)? {
            return Ok(None);
        }
        let [kind, a, b, len @ ..] = head;
        let len = usize::try_from(u32::from_be_bytes(len))?;
        let mut payload = vec![0; len + 1];
        if !fill(&mut self.stream, &mut payload)? {
            return Ok(None);
        }
        let end = payload.pop();
        ensure!(end == Some(FRAME_END), "{head:02x?} ends with {end:02x?}");
        let channel = u16::from_be_bytes([a, b]);
        Ok(Some(RawFrame {
            kind,
            channel,
            payload,
        }))
    }

    /// The next frame, which is this method.
    ///
    /// # Errors
    /// When anything else comes, or nothing.
    pub fn receive_method(&mut self, expected: (u16, u16)) -> Result<RawFrame> {
        let frame = self.receive()?.context("the connection ended")?;
        ensure!(
            frame.id() == Some(expected),
            "no {expected:?} but {frame:02x?}"
        );
        Ok(frame)
    }

    /// Waits until the publish with this number on channel 1 is confirmed, and all before it.
    ///
    /// # Errors
    /// When anything else comes, or nothing.
    pub fn receive_confirms_up_to(&mut self, number: u64) -> Result<()> {
        loop {
            let ack = self.receive_method(ACK)?;
            let tag = ack.payload.get(4..12).context("a tag")?;
            if u64::from_be_bytes(tag.try_into()?) == number {
                return Ok(());
            }
        }
    }
}
