//! What matching a topic costs by levels and by subscriptions, to be counted in instructions, which other work on the machine
//! does not touch:
//! `valgrind --tool=callgrind --collect-atstart=no --toggle-collect='levels::look_up' levels LEVELS SUBSCRIPTIONS`.
//!
//! Each subscription has a filter of its own, every second level of which is `*`; each topic matches one of them.

#![expect(clippy::print_stdout, reason = "a measurement prints")]

use model::Pattern;
use routing::Table;
use std::hint::black_box;

type Numbers = Table<u32, u32, u32>;

const LOOK_UPS: u32 = 1000;

/// As many words as are needed at each level that is no wildcard, so that the tree branches at all of them.
fn base(levels: u32, subscriptions: u32) -> u32 {
    let mut base = 2;
    while u32::pow(base, levels.div_ceil(2)) < subscriptions {
        base += 1;
    }
    base
}

/// The words of the number, spread over all levels that are no wildcard.
fn words(number: u32, base: u32, levels: u32, wildcard: &str) -> String {
    let mut rest = number;
    let mut words = Vec::new();
    for level in 0..levels {
        if level % 2 == 1 {
            words.push(wildcard.to_owned());
        } else {
            words.push(format!("level-{}", rest % base));
            rest /= base;
        }
    }
    words.join(".")
}

#[inline(never)]
fn look_up(table: &Numbers, topics: &[String]) {
    for topic in topics {
        assert_eq!(black_box(table.topic(black_box(topic.as_bytes()))).len(), 1);
    }
}

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u32>());
    let (Some(Ok(levels)), Some(Ok(subscriptions))) = (arguments.next(), arguments.next()) else {
        println!("usage: levels LEVELS SUBSCRIPTIONS");
        return;
    };
    let base = base(levels, subscriptions);
    let mut table = Numbers::default();
    for number in 0..subscriptions {
        let pattern = Pattern::dotted(words(number, base, levels, "*").as_bytes());
        table = table
            .with_topic(&pattern, number, number)
            .expect("few levels");
    }
    let step = 7919;
    let topics: Vec<_> = (0..LOOK_UPS)
        .map(|nth| words(nth * step % subscriptions, base, levels, "any"))
        .collect();
    look_up(&table, &topics);
    println!("{levels} levels, {subscriptions} subscriptions: {LOOK_UPS} topics looked up");
}
