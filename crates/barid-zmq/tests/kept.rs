//! What is kept of what was read beside what waits for the user. A process of its own, since it counts what that allocates.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use barid_zmq::{Context, Endpoint, Pull};
use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Never waited out when all is well.
const LONG: Duration = Duration::from_secs(60);

/// Counts what is allocated and not freed.
struct Meter;

static KEPT: AtomicI64 = AtomicI64::new(0);

fn kept() -> i64 {
    KEPT.load(Ordering::Relaxed)
}

fn bytes(layout: Layout) -> i64 {
    i64::try_from(layout.size()).unwrap_or(i64::MAX)
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: it hands every call on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        KEPT.fetch_add(bytes(layout), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        KEPT.fetch_sub(bytes(layout), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

fn bound(endpoint: &str) -> (Pull, Endpoint) {
    let pull = Pull::new(&Context::new());
    let endpoint = pull.bind(endpoint).unwrap();
    (pull, endpoint)
}

fn dial(endpoint: &Endpoint) -> TcpStream {
    let text = endpoint.to_string();
    let (_, address) = text.split_once("://").unwrap();
    let stream = TcpStream::connect(address.trim_end_matches('/')).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

const READY: &[u8] = b"\x05READY\x0bSocket-Type\0\0\0\x04PUSH";

/// One behind the other: each counts what all allocate.
#[test]
fn nothing_is_kept_beside_what_waits() {
    a_message_does_not_keep_the_commands_before_it();
    messages_that_come_one_by_one_share_what_they_are_read_to();
    large_messages_leave_no_room_behind();
    messages_in_fragments_leave_no_room_behind();
}

/// One that has shaken hands, up to the peer's.
fn push(endpoint: &Endpoint) -> TcpStream {
    let mut stream = dial(endpoint);
    let mut greeting = [0; 64];
    (greeting[0], greeting[9], greeting[10]) = (0xFF, 0x7F, 3);
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    stream.write_all(&[4, 26]).unwrap();
    stream.write_all(READY).unwrap();
    stream
}

/// Waits until all of it was read.
fn await_read(stream: &mut TcpStream) {
    stream.write_all(b"\x04\x0a\x04PING\0\0end").unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\x04PONGend") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
}

/// Whatever is read with a message is not kept by that, if it counts for nobody.
fn a_message_does_not_keep_the_commands_before_it() {
    let (pull, endpoint) = bound("tcp://127.0.0.1:*");
    let mut stream = push(&endpoint);
    let mut command = b"\x06\0\0\0\0\0\0\xC3\x50\x01X".to_vec();
    command.resize(9 + 50_000, 0);
    let mut message = b"\x02\0\0\0\0\0\0\x04\0".to_vec();
    message.resize(9 + 1024, b'x');
    let piece = [command.repeat(10), message].concat();
    let before = kept();
    for _ in 0..100 {
        stream.write_all(&piece).unwrap();
    }
    await_read(&mut stream);
    let kept = kept() - before;
    assert!(kept < 5 << 20, "{kept} bytes");
    for _ in 0..100 {
        let message = pull.blocking().recv_timeout(LONG).unwrap();
        assert_eq!(message, vec![b'x'; 1024].into());
    }
}

/// A message that is read alone does not keep the room that others would have had.
fn messages_that_come_one_by_one_share_what_they_are_read_to() {
    let (_pull, endpoint) = bound("tcp://127.0.0.1:*");
    let mut stream = push(&endpoint);
    let mut message = b"\x02\0\0\0\0\0\0\x04\0".to_vec();
    message.resize(9 + 1024, b'x');
    await_read(&mut stream);
    let before = kept();
    for _ in 0..500 {
        stream.write_all(&message).unwrap();
        await_read(&mut stream);
    }
    let kept = kept() - before;
    assert!(kept < 4 << 20, "{kept} bytes");
}

/// What of peers that are still there was received is free.
fn large_messages_leave_no_room_behind() {
    let (pull, endpoint) = bound("tcp://127.0.0.1:*");
    let mut frame = b"\x02\0\0\0\0\0\x80\0\0".to_vec();
    frame.resize(9 + (8 << 20), 0);
    let before = kept();
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = push(&endpoint);
        stream.write_all(&frame).unwrap();
        let message = pull.blocking().recv_timeout(LONG).unwrap();
        assert_eq!(message.byte_count(), 8 << 20);
        streams.push(stream);
    }
    let kept = kept() - before;
    assert!(kept < 10 << 20, "{kept} bytes");
}

/// A frame of a WebSocket with a mask that changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first, 0xFF];
    bytes.extend((payload.len() as u64).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

fn messages_in_fragments_leave_no_room_behind() {
    let (pull, endpoint) = bound("ws://127.0.0.1:*");
    let part = vec![0; 1 << 20];
    let parts = [frame(0x02, &part), frame(0x00, &part), frame(0x80, &part)];
    let before = kept();
    let mut streams = Vec::new();
    for _ in 0..5 {
        let mut stream = dial(&endpoint);
        let ask = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ZWS2.0/NULL\r\n\
            Sec-WebSocket-Version: 13\r\n\r\n";
        stream.write_all(ask.as_bytes()).unwrap();
        let mut ready = b"\x82\x9B\0\0\0\0\x02".to_vec();
        ready.extend(READY);
        stream.write_all(&ready).unwrap();
        stream.write_all(&parts[0]).unwrap();
        for _ in 0..6 {
            stream.write_all(&parts[1]).unwrap();
        }
        stream.write_all(&parts[2]).unwrap();
        let message = pull.blocking().recv_timeout(LONG).unwrap();
        assert_eq!(message.byte_count(), (8 << 20) - 1);
        streams.push(stream);
    }
    let kept = kept() - before;
    assert!(kept < 10 << 20, "{kept} bytes");
}
