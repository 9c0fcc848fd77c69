//! What evaluations cost, by their own count.

use selector::{Evaluation, Limits, Properties, Selector, Value};

/// One header under every name.
struct Everywhere(String);

impl Properties for Everywhere {
    fn value(&self, _: &str) -> Option<Value<'_>> {
        Some(self.0.as_str().into())
    }
}

fn parse(text: &str) -> Selector {
    Selector::parse(text, &Limits::default()).expect("a selector")
}

/// As many of these as a selector may have, joined by OR.
fn most_of(condition: &str) -> Selector {
    let joined = |count: usize| format!("{}FALSE", format!("{condition} OR ").repeat(count));
    let limits = Limits::default();
    let is_taken = |count: &usize| Selector::parse(&joined(*count), &limits).is_ok();
    let count = (1..).take_while(is_taken).last().expect("one is taken");
    parse(&joined(count))
}

#[test]
fn work_grows_with_the_nodes_and_the_text() {
    let short = Everywhere("x".repeat(16));
    let long = Everywhere("x".repeat(16 * 1024));
    let work = |text: &str, of: &Everywhere| parse(text).evaluate(of).work;
    assert_eq!(work("", &long), 0);
    assert!(work("a = 1", &short) < 8);
    assert!(work("a = 1 OR b = 2", &short) > work("a = 1", &short));
    for (like, searched) in [("a LIKE '%y%'", 1024), ("a LIKE '%y_y%'", 8 * 1024)] {
        let (short, long) = (work(like, &short), work(like, &long));
        assert!(
            (searched..searched + 2_048).contains(&(long - short)),
            "{like}"
        );
    }
    // What is not looked at costs nothing.
    let first = work("a LIKE 'y%z%'", &long);
    let middle = work("a LIKE '%x%x%'", &long);
    assert!(first < 1_100 && middle < 1_100, "{first} {middle}");
}

#[test]
fn an_evaluation_that_costs_too_much_matches_nothing() {
    let limit = Limits::default().work_max;
    let header = Everywhere(format!("{}abcdef", "x".repeat(64 * 1024)));
    for condition in [
        "a LIKE '%a%b%c%d%e%g'",
        "a LIKE '%a_c_d%g%'",
        "a = 'x'",
        "a IN ('x', 'y', 'z')",
    ] {
        let Evaluation { is_match, work } = most_of(condition).evaluate(&header);
        assert!(!is_match && work <= limit, "{condition}: {work}");
    }
    let costly = "a LIKE '%b_a%' OR ".repeat(8);
    for text in [
        format!("{costly} a LIKE '%f'"),
        format!("NOT ({costly} FALSE)"),
    ] {
        let expected = Evaluation {
            is_match: false,
            work: limit,
        };
        assert_eq!(parse(&text).evaluate(&header), expected, "{text}");
        let limits = Limits {
            work_max: u64::MAX,
            ..Limits::default()
        };
        let selector = Selector::parse(&text, &limits).expect("a selector");
        assert!(selector.matches(&header), "{text}");
    }
}

#[test]
fn a_number_spelled_in_a_long_text_is_paid_for() {
    let header = Everywhere("1".repeat(16 * 1024));
    let condition = "a BETWEEN 1 AND 2";
    let plain = parse(condition).evaluate(&header).work;
    let converted = parse(&format!("convert_string_expressions:{condition}"));
    assert!(converted.evaluate(&header).work > 10 * plain);
}

#[test]
fn memory_is_at_most_some_bytes_for_each_node_and_byte() {
    for condition in [
        "a = 'x'",
        "a",
        "a LIKE '%a%b%c%d%e%f'",
        "a LIKE '%a_b%'",
        "a IN ('x', 'y')",
    ] {
        let selector = most_of(condition);
        let bytes = selector.memory_bytes();
        let nodes = Limits::default().nodes_max;
        assert!(bytes > selector.text().len(), "{condition}");
        assert!(
            bytes < 2 * selector.text().len() + 80 * nodes,
            "{condition}: {bytes}"
        );
    }
}
