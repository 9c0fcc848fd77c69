//! Where sockets bind and connect: `tcp://host:port`, `ipc://path`, `inproc://name`, `ws://host:port/path`, `udp://host:port`.

use std::fmt;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::str::FromStr;
use zmtp::SocketType;

/// The address of a socket.
///
/// ```
/// use barid_zmq::Endpoint;
///
/// let endpoint: Endpoint = "tcp://127.0.0.1:5555".parse()?;
/// assert_eq!(endpoint.to_string(), "tcp://127.0.0.1:5555");
/// # Ok::<(), barid_zmq::EndpointError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint(pub(crate) Transport);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Transport {
    Tcp {
        /// None is every address of this machine.
        host: Option<String>,
        /// 0 is any free one.
        port: u16,
    },
    Ipc(IpcName),
    Inproc(String),
    Ws {
        host: Option<String>,
        port: u16,
        /// Begins with a slash.
        path: String,
    },
    Udp {
        host: Option<String>,
        port: u16,
        /// By which interface a group is joined or sent to; none leaves that to the system.
        interface: Option<Ipv4Addr>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum IpcName {
    /// A file of a name that is made up.
    Any,
    Path(PathBuf),
    /// A name that is no file, on Linux.
    Abstract(String),
}

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// There is no `://`.
    #[error("`{0}` has no transport before `://`")]
    NoTransport(String),
    /// The transport is none of tcp, ipc, inproc, ws, udp.
    #[error("the transport of `{0}` is not known: tcp, ipc, inproc, ws and udp are")]
    UnknownTransport(String),
    /// A TCP address without a port, or with one that is no number up to 65535.
    #[error("`{0}` has no port that is a number up to 65535, or `*`")]
    Port(String),
    /// The host has a character that neither a name nor an address has.
    #[error("`{0}` has a host with a character that neither a name nor an address has")]
    Host(String),
    /// A path of a WebSocket with a blank or a character that is not ASCII.
    #[error("the path of `{0}` has characters that a request does not carry")]
    Path(String),
    /// Before a group of UDP stands an interface that is no IPv4 address.
    #[error("`{0}` has an interface that is no IPv4 address")]
    Interface(String),
    /// Nothing behind the transport.
    #[error("`{0}` names nothing")]
    Empty(String),
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let owned = || text.to_owned();
        let (transport, address) = text
            .split_once("://")
            .ok_or_else(|| EndpointError::NoTransport(owned()))?;
        if address.is_empty() {
            return Err(EndpointError::Empty(owned()));
        }
        match transport {
            "tcp" => {
                let (host, port) = host_and_port(text, address)?;
                Ok(Self(Transport::Tcp { host, port }))
            }
            "ws" => {
                let path_at = address.find('/').unwrap_or(address.len());
                let (authority, path) = address.split_at(path_at);
                let (host, port) = host_and_port(text, authority)?;
                if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(EndpointError::Path(owned()));
                }
                let path = if path.is_empty() { "/" } else { path }.to_owned();
                Ok(Self(Transport::Ws { host, port, path }))
            }
            "udp" => {
                let (interface, address) = match address.split_once(';') {
                    None => (None, address),
                    Some((interface, address)) => {
                        let interface = interface.parse();
                        let interface = interface.map_err(|_| EndpointError::Interface(owned()))?;
                        (Some(interface), address)
                    }
                };
                let (host, port) = host_and_port(text, address)?;
                Ok(Self(Transport::Udp {
                    host,
                    port,
                    interface,
                }))
            }
            "ipc" => Ok(Self(Transport::Ipc(match address.strip_prefix('@') {
                _ if address == "*" => IpcName::Any,
                Some("") => return Err(EndpointError::Empty(owned())),
                Some(name) => IpcName::Abstract(name.to_owned()),
                None => IpcName::Path(address.into()),
            }))),
            "inproc" => Ok(Self(Transport::Inproc(address.to_owned()))),
            _ => Err(EndpointError::UnknownTransport(owned())),
        }
    }
}

/// Reads `host:port`, of which either may be `*`.
fn host_and_port(text: &str, address: &str) -> Result<(Option<String>, u16), EndpointError> {
    let malformed = || EndpointError::Port(text.to_owned());
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let port = match port {
        "*" => 0,
        // A number may have a sign, and a port has none.
        port if port.starts_with('+') => return Err(malformed()),
        port => port.parse().map_err(|_| malformed())?,
    };
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    if host.is_empty() {
        return Err(EndpointError::Empty(text.to_owned()));
    }
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:%".contains(&byte);
    if host != "*" && !host.bytes().all(is_known) {
        return Err(EndpointError::Host(text.to_owned()));
    }
    Ok(((host != "*").then(|| host.to_owned()), port))
}

