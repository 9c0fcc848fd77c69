//! All interleavings of the lock-free parts, on the very sources of the crate.

#![allow(dead_code, unreachable_pub, reason = "the sources are the crate's own")]

#[path = "../src/pipe/credit.rs"]
mod credit;
#[path = "../src/prefetch.rs"]
mod prefetch;
#[path = "../src/pipe/queue.rs"]
mod queue;
#[path = "../src/chunk/shares.rs"]
mod shares;

/// The model's primitives in the place of the crate's.
mod sync {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, fence};

    /// So few that a model links and recycles blocks.
    pub(crate) const SLOTS: usize = 2;
}

use credit::{Hwm, credit};
use loom::sync::{Arc, Mutex, Notify};
use loom::thread;
use queue::queue;
use shares::Shares;

fn model(f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(f);
}

#[test]
fn items_arrive_in_order_and_no_wake_up_is_lost() {
    model(|| {
        let (mut writer, mut reader) = queue::<Box<u32>>();
        let alarm = Arc::new(Notify::new());
        let bell = Arc::clone(&alarm);
        let thread = thread::spawn(move || {
            for batch in [0..1, 1..3] {
                for item in batch {
                    writer.write(Box::new(item));
                }
                if writer.publish() {
                    bell.notify();
                }
            }
        });
        for expected in 0..3 {
            let found = loop {
                if let Some(item) = reader.take(|_next| {}, std::mem::take) {
                    break item;
                }
                if reader.sleep() {
                    alarm.wait();
                }
            };
            assert_eq!(*found, expected);
        }
        thread.join().unwrap();
    });
}

