//! The opening handshake of a WebSocket.

use super::{Subprotocol, WebSocket};
use crate::endpoint::Endpoint;
use crate::hub::Hub;
use crate::options::Options;
use crate::security::Identification;
use bytes::BytesMut;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite;
use tokio_tungstenite::{accept_hdr_async, client_async};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use zmtp::MechanismName;
use zmtp::zws::{PROTOCOL, PROTOCOL_CURVE, PROTOCOL_NULL, PROTOCOL_PLAIN, Side};

/// The longest head of a request or an answer.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Where a head ends.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// The subprotocols of a socket, the best first.
fn subprotocols(options: &Options) -> &'static [(&'static str, Subprotocol)] {
    const NULL: &[(&str, Subprotocol)] = &[
        (PROTOCOL_NULL, Subprotocol::Mechanism(MechanismName::NULL)),
        (PROTOCOL, Subprotocol::Identity),
    ];
    const PLAIN: &[(&str, Subprotocol)] =
        &[(PROTOCOL_PLAIN, Subprotocol::Mechanism(MechanismName::PLAIN))];
    const CURVE: &[(&str, Subprotocol)] =
        &[(PROTOCOL_CURVE, Subprotocol::Mechanism(MechanismName::CURVE))];
    match options.security.identification {
        Identification::Null => NULL,
        Identification::PlainClient(_) | Identification::PlainServer => PLAIN,
        Identification::CurveClient(..) | Identification::CurveServer(_) => CURVE,
    }
}

/// The first subprotocol of a header that this socket speaks.
fn chosen(headers: &HeaderMap, options: &Options) -> Option<(&'static str, Subprotocol)> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL).into_iter();
    let names = values.filter_map(|value| value.to_str().ok());
    let mut names = names.flat_map(|value| value.split(',')).map(str::trim);
    names.find_map(|name| {
        let ours = subprotocols(options).iter();
        ours.copied().find(|(known, _)| *known == name)
    })
}

/// Answers a peer that asks for a WebSocket.
pub(in crate::net) async fn accept(stream: TcpStream, hub: &Hub) -> io::Result<WebSocket> {
    let options = &hub.options;
    let mut found = None;
    #[expect(clippy::result_large_err, reason = "the type is the callback's")]
    let answer = |request: &Request, mut response: Response| {
        let Some((name, subprotocol)) = chosen(request.headers(), options) else {
            let mut refusal = ErrorResponse::new(Some("no subprotocol is known".to_owned()));
            *refusal.status_mut() = StatusCode::BAD_REQUEST;
            return Err(refusal);
        };
        found = Some(subprotocol);
        let name = HeaderValue::from_static(name);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, name);
        Ok(response)
    };
    let head = in_time(options, accept_hdr_async(Head::new(stream), answer)).await?;
    let subprotocol = found.ok_or(io::ErrorKind::InvalidData)?;
    Ok(open(head.into_inner(), Side::Server, subprotocol, hub))
}

/// Asks for a WebSocket.
pub(in crate::net) async fn connect(
    stream: TcpStream,
    endpoint: &Endpoint,
    hub: &Hub,
) -> io::Result<WebSocket> {
    let options = &hub.options;
    let names: Vec<_> = subprotocols(options)
        .iter()
        .map(|(name, _)| *name)
        .collect();
    let mut request = endpoint
        .to_string()
        .into_client_request()
        .map_err(refused)?;
    let names = HeaderValue::from_str(&names.join(",")).map_err(io::Error::other)?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, names);
    let (head, response) = in_time(options, client_async(request, Head::new(stream))).await?;
    let (_, subprotocol) = chosen(response.headers(), options).ok_or(io::ErrorKind::InvalidData)?;
    Ok(open(head.into_inner(), Side::Client, subprotocol, hub))
}

fn open(head: Head, side: Side, subprotocol: Subprotocol, hub: &Hub) -> WebSocket {
    let (stream, early) = head.into_parts();
    WebSocket::new(stream, early, side, subprotocol, hub)
}

async fn in_time<T>(
    options: &Options,
    handshake: impl Future<Output = Result<T, tungstenite::Error>>,
) -> io::Result<T> {
    let handshake = Box::pin(handshake);
    match options.handshake_timeout {
        None => handshake.await,
        Some(limit) => timeout(limit, handshake).await?,
    }
    .map_err(refused)
}

fn refused(error: tungstenite::Error) -> io::Error {
    if let tungstenite::Error::Io(error) = error {
        return error;
    }
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A stream that gives no more than the head which comes first, of a limited length; it keeps what stands behind it.
struct Head {
    stream: TcpStream,
    read: BytesMut,
    /// Up to here there is no end of the head.
    searched: usize,
    /// How much was given.
    given: usize,
}

impl Head {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            read: BytesMut::new(),
            searched: 0,
            given: 0,
        }
    }

    /// Where the head ends, if that is there.
    fn end(&mut self) -> Option<usize> {
        let rest = &self.read[self.searched..];
        let mut windows = rest.windows(HEAD_END.len());
        let found = windows.position(|window| window == HEAD_END);
        let Some(found) = found else {
            self.searched = (self.read.len() + 1)
                .saturating_sub(HEAD_END.len())
                .max(self.searched);
            return None;
        };
        self.searched += found;
        Some(self.searched + HEAD_END.len())
    }

    /// The stream, and what was read of it behind the head.
    fn into_parts(mut self) -> (TcpStream, BytesMut) {
        let early = self.read.split_off(self.given);
        // Its own memory, so that the head's is free.
        (self.stream, BytesMut::from(&early[..]))
    }
}

impl AsyncRead for Head {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            let end = this.end();
            let given = this.given;
            let there = &this.read[given..end.unwrap_or(this.read.len())];
            if end.is_some() || !there.is_empty() {
                let count = there.len().min(buffer.remaining());
                buffer.put_slice(&there[..count]);
                this.given += count;
                return Poll::Ready(Ok(()));
            }
            if given >= HEAD_BYTES_MAX {
                let long = "the head of a WebSocket is too long";
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, long)));
            }
            let read = pin!(this.stream.read_buf(&mut this.read)).poll(cx);
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Head {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
