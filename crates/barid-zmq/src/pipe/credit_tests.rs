//! Credit without a second thread; `tests/model.rs` has it with one.

use super::credit::{Hwm, credit};

#[test]
fn room_comes_back_in_halves() {
    for (messages, step) in [(1, 1), (2, 1), (3, 2), (10, 5), (1000, 500)] {
        let (mut spent, mut earned) = credit(Hwm::messages(messages));
        for _ in 0..messages {
            assert!(spent.has_room());
            spent.spend(64);
        }
        assert!(!spent.has_room(), "{messages}");
        assert!(spent.wait());
        for taken in 1..=step {
            assert_eq!(earned.earn(64), taken == step, "{messages}, {taken}");
        }
        assert!(spent.has_room());
    }
}

#[test]
fn a_limit_that_changes_leaves_nobody_waiting() {
    let (mut spent, mut earned) = credit(Hwm::messages(10));
    for _ in 0..10 {
        spent.spend(64);
    }
    assert!(spent.wait());
    for _ in 0..4 {
        assert!(!earned.earn(64));
    }
    // Four of ten are not told, but of six they are.
    assert!(spent.set_limit(Hwm::messages(6)));
    assert!(earned.refresh());
    assert_eq!(spent.ahead(), (6, 6 * 64));
    assert!(!spent.has_room());
    assert!(!spent.set_limit(Hwm::messages(6)));
    assert!(!earned.refresh());
    // The reader's side may change it as well.
    assert!(earned.set_limit(Hwm::messages(7)));
    assert!(spent.has_room());
}

#[test]
fn who_sets_the_limit_that_the_other_has_set_wakes_whom_it_gives_room() {
    let (mut spent, mut earned) = credit(Hwm::messages(10));
    for _ in 0..4 {
        spent.spend(64);
        assert!(!earned.earn(64));
    }
    assert!(spent.set_limit(Hwm::messages(4)));
    assert!(spent.wait(), "four of ten were not told");
    // It is no other limit, but of four they are told.
    assert!(earned.set_limit(Hwm::messages(4)));
    assert!(spent.has_room());
    assert!(!earned.set_limit(Hwm::messages(4)));
}

#[test]
fn bytes_are_a_limit_that_one_item_may_pass() {
    let (mut spent, mut earned) = credit(Hwm {
        messages: 0,
        bytes: 100,
    });
    assert!(spent.has_room());
    spent.spend(1000);
    assert!(!spent.has_room());
    assert!(spent.wait());
    assert!(earned.earn(1000));
    assert!(spent.has_room());
    spent.spend(99);
    assert!(spent.has_room());
    spent.spend(1);
    assert!(!spent.has_room());
    // When all is taken there is room, whatever was told on the way.
    assert!(!earned.earn(99) || spent.has_room());
    assert!(!earned.earn(1) || spent.has_room());
    assert!(spent.has_room());
}

#[test]
fn no_limit_with_any_other_is_none() {
    let small = Hwm {
        messages: 10,
        bytes: 7,
    };
    assert_eq!(small.with(small).messages, 20);
    assert_eq!(small.with(small).bytes, 14);
    assert_eq!(small.with(Hwm::messages(1)).bytes, 0);
    assert_eq!(small.with(Hwm::UNLIMITED), Hwm::UNLIMITED);
}
