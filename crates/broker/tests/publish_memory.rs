//! What a publish takes in memory.

#![allow(missing_docs, reason = "it is a test")]

mod support;

use broker::{Address, Composite, Settings};
use broker_api::{Command, Confirm, Publishing, SettleMode};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use support::calls::{exchange_name, settings};
use support::{Node, message, topic};

/// Counts the bytes that each thread holds, and the most that it has held. The nodes are stepped by hand: all that
/// they do is done by the thread of the test.
struct Meter;

thread_local! {
    static HELD: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn note(taken: usize, given: usize) {
    let held = HELD.get().wrapping_add(taken).wrapping_sub(given);
    HELD.set(held);
    PEAK.set(PEAK.get().max(held));
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: it hands every call on to the system's allocator, as it came.
unsafe impl GlobalAlloc for Meter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size(), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        note(0, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

/// A node with a thousand subscribers to all topics, and the most that it takes to publish to them by these keys.
fn peak_of(settings: Settings, keys: &[&str]) -> usize {
    let mut node = Node::new(settings);
    let mut client = node.connect();
    let mut readers = Vec::new();
    for id in 0..1_000 {
        let mut reader = node.connect();
        reader.subscribe(&mut node, id, topic("#"), SettleMode::Presettled);
        readers.push(reader);
    }
    let message = message("t", 1).keys(keys).build();
    let before = HELD.get();
    PEAK.set(before);
    let publishing = Publishing::new(Confirm::Unwanted);
    client.submit(&node, Command::Publish(message, publishing));
    PEAK.get() - before
}

#[test]
fn many_keys_cost_no_more_memory_than_one() {
    let numbered: Vec<_> = (0..256).map(|number| format!("{number}")).collect();
    let numbered: Vec<_> = numbered.iter().map(String::as_str).collect();
    let one = peak_of(settings(), &["x"]);
    let equal = peak_of(settings(), &["x"; 256]);
    let different = peak_of(settings(), &numbered);
    assert!(
        equal.max(different) < 2 * one,
        "{one}, {equal}, {different}"
    );
}

#[test]
fn many_composites_cost_no_more_memory_than_one() {
    let at = |key: &str| Address {
        exchange: exchange_name("amq.topic"),
        key: key.into(),
    };
    let numbered: Vec<_> = (0..64).map(|number| format!("{number}")).collect();
    let numbered: Vec<_> = numbered.iter().map(String::as_str).collect();
    let composite = |key: &&str| Composite {
        from: at(key),
        to: vec![at("x"), at("y"), at("z")],
    };
    let composites: Vec<_> = numbered.iter().map(composite).collect();
    let peak = |keys: &[&str]| {
        let composites = composites.clone();
        let settings = Settings {
            composites,
            ..settings()
        };
        peak_of(settings, keys)
    };
    let (one, many) = (peak(&["0"]), peak(&numbered));
    assert!(many < 2 * one, "{one}, {many}");
}
