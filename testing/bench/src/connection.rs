//! One client connection: opened and set up with blocking calls, then driven without.

use std::{
    fmt,
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::wire::{Frame, Wire};

/// Time a broker has to answer a CONNECT, a SUBSCRIBE or a DISCONNECT.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

/// A connection and the part of a frame that it last read.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The socket.
    pub(crate) stream: TcpStream,
    wire: Wire,
    /// The beginning of a frame whose rest has not come.
    partial: Vec<u8>,
    /// Frames to be sent, from `written` on.
    output: Vec<u8>,
    written: usize,
}

/// A broker does not offer what was asked for: no fault of the run, and no use in trying again.
#[derive(Debug)]
pub(crate) struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// What a broker says to something that was asked of it in set-up.
enum Answer {
    /// The connection is open; what the broker calls itself, if it says it.
    Connected(String),
    /// It is done.
    Done,
    /// A subscription stands, with this quality of service.
    Granted(u8),
}

/// Whether a socket has taken all it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// All of it.
    All,
    /// Not all; it will say when it takes more.
    Blocked,
}

impl Connection {
    /// Connects and logs in. Gives what the broker calls itself as well.
    ///
    /// # Errors
    /// If the broker is not there or refuses.
    pub(crate) fn open(address: SocketAddr, wire: Wire) -> Result<(Self, String)> {
        Self::open_with(address, wire, &wire.connect())
    }

    /// The same, with what is to be said first.
    ///
    /// # Errors
    /// As of [`Self::open`].
    pub(crate) fn open_with(
        address: SocketAddr,
        wire: Wire,
        hello: &[u8],
    ) -> Result<(Self, String)> {
        let stream = TcpStream::connect(address).context("connecting")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        stream.set_write_timeout(Some(ANSWER_LIMIT))?;
        let (partial, output) = (Vec::new(), Vec::new());
        let mut connection = Self {
            stream,
            wire,
            partial,
            output,
            written: 0,
        };
        connection
            .stream
            .write_all(hello)
            .context("sending the login")?;
        match connection.await_answer().context("logging in")? {
            Answer::Connected(server) => Ok((connection, server)),
            Answer::Done | Answer::Granted(_) => bail!("an answer to something else came first"),
        }
    }

    /// Subscribes, and returns once the broker says that the subscription stands.
    ///
    /// # Errors
    /// If the broker refuses or does not answer.
    pub(crate) fn subscribe(&mut self, request: &[u8]) -> Result<()> {
        self.stream
            .write_all(request)
            .context("sending a subscription")?;
        self.await_subscribed(request)
    }

    /// Sends `count` subscriptions at once, and returns when the broker says that all stand.
    ///
    /// # Errors
    /// If the broker refuses one or does not answer.
    pub(crate) fn subscribe_all(&mut self, requests: &[Vec<u8>]) -> Result<()> {
        self.stream
            .write_all(&requests.concat())
            .context("sending subscriptions")?;
        requests
            .iter()
            .try_for_each(|request| self.await_subscribed(request))
    }

    fn await_subscribed(&mut self, request: &[u8]) -> Result<()> {
        let Answer::Granted(quality) = self.await_answer().context("subscribing")? else {
            return Ok(());
        };
        // A SUBSCRIBE of MQTT ends with the quality that it asks for.
        let asked = request.last().copied().unwrap_or_default();
        let granted = match quality {
            0..=2 => format!("QoS {quality} was granted"),
            _ => "nothing was granted".to_owned(),
        };
        if quality != asked {
            bail!(Refused(format!(
                "not offered: {granted} where QoS {asked} was asked for"
            )));
        }
        Ok(())
    }

    /// The protocol spoken.
    #[inline]
    pub(crate) fn wire(&self) -> Wire {
        self.wire
    }

    /// Whether [`Self::flush`] has something to send.
    #[inline]
    pub(crate) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// What [`Self::flush`] sends, to be appended to.
    pub(crate) fn output(&mut self) -> &mut Vec<u8> {
        &mut self.output
    }

    /// Ends set-up: from here on no call waits.
    ///
    /// # Errors
    /// If the socket does not allow it.
    pub(crate) fn go(&mut self) -> Result<()> {
        self.stream
            .set_nonblocking(true)
            .context("making a socket non-blocking")
    }

