//! `udp://`: datagrams of a RADIO, to whoever listens there, and of a DISH, from whoever sends there.
//!
//! Nobody is told who is there, and nobody shakes hands: a RADIO sends all its groups, a DISH drops those that it has
//! not joined. A datagram that is lost is lost.

use super::connector::lingered;
use super::{Ends, dropped, unless};
use crate::endpoint::{Endpoint, Transport};
use crate::frame::Frame;
use crate::gate::Signal;
use crate::hub::{Hub, Running};
use crate::message::Message;
use crate::monitor::MonitorEvent;
use crate::pipe::{Popped, Ring, Rings};
use bytes::BytesMut;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::task::Poll;
use tokio::net::{UdpSocket, lookup_host};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;
use zmtp::udp::{DATAGRAM_BYTES_MAX, put, read};

/// Datagrams that are read before others of the thread get their turn.
const READS_MAX: usize = 64;

/// Where datagrams go or come from.
pub(super) struct Place {
    pub(super) hub: Arc<Hub>,
    pub(super) endpoint: Endpoint,
    pub(super) number: u64,
    /// Has changed for good when the socket is not there any more.
    pub(super) stopped: watch::Receiver<()>,
}

/// Binds the socket of a DISH; returns the endpoint with the port filled in.
pub(super) fn bind(endpoint: &Endpoint, io: &Handle) -> io::Result<(UdpSocket, Endpoint)> {
    let Transport::Udp {
        host,
        port,
        interface,
    } = &endpoint.0
    else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let address = match host {
        None => SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port)),
        Some(host) => (host.as_str(), *port)
            .to_socket_addrs()?
            .next()
            .ok_or(io::ErrorKind::NotFound)?,
    };
    let is_multicast = address.ip().is_multicast();
    let bound = match address.ip() {
        // A group of IPv6 may need to be told an interface.
        IpAddr::V6(_) if is_multicast => (Ipv6Addr::UNSPECIFIED, *port).into(),
        // Bound to a group it hears what is sent to that alone, and nothing that is for an address of the host.
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    };
    let socket = socket(bound, is_multicast)?;
    match address.ip() {
        IpAddr::V4(group) if is_multicast => {
            let interface = interface.unwrap_or(Ipv4Addr::UNSPECIFIED);
            socket.join_multicast_v4(&group, &interface)?;
        }
        IpAddr::V6(group) if is_multicast => socket.join_multicast_v6(&group, 0)?,
        IpAddr::V4(_) | IpAddr::V6(_) => {}
    }
    let port = socket
        .local_addr()?
        .as_socket()
        .map_or(*port, |found| found.port());
    let _guard = io.enter();
    let socket = UdpSocket::from_std(socket.into())?;
    let endpoint = Endpoint(Transport::Udp {
        host: Some(address.ip().to_string()),
        port,
        interface: *interface,
    });
    Ok((socket, endpoint))
}

/// A socket that several may be bound like, if it is of a group.
fn socket(bound: SocketAddr, is_shared: bool) -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(bound),
        socket2::Type::DGRAM,
        Some(socket2::Protocol::UDP),
    )?;
    socket.set_nonblocking(true)?;
    if is_shared {
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
    }
    socket.bind(&bound.into())?;
    Ok(socket)
}

impl Place {
    /// Hands over what comes until the socket does not listen there any more.
    pub(super) async fn receive(mut self, socket: UdpSocket, running: Running) {
        let (attachment, mut ends) = Ends::new(&self.hub, self.number, None);
        self.hub.gate.push(Signal::Attach(Box::new(attachment)));
        self.hub.look();
        let endpoint = self.endpoint.clone();
        self.hub
            .monitors
            .tell(|| MonitorEvent::Listening { endpoint });
        let hub = Arc::clone(&self.hub);
        unless(
            dropped(&mut self.stopped),
            receive_all(&hub, &socket, &mut ends),
        )
        .await;
        // Who waits for the socket to be closed finds the port free.
        drop(socket);
        drop(ends);
        drop(running);
    }

    /// Sends what the socket sends until it does not any more.
    pub(super) async fn send(self, mut ends: Ends, running: Running) {
        if let Some((socket, to)) = self.open(&mut ends).await {
            let endpoint = self.endpoint.clone();
            self.hub
                .monitors
                .tell(|| MonitorEvent::Connected { endpoint });
            send_all(&self.hub, &socket, to, &mut ends).await;
        }
        running.add_unsent(ends.outgoing.discard());
        let endpoint = self.endpoint.clone();
        self.hub.monitors.tell(|| MonitorEvent::Closed { endpoint });
    }

