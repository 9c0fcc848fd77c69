//! From words to a program, by operator precedence with stacks of our own.
//!
//! Words alternate between two positions, before an operand and after one.
//!
//! 1. Before an operand: a name or literal is emitted; a sign, NOT or `(` is pending.
//! 2. After an operand: an operator first completes all pending ones that bind at least as tightly,
//!    which emits them after their operands; then it is pending itself. `)` completes all up to its `(`.
//! 3. BETWEEN is pending in two steps. As `BetweenLow` it holds back everything, like `(`, until its
//!    AND; then it is `BetweenHigh`, an operator like others.
//! 4. AND and OR emit, before their right side is read, a skip over it, which is told where to lead
//!    when they are complete.
//!
//! Beside the program goes a stack of what kind of value each operand gives, to refuse what can never
//! have a meaning.

use crate::error::{Expected, Found, Kind, ParseError};
use crate::like::{FLOATING_CHARS_MAX, PartTooLong, Pattern};
use crate::program::{Arithmetic, Comparison, Conversion, Op, Program, Sense, Sign};
use crate::selector::Limits;
use crate::token::{INTEGER_LIMIT, Keyword, Lexeme, Lexer, Names, Token};

/// How tightly operators bind (JMS 2.0 section 3.8.1.1; among comparisons as Artemis does it).
mod level {
    /// Completed only by what closes it.
    pub(super) const BARRIER: u8 = 0;
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    /// `=`, `<>` and IS.
    pub(super) const EQUALITY: u8 = 4;
    /// The order of numbers, BETWEEN, LIKE and IN.
    pub(super) const COMPARISON: u8 = 5;
    pub(super) const SUM: u8 = 6;
    pub(super) const PRODUCT: u8 = 7;
    pub(super) const SIGN: u8 = 8;
}

/// Parses a text with its prefixes.
pub(crate) fn parse(text: &str, limits: &Limits) -> Result<Program, ParseError> {
    if text.len() > limits.text_bytes_max {
        return Err(ParseError::TextTooLong {
            bytes: text.len(),
            limit: limits.text_bytes_max,
        });
    }
    let (start, conversion, names) = prefixes(text);
    let mut lexer = Lexer::new(text, start, names);
    let lexeme = lexer.read()?;
    let mut parser = Parser {
        text,
        limits,
        lexer,
        lexeme,
        ops: Vec::new(),
        operands: Vec::new(),
        pending: Vec::new(),
        node_count: 0,
        stack_max: 0,
    };
    if parser.lexeme.token != Token::End {
        parser.run()?;
    }
    Ok(Program {
        ops: parser.ops.into(),
        stack_max: parser.stack_max,
        conversion,
    })
}

/// Where the selector begins, and what the prefixes before it say.
fn prefixes(text: &str) -> (usize, Conversion, Names) {
    let (mut conversion, mut names) = (Conversion::None, Names::Plain);
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix("convert_string_expressions:") {
            (rest, conversion) = (after, Conversion::Text);
        } else if let Some(after) = rest.strip_prefix("no_convert_string_expressions:") {
            (rest, conversion) = (after, Conversion::None);
        } else if let Some(after) = rest.strip_prefix("hyphenated_props:") {
            (rest, names) = (after, Names::Hyphenated);
        } else if let Some(after) = rest.strip_prefix("no_hyphenated_props:") {
            (rest, names) = (after, Names::Plain);
        } else {
            return (text.len() - rest.len(), conversion, names);
        }
    }
}

struct Parser<'t> {
    text: &'t str,
    limits: &'t Limits,
    lexer: Lexer<'t>,
    /// The word to be looked at.
    lexeme: Lexeme<'t>,
    ops: Vec<Op>,
    /// What will be on the stack when the program has come to the end of `ops`.
    operands: Vec<Operand>,
    /// Operators whose last operand is not complete. At most `depth_max`.
    pending: Vec<Pending>,
    /// What has been emitted, skips aside. At most `nodes_max`.
    node_count: usize,
    /// The most `operands` so far.
    stack_max: usize,
}

#[derive(Clone, Copy)]
struct Operand {
    kind: Kind,
    /// Where it begins.
    position: usize,
}

#[derive(Clone, Copy)]
struct Pending {
    operator: Operator,
    position: usize,
}

#[derive(Clone, Copy)]
enum Operator {
    Open,
    BetweenLow(Sense),
    BetweenHigh(Sense),
    /// With the place of its skip in the program, as the next one.
    And(usize),
    Or(usize),
    Not,
    Compare(Comparison),
    Arithmetic(Arithmetic),
    Sign(Sign),
}

