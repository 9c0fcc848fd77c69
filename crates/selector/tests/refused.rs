//! Texts that are not selectors: where, what was found, what was expected; and the limits.

use selector::{Limits, ParseError, Selector};

fn refusal(text: &str, limits: &Limits) -> ParseError {
    match Selector::parse(text, limits) {
        Ok(_) => panic!("{text}: it was taken"),
        Err(error) => error,
    }
}

#[test]
fn refusals_say_where_and_what() {
    let operand = "a name, a literal, NOT, a sign or (";
    let end = "the end of the selector";
    let operator = "an operator or the end of the selector";
    let rows = [
        ("a =", 3, end, operand),
        ("= 1", 0, "`=`", operand),
        ("a = = 1", 4, "`=`", operand),
        ("a AND", 5, end, operand),
        ("(a", 2, end, "an operator or )"),
        ("(a 1)", 3, "`1`", "an operator or )"),
        ("a)", 1, "`)`", operator),
        ("()", 1, "`)`", operand),
        ("a = 1 b", 6, "`b`", operator),
        ("a = 1, 2", 5, "`,`", operator),
        ("é = # 1", 5, "`#`", operand),
        ("a ; b", 2, "`;`", operator),
        ("a != 1", 2, "`!`", operator),
        ("a % 2 = 1", 2, "`%`", operator),
        ("a = NULL", 4, "`NULL`", operand),
        ("a = 'it", 7, end, "the quote that closes the one at byte 4"),
        ("\"a = 1", 6, end, "the quote that closes the one at byte 0"),
        ("\"\" = 1", 0, "`\"\"`", "a name that is not empty"),
        ("a = 12ab", 4, "`12ab`", "a number"),
        (
            "a = 9223372036854775808",
            4,
            "`9223372036854775808`",
            "an integer of at most 64 bits with its sign",
        ),
        (
            "a = -(9223372036854775808)",
            6,
            "`9223372036854775808`",
            "an integer of at most 64 bits with its sign",
        ),
        (
            "a = 1e999",
            4,
            "`1e999`",
            "a number in the range of a double",
        ),
        ("a BETWEEN 1", 11, end, "the AND that belongs to BETWEEN"),
        (
            "a BETWEEN 1 OR 2",
            12,
            "`OR`",
            "the AND that belongs to BETWEEN",
        ),
        (
            "a BETWEEN 1 = 2 AND 3",
            12,
            "`=`",
            "the AND that belongs to BETWEEN",
        ),
        (
            "(a BETWEEN 1) AND 3",
            12,
            "`)`",
            "the AND that belongs to BETWEEN",
        ),
        (
            "a BETWEEN 1 2",
            12,
            "`2`",
            "the AND that belongs to BETWEEN",
        ),
        ("a NOT 1", 6, "`1`", "LIKE, BETWEEN or IN"),
        ("a IS 1", 5, "`1`", "NULL or NOT NULL"),
        ("a IS NOT 1", 9, "`1`", "NULL or NOT NULL"),
        ("a IN 'x'", 5, "`'x'`", "( and a list of strings"),
        ("a IN ()", 6, "`)`", "a string in single quotes"),
        ("a IN (1)", 6, "`1`", "a string in single quotes"),
        ("a IN ('x',)", 10, "`)`", "a string in single quotes"),
        ("a IN ('x' 'y')", 10, "`'y'`", ", or )"),
        ("a IN ('x'", 9, end, ", or )"),
        ("a LIKE b", 7, "`b`", "a string in single quotes"),
        ("a LIKE 'x' ESCAPE", 17, end, "a string of one character"),
        (
            "a LIKE 'x' ESCAPE ''",
            18,
            "`''`",
            "a string of one character",
        ),
        (
            "a LIKE 'x' ESCAPE 'ab'",
            18,
            "`'ab'`",
            "a string of one character",
        ),
        (
            "'a' LIKE 'x'",
            0,
            "a string",
            "the name of a property before LIKE, IN or IS",
        ),
        (
            "1 + a IN ('x')",
            0,
            "a number",
            "the name of a property before LIKE, IN or IS",
        ),
        (
            "a = 1 IS NULL",
            0,
            "a condition",
            "the name of a property before LIKE, IN or IS",
        ),
        ("5", 0, "a number", "a condition or the name of a property"),
        (
            "'a'",
            0,
            "a string",
            "a condition or the name of a property",
        ),
        (
            "NOT 5",
            4,
            "a number",
            "a condition or the name of a property",
        ),
        (
            "a AND 5",
            6,
            "a number",
            "a condition or the name of a property",
        ),
        (
            "a + 1 OR b",
            0,
            "a number",
            "a condition or the name of a property",
        ),
        (
            "a < 'x'",
            4,
            "a string",
            "a number or the name of a property",
        ),
        (
            "1 < a < 3",
            0,
            "a condition",
            "a number or the name of a property",
        ),
        (
            "a > TRUE",
            4,
            "a condition",
            "a number or the name of a property",
        ),
        (
            "a + 'x' = b",
            4,
            "a string",
            "a number or the name of a property",
        ),
        (
            "-'x' = b",
            1,
            "a string",
            "a number or the name of a property",
        ),
        (
            "a BETWEEN 'x' AND 'y'",
            10,
            "a string",
            "a number or the name of a property",
        ),
        ("convert_string_expressions:a =", 30, end, operand),
    ];
    for (text, position, found, expected) in rows {
        let error = refusal(text, &Limits::default()).to_string();
        let wanted = format!("at byte {position}: found {found}, expected {expected}");
        assert_eq!(error, wanted, "{text}");
    }
}