/// Writes `host:port`.
fn put_host_and_port(f: &mut fmt::Formatter<'_>, host: Option<&str>, port: u16) -> fmt::Result {
    match host.unwrap_or("*") {
        host if host.contains(':') => write!(f, "[{host}]:")?,
        host => write!(f, "{host}:")?,
    }
    match port {
        0 => f.write_str("*"),
        port => write!(f, "{port}"),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Transport::Tcp { host, port } => {
                f.write_str("tcp://")?;
                put_host_and_port(f, host.as_deref(), *port)
            }
            Transport::Ws { host, port, path } => {
                f.write_str("ws://")?;
                put_host_and_port(f, host.as_deref(), *port)?;
                f.write_str(path)
            }
            Transport::Udp {
                host,
                port,
                interface,
            } => {
                f.write_str("udp://")?;
                if let Some(interface) = interface {
                    write!(f, "{interface};")?;
                }
                put_host_and_port(f, host.as_deref(), *port)
            }
            Transport::Ipc(IpcName::Any) => f.write_str("ipc://*"),
            Transport::Ipc(IpcName::Path(path)) => write!(f, "ipc://{}", path.display()),
            Transport::Ipc(IpcName::Abstract(name)) => write!(f, "ipc://@{name}"),
            Transport::Inproc(name) => write!(f, "inproc://{name}"),
        }
    }
}

impl Endpoint {
    /// Whether sockets of a type may bind or connect there. `is_secure` is whether they have to know who is there.
    pub(crate) const fn suits(
        &self,
        socket_type: SocketType,
        binds: bool,
        is_secure: bool,
    ) -> bool {
        let is_stream = matches!(socket_type, SocketType::Stream);
        match &self.0 {
            // Bytes of any peer have no place for who it is.
            Transport::Tcp { .. } | Transport::Ipc(_) => !(is_stream && is_secure),
            Transport::Inproc(_) | Transport::Ws { .. } => !is_stream,
            // A datagram neither says nor hears who is there.
            Transport::Udp { .. } if is_secure => false,
            Transport::Udp { .. } if binds => matches!(socket_type, SocketType::Dish),
            Transport::Udp { .. } => matches!(socket_type, SocketType::Radio),
        }
    }

    /// Whether datagrams carry the messages.
    pub(crate) const fn is_datagrams(&self) -> bool {
        matches!(self.0, Transport::Udp { .. })
    }

    /// Whether a WebSocket carries the messages.
    pub(crate) const fn is_websocket(&self) -> bool {
        matches!(self.0, Transport::Ws { .. })
    }
}

/// What can be taken as an endpoint: one, or a text that is parsed.
pub trait ToEndpoint {
    /// The endpoint.
    ///
    /// # Errors
    /// When a text is none.
    fn to_endpoint(&self) -> Result<Endpoint, EndpointError>;
}

impl ToEndpoint for Endpoint {
    fn to_endpoint(&self) -> Result<Endpoint, EndpointError> {
        Ok(self.clone())
    }
}

impl ToEndpoint for str {
    fn to_endpoint(&self) -> Result<Endpoint, EndpointError> {
        self.parse()
    }
}

impl ToEndpoint for String {
    fn to_endpoint(&self) -> Result<Endpoint, EndpointError> {
        self.parse()
    }
}

impl<E: ToEndpoint + ?Sized> ToEndpoint for &E {
    fn to_endpoint(&self) -> Result<Endpoint, EndpointError> {
        (**self).to_endpoint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_read_and_written() {
        for text in [
            "tcp://127.0.0.1:5555",
            "tcp://*:*",
            "tcp://*:80",
            "tcp://[::1]:80",
            "tcp://example.org:1",
            "ipc:///tmp/x",
            "ipc://relative",
            "ipc://@name",
            "ipc://*",
            "inproc://any thing",
            "ws://127.0.0.1:80/",
            "udp://*:5555",
            "udp://239.0.0.1:5555",
            "udp://127.0.0.1;239.0.0.1:5555",
            "ws://*:*/path/of?it",
            "ws://[::1]:80/x",
        ] {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), text);
        }
        let any: Endpoint = "tcp://localhost:0".parse().unwrap();
        assert_eq!(any.to_string(), "tcp://localhost:*");
        let root: Endpoint = "ws://localhost:80".parse().unwrap();
        assert_eq!(root.to_string(), "ws://localhost:80/");
    }

    #[test]
    fn what_is_none_is_told_from_what_is() {
        for text in [
            "",
            "tcp",
            "127.0.0.1:80",
            "tcp://",
            "tcp://host",
            "tcp://host:",
            "tcp://:80",
            "tcp://host:65536",
            "tcp://host:-1",
            "tcp://host:+80",
            "tcp://a host:80",
            "tcp://127.0.0.1:0;127.0.0.1:80",
            "tcp://h\u{f6}st:80",
            "ws://ho*st:80/",
            "udp://host",
            "udp://eth0;239.0.0.1:80",
            "udp://127.0.0.1;:80",
            "pgm://host:80",
            "ipc://",
            "ipc://@",
            "inproc://",
            "ws://",
            "ws://host/path",
            "ws://host:80/a b",
            "ws://host:80/\u{e4}",
        ] {
            text.parse::<Endpoint>().unwrap_err();
        }
    }
}
