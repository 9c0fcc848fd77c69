//! Connecting, and connecting again.

use super::carrier::carry;
use super::connection::{End, Topics, Wire};
use super::raw::Raw;
use super::seats::Seat;
use super::transport::{Connected, Stream, connect};
use super::{Ends, begin, dropped, unless};
use crate::attachment::Presence;
use crate::cell::random;
use crate::endpoint::Endpoint;
use crate::hub::{Hub, Running};
use crate::monitor::{HandshakeFailure, MonitorEvent};
use crate::pipe::{Notice, Ring, Rings};
use crate::properties::PeerProperties;
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use std::{io, mem};
use tokio::sync::watch;
use tokio::time::{sleep, sleep_until, timeout};
use zmtp::SocketType;

pub(super) struct Connector {
    hub: Arc<Hub>,
    endpoint: Endpoint,
    number: u64,
    given_name: Option<Bytes>,
    running: Running,
    /// Has changed for good when the socket does not connect there any more.
    stopped: watch::Receiver<()>,
    topics: Topics,
    /// What the socket was told last that the peer calls itself.
    told: Option<Bytes>,
    /// The next pause.
    pause: Duration,
}

/// What comes of one attempt.
enum Attempt {
    /// It is over for good.
    Over,
    /// It failed, for this reason.
    Failed(String),
}

impl Connector {
    pub(super) fn new(
        hub: &Arc<Hub>,
        endpoint: &Endpoint,
        number: u64,
        given_name: Option<Bytes>,
        stopped: watch::Receiver<()>,
    ) -> Self {
        Self {
            hub: Arc::clone(hub),
            endpoint: endpoint.clone(),
            number,
            given_name,
            stopped,
            running: Running::new(Arc::clone(hub)),
            topics: Topics::default(),
            told: None,
            pause: hub.options.reconnect.unwrap_or_default().first,
        }
    }

    /// Connects until the socket does not want it any more. The pipes, if there are any now, last as long.
    pub(super) async fn run(mut self, mut ends: Option<Ends>) {
        loop {
            let reason = match self.attempt(&mut ends).await {
                Attempt::Over => break,
                Attempt::Failed(reason) => reason,
            };
            let Some(after) = self.next_pause() else {
                break;
            };
            let endpoint = self.endpoint.clone();
            self.hub.monitors.tell(|| MonitorEvent::ConnectRetried {
                endpoint,
                after,
                reason,
            });
            if self.unless_gone(&mut ends, sleep(after)).await.is_none() {
                break;
            }
        }
        if let Some(ends) = &mut ends {
            self.running.add_unsent(ends.outgoing.discard());
        }
        let endpoint = self.endpoint.clone();
        self.hub.monitors.tell(|| MonitorEvent::Closed { endpoint });
    }

    /// How long to wait before the next attempt: longer each time, and never the same for all.
    fn next_pause(&mut self) -> Option<Duration> {
        let reconnect = self.hub.options.reconnect?;
        let pause = self.pause;
        self.pause = pause
            .saturating_mul(2)
            .min(reconnect.max)
            .max(reconnect.first);
        let share = f64::from(random()) / f64::from(u32::MAX) / 2.0;
        let longer = Duration::try_from_secs_f64(pause.as_secs_f64() * share);
        Some(pause.saturating_add(longer.unwrap_or_default()))
    }

    async fn attempt(&mut self, ends: &mut Option<Ends>) -> Attempt {
        let mut seat = None;
        if ends.is_none() {
            // Before anybody is there who would have to wait.
            seat = self.take_seat(ends).await;
            if seat.is_none() {
                return Attempt::Over;
            }
        }
        let (hub, endpoint) = (Arc::clone(&self.hub), self.endpoint.clone());
        let connecting = async move {
            match hub.options.connect_timeout {
                None => connect(&endpoint, &hub).await,
                Some(limit) => {
                    let connected = timeout(limit, connect(&endpoint, &hub)).await;
                    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
                }
            }
        };
        match self.unless_gone(ends, connecting).await {
            None => Attempt::Over,
            Some(Err(error)) => {
                let reason = error.to_string();
                // Somebody is there, who does not speak as this socket does.
                if error.kind() == io::ErrorKind::InvalidData {
                    let (endpoint, reason) = (self.endpoint.clone(), reason.clone());
                    self.hub.monitors.tell(|| MonitorEvent::HandshakeFailed {
                        endpoint,
                        failure: HandshakeFailure::Protocol,
                        reason,
                    });
                }
                Attempt::Failed(reason)
            }
            Some(Ok(Connected::Tcp(stream))) => self.speak(ends, stream, seat).await,
            Some(Ok(Connected::Unix(stream))) => self.speak(ends, stream, seat).await,
            Some(Ok(Connected::Ws(stream))) => self.speak(ends, *stream, seat).await,
        }
    }

    async fn speak<S: Stream>(
        &mut self,
        ends: &mut Option<Ends>,
        stream: S,
        seat: Option<Arc<Seat>>,
    ) -> Attempt {
        let endpoint = self.endpoint.clone();
        self.hub
            .monitors
            .tell(|| MonitorEvent::Connected { endpoint });
        if self.hub.socket_type == SocketType::Stream {
            self.carry_raw(ends, stream, seat).await
        } else {
            self.speak_messages(ends, stream, seat).await
        }
    }