#[test]
fn what_is_not_taken_is_freed_by_whoever_is_last() {
    model(|| {
        let (mut writer, mut reader) = queue::<Arc<()>>();
        let witness = Arc::new(());
        let item = Arc::clone(&witness);
        let thread = thread::spawn(move || {
            for _ in 0..3 {
                writer.write(Arc::clone(&item));
                let _is_asleep = writer.publish();
            }
            writer.write(item);
        });
        let _first = reader.take(|_next| {}, std::mem::take);
        drop(reader);
        thread.join().unwrap();
        drop(_first);
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn a_block_is_written_again_after_it_was_read() {
    model(|| {
        let (mut writer, mut reader) = queue::<u32>();
        let thread = thread::spawn(move || {
            for item in 0..5 {
                writer.write(item);
                let _is_asleep = writer.publish();
            }
        });
        for expected in 0..5 {
            let found = loop {
                match reader.take(|_next| {}, std::mem::take) {
                    Some(item) => break item,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(found, expected);
        }
        thread.join().unwrap();
    });
}

#[test]
fn a_writer_without_room_is_woken() {
    model(|| {
        let (mut spent, mut earned) = credit(Hwm::messages(2));
        let (mut writer, mut reader) = queue::<u64>();
        let (room, filled) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (bell, wait) = (Arc::clone(&filled), Arc::clone(&room));
        let thread = thread::spawn(move || {
            for item in 0..3 {
                put(&mut writer, &mut spent, item, (&bell, &wait));
            }
        });
        for expected in 0..3 {
            let found = loop {
                if let Some(item) = reader.take(|_next| {}, std::mem::take) {
                    break item;
                }
                if reader.sleep() {
                    filled.wait();
                }
            };
            assert_eq!(found, expected);
            if earned.earn(1) {
                room.notify();
            }
        }
        thread.join().unwrap();
    });
}

/// Writes an item once there is room for it.
fn put(
    writer: &mut queue::Writer<u64>,
    spent: &mut credit::Spent,
    item: u64,
    (filled, room): (&Notify, &Notify),
) {
    while !spent.has_room() {
        if spent.wait() {
            room.wait();
        }
    }
    spent.spend(1);
    writer.write(item);
    if writer.publish() {
        filled.notify();
    }
}

/// Takes items, as a pipe does, and rings for the writer.
fn take_all(
    reader: &mut queue::Reader<u64>,
    earned: &mut credit::Earned,
    count: u64,
    (filled, room): (&Notify, &Notify),
) {
    for expected in 0..count {
        let found = loop {
            if let Some(item) = reader.take(|_next| {}, std::mem::take) {
                break item;
            }
            if earned.refresh() {
                room.notify();
            }
            if reader.sleep() {
                filled.wait();
            }
        };
        assert_eq!(found, expected);
        if earned.earn(1) {
            room.notify();
        }
    }
}

#[test]
fn a_writer_that_lowers_the_limit_is_woken() {
    model(|| {
        let (mut spent, mut earned) = credit(Hwm::messages(6));
        let (mut writer, mut reader) = queue::<u64>();
        let (room, filled) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (bell, wait) = (Arc::clone(&filled), Arc::clone(&room));
        let thread = thread::spawn(move || {
            for item in 0..3 {
                if item == 2 && spent.set_limit(Hwm::messages(2)) {
                    bell.notify();
                }
                put(&mut writer, &mut spent, item, (&bell, &wait));
            }
        });
        take_all(&mut reader, &mut earned, 3, (&filled, &room));
        thread.join().unwrap();
    });
}

#[test]
fn a_writer_is_woken_when_the_reader_sets_another_limit_or_the_same() {
    for limit in [1, 2, 4] {
        model(move || {
            let (mut spent, mut earned) = credit(Hwm::messages(4));
            let (mut writer, mut reader) = queue::<u64>();
            let (room, filled) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
            let (bell, wait) = (Arc::clone(&filled), Arc::clone(&room));
            // As the link of a pipe does, in one step.
            let shares = Arc::new(Mutex::new(()));
            let set = Arc::clone(&shares);
            let thread = thread::spawn(move || {
                for item in 0..2 {
                    let set = (item == 1).then(|| set.lock().unwrap());
                    if set.is_some() && spent.set_limit(Hwm::messages(1)) {
                        bell.notify();
                    }
                    drop(set);
                    put(&mut writer, &mut spent, item, (&bell, &wait));
                }
            });
            take_all(&mut reader, &mut earned, 1, (&filled, &room));
            let set = shares.lock().unwrap();
            let is_to_ring = earned.set_limit(Hwm::messages(limit));
            drop(set);
            if is_to_ring {
                room.notify();
                filled.notify();
            }
            loop {
                if reader.take(|_next| {}, std::mem::take).is_some() {
                    break;
                }
                if earned.refresh() {
                    room.notify();
                }
                if reader.sleep() {
                    filled.wait();
                }
            }
            thread.join().unwrap();
        });
    }
}

/// A piece of memory, and how often it was freed.
struct Memory {
    shares: Shares,
    content: loom::cell::UnsafeCell<()>,
    freed: loom::sync::atomic::AtomicU64,
}

impl Memory {
    /// The model sees it if somebody writes meanwhile.
    fn read(&self) {
        self.content.with(|_| ());
    }

    fn write(&self) {
        self.content.with_mut(|_| ());
    }

    fn give_back(&self, is_last: bool) {
        if is_last {
            self.write();
            self.freed.fetch_add(1, sync::Ordering::Relaxed);
        }
    }
}

#[test]
fn memory_is_filled_again_when_all_shares_are_back_and_freed_once() {
    model(|| {
        let memory = Arc::new(Memory {
            shares: Shares::new(),
            content: loom::cell::UnsafeCell::new(()),
            freed: loom::sync::atomic::AtomicU64::new(0),
        });
        let threads: Vec<_> = [false, true]
            .into_iter()
            .map(|copies| {
                let memory = Arc::clone(&memory);
                thread::spawn(move || {
                    memory.read();
                    if copies {
                        memory.shares.add(1);
                        memory.give_back(memory.shares.give_back(1));
                        memory.read();
                    }
                    memory.give_back(memory.shares.give_back(1));
                })
            })
            .collect();
        let mut given = 2;
        if memory.shares.are_back(given) {
            memory.write();
            memory.shares.reset();
            given = 0;
        }
        memory.give_back(memory.shares.give_back_all_but(given));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(memory.freed.load(sync::Ordering::Relaxed), 1);
    });
}
