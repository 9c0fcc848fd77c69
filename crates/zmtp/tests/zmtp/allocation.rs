//! Frames cost no memory: not what is read, nor what is waited for, nor what is written into room that is there. And no
//! memory that is freed has a secret in it.

use crate::pair::{curve, opened, settings, with};
use bytes::BytesMut;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use zmtp::curve::{ClientRandom, SecretKey, ServerRandom};
use zmtp::{
    Authentication, Connection, CurveClient, CurveServer, Event, Frame, Mechanism, SocketType, Step,
};

/// Counts what each thread allocates, and looks for secrets in what it frees.
struct Meter;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static IS_LOOKING: Cell<bool> = const { Cell::new(false) };
    static FOUND: Cell<usize> = const { Cell::new(0) };
}

/// Octets that are nowhere else.
const fn secret(step: u8) -> [u8; 32] {
    let mut octets = [step; 32];
    let mut at = 1;
    while at < octets.len() {
        octets[at] = octets[at - 1].wrapping_mul(5).wrapping_add(step);
        at += 1;
    }
    octets
}

/// The permanent keys, the transient ones, and the cookie's.
const SECRETS: [[u8; 32]; 5] = [secret(3), secret(5), secret(7), secret(9), secret(11)];

fn note() {
    COUNT.with(|count| count.set(count.get() + 1));
}

fn look(freed: &[u8]) {
    let secrets = freed
        .windows(32)
        .filter(|octets| SECRETS.iter().any(|secret| octets == secret));
    FOUND.set(FOUND.get() + secrets.count());
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: it hands every call on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        if IS_LOOKING.get() {
            // SAFETY: it is the caller's up to here, who does not use it meanwhile, and was zeroed first.
            look(unsafe { std::slice::from_raw_parts(place, layout.size()) });
        }
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        if IS_LOOKING.get() {
            // SAFETY: as in `dealloc`.
            look(unsafe { std::slice::from_raw_parts(place, layout.size()) });
        }
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

fn count_frames(connection: &mut Connection, input: &mut [u8], out: &mut BytesMut) -> usize {
    let (mut at, mut count) = (0, 0);
    while let Ok(Step::Event(event, taken)) = connection.handle_input(&mut input[at..], out) {
        at += taken;
        count += usize::from(matches!(event, Event::Frame(_)));
    }
    count
}

#[test]
fn frames_allocate_nothing() {
    let (client, server) = curve();
    for (push, pull) in [
        (settings(SocketType::Push), settings(SocketType::Pull)),
        (
            with(SocketType::Push, client),
            with(SocketType::Pull, server),
        ),
    ] {
        let (mut a, mut b) = opened(push, pull);
        a.out.clear();
        a.out.reserve(1 << 20);
        let before = COUNT.get();
        for _ in 0..1_000 {
            a.connection
                .put_frame(&mut a.out, Frame::more(b"key"))
                .unwrap();
            a.connection
                .put_frame(&mut a.out, Frame::last(&[b'x'; 100]))
                .unwrap();
        }
        assert_eq!(COUNT.get(), before);
        let mut input = a.out.to_vec();
        // A long frame that has only begun.
        input.extend_from_slice(&[2, 0, 0, 0, 0, 3, 0, 0, 0]);
        let before = COUNT.get();
        let count = count_frames(&mut b.connection, &mut input, &mut b.out);
        assert_eq!((COUNT.get(), count), (before, 2_000));
    }
    assert_ne!(COUNT.get(), 0, "the meter does not count");
}

#[test]
fn secrets_are_erased_before_their_memory_is_freed() {
    let [server, client, client_transient, server_transient, cookie] = SECRETS;
    let server_key = SecretKey::new(server).public_key();
    let (mut client_random, mut server_random) = ([1; 48], [2; 96]);
    client_random[..32].copy_from_slice(&client_transient);
    server_random[..32].copy_from_slice(&server_transient);
    server_random[32..64].copy_from_slice(&cookie);
    IS_LOOKING.set(true);
    drop(vec![server, client]);
    assert_eq!(FOUND.take(), 2, "what is looked for is found");
    let client = Mechanism::CurveClient(Box::new(CurveClient {
        server_key,
        secret_key: SecretKey::new(client),
        random: ClientRandom::new(&client_random),
    }));
    let server = Mechanism::CurveServer(Box::new(CurveServer {
        secret_key: SecretKey::new(server),
        random: ServerRandom::new(&server_random),
        authentication: Authentication::NotAsked,
    }));
    let client = with(SocketType::Push, client);
    let server = with(SocketType::Pull, server);
    drop(opened(client, server));
    IS_LOOKING.set(false);
    assert_eq!(FOUND.take(), 0);
}
