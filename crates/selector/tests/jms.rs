//! What JMS 2.0 section 3.8.1 says of selectors, row by row, and what we add where it is silent.

use selector::{Limits, Properties, Selector, Value};
use std::collections::BTreeMap;

/// What a selector comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    True,
    False,
    Unknown,
}

use Truth::{False, True, Unknown};

struct Message(BTreeMap<&'static str, Value<'static>>);

impl Properties for Message {
    fn value(&self, name: &str) -> Option<Value<'_>> {
        self.0.get(name).cloned()
    }
}

/// `t` is true, `f` false; whatever is not here is NULL.
fn message() -> Message {
    let text = |text: &'static str| Value::from(text);
    Message(BTreeMap::from([
        ("t", Value::Boolean(true)),
        ("f", Value::Boolean(false)),
        ("age", Value::Integer(17)),
        ("weight", Value::Float(2_500.5)),
        ("max", Value::Integer(i64::MAX)),
        ("min", Value::Integer(i64::MIN)),
        ("float", Value::Float(f64::from(0.1_f32))),
        ("nan", Value::Float(f64::NAN)),
        ("Country", text("UK")),
        ("phone", text("12993")),
        ("word", text("lose")),
        ("underscored", text("_foo")),
        ("quote", text("Joe's")),
        ("empty", text("")),
        ("number", text("10")),
        ("fraction", text("2.5")),
        ("flag", text("TRUE")),
        ("$money", Value::Integer(5)),
        ("_x1", Value::Integer(6)),
        ("größe", Value::Integer(7)),
        ("content-type", text("text/plain")),
        ("a\"b", Value::Integer(8)),
        ("AND", Value::Integer(9)),
        ("JMSType", text("car")),
    ]))
}

fn truth(text: &str) -> Truth {
    let matches = |text: &str| {
        let selector = Selector::parse(text, &Limits::default());
        let selector = selector.unwrap_or_else(|error| panic!("{text}: {error}"));
        selector.matches(&message())
    };
    let start = text.rfind("expressions:").or(text.rfind("_props:"));
    let start = start.map_or(0, |at| at + text[at..].find(':').unwrap_or(0) + 1);
    let negated = format!("{} NOT ({})", &text[..start], &text[start..]);
    match (matches(text), matches(&negated)) {
        (true, false) => True,
        (false, true) => False,
        (false, false) => Unknown,
        (true, true) => panic!("{text}: both it and its negation match"),
    }
}

fn check(rows: &[(&str, Truth)]) {
    for (text, expected) in rows {
        assert_eq!(truth(text), *expected, "{text}");
    }
}

#[test]
fn the_examples_of_the_specification() {
    check(&[
        ("JMSType = 'car' AND weight > 2500", True),
        (
            "JMSType = 'car' AND color = 'blue' AND weight > 2500",
            Unknown,
        ),
        ("age BETWEEN 15 AND 19", True),
        ("age >= 15 AND age <= 19", True),
        ("age NOT BETWEEN 15 AND 19", False),
        ("age < 15 OR age > 19", False),
        ("Country IN ('UK', 'US', 'France')", True),
        ("Country NOT IN ('UK', 'US', 'France')", False),
        ("Country IN ('Peru')", False),
        ("phone LIKE '12%3'", True),
        ("word LIKE 'l_se'", True),
        (r"underscored LIKE '\_%' ESCAPE '\'", True),
        ("phone NOT LIKE '12%3'", False),
        ("prop_name IS NULL", True),
        ("prop_name IS NOT NULL", False),
        ("quote = 'Joe''s'", True),
        ("empty = ''", True),
    ]);
}

#[test]
fn blank_selectors_match_everything() {
    for text in [
        "",
        " ",
        "\t\r\n\x0c ",
        "convert_string_expressions: ",
        "no_hyphenated_props:",
    ] {
        let selector = Selector::parse(text, &Limits::default()).expect(text);
        assert!(selector.matches(&message()), "{text:?}");
    }
}

#[test]
fn logic_has_three_values() {
    let operands = [("t", True), ("f", False), ("u", Unknown)];
    for (left, left_truth) in operands {
        for (right, right_truth) in operands {
            let and = match (left_truth, right_truth) {
                (True, True) => True,
                (False, _) | (_, False) => False,
                _ => Unknown,
            };
            let or = match (left_truth, right_truth) {
                (False, False) => False,
                (True, _) | (_, True) => True,
                _ => Unknown,
            };
            check(&[
                (&format!("{left} AND {right}"), and),
                (&format!("{left} OR {right}"), or),
            ]);
        }
    }
    check(&[("NOT t", False), ("NOT f", True), ("NOT u", Unknown)]);
}

