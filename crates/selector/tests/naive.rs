//! Random expressions, printed and parsed back, against an evaluator that walks the tree; and random
//! texts, which must be answered.

use proptest::prelude::*;
use selector::{Limits, Properties, Selector, Value};
use std::fmt::Write as _;

/// The properties that expressions ask for, as they are printed and as they are looked up.
const NAMES: [(&str, &str); 4] = [("a", "a"), ("_b", "_b"), ("\"c-d\"", "c-d"), ("$e", "$e")];

#[derive(Clone, Debug)]
struct Message([Option<Value<'static>>; NAMES.len()]);

impl Properties for Message {
    fn value(&self, name: &str) -> Option<Value<'_>> {
        let index = NAMES.iter().position(|(_, known)| *known == name)?;
        self.0[index].clone()
    }
}

/// An expression. Which operands an operator may have is up to the strategies.
#[derive(Clone, Debug)]
enum Tree {
    Name(usize),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Text(String),
    Negative(Box<Self>),
    Not(Box<Self>),
    /// The operator's spelling says what it is.
    Binary(&'static str, Box<Self>, Box<Self>),
    Between(bool, Box<Self>, Box<Self>, Box<Self>),
    In(bool, usize, Vec<String>),
    Like(bool, usize, String, Option<char>),
    IsNull(bool, usize),
}

fn level(tree: &Tree) -> u8 {
    match tree {
        Tree::Binary("OR", ..) => 1,
        Tree::Binary("AND", ..) => 2,
        Tree::Not(_) => 3,
        Tree::Binary("=" | "<>", ..) | Tree::IsNull(..) => 4,
        Tree::Binary("<" | "<=" | ">" | ">=", ..)
        | Tree::Between(..)
        | Tree::In(..)
        | Tree::Like(..) => 5,
        Tree::Binary("+" | "-", ..) => 6,
        Tree::Binary(..) => 7,
        Tree::Negative(_) => 8,
        Tree::Integer(integer) if *integer < 0 => 8,
        Tree::Float(float) if *float < 0.0 => 8,
        Tree::Name(_) | Tree::Integer(_) | Tree::Float(_) | Tree::Boolean(_) | Tree::Text(_) => 9,
    }
}

/// Prints with no more brackets than precedence needs.
fn print(tree: &Tree, wanted: u8, out: &mut String) {
    let is_open = level(tree) < wanted;
    out.push_str(if is_open { "(" } else { "" });
    let not = |is_not: &bool| if *is_not { " NOT" } else { "" };
    let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match tree {
        Tree::Name(index) => out.push_str(NAMES[*index].0),
        Tree::Integer(integer) => write!(out, "{integer}").expect("a string takes all"),
        Tree::Float(float) => write!(out, "{float:?}").expect("a string takes all"),
        Tree::Boolean(boolean) => out.push_str(if *boolean { "TRUE" } else { "false" }),
        Tree::Text(text) => out.push_str(&quoted(text)),
        Tree::Negative(inner) => {
            out.push('-');
            print(inner, 8, out);
        }
        Tree::Not(inner) => {
            out.push_str("NOT ");
            print(inner, 3, out);
        }
        Tree::Binary(operator, left, right) => {
            print(left, level(tree), out);
            write!(out, " {operator} ").expect("a string takes all");
            print(right, level(tree) + 1, out);
        }
        Tree::Between(is_not, value, low, high) => {
            print(value, 6, out);
            write!(out, "{} BETWEEN ", not(is_not)).expect("a string takes all");
            print(low, 6, out);
            out.push_str(" AND ");
            print(high, 6, out);
        }
        Tree::In(is_not, name, texts) => {
            let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
            let (name, texts) = (NAMES[*name].0, texts.join(","));
            write!(out, "{name}{} IN ({texts})", not(is_not)).expect("a string takes all");
        }
        Tree::Like(is_not, name, pattern, escape) => {
            let (name, pattern) = (NAMES[*name].0, quoted(pattern));
            write!(out, "{name}{} LIKE {pattern}", not(is_not)).expect("a string takes all");
            if let Some(escape) = escape {
                write!(out, " ESCAPE '{escape}'").expect("a string takes all");
            }
        }
        Tree::IsNull(is_not, name) => {
            write!(out, "{} IS{} NULL", NAMES[*name].0, not(is_not)).expect("a string takes all");
        }
    }
    out.push_str(if is_open { ")" } else { "" });
}

type Slot = Option<Value<'static>>;

fn walk(tree: &Tree, message: &Message) -> Slot {
    let of = |is_not: bool, truth: bool| Some(Value::Boolean(truth != is_not));
    match tree {
        Tree::Name(index) => message.0[*index].clone(),
        Tree::Integer(integer) => Some(Value::Integer(*integer)),
        Tree::Float(float) => Some(Value::Float(*float)),
        Tree::Boolean(boolean) => Some(Value::Boolean(*boolean)),
        Tree::Text(text) => Some(Value::Text(text.clone().into())),
        Tree::Negative(inner) => match walk(inner, message)? {
            Value::Integer(integer) => Some(Value::Integer(integer.wrapping_neg())),
            Value::Float(float) => Some(Value::Float(-float)),
            Value::Text(_) | Value::Boolean(_) => None,
        },
        Tree::Not(inner) => truth(&walk(inner, message)).map(|truth| Value::Boolean(!truth)),
        Tree::Binary(operator, left, right) => {
            binary(operator, &walk(left, message), &walk(right, message))
        }
        Tree::Between(is_not, value, low, high) => {
            let [value, low, high] = [value, low, high].map(|tree| walk(tree, message));
            if *is_not {
                let (below, above) = (binary("<", &value, &low), binary(">", &value, &high));
                binary("OR", &below, &above)
            } else {
                let (from, to) = (binary(">=", &value, &low), binary("<=", &value, &high));
                binary("AND", &from, &to)
            }
        }
        Tree::In(is_not, name, texts) => match message.0[*name].clone()? {
            Value::Text(text) => of(*is_not, texts.iter().any(|known| *known == text)),
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => None,
        },
        Tree::Like(is_not, name, pattern, escape) => {
            let fits = match message.0[*name].clone()? {
                Value::Text(text) => {
                    let text: Vec<_> = text.chars().collect();
                    like(&pattern.chars().collect::<Vec<_>>(), *escape, &text)
                }
                Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => false,
            };
            of(*is_not, fits)
        }
        Tree::IsNull(is_not, name) => of(*is_not, message.0[*name].is_none()),
    }
}

fn truth(slot: &Slot) -> Option<bool> {
    slot.as_ref().map(|value| *value == Value::Boolean(true))
}

fn binary(operator: &str, left: &Slot, right: &Slot) -> Slot {
    let both_truths = (truth(left), truth(right));
    match operator {
        "AND" => match both_truths {
            (Some(false), _) | (_, Some(false)) => Some(Value::Boolean(false)),
            (left, right) => left.and(right).map(Value::Boolean),
        },
        "OR" => match both_truths {
            (Some(true), _) | (_, Some(true)) => Some(Value::Boolean(true)),
            (left, right) => left.and(right).map(Value::Boolean),
        },
        "+" | "-" | "*" | "/" => arithmetic(operator, left.as_ref()?, right.as_ref()?),
        _ => compare(operator, left.as_ref()?, right.as_ref()?).map(Value::Boolean),
    }
}

fn arithmetic(operator: &str, left: &Value<'_>, right: &Value<'_>) -> Slot {
    if let (Value::Integer(left), Value::Integer(right)) = (left, right) {
        // Java's: exact, then cut to 64 bits.
        let (left, right) = (i128::from(*left), i128::from(*right));
        let exact = match operator {
            "+" => left + right,
            "-" => left - right,
            "*" => left * right,
            _ => left.checked_div(right)?,
        };
        #[expect(clippy::cast_possible_truncation, reason = "Java cuts it too")]
        return Some(Value::Integer(exact as i64));
    }
    let (left, right) = (float(left)?, float(right)?);
    Some(Value::Float(match operator {
        "+" => left + right,
        "-" => left - right,
        "*" => left * right,
        _ => left / right,
    }))
}

fn compare(operator: &str, left: &Value<'_>, right: &Value<'_>) -> Option<bool> {
    let equality = |is_equal: bool| match operator {
        "=" => is_equal,
        "<>" => !is_equal,
        _ => false,
    };
    Some(match (left, right) {
        (Value::Text(left), Value::Text(right)) => equality(left == right),
        (Value::Boolean(left), Value::Boolean(right)) => equality(left == right),
        (Value::Integer(left), Value::Integer(right)) => ordered(operator, left, right),
        _ => match (float(left), float(right)) {
            (Some(left), Some(right)) => ordered(operator, &left, &right),
            _ => false,
        },
    })
}

fn ordered<T: PartialOrd>(operator: &str, left: &T, right: &T) -> bool {
    match operator {
        "=" => left == right,
        "<>" => left != right,
        "<" => left < right,
        "<=" => left <= right,
        ">" => left > right,
        _ => left >= right,
    }
}

#[expect(clippy::cast_precision_loss, reason = "Java rounds too")]
fn float(value: &Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Float(float) => Some(*float),
        Value::Text(_) | Value::Boolean(_) => None,
    }
}

fn like(pattern: &[char], escape: Option<char>, text: &[char]) -> bool {
    let Some((symbol, rest)) = pattern.split_first() else {
        return text.is_empty();
    };
    let first = |wanted: Option<char>, rest: &[char]| {
        let character = text.first();
        character.is_some_and(|c| wanted.is_none_or(|wanted| wanted == *c))
            && like(rest, escape, &text[1..])
    };
    match symbol {
        _ if Some(*symbol) == escape => match rest.split_first() {
            Some((escaped, rest)) => first(Some(*escaped), rest),
            None => text.is_empty(),
        },
        '%' => (0..=text.len()).any(|skipped| like(rest, escape, &text[skipped..])),
        '_' => first(None, rest),
        _ => first(Some(*symbol), rest),
    }
}

fn text() -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec!['x', 'y', 'é', '\'', '%', '_']);
    prop::collection::vec(character, 0..4).prop_map(|characters| characters.into_iter().collect())
}

