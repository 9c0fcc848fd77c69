//! Accepts connections and gives each a driver.

use crate::clock::Clock;
use crate::counters::{Counters, add};
use crate::driver::{Driver, End, Environment};
use crate::kept::KeptInput;
use crate::limits::Limits;
use crate::listener::{Listener, Socket};
use crate::stop::{StopSignal, StopWatch};
use crate::unix::SocketFile;
use crate::websocket::{self, WebSocketRules};
use broker_api::{Attachment, Peer, Session};
use model::{ConnectionId, Instant};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinSet;
use tokio::time::Sleep;
use tracing::{debug, error, warn};

/// Connections accepted in one poll; then others get their turn.
const ACCEPTS_MAX: usize = 64;

/// The pause after an accept that failed for want of something; doubles up to the maximum.
const PAUSE_MIN: Duration = Duration::from_millis(10);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Makes what belongs to one connection.
type Maker<T> = Arc<dyn Fn(Instant, ConnectionId, Peer) -> Box<T> + Send + Sync>;

/// What is spoken on a connection.
#[derive(Clone)]
pub struct Protocol {
    /// What it is called in the log.
    pub name: &'static str,
    /// Makes the session of a connection.
    pub session: Maker<dyn Session>,
    /// Makes the broker's side of a connection.
    pub attach: Maker<dyn Attachment>,
}

/// What a listener speaks, and what the bytes of that travel in.
#[derive(Clone, Debug)]
pub enum Transport {
    /// This protocol, in nothing: as they are.
    Plain(Protocol),
    /// The messages of a WebSocket. Which protocol that is follows from the request that begins it; of
    /// those that fit, the first.
    WebSocket(Arc<[Carried]>),
}

/// A protocol that a WebSocket may carry.
#[derive(Clone, Debug)]
pub struct Carried {
    /// How it is asked for and carried.
    pub rules: Arc<WebSocketRules>,
    /// What is carried.
    pub protocol: Protocol,
}

impl Transport {
    /// What it is called in the log before it is known what is spoken.
    const fn name(&self) -> &'static str {
        match self {
            Self::Plain(protocol) => protocol.name,
            Self::WebSocket(_) => "WebSocket",
        }
    }
}

impl fmt::Debug for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protocol")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// What all listeners of a node share: the clock, the limits, the wish to stop, the ids.
///
/// A clone is the same server.
#[derive(Clone, Debug)]
pub struct Server {
    clock: Clock,
    limits: Limits,
    stop: StopSignal,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// The id given last.
    connection_id: AtomicU64,
    connections_open: AtomicUsize,
    kept: KeptInput,
}

impl Server {
    /// A server without listeners. There should be one in a process: connections get ids from it.
    #[must_use]
    pub fn new(clock: Clock, limits: Limits, stop: StopSignal) -> Self {
        Self {
            clock,
            limits,
            stop,
            shared: Arc::default(),
        }
    }

    /// Accepts connections from `listeners` and runs each in a task of its own until the broker
    /// stops; returns when the last of them has ended, which takes no longer than
    /// [`Limits::grace`]. Dropped before, it cuts its connections.
    ///
    /// # Errors
    /// When the runtime does not take a listener; then nothing is served.
    pub async fn serve(
        &self,
        listeners: Vec<Listener>,
        transport: Transport,
        counters: Arc<Counters>,
    ) -> io::Result<()> {
        let listeners = listeners
            .into_iter()
            .map(Acceptor::new)
            .collect::<io::Result<Vec<_>>>()?;
        let mut accepting = Accepting {
            server: self.clone(),
            listeners,
            transport,
            environment: Arc::new(Environment {
                clock: self.clock,
                limits: self.limits,
                counters,
                kept: self.shared.kept.clone(),
            }),
            connections: JoinSet::new(),
            stop: StopWatch::new(self.stop.clone()),
            pause: None,
            pause_next: PAUSE_MIN,
        };
        poll_fn(|cx| accepting.poll(cx)).await;
        accepting.listeners.clear();
        while let Some(joined) = accepting.connections.join_next().await {
            report(&accepting.transport, joined);
        }
        Ok(())
    }

