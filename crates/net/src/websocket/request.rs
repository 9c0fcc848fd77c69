//! The HTTP request that begins a WebSocket, and the answer to it. [RFC 6455 4.2]

use super::WebSocketRules;
use data_encoding::BASE64;
use httparse::{Header, Request, Status};
use sha1::{Digest, Sha1};
use std::sync::Arc;

/// The most headers of a request.
const HEADERS_MAX: usize = 100;

/// What the accepted key is made with. [RFC 6455 1.3]
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The bytes of a key before it is encoded.
const KEY_BYTES: usize = 16;

/// A request that becomes a WebSocket.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The length of the request.
    pub(super) bytes: usize,
    /// The proof that the key was read.
    accept: String,
    /// Chosen among those that the client speaks.
    subprotocol: Option<&'static str>,
    /// Whose rules it follows from here on: the place in the list.
    pub(super) chosen: usize,
}

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("this is not an HTTP request")]
    Malformed,
    #[error(
        "the head of the request is longer than {} bytes",
        super::upgrade::HEAD_BYTES_MAX
    )]
    TooLong,
    #[error("the request has more than {HEADERS_MAX} headers")]
    TooManyHeaders,
    #[error("the request did not come in time")]
    TimedOut,
    #[error("WebSockets begin with HTTP/1.1")]
    VersionOld,
    #[error("WebSockets begin with GET")]
    MethodWrong,
    #[error("there is nothing at this path")]
    PathUnknown,
    #[error("the Host header is missing")]
    HostMissing,
    #[error(
        "only WebSockets are served here: the headers Connection: Upgrade and Upgrade: websocket are missing"
    )]
    NoUpgrade,
    #[error("Sec-WebSocket-Version must be 13")]
    WebSocketVersion,
    #[error("Sec-WebSocket-Key must be 16 bytes in Base64")]
    KeyInvalid,
    #[error("only pages that were served from this machine may connect, see the header Origin")]
    OriginForeign,
}

impl Accepted {
    /// Reads a request; none if its end has not come.
    pub(super) fn parse(
        bytes: &[u8],
        offers: &[&Arc<WebSocketRules>],
    ) -> Result<Option<Self>, Refusal> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut request = Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(Status::Complete(bytes)) => Self::check(&request, bytes, offers).map(Some),
            Ok(Status::Partial) => Ok(None),
            Err(httparse::Error::TooManyHeaders) => Err(Refusal::TooManyHeaders),
            Err(_) => Err(Refusal::Malformed),
        }
    }

    fn check(
        request: &Request<'_, '_>,
        bytes: usize,
        offers: &[&Arc<WebSocketRules>],
    ) -> Result<Self, Refusal> {
        let require = |holds: bool, refusal| holds.then_some(()).ok_or(refusal);
        let headers = &*request.headers;
        require(request.version == Some(1), Refusal::VersionOld)?;
        require(request.method == Some("GET"), Refusal::MethodWrong)?;
        let path = request.path.unwrap_or_default();
        let path = path.split_once('?').map_or(path, |(path, _)| path);
        let (chosen, subprotocol) = choose(headers, path, offers).ok_or(Refusal::PathUnknown)?;
        require(
            values(headers, "host").next().is_some(),
            Refusal::HostMissing,
        )?;
        // A browser lets every page connect to every address, and whoever connects from this machine
        // is the guest. [RFC 6455 10.2]
        let is_local = values(headers, "origin").all(is_local_origin);
        require(is_local, Refusal::OriginForeign)?;
        let is_upgrade =
            lists(headers, "connection", "upgrade") && lists(headers, "upgrade", "websocket");
        require(is_upgrade, Refusal::NoUpgrade)?;
        let mut versions = values(headers, "sec-websocket-version");
        require(versions.next() == Some("13"), Refusal::WebSocketVersion)?;
        let mut keys = values(headers, "sec-websocket-key");
        let (Some(key), None) = (keys.next(), keys.next()) else {
            return Err(Refusal::KeyInvalid);
        };
        let decoded = BASE64.decode(key.as_bytes());
        let is_key = decoded.is_ok_and(|decoded| decoded.len() == KEY_BYTES);
        require(is_key, Refusal::KeyInvalid)?;
        Ok(Self {
            bytes,
            accept: BASE64.encode(&Sha1::new().chain_update(key).chain_update(GUID).finalize()),
            subprotocol,
            chosen,
        })
    }

    /// The answer, after which the transport is a WebSocket.
    pub(super) fn response(&self) -> String {
        let subprotocol = self.subprotocol.map_or_else(String::new, |name| {
            format!("Sec-WebSocket-Protocol: {name}\r\n")
        });
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: {}\r\n{subprotocol}\r\n",
            self.accept
        )
    }
}