    /// Carries bytes to and from the peer as they are.
    async fn carry_raw<S: Stream>(
        &mut self,
        ends: &mut Option<Ends>,
        stream: S,
        seat: Option<Arc<Seat>>,
    ) -> Attempt {
        let hub = Arc::clone(&self.hub);
        self.pause = hub.options.reconnect.unwrap_or_default().first;
        let is_last = ends.is_none() || hub.options.reconnect.is_none();
        let mut fresh = None;
        let properties = PeerProperties::of_address(&stream.address());
        let current = match ends {
            Some(ends) => {
                ends.known.set(properties);
                ends
            }
            None => {
                let attached = self.attach(seat.as_ref(), None, properties);
                let (ends, _) = fresh.insert((attached, seat));
                ends
            }
        };
        let presence = begin(&hub, &self.endpoint);
        let end = Raw::new(&hub, stream).run(current, is_last).await;
        self.finish(fresh, presence, &end)
    }

    async fn speak_messages<S: Stream>(
        &mut self,
        ends: &mut Option<Ends>,
        stream: S,
        seat: Option<Arc<Seat>>,
    ) -> Attempt {
        let hub = Arc::clone(&self.hub);
        let address = stream.address();
        let mut wire = match Wire::new(&hub, stream, address.clone()) {
            Ok(wire) => wire,
            Err(error) => return Attempt::Failed(error.to_string()),
        };
        let peer = match self.unless_gone(ends, wire.shake_hands()).await {
            None => return Attempt::Over,
            Some(Ok(peer)) => peer,
            Some(Err(end)) => {
                let (reason, is_temporary) = (end.to_string(), end.is_temporary());
                let endpoint = self.endpoint.clone();
                hub.monitors.tell(|| MonitorEvent::HandshakeFailed {
                    endpoint,
                    failure: end.failure(),
                    reason: reason.clone(),
                });
                return if is_temporary {
                    Attempt::Failed(reason)
                } else {
                    Attempt::Over
                };
            }
        };
        self.pause = hub.options.reconnect.unwrap_or_default().first;
        let name = peer.identity.as_bytes().clone();
        let properties = PeerProperties::new(&peer, &address);
        let is_kept = ends.is_some();
        let current = match ends.take() {
            Some(mut ends) => {
                ends.known.set(properties);
                // Only a ROUTER wants to know, and once: what a peer can do again and again must not pile up.
                if hub.socket_type == SocketType::Router && self.told.as_ref() != Some(&name) {
                    let mut rings = Rings::new();
                    self.told = Some(name.clone());
                    ends.incoming.push_notice(Notice::Opened(name));
                    ends.incoming.publish(&mut rings);
                    rings.into_iter().for_each(Ring::ring);
                }
                ends
            }
            None => {
                self.topics = Topics::default();
                self.attach(seat.as_ref(), Some(name), properties)
            }
        };
        let presence = begin(&hub, &self.endpoint);
        let topics = mem::take(&mut self.topics);
        let (end, current, topics) = carry(wire, current, topics, hub.senders_write()).await;
        self.topics = topics;
        let fresh = if is_kept {
            *ends = Some(current);
            None
        } else {
            Some((current, seat))
        };
        self.finish(fresh, presence, &end)
    }

    /// Pipes that end with this connection.
    fn attach(
        &self,
        seat: Option<&Arc<Seat>>,
        told_name: Option<Bytes>,
        properties: PeerProperties,
    ) -> Ends {
        let given_name = self.given_name.clone();
        let (hub, number) = (&self.hub, self.number);
        Ends::attached(hub, number, given_name, seat, told_name, properties)
    }

    /// Takes a place for pipes that last as long as this connection.
    async fn take_seat(&mut self, ends: &mut Option<Ends>) -> Option<Arc<Seat>> {
        let seats = Arc::clone(&self.hub.seats);
        let (seat, _cut) = self.unless_gone(ends, seats.take()).await?;
        seat.shaken();
        Some(seat)
    }

    /// Ends a connection over which messages flowed; `fresh` are its pipes if they end with it.
    fn finish(&self, fresh: Option<Fresh>, presence: Presence, end: &End) -> Attempt {
        // The socket knows that the peer is gone before anybody else does.
        if let Some((mut ends, seat)) = fresh {
            if let Some(seat) = &seat {
                seat.leave(&mut ends.incoming);
            }
            drop((ends, seat));
            self.hub.look();
        }
        drop(presence);
        let (endpoint, reason) = (self.endpoint.clone(), end.to_string());
        self.hub.monitors.tell(|| MonitorEvent::Disconnected {
            endpoint,
            reason: reason.clone(),
        });
        if end.is_temporary() {
            Attempt::Failed(reason)
        } else {
            Attempt::Over
        }
    }

    /// Waits for something, unless the socket does not want it any more: then until what it has left is in vain.
    async fn unless_gone<F: Future>(
        &mut self,
        ends: &mut Option<Ends>,
        future: F,
    ) -> Option<F::Output> {
        let stopped = &mut self.stopped;
        let gone = async {
            match ends {
                Some(ends) => lingered(ends).await,
                None => dropped(stopped).await,
            }
        };
        unless(gone, future).await
    }
}

/// Pipes that end with their connection, and the place of that.
type Fresh = (Ends, Option<Arc<Seat>>);

/// Waits until the socket sends no more, and nothing is left or the linger time is over.
pub(super) async fn lingered(ends: &mut Ends) {
    let outgoing = &mut ends.outgoing;
    poll_fn(move |cx| {
        outgoing.register(cx.waker());
        if outgoing.is_closed() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    if ends.outgoing.is_empty() {
        return;
    }
    match ends.linger_until() {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}