#[test]
fn null_makes_everything_unknown_but_is() {
    check(&[
        ("u = 1", Unknown),
        ("u <> 'a'", Unknown),
        ("u = u", Unknown),
        ("age < u", Unknown),
        ("age + u = 17", Unknown),
        ("-u = 1", Unknown),
        ("u BETWEEN 1 AND 2", Unknown),
        ("u NOT BETWEEN 1 AND 2", Unknown),
        ("age BETWEEN u AND 2", False),
        ("age NOT BETWEEN u AND 2", True),
        ("age BETWEEN u AND 20", Unknown),
        ("u IN ('a')", Unknown),
        ("u NOT IN ('a')", Unknown),
        ("u LIKE '%'", Unknown),
        ("u NOT LIKE '%'", Unknown),
        ("u IS NULL", True),
        ("age IS NULL", False),
        ("u IS NOT NULL", False),
        ("age IS NOT NULL", True),
        ("(u) IS NULL", True),
        ("Age IS NULL", True),
    ]);
}

#[test]
fn operators_bind_as_in_sql() {
    check(&[
        ("t OR t AND f", True),
        ("(t OR t) AND f", False),
        ("f AND t OR t", True),
        ("f AND (t OR t)", False),
        ("NOT f OR t", True),
        ("NOT t AND f", False),
        ("NOT (t AND f)", True),
        ("NOT age = 18", True),
        ("NOT NOT t", True),
        ("NOT age IS NULL", True),
        ("1 + 2 * 3 = 7", True),
        ("(1 + 2) * 3 = 9", True),
        ("10 - 2 - 3 = 5", True),
        ("100 / 10 / 5 = 2", True),
        ("-1 + 2 = 1", True),
        ("-(1 + 2) = -3", True),
        ("2 - -2 = 4", True),
        ("2--2=4", True),
        ("+ - + 2 = -2", True),
        ("1 < 2 = t", True),
        ("t = 1 < 2", True),
        ("1 = 2 = f", True),
        ("t = NOT f", True),
        ("age BETWEEN 1 + 1 AND 10 + 10 AND t", True),
        ("age BETWEEN 17 AND 17 OR f", True),
        ("age BETWEEN 1 AND 2 = f", True),
        ("age BETWEEN (1) AND (20) AND age BETWEEN 2 AND 20", True),
        ("not T or Country in('UK')and age between 1 and 20", True),
    ]);
}

#[test]
fn numbers_follow_java() {
    check(&[
        ("age = 17.0", True),
        ("age = 0x11", True),
        ("age = 021", True),
        ("age = 17L", True),
        ("age < 17.5", True),
        ("age = 1.7E1", True),
        ("weight = 2500.5", True),
        ("float = 0.1f", True),
        ("float = 0.1", False),
        ("7 / 2 = 3", True),
        ("-7 / 2 = -3", True),
        ("7 / 2. = 3.5", True),
        ("1 / 0 = 1", Unknown),
        ("1 / 0 <> 1", Unknown),
        ("1.0 / 0 > 1e308", True),
        ("0.0 / 0 = 0.0 / 0", False),
        ("nan = nan", False),
        ("nan <> nan", True),
        ("nan < 1", False),
        ("nan NOT BETWEEN 1 AND 2", False),
        ("0.0 = -0.0", True),
        ("max = 9223372036854775807", True),
        ("min = -9223372036854775808", True),
        ("min = - 9223372036854775808", True),
        ("max + 1 = min", True),
        ("min - 1 = max", True),
        ("max * 2 = -2", True),
        ("-min = min", True),
        ("min / -1 = min", True),
        ("max = 9.223372036854775807E18", True),
        ("max - 1 = max", False),
    ]);
}

#[test]
fn unlike_types_are_neither_equal_nor_unequal() {
    check(&[
        ("Country = 1", False),
        ("Country <> 1", False),
        ("'a' = 1", False),
        ("t = 'true'", False),
        ("t <> 1", False),
        ("number = 10", False),
        ("number < 11", False),
        ("number BETWEEN 1 AND 11", False),
        ("number NOT BETWEEN 1 AND 2", False),
        ("Country < word", False),
        ("t < f", False),
        ("t = t", True),
        ("t <> f", True),
        ("t = TRUE", True),
        ("f = false", True),
        ("number + 1 = 11", Unknown),
        ("-number = -10", Unknown),
        ("+number = 10", Unknown),
        ("age LIKE '17'", False),
        ("age NOT LIKE '17'", True),
        ("age IN ('17')", Unknown),
        ("age NOT IN ('17')", Unknown),
        ("age AND t", False),
        ("NOT Country", True),
        ("TRUE", True),
        ("FALSE", False),
    ]);
}

