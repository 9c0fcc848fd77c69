//! Lines: bad ones, long ones, cut ones.

use crate::scripted_broker::Driven;
use broker_api::{Event, Refusal, Reply, Session};
use management::LINE_BYTES_MAX;
use model::CommandId;
use proptest::prelude::*;

/// Expects an error with this part, and that the next request is answered.
fn check_refused(line: &str, part: &str) {
    let mut driven = Driven::new();
    driven.feed(format!("{line}\n{{\"command\":\"list_queues\"}}\n").as_bytes());
    let (first, second) = driven.wire.split_once('\n').unwrap();
    assert!(first.starts_with(r#"{"error":""#), "{line}: {first}");
    assert!(first.contains(part), "{line}: {part} in {first}");
    assert_eq!(second, "{\"ok\":{}}\n", "{line}");
}

#[test]
fn a_bad_line_is_answered_with_what_is_wrong_and_the_next_one_counts() {
    let rows = [
        ("x", "a request is a JSON object"),
        (r#"["list_queues"]"#, "a request is a JSON object"),
        ("{", "EOF while parsing"),
        ("{\"command\":\"list_queues\"} {}", "trailing characters"),
        ("{\"command\":\"\u{7f}\u{0}\"}", "control character"),
        ("{}", "missing field `command`"),
        (r#"{"command":"list_ques"}"#, "unknown variant `list_ques`"),
        (
            r#"{"command":"list_queues","all":true}"#,
            "unknown field `all`",
        ),
        (r#"{"command":"purge_queue"}"#, "missing field `name`"),
        (r#"{"command":"purge_queue","name":7}"#, "expected text"),
        (r#"{"command":"purge_queue","name":""}"#, "cannot be empty"),
        (
            r#"{"command":"purge_queue","name":"a","name":"b"}"#,
            "duplicate field `name`",
        ),
        (
            r#"{"command":"declare_queue","name":"q","definition":{"ttl":1}}"#,
            "unknown field `ttl`",
        ),
        (
            r#"{"command":"declare_queue","name":"q","definition":{"max_priority":256}}"#,
            "256",
        ),
        (
            r#"{"command":"declare_queue","name":"q","definition":{"overflow":"drop"}}"#,
            "unknown variant `drop`",
        ),
        (
            r#"{"command":"declare_queue","name":"q","definition":{"dead_letter_routing_key":"k"}}"#,
            "`dead_letter_routing_key` means nothing without `dead_letter_exchange`",
        ),
        (
            r#"{"command":"declare_queue","name":"q","definition":{"redelivery_delay_max_ms":1}}"#,
            "`redelivery_delay_max_ms` means nothing without `redelivery_delay_ms`",
        ),
        (
            r#"{"command":"declare_queue","name":"q","definition":{"redelivery_delay_ms":1,"redelivery_jitter_percent":101}}"#,
            "`redelivery_jitter_percent` is 101, the limit is 100",
        ),
        (
            r#"{"command":"declare_exchange","name":"x"}"#,
            "missing field `definition`",
        ),
        (
            r#"{"command":"declare_exchange","name":"x","definition":{"type":"default"}}"#,
            "type `default`",
        ),
        (
            r#"{"command":"declare_exchange","name":"x","definition":{"type":"topic","hash_header":"h"}}"#,
            "`hash_header` means nothing without the type `consistent-hash`",
        ),
        (
            r#"{"command":"declare_exchange","name":"x","definition":{"type":"consistent-hash","hash_header":"h","hash_property":"type"}}"#,
            "exclude each other",
        ),
        (
            r#"{"command":"declare_binding","source":"x","destination":"q","arguments":{"a":[1]}}"#,
            "expected null, true or false, a number, text",
        ),
    ];
    for (line, part) in rows {
        check_refused(line, part);
    }
    let long = "x".repeat(256);
    check_refused(
        &format!(r#"{{"command":"purge_queue","name":"{long}"}}"#),
        "the limit is 255",
    );
    check_refused(
        &format!(r#"{{"command":"delete_exchange","name":"{long}"}}"#),
        "the limit is 255",
    );
    let deep = "[".repeat(1000);
    check_refused(&format!(r#"{{"name":{deep}"#), "recursion limit");
}

#[test]
fn empty_lines_and_carriage_returns_are_passed_over() {
    let mut driven = Driven::new();
    driven.feed(b"\n\r\n  \n{\"command\":\"list_queues\"} \r\n");
    assert_eq!(driven.wire, "{\"ok\":{}}\n");
}

#[test]
fn a_line_of_the_limit_is_taken_and_a_longer_one_ends_the_connection() {
    let mut line = br#"{"command":"list_queues"}"#.to_vec();
    line.resize(LINE_BYTES_MAX, b' ');
    let mut driven = Driven::new();
    driven.feed(&line);
    driven.feed(b"\n");
    assert_eq!(driven.wire, "{\"ok\":{}}\n");
    for end in ["", "\n"] {
        let mut driven = Driven::new();
        driven.feed(&line);
        driven.feed(format!(" {end}").as_bytes());
        assert_eq!(
            driven.wire,
            "{\"error\":\"a line is longer than 65536 bytes\"}\n"
        );
        assert!(driven.out.is_closing());
        assert_eq!(driven.log.len(), 1);
    }
}

#[test]
fn one_request_at_a_time() {
    let mut driven = Driven::new();
    assert_eq!(driven.session.unanswered_bytes(), 0);
    driven.feed_unanswered(b"{\"command\":\"list_queues\"}\n{\"command\":\"list_exchanges\"}\n");
    assert_eq!(driven.log.len(), 1);
    for count in 1..=3 {
        assert!(driven.out.is_held());
        assert!(driven.session.unanswered_bytes() > 0);
        driven.handle_event(Event::Done(CommandId(count), Ok(Reply::Nothing)));
        assert!(!driven.out.is_held());
        assert_eq!(driven.session.unanswered_bytes(), 0);
        driven.feed_unanswered(b"");
    }
    assert_eq!(driven.log[1..], ["List(Queues)", "List(Exchanges)"]);
    assert_eq!(driven.wire, "{\"ok\":{}}\n{\"ok\":{}}\n");
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let mut driven = Driven::new();
    driven.feed_unanswered(b"{\"command\":\"list_queues\"}\n");
    driven.handle_event(Event::Done(CommandId(1), Err(Refusal::ShuttingDown)));
    assert_eq!(driven.wire, "{\"error\":\"the broker is stopping\"}\n");
    assert!(driven.out.is_closing());
}

#[test]
fn a_broker_that_stops_says_so() {
    let mut driven = Driven::new();
    driven.feed(b"{\"command\":\"list_queues\"}\n");
    driven.handle_event(Event::Disconnect(Refusal::ShuttingDown));
    assert_eq!(
        driven.wire,
        "{\"ok\":{}}\n{\"error\":\"the broker is stopping\"}\n"
    );
    assert!(driven.out.is_closing());
}

const CONVERSATION: &[u8] = b"\r\n{\"command\":\"declare_queue\",\"name\":\"q\"}\nbad\n\
    {\"command\":\"declare_binding\",\"source\":\"x\",\"destination\":\"q\",\"routing_key\":\"a\"}\r\n\
    {\"command\":\"purge_queue\",\"name\":\"\"}\n{\"command\":\"list_bindings\"}\n{\"comm";

fn outcome(input: &[u8], mut cuts: Vec<usize>) -> (String, Vec<String>, bool) {
    let mut driven = Driven::new();
    cuts.push(input.len());
    cuts.sort_unstable();
    let mut at = 0;
    for cut in cuts {
        driven.feed(&input[at..cut]);
        at = cut;
    }
    (driven.wire, driven.log, driven.out.is_closing())
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        cuts in prop::collection::vec(0..CONVERSATION.len(), 0..20),
        damages in prop::collection::vec((0..CONVERSATION.len(), any::<u8>()), 0..3),
        long in prop::option::of(LINE_BYTES_MAX - 2..LINE_BYTES_MAX + 2),
    ) {
        let mut input = CONVERSATION.to_vec();
        for (at, octet) in damages {
            input[at] = octet;
        }
        if let Some(count) = long {
            input.resize(input.len() + count, b' ');
            input.extend_from_slice(b"\n{\"command\":\"list_queues\"}\n");
        }
        prop_assert_eq!(outcome(&input, Vec::new()), outcome(&input, cuts));
    }

    #[test]
    fn any_bytes_are_answered_line_by_line(input in prop::collection::vec(any::<u8>(), 0..300)) {
        let (wire, _, _) = outcome(&input, Vec::new());
        for line in wire.lines() {
            prop_assert!(serde_json::from_str::<management::Response<serde_json::Value>>(line).is_ok());
        }
    }
}
