//! A connection, in two halves.

use super::{Answer, Answers, Login, MethodId, Requests, method};
use crate::transport::{connect, read};
use anyhow::{Context as _, Result, ensure};
use std::collections::VecDeque;
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};

/// Both halves of a connection that is open.
#[derive(Debug)]
pub struct AmqpClient {
    /// What is sent.
    pub writer: AmqpWriter,
    /// What comes.
    pub reader: AmqpReader,
}

/// The sending half.
#[derive(Debug)]
pub struct AmqpWriter {
    stream: TcpStream,
    /// What waits for [`AmqpWriter::flush`].
    pub requests: Requests,
}

/// The receiving half.
#[derive(Debug)]
pub struct AmqpReader {
    stream: TcpStream,
    answers: Answers,
    /// What came while something else was waited for.
    others: VecDeque<(u16, Answer)>,
}

impl AmqpClient {
    /// Connects as somebody who understands all that RabbitMQ has beyond the specification.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        Self::connect_as(
            address,
            &Login {
                capabilities: &["connection.blocked", "consumer_cancel_notify"],
                heartbeat_s: 0,
            },
        )
    }

    /// Connects and waits until that is done.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub fn connect_as(address: SocketAddr, login: &Login<'_>) -> Result<Self> {
        let stream = connect(address)?;
        let mut client = Self {
            writer: AmqpWriter {
                stream: stream.try_clone()?,
                requests: Requests::default(),
            },
            reader: AmqpReader {
                stream,
                answers: Answers::default(),
                others: VecDeque::new(),
            },
        };
        client.writer.requests.open(login);
        client.done(0, method::OPEN_OK)?;
        Ok(client)
    }

    /// What waits to be sent.
    pub const fn requests(&mut self) -> &mut Requests {
        &mut self.writer.requests
    }

    /// Opens a channel.
    ///
    /// # Errors
    /// When the broker refuses, or the connection fails.
    pub fn open_channel(&mut self, channel: u16) -> Result<()> {
        self.requests().channel_open(channel);
        self.done(channel, method::CHANNEL_OPEN_OK)
    }

    /// Sends what was asked for and waits for this answer; others stay for who asks next.
    ///
    /// # Errors
    /// When the broker refuses, or the connection fails.
    pub fn done(&mut self, channel: u16, id: MethodId) -> Result<()> {
        let is_it = |answer: &Answer| *answer == Answer::Done(id);
        self.answer(channel, is_it).map(drop)
    }

    /// Sends what was asked for and waits for the answer that this is; others stay for who asks next.
    ///
    /// # Errors
    /// When the channel or the connection is closed.
    pub fn answer(
        &mut self,
        channel: u16,
        mut is_it: impl FnMut(&Answer) -> bool,
    ) -> Result<Answer> {
        self.writer.flush()?;
        let mut others = VecDeque::new();
        loop {
            let next = self.reader.receive()?;
            let (of, answer) = next.context("the broker closed the connection")?;
            if of == channel && is_it(&answer) {
                others.append(&mut self.reader.others);
                self.reader.others = others;
                return Ok(answer);
            }
            if let Answer::Closed { code, text } = &answer {
                ensure!(of != 0 && of != channel, "refused: {code} {text}");
            }
            others.push_back((of, answer));
        }
    }

    /// Says `connection.close` and waits for its answer, passing over what comes before.
    ///
    /// # Errors
    /// When the broker does not answer in order.
    pub fn close(mut self) -> Result<()> {
        self.requests().close();
        self.done(0, method::CLOSE_OK)
    }
}

impl AmqpWriter {
    /// Writes all that waits.
    ///
    /// # Errors
    /// When the connection fails or the broker takes nothing for long.
    pub fn flush(&mut self) -> Result<()> {
        let bytes = self.requests.take();
        self.stream.write_all(&bytes).context("writing")
    }

    /// Ends the connection at once, for both halves.
    pub fn cut(&self) {
        // It may be closed from the other end already.
        drop(self.stream.shutdown(Shutdown::Both));
    }
}

impl AmqpReader {
    /// The next answer with its channel, if all of it was read before.
    ///
    /// # Errors
    /// When what came is no answer.
    pub fn buffered(&mut self) -> Result<Option<(u16, Answer)>> {
        match self.others.pop_front() {
            Some(other) => Ok(Some(other)),
            None => self.answers.read(),
        }
    }

    /// The next answer with its channel; none once the connection ended.
    ///
    /// # Errors
    /// When what comes is no answer, or nothing comes for [`WAIT_MAX`](crate::WAIT_MAX).
    pub fn receive(&mut self) -> Result<Option<(u16, Answer)>> {
        loop {
            if let Some(answer) = self.buffered()? {
                return Ok(Some(answer));
            }
            let mut chunk = [0; 64 * 1024];
            match read(&mut self.stream, &mut chunk)? {
                Some(bytes) => self.answers.push(bytes),
                None => return Ok(None),
            }
        }
    }
}