fn integer() -> impl Strategy<Value = i64> {
    prop_oneof![4 => -3..4_i64, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)]
}

fn finite() -> impl Strategy<Value = f64> {
    let any_finite = any::<f64>().prop_filter("finite", |float| float.is_finite());
    // `-0.0` is the negation of a literal, not a literal.
    let chosen = prop::sample::select(vec![-1.5, -1.0, 0.0, 0.5, 2.0, 1e300]);
    prop_oneof![4 => chosen, 1 => any_finite.prop_map(|float| if float == 0.0 { 0.0 } else { float })]
}

fn message() -> impl Strategy<Value = Message> {
    let float = prop_oneof![4 => finite(), 1 => any::<f64>()];
    let value = prop_oneof![
        2 => Just(None),
        4 => integer().prop_map(|integer| Some(Value::Integer(integer))),
        3 => float.prop_map(|float| Some(Value::Float(float))),
        3 => text().prop_map(|text| Some(Value::Text(text.into()))),
        3 => any::<bool>().prop_map(|boolean| Some(Value::Boolean(boolean))),
    ];
    let values = prop::collection::vec(value, NAMES.len());
    values.prop_map(|values| Message(values.try_into().expect("as many as there are names")))
}

fn name() -> impl Strategy<Value = usize> {
    0..NAMES.len()
}