    /// Takes a place among the connections, if there is one left.
    fn take_place(&self, counters: &Arc<Counters>) -> Option<Place> {
        let max = self.limits.connections_max;
        let open = &self.shared.connections_open;
        open.try_update(Ordering::AcqRel, Ordering::Acquire, |open| {
            (open < max).then_some(open + 1)
        })
        .ok()?;
        add(&counters.accepted, 1);
        counters
            .open_max
            .fetch_max(counters.open(), Ordering::Relaxed);
        Some(Place {
            id: ConnectionId(self.shared.connection_id.fetch_add(1, Ordering::Relaxed) + 1),
            shared: Arc::clone(&self.shared),
            counters: Arc::clone(counters),
        })
    }
}

/// A place among the connections; free again when it is dropped, however the connection ended.
struct Place {
    id: ConnectionId,
    shared: Arc<Shared>,
    counters: Arc<Counters>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.connections_open.fetch_sub(1, Ordering::AcqRel);
        self.counters.closed.fetch_add(1, Ordering::Release);
    }
}

/// What a connection is made of once its transport is ready.
struct Starting {
    accepted_at: Instant,
    place: Place,
    peer: Peer,
    environment: Arc<Environment>,
    stop: StopSignal,
}

impl Starting {
    /// The connection over a transport. What its session has to wait for counts from the accept.
    fn start<T>(self, io: T, protocol: &Protocol) -> Connection<T>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let (at, id) = (self.accepted_at, self.place.id);
        Connection {
            driver: Driver::new(
                io,
                (protocol.session)(at, id, self.peer),
                (protocol.attach)(at, id, self.peer),
                self.environment,
                self.stop,
            ),
            place: self.place,
            protocol: protocol.name,
        }
    }

    /// The connection over a WebSocket: first the handshake, then the same.
    async fn start_websocket<T>(self, socket: T, carried: Arc<[Carried]>)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let limits = self.environment.limits;
        let mut stop = StopWatch::new(self.stop.clone());
        let offers: Vec<_> = carried.iter().map(|carried| &carried.rules).collect();
        // Both in boxes, so that a task does not hold room for one while it is the other.
        let mut upgrade = Box::pin(websocket::upgrade(socket, &offers, &limits));
        let upgraded = poll_fn(|cx| match upgrade.as_mut().poll(cx) {
            Poll::Ready(upgraded) => Poll::Ready(Some(upgraded)),
            // Nothing that was promised is lost with it.
            Poll::Pending if stop.poll_stopping(cx) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        });
        let upgraded = upgraded.await;
        drop((upgrade, stop));
        drop(offers);
        match upgraded {
            Some(Ok((io, chosen))) => {
                let connection = Box::pin(self.start(io, &carried[chosen].protocol));
                drop(carried);
                connection.await;
            }
            Some(Err(error)) => {
                let connection = self.place.id.0;
                debug!(connection, %error, "no WebSocket");
            }
            None => {}
        }
    }
}

/// The task of one connection. A struct, for an async block would hold the driver twice.
struct Connection<T> {
    driver: Driver<T>,
    place: Place,
    protocol: &'static str,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for Connection<T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let Poll::Ready(end) = Pin::new(&mut this.driver).poll(cx) else {
            return Poll::Pending;
        };
        if end == End::Stalled {
            add(&this.place.counters.stalled, 1);
        }
        debug!(
            protocol = this.protocol,
            connection = this.place.id.0,
            ?end,
            "connection ended"
        );
        Poll::Ready(())
    }
}

/// A listener that the runtime polls.
enum Acceptor {
    Tcp(TcpListener),
    Unix {
        socket: UnixListener,
        /// There for as long as somebody listens.
        _file: SocketFile,
    },
}

/// A connection whose session has not begun.
enum Accepted {
    Tcp(TcpStream, IpAddr),
    Unix(UnixStream),
}

