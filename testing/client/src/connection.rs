//! A connection to a broker, in two halves.

use crate::frame::{Frame, Version};
use crate::request::{Options, Send, Subscribe};
use crate::transport::{connect, read};
use anyhow::{Context as _, Result, ensure};
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};

/// Both halves of a connection that was accepted.
#[derive(Debug)]
pub struct Client {
    /// What is sent.
    pub writer: Writer,
    /// What comes.
    pub reader: Reader,
    barriers: u64,
}

/// The sending half. Frames collect in it until [`Writer::flush`].
#[derive(Debug)]
pub struct Writer {
    stream: TcpStream,
    version: Version,
    pending: Vec<u8>,
}

/// The receiving half.
#[derive(Debug)]
pub struct Reader {
    stream: TcpStream,
    version: Version,
    input: Vec<u8>,
    /// Bytes of `input` that were read before.
    taken: usize,
}

impl Client {
    /// Connects with STOMP 1.2 and no heart-beats.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        Self::connect_as(address, &Options::default())
    }

    /// Connects and waits for CONNECTED.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses, or speaks another version.
    pub fn connect_as(address: SocketAddr, options: &Options<'_>) -> Result<Self> {
        let mut client = Self::open(address, options.version)?;
        let version = options.version.text();
        let beats = format!("{},{}", options.heart_beat_ms.0, options.heart_beat_ms.1);
        let mut frame = Frame::new("CONNECT", &[("accept-version", version), ("host", "/")]);
        frame.headers.push(("heart-beat".to_owned(), beats));
        let more = Frame::new("", options.headers).headers;
        frame.headers.extend(more);
        client.writer.push(&frame);
        client.writer.flush()?;
        let answer = client.receive()?;
        ensure!(answer.command == "CONNECTED", "refused: {answer:?}");
        let spoken = answer.header("version").unwrap_or("1.0");
        ensure!(spoken == version, "asked for {version}, got {spoken}");
        Ok(client)
    }

    /// Connects without a CONNECT frame.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn open(address: SocketAddr, version: Version) -> Result<Self> {
        let stream = connect(address)?;
        let writer = Writer {
            stream: stream.try_clone()?,
            version,
            pending: Vec::new(),
        };
        let reader = Reader {
            stream,
            version,
            input: Vec::new(),
            taken: 0,
        };
        Ok(Self {
            writer,
            reader,
            barriers: 0,
        })
    }

    /// Sends one message at once; waits for its receipt if it asks for one.
    ///
    /// # Errors
    /// When the connection fails, or anything but the receipt comes first.
    pub fn send(&mut self, send: &Send<'_>) -> Result<()> {
        self.writer.send(send);
        self.writer.flush()?;
        send.receipt.map_or(Ok(()), |id| self.receipt(id))
    }

    /// Subscribes and waits until that is done.
    ///
    /// # Errors
    /// When the connection fails or the broker refuses.
    pub fn subscribe(&mut self, subscribe: &Subscribe<'_>) -> Result<()> {
        let receipt = format!("subscribe-{}", subscribe.id);
        self.writer.subscribe(subscribe, Some(&receipt));
        self.writer.flush()?;
        // Deliveries may come before the receipt: they stay for who asks next.
        self.reader.receipt_among_others(&receipt)
    }

    /// Acknowledges a MESSAGE at once.
    ///
    /// # Errors
    /// When the connection fails, or the message cannot be acknowledged.
    pub fn ack(&mut self, message: &Frame) -> Result<()> {
        self.writer.settle("ACK", message, None)?;
        self.writer.flush()
    }

    /// Refuses a MESSAGE at once.
    ///
    /// # Errors
    /// When the connection fails, or the message cannot be refused.
    pub fn nack(&mut self, message: &Frame) -> Result<()> {
        self.writer.settle("NACK", message, None)?;
        self.writer.flush()
    }

    /// The next frame.
    ///
    /// # Errors
    /// When the connection ended, or nothing comes.
    pub fn receive(&mut self) -> Result<Frame> {
        self.reader
            .receive()?
            .context("the broker closed the connection")
    }

    /// The next frame, which must be a MESSAGE.
    ///
    /// # Errors
    /// When it is another, the connection ended, or nothing comes.
    pub fn message(&mut self) -> Result<Frame> {
        let frame = self.receive()?;
        ensure!(frame.command == "MESSAGE", "no MESSAGE but {frame:?}");
        Ok(frame)
    }

    /// The next frame, which must be this receipt.
    ///
    /// # Errors
    /// When it is another, the connection ended, or nothing comes.
    pub fn receipt(&mut self, id: &str) -> Result<()> {
        let frame = self.receive()?;
        let is_it = frame.command == "RECEIPT" && frame.header("receipt-id") == Some(id);
        ensure!(is_it, "no receipt {id} but {frame:?}");
        Ok(())
    }

    /// Waits until the broker has handled all that was sent before; gives back what came meanwhile.
    ///
    /// This is how a test knows that nothing more comes, without a pause.
    ///
    /// # Errors
    /// When the connection fails.
    pub fn barrier(&mut self) -> Result<Vec<Frame>> {
        self.barriers += 1;
        let id = format!("barrier-{}", self.barriers);
        let nobody = "/topic/barrier.nobody";
        self.writer.send(&Send {
            destination: nobody,
            receipt: Some(&id),
            ..Send::default()
        });
        self.writer.flush()?;
        let mut frames = Vec::new();
        loop {
            let frame = self.receive()?;
            if frame.header("receipt-id") == Some(&id) {
                return Ok(frames);
            }
            frames.push(frame);
        }
    }

    /// Says DISCONNECT and waits for the end of the connection.
    ///
    /// # Errors
    /// When the broker does not answer in order.
    pub fn disconnect(mut self) -> Result<()> {
        self.writer
            .push(&Frame::new("DISCONNECT", &[("receipt", "disconnect")]));
        self.writer.flush()?;
        self.reader.receipt_among_others("disconnect")
    }
}

