//! A SUB: a queue of the connection's own, bound to what its prefixes may match; the session leaves out the rest.

use super::Link;
use crate::failure::Failure;
use crate::translate::{Frames, KEY_BYTES_MAX, Shown, first_word};
use broker_api::{Bind, BindTo, Command, Out};
use model::{Arguments, BindingKey, ExchangeName, Message, Pattern, PatternLevel, QueueName};
use std::collections::BTreeMap;
use std::ops::Bound;

/// What a SUB has asked for.
#[derive(Debug, Default)]
pub(super) struct Subscriber {
    /// Its queue, once that is made.
    queue: Option<QueueName>,
    /// How often each prefix was asked for.
    prefixes: BTreeMap<Box<[u8]>, u64>,
    /// How many prefixes each binding is for, by the levels that are whole in them.
    bindings: BTreeMap<Box<[u8]>, usize>,
}

impl Subscriber {
    pub(super) fn begin(&mut self, queue: QueueName) {
        self.queue = Some(queue);
    }

    pub(super) fn subscribe(
        &mut self,
        link: &mut Link,
        prefix: &[u8],
        out: &mut Out,
    ) -> Result<(), Failure> {
        let settings = &link.settings;
        if prefix.len() > settings.prefix_bytes_max {
            return Err(Failure::PrefixTooLong(settings.prefix_bytes_max));
        }
        if let Some(count) = self.prefixes.get_mut(prefix) {
            *count = count.saturating_add(1);
            return Ok(());
        }
        if self.prefixes.len() >= settings.subscriptions_max {
            return Err(Failure::TooManySubscriptions(settings.subscriptions_max));
        }
        self.prefixes.insert(prefix.into(), 1);
        let levels = whole_levels(prefix);
        let count = self.bindings.entry(levels.into()).or_default();
        *count += 1;
        if *count == 1
            && let Some(bind) = self.binding(levels)
        {
            link.submit(out, Command::Bind(bind));
        }
        Ok(())
    }

    /// One that was never asked for is passed over, as by libzmq.
    pub(super) fn cancel(&mut self, link: &mut Link, prefix: &[u8], out: &mut Out) {
        let Some(count) = self.prefixes.get_mut(prefix) else {
            return;
        };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.prefixes.remove(prefix);
        let levels = whole_levels(prefix);
        if take_one(&mut self.bindings, levels)
            && let Some(bind) = self.binding(levels)
        {
            link.submit(out, Command::Unbind(bind));
        }
    }

    fn binding(&self, levels: &[u8]) -> Option<Box<Bind>> {
        let words = levels.split(|byte| *byte == b'.');
        let mut pattern: Vec<_> = words.map(|word| PatternLevel::Word(word.into())).collect();
        // What stands behind the last dot, which is nothing.
        pattern.pop();
        pattern.push(PatternLevel::Many);
        Some(Box::new(Bind {
            source: ExchangeName::topic(),
            destination: BindTo::Queue(self.queue.clone()?),
            key: BindingKey::Pattern(Pattern::of_levels(pattern)),
            arguments: Arguments::default(),
        }))
    }

    /// Whether the first frame of the message begins with one of the prefixes.
    pub(super) fn wants(&self, message: &Message) -> bool {
        let first = Frames::of(message, Shown::Topic).next();
        let (first, _) = first.unwrap_or_default();
        begins_with_any(&self.prefixes, first)
    }
}

/// Whether a frame begins with one of the prefixes.
///
/// 1. The last prefix that is not behind the frame in their order is one of it, or:
/// 2. Any other that is one of the frame is one of that, too, since it lies between them. So what the two do not share
///    can be left out of the frame, and the search begins again.
fn begins_with_any<V>(prefixes: &BTreeMap<Box<[u8]>, V>, mut frame: &[u8]) -> bool {
    loop {
        let before = (Bound::Unbounded, Bound::Included(frame));
        let Some((prefix, _)) = prefixes.range::<[u8], _>(before).next_back() else {
            return false;
        };
        let both = prefix.iter().zip(frame);
        let shared = both.take_while(|(a, b)| a == b).count();
        if shared == prefix.len() {
            return true;
        }
        frame = &frame[..shared];
    }
}

/// Takes one from a count; says whether it was the last.
fn take_one<K: Ord + std::borrow::Borrow<Q>, Q: Ord + ?Sized>(
    counts: &mut BTreeMap<K, usize>,
    key: &Q,
) -> bool {
    let Some(count) = counts.get_mut(key) else {
        return false;
    };
    *count -= 1;
    let is_last = *count == 0;
    if is_last {
        counts.remove(key);
    }
    is_last
}

/// The levels that a key has at its front if its frame begins with the prefix, each with a dot behind it: those that
/// end in it. What a key does not hold of its frame does not count.
fn whole_levels(prefix: &[u8]) -> &[u8] {
    let in_key = first_word(&prefix[..prefix.len().min(KEY_BYTES_MAX)]);
    let end = in_key.iter().rposition(|byte| *byte == b'.');
    &in_key[..end.map_or(0, |end| end + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_begins_with_what_a_list_says(
            prefixes in prop::collection::vec("[abc]{0,5}", 0..12),
            frame in "[abc]{0,7}",
        ) {
            let map: BTreeMap<Box<[u8]>, ()> =
                prefixes.iter().map(|it| (it.as_bytes().into(), ())).collect();
            let expected = prefixes.iter().any(|it| frame.starts_with(it.as_str()));
            prop_assert_eq!(begins_with_any(&map, frame.as_bytes()), expected);
        }
    }
}
