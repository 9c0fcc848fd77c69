//! SEND into a message.

use super::{Destination, FLAG_PLAIN};
use crate::Version;
use crate::frame::{Frame, HeaderName};
use model::{Envelope, Message, Parts, Persistence};

/// Runs of kept header lines that go into a message as they are; more are first put together.
const RUNS_MAX: usize = 8;

/// The message of a SEND: its header lines as they came, but for those that the server writes itself,
/// each ended by one line feed.
///
/// Allocates only the message, unless lines end with CR LF or the kept lines lie in many pieces; then
/// `scratch` is used.
pub(crate) fn message_of(
    frame: &Frame<'_>,
    version: Version,
    destination: &Destination<'_>,
    scratch: &mut Vec<u8>,
) -> Message {
    let persistent = frame
        .value(HeaderName::Persistent)
        .is_some_and(|value| *value == *b"true");
    let envelope = Envelope {
        dialect: version.dialect(),
        dialect_flags: if frame.is_plain() { FLAG_PLAIN } else { 0 },
        persistence: if persistent {
            Persistence::Persistent
        } else {
            Persistence::Transient
        },
        exchange: destination.exchange,
    };
    let mut runs = [&[][..]; RUNS_MAX];
    let joined;
    let head = match kept_runs(frame, &mut runs) {
        Some(count) => &runs[..count],
        None => {
            join_kept(frame, scratch);
            joined = [&scratch[..]];
            &joined
        }
    };
    Message::new(&Parts {
        envelope,
        key: &destination.key,
        head,
        body: frame.body,
    })
}

/// Fills `runs` with the kept lines, neighbors in one piece, and returns the number of pieces; none if
/// they do not fit or if their ends must be changed.
fn kept_runs<'a>(frame: &Frame<'a>, runs: &mut [&'a [u8]; RUNS_MAX]) -> Option<usize> {
    if frame.head.carriage_return {
        return None;
    }
    let mut count = 0;
    let mut start = None;
    for line in &frame.head.lines {
        match (line.name.is_servers(), start) {
            (false, None) => start = Some(line.name_at as usize),
            (true, Some(at)) => {
                *runs.get_mut(count)? = &frame.bytes[at..line.name_at as usize];
                count += 1;
                start = None;
            }
            (false, Some(_)) | (true, None) => {}
        }
    }
    if let (Some(at), Some(last)) = (start, frame.head.lines.last()) {
        *runs.get_mut(count)? = &frame.bytes[at..last.next as usize];
        count += 1;
    }
    Some(count)
}

fn join_kept(frame: &Frame<'_>, scratch: &mut Vec<u8>) {
    scratch.clear();
    for line in &frame.head.lines {
        if !line.name.is_servers() {
            scratch.extend_from_slice(&frame.bytes[line.name_at as usize..line.end as usize]);
            scratch.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Limits};

    fn check(version: Version, input: &str, head: &str, is_plain: bool) {
        let mut codec = Codec::new(Limits::default());
        codec.set_version(version);
        let decoded = codec.decode(input.as_bytes()).unwrap();
        let frame = decoded.frame.unwrap();
        let text = frame.value(HeaderName::Destination).unwrap();
        let destination = Destination::resolve(&text).unwrap();
        let message = message_of(&frame, version, &destination, &mut Vec::new());
        assert_eq!(String::from_utf8_lossy(message.head()), head);
        assert_eq!(message.body(), b"x");
        assert_eq!(message.key(), b"a");
        assert_eq!(message.envelope().dialect_flags == FLAG_PLAIN, is_plain);
    }

    #[test]
    fn keeps_the_head_but_what_the_server_writes() {
        check(
            Version::V12,
            "SEND\nreceipt:1\ndestination:/queue/a\nf:1\ncontent-length:1\nf:2\nack:3\n\nx\0",
            "destination:/queue/a\nf:1\nf:2\n",
            true,
        );
        check(
            Version::V12,
            "SEND\r\ndestination:/queue/a\r\nf:\\r\r\ncontent-length:1\r\n\r\nx\0",
            "destination:/queue/a\nf:\\r\n",
            false,
        );
        check(
            Version::V11,
            "SEND\ndestination:/queue/a\nf:x\r\n\nx\0",
            "destination:/queue/a\nf:x\r\n",
            false,
        );
        check(
            Version::V10,
            "SEND\ndestination: /queue/a\nf:a:b\n\nx\0",
            "destination: /queue/a\nf:a:b\n",
            false,
        );
        let many: String = (0..12).map(|n| format!("f{n}:v\nack:1\n")).collect();
        let kept: String = (0..12).map(|n| format!("f{n}:v\n")).collect();
        check(
            Version::V12,
            &format!("SEND\ndestination:/queue/a\n{many}\nx\0"),
            &format!("destination:/queue/a\n{kept}"),
            true,
        );
    }
}