fn number() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        name().prop_map(Tree::Name),
        integer().prop_map(Tree::Integer),
        finite().prop_map(Tree::Float),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let operator = prop::sample::select(vec!["+", "-", "*", "/"]);
        let both = (operator, inner.clone(), inner.clone());
        prop_oneof![
            inner.prop_map(|inner| Tree::Negative(inner.into())),
            both.prop_map(|(operator, left, right)| Tree::Binary(
                operator,
                left.into(),
                right.into()
            )),
        ]
    })
}

fn condition() -> impl Strategy<Value = Tree> {
    let order = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let equality = prop::sample::select(vec!["=", "<>"]);
    let escape = prop::option::of(prop::sample::select(vec!['x', '_', '%', '!']));
    let leaf = prop_oneof![
        any::<bool>().prop_map(Tree::Boolean),
        name().prop_map(Tree::Name),
        (order, number(), number()).prop_map(|(operator, left, right)| Tree::Binary(
            operator,
            left.into(),
            right.into()
        )),
        (equality, name(), text()).prop_map(|(operator, name, text)| {
            Tree::Binary(operator, Tree::Name(name).into(), Tree::Text(text).into())
        }),
        (any::<bool>(), number(), number(), number()).prop_map(|(is_not, value, low, high)| {
            Tree::Between(is_not, value.into(), low.into(), high.into())
        }),
        (any::<bool>(), name(), prop::collection::vec(text(), 1..6))
            .prop_map(|(is_not, name, texts)| Tree::In(is_not, name, texts)),
        (any::<bool>(), name(), text(), escape)
            .prop_map(|(is_not, name, pattern, escape)| Tree::Like(is_not, name, pattern, escape)),
        (any::<bool>(), name()).prop_map(|(is_not, name)| Tree::IsNull(is_not, name)),
    ];
    leaf.prop_recursive(6, 40, 2, |inner| {
        let operator = prop::sample::select(vec!["AND", "OR", "AND", "OR", "=", "<>"]);
        let both = (operator, inner.clone(), inner.clone());
        prop_oneof![
            1 => inner.prop_map(|inner| Tree::Not(inner.into())),
            4 => both.prop_map(|(operator, left, right)| {
                Tree::Binary(operator, left.into(), right.into())
            }),
        ]
    })
}

