//! Sockets of one context, connected by nothing but two pipes.

use crate::attachment::{Attachment, Presence};
use crate::endpoint::Endpoint;
use crate::error::{BindError, ConnectError};
use crate::gate::Signal;
use crate::hub::Hub;
use crate::pipe::{Bell, Keep, Notice, Receiver, Ring, Rings, Sender, pipe};
use crate::properties::Known;
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Arc, Weak};
use zmtp::SocketType;

/// Who is bound to a name.
struct Bound {
    hub: Weak<Hub>,
    endpoint: u64,
}

/// A peer that has connected to a name before anybody was bound to it.
struct Early {
    socket_type: SocketType,
    hub: Weak<Hub>,
    /// What it calls itself.
    name: Bytes,
    sender: Sender,
    receiver: Receiver,
}

/// The names of a context.
#[derive(Default)]
pub(crate) struct Names(Mutex<State>);

#[derive(Default)]
struct State {
    bound: BTreeMap<String, Bound>,
    early: BTreeMap<String, Vec<Early>>,
}

impl Names {
    /// Gives a name to a socket, and lets those in who wait for it.
    pub(crate) fn bind(&self, name: &str, hub: &Arc<Hub>, endpoint: u64) -> Result<(), BindError> {
        let mut state = self.0.lock();
        match state.bound.entry(name.to_owned()) {
            Entry::Occupied(mut entry) => {
                if entry.get().hub.strong_count() > 0 {
                    return Err(BindError::InUse);
                }
                entry.insert(Bound {
                    hub: Arc::downgrade(hub),
                    endpoint,
                });
            }
            Entry::Vacant(entry) => {
                entry.insert(Bound {
                    hub: Arc::downgrade(hub),
                    endpoint,
                });
            }
        }
        let early = state.early.remove(name).unwrap_or_default();
        drop(state);
        for peer in early {
            // One that does not speak with this type is dropped, and finds its pipes closed.
            if !hub.socket_type.accepts(peer.socket_type) {
                continue;
            }
            peer.sender.set_gate(&hub.gate);
            peer.receiver.set_gate(&hub.gate);
            let mut sender = peer.sender;
            open(&mut sender, hub);
            // The other side was away until here; it is there as long as this one is, if it has not left.
            let presence = peer.hub.upgrade().as_ref().map(Presence::new);
            hub.gate.push(Signal::Attach(Box::new(Attachment {
                sender,
                receiver: peer.receiver,
                given_name: None,
                told_name: Some(peer.name),
                wants_all: false,
                endpoint,
                known: Known::default(),
                presence: [Some(Presence::new(hub)), presence],
                seat: None,
            })));
        }
        Ok(())
    }

    /// Whether a socket has this name.
    pub(crate) fn is_bound(&self, name: &str) -> bool {
        let state = self.0.lock();
        let bound = state.bound.get(name);
        bound.is_some_and(|bound| bound.hub.strong_count() > 0)
    }

    /// Takes the name from a socket.
    pub(crate) fn unbind(&self, name: &str, hub: &Arc<Hub>) {
        let mut state = self.0.lock();
        let ours = Arc::downgrade(hub);
        if state
            .bound
            .get(name)
            .is_some_and(|bound| bound.hub.ptr_eq(&ours))
        {
            state.bound.remove(name);
        }
    }

    /// Forgets those that connected to a name when nobody had it, and do not any more. What they have sent stays for who gets
    /// the name.
    pub(crate) fn withdraw(&self, name: &str) {
        let mut state = self.0.lock();
        let Some(early) = state.early.remove(name) else {
            return;
        };
        let is_gone = |peer: &Early| peer.sender.is_closed() && peer.receiver.is_empty();
        let (gone, left): (Vec<_>, Vec<_>) = early.into_iter().partition(is_gone);
        if !left.is_empty() {
            state.early.insert(name.to_owned(), left);
        }
        // Without the lock: pipes ring bells.
        drop(state);
        drop(gone);
    }

