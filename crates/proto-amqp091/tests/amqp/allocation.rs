//! Reading allocates nothing.

use crate::tables::{Tree, table_bytes};
use crate::wire::{codec, frame, header, method, publish};
use proto_amqp091::{Decoded, Payload, Side};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts what each thread allocates.
struct Meter;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<usize> = const { Cell::new(0) };
    static FREED: Cell<usize> = const { Cell::new(0) };
}

fn note(bytes: usize) {
    COUNT.with(|count| count.set(count.get() + 1));
    BYTES.with(|all| all.set(all.get() + bytes));
}

/// The bytes that this thread has allocated so far.
pub(crate) fn allocated() -> usize {
    BYTES.get()
}

/// The bytes that this thread has allocated and not given back.
pub(crate) fn held() -> usize {
    BYTES.get() - FREED.get()
}

fn note_freed(bytes: usize) {
    FREED.with(|all| all.set(all.get() + bytes));
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: it hands every call on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note_freed(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        note_freed(layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

fn check(input: &[u8]) {
    let codec = codec(Side::Client);
    let before = COUNT.get();
    let decoded = codec.decode(input).unwrap();
    let mut count = 0;
    if let Decoded::Frame(frame, _) = decoded
        && let Payload::Header(header) = frame.payload
    {
        let headers = header.properties.fields().headers.unwrap();
        count += headers.iter().count();
    }
    assert_eq!(COUNT.get(), before, "{decoded:?}, {count} fields");
}

#[test]
fn reading_allocates_nothing() {
    check(&publish(1, "key"));
    let fields = [
        (b"a".to_vec(), Tree::Counted(b'S', b"text".to_vec())),
        (
            b"b".to_vec(),
            Tree::Array(vec![Tree::Table(vec![(
                b"c".to_vec(),
                Tree::Plain(b'V', Vec::new()),
            )])]),
        ),
    ];
    let table = table_bytes(&fields);
    let len = u32::try_from(table.len()).unwrap().to_be_bytes();
    let properties = [b"\xa0\0\x04text", &len[..], &table].concat();
    check(&header(1, 5, &properties));
    check(&frame(3, 1, &[0; 1_000]));
    check(&method(1, 60, 80, &[0; 9]));
    // Nor does waiting for a long frame.
    check(&[3, 0, 1, 0, 1, 0, 0]);
    assert_ne!(COUNT.get(), 0, "the meter does not count");
}
