//! TCP, Unix sockets, and WebSocket over TCP.

use super::websocket::{self, WebSocket};
use crate::cell::random;
use crate::endpoint::{Endpoint, IpcName, Transport};
use crate::hub::Hub;
use crate::options::{IpVersions, Options};
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream, lookup_host};
use tokio::runtime::Handle;

/// Writes several pieces at once.
pub(super) trait Gathers: AsyncWrite + Unpin {
    fn poll_gather(
        &mut self,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write_vectored(cx, pieces)
    }
}

/// That a peer is gone is an error, and no `SIGPIPE`: a program whose threads write may not ignore that.
#[cfg(not(target_vendor = "apple"))]
const NO_SIGNAL: i32 = libc::MSG_NOSIGNAL;
/// The sockets themselves say so there.
#[cfg(target_vendor = "apple")]
const NO_SIGNAL: i32 = 0;

macro_rules! gathers {
    ($($stream:ty)*) => {
        $(impl Gathers for $stream {
            fn poll_gather(
                &mut self,
                cx: &mut Context<'_>,
                pieces: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                loop {
                    ready!(self.poll_write_ready(cx))?;
                    let written = self.try_io(Interest::WRITABLE, || {
                        let socket = socket2::SockRef::from(&*self);
                        socket.send_vectored_with_flags(pieces, NO_SIGNAL)
                    });
                    match written {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        written => return Poll::Ready(written),
                    }
                }
            }
        })*
    };
}

gathers! { TcpStream UnixStream }

/// A connected transport.
pub(super) trait Stream: AsyncRead + Gathers + Unpin + Send + 'static {
    /// The peer's address, without the port.
    fn address(&self) -> String;

    /// Whether it finds out by itself that the peer is dead.
    fn has_pulse(&self) -> bool {
        false
    }
}

impl Stream for TcpStream {
    fn address(&self) -> String {
        self.peer_addr()
            .map_or_else(|_| String::new(), |address| address.ip().to_string())
    }
}

impl Stream for UnixStream {
    fn address(&self) -> String {
        String::new()
    }
}

pub(super) enum Connected {
    Tcp(TcpStream),
    Unix(UnixStream),
    Ws(Box<WebSocket>),
}

/// A connected transport between two threads: each thread watches its own.
pub(super) enum Moving {
    Tcp(std::net::TcpStream),
    Unix(StdUnixStream),
}

impl Connected {
    /// Takes it from this thread.
    pub(super) fn leave(self) -> io::Result<Moving> {
        Ok(match self {
            Self::Tcp(stream) => Moving::Tcp(stream.into_std()?),
            Self::Unix(stream) => Moving::Unix(stream.into_std()?),
            // It is opened where it stays.
            Self::Ws(_) => return Err(io::ErrorKind::Unsupported.into()),
        })
    }
}

impl Moving {
    /// Gives it to this thread.
    pub(super) fn arrive(self) -> io::Result<Connected> {
        Ok(match self {
            Self::Tcp(stream) => Connected::Tcp(TcpStream::from_std(stream)?),
            Self::Unix(stream) => Connected::Unix(UnixStream::from_std(stream)?),
        })
    }
}

pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The file of a Unix socket. It goes when this does, so that the path is free at once.
pub(super) struct SocketFile {
    path: PathBuf,
    /// Which file it is, wherever it lies.
    inode: Option<Inode>,
}

/// The device of a file, and its number there.
type Inode = (u64, u64);

impl SocketFile {
    /// One that has just been made.
    fn made(path: PathBuf) -> Self {
        let inode = inode_of(&path);
        Self { path, inode }
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Somebody else may have removed it, and made another one in its place.
        if self.inode.is_some() && inode_of(&self.path) == self.inode {
            let _is_removed = std::fs::remove_file(&self.path);
        }
    }
}

fn inode_of(path: &Path) -> Option<Inode> {
    use std::os::unix::fs::MetadataExt as _;
    let found = std::fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}

