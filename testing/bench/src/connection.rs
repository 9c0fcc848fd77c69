//! One client connection: opened and set up with blocking calls, then driven without.

use std::{
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
            .write_all(&wire.connect())
            .context("sending the login")?;
        let server = connection.await_answer().context("logging in")?;
        Ok((connection, server))
    }

    /// Subscribes, and returns once the broker says that the subscription stands.
    ///
    /// # Errors
    /// If the broker refuses or does not answer.
    pub(crate) fn subscribe(&mut self, request: &[u8]) -> Result<()> {
        self.stream
            .write_all(request)
            .context("sending a subscription")?;
        self.await_answer().map(drop).context("subscribing")
    }

    /// Sends `count` subscriptions at once, and returns when the broker says that all stand.
    ///
    /// # Errors
    /// If the broker refuses one or does not answer.
    pub(crate) fn subscribe_all(&mut self, requests: &[u8], count: usize) -> Result<()> {
        self.stream
            .write_all(requests)
            .context("sending subscriptions")?;
        for _ in 0..count {
            self.await_answer().context("subscribing")?;
        }
        Ok(())
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
            drop(self.await_answer_with(self.wire.farewell()));
        }
    }

    /// Reads until the broker accepts, passing over deliveries, and gives its name if it says it.
    fn await_answer(&mut self) -> Result<String> {
        self.await_answer_with(b"")
    }

    /// The same, of an answer that has these bytes in it.
    fn await_answer_with(&mut self, word: &[u8]) -> Result<String> {
        let mut part = [0; 4096];
        loop {
            while let Some(scanned) = self.wire.scan(&self.partial)? {
                let text = |range| String::from_utf8_lossy(&self.partial[range]).into_owned();
                let answer = match scanned.frame {
                    Frame::Connected { server } => Some(text(server)),
                    Frame::Receipt { .. } => Some(String::new()),
                    Frame::Error { text: said } => bail!("refused: {}", text(said)),
                    Frame::Message { .. } | Frame::Other => None,
                };
                let frame = &self.partial[..scanned.len];
                let is_it = word.is_empty() || frame.windows(word.len()).any(|part| part == word);
                let answer = answer.filter(|_| is_it);
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
    /// frame to `each` with the bytes its ranges point into, and keeps the rest. Gives the bytes
    /// read, and whether more may be there.
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
            if let Frame::Error { text } = scanned.frame {
                bail!("refused: {}", String::from_utf8_lossy(&input[text]));
            }
            each(input, scanned.frame, &mut self.output);
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