impl Refusal {
    fn status(self) -> &'static str {
        match self {
            Self::Malformed | Self::HostMissing | Self::KeyInvalid => "400 Bad Request",
            Self::TooLong | Self::TooManyHeaders => "431 Request Header Fields Too Large",
            Self::TimedOut => "408 Request Timeout",
            Self::VersionOld => "505 HTTP Version Not Supported",
            Self::MethodWrong => "405 Method Not Allowed",
            Self::OriginForeign => "403 Forbidden",
            Self::PathUnknown => "404 Not Found",
            Self::NoUpgrade | Self::WebSocketVersion => "426 Upgrade Required",
        }
    }

    /// What a client needs to know to do better.
    fn headers(self) -> &'static str {
        match self {
            Self::MethodWrong => "Allow: GET\r\n",
            Self::NoUpgrade => "Upgrade: websocket\r\n",
            Self::WebSocketVersion => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n",
            Self::Malformed
            | Self::TooLong
            | Self::TooManyHeaders
            | Self::TimedOut
            | Self::VersionOld
            | Self::PathUnknown
            | Self::HostMissing
            | Self::OriginForeign
            | Self::KeyInvalid => "",
        }
    }

    /// The answer, after which the connection ends.
    pub(super) fn response(self) -> String {
        let text = self.to_string();
        format!(
            "HTTP/1.1 {}\r\n{}Connection: close\r\nContent-Type: text/plain\r\n\
             Content-Length: {}\r\n\r\n{text}\n",
            self.status(),
            self.headers(),
            text.len() + 1,
        )
    }
}

/// The first of those at this path that speaks a subprotocol which the client names; else the first at this
/// path.
fn choose(
    headers: &[Header<'_>],
    path: &str,
    offers: &[&Arc<WebSocketRules>],
) -> Option<(usize, Option<&'static str>)> {
    let asked =
        |name: &&&str| tokens(headers, "sec-websocket-protocol").any(|asked| asked == **name);
    let here = offers.iter().enumerate();
    let mut here = here.filter(|(_, rules)| rules.paths.contains(&path));
    let spoken = here.clone().find_map(|(at, rules)| {
        let subprotocol = rules.subprotocols.iter().find(asked)?;
        Some((at, Some(*subprotocol)))
    });
    spoken.or_else(|| here.next().map(|(at, _)| (at, None)))
}

/// Whether an origin, as in `http://localhost:3000`, is this machine.
fn is_local_origin(origin: &str) -> bool {
    let Some((_, authority)) = origin.split_once("://") else {
        return false;
    };
    let host = match authority.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next(),
        None => authority.split(':').next(),
    };
    host.is_some_and(|host| {
        let address = host.parse::<std::net::IpAddr>();
        host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|ip| ip.is_loopback())
    })
}

