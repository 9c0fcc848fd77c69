//! The handshake of a WebSocket.

use super::request::{Accepted, Refusal};
use super::{WebSocket, WebSocketRules};
use crate::limits::Limits;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The longest head of a request.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;

/// How long, and up to how many bytes, what a refused client still sends is thrown away.
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);
const DISCARD_BYTES_MAX: u64 = 64 * 1024;

/// Why there is no WebSocket.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpgradeError {
    /// The client was told why.
    #[error("{0}")]
    Refused(String),
    /// The transport failed, or took the answer too slowly.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Reads a request and answers it; the second of what it returns tells which of the offers was taken. Takes no longer than [`Limits::handshake_timeout`] for the one
/// and [`Limits::linger`] for the other, and no more than 16 KiB of memory.
///
/// # Errors
/// [`UpgradeError::Refused`] when the request is none for a WebSocket of these rules; it has been
/// answered and the transport has been shut down.
pub(crate) async fn upgrade<T: AsyncRead + AsyncWrite + Unpin>(
    mut io: T,
    offers: &[&Arc<WebSocketRules>],
    limits: &Limits,
) -> Result<(WebSocket<T>, usize), UpgradeError> {
    let mut input = BytesMut::new();
    let read = timeout(
        limits.handshake_timeout,
        read_request(&mut io, &mut input, offers),
    );
    let request = read.await.unwrap_or(Ok(Err(Refusal::TimedOut)))?;
    let response = match &request {
        Ok(accepted) => accepted.response(),
        Err(refusal) => refusal.response(),
    };
    timeout(limits.linger, io.write_all(response.as_bytes()))
        .await
        .map_err(io::Error::from)??;
    match request {
        Ok(accepted) => {
            let early = input.split_off(accepted.bytes);
            // Its own memory, so that the request's is free.
            let early = BytesMut::from(&early[..]);
            let rules = Arc::clone(offers[accepted.chosen]);
            Ok((WebSocket::new(io, rules, early), accepted.chosen))
        }
        Err(refusal) => {
            // Otherwise unread input would make the end a reset, which would overtake the answer.
            let mut rest = (&mut io).take(DISCARD_BYTES_MAX);
            let discard = async {
                rest.get_mut().shutdown().await?;
                tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
            };
            // What comes of it does not matter to anybody.
            drop(timeout(DISCARD_TIME_MAX, discard).await);
            Err(UpgradeError::Refused(refusal.to_string()))
        }
    }
}

/// Reads until the request is whole or cannot become a good one.
async fn read_request<T: AsyncRead + Unpin>(
    io: &mut T,
    input: &mut BytesMut,
    offers: &[&Arc<WebSocketRules>],
) -> io::Result<Result<Accepted, Refusal>> {
    loop {
        let before = input.len();
        if before >= HEAD_BYTES_MAX {
            return Ok(Err(Refusal::TooLong));
        }
        let room = (HEAD_BYTES_MAX - before) as u64;
        if (&mut *io).take(room).read_buf(input).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // Only the end of a line can tell more than was known, so a client that sends byte by byte
        // costs little.
        if !input[before..].contains(&b'\n') {
            continue;
        }
        match Accepted::parse(input, offers) {
            Ok(None) => {}
            Ok(Some(accepted)) => return Ok(Ok(accepted)),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}
