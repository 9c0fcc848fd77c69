//! Frames cost no memory: not what is read, nor what is waited for, nor what is written into room that is there.

use crate::pair::{curve, opened, settings, with};
use bytes::BytesMut;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use zmtp::{Connection, Event, Frame, SocketType, Step};

/// Counts what each thread allocates.
struct Meter;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn note() {
    COUNT.with(|count| count.set(count.get() + 1));
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: it hands every call on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
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
