//! Where and what: the names of the queues, and connections that are set up for them.

use std::net::SocketAddr;

use anyhow::Result;

use super::reactor::Reactor;
use crate::{
    connection::Connection,
    wire::{Target, Wire, stomp},
};

/// Digits of a queue's number in its name.
pub(super) const NUMBER_DIGITS: usize = 6;

/// Where a run's clients connect, and the size of its bodies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Site {
    /// Where the broker listens.
    pub(super) address: SocketAddr,
    /// Bytes of each body.
    pub(super) body_bytes: usize,
}

impl Site {
    /// Connections to be, at first none.
    ///
    /// # Errors
    /// If the kernel has no epoll left.
    pub(super) fn reactor(&self) -> Result<Reactor> {
        Reactor::new(self.body_bytes)
    }

    /// Adds a connection without anything, and gives its number.
    ///
    /// # Errors
    /// If the broker refuses it.
    pub(super) fn connect(&self, reactor: &mut Reactor) -> Result<usize> {
        let (connection, _) = Connection::open(self.address, Wire::Stomp)?;
        reactor.add(connection)
    }

    /// Adds a connection that is to acknowledge what comes of `queues`, of each of them at most `prefetch`
    /// deliveries at a time, and gives its number. Nothing is waited for.
    ///
    /// # Errors
    /// If the broker refuses it.
    pub(super) fn consume(
        &self,
        reactor: &mut Reactor,
        queues: impl Iterator<Item = u32>,
        prefetch: u32,
    ) -> Result<usize> {
        let index = self.connect(reactor)?;
        for queue in queues {
            let request =
                stomp::subscribe_acknowledging(&destination(queue), queue as usize, prefetch);
            reactor.output(index).extend_from_slice(&request);
        }
        reactor.flush(index)?;
        Ok(index)
    }
}

/// The name of a queue. All are of one length.
pub(super) fn destination(queue: u32) -> String {
    let name = format!("backlog.{queue:0NUMBER_DIGITS$}");
    Wire::Stomp.destination(Target::Queue, &name)
}
