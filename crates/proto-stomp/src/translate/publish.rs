//! SEND into a message.

use super::FLAG_PLAIN;
use super::value::number;
use crate::Version;
use crate::frame::{Frame, HeaderName};
use crate::violation::{Excerpt, Violation};
use model::{Envelope, Instant, Message, Parts, Persistence, Retain};

/// Runs of kept header lines that go into a message as they are; more are first put together.
const RUNS_MAX: usize = 8;

/// The headers beside `persistent` that say something to the broker, most of them in numbers.
const NUMBERS: u64 = HeaderName::set(&[
    HeaderName::Priority,
    HeaderName::Expires,
    HeaderName::Expiration,
    HeaderName::Delay,
    HeaderName::ScheduledDelay,
    HeaderName::Schedule,
    HeaderName::GroupId,
    HeaderName::Retain,
]);

const MILLISECONDS: &str = "a number of milliseconds";

/// Where a message goes, and what of its head is not as the client wrote it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) exchange: &'a [u8],
    pub(crate) key: &'a [u8],
    /// What the first `reply-to` is replaced by; it needs no escapes.
    pub(crate) reply_to: Option<&'a [u8]>,
}

/// What the headers of a SEND say to the broker.
///
/// # Errors
/// [`Violation`] for a number that is none, and for a schedule that is not implemented.
pub(crate) fn envelope_of(
    frame: &Frame<'_>,
    version: Version,
    now: Instant,
) -> Result<Envelope, Violation> {
    let is_persistent = frame
        .value(HeaderName::Persistent)
        .is_some_and(|value| *value == *b"true");
    let persistence = if is_persistent {
        Persistence::Persistent
    } else {
        Persistence::Transient
    };
    let mut envelope = Envelope::new(version.dialect(), persistence);
    if frame.is_plain() {
        envelope.dialect_flags = FLAG_PLAIN;
    }
    if !frame.has_any(NUMBERS) {
        return Ok(envelope);
    }
    // As RabbitMQ, a message without a priority has the lowest.
    if let Some(priority) = number(frame, HeaderName::Priority, 255, "a number from 0 to 255")? {
        envelope.priority = u8::try_from(priority).unwrap_or(u8::MAX);
    }
    envelope.ttl_ms = ttl_ms(frame, now)?;
    envelope.delay_ms = delay_ms(frame)?;
    envelope.is_grouped = frame
        .value(HeaderName::GroupId)
        .is_some_and(|group| !group.is_empty());
    if frame
        .value(HeaderName::Retain)
        .is_some_and(|value| *value == *b"true")
    {
        envelope.retain = Retain::Keep;
    }
    Ok(envelope)
}

/// `expiration` is a time to live, `expires` a moment; of both, what ends first counts.
fn ttl_ms(frame: &Frame<'_>, now: Instant) -> Result<Option<u64>, Violation> {
    let expiration = number(frame, HeaderName::Expiration, u64::MAX, MILLISECONDS)?;
    let expected = "a moment in milliseconds since 1970, or 0 for never";
    let expires = number(frame, HeaderName::Expires, u64::MAX, expected)?;
    let until_then = expires
        .filter(|moment| *moment > 0)
        .map(|moment| moment.saturating_sub(now.millis()));
    Ok(match (expiration, until_then) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    })
}

fn delay_ms(frame: &Frame<'_>) -> Result<u64, Violation> {
    if let Some(value) = frame.value(HeaderName::Schedule) {
        let name = frame.spelled_name(HeaderName::Schedule);
        return Err(Violation::HeaderNotImplemented {
            command: frame.command,
            name: Excerpt::of(name.unwrap_or_default()),
            value: Excerpt::of(&value),
        });
    }
    let delay = number(frame, HeaderName::Delay, u64::MAX, MILLISECONDS)?;
    let scheduled = number(frame, HeaderName::ScheduledDelay, u64::MAX, MILLISECONDS)?;
    Ok(delay.or(scheduled).unwrap_or(0))
}

