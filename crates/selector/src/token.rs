//! The words of a selector (JMS 2.0 section 3.8.1.1).

use crate::error::{Expected, Found, ParseError};
use crate::program::{Arithmetic, Comparison};
use std::borrow::Cow;

/// One past the greatest integer: only a minus makes it one that fits.
pub(crate) const INTEGER_LIMIT: u64 = 1 << 63;

/// A word, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lexeme<'t> {
    pub(crate) token: Token<'t>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'t> {
    Name(Cow<'t, str>),
    Text(Cow<'t, str>),
    /// At most [`INTEGER_LIMIT`].
    Integer(u64),
    Float(f64),
    Keyword(Keyword),
    Comparison(Comparison),
    /// Also the signs.
    Arithmetic(Arithmetic),
    Open,
    Close,
    Comma,
    /// A character that begins nothing.
    Unknown,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    And,
    Between,
    Escape,
    False,
    In,
    Is,
    Like,
    Not,
    Null,
    Or,
    True,
}

/// The words that cannot be names, in any case.
const KEYWORDS: &[(&str, Keyword)] = &[
    ("AND", Keyword::And),
    ("BETWEEN", Keyword::Between),
    ("ESCAPE", Keyword::Escape),
    ("FALSE", Keyword::False),
    ("IN", Keyword::In),
    ("IS", Keyword::Is),
    ("LIKE", Keyword::Like),
    ("NOT", Keyword::Not),
    ("NULL", Keyword::Null),
    ("OR", Keyword::Or),
    ("TRUE", Keyword::True),
];

/// What a name may be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Names {
    /// Letters, digits, `_` and `$`, as Java has it.
    Plain,
    /// `-` too, but not as the first.
    Hyphenated,
}

/// Cuts a text into words, each once, in order.
pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    names: Names,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str, start: usize, names: Names) -> Self {
        Self {
            text,
            at: start,
            names,
        }
    }

    /// The next word; at the end of the text, [`Token::End`] each time.
    pub(crate) fn read(&mut self) -> Result<Lexeme<'t>, ParseError> {
        let blanks = [' ', '\t', '\n', '\r', '\x0c'];
        self.at = self.text.len() - self.rest().trim_start_matches(blanks).len();
        let start = self.at;
        let token = self.token()?;
        let end = self.at;
        Ok(Lexeme { token, start, end })
    }

    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn token(&mut self) -> Result<Token<'t>, ParseError> {
        let mut characters = self.rest().chars();
        let Some(first) = characters.next() else {
            return Ok(Token::End);
        };
        let second = characters.next();
        let (token, length) = match (first, second) {
            ('\'', _) => return self.quoted('\'').map(Token::Text),
            ('"', _) => return self.quoted_name(),
            ('0'..='9', _) | ('.', Some('0'..='9')) => return self.number(),
            ('<', Some('>')) => (Token::Comparison(Comparison::NotEqual), 2),
            ('<', Some('=')) => (Token::Comparison(Comparison::LessOrEqual), 2),
            ('>', Some('=')) => (Token::Comparison(Comparison::GreaterOrEqual), 2),
            ('<', _) => (Token::Comparison(Comparison::Less), 1),
            ('>', _) => (Token::Comparison(Comparison::Greater), 1),
            ('=', _) => (Token::Comparison(Comparison::Equal), 1),
            ('+', _) => (Token::Arithmetic(Arithmetic::Add), 1),
            ('-', _) => (Token::Arithmetic(Arithmetic::Subtract), 1),
            ('*', _) => (Token::Arithmetic(Arithmetic::Multiply), 1),
            ('/', _) => (Token::Arithmetic(Arithmetic::Divide), 1),
            ('(', _) => (Token::Open, 1),
            (')', _) => (Token::Close, 1),
            (',', _) => (Token::Comma, 1),
            _ if is_name_start(first) => return Ok(self.word()),
            _ => (Token::Unknown, first.len_utf8()),
        };
        self.at += length;
        Ok(token)
    }

    fn word(&mut self) -> Token<'t> {
        let names = self.names;
        let is_part = |c: char| is_name_part(c) || (c == '-' && names == Names::Hyphenated);
        let word = self.take_while(is_part);
        let keyword = KEYWORDS
            .iter()
            .find(|(spelling, _)| spelling.eq_ignore_ascii_case(word));
        keyword.map_or(Token::Name(Cow::Borrowed(word)), |(_, keyword)| {
            Token::Keyword(*keyword)
        })
    }

    fn quoted_name(&mut self) -> Result<Token<'t>, ParseError> {
        let start = self.at;
        let name = self.quoted('"')?;
        if name.is_empty() {
            return Err(self.unexpected(start, Expected::QuotedName));
        }
        Ok(Token::Name(name))
    }

    /// What stands between two quotes; a doubled quote stands for one.
    fn quoted(&mut self, quote: char) -> Result<Cow<'t, str>, ParseError> {
        let opened = self.at;
        self.at += 1;
        let start = self.at;
        let mut is_doubled = false;
        loop {
            self.take_while(|c| c != quote);
            if self.rest().is_empty() {
                return Err(self.unexpected(self.at, Expected::ClosingQuote(opened)));
            }
            self.at += 1;
            if !self.rest().starts_with(quote) {
                break;
            }
            is_doubled = true;
            self.at += 1;
        }
        let inner = &self.text[start..self.at - 1];
        Ok(match (is_doubled, quote) {
            (false, _) => Cow::Borrowed(inner),
            (true, '"') => Cow::Owned(inner.replace("\"\"", "\"")),
            (true, _) => Cow::Owned(inner.replace("''", "'")),
        })
    }

    /// A literal as Java spells it, but without `_` between digits, binary and hexadecimal floats.
    fn number(&mut self) -> Result<Token<'t>, ParseError> {
        let start = self.at;
        let token = match self.rest().as_bytes() {
            [b'0', b'x' | b'X', ..] => {
                self.at += 2;
                let digits = self.take_while(|c| c.is_ascii_hexdigit());
                self.take_one_of(&['l', 'L']);
                self.integer(start, digits, 16)?
            }
            _ => self.decimal(start)?,
        };
        if self.rest().starts_with(is_name_part) {
            self.take_while(is_name_part);
            return Err(self.unexpected(start, Expected::NumberLiteral));
        }
        Ok(token)
    }

    fn decimal(&mut self, start: usize) -> Result<Token<'t>, ParseError> {
        let digits = self.take_while(|c| c.is_ascii_digit());
        let mut is_float = false;
        if self.take_one_of(&['.']) {
            is_float = true;
            self.take_while(|c| c.is_ascii_digit());
        }
        if self.take_one_of(&['e', 'E']) {
            is_float = true;
            self.take_one_of(&['+', '-']);
            if self.take_while(|c| c.is_ascii_digit()).is_empty() {
                self.take_while(is_name_part);
                return Err(self.unexpected(start, Expected::NumberLiteral));
            }
        }
        let spelling = &self.text[start..self.at];
        if self.take_one_of(&['f', 'F']) {
            // Java rounds such a literal to its `float`, as it does a property of that type.
            return self.float(start, spelling.parse().map(f32::into).ok());
        }
        if self.take_one_of(&['d', 'D']) || is_float {
            return self.float(start, spelling.parse().ok());
        }
        self.take_one_of(&['l', 'L']);
        let is_octal = digits.len() > 1 && digits.starts_with('0');
        self.integer(start, digits, if is_octal { 8 } else { 10 })
    }

    fn integer(&self, start: usize, digits: &str, radix: u32) -> Result<Token<'t>, ParseError> {
        if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
            return Err(self.unexpected(start, Expected::NumberLiteral));
        }
        match u64::from_str_radix(digits, radix) {
            Ok(integer) if integer <= INTEGER_LIMIT => Ok(Token::Integer(integer)),
            Ok(_) | Err(_) => Err(self.unexpected(start, Expected::IntegerInRange)),
        }
    }

    fn float(&self, start: usize, float: Option<f64>) -> Result<Token<'t>, ParseError> {
        match float {
            Some(float) if float.is_finite() => Ok(Token::Float(float)),
            Some(_) | None => Err(self.unexpected(start, Expected::FloatInRange)),
        }
    }

    fn take_while(&mut self, is_part: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn take_one_of(&mut self, characters: &[char]) -> bool {
        let found = self.rest().starts_with(characters);
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, position: usize, expected: Expected) -> ParseError {
        ParseError::Unexpected {
            position,
            found: Found::fragment(&self.text[position..self.at]),
            expected,
        }
    }
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

fn is_name_part(c: char) -> bool {
    is_name_start(c) || c.is_numeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spelled_as_in_java() {
        let number = Expected::NumberLiteral;
        let rows = [
            ("0", Ok(Token::Integer(0))),
            ("57", Ok(Token::Integer(57))),
            ("57l", Ok(Token::Integer(57))),
            ("57L", Ok(Token::Integer(57))),
            ("0x1F", Ok(Token::Integer(31))),
            ("0XfL", Ok(Token::Integer(15))),
            ("0xFFFFFFFF", Ok(Token::Integer(0xFFFF_FFFF))),
            ("017", Ok(Token::Integer(15))),
            ("017L", Ok(Token::Integer(15))),
            ("9223372036854775808", Ok(Token::Integer(INTEGER_LIMIT))),
            ("7E3", Ok(Token::Float(7_000.0))),
            ("57.9e-2", Ok(Token::Float(0.579))),
            ("1e+2", Ok(Token::Float(100.0))),
            ("7.", Ok(Token::Float(7.0))),
            (".5", Ok(Token::Float(0.5))),
            ("6.2d", Ok(Token::Float(6.2))),
            ("6D", Ok(Token::Float(6.0))),
            ("08.5", Ok(Token::Float(8.5))),
            ("0.1f", Ok(Token::Float(f64::from(0.1_f32)))),
            ("1F", Ok(Token::Float(1.0))),
            ("9223372036854775809", Err(Expected::IntegerInRange)),
            ("0x10000000000000000", Err(Expected::IntegerInRange)),
            ("1e999", Err(Expected::FloatInRange)),
            ("1e39f", Err(Expected::FloatInRange)),
            ("08", Err(number)),
            ("0x", Err(number)),
            ("0xG", Err(number)),
            ("1e", Err(number)),
            ("1ex", Err(number)),
            ("12ab", Err(number)),
            ("1_000", Err(number)),
            ("1.5L", Err(number)),
        ];
        for (text, expected) in rows {
            let read = Lexer::new(text, 0, Names::Plain).read();
            let expected = match expected {
                Ok(token) => Ok(Lexeme {
                    token,
                    start: 0,
                    end: text.len(),
                }),
                Err(expected) => Err(expected),
            };
            let read = read.map_err(|error| {
                let ParseError::Unexpected { expected, .. } = error else {
                    panic!("{text}: {error}");
                };
                expected
            });
            assert_eq!(read, expected, "{text}");
        }
    }
}