/// Words in any order, so that some make sense.
fn words() -> impl Strategy<Value = String> {
    let words = vec![
        "a",
        "\"b c\"",
        "1",
        "2.5",
        ".5e3",
        "0x1F",
        "9223372036854775808",
        "'x'",
        "'%_'",
        "TRUE",
        "NOT",
        "AND",
        "OR",
        "BETWEEN",
        "LIKE",
        "ESCAPE",
        "IN",
        "IS",
        "NULL",
        "=",
        "<>",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "(",
        ")",
        ",",
        "'",
        "\"",
        "#",
        "é",
        "convert_string_expressions:",
    ];
    prop::collection::vec(prop::sample::select(words), 0..20).prop_map(|words| words.join(" "))
}

fn answers(text: &str, message: &Message) {
    if let Ok(selector) = Selector::parse(text, &Limits::default()) {
        let _answer: bool = selector.matches(message);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn printed_and_parsed_it_evaluates_the_same(
        tree in condition(),
        messages in prop::collection::vec(message(), 1..8),
    ) {
        let mut text = String::new();
        print(&tree, 0, &mut text);
        let selector = Selector::parse(&text, &Limits::default());
        let selector = selector.map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        for message in &messages {
            let expected = truth(&walk(&tree, message)) == Some(true);
            prop_assert_eq!(selector.matches(message), expected, "{} {:?}", text, message);
        }
    }

    #[test]
    fn any_text_is_answered(text in any::<String>(), message in message()) {
        answers(&text, &message);
    }

    #[test]
    fn any_words_are_answered(text in words(), message in message()) {
        answers(&text, &message);
        answers(&text.replace(' ', ""), &message);
    }

    #[test]
    fn any_piece_of_a_selector_is_answered(
        tree in condition(),
        cut in any::<prop::sample::Index>(),
        message in message(),
    ) {
        let mut text = String::new();
        print(&tree, 0, &mut text);
        let at = cut.index(text.len() + 1);
        if let Some((start, end)) = text.split_at_checked(at) {
            answers(start, &message);
            answers(end, &message);
        }
    }
}
