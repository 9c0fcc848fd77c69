//! Patterns of LIKE, matched in one pass over the text.
//!
//! `%` cuts a pattern into parts of fixed length, counted in characters.
//!
//! 1. The first part has to stand at the start of the text, the last one at its end. A pattern
//!    without `%` is one part, which has to be the whole text.
//! 2. The parts between are searched one after the other, each where the one before it ended. As a
//!    part has a fixed length, its leftmost place leaves the most to the others: no way back is needed.
//! 3. A part without `_` is searched by the standard library, in linear time. One with `_` is
//!    searched by an automaton that holds the state of all attempts in the bits of one word, which is
//!    why such a part has at most 64 characters.

use crate::meter::{Meter, TooMuch, symbol_work, text_work};

/// The most characters of a part with `_` between two `%`: one bit each.
pub(crate) const FLOATING_CHARS_MAX: usize = 64;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Pattern {
    first: Part,
    /// What follows the first `%`, if there is one.
    rest: Option<Rest>,
}

/// A part has this many characters, which is over [`FLOATING_CHARS_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PartTooLong(pub(crate) usize);

#[derive(Debug)]
struct Rest {
    middle: Box<[Floating]>,
    last: Part,
}

/// One character of a part; nothing is `_`.
type Symbol = Option<char>;

/// A part at a known place.
#[derive(Debug)]
enum Part {
    Text(Box<str>),
    Symbols(Box<[Symbol]>),
}

/// A part that has to be searched.
#[derive(Debug)]
enum Floating {
    Text(Box<str>),
    Symbols(Automaton),
}

/// Shift-And: bit `i` of the state is set when the last characters read fit the first `i + 1`.
#[derive(Debug)]
struct Automaton {
    /// The places of each character of the part, in order.
    places: Box<[(char, u64)]>,
    /// The places of `_`.
    any: u64,
    /// The last place.
    accepting: u64,
}

impl Pattern {
    /// Compiles a pattern. The character after `escape` stands for itself; an `escape` at the end
    /// stands for nothing.
    pub(crate) fn compile(text: &str, escape: Option<char>) -> Result<Self, PartTooLong> {
        let mut parts = split(text, escape).into_iter();
        let first = Part::new(&parts.next().unwrap_or_default());
        let Some(last) = parts.next_back() else {
            return Ok(Self { first, rest: None });
        };
        let middle = parts
            .filter(|part| !part.is_empty())
            .map(|part| Floating::new(&part))
            .collect::<Result<_, _>>()?;
        let last = Part::new(&last);
        let rest = Some(Rest { middle, last });
        Ok(Self { first, rest })
    }

    /// The number of its parts.
    pub(crate) fn part_count(&self) -> usize {
        1 + self.rest.as_ref().map_or(0, |rest| 1 + rest.middle.len())
    }

    /// Whether the whole text fits.
    pub(crate) fn matches(&self, text: &str, meter: &mut Meter) -> Result<bool, TooMuch> {
        meter.charge(self.first.work(text))?;
        let Some(text) = self.first.after_prefix(text) else {
            return Ok(false);
        };
        let Some(rest) = &self.rest else {
            return Ok(text.is_empty());
        };
        meter.charge(rest.last.work(text))?;
        let Some(mut text) = rest.last.before_suffix(text) else {
            return Ok(false);
        };
        for part in &rest.middle {
            // What a search may cost is there before it begins; what it did not cost comes back.
            meter.charge(1 + part.work(text.len()))?;
            let end = part.end_in(text);
            let unseen = text.len() - end.unwrap_or(text.len());
            meter.give_back(part.work(unseen));
            let Some(end) = end else {
                return Ok(false);
            };
            text = &text[end..];
        }
        Ok(true)
    }

    /// What it takes on the heap, in bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        let rest = self.rest.as_ref().map_or(0, |rest| {
            let middle = rest.middle.iter().map(Floating::heap_bytes).sum::<usize>();
            size_of_val(&rest.middle[..]) + middle + rest.last.heap_bytes()
        });
        size_of::<Self>() + self.first.heap_bytes() + rest
    }
}

/// The parts between `%`, of which there is at least one.
fn split(text: &str, escape: Option<char>) -> Vec<Vec<Symbol>> {
    let mut parts = Vec::new();
    let mut part = Vec::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            _ if Some(character) == escape => part.extend(characters.next().map(Some)),
            '%' => parts.push(std::mem::take(&mut part)),
            '_' => part.push(None),
            _ => part.push(Some(character)),
        }
    }
    parts.push(part);
    parts
}

/// The part as a string, if it has no `_`.
fn literal(symbols: &[Symbol]) -> Option<Box<str>> {
    let text = symbols.iter().copied().collect::<Option<String>>();
    text.map(String::into_boxed_str)
}

impl Part {
    fn new(symbols: &[Symbol]) -> Self {
        literal(symbols).map_or_else(|| Self::Symbols(symbols.into()), Self::Text)
    }

    /// What comparing it to a text costs.
    fn work(&self, text: &str) -> u64 {
        match self {
            Self::Text(part) => text_work(part.len().min(text.len())),
            Self::Symbols(symbols) => symbol_work(symbols.len().min(text.len())),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(part) => part.len(),
            Self::Symbols(symbols) => size_of_val(&symbols[..]),
        }
    }

