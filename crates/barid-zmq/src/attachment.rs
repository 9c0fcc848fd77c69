//! A new peer, on its way to the socket.

use crate::hub::Hub;
use crate::net::Seat;
use crate::pipe::{Receiver, Sender};
use crate::properties::Known;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The ends of the pipes to and from a peer.
pub(crate) struct Attachment {
    pub(crate) sender: Sender,
    pub(crate) receiver: Receiver,
    /// The name that the user gives it, whatever it calls itself.
    pub(crate) given_name: Option<Bytes>,
    /// What it calls itself, if that is known already; otherwise it comes through the pipe.
    pub(crate) told_name: Option<Bytes>,
    /// It cannot say what it wants: it gets all groups.
    pub(crate) wants_all: bool,
    /// Which endpoint of the socket it came by.
    pub(crate) endpoint: u64,
    pub(crate) known: Known,
    /// Count the peer as connected, and this side for it, if no connection does.
    pub(crate) presence: [Option<Presence>; 2],
    /// Its place, if it came by a listener.
    pub(crate) seat: Option<Arc<Seat>>,
}

#[cfg(test)]
impl Attachment {
    /// Of nobody in particular.
    pub(crate) fn of_pipes(sender: Sender, receiver: Receiver) -> Self {
        Self {
            sender,
            receiver,
            given_name: None,
            told_name: None,
            endpoint: 0,
            wants_all: false,
            known: Known::default(),
            presence: [None, None],
            seat: None,
        }
    }
}

/// One connected peer of a socket, for as long as it lives.
pub(crate) struct Presence(Arc<Hub>);

impl Presence {
    pub(crate) fn new(hub: &Arc<Hub>) -> Self {
        hub.connected.fetch_add(1, Ordering::AcqRel);
        hub.wake_watchers();
        Self(Arc::clone(hub))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.0.connected.fetch_sub(1, Ordering::AcqRel);
        self.0.wake_watchers();
    }
}
