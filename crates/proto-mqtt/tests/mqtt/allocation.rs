//! Reading allocates nothing.

use crate::wire::{codec, packet};
use proto_mqtt::{Codec, Decoded, Limits, Side, Version};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// Counts the allocations of each thread.
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

fn check(codec: &Codec, input: &[u8]) {
    let before = COUNT.get();
    let decoded = codec.decode(input).unwrap();
    let mut items = 0;
    if let Decoded::Packet(proto_mqtt::Packet::Publish(publish), _) = decoded {
        items += publish.properties.iter().count() + publish.properties.forwarded().count();
    }
    if let Decoded::Packet(proto_mqtt::Packet::Subscribe(subscribe), _) = decoded {
        items += subscribe.subscriptions.iter().count();
    }
    assert_eq!(COUNT.get(), before, "{decoded:?}, {items} items");
}

#[test]
fn reading_allocates_nothing() {
    let v5 = codec(Side::Client, Version::V5);
    let connect = packet(
        0x10,
        ":'MQTT' 05 C2 0000 0A 26 :'n' :'v' 21 0005 :'a' :'me' :'pw'",
    );
    check(&Codec::of_server(Limits::default()), &connect);
    check(
        &v5,
        &packet(0x32, ":'a/b' 0001 0A 26 :'n' :'v' 23 0005 'payload'"),
    );
    check(
        &v5,
        &packet(0x82, "0001 07 26 :'n' :'v' :'a/+' 01 :'$share/g/#' 02"),
    );
    check(&v5, &packet(0x40, "0001 10 07 26 :'n' :'v'"));
    // Nor does waiting for a packet of the greatest length.
    let length = [0x30, 0xFB, 0xFF, 0xFF, 0x07];
    check(&v5, &length);
    assert_ne!(COUNT.get(), 0, "the meter does not count");
}