    fn after_prefix<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(part) => text.strip_prefix(&**part),
            Self::Symbols(symbols) => {
                let mut characters = text.chars();
                let fits = |symbol: &Symbol| fits(*symbol, characters.next());
                symbols.iter().all(fits).then_some(characters.as_str())
            }
        }
    }

    fn before_suffix<'t>(&self, text: &'t str) -> Option<&'t str> {
        match self {
            Self::Text(part) => {
                // `strip_suffix` would build a searcher, which costs more than all the rest.
                let rest_len = text.len().checked_sub(part.len())?;
                let fits = text.as_bytes()[rest_len..] == *part.as_bytes();
                fits.then(|| &text[..rest_len])
            }
            Self::Symbols(symbols) => {
                let mut characters = text.chars();
                let fits = |symbol: &Symbol| fits(*symbol, characters.next_back());
                symbols
                    .iter()
                    .rev()
                    .all(fits)
                    .then_some(characters.as_str())
            }
        }
    }
}

fn fits(symbol: Symbol, character: Option<char>) -> bool {
    character.is_some() && (symbol.is_none() || symbol == character)
}

impl Floating {
    fn new(symbols: &[Symbol]) -> Result<Self, PartTooLong> {
        match literal(symbols) {
            Some(text) => Ok(Self::Text(text)),
            None => Automaton::new(symbols).map(Self::Symbols),
        }
    }

    /// What searching so many bytes costs.
    fn work(&self, bytes: usize) -> u64 {
        match self {
            Self::Text(_) => text_work(bytes),
            Self::Symbols(_) => symbol_work(bytes),
        }
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(part) => part.len(),
            Self::Symbols(automaton) => size_of_val(&automaton.places[..]),
        }
    }

    /// Where the part ends that begins first.
    fn end_in(&self, text: &str) -> Option<usize> {
        match self {
            Self::Text(part) => text.find(&**part).map(|start| start + part.len()),
            Self::Symbols(automaton) => automaton.end_in(text),
        }
    }
}

impl Automaton {
    fn new(symbols: &[Symbol]) -> Result<Self, PartTooLong> {
        if symbols.len() > FLOATING_CHARS_MAX {
            return Err(PartTooLong(symbols.len()));
        }
        let mut places: Vec<(char, u64)> = Vec::new();
        let mut any = 0;
        let mut place = 0_u64;
        for symbol in symbols {
            place = if place == 0 { 1 } else { place << 1 };
            let Some(character) = symbol else {
                any |= place;
                continue;
            };
            match places.binary_search_by_key(character, |(known, _)| *known) {
                Ok(index) => places[index].1 |= place,
                Err(index) => places.insert(index, (*character, place)),
            }
        }
        let places = places.into();
        Ok(Self {
            places,
            any,
            accepting: place,
        })
    }

    fn end_in(&self, text: &str) -> Option<usize> {
        let mut state = 0_u64;
        for (start, character) in text.char_indices() {
            let found = self.places.binary_search_by_key(&character, |(c, _)| *c);
            let places = found.map_or(0, |index| self.places[index].1);
            state = ((state << 1) | 1) & (self.any | places);
            if state & self.accepting != 0 {
                return Some(start + character.len_utf8());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &Pattern, text: &str) -> bool {
        let matched = pattern.matches(text, &mut Meter::new(u64::MAX));
        matched.expect("there is no limit")
    }

    /// Matches by trying everything.
    fn naive(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skipped| naive(rest, &text[skipped..])),
            Some((symbol, rest)) => text.split_first().is_some_and(|(character, text)| {
                (*symbol == '_' || symbol == character) && naive(rest, text)
            }),
        }
    }

    proptest! {
        #[test]
        fn finds_what_a_naive_matcher_finds(
            pattern in prop::collection::vec(prop::sample::select(vec!['a', 'b', 'é', '_', '%']), 0..10),
            text in prop::collection::vec(prop::sample::select(vec!['a', 'b', 'é']), 0..12),
        ) {
            let compiled = Pattern::compile(&pattern.iter().collect::<String>(), None);
            let compiled = compiled.expect("the pattern is short");
            let matched = fits(&compiled, &text.iter().collect::<String>());
            prop_assert_eq!(matched, naive(&pattern, &text));
        }
    }

    #[test]
    fn parts_with_wildcards_have_up_to_64_characters() {
        let compile = |part: &str| Pattern::compile(&format!("%{part}%"), None);
        let part = format!("{}_a", "é".repeat(62));
        let pattern = compile(&part).expect("64 characters");
        assert!(fits(&pattern, &format!("x{}", part.replace('_', "?"))));
        assert!(!fits(&pattern, &part.replace('a', "?")));
        let refused = compile(&format!("{part}a")).map(|pattern| pattern.part_count());
        assert_eq!(refused, Err(PartTooLong(65)));
        assert!(Pattern::compile(&format!("{}%", "_".repeat(1_000)), None).is_ok());
        assert!(compile(&"a".repeat(1_000)).is_ok());
    }

    #[test]
    fn many_wildcards_cost_little() {
        let pattern = Pattern::compile(&"%a".repeat(1_000), None).expect("the parts are short");
        assert!(!fits(&pattern, &format!("{}b", "a".repeat(100_000))));
        let pattern = Pattern::compile(&"%a_a".repeat(1_000), None).expect("the parts are short");
        assert!(!fits(&pattern, &format!("{}b", "a".repeat(100_000))));
        let part = format!("{}_b", "a".repeat(62));
        let pattern = Pattern::compile(&format!("%{part}%"), None).expect("64 characters");
        assert!(!fits(&pattern, &"a".repeat(100_000)));
    }
}
