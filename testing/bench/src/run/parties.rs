//! Who takes part in a run: opened before it, and what they leave behind.

use anyhow::{Context as _, Result};

use super::{Sender, Subscriber};
use crate::{
    connection::Connection,
    load::Load,
    publisher::Publisher,
    stamp::blank_body,
    tally::Tally,
    wire::{Session, Target, mqtt},
};

impl Load {
    /// Opens those that receive, each subscribed.
    ///
    /// # Errors
    /// If the broker refuses one.
    pub(super) fn open_subscribers(&self) -> Result<Vec<Subscriber>> {
        let open = |number| {
            let name = self.name(number);
            let request = (self.wire).subscribe(self.target, &name, self.safety, self.acks);
            let hello = match self.session {
                Session::Clean => self.wire.connect(),
                Session::Kept => mqtt::connect(&self.client(number), Session::Kept),
            };
            let (mut connection, _) = Connection::open_with(self.address, self.wire, &hello)?;
            connection.subscribe(&request)?;
            Ok(Subscriber {
                connection,
                tallies: vec![Tally::default(); self.publishers],
                blocked: false,
            })
        };
        (0..self.subscribers).map(open).collect()
    }

    /// Opens those that send. Gives what the broker calls itself as well.
    ///
    /// # Errors
    /// If the broker refuses one.
    pub(super) fn open_publishers(&self) -> Result<(Vec<Sender>, String)> {
        let body = blank_body(self.body_bytes);
        let hello = self.wire.connect_publisher(self.safety);
        let mut senders = Vec::with_capacity(self.publishers);
        let mut server = String::new();
        for number in 0..self.publishers {
            let (connection, name) = Connection::open_with(self.address, self.wire, &hello)?;
            server = name;
            let destination = self.wire.destination(self.target, &self.name(number));
            let frame = self.wire.template(&destination, &body, self.safety);
            let number = u16::try_from(number).context("a stamp numbers its publisher")?;
            senders.push(Sender {
                publisher: Publisher::new(connection, number, frame, self.stamp),
                watched_for_room: false,
            });
        }
        Ok((senders, server))
    }

    /// Has the broker forget the sessions that it keeps, so that the next run finds none.
    ///
    /// # Errors
    /// If the broker refuses.
    pub(super) fn forget_sessions(&self) -> Result<()> {
        if self.session == Session::Clean {
            return Ok(());
        }
        for number in 0..self.subscribers {
            let hello = mqtt::connect(&self.client(number), Session::Clean);
            let (connection, _) = Connection::open_with(self.address, self.wire, &hello)?;
            connection.close();
        }
        Ok(())
    }

    /// What the destination is called that a publisher sends to, and the subscriber of that number reads.
    fn name(&self, number: usize) -> String {
        match self.target {
            Target::Queues => format!("{}.{number}", self.name),
            Target::Queue | Target::Topic => self.name.clone(),
        }
    }

    /// The client identifier of a subscriber whose session is kept.
    fn client(&self, number: usize) -> String {
        format!("{}.{number}", self.name)
    }
}
