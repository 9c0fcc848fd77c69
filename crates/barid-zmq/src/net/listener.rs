//! Accepting peers.

use super::carrier::carry;
use super::connection::{End, Topics, Wire};
use super::raw::Raw;
use super::seats::{Seat, Taken};
use super::transport::{Connected, Listener, Stream, open};
use super::{Ends, begin, dropped, unless};
use crate::attachment::Presence;
use crate::endpoint::Endpoint;
use crate::hub::{Hub, Running};
use crate::monitor::{HandshakeFailure, MonitorEvent};
use crate::properties::PeerProperties;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use tokio::time::sleep;
use zmtp::SocketType;

/// How long a listener rests when the system gives it no connection, as when there are no descriptors.
const REST: Duration = Duration::from_millis(100);

/// A listener, or a connection that came by it.
#[derive(Clone)]
pub(super) struct Listening {
    pub(super) hub: Arc<Hub>,
    pub(super) endpoint: Endpoint,
    pub(super) number: u64,
    /// Has changed for good when the socket does not listen there any more.
    pub(super) stopped: watch::Receiver<()>,
}

impl Listening {
    /// Accepts peers until the socket does not listen there any more.
    pub(super) async fn run(mut self, listener: Listener, running: Running) {
        self.accept_all(&listener).await;
        // Who waits for the socket to be closed finds the port free.
        drop(listener);
        drop(running);
    }

    async fn accept_all(&mut self, listener: &Listener) {
        let options = Arc::clone(&self.hub.options);
        loop {
            let accepted = unless(dropped(&mut self.stopped), listener.accept(&options)).await;
            let Some(accepted) = accepted else {
                return;
            };
            let endpoint = self.endpoint.clone();
            match accepted {
                Ok(connected) => {
                    self.hub
                        .monitors
                        .tell(|| MonitorEvent::Accepted { endpoint });
                    // The system keeps those behind it until there is room for this one.
                    let seats = Arc::clone(&self.hub.seats);
                    let taken = unless(dropped(&mut self.stopped), seats.take()).await;
                    let Some(taken) = taken else {
                        return;
                    };
                    self.spawn(connected, taken);
                }
                Err(error) => {
                    let reason = error.to_string();
                    self.hub
                        .monitors
                        .tell(|| MonitorEvent::AcceptFailed { endpoint, reason });
                    sleep(REST).await;
                }
            }
        }
    }

    fn spawn(&self, connected: Connected, taken: Taken) {
        let this = self.clone();
        // Without a thread for it the peer is turned away.
        let (Ok(io), Ok(moving)) = (self.hub.context.io(), connected.leave()) else {
            return;
        };
        io.spawn(async move {
            match moving.arrive() {
                Ok(Connected::Tcp(stream)) if this.endpoint.is_websocket() => {
                    this.open(stream, taken).await;
                }
                Ok(Connected::Tcp(stream)) => this.serve(stream, taken).await,
                Ok(Connected::Unix(stream)) => this.serve(stream, taken).await,
                Ok(Connected::Ws(stream)) => this.serve(*stream, taken).await,
                Err(_) => {}
            }
        });
    }

    /// Opens a WebSocket, then serves it.
    async fn open(mut self, stream: TcpStream, (seat, mut cut): Taken) {
        let running = Running::new(Arc::clone(&self.hub));
        let opening = unless(crowded_out(&mut cut), open(stream, &self.hub));
        let opened = unless(dropped(&mut self.stopped), opening).await;
        let websocket = match opened {
            None => return,
            Some(None) => return self.tell_crowded_out(),
            Some(Some(Ok(websocket))) => websocket,
            Some(Some(Err(error))) => {
                let (endpoint, reason) = (self.endpoint, error.to_string());
                return self.hub.monitors.tell(|| MonitorEvent::HandshakeFailed {
                    endpoint,
                    failure: HandshakeFailure::Protocol,
                    reason,
                });
            }
        };
        self.serve(websocket, (seat, cut)).await;
        drop(running);
    }

    async fn serve<S: Stream>(self, stream: S, taken: Taken) {
        if self.hub.socket_type == SocketType::Stream {
            self.serve_raw(stream, taken.0).await;
        } else {
            self.serve_messages(stream, taken).await;
        }
    }

    /// Carries bytes of a peer as they are.
    async fn serve_raw<S: Stream>(self, stream: S, seat: Arc<Seat>) {
        let running = Running::new(Arc::clone(&self.hub));
        seat.shaken();
        let properties = PeerProperties::of_address(&stream.address());
        let mut ends = Ends::attached(&self.hub, self.number, None, Some(&seat), None, properties);
        let presence = begin(&self.hub, &self.endpoint);
        let end = Raw::new(&self.hub, stream).run(&mut ends, true).await;
        self.finish(&running, (ends, seat), presence, &end);
    }

    /// Tells that a peer was cut, as too many newer ones have not shaken hands.
    fn tell_crowded_out(self) {
        let (endpoint, reason) = (self.endpoint, "newer peers have come".to_owned());
        self.hub.monitors.tell(|| MonitorEvent::HandshakeFailed {
            endpoint,
            failure: HandshakeFailure::Lost,
            reason,
        });
    }

    async fn serve_messages<S: Stream>(mut self, stream: S, (seat, mut cut): Taken) {
        let running = Running::new(Arc::clone(&self.hub));
        let address = stream.address();
        // Without random numbers nobody is spoken with.
        let Ok(mut wire) = Wire::new(&self.hub, stream, address.clone()) else {
            return;
        };
        let (hub, endpoint) = (Arc::clone(&self.hub), self.endpoint.clone());
        let shaking = unless(crowded_out(&mut cut), wire.shake_hands());
        let shaken = unless(dropped(&mut self.stopped), shaking).await;
        let Some(shaken) = shaken else {
            return;
        };
        let Some(shaken) = shaken else {
            return self.tell_crowded_out();
        };
        seat.shaken();
        let peer = match shaken {
            Ok(peer) => peer,
            Err(end) => {
                return hub.monitors.tell(|| MonitorEvent::HandshakeFailed {
                    endpoint,
                    failure: end.failure(),
                    reason: end.to_string(),
                });
            }
        };
        let name = peer.identity.as_bytes().clone();
        let properties = PeerProperties::new(&peer, &address);
        let ends = Ends::attached(&hub, self.number, None, Some(&seat), Some(name), properties);
        let presence = begin(&hub, &endpoint);
        // The listener's end is not the connection's: what waits for the peer is sent.
        let (end, ends, _) = carry(wire, ends, Topics::default(), hub.senders_write()).await;
        self.finish(&running, (ends, seat), presence, &end);
    }

    /// Ends a connection over which messages flowed.
    fn finish(
        self,
        running: &Running,
        (mut ends, seat): (Ends, Arc<Seat>),
        presence: Presence,
        end: &End,
    ) {
        if matches!(end, End::Lingered) {
            running.add_unsent(ends.outgoing.discard());
        }
        // The socket knows that the peer is gone before anybody else does, and has its place.
        seat.leave(&mut ends.incoming);
        drop((ends, seat));
        self.hub.look();
        drop(presence);
        let (endpoint, reason) = (self.endpoint, end.to_string());
        self.hub
            .monitors
            .tell(|| MonitorEvent::Disconnected { endpoint, reason });
    }
}

/// Waits until the place is to be given up.
async fn crowded_out(cut: &mut oneshot::Receiver<()>) {
    // Nothing is ever sent: the other end is dropped.
    let _dropped: Result<(), _> = cut.await;
}
