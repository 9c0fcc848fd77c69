//! Any split of the input gives the same frames and contents.

use crate::tables::{any_fields, table_bytes};
use crate::wire::{codec, frame, header, method, publish};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::sample::Index;
use proto_amqp091::{Assembler, Codec, Content, Decoded, Frame, Progress, Side};
use std::collections::BTreeMap;

/// Whether a content that lies there whole is taken at once.
#[derive(Clone, Copy)]
enum Contents {
    AtOnce,
    ByFrames,
}

/// Reads as a session does, and notes what it has read.
struct Reading {
    codec: Codec,
    contents: Contents,
    assemblers: BTreeMap<u16, Assembler>,
    texts: Vec<String>,
}

impl Reading {
    fn note(&mut self, content: &Content<'_>) {
        self.texts.push(format!("{content:?}"));
    }

    /// Takes the first frame of the input, and what belongs to it. Nothing if there is none.
    fn step(&mut self, input: &[u8]) -> Result<Option<usize>, ()> {
        let whole = Content::whole_publish(&self.codec, input, 300);
        if let (Some((channel, content, len)), Contents::AtOnce) = (whole, self.contents) {
            let is_idle = |it: &Assembler| it.is_idle();
            if self.assemblers.get(&channel).is_none_or(is_idle) {
                self.note(&content);
                return Ok(Some(len));
            }
        }
        let (Frame { channel, payload }, len) = match self.codec.decode(input) {
            Ok(Decoded::Frame(frame, len)) => (frame, len),
            Ok(Decoded::Incomplete { missing_bytes }) => {
                assert!(missing_bytes > 0);
                return Ok(None);
            }
            Err(error) => return self.fail(&error),
        };
        let of_channel = self.assemblers.entry(channel);
        let assembler = of_channel.or_insert_with(|| Assembler::new(300));
        let text = match assembler.take(payload) {
            Ok(Progress::More) => String::new(),
            Ok(Progress::Content(content)) => format!("{content:?}"),
            Ok(progress) => format!("{progress:?}"),
            Err(error) => return self.fail(&error),
        };
        if !text.is_empty() {
            self.texts.push(text);
        }
        Ok(Some(len))
    }

    fn fail(&mut self, error: &dyn std::fmt::Display) -> Result<Option<usize>, ()> {
        self.texts.push(error.to_string());
        Err(())
    }
}

/// Everything that is read of some input which comes in these pieces, as text.
fn read(contents: Contents, input: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut reading = Reading {
        codec: codec(Side::Client),
        contents,
        assemblers: BTreeMap::new(),
        texts: Vec::new(),
    };
    let mut at = 0;
    let mut cuts = cuts.to_vec();
    cuts.push(input.len());
    cuts.sort_unstable();
    for until in cuts {
        loop {
            match reading.step(&input[at..until]) {
                Ok(Some(len)) => at += len,
                Ok(None) => break,
                Err(()) => return reading.texts,
            }
        }
    }
    reading.texts.push(format!("{} left", input.len() - at));
    reading.texts
}

/// A publish, its body in some frames.
fn any_publish(channel: u16) -> impl Strategy<Value = Vec<u8>> {
    let body = vec(vec(any::<u8>(), 0..60), 0..4);
    (any_fields(), body).prop_map(move |(fields, body)| {
        let table = table_bytes(&fields);
        let mut properties = vec![0x20, 0];
        properties.extend(u32::try_from(table.len()).unwrap().to_be_bytes());
        properties.extend(table);
        let len: usize = body.iter().map(Vec::len).sum();
        let mut bytes = publish(channel, "key");
        bytes.extend(header(channel, len as u64, &properties));
        if len > 0 {
            body.iter()
                .for_each(|it| bytes.extend(frame(3, channel, it)));
        }
        bytes
    })
}

fn any_conversation() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        3 => any_publish(1),
        1 => any_publish(2),
        1 => Just(method(1, 60, 80, &[0, 0, 0, 0, 0, 0, 0, 1, 1])),
        1 => Just(method(0, 10, 31, &[0, 10, 0, 2, 0, 0, 0, 60])),
        1 => Just(frame(8, 0, &[])),
    ];
    vec(part, 0..8).prop_map(|parts| parts.concat())
}

/// Some bytes changed, inserted or removed.
fn damaged(mut input: Vec<u8>, damages: &[(Index, u8, u8)]) -> Vec<u8> {
    for (at, octet, kind) in damages {
        if input.is_empty() {
            break;
        }
        let at = at.index(input.len());
        match kind {
            0 => input[at] = *octet,
            1 => input.insert(at, *octet),
            _ => {
                input.remove(at);
            }
        }
    }
    input
}

fn places(cuts: &[Index], input: &[u8]) -> Vec<usize> {
    cuts.iter().map(|cut| cut.index(input.len() + 1)).collect()
}

#[test]
fn byte_by_byte_is_as_good_as_whole() {
    let input = [
        publish(1, "k"),
        header(1, 3, b"\0\0"),
        frame(3, 1, b"abc"),
        method(1, 90, 20, &[]),
    ]
    .concat();
    let whole = read(Contents::AtOnce, &input, &[]);
    assert_eq!(whole.len(), 3, "{whole:?}");
    let cuts: Vec<usize> = (0..input.len()).collect();
    assert_eq!(read(Contents::AtOnce, &input, &cuts), whole);
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        input in any_conversation(),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let whole = read(Contents::AtOnce, &input, &[]);
        assert!(whole.last().unwrap().ends_with("0 left") || whole.iter().any(|it| it.contains("frame")));
        assert_eq!(read(Contents::AtOnce, &input, &places(&cuts, &input)), whole);
        assert_eq!(read(Contents::ByFrames, &input, &[]), whole);
    }

    /// Also where the client errs.
    #[test]
    fn any_split_of_a_damaged_conversation_gives_the_same(
        input in any_conversation(),
        damages in vec((any::<Index>(), any::<u8>(), 0_u8..3), 1..4),
        cuts in vec(any::<Index>(), 0..20),
    ) {
        let input = damaged(input, &damages);
        let whole = read(Contents::AtOnce, &input, &[]);
        assert_eq!(read(Contents::AtOnce, &input, &places(&cuts, &input)), whole);
        assert_eq!(read(Contents::ByFrames, &input, &[]), whole);
    }

    #[test]
    fn any_bytes_are_survived(input in vec(any::<u8>(), 0..200), cuts in vec(any::<Index>(), 0..5)) {
        let whole = read(Contents::AtOnce, &input, &[]);
        assert_eq!(read(Contents::AtOnce, &input, &places(&cuts, &input)), whole);
    }
}
