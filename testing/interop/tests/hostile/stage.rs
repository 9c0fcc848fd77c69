//! A broker with small budgets, one who breaks the rules, and a neighbor who keeps them.

use anyhow::{Context as _, Result, ensure};
use client::{Broker, MqttClient, WAIT_MAX};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};

/// One who is served all the while.
pub(crate) trait Neighbor: Sized {
    fn connect(broker: &Broker) -> Result<Self>;

    /// Asks for something once more, and gets it.
    fn go_on(&mut self) -> Result<()>;
}

/// One that publishes over MQTT.
pub(crate) struct Publisher {
    client: MqttClient,
    rounds: u16,
}

impl Neighbor for Publisher {
    fn connect(broker: &Broker) -> Result<Self> {
        Ok(Self {
            client: MqttClient::connect(broker.listener("mqtt")?)?,
            rounds: 0,
        })
    }

    fn go_on(&mut self) -> Result<()> {
        self.rounds += 1;
        self.client.publish(self.rounds, "neighbor", b"x")?;
        self.client.flush()?;
        self.is_answered(self.rounds)
    }
}

impl Publisher {
    /// Publishes more than the budget of a subscriber.
    pub(crate) fn publish_much(&mut self) -> Result<()> {
        for _ in 0..200 {
            for number in 1..=500 {
                self.client.publish(number, "load", &[b'x'; 100])?;
            }
            self.client.flush()?;
            (1..=500).try_for_each(|number| self.is_answered(number))?;
        }
        Ok(())
    }

    fn is_answered(&mut self, number: u16) -> Result<()> {
        let answered = self.client.receive_puback()?;
        ensure!(answered == Some(number), "{number}: {answered:?}");
        Ok(())
    }
}

/// A broker of its own for one test.
pub(crate) struct Stage<N> {
    pub(crate) broker: Broker,
    pub(crate) neighbor: N,
    /// Where those who break the rules connect to.
    listener: &'static str,
    /// What the broker may take of memory.
    pub(crate) memory_kib_max: u64,
    _folder: tempfile::TempDir,
}

impl<N: Neighbor> Stage<N> {
    /// Starts it with a small budget for each subscriber, and with these arguments.
    pub(crate) fn new(listener: &'static str, memory_kib_max: u64, more: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let args = [&["--subscriber-budget-bytes", "1MiB"], more].concat();
        let broker = Broker::start_with(&folder.path().join("data"), &args)?;
        let neighbor = N::connect(&broker)?;
        Ok(Self {
            broker,
            neighbor,
            listener,
            memory_kib_max,
            _folder: folder,
        })
    }

    /// The neighbor is served, and the broker's memory is bounded.
    pub(crate) fn neighbor_goes_on(&mut self) -> Result<()> {
        self.neighbor.go_on()?;
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.broker.pid()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1));
        let kib: u64 = kib.context("no VmRSS")?.parse()?;
        let max = self.memory_kib_max;
        ensure!(kib <= max, "the broker takes {kib} KiB of {max}");
        Ok(())
    }

    /// A connection on which nothing has been said.
    pub(crate) fn connect(&self) -> Result<TcpStream> {
        let stream = TcpStream::connect(self.broker.listener(self.listener)?)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(WAIT_MAX))?;
        stream.set_write_timeout(Some(WAIT_MAX))?;
        Ok(stream)
    }

    /// Sends bytes, then reads the answer up to the end of the connection.
    pub(crate) fn answer(&mut self, mut stream: TcpStream, bytes: &[u8]) -> Result<Vec<u8>> {
        // The broker may have answered and stopped reading before all is written.
        let _is_cut = stream.write_all(bytes);
        let answer = read_to_the_end(&stream)?;
        self.neighbor_goes_on()?;
        Ok(answer)
    }

    /// Begins to say something, up to each of its bytes, and leaves.
    pub(crate) fn leave_halfway(&mut self, whole: &[u8]) -> Result<()> {
        for end in 0..whole.len() {
            let mut stream = self.connect()?;
            stream.write_all(&whole[..end])?;
            stream.shutdown(Shutdown::Write)?;
            stream.read_to_end(&mut Vec::new())?;
        }
        self.neighbor_goes_on()
    }

    /// Says the same again and again and reads no answer, until the broker does not read that any more.
    pub(crate) fn ask_until_unread(&mut self, mut deaf: &TcpStream, bytes: &[u8]) -> Result<()> {
        deaf.set_nonblocking(true)?;
        let (mut written, mut refused) = (0_usize, 0);
        let mut left = bytes;
        // It is no longer read once the buffers on the way are full, long before the bound.
        while refused < 50 {
            ensure!(
                written < 200 << 20,
                "the broker takes all that is sent to it"
            );
            match deaf.write(left) {
                Ok(count) => {
                    written += count;
                    left = &left[count..];
                    refused = 0;
                    if left.is_empty() {
                        left = bytes;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    refused += 1;
                    self.neighbor_goes_on()?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.neighbor_goes_on()
    }
}

/// What comes until the connection ends; it may be reset while the peer's words are on their way.
pub(crate) fn read_to_the_end(mut stream: &TcpStream) -> Result<Vec<u8>> {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error.into()),
        Ok(_) | Err(_) => Ok(answer),
    }
}
