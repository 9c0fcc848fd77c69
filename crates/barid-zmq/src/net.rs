//! Sockets of other processes: listeners, connections, and what runs them.
//!
//! ```text
//!   socket ══ pipe out ═══► output ──► transport
//!          ◄═ pipe in ════  input  ◄──
//!                     one task of an I/O thread
//! ```
//!
//! A connection's task is woken when a pipe changes from nothing to something, or from full to free, and when the
//! transport does: never per message. Each time it encodes all that waits into one buffer and writes it at once,
//! and hands over all that it has read with one publish.

mod carrier;
mod connection;
mod connector;
mod input;
mod listener;
mod output;
mod raw;
mod seats;
mod settings;
mod transport;
mod udp;
mod unfinished;
mod websocket;

pub(crate) use seats::{Seat, SeatLimits, Seats};
pub(crate) use unfinished::Unfinished;

use crate::attachment::{Attachment, Presence};
use crate::endpoint::Endpoint;
use crate::error::{BindError, ConnectError};
use crate::gate::Signal;
use crate::hub::{Hub, Running};
use crate::monitor::MonitorEvent;
use crate::pipe::{Bell, Receiver, Sender, pipe};
use crate::properties::{Known, PeerProperties};
use bytes::Bytes;
use futures_util::future::{Either, select};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::Instant;
use transport::SocketFile;

/// What ends a listener, or the attempts to connect, when it is dropped.
pub(crate) struct Stop {
    _sender: watch::Sender<()>,
    /// Of a listener that has one.
    _file: Option<SocketFile>,
}

impl Stop {
    const fn new(sender: watch::Sender<()>, file: Option<SocketFile>) -> Self {
        Self {
            _sender: sender,
            _file: file,
        }
    }
}

/// Listens; the listener ends when what is returned is dropped.
pub(crate) fn listen(
    hub: &Arc<Hub>,
    endpoint: &Endpoint,
    number: u64,
) -> Result<(Endpoint, Stop), BindError> {
    let io = hub.context.io()?;
    let (stop, stopped) = watch::channel(());
    if endpoint.is_datagrams() {
        let (socket, endpoint) = udp::bind(endpoint, &io)?;
        let place = udp::Place {
            hub: Arc::clone(hub),
            endpoint: endpoint.clone(),
            number,
            stopped,
        };
        io.spawn(place.receive(socket, Running::new(Arc::clone(hub))));
        return Ok((endpoint, Stop::new(stop, None)));
    }
    let (listener, endpoint, file) = transport::Listener::bind(endpoint, &hub.options, &io)?;
    let listening = listener::Listening {
        hub: Arc::clone(hub),
        endpoint: endpoint.clone(),
        number,
        stopped,
    };
    // Before anybody is let in.
    hub.monitors.tell(|| MonitorEvent::Listening {
        endpoint: endpoint.clone(),
    });
    io.spawn(listening.run(listener, Running::new(Arc::clone(hub))));
    Ok((endpoint, Stop::new(stop, file)))
}

/// Connects, and goes on trying; returns the socket's ends of the pipes if there are any before there is a peer.
pub(crate) fn connect(
    hub: &Arc<Hub>,
    endpoint: &Endpoint,
    number: u64,
    given_name: Option<Bytes>,
) -> Result<(Option<Attachment>, Stop), ConnectError> {
    if endpoint.is_open() {
        return Err(ConnectError::Open(endpoint.clone()));
    }
    let io = hub.context.io()?;
    let (stop, stopped) = watch::channel(());
    if endpoint.is_datagrams() {
        let (mut attachment, ends) = Ends::new(hub, number, None);
        attachment.wants_all = true;
        let place = udp::Place {
            hub: Arc::clone(hub),
            endpoint: endpoint.clone(),
            number,
            stopped,
        };
        io.spawn(place.send(ends, Running::new(Arc::clone(hub))));
        return Ok((Some(attachment), Stop::new(stop, None)));
    }
    let (attachment, ends) = if hub.options.is_immediate {
        (None, None)
    } else {
        let (attachment, ends) = Ends::new(hub, number, given_name.clone());
        (Some(attachment), Some(ends))
    };
    let connector = connector::Connector::new(hub, endpoint, number, given_name, stopped);
    io.spawn(connector.run(ends));
    Ok((attachment, Stop::new(stop, None)))
}

/// Waits for something, unless something else ends the wait.
async fn unless<F: Future>(end: impl Future<Output = ()>, future: F) -> Option<F::Output> {
    match select(pin!(end), pin!(future)).await {
        Either::Left(((), _)) => None,
        Either::Right((output, _)) => Some(output),
    }
}

/// Waits until the other end is dropped.
async fn dropped(stopped: &mut watch::Receiver<()>) {
    // Nothing is ever sent: it can only fail.
    while stopped.changed().await.is_ok() {}
}

/// Counts a peer that is spoken with from now on, and tells of it.
fn begin(hub: &Arc<Hub>, endpoint: &Endpoint) -> Presence {
    let presence = Presence::new(hub);
    hub.monitors.tell(|| MonitorEvent::HandshakeSucceeded {
        endpoint: endpoint.clone(),
    });
    presence
}

/// A connection's ends of the pipes to and from its socket.
struct Ends {
    /// What the socket sends.
    outgoing: Receiver,
    /// What the socket receives.
    incoming: Sender,
    known: Known,
    /// Set once the socket sends no more: however often it is connected from then on, it is one time.
    linger_until: Option<Instant>,
}

impl Ends {
    /// Pipes between a connection and a socket, and the socket's ends of them.
    fn new(hub: &Arc<Hub>, endpoint: u64, given_name: Option<Bytes>) -> (Attachment, Self) {
        let options = &hub.options;
        let socket = || Bell::socket(Arc::clone(&hub.gate));
        let (sender, outgoing) = pipe(options.keep(options.send_hwm), socket(), Bell::task());
        let (incoming, receiver) = pipe(options.keep(options.receive_hwm), Bell::task(), socket());
        let known = Known::default();
        let attachment = Attachment {
            sender,
            receiver,
            given_name,
            told_name: None,
            wants_all: false,
            endpoint,
            known: known.clone(),
            presence: [None, None],
            seat: None,
        };
        let ends = Self {
            outgoing,
            incoming,
            known,
            linger_until: None,
        };
        (attachment, ends)
    }

    /// Pipes that last as long as their connection: the socket has its ends of them. `seat` is the connection's place,
    /// `told_name` what the peer calls itself.
    fn attached(
        hub: &Arc<Hub>,
        endpoint: u64,
        given_name: Option<Bytes>,
        seat: Option<&Arc<Seat>>,
        told_name: Option<Bytes>,
        properties: PeerProperties,
    ) -> Self {
        let (mut attachment, ends) = Self::new(hub, endpoint, given_name);
        ends.known.set(properties);
        attachment.told_name = told_name;
        attachment.seat = seat.cloned();
        hub.gate.push(Signal::Attach(Box::new(attachment)));
        hub.look();
        ends
    }

    /// When what is left is given up, once the socket sends no more.
    fn linger_until(&mut self) -> Option<Instant> {
        if self.linger_until.is_none()
            && self.outgoing.is_closed()
            && let Some(linger) = self.outgoing.linger()
        {
            self.linger_until = Instant::now().checked_add(linger);
        }
        self.linger_until
    }
}
