//! Addresses to listen on, as a user writes them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address to listen on, as a user writes it: `host:port`.
///
/// The host is an IPv4 address, an IPv6 address in brackets, a name, `localhost` (loopback of both
/// families) or `*` (all addresses of both families). Port 0 takes a free one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// These two addresses are one endpoint: the same port on each, and a family that the machine
    /// does not have is passed over.
    Both(Ipv4Addr, Ipv6Addr),
    Address(IpAddr),
    Name(Box<str>),
}

/// Why a text names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// There is no port.
    #[error("no port in '{0}', expected host:port, as in localhost:61613")]
    PortMissing(String),
    /// What is behind the last colon is not a port.
    #[error("'{0}' does not end in a port from 0 to 65535")]
    PortInvalid(String),
    /// There is no host.
    #[error("no host in '{0}', write localhost, an address, or * for all addresses")]
    HostMissing(String),
    /// An IPv6 address without brackets, or brackets around something else.
    #[error(
        "no host in '{0}' that can be read, an IPv6 address goes in brackets, as in [::1]:61613"
    )]
    HostInvalid(String),
}

impl Endpoint {
    /// Reads a list: endpoints separated by commas, or `off` for none.
    ///
    /// # Errors
    /// [`EndpointError`] with the first part of the list that names no endpoint.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, EndpointError> {
        if text.trim() == "off" {
            return Ok(Vec::new());
        }
        text.split(',')
            .map(|part| Self::parse(part.trim()))
            .collect()
    }

    fn parse(text: &str) -> Result<Self, EndpointError> {
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| EndpointError::PortMissing(text.to_owned()))?;
        if text.ends_with(']') {
            return Err(EndpointError::PortMissing(text.to_owned()));
        }
        let port = port
            .parse()
            .map_err(|_| EndpointError::PortInvalid(text.to_owned()))?;
        let invalid = || EndpointError::HostInvalid(text.to_owned());
        let host = match host {
            "" => return Err(EndpointError::HostMissing(text.to_owned())),
            "localhost" => Host::Both(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
            "*" => Host::Both(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED),
            _ => {
                if let Some(inner) = host.strip_prefix('[') {
                    let inner = inner.strip_suffix(']').ok_or_else(invalid)?;
                    Host::Address(IpAddr::V6(inner.parse().map_err(|_| invalid())?))
                } else if host.contains([':', '[', ']']) {
                    return Err(invalid());
                } else {
                    host.parse().map_or_else(
                        |_| Host::Name(host.into()),
                        |v4| Host::Address(IpAddr::V4(v4)),
                    )
                }
            }
        };
        Ok(Self { host, port })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = self.port;
        match &self.host {
            Host::Both(v4, _) if v4.is_loopback() => write!(f, "localhost:{port}"),
            Host::Both(..) => write!(f, "*:{port}"),
            Host::Address(address) => std::net::SocketAddr::new(*address, port).fmt(f),
            Host::Name(name) => write!(f, "{name}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_a_user_writes() {
        let check = |text: &str, expected: &[&str]| {
            let endpoints = Endpoint::parse_list(text).unwrap();
            let shown: Vec<_> = endpoints.iter().map(ToString::to_string).collect();
            assert_eq!(shown, expected, "{text}");
        };
        check("off", &[]);
        check("localhost:61613", &["localhost:61613"]);
        check("*:0", &["*:0"]);
        check(
            " 127.0.0.1:1 , [::1]:2,example.org:3",
            &["127.0.0.1:1", "[::1]:2", "example.org:3"],
        );
    }

    #[test]
    fn says_what_is_wrong() {
        let check = |text: &str, expected: fn(String) -> EndpointError| {
            let error = expected(text.to_owned());
            assert_eq!(Endpoint::parse_list(text), Err(error), "{text}");
        };
        check("", EndpointError::PortMissing);
        check("localhost", EndpointError::PortMissing);
        check("[::1]", EndpointError::PortMissing);
        check("localhost:", EndpointError::PortInvalid);
        check("localhost:65536", EndpointError::PortInvalid);
        check(":1883", EndpointError::HostMissing);
        check("::1:1883", EndpointError::HostInvalid);
        check("[1.2.3.4]:1883", EndpointError::HostInvalid);
        check("[::1:1883", EndpointError::HostInvalid);
    }
}
