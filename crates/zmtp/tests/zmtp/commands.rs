//! Commands of 3.0 and 3.1.

use crate::pair::command;
use bytes::BytesMut;
use proptest::prelude::*;
use zmtp::{Command, CommandError};

fn body(command: &Command<'_>) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    command.put(&mut bytes);
    let head = if bytes[0] == 4 { 2 } else { 9 };
    bytes[head..].to_vec()
}

#[test]
fn each_is_written_as_the_grammar_says() {
    let rows: [(Command<'_>, &str, &[u8]); 9] = [
        (Command::Ready(b""), "READY", b""),
        (Command::Error { reason: b"400" }, "ERROR", b"\x03400"),
        (Command::Subscribe(b"topic"), "SUBSCRIBE", b"topic"),
        (Command::Cancel(b""), "CANCEL", b""),
        (
            Command::Ping {
                ttl_ds: 258,
                context: b"ctx",
            },
            "PING",
            b"\x01\x02ctx",
        ),
        (Command::Pong { context: b"ctx" }, "PONG", b"ctx"),
        (Command::Join(b"group"), "JOIN", b"group"),
        (Command::Leave(b"group"), "LEAVE", b"group"),
        (
            Command::Other {
                name: b"NEW",
                data: b"data",
            },
            "NEW",
            b"data",
        ),
    ];
    for (it, name, data) in rows {
        let mut bytes = BytesMut::new();
        it.put(&mut bytes);
        assert_eq!(bytes[..], command(name, data), "{it:?}");
        assert_eq!(Command::read(&body(&it)), Ok(it));
    }
    let long = vec![b'x'; 300];
    let mut bytes = BytesMut::new();
    Command::Subscribe(&long).put(&mut bytes);
    assert_eq!(bytes[..], command("SUBSCRIBE", &long));
}

#[test]
fn malformed_ones_are_refused() {
    let rows: [(&[u8], CommandError); 9] = [
        (b"", CommandError::Name),
        (b"\0rest", CommandError::Name),
        (b"\x05REA", CommandError::Name),
        (b"\x05\x45RROR", CommandError::Reason),
        (b"\x05\x45RROR\x04400", CommandError::Reason),
        (b"\x05\x45RROR\x024000", CommandError::Reason),
        (b"\x04PING\x01", CommandError::Ttl),
        (b"\x04JOINa\0b", CommandError::Group),
        (b"\x05LEAVE\0", CommandError::Group),
    ];
    for (bytes, error) in rows {
        assert_eq!(Command::read(bytes), Err(error), "{bytes:?}");
    }
    let group = [b"\x04JOIN", &[b'g'; 256][..]].concat();
    assert_eq!(Command::read(&group), Err(CommandError::Group));
    assert!(Command::read(&group[..group.len() - 1]).is_ok());
}

#[test]
fn names_are_compared_exactly() {
    let read = Command::read(b"\x04ping\0\0").unwrap();
    let name = b"ping".as_slice();
    let data = b"\0\0".as_slice();
    assert_eq!(read, Command::Other { name, data });
}

#[test]
fn a_context_is_cut_to_16_octets() {
    let long = b"\x04PING\0\x010123456789abcdefXYZ";
    let context = b"0123456789abcdef".as_slice();
    let ttl_ds = 1;
    assert_eq!(Command::read(long), Ok(Command::Ping { ttl_ds, context }));
}

proptest! {
    #[test]
    fn any_bytes_are_one_or_none(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(command) = Command::read(&bytes) {
            let again = body(&command);
            prop_assert_eq!(Command::read(&again), Ok(command));
        }
    }
}
