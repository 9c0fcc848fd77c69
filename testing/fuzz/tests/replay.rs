//! Every file of the corpora, and mutations of it, through its target.
//!
//! `MUTATIONS=100000 SEED=7 cargo test -p fuzz` makes so many of each file from that seed on.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says by which input"
)]

use fuzz::TARGETS;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

/// What a target may allocate at once, whatever it reads. The targets' own lists take the most.
const ALLOCATION_BYTES_MAX: usize = 512 * 1024;

/// Mutations of each file.
const MUTATIONS: u64 = 2_000;

/// The longest that a mutation makes of a file.
const LENGTH_MAX: usize = 8 * 1024;

/// Notes the largest allocation of each thread.
struct Meter;

thread_local! {
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn note(bytes: usize) {
    LARGEST.with(|largest| largest.set(largest.get().max(bytes)));
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
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static METER: Meter = Meter;

#[test]
fn admin() {
    replay("admin");
}

#[test]
fn selector() {
    replay("selector");
}

#[test]
fn amqp_codec() {
    replay("amqp_codec");
}

#[test]
fn amqp_session() {
    replay("amqp_session");
}

#[test]
fn broker_entry() {
    replay("broker_entry");
}

#[test]
fn log_recovery() {
    replay("log_recovery");
}

#[test]
fn mqtt_codec() {
    replay("mqtt_codec");
}

#[test]
fn mqtt_session() {
    replay("mqtt_session");
}

#[test]
fn page_recovery() {
    replay("page_recovery");
}

#[test]
fn stomp_codec() {
    replay("stomp_codec");
}

#[test]
fn stomp_session() {
    replay("stomp_session");
}

#[test]
fn topic_match() {
    replay("topic_match");
}

#[test]
fn websocket() {
    replay("websocket");
}

#[test]
fn zmq_session() {
    replay("zmq_session");
}

#[test]
fn zmtp_codec() {
    replay("zmtp_codec");
}

#[test]
fn zmtp_handshake() {
    replay("zmtp_handshake");
}

#[test]
fn zws() {
    replay("zws");
}

#[test]
fn every_corpus_has_a_target() {
    let mut folders: Vec<String> = fs::read_dir(corpora())
        .unwrap()
        .map(|folder| folder.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort_unstable();
    assert_eq!(folders, TARGETS.map(|(name, _)| name));
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}

/// Runs a target on all files of its corpus, then on mutations of each.
fn replay(name: &str) {
    let (_, target) = TARGETS.into_iter().find(|(it, _)| *it == name).unwrap();
    let mut files: Vec<PathBuf> = fs::read_dir(corpora().join(name))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.sort_unstable();
    assert!(!files.is_empty());
    let seeds: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    // What a target prepares once is no part of what an input costs.
    target(b"");
    for (file, seed) in files.iter().zip(&seeds) {
        run(target, seed, &file.display().to_string());
    }
    let first = variable("SEED", 1);
    for (file, seed) in files.iter().zip(&seeds) {
        for number in first..first + variable("MUTATIONS", MUTATIONS) {
            let mut random = fastrand::Rng::with_seed(number);
            let mutation = mutate(&mut random, seed, &seeds);
            run(
                target,
                &mutation,
                &format!("{}, seed {number}", file.display()),
            );
        }
    }
}

/// Runs a target; says which input it was, and keeps it, when it panics.
fn run(target: fuzz::Target, input: &[u8], what: &str) {
    LARGEST.set(0);
    let outcome = catch_unwind(|| target(input));
    let largest = LARGEST.get();
    if let Err(panic) = outcome {
        eprintln!("{what}: \"{}\"", input.escape_ascii());
        std::panic::resume_unwind(panic);
    }
    let most = ALLOCATION_BYTES_MAX + 64 * input.len();
    assert!(largest <= most, "{what}: {largest} bytes are allocated");
}

/// A few small changes to a file.
fn mutate(random: &mut fastrand::Rng, seed: &[u8], seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=bytes.len());
        let end = random.usize(at..=bytes.len().min(at + 64));
        match random.u8(..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            1 if at < bytes.len() => bytes[at] = random.u8(..),
            2 => {
                bytes.drain(at..end);
            }
            3 => {
                let copy = bytes[at..end].to_vec();
                let to = random.usize(..=bytes.len());
                bytes.splice(to..to, copy);
            }
            4 => {
                let other = &seeds[random.usize(..seeds.len())];
                let from = random.usize(..=other.len());
                let until = random.usize(from..=other.len().min(from + 64));
                bytes.splice(at..end, other[from..until].iter().copied());
            }
            5 => {
                let number = [0, 1, 2, 255, 1 << 16, 1 << 31, u64::MAX - 1, u64::MAX];
                let number = number[random.usize(..number.len())].to_le_bytes();
                for (byte, new) in bytes[at..].iter_mut().zip(number) {
                    *byte = new;
                }
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes.truncate(LENGTH_MAX);
    bytes
}
