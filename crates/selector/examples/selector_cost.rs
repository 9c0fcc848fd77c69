//! Prints what evaluating and parsing cost, in nanoseconds each, and what the worst selectors do.
//!
//! `cargo run --release -p selector --example selector_cost`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]
#![expect(clippy::disallowed_methods, reason = "it measures time")]

use selector::{Limits, Properties, Selector, Value};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Headers in a list, looked up as a session would.
struct Headers(Vec<(&'static str, Value<'static>)>);

impl Properties for Headers {
    fn value(&self, name: &str) -> Option<Value<'_>> {
        let (_, value) = self.0.iter().find(|(known, _)| *known == name)?;
        Some(match value {
            Value::Text(text) => Value::Text(text.as_ref().into()),
            Value::Integer(integer) => Value::Integer(*integer),
            Value::Float(float) => Value::Float(*float),
            Value::Boolean(boolean) => Value::Boolean(*boolean),
        })
    }
}

fn main() {
    let typed = Headers(vec![
        ("destination", "/queue/orders".into()),
        ("content-type", "application/json".into()),
        ("region", "eu".into()),
        ("price", 15.into()),
    ]);
    let texts = Headers(vec![
        ("destination", "/queue/orders".into()),
        ("content-type", "application/json".into()),
        ("region", "eu".into()),
        ("price", "15".into()),
    ]);
    let condition = "region = 'eu' AND price BETWEEN 10 AND 20";
    measure(condition, &typed);
    measure(&format!("convert_string_expressions:{condition}"), &texts);
    measure("region = 'us' AND price BETWEEN 10 AND 20", &typed);
    measure("region = 'eu'", &typed);
    measure("destination LIKE '/queue/%'", &typed);
    measure("destination LIKE '%ord_r%'", &typed);
    measure("region IN ('us', 'eu', 'jp', 'cn', 'br', 'in')", &typed);
    measure("price * 2 + 1 > 30 OR region IS NULL", &typed);

    let long: &'static str = Box::leak("ab".repeat(32 * 1024).into_boxed_str());
    let large = Headers(vec![("a", long.into())]);
    for like in [
        "a = 'x' OR ",
        "a LIKE '%bb%' OR ",
        "a LIKE '%c%' OR ",
        "a LIKE '%b_a%' OR ",
        "a LIKE '%b_c%' OR ",
        "a LIKE '%b%b_ba%c_c%' OR ",
    ] {
        measure_worst(like, &large);
    }
}

/// As many of a condition as a selector may have.
fn measure_worst(condition: &str, headers: &Headers) {
    let limits = Limits::default();
    let is_taken = |count: &usize| Selector::parse(&worst(condition, *count), &limits).is_ok();
    let count = (1..).take_while(is_taken).last().unwrap_or(0);
    let selector = Selector::parse(&worst(condition, count), &limits).expect("it has been parsed");
    let took = per(500, || black_box(&selector).matches(headers));
    let work = selector.evaluate(headers).work;
    println!(
        "{took:>9.0} ns, {work:>5} units, {} bytes in memory: {count} times {condition:?} over 64 KiB",
        selector.memory_bytes()
    );
}

fn worst(like: &str, count: usize) -> String {
    format!("{}FALSE", like.repeat(count))
}

fn measure(text: &str, headers: &Headers) {
    const EVALUATIONS: u32 = 2_000_000;
    const PARSES: u32 = 100_000;
    let limits = Limits::default();
    let selector = Selector::parse(text, &limits).expect("the examples are selectors");
    let evaluation = per(EVALUATIONS, || {
        black_box(&selector).matches(black_box(headers))
    });
    let parse = per(PARSES, || Selector::parse(black_box(text), &limits).is_ok());
    let matches = selector.matches(headers);
    println!("{evaluation:>7.1} ns to evaluate, {parse:>7.1} ns to parse: {text} = {matches}");
}

/// The least of five rounds.
fn per<T>(count: u32, mut work: impl FnMut() -> T) -> f64 {
    let mut least = Duration::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..count / 5 {
            black_box(work());
        }
        least = least.min(start.elapsed());
    }
    least.as_secs_f64() * 1e9 / f64::from(count / 5)
}