#[test]
fn what_was_found_is_repeated_in_part() {
    let error = refusal(&format!("a {}", "é".repeat(1_000)), &Limits::default());
    assert!(error.to_string().contains(&format!("`{}`", "é".repeat(40))));
}

#[test]
fn limits_hold() {
    let limits = Limits::default();
    let long = format!("a = '{}'", "x".repeat(limits.text_bytes_max));
    let error = ParseError::TextTooLong {
        bytes: long.len(),
        limit: limits.text_bytes_max,
    };
    assert_eq!(refusal(&long, &limits), error);

    let small = Limits {
        nodes_max: 7,
        ..limits
    };
    assert!(Selector::parse("a = 1 AND b = 2", &small).is_ok());
    assert!(matches!(
        refusal("a = 1 AND b = 2 + 3", &small),
        ParseError::TooManyNodes { limit: 7, .. }
    ));
    assert!(matches!(
        refusal("a IN ('1','2','3','4','5','6','7')", &small),
        ParseError::TooManyNodes { position: 30, .. }
    ));
    assert!(matches!(
        refusal("a LIKE '%1%2%3%4%5%'", &small),
        ParseError::TooManyNodes { .. }
    ));
    let part = format!("a LIKE '%_{}%'", "x".repeat(64));
    assert!(matches!(
        refusal(&part, &limits),
        ParseError::PatternPartTooLong {
            position: 7,
            characters: 65,
            limit: 64
        }
    ));
}

#[test]
fn depth_is_refused_by_the_limit() {
    let openings = [
        "(",
        "NOT ",
        "-",
        "+ ",
        "1+(",
        "a AND (",
        "a BETWEEN ",
        "a = NOT ",
        "NOT (",
    ];
    for opening in openings {
        let text = opening.repeat(100_000);
        let error = refusal(&text, &Limits::default());
        assert!(matches!(error, ParseError::TextTooLong { .. }), "{opening}");
        let limits = Limits {
            text_bytes_max: usize::MAX,
            nodes_max: usize::MAX,
            ..Limits::default()
        };
        let error = refusal(&text, &limits);
        let is_between = opening == "a BETWEEN ";
        assert!(
            matches!(error, ParseError::TooDeep { limit: 128, .. })
                || is_between && matches!(error, ParseError::Unexpected { .. }),
            "{opening}: {error}"
        );
    }
}

#[test]
fn depth_without_limit_takes_no_stack() {
    let limits = Limits {
        text_bytes_max: usize::MAX,
        nodes_max: usize::MAX,
        depth_max: usize::MAX,
        work_max: u64::MAX,
    };
    struct Nothing;
    impl selector::Properties for Nothing {
        fn value(&self, _: &str) -> Option<selector::Value<'_>> {
            None
        }
    }
    let rows = [
        ("(", "1", ")", " = 1"),
        ("1+(", "0", ")", " = 100000"),
        ("-", "1", "", " = 1"),
        ("NOT ", "FALSE", "", " = FALSE"),
        ("TRUE AND (", "TRUE", ")", ""),
    ];
    for (opening, inner, closing, end) in rows {
        let (opening, closing) = (opening.repeat(100_000), closing.repeat(100_000));
        let text = format!("{opening}{inner}{closing}{end}");
        let selector = Selector::parse(&text, &limits).expect("there is no limit");
        assert!(selector.matches(&Nothing), "{inner}");
    }
}