impl Listener {
    /// Binds; returns the endpoint with what was open in it filled in, and the file of a Unix socket that has one.
    pub(super) fn bind(
        endpoint: &Endpoint,
        options: &Options,
        io: &Handle,
    ) -> io::Result<(Self, Endpoint, Option<SocketFile>)> {
        let _guard = io.enter();
        match &endpoint.0 {
            Transport::Tcp { host, port } | Transport::Ws { host, port, .. } => {
                let address = match host {
                    None if options.ip_versions == IpVersions::Both => {
                        SocketAddr::from((Ipv6Addr::UNSPECIFIED, *port))
                    }
                    None => SocketAddr::from((Ipv4Addr::UNSPECIFIED, *port)),
                    Some(host) => (host.as_str(), *port)
                        .to_socket_addrs()?
                        .find(|address| is_wanted(*address, options))
                        .ok_or_else(|| {
                            io::Error::new(io::ErrorKind::NotFound, "the host has no address")
                        })?,
                };
                let socket = tcp_socket(address, options)?;
                socket.set_reuseaddr(true)?;
                if host.is_none() && address.is_ipv6() {
                    socket2::SockRef::from(&socket).set_only_v6(false)?;
                }
                socket.bind(address)?;
                let listener = socket.listen(options.backlog)?;
                let address = listener.local_addr()?;
                let (host, port) = (Some(address.ip().to_string()), address.port());
                let endpoint = Endpoint(match &endpoint.0 {
                    Transport::Ws { path, .. } => Transport::Ws {
                        host,
                        port,
                        path: path.clone(),
                    },
                    Transport::Tcp { .. }
                    | Transport::Ipc(_)
                    | Transport::Inproc(_)
                    | Transport::Udp { .. } => Transport::Tcp { host, port },
                });
                Ok((Self::Tcp(listener), endpoint, None))
            }
            Transport::Ipc(name) => {
                let name = match name {
                    IpcName::Any => IpcName::Path(any_path()),
                    IpcName::Path(_) | IpcName::Abstract(_) => name.clone(),
                };
                let path = path_of(&name);
                let is_file = matches!(name, IpcName::Path(_));
                if is_file {
                    remove_stale(&path)?;
                }
                let listener = UnixListener::bind(&path)?;
                let file = is_file.then(|| SocketFile::made(path));
                Ok((Self::Unix(listener), Endpoint(Transport::Ipc(name)), file))
            }
            Transport::Inproc(_) | Transport::Udp { .. } => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    pub(super) async fn accept(&self, options: &Options) -> io::Result<Connected> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                prepare(&stream, options)?;
                Ok(Connected::Tcp(stream))
            }
            Self::Unix(listener) => Ok(Connected::Unix(listener.accept().await?.0)),
        }
    }
}

/// Opens a WebSocket with one that was accepted.
pub(super) async fn open(stream: TcpStream, hub: &Hub) -> io::Result<WebSocket> {
    websocket::accept(stream, hub).await
}

/// Connects once.
pub(super) async fn connect(endpoint: &Endpoint, hub: &Hub) -> io::Result<Connected> {
    let options = &hub.options;
    match &endpoint.0 {
        Transport::Tcp { host, port } => {
            let stream = connect_tcp(host.as_deref(), *port, options).await?;
            Ok(Connected::Tcp(stream))
        }
        Transport::Ws { host, port, .. } => {
            let stream = connect_tcp(host.as_deref(), *port, options).await?;
            let websocket = websocket::connect(stream, endpoint, hub).await?;
            Ok(Connected::Ws(Box::new(websocket)))
        }
        Transport::Ipc(name) => Ok(Connected::Unix(UnixStream::connect(path_of(name)).await?)),
        Transport::Inproc(_) | Transport::Udp { .. } => Err(io::ErrorKind::Unsupported.into()),
    }
}

async fn connect_tcp(host: Option<&str>, port: u16, options: &Options) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let addresses = lookup_host((host.unwrap_or_default(), port)).await?;
    for address in addresses.filter(|address| is_wanted(*address, options)) {
        match tcp_socket(address, options)?.connect(address).await {
            Ok(stream) => {
                prepare(&stream, options)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn is_wanted(address: SocketAddr, options: &Options) -> bool {
    match options.ip_versions {
        IpVersions::V4 => address.is_ipv4(),
        IpVersions::Any | IpVersions::Both => true,
    }
}

fn tcp_socket(address: SocketAddr, options: &Options) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // The system's limit is what it takes of them.
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
    if let Some(bytes) = options.send_buffer {
        socket.set_send_buffer_size(size(bytes))?;
    }
    if let Some(bytes) = options.receive_buffer {
        socket.set_recv_buffer_size(size(bytes))?;
    }
    Ok(socket)
}

fn prepare(stream: &TcpStream, options: &Options) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if let Some(idle) = options.keepalive {
        let idle = idle.max(Duration::from_secs(1));
        let mut keepalive = socket2::TcpKeepalive::new().with_time(idle);
        if let Some(interval) = options.keepalive_interval {
            keepalive = keepalive.with_interval(interval.max(Duration::from_secs(1)));
        }
        if let Some(count) = options.keepalive_count {
            keepalive = keepalive.with_retries(count);
        }
        socket2::SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    }
    Ok(())
}

/// The path of a name; one that begins with a zero is no file.
fn path_of(name: &IpcName) -> PathBuf {
    match name {
        IpcName::Any => PathBuf::new(),
        IpcName::Path(path) => path.clone(),
        IpcName::Abstract(name) => format!("\0{name}").into(),
    }
}

fn any_path() -> PathBuf {
    let (pid, first, second) = (std::process::id(), random(), random());
    std::env::temp_dir().join(format!("zmq-{pid}-{first:08x}{second:08x}"))
}

/// Removes the file of a listener that is gone without having removed it.
fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt as _;
    let is_socket =
        std::fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match StdUnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(_) | Err(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

impl Endpoint {
    /// Whether it leaves open where to connect.
    pub(crate) const fn is_open(&self) -> bool {
        match &self.0 {
            Transport::Tcp { host, port }
            | Transport::Ws { host, port, .. }
            | Transport::Udp { host, port, .. } => host.is_none() || *port == 0,
            Transport::Ipc(name) => matches!(name, IpcName::Any),
            Transport::Inproc(_) => false,
        }
    }
}
