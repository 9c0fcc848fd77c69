//! Sockets that wait for connections.

use crate::endpoint::{Endpoint, Host};
use crate::unix::SocketFile;
use socket2::{Domain, Protocol, Type};
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

/// Connections that the operating system completes before they are accepted. It may lower this
/// (`net.core.somaxconn`).
pub(crate) const BACKLOG: i32 = 4096;

/// How often a free port of one family is tried on the other.
const FREE_PORT_TRIES: usize = 16;

/// A socket that listens, not yet served.
#[derive(Debug)]
pub struct Listener {
    pub(crate) socket: Socket,
    pub(crate) address: Address,
}

#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// Where a [`Listener`] listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At a port, with the number that was found where 0 was asked for.
    Tcp(SocketAddr),
    /// At a file, which is there as long as it listens.
    Unix(PathBuf),
}

/// What [`bind`] made of a list of endpoints.
#[derive(Debug, Default)]
pub struct Bound {
    /// In the order of the endpoints, IPv4 before IPv6 where one stands for both.
    pub listeners: Vec<Listener>,
    /// What was passed over.
    pub warnings: Vec<BindWarning>,
}

/// Something about the machine that the operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BindWarning {
    /// The machine has no such family of addresses; the endpoint listens on the other one only.
    #[error("not listening on {address}: this machine has no {}", family(.address))]
    FamilyMissing {
        /// What was to be listened on.
        address: SocketAddr,
    },
}

/// Why an endpoint cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error(
        "{0} is in use: another program (or another broker) listens there. Stop it, or give this \
         listener another address: host:port, host:0 for a free port, or \"off\""
    )]
    InUse(SocketAddr),
    /// The user may not listen there.
    #[error(
        "{0} is not allowed: ports below 1024 need the capability CAP_NET_BIND_SERVICE. Give this \
         listener a higher port, or the program that capability"
    )]
    NotAllowed(SocketAddr),
    /// No interface of the machine has this address.
    #[error(
        "{0} is not an address of this machine. Give this listener one that it has, or * for all"
    )]
    NotHere(SocketAddr),
    /// The name has no address.
    #[error("no address for the name in '{endpoint}': {source}")]
    NameUnknown {
        /// What was to be listened on.
        endpoint: Endpoint,
        /// What the resolver said.
        source: io::Error,
    },
    /// Anything else.
    #[error("cannot listen on {address}: {source}")]
    Failed {
        /// What was to be listened on.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another program listens at this file.
    #[error("{} is in use: another program (or another broker) listens there", .0.display())]
    FileInUse(PathBuf),
    /// There is something else at the place of the file.
    #[error("{} is in the way: it is no socket. Move it elsewhere", .0.display())]
    FileNoSocket(PathBuf),
    /// Anything else about the file.
    #[error("cannot listen on {}: {source}", path.display())]
    FileFailed {
        /// What was to be listened on.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Listener {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let open = || -> io::Result<Self> {
            let socket = socket2::Socket::new(
                Domain::for_address(address),
                Type::STREAM,
                Some(Protocol::TCP),
            )?;
            // A restart need not wait until the connections of the last run are forgotten.
            #[cfg(unix)]
            socket.set_reuse_address(true)?;
            // "*" listens on each family with a socket of its own.
            if address.is_ipv6() {
                socket.set_only_v6(true)?;
            }
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            let socket = TcpListener::from(socket);
            let address = Address::Tcp(socket.local_addr()?);
            Ok(Self {
                socket: Socket::Tcp(socket),
                address,
            })
        };
        open().map_err(|source| BindError::new(address, source))
    }
}

impl Address {
    /// The port with its address, if it is one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl BindError {
    fn new(address: SocketAddr, source: io::Error) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "the operating system knows more errors than can be listed"
        )]
        match source.kind() {
            ErrorKind::AddrInUse => Self::InUse(address),
            ErrorKind::PermissionDenied => Self::NotAllowed(address),
            ErrorKind::AddrNotAvailable => Self::NotHere(address),
            _ => Self::Failed { address, source },
        }
    }

    /// Whether the machine lacks the whole family of the address, not just this one.
    fn is_family_missing(&self) -> bool {
        match self {
            Self::NotHere(address) => address.ip().is_loopback() || address.ip().is_unspecified(),
            Self::Failed { source, .. } => is_family_unknown(source),
            Self::InUse(_)
            | Self::NotAllowed(_)
            | Self::NameUnknown { .. }
            | Self::FileInUse(_)
            | Self::FileNoSocket(_)
            | Self::FileFailed { .. } => false,
        }
    }
}