/// The message of a SEND: its header lines as they came, but for those that the server writes itself,
/// each ended by one line feed.
///
/// Allocates only the message, unless lines end with CR LF, the kept lines lie in many pieces, or one is
/// replaced; then `scratch` is used.
pub(crate) fn message_of(
    frame: &Frame<'_>,
    envelope: Envelope,
    publication: Publication<'_>,
    scratch: &mut Vec<u8>,
) -> Message {
    let mut runs = [&[][..]; RUNS_MAX];
    let joined;
    let in_place = match publication.reply_to {
        None => kept_runs(frame, &mut runs),
        Some(_) => None,
    };
    let head = match in_place {
        Some(count) => &runs[..count],
        None => {
            join_kept(frame, publication.reply_to, scratch);
            joined = [&scratch[..]];
            &joined
        }
    };
    Message::new(&Parts {
        envelope,
        exchange: publication.exchange,
        key: publication.key,
        annotations: &[],
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

fn join_kept(frame: &Frame<'_>, mut reply_to: Option<&[u8]>, scratch: &mut Vec<u8>) {
    scratch.clear();
    for line in &frame.head.lines {
        if line.name == HeaderName::ReplyTo
            && let Some(replacement) = reply_to.take()
        {
            scratch.extend_from_slice(b"reply-to:");
            scratch.extend_from_slice(replacement);
            scratch.push(b'\n');
        } else if !line.name.is_servers() {
            scratch.extend_from_slice(&frame.bytes[line.name_at as usize..line.end as usize]);
            scratch.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Codec, Limits};

    fn made(version: Version, input: &str, reply_to: Option<&[u8]>) -> Result<Message, String> {
        let mut codec = Codec::new(Limits::default());
        codec.set_version(version);
        let decoded = codec.decode(input.as_bytes()).unwrap();
        let frame = decoded.frame.unwrap();
        let publication = Publication {
            exchange: b"x",
            key: b"a",
            reply_to,
        };
        let envelope = envelope_of(&frame, version, Instant::from_millis(10_000))
            .map_err(|violation| violation.to_string())?;
        Ok(message_of(&frame, envelope, publication, &mut Vec::new()))
    }

    fn check(version: Version, input: &str, head: &str, is_plain: bool) {
        let message = made(version, input, None).unwrap();
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
        check(
            Version::V12,
            "SEND\ndestination:/queue/a\nx-death:1\nx-first-death-queue:q\nx-first-death-reason:r\n\
             x-first-death-exchange:x\nf:1\nx-delivery-count:9\nredelivered:true\nx-deaths:2\n\nx\0",
            "destination:/queue/a\nf:1\nx-deaths:2\n",
            true,
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

    #[test]
    fn a_reply_to_can_be_replaced() {
        let input = "SEND\nreply-to:/temp-queue/r\nack:1\nreply-to:old\nf:1\n\nx\0";
        let message = made(Version::V12, input, Some(b"/reply-queue/q")).unwrap();
        assert_eq!(
            message.head(),
            b"reply-to:/reply-queue/q\nreply-to:old\nf:1\n"
        );
    }

    #[test]
    fn the_envelope_is_what_the_headers_say() {
        let check = |headers: &str, change: fn(&mut Envelope)| {
            let input = format!("SEND\n{headers}\n\n\0");
            let mut expected = Envelope::new(Version::V12.dialect(), Persistence::Transient);
            expected.dialect_flags = FLAG_PLAIN;
            change(&mut expected);
            let message = made(Version::V12, &input, None).unwrap();
            assert_eq!(message.envelope(), expected, "{headers}");
        };
        check("a:b", |_| {});
        check("persistent:true", |it| {
            it.persistence = Persistence::Persistent;
        });
        check("persistent:false", |_| {});
        check("priority:255", |it| it.priority = 255);
        check("expiration:0", |it| it.ttl_ms = Some(0));
        check("expiration:500", |it| it.ttl_ms = Some(500));
        check("expires:0", |_| {});
        check("expires:10700", |it| it.ttl_ms = Some(700));
        check("expires:9000", |it| it.ttl_ms = Some(0));
        check("expires:10700\nexpiration:500", |it| it.ttl_ms = Some(500));
        check("x-delay:7", |it| it.delay_ms = 7);
        check("AMQ_SCHEDULED_DELAY:8", |it| it.delay_ms = 8);
        check("JMSXGroupID:g", |it| it.is_grouped = true);
        check("JMSXGroupID:", |_| {});
        check("x-mqtt-retain:true", |it| it.retain = Retain::Keep);
        check("x-mqtt-retain:false", |_| {});
    }

    #[test]
    fn a_number_that_is_none_is_refused() {
        for header in [
            "priority:256",
            "priority:high",
            "expiration:-1",
            "expires:tomorrow",
            "x-delay:1.5",
            "AMQ_SCHEDULED_DELAY:",
        ] {
            let text = made(Version::V12, &format!("SEND\n{header}\n\n\0"), None).unwrap_err();
            let (name, value) = header.split_once(':').unwrap();
            let start = format!("the header '{name}' is '{value}', but must be a ");
            assert!(text.starts_with(&start), "{text}");
        }
        for name in [
            "AMQ_SCHEDULED_CRON",
            "AMQ_SCHEDULED_PERIOD",
            "AMQ_SCHEDULED_REPEAT",
        ] {
            let text = made(Version::V12, &format!("SEND\n{name}:1\n\n\0"), None).unwrap_err();
            let expected =
                format!("the header '{name}' with the value '1' on SEND is not implemented");
            assert_eq!(text, expected);
        }
    }
}