    /// Says good-bye and waits for the broker to have seen it, so that it is idle after. What was
    /// still to be sent goes first.
    pub(crate) fn close(mut self) {
        let rest = self.output.split_off(self.written);
        let farewell = self
            .stream
            .set_nonblocking(false)
            .and_then(|()| self.stream.write_all(&rest))
            .and_then(|()| self.stream.write_all(self.wire.disconnect()));
        if farewell.is_ok() {
            // A broker may as well close instead of answering. Other answers may come before: a socket that is
            // closed with something unread takes back what the broker has not read.
            let wire = self.wire;
            drop(self.await_answer_that(|frame| wire.is_farewell(frame)));
        }
    }

    /// Reads until the broker accepts, passing over deliveries.
    fn await_answer(&mut self) -> Result<Answer> {
        self.await_answer_that(|_| true)
    }

    /// The same, of an answer whose frame this is said of.
    fn await_answer_that(&mut self, is_it: impl Fn(&[u8]) -> bool) -> Result<Answer> {
        let mut part = [0; 4096];
        loop {
            while let Some(scanned) = self.wire.scan(&self.partial)? {
                let text = |range| String::from_utf8_lossy(&self.partial[range]).into_owned();
                let answer = match scanned.frame {
                    Frame::Connected { server } => Some(Answer::Connected(text(server))),
                    Frame::Receipt { .. } => Some(Answer::Done),
                    Frame::Granted { quality } => Some(Answer::Granted(quality)),
                    Frame::Refused { code } => {
                        bail!(Refused(format!("refused: CONNACK with return code {code}")))
                    }
                    Frame::Error { text: said } => bail!("refused: {}", text(said)),
                    Frame::Message { .. } | Frame::Half { .. } | Frame::Other => None,
                };
                let answer = answer.filter(|_| is_it(&self.partial[..scanned.len]));
                self.partial.drain(..scanned.len);
                if let Some(answer) = answer {
                    return Ok(answer);
                }
            }
            let count = self.stream.read(&mut part).context("reading an answer")?;
            ensure!(count > 0, "closed by the broker");
            self.partial.extend_from_slice(&part[..count]);
        }
    }

    /// Reads what is there into `scratch` behind the partial frame of last time, hands each whole
    /// frame to `each` with the bytes its ranges point into, and keeps the rest. The middle of an
    /// exchange is answered in the output. Gives the bytes read, and whether more may be there.
    ///
    /// # Errors
    /// If the connection ends, the broker refuses something, or a frame makes no sense.
    #[inline]
    pub(crate) fn read_frames(
        &mut self,
        scratch: &mut [u8],
        mut each: impl FnMut(&[u8], Frame, &mut Vec<u8>),
    ) -> Result<(usize, bool)> {
        let kept = self.partial.len();
        scratch[..kept].copy_from_slice(&self.partial);
        let count = match self.stream.read(&mut scratch[kept..]) {
            Ok(0) => bail!("closed by the broker"),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok((0, false)),
            Err(error) => return Err(error).context("reading"),
        };
        let end = kept + count;
        let full = end == scratch.len();
        let mut at = 0;
        while let Some(scanned) = self.wire.scan(&scratch[at..end])? {
            let input = &scratch[at..end];
            match scanned.frame {
                Frame::Error { text } => {
                    bail!("refused: {}", String::from_utf8_lossy(&input[text]))
                }
                Frame::Half { answer } => self.output.extend_from_slice(&answer),
                frame @ (Frame::Connected { .. }
                | Frame::Message { .. }
                | Frame::Receipt { .. }
                | Frame::Granted { .. }
                | Frame::Refused { .. }
                | Frame::Other) => each(input, frame, &mut self.output),
            }
            at += scanned.len;
        }
        self.partial.clear();
        self.partial.extend_from_slice(&scratch[at..end]);
        Ok((count, full))
    }

    /// Sends what `each` of [`Self::read_frames`] has left in the output.
    ///
    /// # Errors
    /// If the connection ends.
    #[inline]
    pub(crate) fn flush(&mut self) -> Result<Written> {
        let done = write_from(&self.stream, &self.output, &mut self.written)?;
        if done == Written::All {
            self.output.clear();
            self.written = 0;
        }
        Ok(done)
    }
}

/// Writes `bytes` from `*written` on, as far as the socket takes them.
///
/// # Errors
/// If the connection ends.
#[inline]
pub(crate) fn write_from(
    mut stream: &TcpStream,
    bytes: &[u8],
    written: &mut usize,
) -> Result<Written> {
    while *written < bytes.len() {
        match stream.write(&bytes[*written..]) {
            Ok(count) => *written += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Written::Blocked),
            Err(error) => return Err(error).context("writing"),
        }
    }
    Ok(Written::All)
}