/// Listens on all of the endpoints, or on none.
///
/// # Errors
/// [`BindError`] for the first endpoint that cannot be listened on. Where an endpoint stands for
/// both families, or the list names several, a family that the machine does not have is a warning
/// as long as something is listened on.
pub fn bind(endpoints: &[Endpoint]) -> Result<Bound, BindError> {
    let mut bound = Bound::default();
    let mut missing = None;
    for endpoint in endpoints {
        match &endpoint.host {
            Host::Both(v4, v6) => {
                let hosts = [IpAddr::V4(*v4), IpAddr::V6(*v6)];
                bind_both(hosts, endpoint.port, &mut bound, &mut missing)?;
            }
            Host::Address(address) => {
                let address = SocketAddr::new(*address, endpoint.port);
                bound.add(address, Listener::bind(address), &mut missing)?;
            }
            Host::Name(name) => {
                for address in resolve(endpoint, name)? {
                    bound.add(address, Listener::bind(address), &mut missing)?;
                }
            }
        }
    }
    match missing {
        Some(error) if bound.listeners.is_empty() => Err(error),
        Some(_) | None => Ok(bound),
    }
}

impl Bound {
    /// Keeps a listener, or the fact that its family is missing.
    fn add(
        &mut self,
        address: SocketAddr,
        listener: Result<Listener, BindError>,
        missing: &mut Option<BindError>,
    ) -> Result<(), BindError> {
        match listener {
            Ok(listener) => self.listeners.push(listener),
            Err(error) if error.is_family_missing() => {
                self.warnings.push(BindWarning::FamilyMissing { address });
                *missing = Some(error);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

/// Listens on both addresses with the same port; a port that is free on the first only is given
/// back and another is tried.
fn bind_both(
    hosts: [IpAddr; 2],
    port: u16,
    bound: &mut Bound,
    missing: &mut Option<BindError>,
) -> Result<(), BindError> {
    let [first, second] = hosts;
    for tries_left in (0..FREE_PORT_TRIES).rev() {
        let first = SocketAddr::new(first, port);
        let one = Listener::bind(first);
        let found = one
            .as_ref()
            .ok()
            .and_then(|listener| listener.address.tcp())
            .map_or(port, |address| address.port());
        let mut two = Listener::bind(SocketAddr::new(second, found));
        if port == 0 && matches!(two, Err(BindError::InUse(_))) {
            if tries_left > 0 {
                continue;
            }
            two = Listener::bind(SocketAddr::new(second, 0));
        }
        bound.add(first, one, missing)?;
        return bound.add(SocketAddr::new(second, found), two, missing);
    }
    Ok(())
}

fn resolve(endpoint: &Endpoint, name: &str) -> Result<Vec<SocketAddr>, BindError> {
    let unknown = |source| BindError::NameUnknown {
        endpoint: endpoint.clone(),
        source,
    };
    let mut addresses: Vec<SocketAddr> = (name, endpoint.port)
        .to_socket_addrs()
        .map_err(unknown)?
        .collect();
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() {
        return Err(unknown(ErrorKind::NotFound.into()));
    }
    Ok(addresses)
}

/// EAFNOSUPPORT, which the standard library has no name for.
fn is_family_unknown(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = if cfg!(target_os = "linux") {
        97
    } else if cfg!(windows) {
        10_047
    } else {
        47
    };
    error.raw_os_error() == Some(EAFNOSUPPORT)
}

fn family(address: &SocketAddr) -> &'static str {
    if address.is_ipv6() { "IPv6" } else { "IPv4" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind_text(text: &str) -> Result<Bound, BindError> {
        bind(&Endpoint::parse_list(text).unwrap())
    }

    fn addresses(bound: &Bound) -> Vec<SocketAddr> {
        let addresses = bound.listeners.iter().map(|l| l.address().tcp().unwrap());
        addresses.collect()
    }

    #[test]
    fn localhost_is_both_families_with_one_port() {
        let bound = bind_text("localhost:0").unwrap();
        let addresses = addresses(&bound);
        let port = addresses[0].port();
        assert_ne!(port, 0);
        assert!(addresses.iter().all(|address| address.ip().is_loopback()));
        assert!(addresses.iter().all(|address| address.port() == port));
        // One of the two stands for each family: a listener, or a warning that there is none.
        assert_eq!(bound.listeners.len() + bound.warnings.len(), 2);
    }

    #[test]
    fn off_listens_on_nothing() {
        let bound = bind_text("off").unwrap();
        assert!(bound.listeners.is_empty() && bound.warnings.is_empty());
    }

    #[test]
    fn a_port_in_use_is_named_with_what_to_do() {
        let bound = bind_text("127.0.0.1:0").unwrap();
        let address = addresses(&bound)[0];
        let error = bind_text(&address.to_string()).unwrap_err();
        assert!(matches!(error, BindError::InUse(at) if at == address));
        let text = error.to_string();
        assert!(text.starts_with(&format!("{address} is in use")), "{text}");
        assert!(text.contains("host:0"), "{text}");
        // The same where the port is only half free.
        let error = bind_text(&format!("localhost:{}", address.port())).unwrap_err();
        assert!(matches!(error, BindError::InUse(_)));
    }

    #[test]
    fn an_address_of_another_machine_is_refused() {
        let error = bind_text("192.0.2.1:0").unwrap_err();
        assert!(matches!(error, BindError::NotHere(_)), "{error}");
    }
}
