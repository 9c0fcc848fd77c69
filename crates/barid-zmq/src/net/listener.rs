//! Accepting peers.

use super::connection::{End, Topics, Wire};
use super::transport::{Connected, Listener, Stream};
use super::{Ends, dropped, unless};
use crate::attachment::Presence;
use crate::endpoint::Endpoint;
use crate::gate::Signal;
use crate::hub::{Hub, Running};
use crate::monitor::MonitorEvent;
use crate::properties::PeerProperties;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

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
        let endpoint = self.endpoint.clone();
        self.hub
            .monitors
            .tell(|| MonitorEvent::Listening { endpoint });
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
                    self.spawn(connected);
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

    fn spawn(&self, connected: Connected) {
        let this = self.clone();
        // Without a thread for it the peer is turned away.
        let (Ok(io), Ok(moving)) = (self.hub.context.io(), connected.leave()) else {
            return;
        };
        io.spawn(async move {
            match moving.arrive() {
                Ok(Connected::Tcp(stream)) => this.serve(stream).await,
                Ok(Connected::Unix(stream)) => this.serve(stream).await,
                Err(_) => {}
            }
        });
    }

    async fn serve<S: Stream>(mut self, stream: S) {
        let running = Running::new(Arc::clone(&self.hub));
        let address = stream.address();
        // Without random numbers nobody is spoken with.
        let Ok(mut wire) = Wire::new(&self.hub, stream, address.clone()) else {
            return;
        };
        let shaken = unless(dropped(&mut self.stopped), wire.shake_hands()).await;
        let Some(shaken) = shaken else {
            return;
        };
        let (hub, endpoint) = (Arc::clone(&self.hub), self.endpoint.clone());
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
        let (mut attachment, mut ends) = Ends::new(&hub, self.number, None);
        ends.known.set(PeerProperties::new(&peer, &address));
        attachment.told_name = Some(peer.identity.as_bytes().clone());
        hub.gate.push(Signal::Attach(Box::new(attachment)));
        hub.look();
        let presence = Presence::new(&hub);
        hub.monitors.tell(|| MonitorEvent::HandshakeSucceeded {
            endpoint: endpoint.clone(),
        });
        // The listener's end is not the connection's: what waits for the peer is sent.
        let end = wire.run(&mut ends, &mut Topics::default()).await;
        if matches!(end, End::Lingered) {
            running.add_unsent(ends.outgoing.discard());
        }
        // The socket knows that the peer is gone before anybody else does.
        drop(ends);
        hub.look();
        drop(presence);
        let reason = end.to_string();
        hub.monitors
            .tell(|| MonitorEvent::Disconnected { endpoint, reason });
    }
}
