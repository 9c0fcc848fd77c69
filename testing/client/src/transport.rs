//! A TCP connection to a broker, whatever is spoken on it.

use anyhow::{Context as _, Result, bail};
use std::io::{ErrorKind, Read as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long to wait for what must come. It is never waited out by a test that passes.
pub const WAIT_MAX: Duration = Duration::from_secs(60);

/// Connects.
pub(crate) fn connect(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, WAIT_MAX)
        .with_context(|| format!("connecting to {address}"))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(WAIT_MAX))?;
    stream.set_write_timeout(Some(WAIT_MAX))?;
    Ok(stream)
}

/// What comes next; none once the connection ended, in whichever way.
pub(crate) fn read<'c>(stream: &mut TcpStream, chunk: &'c mut [u8]) -> Result<Option<&'c [u8]>> {
    loop {
        match stream.read(chunk) {
            Ok(0) => return Ok(None),
            Ok(count) => return Ok(Some(&chunk[..count])),
            Err(error) => {
                let kind = error.kind();
                if matches!(
                    kind,
                    ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted
                ) {
                    return Ok(None);
                }
                if kind != ErrorKind::Interrupted {
                    bail!("nothing came for {WAIT_MAX:?}: {error}");
                }
            }
        }
    }
}

/// Fills the place; whether the connection did not end before, in whichever way.
pub(crate) fn fill(stream: &mut TcpStream, place: &mut [u8]) -> Result<bool> {
    match stream.read_exact(place) {
        Ok(()) => Ok(true),
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
            ) =>
        {
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}
