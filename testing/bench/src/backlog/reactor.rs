//! The connections of a step, all driven by one thread.

use anyhow::{Context as _, Result};
use rustix::{
    event::{
        Timespec,
        epoll::{self, EventData, EventFlags},
    },
    fd::OwnedFd,
};

use crate::{
    connection::{Connection, Written},
    wire::Frame,
};

/// Read at once from one connection, beside the part of a frame that is there already.
const SCRATCH_BYTES: usize = 256 * 1024;

/// What a frame has beside its body, at most.
const HEAD_BYTES_MAX: usize = 8192;

/// Connections that are served in one pass, at most.
const READY_MAX: usize = 64;

/// Connections and what is ready in them.
pub(super) struct Reactor {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Whether a connection waits for its socket to take more, by its number.
    blocked: Vec<bool>,
    scratch: Vec<u8>,
    ready: Vec<epoll::Event>,
}

impl Reactor {
    /// Without connections. Bodies have at most `body_bytes`.
    ///
    /// # Errors
    /// If the kernel has no epoll left.
    pub(super) fn new(body_bytes: usize) -> Result<Self> {
        let empty = epoll::Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        };
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC).context("creating an epoll")?,
            connections: Vec::new(),
            blocked: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES + HEAD_BYTES_MAX + body_bytes],
            ready: vec![empty; READY_MAX],
        })
    }

    /// Takes a connection that is logged in, and gives its number: they count from 0.
    ///
    /// # Errors
    /// If its socket does not allow it.
    pub(super) fn add(&mut self, mut connection: Connection) -> Result<usize> {
        connection.go()?;
        let index = self.connections.len();
        let data = EventData::new_u64(index as u64);
        epoll::add(&self.epoll, &connection.stream, data, EventFlags::IN)?;
        self.connections.push(connection);
        self.blocked.push(false);
        Ok(index)
    }

    /// What the next [`Self::flush`] of a connection sends, to be appended to.
    pub(super) fn output(&mut self, index: usize) -> &mut Vec<u8> {
        self.connections[index].output()
    }

    /// Whether a socket has not taken what it was given.
    pub(super) fn is_blocked(&self, index: usize) -> bool {
        self.blocked[index]
    }

    /// Whether one of the sockets has not.
    pub(super) fn is_any_blocked(&self) -> bool {
        self.blocked.contains(&true)
    }

    /// Sends as much as the socket takes; the passes send the rest.
    ///
    /// # Errors
    /// If the connection ends.
    pub(super) fn flush(&mut self, index: usize) -> Result<()> {
        let connection = &mut self.connections[index];
        let is_blocked = connection.flush()? == Written::Blocked;
        if is_blocked != self.blocked[index] {
            let flags = if is_blocked {
                EventFlags::IN | EventFlags::OUT
            } else {
                EventFlags::IN
            };
            let data = EventData::new_u64(index as u64);
            epoll::modify(&self.epoll, &connection.stream, data, flags)?;
            self.blocked[index] = is_blocked;
        }
        Ok(())
    }

    /// Waits for sockets, hands what they have to `each` with the number of the connection and its output,
    /// and sends that. Gives the bytes read.
    ///
    /// # Errors
    /// If a connection ends, or the broker refuses something.
    pub(super) fn pass(
        &mut self,
        wait_ns: u64,
        mut each: impl FnMut(usize, &[u8], Frame, &mut Vec<u8>),
    ) -> Result<usize> {
        let timeout = Timespec {
            tv_sec: 0,
            tv_nsec: i64::try_from(wait_ns.min(999_999_999))?,
        };
        let count = match epoll::wait(&self.epoll, &mut self.ready[..], Some(&timeout)) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error).context("waiting for sockets"),
        };
        let mut moved = 0;
        for at in 0..count {
            let data = self.ready[at].data;
            let index = usize::try_from(data.u64())?;
            let take =
                |input: &[u8], frame, output: &mut Vec<u8>| each(index, input, frame, output);
            let (read, _) = self.connections[index].read_frames(&mut self.scratch, take)?;
            moved += read;
            self.flush(index)?;
        }
        Ok(moved)
    }

    /// Says good-bye on all connections; the broker has seen it when this returns.
    pub(super) fn close(self) {
        self.connections.into_iter().for_each(Connection::close);
    }
}