    /// Connects a socket to whoever has the name, now or later; returns its own end.
    pub(crate) fn connect(
        &self,
        name: &str,
        hub: &Arc<Hub>,
        endpoint: u64,
        given_name: Option<Bytes>,
    ) -> Result<Attachment, ConnectError> {
        let mut state = self.0.lock();
        let bound = state
            .bound
            .get(name)
            .and_then(|bound| Some((bound.hub.upgrade()?, bound.endpoint)));
        let (ends, peer) = match bound {
            Some((bound, bound_endpoint)) => {
                if !bound.socket_type.accepts(hub.socket_type) {
                    return Err(ConnectError::Incompatible {
                        ours: hub.socket_type,
                        theirs: bound.socket_type,
                    });
                }
                (Ends::new(hub, Some(&bound)), Some((bound, bound_endpoint)))
            }
            None => (Ends::new(hub, None), None),
        };
        let Ends { ours, theirs } = ends;
        let mut told_name = None;
        let presence = match peer {
            Some((bound, bound_endpoint)) => {
                drop(state);
                told_name = Some(name_of(&bound));
                bound.gate.push(Signal::Attach(Box::new(Attachment {
                    sender: theirs.0,
                    receiver: theirs.1,
                    given_name: None,
                    told_name: Some(name_of(hub)),
                    wants_all: false,
                    endpoint: bound_endpoint,
                    known: Known::default(),
                    presence: [Some(Presence::new(&bound)), None],
                    seat: None,
                })));
                bound.look();
                [Some(Presence::new(hub)), None]
            }
            None => {
                state.early.entry(name.to_owned()).or_default().push(Early {
                    socket_type: hub.socket_type,
                    hub: Arc::downgrade(hub),
                    name: name_of(hub),
                    sender: theirs.0,
                    receiver: theirs.1,
                });
                [None, None]
            }
        };
        Ok(Attachment {
            sender: ours.0,
            receiver: ours.1,
            given_name,
            told_name,
            wants_all: false,
            endpoint,
            known: Known::default(),
            presence,
            seat: None,
        })
    }
}

/// The ends of the two pipes between two sockets.
struct Ends {
    ours: (Sender, Receiver),
    theirs: (Sender, Receiver),
}

impl Ends {
    fn new(hub: &Hub, bound: Option<&Arc<Hub>>) -> Self {
        let ours = &hub.options;
        let (out, back) = match bound {
            None => (ours.keep(ours.send_hwm), ours.keep(ours.receive_hwm)),
            Some(bound) if bound.options.is_conflating => (Keep::Newest, Keep::Newest),
            Some(bound) => (
                ours.keep(ours.send_hwm.with(bound.options.receive_hwm)),
                ours.keep(ours.receive_hwm.with(bound.options.send_hwm)),
            ),
        };
        let bell = || Bell::socket(Arc::clone(&hub.gate));
        let far = || bound.map_or_else(Bell::later, |bound| Bell::socket(Arc::clone(&bound.gate)));
        let (sender, far_receiver) = pipe(out, bell(), far());
        let (far_sender, receiver) = pipe(back, far(), bell());
        if let Some(bound) = bound {
            let theirs = &bound.options;
            sender.share(ours.send_hwm, theirs.receive_hwm);
            far_sender.share(theirs.send_hwm, ours.receive_hwm);
        }
        Self {
            ours: (sender, receiver),
            theirs: (far_sender, far_receiver),
        }
    }
}

/// Says who is at this end.
fn open(sender: &mut Sender, hub: &Hub) {
    let mut rings = Rings::new();
    sender.push_notice(Notice::Opened(name_of(hub)));
    sender.publish(&mut rings);
    rings.into_iter().for_each(Ring::ring);
}

/// What a socket tells of itself.
fn name_of(hub: &Hub) -> Bytes {
    if hub.socket_type.has_identity() {
        hub.options.name.clone()
    } else {
        Bytes::new()
    }
}

impl Endpoint {
    /// The name of an inproc endpoint.
    pub(crate) fn inproc_name(&self) -> Option<&str> {
        match &self.0 {
            crate::endpoint::Transport::Inproc(name) => Some(name),
            crate::endpoint::Transport::Tcp { .. }
            | crate::endpoint::Transport::Ipc(_)
            | crate::endpoint::Transport::Ws { .. }
            | crate::endpoint::Transport::Udp { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Context, Push};

    #[test]
    fn who_connected_too_early_and_is_gone_is_forgotten() {
        let context = Context::new();
        let waiting = || context.0.names.0.lock().early.values().flatten().count();
        let push = Push::new(&context);
        let other = Push::new(&context);
        for socket in [&push, &other, &other] {
            socket.connect("inproc://nobody").unwrap();
        }
        assert_eq!(waiting(), 3);
        assert_eq!(other.disconnect("inproc://nobody"), Ok(true));
        assert_eq!(waiting(), 2);
        drop(other);
        assert_eq!(waiting(), 1);
        push.blocking().close();
        assert_eq!(waiting(), 0);
        assert!(context.0.names.0.lock().early.is_empty());
    }
}