impl Writer {
    /// Adds a frame to what is to be sent.
    pub fn push(&mut self, frame: &Frame) {
        frame.encode(self.version, &mut self.pending);
    }

    /// Adds bytes as they are to what is to be sent.
    pub fn push_raw(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Adds a message to what is to be sent.
    pub fn send(&mut self, send: &Send<'_>) {
        let mut frame = Frame::new("SEND", &[("destination", send.destination)]);
        if send.persistent {
            frame
                .headers
                .push(("persistent".to_owned(), "true".to_owned()));
        }
        if let Some(receipt) = send.receipt {
            frame
                .headers
                .push(("receipt".to_owned(), receipt.to_owned()));
        }
        frame.headers.extend(Frame::new("", send.headers).headers);
        frame.body = send.body.to_vec();
        self.push(&frame);
    }

    /// Adds a SUBSCRIBE to what is to be sent.
    pub fn subscribe(&mut self, subscribe: &Subscribe<'_>, receipt: Option<&str>) {
        let prefetch_count = subscribe.prefetch_count.map(|count| count.to_string());
        let ack = Some(subscribe.ack).filter(|ack| !ack.is_empty());
        let options = [
            ("ack", ack),
            ("prefetch-count", prefetch_count.as_deref()),
            ("receipt", receipt),
        ];
        let mut headers = vec![("id", subscribe.id), ("destination", subscribe.destination)];
        headers.extend(
            options
                .iter()
                .filter_map(|(name, value)| Some((*name, (*value)?))),
        );
        headers.extend(subscribe.headers);
        self.push(&Frame::new("SUBSCRIBE", &headers));
    }

    /// Adds an ACK or NACK of a MESSAGE, as the version spells it.
    ///
    /// # Errors
    /// When the message lacks the header that names its delivery.
    pub fn settle(&mut self, command: &str, message: &Frame, receipt: Option<&str>) -> Result<()> {
        let mut headers = match self.version {
            Version::V1_2 => vec![("id", message.require("ack")?)],
            Version::V1_1 => vec![
                ("message-id", message.require("message-id")?),
                ("subscription", message.require("subscription")?),
            ],
            Version::V1_0 => vec![("message-id", message.require("message-id")?)],
        };
        headers.extend(receipt.map(|receipt| ("receipt", receipt)));
        self.push(&Frame::new(command, &headers));
        Ok(())
    }

    /// Bytes that wait for [`Self::flush`].
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Writes all that was added.
    ///
    /// # Errors
    /// When the connection fails or the broker takes nothing for long.
    pub fn flush(&mut self) -> Result<()> {
        let result = self.stream.write_all(&self.pending).context("writing");
        self.pending.clear();
        result
    }

    /// Ends the connection at once, for both halves.
    pub fn close(&self) {
        // It may be closed from the other end already.
        drop(self.stream.shutdown(Shutdown::Both));
    }
}

impl Reader {
    /// The next frame, if all of it was read before.
    ///
    /// # Errors
    /// When what came is no frame.
    pub fn buffered(&mut self) -> Result<Option<Frame>> {
        let decoded = Frame::decode(self.version, &self.input[self.taken..])?;
        Ok(decoded.map(|(frame, end)| {
            self.taken += end;
            frame
        }))
    }

    /// The next frame; none once the connection ended.
    ///
    /// # Errors
    /// When what comes is no frame, or nothing comes for [`WAIT_MAX`](crate::WAIT_MAX).
    pub fn receive(&mut self) -> Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            self.input.drain(..self.taken);
            self.taken = 0;
            let mut chunk = [0; 64 * 1024];
            match read(&mut self.stream, &mut chunk)? {
                Some(bytes) => self.input.extend_from_slice(bytes),
                None => return Ok(None),
            }
        }
    }

    /// Waits for a receipt; other frames that come before it stay and are received next.
    fn receipt_among_others(&mut self, id: &str) -> Result<()> {
        let mut others = Vec::new();
        loop {
            let frame = self
                .receive()?
                .context("the broker closed the connection")?;
            ensure!(frame.command != "ERROR", "refused: {frame:?}");
            if frame.header("receipt-id") == Some(id) {
                break;
            }
            frame.encode(self.version, &mut others);
        }
        self.input.splice(..self.taken, others);
        self.taken = 0;
        Ok(())
    }
}