#[test]
fn texts_are_converted_where_the_selector_asks_for_it() {
    let rows = [
        ("number = 10", True),
        ("number = 10.0", True),
        ("number <> 11", True),
        ("10 = number", True),
        ("number < 11 AND number > 9", True),
        ("number BETWEEN 9.5 AND 11", True),
        ("number > fraction", True),
        ("number = '10'", True),
        ("number = '10.0'", False),
        ("number + fraction = 12.5", True),
        ("-number = -10", True),
        ("+number = '10'", True),
        ("Country = 1", False),
        ("Country <> 1", False),
        ("Country + 1 = 1", Unknown),
        ("flag = TRUE", True),
        ("flag", True),
        ("NOT flag", False),
        ("Country = TRUE", False),
        ("Country <> TRUE", False),
        ("number LIKE '1%'", True),
        ("number IN ('10')", True),
        ("u = 10", Unknown),
    ];
    for (text, expected) in rows {
        let text = format!("convert_string_expressions:{text}");
        check(&[(&text, expected)]);
    }
    check(&[
        ("no_convert_string_expressions:number = 10", False),
        (
            "convert_string_expressions:no_convert_string_expressions:number = 10",
            False,
        ),
        (
            "no_convert_string_expressions:convert_string_expressions:number = 10",
            True,
        ),
        (
            "hyphenated_props:convert_string_expressions:number = 10",
            True,
        ),
        ("hyphenated_props:content-type = 'text/plain'", True),
        ("hyphenated_props:no_hyphenated_props:age-1 = 16", True),
        ("hyphenated_props:age - 1 = 16", True),
        ("hyphenated_props:age-1 = 16", Unknown),
    ]);
}

#[test]
fn names_follow_java_or_are_quoted() {
    check(&[
        ("$money = 5", True),
        ("_x1 = 6", True),
        ("größe = 7", True),
        ("\"content-type\" = 'text/plain'", True),
        ("\"a\"\"b\" = 8", True),
        ("\"AND\" = 9", True),
        ("\"age\" = 17", True),
        ("country = 'UK'", Unknown),
        ("nullable IS NULL", True),
        ("age\u{c}\t\r\n= 17", True),
    ]);
}

#[test]
fn patterns_have_wildcards_and_escapes() {
    let rows = [
        ("abc", "'abc'", True),
        ("abc", "'ab'", False),
        ("abc", "'bc'", False),
        ("", "''", True),
        ("", "'%'", True),
        ("", "'_'", False),
        ("é", "'_'", True),
        ("😀", "'_'", True),
        ("abc", "'%'", True),
        ("abc", "'%%'", True),
        ("abc", "'a%'", True),
        ("abc", "'%c'", True),
        ("abc", "'%b%'", True),
        ("abc", "'%_b_%'", True),
        ("abc", "'a%c%c'", False),
        ("aba", "'ab%ba'", False),
        ("abba", "'ab%ba'", True),
        ("abcbd", "'a%b_'", True),
        ("aXbYaZb", "'%a_b'", True),
        ("ABC", "'abc'", False),
        ("a\nb", "'a_b'", True),
        ("a.b", "'a.b'", True),
        ("axb", "'a.b'", False),
        ("it's", "'it''s'", True),
        ("50%", "'50!%' ESCAPE '!'", True),
        ("500", "'50!%' ESCAPE '!'", False),
        ("a!b", "'a!!b' ESCAPE '!'", True),
        ("ab", "'a!b' ESCAPE '!'", True),
        ("ab", "'ab!' ESCAPE '!'", True),
        ("a_", "'a%_' ESCAPE '%'", True),
        ("ab", "'a%_' ESCAPE '%'", False),
    ];
    for (value, pattern, expected) in rows {
        let text = format!("v LIKE {pattern}");
        let selector = Selector::parse(&text, &Limits::default()).expect(&text);
        let message = Message(BTreeMap::from([("v", Value::from(value))]));
        assert_eq!(
            selector.matches(&message),
            expected == True,
            "{value:?} {text}"
        );
    }
}

#[test]
fn clones_share_and_cross_threads() {
    fn is_shared<T: Clone + Send + Sync + 'static>(_: &T) {}
    let selector = Selector::parse("age = 17", &Limits::default()).expect("valid");
    is_shared(&selector);
    let clone = selector.clone();
    drop(selector);
    assert!(clone.matches(&message()));
    assert_eq!(clone.text(), "age = 17");
    let object: &dyn Properties = &message();
    assert!(clone.matches(object));
}