/// Where the parser stands after a word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    BeforeOperand,
    AfterOperand,
    End,
}

impl Operator {
    fn level(self) -> u8 {
        match self {
            Self::Open | Self::BetweenLow(_) => level::BARRIER,
            Self::Or(_) => level::OR,
            Self::And(_) => level::AND,
            Self::Not => level::NOT,
            Self::Compare(Comparison::Equal | Comparison::NotEqual) => level::EQUALITY,
            Self::Compare(
                Comparison::Less
                | Comparison::LessOrEqual
                | Comparison::Greater
                | Comparison::GreaterOrEqual,
            )
            | Self::BetweenHigh(_) => level::COMPARISON,
            Self::Arithmetic(Arithmetic::Add | Arithmetic::Subtract) => level::SUM,
            Self::Arithmetic(Arithmetic::Multiply | Arithmetic::Divide) => level::PRODUCT,
            Self::Sign(_) => level::SIGN,
        }
    }
}

impl<'t> Parser<'t> {
    fn run(&mut self) -> Result<(), ParseError> {
        let mut position = Position::BeforeOperand;
        loop {
            position = match position {
                Position::BeforeOperand => self.operand()?,
                Position::AfterOperand => self.operator()?,
                Position::End => return Ok(()),
            };
        }
    }

    fn operand(&mut self) -> Result<Position, ParseError> {
        let lexeme = self.advance()?;
        let position = lexeme.start;
        let (op, kind) = match lexeme.token {
            Token::Open => return self.prefix(Operator::Open, position),
            Token::Keyword(Keyword::Not) => return self.prefix(Operator::Not, position),
            Token::Arithmetic(Arithmetic::Add) => {
                return self.prefix(Operator::Sign(Sign::Plus), position);
            }
            Token::Arithmetic(Arithmetic::Subtract) => {
                return self.prefix(Operator::Sign(Sign::Minus), position);
            }
            Token::Name(name) => (Op::Property(name.into()), Kind::Name),
            Token::Text(text) => (Op::Text(text.into()), Kind::Text),
            Token::Integer(integer) => return self.integer(integer, &lexeme),
            Token::Float(float) => (Op::Float(float), Kind::Number),
            Token::Keyword(Keyword::True) => (Op::Boolean(true), Kind::Boolean),
            Token::Keyword(Keyword::False) => (Op::Boolean(false), Kind::Boolean),
            Token::Keyword(
                Keyword::And
                | Keyword::Between
                | Keyword::Escape
                | Keyword::In
                | Keyword::Is
                | Keyword::Like
                | Keyword::Null
                | Keyword::Or,
            )
            | Token::Comparison(_)
            | Token::Arithmetic(Arithmetic::Multiply | Arithmetic::Divide)
            | Token::Close
            | Token::Comma
            | Token::Unknown
            | Token::End => return Err(self.unexpected(&lexeme, Expected::Operand)),
        };
        self.emit_operand(op, kind, position)
    }

    fn prefix(&mut self, operator: Operator, position: usize) -> Result<Position, ParseError> {
        self.push(operator, position)?;
        Ok(Position::BeforeOperand)
    }

    /// An integer; the one that only fits when negated takes its minus with it.
    fn integer(&mut self, integer: u64, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        if let Ok(integer) = i64::try_from(integer) {
            return self.emit_operand(Op::Integer(integer), Kind::Number, lexeme.start);
        }
        match self.pending.last() {
            Some(Pending {
                operator: Operator::Sign(Sign::Minus),
                position,
            }) if integer == INTEGER_LIMIT => {
                let position = *position;
                self.pending.pop();
                self.emit_operand(Op::Integer(i64::MIN), Kind::Number, position)
            }
            _ => Err(self.unexpected(lexeme, Expected::IntegerInRange)),
        }
    }

    fn operator(&mut self) -> Result<Position, ParseError> {
        let lexeme = self.advance()?;
        match &lexeme.token {
            Token::Arithmetic(operator) => self.infix(Operator::Arithmetic(*operator), &lexeme),
            Token::Comparison(operator) => self.infix(Operator::Compare(*operator), &lexeme),
            Token::Keyword(Keyword::And) => self.and(&lexeme),
            Token::Keyword(Keyword::Or) => self.or(&lexeme),
            Token::Keyword(Keyword::Is) => self.is_null(&lexeme),
            Token::Keyword(Keyword::Not) => {
                let operator = self.advance()?;
                self.tested(&operator, Sense::IsNot, Expected::NegatedOperator)
            }
            Token::Close => self.close(&lexeme),
            Token::End => self.end(&lexeme),
            Token::Keyword(_)
            | Token::Name(_)
            | Token::Text(_)
            | Token::Integer(_)
            | Token::Float(_)
            | Token::Open
            | Token::Comma
            | Token::Unknown => {
                let expected = self.expected_after_operand();
                self.tested(&lexeme, Sense::Is, expected)
            }
        }
    }

