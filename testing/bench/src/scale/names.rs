//! What destinations are called, and how a subscription names them.

use super::{
    setup::wire,
    shape::{Dimension, Shape},
};

/// Digits of a destination's number.
const NUMBER_DIGITS: usize = 6;

/// Topics of one shape are told apart by the number of the destination and, where a subscription leaves levels open,
/// by what stands there.
pub(super) struct Topic {
    pub(super) destination: u64,
    pub(super) open: u64,
}

/// The name of a destination to publish to. All of a shape are of one length.
pub(super) fn topic(shape: Shape, topic: &Topic) -> String {
    let Dimension::Wildcards { levels } = shape.dimension else {
        return plain(shape, topic.destination);
    };
    let number = digits(topic.destination);
    let parts = parts(&number, levels).enumerate().map(|(place, part)| {
        // One open level has many names, so that no topic is like one before.
        let open = if place == 0 {
            digits(topic.open)
        } else {
            "x".to_owned()
        };
        format!("{part}/{open}")
    });
    parts.collect::<Vec<_>>().join("/")
}

/// How a subscription names a destination.
pub(super) fn filter(shape: Shape, destination: u64) -> String {
    let Dimension::Wildcards { levels } = shape.dimension else {
        return plain(shape, destination);
    };
    let number = digits(destination);
    let parts = parts(&number, levels).map(|part| format!("{part}/+"));
    parts.collect::<Vec<_>>().join("/")
}

fn plain(shape: Shape, destination: u64) -> String {
    let name = format!("scale.{}", digits(destination));
    wire(shape).destination(shape.target(), &name)
}

fn digits(number: u64) -> String {
    format!("{number:0NUMBER_DIGITS$}")
}

/// A number in as many parts as half the levels, the rest being open; the first are the longer ones.
fn parts(number: &str, levels: usize) -> impl Iterator<Item = &str> {
    let count = (levels / 2).clamp(1, NUMBER_DIGITS);
    let mut rest = number;
    (0..count).map(move |place| {
        let (part, left) = rest.split_at(rest.len().div_ceil(count - place));
        rest = left;
        part
    })
}

/// Where the digits of a number stand in a frame: all places in which two renderings of it differ.
pub(super) fn places(zeros: &[u8], nines: &[u8]) -> Vec<usize> {
    let both = zeros.iter().zip(nines);
    let differing = both.enumerate().filter(|(_, (zero, nine))| zero != nine);
    differing.map(|(place, _)| place).collect()
}

/// A number of which all [`NUMBER_DIGITS`] are nines.
pub(super) const NINES: u64 = 999_999;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Protocol;

    #[test]
    fn a_topic_has_the_levels_that_its_subscription_has() {
        for (levels, topic_name, filter_name) in [
            (2, "012345/000007", "012345/+"),
            (4, "012/000007/345/x", "012/+/345/+"),
            (8, "01/000007/23/x/4/x/5/x", "01/+/23/+/4/+/5/+"),
        ] {
            let shape = Shape {
                protocol: Protocol::Mqtt,
                dimension: Dimension::Wildcards { levels },
                size: 1,
            };
            let named = Topic {
                destination: 12_345,
                open: 7,
            };
            assert_eq!(topic(shape, &named), topic_name);
            assert_eq!(filter(shape, 12_345), filter_name);
            assert_eq!(topic_name.split('/').count(), levels);
        }
    }

    #[test]
    fn the_digits_of_a_number_are_found() {
        assert_eq!(places(b"a/000/x", b"a/999/x"), [2, 3, 4]);
        assert_eq!(places(b"00/x/0", b"99/x/9"), [0, 1, 5]);
        assert_eq!(digits(NINES).trim_matches('9'), "");
        assert_eq!(digits(NINES).len(), NUMBER_DIGITS);
    }
}
