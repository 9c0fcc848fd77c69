//! A small blocking MQTT client: enough to publish, and to send what no client would.

use crate::transport::{connect, fill};
use anyhow::{Context as _, Result, ensure};
use std::io::Write as _;
use std::net::{Shutdown, SocketAddr, TcpStream};

/// CONNECT of MQTT 3.1.1 with a clean session and no client identifier.
pub const MQTT_CONNECT: &[u8] = b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00";
/// CONNACK that accepts it.
const ACCEPTED: &[u8] = b"\x20\x02\x00\x00";
/// The first byte of PUBACK.
const PUBACK: u8 = 0x40;

/// A connection of MQTT 3.1.1.
#[derive(Debug)]
pub struct MqttClient {
    stream: TcpStream,
    pending: Vec<u8>,
}

impl MqttClient {
    /// Connects and waits until that is accepted.
    ///
    /// # Errors
    /// When the broker cannot be reached or refuses.
    pub fn connect(address: SocketAddr) -> Result<Self> {
        let mut client = Self::open(address)?;
        client.write(MQTT_CONNECT);
        client.flush()?;
        let answer = client.receive()?.context("the connection ended")?;
        ensure!(answer == ACCEPTED, "not accepted: {answer:02x?}");
        Ok(client)
    }

    /// Connects without a CONNECT.
    ///
    /// # Errors
    /// When the broker cannot be reached.
    pub fn open(address: SocketAddr) -> Result<Self> {
        Ok(Self {
            stream: connect(address)?,
            pending: Vec::new(),
        })
    }

    /// Adds bytes to what is to be sent.
    pub fn write(&mut self, bytes: &[u8]) {
        self.pending.extend_from_slice(bytes);
    }

    /// Adds a PUBLISH with QoS 1 to what is to be sent. It has less than 128 bytes.
    ///
    /// # Errors
    /// When it has more.
    pub fn publish(&mut self, packet_id: u16, topic: &str, payload: &[u8]) -> Result<()> {
        let len = 2 + topic.len() + 2 + payload.len();
        ensure!(len < 128, "a PUBLISH of {len} bytes");
        self.pending.extend([0x32, u8::try_from(len)?]);
        self.pending
            .extend(u16::try_from(topic.len())?.to_be_bytes());
        self.pending.extend_from_slice(topic.as_bytes());
        self.pending.extend(packet_id.to_be_bytes());
        self.pending.extend_from_slice(payload);
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

    /// The next packet, whole; none if the connection ended before it, in whichever way.
    ///
    /// # Errors
    /// When nothing comes.
    pub fn receive(&mut self) -> Result<Option<Vec<u8>>> {
        let mut packet = vec![0];
        if !fill(&mut self.stream, &mut packet)? {
            return Ok(None);
        }
        let (mut len, mut shift) = (0_usize, 0);
        loop {
            let mut byte = [0];
            if !fill(&mut self.stream, &mut byte)? {
                return Ok(None);
            }
            packet.push(byte[0]);
            len |= usize::from(byte[0] & 0x7f) << shift;
            shift += 7;
            if byte[0] < 0x80 {
                break;
            }
        }
        let from = packet.len();
        packet.resize(from + len, 0);
        Ok(fill(&mut self.stream, &mut packet[from..])?.then_some(packet))
    }

    /// The packet identifier of the next PUBACK; none if the connection ended before it.
    ///
    /// # Errors
    /// When anything else comes, or nothing.
    pub fn receive_puback(&mut self) -> Result<Option<u16>> {
        let Some(packet) = self.receive()? else {
            return Ok(None);
        };
        match packet[..] {
            [PUBACK, 2, high, low] => Ok(Some(u16::from_be_bytes([high, low]))),
            _ => anyhow::bail!("no PUBACK but {packet:02x?}"),
        }
    }
}