impl Acceptor {
    /// Hands the socket to the runtime, which must be the current one.
    fn new(listener: Listener) -> io::Result<Self> {
        match listener.socket {
            Socket::Tcp(socket) => TcpListener::from_std(socket).map(Self::Tcp),
            Socket::Unix(socket, file) => UnixListener::from_std(socket).map(|socket| Self::Unix {
                socket,
                _file: file,
            }),
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match self {
            Self::Tcp(socket) => socket
                .poll_accept(cx)
                .map_ok(|(socket, address)| Accepted::Tcp(socket, address.ip().to_canonical())),
            Self::Unix { socket, .. } => socket
                .poll_accept(cx)
                .map_ok(|(socket, _)| Accepted::Unix(socket)),
        }
    }
}

impl Accepted {
    /// The other end. A program that may open a socket's file is on this machine.
    fn peer(&self) -> Peer {
        Peer {
            address: match self {
                Self::Tcp(_, address) => *address,
                Self::Unix(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            },
        }
    }
}

/// The state of one [`Server::serve`].
struct Accepting {
    server: Server,
    listeners: Vec<Acceptor>,
    transport: Transport,
    environment: Arc<Environment>,
    connections: JoinSet<()>,
    stop: StopWatch,
    /// Nothing is accepted until this is over.
    pause: Option<Pin<Box<Sleep>>>,
    pause_next: Duration,
}

impl Accepting {
    /// Ready when the broker stops.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.stop.poll_stopping(cx) {
            return Poll::Ready(());
        }
        while let Poll::Ready(Some(joined)) = self.connections.poll_join_next(cx) {
            report(&self.transport, joined);
        }
        for _ in 0..ACCEPTS_MAX {
            if let Some(pause) = &mut self.pause {
                if pause.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.pause = None;
            }
            let mut is_idle = true;
            for at in 0..self.listeners.len() {
                match self.listeners[at].poll_accept(cx) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(accepted)) => {
                        is_idle = false;
                        self.pause_next = PAUSE_MIN;
                        self.handle_accepted(accepted);
                    }
                    Poll::Ready(Err(error)) => {
                        is_idle = false;
                        self.handle_error(&error);
                    }
                }
            }
            if is_idle {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn handle_accepted(&mut self, accepted: Accepted) {
        let protocol = self.transport.name();
        let peer = accepted.peer();
        let address = peer.address;
        let Some(place) = self.server.take_place(&self.environment.counters) else {
            add(&self.environment.counters.refused, 1);
            let max = self.server.limits.connections_max;
            debug!(protocol, %address, max, "connection refused: too many connections");
            return;
        };
        debug!(protocol, connection = place.id.0, %address, "connection accepted");
        let starting = Starting {
            accepted_at: self.server.clock.now(),
            place,
            peer,
            environment: Arc::clone(&self.environment),
            stop: self.server.stop.clone(),
        };
        match accepted {
            Accepted::Tcp(socket, _) => {
                // Answers are written in batches, so there is nothing to be gained by waiting for more.
                if let Err(error) = socket.set_nodelay(true) {
                    debug!(protocol, %address, %error, "cannot set TCP_NODELAY");
                }
                self.spawn(starting, socket);
            }
            Accepted::Unix(socket) => self.spawn(starting, socket),
        }
    }

    fn spawn<T>(&mut self, starting: Starting, socket: T)
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        match &self.transport {
            Transport::Plain(protocol) => {
                self.connections.spawn(starting.start(socket, protocol));
            }
            Transport::WebSocket(carried) => {
                let carried = Arc::clone(carried);
                self.connections
                    .spawn(starting.start_websocket(socket, carried));
            }
        }
    }

    fn handle_error(&mut self, error: &io::Error) {
        let protocol = self.transport.name();
        if is_of_the_peer(error) {
            debug!(protocol, %error, "a connection ended before it was accepted");
            return;
        }
        // No file descriptors or no memory: what is there goes on, and once some of it has ended
        // there is room again. Said once per lack, not once per try.
        if self.pause_next == PAUSE_MIN {
            warn!(protocol, %error, "cannot accept connections, trying again until it works");
        }
        self.pause = Some(Box::pin(tokio::time::sleep(self.pause_next)));
        self.pause_next = (self.pause_next * 2).min(PAUSE_MAX);
    }
}

/// Whether only the one connection failed that was to be accepted, not the accepting.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
            | ErrorKind::TimedOut
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
    )
}

fn report(transport: &Transport, joined: Result<(), tokio::task::JoinError>) {
    if let Err(error) = joined {
        error!(protocol = transport.name(), %error, "a connection failed, this is a bug in Barid");
    }
}

#[cfg(test)]
mod tests;