    /// LIKE, BETWEEN or IN; anything else is not what was expected.
    fn tested(
        &mut self,
        lexeme: &Lexeme<'t>,
        sense: Sense,
        expected: Expected,
    ) -> Result<Position, ParseError> {
        if lexeme.token == Token::Keyword(Keyword::Between) {
            self.complete_for(level::COMPARISON, lexeme)?;
            self.prefix(Operator::BetweenLow(sense), lexeme.start)
        } else if lexeme.token == Token::Keyword(Keyword::Like) {
            self.like(sense, lexeme)
        } else if lexeme.token == Token::Keyword(Keyword::In) {
            self.is_in(sense, lexeme)
        } else {
            Err(self.unexpected(lexeme, expected))
        }
    }

    fn infix(&mut self, operator: Operator, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        self.complete_for(operator.level(), lexeme)?;
        self.prefix(operator, lexeme.start)
    }

    fn and(&mut self, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        self.complete(level::AND)?;
        if let Some(pending) = self.pending.last_mut()
            && let Operator::BetweenLow(sense) = pending.operator
        {
            pending.operator = Operator::BetweenHigh(sense);
            return Ok(Position::BeforeOperand);
        }
        self.check(self.top(), Kind::Boolean)?;
        self.ops.push(Op::SkipIfFalse(0));
        self.prefix(Operator::And(self.ops.len()), lexeme.start)
    }

    fn or(&mut self, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        self.complete_for(level::OR, lexeme)?;
        self.check(self.top(), Kind::Boolean)?;
        self.ops.push(Op::SkipIfTrue(0));
        self.prefix(Operator::Or(self.ops.len()), lexeme.start)
    }

    fn close(&mut self, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        self.complete_for(level::OR, lexeme)?;
        match self.pending.pop() {
            Some(_) => Ok(Position::AfterOperand),
            None => Err(self.unexpected(lexeme, Expected::Operator)),
        }
    }

    fn end(&mut self, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        self.complete_for(level::OR, lexeme)?;
        if !self.pending.is_empty() {
            return Err(self.unexpected(lexeme, Expected::OperatorOrClose));
        }
        self.check(self.top(), Kind::Boolean)?;
        Ok(Position::End)
    }

    fn is_null(&mut self, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        let name = self.name(level::EQUALITY, lexeme)?;
        let mut word = self.advance()?;
        let mut sense = Sense::Is;
        if word.token == Token::Keyword(Keyword::Not) {
            word = self.advance()?;
            sense = Sense::IsNot;
        }
        if word.token != Token::Keyword(Keyword::Null) {
            return Err(self.unexpected(&word, Expected::Null));
        }
        self.emit_test(Op::IsNull(sense), 1, name)
    }

    fn is_in(&mut self, sense: Sense, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        let name = self.name(level::COMPARISON, lexeme)?;
        let open = self.advance()?;
        if open.token != Token::Open {
            return Err(self.unexpected(&open, Expected::OpenList));
        }
        let mut texts = Vec::new();
        loop {
            let (text, position) = self.text_literal(Expected::TextLiteral)?;
            self.count(1, position)?;
            texts.push(text);
            let separator = self.advance()?;
            if separator.token == Token::Close {
                break;
            }
            if separator.token != Token::Comma {
                return Err(self.unexpected(&separator, Expected::CommaOrClose));
            }
        }
        texts.sort_unstable();
        texts.dedup();
        self.emit_test(Op::In(texts.into(), sense), 1, name)
    }