/// The values of a header, one for each line that has it. One that is no text is left out.
fn values<'a>(headers: &'a [Header<'_>], name: &str) -> impl Iterator<Item = &'a str> {
    let found = headers
        .iter()
        .filter(move |h| h.name.eq_ignore_ascii_case(name));
    found.filter_map(|header| std::str::from_utf8(header.value).ok().map(str::trim))
}

/// The parts of a header that is a list.
fn tokens<'a>(headers: &'a [Header<'_>], name: &str) -> impl Iterator<Item = &'a str> {
    values(headers, name)
        .flat_map(|value| value.split(','))
        .map(str::trim)
}

fn lists(headers: &[Header<'_>], name: &str, token: &str) -> bool {
    tokens(headers, name).any(|one| one.eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::super::tests::rules;
    use super::*;

    const HEADS: [&str; 5] = [
        "Host: barid",
        "Connection: keep-alive, Upgrade",
        "upgrade: WebSocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ];

    fn request(line: &str, headers: &[&str]) -> String {
        format!("{line}\r\n{}\r\n\r\n", headers.join("\r\n"))
    }

    fn parse(text: &str) -> Result<Accepted, Refusal> {
        Accepted::parse(text.as_bytes(), &[&Arc::new(rules())])
            .map(|accepted| accepted.expect("a whole request"))
    }

    #[test]
    fn the_example_of_the_standard_is_accepted() {
        let accepted = parse(&request("GET /ws HTTP/1.1", &HEADS)).unwrap();
        assert_eq!(
            accepted.response(),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }

    #[test]
    fn only_pages_of_this_machine_connect() {
        let rows = [
            ("http://localhost:3000", true),
            ("https://LOCALHOST", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("http://example.com", false),
            ("http://localhost.example.com", false),
            ("http://127.0.0.1.example.com", false),
            ("null", false),
            ("", false),
        ];
        for (origin, is_local) in rows {
            let origin_line = format!("Origin: {origin}");
            let headers = [&HEADS[..], &[&origin_line]].concat();
            let parsed = parse(&request("GET /ws HTTP/1.1", &headers));
            let expected = if is_local {
                None
            } else {
                Some(Refusal::OriginForeign)
            };
            assert_eq!(parsed.err(), expected, "{origin}");
        }
    }

    #[test]
    fn the_best_known_subprotocol_is_chosen() {
        let rows = [
            (&["v1.lines, v2.lines"][..], Some("v2.lines")),
            (&["v2.lines", "v1.lines"], Some("v2.lines")),
            (&["v9.lines,v1.lines"], Some("v1.lines")),
            (&["v9.lines"], None),
            (&["V1.LINES"], None),
            (&[""], None),
        ];
        for (lines, expected) in rows {
            let lines: Vec<_> = lines
                .iter()
                .map(|line| format!("Sec-WebSocket-Protocol: {line}"))
                .collect();
            let mut headers = HEADS.to_vec();
            headers.extend(lines.iter().map(String::as_str));
            let accepted = parse(&request("GET /?a=b HTTP/1.1", &headers)).unwrap();
            assert_eq!(accepted.subprotocol, expected, "{lines:?}");
            let told = accepted.response().contains("Sec-WebSocket-Protocol");
            assert_eq!(told, expected.is_some());
        }
    }

    #[test]
    fn the_protocol_follows_from_path_and_subprotocol() {
        let lines = Arc::new(rules());
        let words = Arc::new(WebSocketRules {
            paths: &["/", "/words"],
            subprotocols: &["words"],
            ..rules()
        });
        let rows = [
            ("/", "words", Some((1, Some("words")))),
            ("/", "words, v1.lines", Some((0, Some("v1.lines")))),
            ("/", "other", Some((0, None))),
            ("/ws", "words", Some((0, None))),
            ("/words", "v1.lines", Some((1, None))),
            ("/words", "v1.lines,words", Some((1, Some("words")))),
            ("/elsewhere", "words", None),
        ];
        for (path, asked, expected) in rows {
            let asked = format!("Sec-WebSocket-Protocol: {asked}");
            let headers = [&HEADS[..], &[asked.as_str()]].concat();
            let text = request(&format!("GET {path} HTTP/1.1"), &headers);
            let parsed = Accepted::parse(text.as_bytes(), &[&lines, &words]);
            let found = parsed.ok().flatten().map(|it| (it.chosen, it.subprotocol));
            assert_eq!(found, expected, "{path} {asked}");
        }
    }

    #[test]
    fn what_is_no_websocket_is_told_why() {
        let without = |name: &str| -> Vec<&str> {
            HEADS
                .into_iter()
                .filter(|head| !head.starts_with(name))
                .collect()
        };
        let with = |name: &str, line: &'static str| -> Vec<&str> {
            let mut heads = without(name);
            heads.push(line);
            heads
        };
        let get = "GET /ws HTTP/1.1";
        let many = ["a: b"; HEADERS_MAX + 1];
        let rows = [
            ("CONNECT\naccept-version:1.2".to_owned(), Refusal::Malformed),
            ("\x16\x03\x01\x02".to_owned(), Refusal::Malformed),
            (request("GET /ws HTTP/1.0", &HEADS), Refusal::VersionOld),
            (request("POST /ws HTTP/1.1", &HEADS), Refusal::MethodWrong),
            (request("GET /other HTTP/1.1", &HEADS), Refusal::PathUnknown),
            (request(get, &without("Host")), Refusal::HostMissing),
            (request(get, &without("Connection")), Refusal::NoUpgrade),
            (
                request(get, &with("upgrade", "Upgrade: h2c")),
                Refusal::NoUpgrade,
            ),
            (
                request(get, &without("Sec-WebSocket-Version")),
                Refusal::WebSocketVersion,
            ),
            (
                request(
                    get,
                    &with("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"),
                ),
                Refusal::WebSocketVersion,
            ),
            (
                request(get, &without("Sec-WebSocket-Key")),
                Refusal::KeyInvalid,
            ),
            (
                request(
                    get,
                    &with("Sec-WebSocket-Key", "Sec-WebSocket-Key: c2hvcnQ="),
                ),
                Refusal::KeyInvalid,
            ),
            (
                request(get, &with("Sec-WebSocket-Key", "Sec-WebSocket-Key: ?")),
                Refusal::KeyInvalid,
            ),
            (request(get, &many), Refusal::TooManyHeaders),
        ];
        for (text, refusal) in rows {
            assert_eq!(parse(&text), Err(refusal), "{text}");
            let response = refusal.response();
            assert!(response.starts_with("HTTP/1.1 4") || response.starts_with("HTTP/1.1 5"));
            assert!(response.ends_with(&format!("{refusal}\n")));
        }
    }

    #[test]
    fn a_beginning_is_waited_for() {
        let text = request("GET /ws HTTP/1.1", &HEADS);
        for end in 0..text.len() {
            assert_eq!(
                Accepted::parse(&text.as_bytes()[..end], &[&Arc::new(rules())]),
                Ok(None)
            );
        }
    }
}