    /// Finds out where to send to, however long that takes; none if the socket does not want to any more.
    async fn open(&self, ends: &mut Ends) -> Option<(UdpSocket, SocketAddr)> {
        loop {
            let opened = unless(lingered(ends), open(&self.endpoint)).await?;
            let error = match opened {
                Ok(opened) => return Some(opened),
                Err(error) => error,
            };
            let after = self.hub.options.reconnect?.max;
            let (endpoint, reason) = (self.endpoint.clone(), error.to_string());
            self.hub.monitors.tell(|| MonitorEvent::ConnectRetried {
                endpoint,
                after,
                reason,
            });
            // Datagrams do not wait for somebody to be there.
            self.hub.count_dropped_sends(ends.outgoing.discard());
            unless(lingered(ends), sleep(after)).await?;
        }
    }
}

async fn open(endpoint: &Endpoint) -> io::Result<(UdpSocket, SocketAddr)> {
    let Transport::Udp {
        host,
        port,
        interface,
    } = &endpoint.0
    else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let host = host.as_deref().unwrap_or_default();
    let to = lookup_host((host, *port)).await?.next();
    let to = to.ok_or(io::ErrorKind::NotFound)?;
    let any = match to.ip() {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = socket(any, false)?;
    if let (Some(interface), IpAddr::V4(group)) = (interface, to.ip())
        && group.is_multicast()
    {
        socket.set_multicast_if_v4(interface)?;
    }
    Ok((UdpSocket::from_std(socket.into())?, to))
}

async fn send_all(hub: &Hub, socket: &UdpSocket, to: SocketAddr, ends: &mut Ends) {
    let mut datagram = BytesMut::new();
    while let Some(message) = next(ends).await {
        datagram.clear();
        let [group, body] = message.frames() else {
            continue;
        };
        let is_put = put(&mut datagram, group, body).is_ok();
        // What is too long, or has no way there, is lost as what is lost on the way.
        let is_sent = is_put
            && datagram.len() <= DATAGRAM_BYTES_MAX
            && socket.send_to(&datagram, to).await.is_ok();
        if !is_sent {
            hub.count_dropped_sends(1);
        }
    }
}

/// The next message; none when nothing is left and the socket sends no more.
async fn next(ends: &mut Ends) -> Option<Message> {
    let outgoing = &mut ends.outgoing;
    poll_fn(|cx| {
        outgoing.register(cx.waker());
        let mut rings = Rings::new();
        let mut message = Message::new();
        let found = loop {
            match outgoing.pop(&mut message, &mut rings) {
                Popped::Message => break Poll::Ready(Some(std::mem::take(&mut message))),
                Popped::Notice(_) => {}
                Popped::Closed => break Poll::Ready(None),
                Popped::Empty => {
                    if outgoing.sleep() {
                        break Poll::Pending;
                    }
                }
            }
        };
        rings.into_iter().for_each(Ring::ring);
        found
    })
    .await
}

async fn receive_all(hub: &Hub, socket: &UdpSocket, ends: &mut Ends) {
    // One more than a datagram may have, so that longer ones are seen.
    let mut datagram = vec![0; DATAGRAM_BYTES_MAX + 1];
    while readable(socket, ends).await.is_ok() {
        let mut rings = Rings::new();
        for _ in 0..READS_MAX {
            if !ends.incoming.has_room() {
                break;
            }
            match socket.try_recv(&mut datagram) {
                Ok(len) => match read(&datagram[..len]) {
                    Some((group, body)) if len <= DATAGRAM_BYTES_MAX => {
                        let frames = [group, body].map(Frame::copy_from);
                        ends.incoming.push(Message::from_iter(frames));
                    }
                    Some(_) | None => hub.count_dropped_receives(1),
                },
                // What a datagram that was sent from here has met is nothing to a DISH.
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {}
                Err(_) => break,
            }
        }
        ends.incoming.publish(&mut rings);
        rings.into_iter().for_each(Ring::ring);
        tokio::task::yield_now().await;
    }
}

/// Waits for a datagram, and room for it; what the socket says of groups is nothing to anybody.
async fn readable(socket: &UdpSocket, ends: &mut Ends) -> io::Result<()> {
    poll_fn(|cx| {
        ends.incoming.register(cx.waker());
        ends.outgoing.register(cx.waker());
        let mut rings = Rings::new();
        let mut message = Message::new();
        loop {
            match ends.outgoing.pop(&mut message, &mut rings) {
                Popped::Message | Popped::Notice(_) => {}
                Popped::Empty if !ends.outgoing.sleep() => {}
                Popped::Empty | Popped::Closed => break,
            }
        }
        rings.into_iter().for_each(Ring::ring);
        if ends.incoming.has_room() || !ends.incoming.wait() {
            socket.poll_recv_ready(cx)
        } else {
            Poll::Pending
        }
    })
    .await
}