    fn like(&mut self, sense: Sense, lexeme: &Lexeme<'t>) -> Result<Position, ParseError> {
        let name = self.name(level::COMPARISON, lexeme)?;
        let (pattern, position) = self.text_literal(Expected::TextLiteral)?;
        let mut escape = None;
        if self.lexeme.token == Token::Keyword(Keyword::Escape) {
            self.advance()?;
            let lexeme = self.lexeme.clone();
            let (text, _) = self.text_literal(Expected::EscapeCharacter)?;
            let mut characters = text.chars();
            escape = characters.next();
            if escape.is_none() || characters.next().is_some() {
                return Err(self.unexpected(&lexeme, Expected::EscapeCharacter));
            }
        }
        let pattern = Pattern::compile(&pattern, escape);
        let pattern =
            pattern.map_err(|PartTooLong(characters)| ParseError::PatternPartTooLong {
                position,
                characters,
                limit: FLOATING_CHARS_MAX,
            })?;
        let nodes = pattern.part_count();
        self.emit_test(Op::Like(Box::new(pattern), sense), nodes, name)
    }

    /// The name that LIKE, IN or IS is about.
    fn name(&mut self, level: u8, lexeme: &Lexeme<'t>) -> Result<Operand, ParseError> {
        self.complete_for(level, lexeme)?;
        let operand = self.top();
        match operand.kind {
            Kind::Name => Ok(operand),
            kind @ (Kind::Number | Kind::Text | Kind::Boolean) => Err(ParseError::Unexpected {
                position: operand.position,
                found: Found::Kind(kind),
                expected: Expected::Name,
            }),
        }
    }

    fn text_literal(&mut self, expected: Expected) -> Result<(Box<str>, usize), ParseError> {
        let lexeme = self.advance()?;
        match &lexeme.token {
            Token::Text(text) => Ok((text.as_ref().into(), lexeme.start)),
            Token::Name(_)
            | Token::Integer(_)
            | Token::Float(_)
            | Token::Keyword(_)
            | Token::Comparison(_)
            | Token::Arithmetic(_)
            | Token::Open
            | Token::Close
            | Token::Comma
            | Token::Unknown
            | Token::End => Err(self.unexpected(&lexeme, expected)),
        }
    }

    /// Completes what binds at least as tightly, for an operator that cannot stand in the lower bound
    /// of a BETWEEN unless it is arithmetic.
    fn complete_for(&mut self, level: u8, lexeme: &Lexeme<'t>) -> Result<(), ParseError> {
        self.complete(level)?;
        match self.pending.last() {
            Some(Pending {
                operator: Operator::BetweenLow(_),
                ..
            }) if level <= level::COMPARISON => Err(self.unexpected(lexeme, Expected::BetweenAnd)),
            _ => Ok(()),
        }
    }

    fn complete(&mut self, level: u8) -> Result<(), ParseError> {
        while let Some(pending) = self.pending.last().copied()
            && pending.operator.level() >= level
        {
            self.pending.pop();
            self.apply(pending)?;
        }
        Ok(())
    }

    /// Emits an operator whose operands are complete. Barriers are never completed.
    fn apply(&mut self, pending: Pending) -> Result<(), ParseError> {
        let at = pending.position;
        match pending.operator {
            Operator::Open | Operator::BetweenLow(_) => Ok(()),
            Operator::Sign(sign) => {
                self.check(self.top(), Kind::Number)?;
                self.emit_sign(sign, at)
            }
            Operator::Not => {
                self.check(self.top(), Kind::Boolean)?;
                self.emit(Op::Not, 1, Kind::Boolean, at)
            }
            Operator::Arithmetic(operator) => self.emit_over(
                Op::Arithmetic(operator),
                [Kind::Number; 2],
                Kind::Number,
                at,
            ),
            Operator::Compare(operator @ (Comparison::Equal | Comparison::NotEqual)) => {
                self.emit_over(Op::Compare(operator), [Kind::Name; 2], Kind::Boolean, at)
            }
            Operator::Compare(operator) => {
                self.emit_over(Op::Compare(operator), [Kind::Number; 2], Kind::Boolean, at)
            }
            Operator::BetweenHigh(sense) => {
                self.emit_over(Op::Between(sense), [Kind::Number; 3], Kind::Boolean, at)
            }
            Operator::And(after_skip) => {
                self.emit_over(Op::And, [Kind::Boolean; 2], Kind::Boolean, at)?;
                self.ops[after_skip - 1] = Op::SkipIfFalse(self.ops.len());
                Ok(())
            }
            Operator::Or(after_skip) => {
                self.emit_over(Op::Or, [Kind::Boolean; 2], Kind::Boolean, at)?;
                self.ops[after_skip - 1] = Op::SkipIfTrue(self.ops.len());
                Ok(())
            }
        }
    }

    fn emit_operand(&mut self, op: Op, kind: Kind, at: usize) -> Result<Position, ParseError> {
        self.count(1, at)?;
        self.ops.push(op);
        self.operands.push(Operand { kind, position: at });
        self.stack_max = self.stack_max.max(self.operands.len());
        Ok(Position::AfterOperand)
    }

    /// A sign of a literal becomes a part of it.
    fn emit_sign(&mut self, sign: Sign, at: usize) -> Result<(), ParseError> {
        match (self.ops.last_mut(), sign) {
            (Some(Op::Integer(_) | Op::Float(_)), Sign::Plus) => {}
            (Some(Op::Integer(integer)), Sign::Minus) => *integer = integer.wrapping_neg(),
            (Some(Op::Float(float)), Sign::Minus) => *float = -*float,
            _ => return self.emit(Op::Sign(sign), 1, Kind::Number, at),
        }
        self.operands.pop();
        self.operands.push(Operand {
            kind: Kind::Number,
            position: at,
        });
        Ok(())
    }

    /// Emits an operator over operands of these kinds ([`Kind::Name`]: any). It begins where the first
    /// of them does.
    fn emit_over<const N: usize>(
        &mut self,
        op: Op,
        kinds: [Kind; N],
        result: Kind,
        at: usize,
    ) -> Result<(), ParseError> {
        let first = self.operands.len() - N;
        for (operand, wanted) in self.operands[first..].iter().zip(kinds) {
            self.check(*operand, wanted)?;
        }
        let begins = self.operands[first].position;
        self.count(1, at)?;
        self.ops.push(op);
        self.operands.truncate(first);
        self.operands.push(Operand {
            kind: result,
            position: begins,
        });
        Ok(())
    }

    /// Emits an operator over the topmost operand.
    fn emit(&mut self, op: Op, nodes: usize, result: Kind, at: usize) -> Result<(), ParseError> {
        self.count(nodes, at)?;
        self.ops.push(op);
        self.operands.pop();
        self.operands.push(Operand {
            kind: result,
            position: at,
        });
        Ok(())
    }

    fn emit_test(&mut self, op: Op, nodes: usize, name: Operand) -> Result<Position, ParseError> {
        self.emit(op, nodes, Kind::Boolean, name.position)?;
        Ok(Position::AfterOperand)
    }

    fn count(&mut self, nodes: usize, position: usize) -> Result<(), ParseError> {
        self.node_count += nodes;
        if self.node_count > self.limits.nodes_max {
            return Err(ParseError::TooManyNodes {
                position,
                limit: self.limits.nodes_max,
            });
        }
        Ok(())
    }

    fn push(&mut self, operator: Operator, position: usize) -> Result<(), ParseError> {
        if self.pending.len() >= self.limits.depth_max {
            return Err(ParseError::TooDeep {
                position,
                limit: self.limits.depth_max,
            });
        }
        self.pending.push(Pending { operator, position });
        Ok(())
    }

    /// The operand that was completed last.
    fn top(&self) -> Operand {
        *self
            .operands
            .last()
            .expect("an operator is looked at only after an operand")
    }

    /// Refuses an operand that can never be of the kind wanted ([`Kind::Name`]: any).
    fn check(&self, operand: Operand, wanted: Kind) -> Result<(), ParseError> {
        let expected = match wanted {
            _ if operand.kind == Kind::Name || operand.kind == wanted => return Ok(()),
            Kind::Name | Kind::Text => return Ok(()),
            Kind::Number => Expected::Number,
            Kind::Boolean => Expected::Condition,
        };
        Err(ParseError::Unexpected {
            position: operand.position,
            found: Found::Kind(operand.kind),
            expected,
        })
    }

    fn expected_after_operand(&self) -> Expected {
        let barriers = self.pending.iter().rev().map(|pending| pending.operator);
        let barrier = barriers.into_iter().find(|o| o.level() == level::BARRIER);
        match barrier {
            Some(Operator::BetweenLow(_)) => Expected::BetweenAnd,
            Some(_) => Expected::OperatorOrClose,
            None => Expected::Operator,
        }
    }

    /// Hands out the word to be looked at and reads the next one.
    fn advance(&mut self) -> Result<Lexeme<'t>, ParseError> {
        if self.lexeme.token == Token::End {
            return Ok(self.lexeme.clone());
        }
        let next = self.lexer.read()?;
        Ok(std::mem::replace(&mut self.lexeme, next))
    }

    fn unexpected(&self, lexeme: &Lexeme<'t>, expected: Expected) -> ParseError {
        ParseError::Unexpected {
            position: lexeme.start,
            found: Found::fragment(&self.text[lexeme.start..lexeme.end]),
            expected,
        }
    }
}
